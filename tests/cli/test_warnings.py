"""Peers that neither extend the chain nor misbehave: chains that fork below the database's base,
headers from the future, networks that no longer have our tip, too little work."""

import json
import os
import shutil
import struct
import time
import unittest

from support import (DONE, HEADER, NO_PEER, REGTEST_GENESIS, FixedAnswer, TestCase, database_headers, run,
                     sha256d)

HELD = 6100
BASE = 2016  # where 'prune --below 4032' leaves the chain to begin


class Apart(TestCase):
    def held(self):
        """A pruned database of HELD headers, and its server."""
        server = self.server("--mine", HELD, "--seed", 1)
        self.ends(self.sync("--connect", server.address), DONE)
        self.raw = database_headers(self.db)
        self.ends(run("spv-db", "prune", "--db", self.db, "--below", 4032), DONE)
        return server

    def forks_at(self, height):
        """A server of 200 headers more than HELD, which leave it at this height."""
        with open(self.path("below.bin"), "wb") as f:
            f.write(self.raw[:(height + 1) * HEADER])
        server = self.server("--headers", self.path("below.bin"), "--mine", HELD + 200 - height,
                             "--seed", 2)
        self.assertEqual(server.height, HELD + 200)
        return server

    def header_peer(self, raw):
        """A peer that answers each getheaders with these headers."""
        count = len(raw) // HEADER
        answer = bytes([count]) + b"".join(raw[i * HEADER:(i + 1) * HEADER] + b"\0"
                                           for i in range(count))

        peer = FixedAnswer(b"headers", answer, height=count)
        self.addCleanup(peer.close)
        return peer.address

    def connect(self, *servers):
        return [word for server in servers for word in ("--connect", server.address)]

    def warning(self, result):
        """The one warning of a run with --json, which is also why it ended."""
        self.ends(result, NO_PEER)
        events = [json.loads(line) for line in result.stdout.splitlines()]
        warnings = [e for e in events if e["event"] == "warning"]
        self.assertEqual(len(warnings), 1, result.stdout)
        return warnings[0]

    def assert_no_circle(self, result):
        """Nothing is advised that ends in the same way."""
        for words in ("cannot tell whether the chain is complete", "sync into a new database",
                      "name a peer that has its chain", "--backfill needs such a peer"):
            self.assertIn(words, result.stderr)
        for words in ("run it again", "or run with --backfill"):
            self.assertNotIn(words, result.stderr)

    def test_a_fork_below_the_base(self):
        honest = self.held()
        for height in (1000, 2020):
            with self.subTest(height):
                other = self.forks_at(height)
                alone = self.sync(*self.connect(other), "--timeout", 30)
                self.ends(alone, NO_PEER)
                self.assertIn("its chain forks below height 2,016", alone.stdout)
                self.assertIn("--backfill", alone.stdout)
                self.assert_no_circle(alone)
                filling = self.sync(*self.connect(other), "--timeout", 30, "--backfill")
                self.ends(filling, NO_PEER)
                self.assertNotIn("--backfill", filling.stdout)
                self.assert_no_circle(filling)
                both = self.sync(*self.connect(other, honest), "--json", "--timeout", 30)
                self.ends(both, DONE)
                events = [json.loads(line) for line in both.stdout.splitlines()]
                warnings = [e for e in events if e["event"] == "warning"]
                self.assertEqual([(w["warning"], w["peer"], w["given_height"]) for w in warnings],
                                 [("fork_below_start", other.address, BASE)])
                self.assertEqual(events[-1]["height"], HELD)
                copy = self.path("copy.db")
                shutil.copy(self.db, copy)
                filled = self.sync(*self.connect(other, honest), "--backfill", db=copy)
                self.ends(filled, DONE)
                self.assertNotIn("banned", filled.stdout + filled.stderr)
                # with the gap closed its chain can be judged, and has more work
                self.assertNotIn("--backfill", filled.stdout)
                chain = database_headers(copy)
                self.assertEqual(len(chain) // HEADER - 1, HELD + 200)
                self.assertEqual(chain[:(height + 1) * HEADER], self.raw[:(height + 1) * HEADER])
                os.remove(copy)

    def test_a_network_that_no_longer_has_our_tip(self):
        honest = self.held()
        reset = self.server("--mine", 100, "--seed", 3)
        result = self.sync(*self.connect(reset))
        self.ends(result, NO_PEER)
        self.assertIn("no peer has our tip at height 6,100", result.stdout)
        self.assertIn("ends at height 100", result.stdout)
        self.assertIn("reset", result.stderr)
        warning = self.warning(self.sync(*self.connect(reset), "--json"))
        self.assertEqual((warning["warning"], warning["peer"], warning["height"],
                          warning["given_height"]), ("tip_unknown", reset.address, HELD, 100))
        self.ends(self.sync(*self.connect(reset, honest)), DONE)

    def test_headers_from_the_future_are_a_wrong_clock(self):
        raw = bytearray(REGTEST_GENESIS)
        ahead = int(time.time()) + 86400
        for i in range(20):
            header = bytearray(struct.pack("<i", 4) + sha256d(raw[-HEADER:]) + bytes(32) +
                               struct.pack("<III", ahead + i, 0x207fffff, 0))
            while sha256d(header)[31] > 0x7f:
                header[76] += 1
            raw += header
        peer = self.header_peer(bytes(raw[HEADER:]))
        result = self.sync("--connect", peer, "--timeout", 30)
        self.ends(result, NO_PEER)
        self.assertIn("ahead of this system's clock", result.stdout)
        self.assertIn("Check this computer's clock", result.stderr)
        self.assertNotIn("up to date", result.stdout)
        warning = self.warning(self.sync("--connect", peer, "--timeout", 30, "--json"))
        self.assertEqual((warning["warning"], warning["peer"], warning["given_height"]),
                         ("future_headers", peer, 0))
        self.assertTrue(86400 - 3600 < warning["seconds"] <= 86400, warning)

    def test_a_peer_with_too_little_work_ends_the_run_at_its_timeout(self):
        server = self.server("--mine", 100)
        result = self.sync("--connect", server.address, "--min-chain-work", "ffff", "--timeout", 3)
        self.ends(result, NO_PEER)
        for words in (server.address, "too little work", "height 100", f"work {2 * 101:x},",
                      "ffff is required", "may still be syncing"):
            self.assertIn(words, result.stderr)
        self.assertNotIn("Check the --connect address", result.stderr)
        self.assertEqual(result.stdout.count("it may still be syncing"), 1)
        warning = self.warning(self.sync("--connect", server.address, "--min-chain-work", "ffff",
                                         "--timeout", 3, "--json"))
        self.assertEqual((warning["warning"], warning["peer"], warning["given_height"],
                          warning["peer_work"], warning["wanted_work"]),
                         ("low_work", server.address, 100, f"{2 * 101:064x}", f"{0xffff:064x}"))


if __name__ == "__main__":
    unittest.main()
