"""Filter headers and kept filters in a database: what spv-db shows, verifies and repairs."""

import json
import os
import signal
import sqlite3
import unittest

from support import DROP_WALLET, DATABASE, DONE, TestCase, run, sha256d

COUNT = 300  # headers above genesis; filter headers reach 280, filters are kept of 250 to 270
GENESIS_FILTER = bytes.fromhex("014756c0")


def read(path):
    with open(path, "rb") as f:
        return f.read()


def filter_at(height):
    """A made-up filter; that of regtest's genesis is built in."""
    return GENESIS_FILTER if height == 0 else bytes([1, height & 0xff, height >> 8, 7])


def filter_headers(count):
    """[(filter hash, filter header)] in the order of the wire, from genesis."""
    rows, below = [], bytes(32)
    for height in range(count):
        digest = sha256d(filter_at(height))
        below = sha256d(digest + below)
        rows.append((digest, below))
    return rows


class FilterHeaders(TestCase):
    image = None

    def setUp(self):
        super().setUp()
        if FilterHeaders.image is None:
            server = self.server("--mine", COUNT)
            self.ends(self.sync("--connect", server.address), DONE)
            server.signal(signal.SIGTERM)
            FilterHeaders.plain = read(self.db)
            with sqlite3.connect(self.db) as db:
                db.executemany("INSERT INTO filter_header VALUES (?, ?, ?)",
                               ((h, header[::-1], digest[::-1] if h >= 100 else None)
                                for h, (digest, header) in enumerate(filter_headers(281))))
                db.executemany("INSERT INTO block_filter VALUES (?, ?)",
                               ((h, filter_at(h)) for h in range(250, 271)))
                db.executemany("INSERT INTO meta VALUES (?, ?)", (
                    ("kept_filters", 21), ("kept_filter_bytes", 84), ("kept_filters_from", 250)))
            db.close()
            FilterHeaders.image = read(self.db)
        self.restore(FilterHeaders.image)

    def restore(self, image):
        for name in os.listdir(self.folder):
            os.remove(self.path(name))
        with open(self.db, "wb") as f:
            f.write(image)

    def meddle(self, sql):
        with sqlite3.connect(self.db) as db:
            db.executescript(sql)
        db.close()

    def tool(self, *args):
        return run("spv-db", *args, "--db", self.db)

    def objects(self, *args, code=DONE):
        result = self.tool(*args, "--json")
        self.ends(result, code)
        return [json.loads(line) for line in result.stdout.splitlines()]

    def test_info_shows_the_heights_and_what_is_kept(self):
        info, = self.objects("info")
        self.assertEqual((info["filter_headers_from"], info["filter_headers_to"]), (0, 280))
        self.assertEqual((info["kept_filters"], info["kept_filter_bytes"]), (21, 84))
        result = self.tool("info")
        self.ends(result, DONE)
        self.assertIn("\nfilter headers 0 to 280\nkept filters   21, 84 bytes\n", result.stdout)
        self.restore(FilterHeaders.plain)
        info, = self.objects("info")
        self.assertEqual((info["filter_headers_from"], info["filter_headers_to"]), (None, None))
        self.assertEqual((info["kept_filters"], info["kept_filter_bytes"]), (0, 0))
        result = self.tool("info")
        self.assertIn("\nfilter headers none\nkept filters   none\n", result.stdout)

    def test_info_of_an_older_schema(self):
        self.restore(FilterHeaders.plain)
        self.meddle(DROP_WALLET + "DROP TABLE filter_header; DROP TABLE block_filter; PRAGMA user_version = 2")
        info, = self.objects("info")
        self.assertEqual((info["schema"], info["filter_headers_to"], info["kept_filters"]),
                         (2, None, 0))
        self.ends(self.tool("verify"), DONE)

    def test_verify_counts_them(self):
        verdict, = self.objects("verify", "--full")
        self.assertTrue(verdict["ok"] and verdict["filters_ok"])
        self.assertEqual((verdict["filter_headers"], verdict["kept_filters"]), (281, 21))
        result = self.tool("verify")
        self.ends(result, DONE)
        self.assertIn("; 281 filter headers to height 280 (20 below the tip), 21 kept filters, in ",
                      result.stdout)
        self.assertEqual(verdict["filter_headers_to"], 280)
        self.meddle("INSERT INTO filter_header VALUES " + ", ".join(
            f"({h}, x'{header[::-1].hex()}', x'{digest[::-1].hex()}')"
            for h, (digest, header) in enumerate(filter_headers(COUNT + 1)) if h > 280))
        self.assertIn("; 301 filter headers to height 300, 21 kept", self.tool("verify").stdout)
        self.restore(FilterHeaders.plain)
        verdict, = self.objects("verify")
        self.assertEqual((verdict["filter_headers"], verdict["filter_headers_to"]), (0, None))
        self.assertNotIn("filter", self.tool("verify").stdout)

    def test_each_damage_is_named_and_repaired(self):
        for sql, words, last, kept in (
                ("UPDATE filter_header SET header = zeroblob(32) WHERE height = 265",
                 "the filter header of height 265 is not the hash of its filter hash", 264, 15),
                ("DELETE FROM filter_header WHERE height = 20",
                 "the filter header of height 21 follows a gap", 19, 0),
                ("UPDATE block_filter SET filter = x'00' WHERE height = 260",
                 "the kept filter of height 260 does not have its filter hash", 280, 10),
                ("UPDATE meta SET value = 20 WHERE key = 'kept_filters'",
                 "totals of kept filters are wrong: there are 21 of 84 bytes", 280, 21)):
            with self.subTest(sql):
                self.restore(FilterHeaders.image)
                self.meddle(sql)
                result = self.tool("verify")
                self.ends(result, DATABASE)
                self.assertIn(words, result.stderr)
                finding, verdict, _ = self.objects("verify", code=DATABASE)
                self.assertIn(words, finding["text"])
                self.assertEqual((verdict["filters_ok"], verdict["good_height"]), (False, COUNT))
                result = self.tool("repair")
                self.ends(result, DONE)
                self.assertIn("no header was removed", result.stdout)
                info, = self.objects("info")
                self.assertEqual((info["filter_headers_to"], info["kept_filters"]), (last, kept))
                self.ends(self.tool("verify"), DONE)


if __name__ == "__main__":
    unittest.main()
