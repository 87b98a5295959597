"""spv-db: each command as a user drives it, on sound databases and on damaged ones."""

import gzip
import json
import os
import random
import signal
import sqlite3
import struct
import time
import unittest
import xml.dom.minidom

from support import (DATABASE, DONE, FAILED, HEADER, INTERRUPTED, REGTEST_GENESIS, USAGE, TestCase,
                     database_headers, display, run, sha256d)

COUNT = 7000  # more than two periods and a median: something can be pruned
PAGE = 4096


class Db(TestCase):
    image = None

    def setUp(self):
        super().setUp()
        if Db.image is None:
            server = self.server("--mine", COUNT)
            self.ends(self.sync("--connect", server.address), DONE)
            server.signal(signal.SIGTERM)
            with open(self.db, "rb") as f:
                Db.image = f.read()
            Db.chain = database_headers(self.db)
        with open(self.db, "wb") as f:
            f.write(Db.image)

    def tool(self, *args, **more):
        return run("spv-db", *args, "--db", self.db, **more)

    def objects(self, *args, code=DONE):
        result = self.tool(*args, "--json")
        self.ends(result, code)
        return [json.loads(line) for line in result.stdout.splitlines()]

    def meddle(self, sql):
        with sqlite3.connect(self.db) as db:
            db.executescript(sql)
        db.close()

    def test_info_shows_malformed_metadata_as_unknown(self):
        for value in ("hex(zeroblob(200))", "CAST(x'610062' AS TEXT)"):
            with self.subTest(value):
                self.meddle(f"UPDATE meta SET value = {value} WHERE key IN ('created_by', 'last_sync')")
                info, = self.objects("info")
                self.assertEqual((info["created_by"], info["last_sync"]), (None, None))
                self.assertEqual(info["height"], COUNT)
                result = self.tool("info")
                self.ends(result, DONE)
                self.assertRegex(result.stdout, r"last sync +unknown\n.*made by +unknown\n")

    def test_info_describes_the_database(self):
        info, = self.objects("info")
        tip = Db.chain[-HEADER:]
        self.assertEqual(info["network"], "regtest")
        self.assertEqual((info["height"], info["hash"]), (COUNT, display(sha256d(tip))))
        self.assertEqual(info["chain_work"], f"{2 * (COUNT + 1):064x}")
        self.assertEqual((info["headers"], info["base"], info["work_from"]), (COUNT + 1, 0, 0))
        self.assertEqual(info["file_bytes"], os.path.getsize(self.db))
        self.assertTrue(info["hash_index"])
        with sqlite3.connect(self.db) as db:
            self.assertEqual(info["schema"], db.execute("PRAGMA user_version").fetchone()[0])
            synced, = db.execute("SELECT value FROM meta WHERE key = 'last_sync'").fetchone()
        db.close()
        self.assertEqual(info["last_sync"], int(synced))
        self.assertLess(abs(int(synced) - os.path.getmtime(self.db)), 86400)
        text = self.tool("info")
        self.ends(text, DONE)
        for words in ("regtest", f"{COUNT:,}", info["hash"], "last sync"):
            self.assertIn(words, text.stdout)

    def test_headers_by_height_and_by_hash(self):
        for height in (0, 1, 4321, COUNT):
            raw = Db.chain[height * HEADER:(height + 1) * HEADER]
            for word in (height, display(sha256d(raw)), display(sha256d(raw)).upper()):
                header, = self.objects("header", word)
                self.assertEqual(bytes.fromhex(header["raw"]), raw)
                self.assertEqual(header["height"], height)
                self.assertEqual(header["confirmations"], COUNT - height + 1)
                self.assertEqual(header["previous_hash"], display(raw[4:36]))
                self.assertTrue(header["best"])
        tip, = self.objects("tip")
        self.assertEqual(bytes.fromhex(tip["raw"]), Db.chain[-HEADER:])
        self.meddle("DROP INDEX header_by_hash")  # as before the first sync's end
        self.assertEqual(self.objects("header", display(sha256d(Db.chain[80:160])))[0]["height"], 1)

    def test_a_header_of_a_side_branch(self):
        raw = bytearray(Db.chain[100 * HEADER:101 * HEADER])
        best = bytes(raw)
        while raw == best or sha256d(raw)[31] > 0x7f:
            raw[76] = (raw[76] + 1) % 256
        with sqlite3.connect(self.db) as db:
            row = db.execute("SELECT * FROM header WHERE height = 100").fetchone()
            db.execute("INSERT INTO branch_header (height, hash, version, merkle_root, time, bits,"
                       " nonce, work, previous_hash) VALUES (?,?,?,?,?,?,?,?,?)",
                       (row[0], sha256d(raw)[::-1], *row[2:6], struct.unpack("<I", raw[76:])[0],
                        row[7], raw[4:36][::-1]))
        db.close()
        header, = self.objects("header", display(sha256d(raw)))
        self.assertEqual(bytes.fromhex(header["raw"]), raw)
        self.assertFalse(header["best"])
        self.assertEqual(header["confirmations"], 0)

    def test_headers_that_are_not_there(self):
        for word in (COUNT + 1, "00" * 32):
            result = self.tool("header", word)
            self.ends(result, FAILED)
            self.assertIn(f"ends at height {COUNT:,}", result.stderr)

    def test_an_unknown_hash_in_a_pruned_database(self):
        self.ends(self.tool("prune", "--below", 4032), DONE)
        for index in ("", "DROP INDEX header_by_hash"):
            self.meddle(index)
            result = self.tool("header", "00" * 32)
            self.ends(result, FAILED)
            self.assertIn(f"ends at height {COUNT:,}", result.stderr)

    def test_wrong_usage(self):
        for args in ([], ["fix"], ["header"], ["header", "12x"], ["header", "1", "2"],
                     ["tip", "--svg", "x"], ["info", "--below", "5"], ["prune"], ["stats", "--full"],
                     ["header", "ab" * 31]):
            with self.subTest(args):
                result = self.tool(*args)
                self.ends(result, USAGE)
                self.assertIn("spv-db --help", result.stderr)
        self.ends(run("spv-db", "--help"), DONE)

    def test_a_header_from_the_future_is_reported_as_a_wrong_clock(self):
        tip = Db.chain[-HEADER:]
        ahead = int(time.time()) + 30 * 86400
        raw = bytearray(struct.pack("<i", 4) + sha256d(tip) + bytes(32) +
                        struct.pack("<III", ahead, 0x207fffff, 0))
        while sha256d(raw)[31] > 0x7f:
            raw[76] += 1
        row = (COUNT + 1, sha256d(raw)[::-1], 4, bytes(32), ahead, 0x207fffff, raw[76],
               (2 * (COUNT + 2)).to_bytes(32, "big"))
        with sqlite3.connect(self.db) as db:
            db.execute("INSERT INTO header VALUES (?,?,?,?,?,?,?,?)", row)
            for key, value in (("tip_height", COUNT + 1), ("tip_hash", row[1].hex()),
                               ("tip_work", row[7].hex())):
                db.execute("UPDATE meta SET value = ? WHERE key = ?", (value, key))
        db.close()
        self.ends(self.tool("verify"), DONE)
        with open(self.db, "rb") as f:
            before = f.read()
        for command in ("verify", "repair"):
            result = self.tool(command, "--full")
            self.ends(result, FAILED)
            self.assertIn(f"height {COUNT + 1:,} ", result.stderr)
            self.assertIn("Check this computer's clock", result.stderr)
            self.assertEqual(result.stdout, "")
        with open(self.db, "rb") as f:
            self.assertEqual(f.read(), before)
        self.assertEqual([name for name in os.listdir(self.folder) if "damaged" in name], [])

    def test_a_file_that_cannot_be_opened_is_reported_once_with_its_advice_once(self):
        trigger = "CREATE TRIGGER t AFTER INSERT ON header BEGIN SELECT 1; END;"
        malformed = "UPDATE meta SET value = hex(zeroblob(200)) WHERE key = 'network';"
        for sql, what in ((trigger, "has a trigger"), (malformed, "network is malformed")):
            with self.subTest(what):
                with open(self.db, "wb") as f:
                    f.write(Db.image)
                self.meddle(sql)
                result = self.tool("verify")
                self.ends(result, DATABASE)
                self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
                self.assertIn(f"spv-db: {self.db}: ", result.stderr)
                self.assertIn(what, result.stderr)
                self.assertEqual(result.stderr.count("Repair it with spv-db repair"), 1)
                finding, _, error = self.objects("verify", code=DATABASE)
                self.assertEqual((finding["event"], error["event"]), ("finding", "error"))
                self.assertIn(what, finding["text"])
                self.assertIn(": " + finding["text"] + ". Repair it", error["text"])
                self.assertNotIn(self.db, finding["text"])
                self.assertNotIn("Repair", finding["text"])
        result = self.tool("repair")  # nothing says which network it was
        self.ends(result, FAILED)
        self.assertIn("network is malformed", result.stderr)
        self.assertIn("Name the network.", result.stderr)
        self.assertNotIn("spv-db repair", result.stderr)
        result = self.tool("repair", "--network", "regtest")
        self.ends(result, DONE)
        self.assertNotIn("spv-db repair", result.stderr)
        self.ends(self.tool("verify"), DONE)

    def test_a_repair_that_empties_the_file_says_so(self):
        unreadable = ("PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE TABLE header"
                      "(height INTEGER PRIMARY KEY, hash BLOB AS (randomblob(100000000)))'"
                      " WHERE name = 'header'")
        self.meddle(unreadable)
        result = self.tool("repair", "--network", "regtest")
        self.ends(result, DONE)
        self.assertIn("no header could be read: the database was emptied", result.stdout)
        self.assertIn("download the headers again", result.stdout)
        self.assertNotIn("no header was removed", result.stdout)
        with open(self.db, "wb") as f:
            f.write(Db.image)
        self.meddle(unreadable)
        repair = self.objects("repair", "--network", "regtest")[-1]
        self.assertEqual((repair["done"], repair["height"], repair["lost"]), ("emptied", 0, None))
        self.ends(self.tool("verify"), DONE)

    def test_a_long_finding_ends_at_a_word(self):
        for name, end in (("word " * 60, " word..."), ("\u20ac" * 99, " schema..."),
                          ("x" + "\u20ac" * 99, " schema...")):
            with self.subTest(name):
                with open(self.db, "wb") as f:
                    f.write(Db.image)
                self.meddle("PRAGMA writable_schema = ON; INSERT INTO sqlite_schema VALUES"
                            f" ('table', '{name}', 't', 0, 'CREATE TABLE (')")
                text = self.objects("verify", code=DATABASE)[0]["text"]
                self.assertIn("malformed database schema", text)
                self.assertTrue(text.endswith(end), text)
                self.assertLess(len(text.encode()), 240)

    def test_an_absent_database(self):
        for command in ("info", "verify", "repair", "stats", "compact"):
            result = run("spv-db", command, "--db", self.path("none.db"))
            self.ends(result, FAILED)
            self.assertIn("Sync first", result.stderr)
            self.assertFalse(os.path.exists(self.path("none.db")))

    def test_a_valid_database_verifies_and_needs_no_repair(self):
        for full in ([], ["--full"]):
            report, = self.objects("verify", *full)
            self.assertTrue(report["ok"])
            self.assertEqual((report["headers"], report["good_height"]), (COUNT + 1, COUNT))
        repair, = self.objects("repair")
        self.assertEqual((repair["done"], repair["copy"]), ("nothing", None))
        self.assertEqual([n for n in os.listdir(self.folder) if "damaged" in n], [])

    # Change of the file; part of the message; whether repair restores the file, and to what height
    # at least. Every app that opens the file ends with 3 (spv-sync rewinds a damaged tail by itself).
    def damages(self):
        size = len(Db.image)

        def write(at, data):
            def do():
                with open(self.db, "r+b") as f:
                    f.seek(at)
                    f.write(data)
            return do

        def sql(text):
            return lambda: self.meddle(text)

        row = Db.image.find(Db.chain[3000 * HEADER + 36:3000 * HEADER + 68][::-1])  # merkle root
        self.assertGreater(row, 0)
        tail = Db.image.find(Db.chain[6990 * HEADER + 36:6990 * HEADER + 68][::-1])
        return {
            "bits flipped in a row": (write(row, b"\xff\xfe"), "height 3,000", 2999, False),
            "bits flipped in the tail": (write(tail, b"\xff\xfe"), "height 6,990", 6989, True),
            "a page of noise": (write(size // 2 // PAGE * PAGE, random.Random(1).randbytes(PAGE)),
                                "damaged", 0, False),
            "noise in the first page": (write(100, random.Random(2).randbytes(PAGE - 100)),
                                        "damaged", 0, None),
            "a row deleted": (sql("DELETE FROM header WHERE height = 2000"), "2,000 is missing",
                              1999, False),
            "rows deleted at the tip": (sql("DELETE FROM header WHERE height > 6900"),
                                        "6,901", 6900, True),
            "a wrong tip row": (sql("UPDATE meta SET value = 'ff' WHERE key = 'tip_hash'"),
                                "tip", COUNT, True),
            "a truncated file": (lambda: os.truncate(self.db, size // 2 // PAGE * PAGE),
                                 "truncated", 0, None),
            "a file cut in its head": (lambda: os.truncate(self.db, 50), "not a database", 0, None),
            "a text file": (lambda: (os.truncate(self.db, 0), write(0, b"Dear diary\n" * 99)()),
                            "not a database", 0, None),
        }

    def test_each_damage_is_reported_and_repaired(self):
        server = self.server("--mine", COUNT)
        for name, (damage, words, height, tail) in self.damages().items():
            with self.subTest(name):
                for left in os.listdir(self.folder):
                    os.remove(self.path(left))
                with open(self.db, "wb") as f:
                    f.write(Db.image)
                damage()
                with open(self.db, "rb") as f:
                    before = f.read()
                result = self.tool("verify", "--network", "regtest")
                self.ends(result, DATABASE)
                self.assertIn(words, result.stderr)
                self.assertIn(self.db, result.stderr)
                export = run("spv-export", "--db", self.db, "--network", "regtest")
                self.ends(export, DATABASE)
                self.assertIn(self.db, export.stderr)
                if tail is None:  # not even opened: neither to be served from nor synced into
                    for app in (self.sync("--connect", server.address),
                                run("spv-serve", "--network", "regtest", "--db", self.db,
                                    "--listen", "127.0.0.1:0")):
                        self.ends(app, DATABASE)
                        self.assertIn(words, app.stderr)
                        self.assertIn(self.db, app.stderr)
                with open(self.db, "rb") as f:
                    self.assertEqual(f.read(), before, "reported, not changed")
                repair = self.objects("repair", "--network", "regtest")[-1]
                self.assertGreaterEqual(repair["height"], height)
                self.assertEqual(repair["copy"], self.db + ".damaged-1")
                with open(repair["copy"], "rb") as f:
                    self.assertEqual(f.read(), before)
                self.assertTrue(self.objects("verify", "--full")[-1]["ok"])
                self.ends(self.sync("--connect", server.address), DONE)
                self.assertEqual(database_headers(self.db), Db.chain)

    def test_an_undamaged_database_is_not_repaired(self):
        for sql, words in (("PRAGMA user_version = 99", "newer"),
                           ("UPDATE meta SET value = 'simnet' WHERE key = 'network'", "simnet")):
            self.meddle(sql)
            for command in ("verify", "repair", "info"):
                result = self.tool(command, "--network", "regtest")
                self.ends(result, DATABASE)
                self.assertIn(words, result.stderr)
            self.assertEqual([n for n in os.listdir(self.folder) if "damaged" in n], [])
            with open(self.db, "wb") as f:
                f.write(Db.image)

    def test_a_folder_is_no_database(self):
        os.remove(self.db)
        os.mkdir(self.db)
        for app, args in (("spv-db", ["info"]), ("spv-db", ["repair"]), ("spv-export", []),
                          ("spv-sync", ["--connect", "127.0.0.1:1"])):
            result = run(app, *args, "--network", "regtest", "--db", self.db)
            self.ends(result, DATABASE)
            self.assertIn("folder", result.stderr)

    def test_stats_by_year_and_drawn(self):
        lines = self.objects("stats")
        years, total = lines[:-1], lines[-1]
        self.assertEqual(total["headers"], COUNT + 1)
        self.assertEqual(sum(y["blocks"] for y in years), COUNT + 1)
        times = [struct.unpack("<I", Db.chain[i * HEADER + 68:i * HEADER + 72])[0]
                 for i in range(COUNT + 1)]
        gaps = [max(0, b - a) for a, b in zip(times, times[1:])]
        self.assertAlmostEqual(total["mean_interval"], sum(gaps) / (COUNT + 1), 2)
        self.assertEqual(max(y["longest_interval"] for y in years), max(gaps))
        svg = self.path("plot.svg")
        self.ends(self.tool("stats", "--svg", svg), DONE)
        drawn = xml.dom.minidom.parse(svg)
        lines = drawn.getElementsByTagName("polyline")
        self.assertEqual(len(lines), 2)
        for line in lines:
            points = [tuple(map(float, p.split(","))) for p in line.getAttribute("points").split()]
            self.assertGreater(len(points), 500)
            self.assertEqual(points, sorted(points, key=lambda p: p[0]))
            self.assertTrue(all(0 < x < 960 and 0 < y < 560 for x, y in points))
        drawn.unlink()
        self.ends(self.tool("stats", "--svg", svg + ".gz"), DONE)
        with gzip.open(svg + ".gz") as f, open(svg, "rb") as g:
            self.assertEqual(f.read(), g.read())
        self.ends(self.tool("stats", "--svg", self.db), USAGE)
        self.ends(self.tool("stats", "--svg", "/dev/full"), FAILED)

    def test_stats_group_the_digits_of_a_mean_interval(self):
        header = genesis = REGTEST_GENESIS
        for time in (1296688602 + 300000, 1296688602 + 500000):
            nonce = 0
            parent = sha256d(header)
            header = struct.pack("<i32s32sIII", 4, parent, bytes(32), time, 0x207fffff, nonce)
            while sha256d(header)[31] & 0x80:  # above the target
                nonce += 1
                header = header[:76] + struct.pack("<I", nonce)
            genesis += header
        with open(self.path("slow.raw"), "wb") as f:
            f.write(genesis)
        db = self.path("slow.db")
        self.ends(run("spv-import", "--network", "regtest", "--db", db, "-i",
                      self.path("slow.raw")), DONE)
        result = run("spv-db", "stats", "--db", db)
        self.ends(result, DONE)
        self.assertIn(" 166,666.7 s ", result.stdout)

    def test_a_pruned_and_compacted_database_can_be_continued(self):
        pruned, = self.objects("prune", "--below", 2500)
        self.assertEqual({**pruned, "at": 0}, {"event": "prune", "base_before": 0, "base": 2016, "at": 0})
        compact, = self.objects("compact")
        self.assertLess(compact["bytes_after"], compact["bytes_before"])
        self.assertEqual(compact["bytes_after"], os.path.getsize(self.db))
        info, = self.objects("info")
        self.assertEqual((info["base"], info["height"]), (2016, COUNT))
        for full in ([], ["--full"]):
            self.assertTrue(self.objects("verify", *full)[-1]["ok"])
        result = self.tool("header", 2000)
        self.ends(result, FAILED)
        self.assertIn("begins at 2,016", result.stderr)
        raw = Db.chain[2016 * HEADER:2017 * HEADER]
        self.assertEqual(bytes.fromhex(self.objects("header", 2016)[0]["raw"]), raw)
        self.meddle("UPDATE header SET nonce = nonce + 1 WHERE height = 5000")
        self.ends(self.tool("verify"), DATABASE)
        self.assertEqual(self.objects("repair")[-1]["height"], 4999)
        server = self.server("--mine", COUNT)
        self.ends(self.sync("--connect", server.address), DONE)
        self.assertTrue(self.objects("verify", "--full")[-1]["ok"])
        self.assertEqual(self.objects("tip")[0]["hash"], display(sha256d(Db.chain[-HEADER:])))

    def test_it_reads_beside_a_writer_and_refuses_to_write_beside_one(self):
        server = self.server("--mine", COUNT)
        sync = self.program("spv-sync", "--network", "regtest", "--db", self.db, "--json",
                            "--follow", "--connect", server.address)
        sync.event("synced")
        for args in (["info"], ["tip"], ["verify", "--full"], ["stats"], ["header", 5]):
            self.ends(self.tool(*args), DONE)
        for args in (["compact"], ["prune", "--below", 100], ["repair"]):
            result = self.tool(*args)
            self.ends(result, FAILED)
            self.assertIn("another program", result.stderr)
            self.assertIn(str(sync.process.pid), result.stderr)
        sync.signal(signal.SIGINT)
        self.assertEqual(sync.end(), INTERRUPTED, sync.errors)


if __name__ == "__main__":
    unittest.main()
