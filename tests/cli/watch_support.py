"""What the tests of spv-watch share: a real node's chain, served from files (tests/interop/replay.py), and what
its own wallet said of six descriptors."""

import csv
import io
import json
import os
import re
import shutil
import sys
import tempfile
import time
import unittest
from pathlib import Path

from support import DONE, HANG, TestCase, run, untimed

sys.path.append(str(Path(__file__).resolve().parent.parent / "interop"))
import replay  # noqa: E402

DATA = os.environ.get("SPV_TEST_DATA")
HISTORY = {"txid", "height", "block_hash", "net", "fee", "state", "progress", "confirmations", "time"}
COINS = {"txid", "vout", "value", "script", "address", "descriptor", "branch", "index", "height",
         "confirmations", "coinbase", "mature", "spent_unconfirmed"}
CONFIRMED, IMMATURE = 10542854808, 5000000000
# BIP32's first vector, m
KEY = ("xpub661MyMwAqRbcFtXgS5sYJABqqG9YLmC4Q1Rdap9gSE8NqtwybGhePY2gZ29ESFjqJoCu1Rupje8YtGqsefD265TMg7us"
       "UDFdp6W1EGMcet8")
PRIVATE = ("xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk3"
           "3yuGBxrMPHi")
WIF = "5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ"
P2WPKH = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
BIP39 = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about"


def amount(text):
    """Satoshis of BTC with 8 decimals."""
    sign, whole, rest = re.fullmatch(r"([+-]?)(\d+)\.(\d{8})", text).groups()
    return (-1 if sign == "-" else 1) * (int(whole) * 100000000 + int(rest))


class Watch(TestCase):
    def ask(self, command, *args, code=DONE, db=None):
        result = run("spv-watch", command, *args, "--db", db or self.db)
        self.ends(result, code)
        return result

    def objects(self, command, *args, **more):
        return [untimed(line) for line in self.ask(command, *args, "--json", **more).stdout.splitlines()]

    def rows(self, command, *args):
        return list(csv.DictReader(io.StringIO(self.ask(command, *args, "--csv").stdout)))

    def refused(self, command, *args, words, code, secret=None, **more):
        result = self.ask(command, *args, code=code, **more)
        for word in words:
            self.assertIn(word, result.stderr)
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        if secret:
            said = self.ask(command, *args, "--json", code=code, **more)
            for text in (result.stdout, result.stderr, said.stdout, said.stderr):
                self.assertNotIn(secret, text)
            self.assertEqual(json.loads(said.stdout)["event"], "error")


class Truth(Watch):
    """The chain and the wallet of a real node."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if not DATA:
            raise unittest.SkipTest("SPV_TEST_DATA is not set")
        cls.chain, cls.stale_height, cls.stale = replay.regtest_node(DATA)
        cls.wallet = json.loads((Path(DATA) / "regtest-node/wallet.json").read_text())
        cls.descriptors = list(cls.wallet["multipath"].values())
        cls.history = sorted((h["height"], h["txid"], h["block_hash"], h["net_satoshi"], h["confirmations"])
                             for h in cls.wallet["history"] if h["confirmations"] > 0)
        cls.coins = sorted((c["txid"], c["vout"], c["satoshi"], c["address"], c["confirmations"])
                           for c in cls.wallet["unspent"] if c["confirmations"] > 0)
        assert (len(cls.history), len(cls.coins)) == (37, 35)
        cls.images = tempfile.mkdtemp(prefix="spv-cli-")
        cls.added, cls.scanned = (os.path.join(cls.images, name) for name in ("added.db", "scanned.db"))
        server = replay.ReplayServer(cls.chain)
        try:
            for args in (["add", *cls.descriptors, "-n", "regtest", "--db", cls.added],
                         ["scan", "--source", "filters", "--connect", server.address, "--db", cls.scanned]):
                if args[0] == "scan":
                    shutil.copy(cls.added, cls.scanned)
                done = run("spv-watch", *args)
                assert done.returncode == DONE, done.stderr
        finally:
            server.close()

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.images)
        super().tearDownClass()

    def has_scanned(self):
        """A database that was scanned up to the tip."""
        shutil.copy(self.scanned, self.db)

    def replay(self, chain=None):
        server = replay.ReplayServer(chain or self.chain)
        self.addCleanup(server.close)
        return server

    def add(self, descriptors=None):
        if not descriptors and not os.path.exists(self.db):
            shutil.copy(self.added, self.db)
        else:
            self.ask("add", *(descriptors or self.descriptors), "-n", "regtest", "--quiet")

    def scan(self, server, *args, **more):
        return self.ask("scan", "--connect", server.address, *args, **more)

    def start(self, command, server, *args):
        return self.program("spv-watch", command, "--db", self.db, "--connect", server.address, *args)

    def is_true(self):
        """Everything as the node's wallet has it."""
        history, coins = self.objects("history"), self.objects("coins")
        for o in history:
            self.assertEqual((set(o), o["event"]), (HISTORY | {"event"}, "transaction"))
            self.assertEqual((o["state"], o["progress"]), ("confirmed", None))
        self.assertEqual(sorted((o["height"], o["txid"], o["block_hash"], o["net"], o["confirmations"])
                                for o in history), self.history)
        self.assertEqual([o["height"] for o in history], [h[0] for h in self.history])
        for o in coins:
            self.assertEqual((set(o), o["event"]), (COINS | {"event"}, "coin"))
            self.assertEqual((o["spent_unconfirmed"], o["mature"]),
                             (False, not o["coinbase"] or o["confirmations"] > 100))
        self.assertEqual(sorted((o["txid"], o["vout"], o["value"], o["address"], o["confirmations"])
                                for o in coins), self.coins)
        self.assertEqual(self.objects("balance"), [
            {"event": "balance", "confirmed": CONFIRMED, "trusted_pending": 0, "untrusted_pending": 0,
             "immature": IMMATURE, "height": 264}])
        self.ends(run("spv-db", "verify", "--db", self.db), DONE)

    def wait_for_request(self, server, command):
        end = time.monotonic() + HANG
        while not any(name == command for name, _ in server.requests):
            self.assertLess(time.monotonic(), end)
            time.sleep(0.02)
