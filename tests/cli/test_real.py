"""Real headers of mainnet and signet from a server into a database (SPV_TEST_DATA)."""

import json
import os
import sqlite3
import unittest

from support import (DONE, HEADER, NO_PEER, TestCase, database_headers, display, run, sha256d)

DATA = os.environ.get("SPV_TEST_DATA", "")
MAINNET_GENESIS = bytes.fromhex(
    "01000000" + "00" * 32 + "3ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a" +
    "29ab5f49" + "ffff001d" + "1dac2b7c")


class Real(TestCase):
    def data(self, name):
        path = os.path.join(DATA, name)
        if not DATA or not os.path.exists(path):
            self.skipTest(f"SPV_TEST_DATA has no {name}")
        with open(path, "rb") as f:
            return f.read()

    def test_real_mainnet_headers_pass_the_first_retarget(self):
        raw = MAINNET_GENESIS + self.data("headers/mainnet-1-32260.bin")
        path = self.path("mainnet.bin")
        with open(path, "wb") as f:
            f.write(raw)
        server = self.server("--headers", path, network="mainnet")
        self.assertEqual(server.height, 32260)
        result = self.sync("--connect", server.address, "--min-chain-work", "1", "--json",
                           network="mainnet")
        self.ends(result, DONE)
        final = json.loads(result.stdout.splitlines()[-1])
        self.assertEqual((final["height"], final["hash"]), (32260, display(sha256d(raw[-HEADER:]))))
        self.assertEqual(database_headers(self.db), raw)

    def test_a_real_chain_is_started_at_a_checkpoint_and_backfilled_later(self):
        raw = MAINNET_GENESIS + self.data("headers/mainnet-1-32260.bin")
        path = self.path("mainnet.bin")
        with open(path, "wb") as f:
            f.write(raw)
        server = self.server("--headers", path, network="mainnet")
        # the real retarget at 32256 is the first one after the start at the checkpoint 32255
        common = ("--connect", server.address, "--min-chain-work", "7e01e0000000", "--json")
        result = self.sync(*common, "--start-height", 32259, network="mainnet")
        self.ends(result, DONE)
        final = json.loads(result.stdout.splitlines()[-1])
        self.assertEqual((final["height"], final["hash"], final["base"], final["work_from"],
                          final["added"]),
                         (32260, display(sha256d(raw[-HEADER:])), 30240, 0, 2021))
        with sqlite3.connect(self.db) as db:
            # checkpoints/mainnet-headers.csv: mainnet's work is known at each checkpoint
            self.assertEqual(db.execute("SELECT ltrim(lower(hex(work)), '0') FROM header"
                                        " WHERE height = 32256").fetchone(), ("7e01acd42dd2",))
        db.close()
        result = self.sync(*common, "--backfill", network="mainnet")
        self.ends(result, DONE)
        self.assertEqual(json.loads(result.stdout.splitlines()[-1])["chain_work"], final["chain_work"])
        self.assertEqual(database_headers(self.db), raw)
        result = run("spv-db", "verify", "--full", "--db", self.db)
        self.ends(result, DONE)

    def test_a_real_chain_without_the_minimum_work_is_not_synced(self):
        path = self.path("mainnet.bin")
        with open(path, "wb") as f:
            f.write(MAINNET_GENESIS + self.data("headers/mainnet-1-32260.bin")[:3000 * HEADER])
        server = self.server("--headers", path, network="mainnet")
        result = self.sync("--connect", server.address, "--timeout", 5, network="mainnet")
        self.ends(result, NO_PEER)

    def test_real_signet_headers_are_synced(self):
        raw = self.data("headers/signet-0-2015.bin")
        path = self.path("signet.bin")
        with open(path, "wb") as f:
            f.write(raw)
        server = self.server("--headers", path, network="signet")
        result = self.sync("--connect", server.address, "--min-chain-work", "1", network="signet")
        self.ends(result, DONE)
        self.assertEqual(database_headers(self.db), raw)


if __name__ == "__main__":
    unittest.main()
