"""A peer that sends invalid data is banned for a day, over restarts, and the reason is shown."""

import json
import socket
import sqlite3
import time
import struct
import unittest

from support import DONE, NO_PEER, REGTEST_GENESIS, FixedAnswer, TestCase, sha256d


def invalid_pow_peer():
    """A peer that answers getheaders with a header whose hash is above its target."""
    nonce = 0
    while True:
        header = struct.pack("<i32s32sIII", 4, sha256d(REGTEST_GENESIS), bytes(32), 1296688703,
                             0x207fffff, nonce)
        if sha256d(header)[31] & 0x80:  # above the target
            return FixedAnswer(b"headers", b"\x01" + header + b"\x00")
        nonce += 1


class Bans(TestCase):
    def test_a_misbehaving_peer_is_banned_over_restarts_until_bans_are_cleared(self):
        bad, server = invalid_pow_peer(), self.server("--mine", 50)
        self.addCleanup(bad.close)
        peers = ("--connect", bad.address, "--connect", server.address)
        result = self.sync(*peers, "--json")
        self.ends(result, DONE)
        banned = [e for e in map(json.loads, result.stdout.splitlines()) if e["event"] == "banned"]
        self.assertEqual([(e["peer"], e["code"]) for e in banned],
                         [(bad.address, "HDR_POW")])
        with sqlite3.connect(self.db) as db:
            rows = db.execute("SELECT address, until - since, code, reason FROM peer_ban").fetchall()
        db.close()
        self.assertEqual(rows, [(bad.address, 86400, -105, "hash above its target")])
        self.assertEqual(bad.dialled, 1)

        result = self.sync(*peers, "--verbose")
        self.ends(result, DONE)
        self.assertIn(f"{bad.address}: banned for invalid data within the last 24 hours", result.stdout)
        self.assertEqual(bad.dialled, 1)

        result = self.sync("--connect", bad.address)  # ends without waiting for the banned peer
        self.ends(result, NO_PEER)
        self.assertIn("every --connect peer is banned", result.stderr)
        self.assertIn("banned for invalid data within the last 24 hours", result.stderr)
        self.assertIn("--clear-bans", result.stderr)
        self.assertEqual(bad.dialled, 1)

        self.ends(self.sync(*peers, "--clear-bans"), DONE)
        self.assertEqual(bad.dialled, 2)

    def test_a_ban_ends_after_a_day(self):
        bad, server = invalid_pow_peer(), self.server("--mine", 50)
        self.addCleanup(bad.close)
        peers = ("--connect", bad.address, "--connect", server.address)
        self.ends(self.sync(*peers), DONE)
        with sqlite3.connect(self.db) as db:
            db.execute("UPDATE peer_ban SET since = since - 86401, until = until - 86401")
        db.close()
        self.ends(self.sync(*peers), DONE)
        self.assertEqual(bad.dialled, 2)

    def test_a_stored_ban_with_a_code_that_is_none_is_deleted(self):
        server = self.server("--mine", 50)
        self.ends(self.sync("--connect", server.address), DONE)
        with sqlite3.connect(self.db) as db:
            db.executemany("INSERT INTO peer_ban VALUES (?, ?, ?, ?, '')",
                           [("192.0.2.%d" % i, int(time.time()), int(time.time()) + 86400, code)
                            for i, code in enumerate((7, 2**31 - 1, -9999, 0))])
        db.close()
        self.ends(self.sync("--connect", server.address), DONE)
        with sqlite3.connect(self.db) as db:
            self.assertEqual(db.execute("SELECT * FROM peer_ban").fetchall(), [])
        db.close()

    def test_a_slow_peer_is_not_banned(self):
        mute = socket.create_server(("127.0.0.1", 0))  # accepts connections, sends nothing
        self.addCleanup(mute.close)
        result = self.sync("--connect", "127.0.0.1:%d" % mute.getsockname()[1], "--timeout", 1)
        self.ends(result, NO_PEER)
        with sqlite3.connect(self.db) as db:
            self.assertEqual(db.execute("SELECT count(*) FROM peer_ban").fetchone(), (0,))
        db.close()


if __name__ == "__main__":
    unittest.main()
