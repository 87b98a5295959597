"""docs/schema.md is a contract: its example queries run in the plain sqlite3 shell and say what an
independent count says, and it names every table, column and metadata key that a database has."""

import datetime
import os
import re
import shutil
import sqlite3
import struct
import subprocess
import unittest

from support import DONE, HEADER, TestCase, database_headers, sha256d

DOCUMENT = os.path.join(os.path.dirname(__file__), "../../docs/schema.md")
COUNT = 4100  # three retarget periods begin in it


def difficulty(bits):
    return 0xffff * 2.0 ** (8 * (0x1d - 3)) / ((bits & 0x7fffff) * 2.0 ** (8 * ((bits >> 24) - 3)))


class Schema(TestCase):
    image = None

    def setUp(self):
        super().setUp()
        if not shutil.which("sqlite3"):
            self.skipTest("no sqlite3 shell")
        with open(DOCUMENT, encoding="utf-8") as f:
            self.text = f.read()
        if Schema.image is None:
            server = self.server("--mine", COUNT)
            self.ends(self.sync("--connect", server.address), DONE)
            Schema.chain = database_headers(self.db)
            self.add_filters()
            with open(self.db, "rb") as f:
                Schema.image = f.read()
        with open(self.db, "wb") as f:
            f.write(Schema.image)
        self.version = [self.field(i, 0, "<i") for i in range(COUNT + 1)]
        self.time, self.bits = ([self.field(i, at) for i in range(COUNT + 1)] for at in (68, 72))

    def add_filters(self):
        """Rows of another writer: filter headers of heights 0 to 4000, three kept filters."""
        Schema.filters = [bytes.fromhex("014756c0")] + [bytes([1, h & 0xff, h >> 8])
                                                        for h in range(1, 4001)]
        Schema.filter_headers = []
        below = bytes(32)
        with sqlite3.connect(self.db) as db:
            for height, content in enumerate(Schema.filters):
                digest = sha256d(content)
                below = sha256d(digest + below)
                Schema.filter_headers.append(below[::-1])
                db.execute("INSERT INTO filter_header VALUES (?, ?, ?)",
                           (height, below[::-1], digest[::-1] if height >= 1000 else None))
            db.executemany("INSERT INTO block_filter VALUES (?, ?)",
                           ((h, Schema.filters[h]) for h in (3997, 3999, 4000)))
            db.executemany("INSERT INTO meta VALUES (?, ?)", (
                ("kept_filters", 3), ("kept_filter_bytes", 9), ("kept_filters_from", 3999)))
        db.close()

    def field(self, height, at, form="<I"):
        return struct.unpack_from(form, Schema.chain, height * HEADER + at)[0]

    def shell(self, sql):
        done = subprocess.run(["sqlite3", "-readonly", "-batch", "-separator", "|", self.db],
                              input=sql, capture_output=True, text=True, timeout=300, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""), sql)
        return [line.split("|") for line in done.stdout.splitlines()]

    def queries(self):
        found = re.findall(r"\n([^\n]+)\n(?:[^\n]+\n)*?\n```sql\n(.*?)```", self.text, re.S)
        return [sql for _, sql in found]

    def query(self, word):
        fitting = [sql for sql in self.queries() if word in sql]
        self.assertEqual(len(fitting), 1, word)
        return self.shell(fitting[0])

    def test_every_query_runs_and_returns_rows(self):
        queries = re.findall(r"```sql\n(.*?)```", self.text, re.S)
        self.assertGreaterEqual(len(queries), 10)
        for sql in queries:
            with self.subTest(sql):
                self.assertGreater(len(self.shell(sql)), 0)

    def test_difficulty_over_time(self):
        rows = self.query("AS difficulty")
        self.assertEqual([int(r[0]) for r in rows], [0, 2016, 4032])
        for height, day, value in rows:
            want = difficulty(self.bits[int(height)])
            self.assertAlmostEqual(float(value) / want, 1, 9)
            self.assertEqual(day, self.day(int(height)))

    def day(self, height):
        return str(datetime.datetime.fromtimestamp(self.time[height], datetime.timezone.utc).date())

    def test_blocks_per_day(self):
        rows = self.query("AS blocks\nFROM header\nWHERE time")
        last = max(self.time) - 30 * 86400
        want = {}
        for height, time in enumerate(self.time):
            if time > last:
                want[self.day(height)] = want.get(self.day(height), 0) + 1
        self.assertEqual({day: int(n) for day, n in rows}, want)

    def test_longest_gaps(self):
        rows = self.query("AS minutes")
        gaps = sorted(((self.time[i] - self.time[i - 1], -i) for i in range(1, COUNT + 1)),
                      reverse=True)[:10]
        self.assertEqual([(int(h), float(m)) for h, _, m in rows],
                         [(-i, gap / 60) for gap, i in gaps])

    def test_version_bit_signalling(self):
        with sqlite3.connect(self.db) as db:  # some that differ, a negative one among them
            for height, version in ((5, 1), (6, 0x30000000), (7, -1), (2020, 0x20000001)):
                self.version[height] = version
                db.execute("UPDATE header SET version = ? WHERE height = ?", (version, height))
        db.close()
        for period, blocks, bip9, bit in self.query("AS bip9"):
            part = self.version[int(period) * 2016:(int(period) + 1) * 2016]
            tops = [v for v in part if v & 0xe0000000 == 0x20000000]
            self.assertEqual(int(blocks), len(part))
            self.assertAlmostEqual(float(bip9), len(tops) / len(part), 9)
            self.assertAlmostEqual(float(bit), sum(v >> 28 & 1 for v in tops) / len(part), 9)

    def test_work_between_two_heights(self):
        want = sum(2**256 // ((b & 0x7fffff) * 256**((b >> 24) - 3) + 1)
                   for b in self.bits[101:2101])
        # regtest's blocks count 2, and 2.0000002 where nothing is rounded down
        for word, places in (("WITH RECURSIVE digit", 12), ("SELECT sum(pow(2, 256)", 6)):
            (hashes,), = self.query(word)
            self.assertAlmostEqual(float(hashes) / want, 1, places, word)

    def test_the_other_queries(self):
        self.assertEqual(self.query("hash, utc FROM")[0][0], str(COUNT))
        self.assertEqual(self.query("AS more"), [["1"]])
        self.assertEqual(self.query("WITH wanted"), [["1000"]])
        self.assertEqual(self.query("AS wrong"), [["0"]])

    def test_filter_headers_and_kept_filters(self):
        self.assertEqual(self.query("AS filter_hashes"), [["0", "4000", "4001", "3001"]])
        (height, block, header), = self.query("AS filter_header\nFROM")
        self.assertEqual((height, header), ("4000", Schema.filter_headers[4000].hex()))
        at = 4000 * HEADER
        self.assertEqual(block, sha256d(Schema.chain[at:at + HEADER])[::-1].hex())
        self.assertEqual(self.query("AS counted"), [["3", "9", "1"]])

    def test_look_ups_by_hash_use_the_index(self):
        sql, = [sql for sql in self.queries() if "WITH wanted" in sql]
        plan = "\n".join("|".join(row) for row in self.shell("EXPLAIN QUERY PLAN " + sql))
        self.assertIn("header_by_hash", plan)
        self.assertNotIn("SCAN h", plan)

    def test_the_document_names_every_table_column_and_key(self):
        with sqlite3.connect(self.db) as db:
            version, = db.execute("PRAGMA user_version").fetchone()
            self.assertIn(f"Schema version {version}.", self.text)
            for kind, name in db.execute("SELECT type, name FROM sqlite_master"
                                         " WHERE name NOT LIKE 'sqlite_%'").fetchall():
                self.assertIn(f"`{name}`", self.text, kind)
                if kind == "index":
                    continue
                for column in db.execute(f"PRAGMA table_info({name})").fetchall():
                    self.assertRegex(self.text, rf"\b{column[1]}\b", f"{name}.{column[1]}")
            for key, in db.execute("SELECT key FROM meta").fetchall():
                self.assertIn(f"`{key}`", self.text)
        db.close()

    def test_a_header_costs_at_most_170_bytes_with_the_index(self):
        server = self.server("--mine", 40000)
        os.remove(self.db)
        self.ends(self.sync("--connect", server.address), DONE)
        self.assertLessEqual(os.path.getsize(self.db) / 40001, 170)
        self.assertEqual(self.shell("SELECT count(*) FROM sqlite_master WHERE name ="
                                    " 'header_by_hash'"), [["1"]])


if __name__ == "__main__":
    unittest.main()
