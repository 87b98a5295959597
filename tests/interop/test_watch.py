#!/usr/bin/env python3
"""spv-watch with bloom filters (BIP37) against bcoin, which serves the chain that Bitcoin Core made: history,
coins and balances must be those of that node's own wallet. Arguments: the spv-watch program. Exits with 77
when node, bcoin or SPV_TEST_DATA is not there."""

import csv
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from bcoin import PATIENCE, Node, main

SPV_WATCH = sys.argv[1] if len(sys.argv) > 1 else "build/dev/bin/spv-watch"
DATA = Path(os.environ.get("SPV_TEST_DATA", "")) / "regtest-node"


class Watch(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.truth = json.loads((DATA / "wallet.json").read_text())
        csv.field_size_limit(10 ** 7)
        with open(DATA / "blocks.csv", encoding="ascii", newline="") as file:
            rows = list(csv.DictReader(file))
        blocks = [row[[k for k in row if len(row[k]) > 160][0]] for row in rows if int(row["height"]) > 0]
        cls.node = Node(bip37=True, deployed=True)
        cls.node.ask("add", blocks=blocks)

    @classmethod
    def tearDownClass(cls):
        cls.node.end()

    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory()
        self.addCleanup(self.tmp.cleanup)

    def run_watch(self, *words, code=0):
        done = subprocess.run([SPV_WATCH, *words, "--network", "regtest", "--db",
                               str(Path(self.tmp.name) / "headers.db")],
                              capture_output=True, text=True, timeout=PATIENCE, check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout

    def objects(self, *words):
        return [json.loads(line) for line in self.run_watch(*words, "--json").splitlines()]

    def scan(self):
        return self.run_watch("scan", "--source", "bloom", "--connect", f"127.0.0.1:{self.node.port}")

    def check(self):
        """What the node's wallet said at height 264, whatever was mined since to another key."""
        history = {(o["txid"], o["height"], o["net"]) for o in self.objects("history") if o["event"] == "transaction"}
        wanted = {(o["txid"], o["height"], o["net_satoshi"]) for o in self.truth["history"] if o["height"] is not None}
        self.assertEqual(history, wanted)
        self.assertEqual(len(history), 37)
        coins = [o for o in self.objects("coins") if o["event"] == "coin"]
        self.assertEqual(len(coins), 35)
        balance = [o for o in self.objects("balance") if "confirmed" in o][0]
        self.assertEqual(balance["confirmed"] + balance["immature"], 10542854808 + 5000000000)
        return balance

    def test_all_descriptors_at_once(self):
        self.run_watch("add", *self.truth["multipath"].values())
        self.assertIn("by bloom", self.scan())
        balance = self.check()
        self.assertEqual((balance["confirmed"], balance["height"]), (10542854808, 264))

    def test_one_descriptor_after_the_other(self):
        for descriptor in self.truth["multipath"].values():
            self.run_watch("add", descriptor)
            self.node.ask("mine", n=1)  # it is silent when there is no header to send
            self.scan()
        self.check()


if __name__ == "__main__":
    if not DATA.is_dir():
        print("skipped: SPV_TEST_DATA is not set")
        sys.exit(77)
    main(SPV_WATCH)
