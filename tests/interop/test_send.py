#!/usr/bin/env python3
"""spv-send through bcoin on regtest: what is sent to one node is seen in another one, which announces it
back. Arguments: the spv-send program. Exits with 77 when node or bcoin is not there."""

import json
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

from bcoin import PATIENCE, Node, main

SPV_SEND = sys.argv[1] if len(sys.argv) > 1 else "build/dev/bin/spv-send"


class Send(unittest.TestCase):
    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory()
        self.addCleanup(self.tmp.cleanup)
        self.first, self.second = Node(), Node()
        self.addCleanup(self.first.end)
        self.addCleanup(self.second.end)
        self.first.ask("mine", n=450)  # segwit is active there then
        self.second.ask("add", blocks=self.first.ask("blocks", **{"from": 1, "to": 450}))
        self.second.ask("dial", port=self.first.port)
        self.until(lambda: all(p["handshake"] for p in self.second.ask("peers")) and self.second.ask("peers"))

    def until(self, true):
        end = time.monotonic() + PATIENCE
        while not true():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.05)

    def send(self, raw, *nodes, code=0, timeout=30):
        path = Path(self.tmp.name) / "tx.hex"
        path.write_text(raw, encoding="ascii")
        run = subprocess.run([SPV_SEND, "--network", "regtest", "--db", str(Path(self.tmp.name) / "headers.db"),
                              "--json", "--timeout", str(timeout), str(path),
                              *(word for n in nodes for word in ("--connect", f"127.0.0.1:{n.port}"))],
                             capture_output=True, text=True, timeout=PATIENCE, check=False)
        self.assertEqual(run.returncode, code, run.stdout + run.stderr)
        return [json.loads(line) for line in run.stdout.splitlines()]

    def test_what_one_node_fetches_comes_back_from_the_other(self):
        tx = self.first.ask("spend", height=1, keep=True)
        said = self.send(tx["raw"], self.first, self.second)
        sent = [s for s in said if s["event"] == "sent"][-1]
        self.assertEqual((sent["txid"], sent["returned"]), (tx["txid"], 1))
        self.assertEqual([s["wtxid"] for s in said if s["event"] == "transaction"], [tx["wtxid"]])
        for node in (self.first, self.second):
            self.assertEqual(node.ask("mempool"), [tx["txid"]])

    def test_a_node_that_refuses_it_says_why(self):
        tx = self.first.ask("spend", height=2, keep=True)
        raw = bytearray.fromhex(tx["raw"])
        raw[-20] ^= 1  # in the public key, of the witness: another hash than the coin's
        said = self.send(raw.hex(), self.first, code=1, timeout=3)
        last = [s for s in said if s["event"] == "broadcast"][-1]
        self.assertEqual((last["fetched"], last["returned"], last["rejects"], last["reject"]),
                         (1, 0, 1, "nonstandard"))
        self.assertEqual(self.first.ask("mempool"), [])


main(SPV_SEND)
