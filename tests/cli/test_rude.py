"""Peers that connect and then send what closes the connection. That is not misbehaving, so they are
not banned, queried after others, dialled again after longer waits; each disconnect is reported."""

import json
import re
import sqlite3
import unittest

from support import DONE, HEADER, NO_PEER, FixedAnswer, TestCase, mine_file


class Disconnects(TestCase):
    def peer(self, *message):
        peer = FixedAnswer(*message)
        self.addCleanup(peer.close)
        return peer

    def bans(self):
        with sqlite3.connect(self.db) as db:
            rows = db.execute("SELECT count(*) FROM peer_ban").fetchone()
        db.close()
        return rows[0]

    def test_malformed_messages_disconnect_without_a_ban(self):
        server = self.server("--mine", 50)
        for name, message, code in (
                ("trailing bytes", (b"inv", b"\0\0"), "TRAILING"),
                ("a message that ends too early", (b"headers", b"\1"), "SHORT"),
                ("a short ping", (b"ping", b"1234"), "SHORT"),
                ("a long ping", (b"ping", bytes(9)), "LENGTH"),
                ("an empty ping", (b"ping",), "SHORT"),
                ("late negotiation", (b"sendaddrv2",), "LATE_NEGOTIATION"),
                ("a mempool request", (b"mempool",), "BLOOM_NOT_OFFERED"),
                ("a filter request", (b"getcfilters", bytes(37)), "FILTERS_NOT_OFFERED")):
            with self.subTest(name):
                peer = self.peer(*message)
                result = self.sync("--connect", peer.address, "--connect", server.address, "--json",
                                   "--timeout", 3)
                events = [json.loads(line) for line in result.stdout.splitlines()]
                ends = [e for e in events if e["event"] == "disconnected"]
                self.assertTrue(ends, result.stdout)
                self.assertEqual({(e["peer"], e["code"]) for e in ends}, {(peer.address, code)})
                self.assertNotIn("banned", [e["event"] for e in events])
                self.assertEqual(self.bans(), 0)

    def test_the_reason_of_a_disconnect_and_the_next_attempt_are_printed(self):
        # regtest has no seeds, so --add-peer names every peer as well; when another one of those may
        # be dialled first the time of the next attempt is unknown
        for option, again in (("--connect", "; next attempt in [1-9]"), ("--add-peer", "$")):
            with self.subTest(option):
                peer = self.peer(b"inv", b"\0\0")
                result = self.sync(option, peer.address, "--timeout", 4, db=self.path(option))
                self.ends(result, NO_PEER)  # handshakes alone do not keep the run alive
                lines = [line for line in result.stdout.splitlines()
                         if line.startswith(peer.address)]
                self.assertGreater(len(lines), 1, result.stdout)
                self.assertEqual(len(lines), peer.dialled, result.stdout)
                for line in lines:
                    self.assertRegex(line, "bytes after the end of the message" + again)
                self.assertIn(f"no usable peer in 4.0 s: {peer.address}: bytes after the end of the "
                              f"message. Check the {option} address", result.stderr)

    def test_repeats_and_transaction_counts_are_ignored(self):
        for command, payload in ((b"verack", b""), (b"version", b"\0"), (b"gibberish", b"abc")):
            with self.subTest(command):
                peer = self.peer(command, payload)
                result = self.sync("--connect", peer.address, "--timeout", 1, "--json")
                self.ends(result, NO_PEER)
                self.assertEqual(peer.dialled, 1)
                events = [json.loads(line)["event"] for line in result.stdout.splitlines()]
                self.assertNotIn("disconnected", events)
        raw = mine_file(self.path("raw"), 20)[HEADER:]
        for count in (b"\1", b"\xfc", b"\xfd\xff\xff"):  # honest ones send 0; it is read and not used
            with self.subTest(transactions=count):
                headers = b"".join(raw[at:at + HEADER] + count for at in range(0, len(raw), HEADER))
                peer = FixedAnswer(b"headers", bytes([20]) + headers, height=20)
                self.addCleanup(peer.close)
                result = self.sync("--connect", peer.address, "--json", db=self.path(count.hex()))
                self.ends(result, DONE)
                events = [json.loads(line) for line in result.stdout.splitlines()]
                self.assertEqual((events[-1]["event"], events[-1]["height"]), ("synced", 20))
                self.assertNotIn("disconnected", [e["event"] for e in events])


if __name__ == "__main__":
    unittest.main()
