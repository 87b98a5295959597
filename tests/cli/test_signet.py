"""Custom signets: the challenge determines magic, folder and network id."""

import os
import sqlite3
import struct
import unittest

from support import (DATABASE, DONE, HEADER, TestCase, database_headers, fetch_headers, run,
                     sha256d)

GENESIS = struct.pack("<i32s32sIII", 1, bytes(32), bytes.fromhex(
    "3ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a"), 1598918400, 0x1e0377ae,
    52613770)
CHALLENGE = "51"  # OP_TRUE
MAGIC = sha256d(bytes([1, 0x51]))[:4]  # of the script with its length before it
DEFAULT = ("512103ad5e0edad18cb1f0fc0d28a3d4f1f3e445640337489abb10404f2d1e086be430210359ef5021964fe22d6f8e05b"
           "2463c9540ce96883fe3b278760f048f5189f2e6c452ae")


class Signet(TestCase):
    def headers(self):
        """Real signet headers, which every signet with the default genesis could have; where they
        are not at hand, its genesis alone."""
        folder = os.environ.get("SPV_TEST_DATA")
        path = os.path.join(folder, "headers/signet-0-2015.bin") if folder else ""
        if os.path.isfile(path):
            return path
        print("no SPV_TEST_DATA: a chain of genesis alone")
        path = self.path("genesis.bin")
        with open(path, "wb") as f:
            f.write(GENESIS)
        return path

    def test_a_challenge_determines_magic_folder_and_network_id(self):
        headers = self.headers()
        with open(headers, "rb") as f:
            raw = f.read()
        server = self.server("--headers", headers, "--signet-challenge", CHALLENGE,
                             network="signet")
        self.assertEqual(fetch_headers(server.port, GENESIS, MAGIC), raw)
        place = ("--datadir", self.folder, "--signet-challenge", CHALLENGE)
        self.ends(run("spv-sync", *place, "--connect", server.address), DONE)
        path = self.path(f"signet-{MAGIC.hex()}/headers.db")
        self.assertEqual(database_headers(path), raw)
        with sqlite3.connect(path) as db:
            meta = dict(db.execute("SELECT key, value FROM meta").fetchall())
        db.close()
        self.assertEqual(meta["network"], f"signet-{MAGIC.hex()}")
        self.assertEqual(meta["magic"], MAGIC.hex())
        self.assertEqual(meta["challenge_hash"], sha256d(bytes([0x51])).hex())
        # exported by place, and by its file alone
        out = self.path("out.bin")
        for where in (place, ("--db", path), ("--db", path, "--signet-challenge", CHALLENGE)):
            self.ends(run("spv-export", *where, "--format", "raw", "--output", out), DONE)
            with open(out, "rb") as f:
                self.assertEqual(f.read(), raw)
        # the other signets are other networks
        for other in (("--network", "signet"), ("--signet-challenge", "52")):
            result = run("spv-sync", "--db", path, *other, "--timeout", 1)
            self.ends(result, DATABASE)
            self.assertIn(f"signet-{MAGIC.hex()}", result.stderr)
        # served from the database
        again = self.server("--db", path, "--signet-challenge", CHALLENGE, network="signet")
        self.assertEqual(again.height, len(raw) // HEADER - 1)

    def test_the_default_challenge_is_the_default_signet(self):
        server = self.server("--headers", self.headers(), network="signet")
        self.ends(run("spv-sync", "--datadir", self.folder, "--signet-challenge", DEFAULT.upper(),
                      "--connect", server.address, "--min-chain-work", "0", "--no-checkpoints"),
                  DONE)
        self.assertTrue(os.path.exists(self.path("signet/headers.db")))


if __name__ == "__main__":
    unittest.main()
