"""Files of filter headers as a user exports and imports them, compared with files made here, with the
filter headers of a Bitcoin Core node and with those of mainnet."""

import csv
import gzip
import hashlib
import io
import json
import os
import signal
import sqlite3
import struct
import subprocess
import time
import unittest

from support import (DROP_WALLET, DATABASE, DONE, FAILED, HANG, INTERRUPTED, USAGE, TestCase, binary,
                     database_headers, display, mine_file, run, sha256d)

DATA = os.environ.get("SPV_TEST_DATA", "")
COUNT = 5000  # headers above genesis
SIZE = 32
GENESIS = bytes.fromhex("485e301e4509d7f0d954bf5b529f3ecef68c5191fd0e635f775c1d0266dc5a2b")[::-1]
HEAD = bytes.fromhex("fabfb5da" "00" "01")


def read(path):
    with open(path, "rb") as f:
        return f.read()


def made_up(count):
    """[(filter hash, filter header)] in the order of the wire; that of genesis is regtest's."""
    rows, header = [(sha256d(bytes.fromhex("014756c0")), GENESIS)], GENESIS
    for height in range(1, count):
        digest = sha256d(struct.pack("<I", height))
        header = sha256d(digest + header)
        rows.append((digest, header))
    return rows


class Files(TestCase):
    image = None

    def setUp(self):
        super().setUp()
        if Files.image is None:
            raw = mine_file(self.path("headers"), COUNT)
            self.ends(run("spv-import", "--network", "regtest", "--db", self.db, "--input",
                          self.path("headers"), "--quiet"), DONE)
            Files.image = read(self.db)
            Files.blocks = [display(sha256d(raw[h * 80:h * 80 + 80])) for h in range(COUNT + 1)]
            Files.rows = made_up(COUNT + 1)
            Files.raw = b"".join(header for _, header in Files.rows)
        with open(self.db, "wb") as f:
            f.write(Files.image)

    def export(self, *args, db=None, **more):
        return run("spv-export", "--db", db or self.db, "--filter-headers", *args, **more)

    def exported(self, *args, name="out", **more):
        out = self.path(name)
        self.ends(self.export("--output", out, *args, **more), DONE)
        return read(out)

    def feed(self, data, *args, db=None):
        path = self.path("file")
        with open(path, "wb") as f:
            f.write(data)
        return run("spv-import", "--db", db or self.db, "--filter-headers", "--input", path, *args)

    def imports(self, data, *args, **more):
        """The last JSON event of an import that succeeds."""
        result = self.feed(data, "--json", *args, **more)
        self.ends(result, DONE)
        return json.loads(result.stdout.splitlines()[-1])

    def fails(self, data, *words, code=FAILED):
        result = self.feed(data)
        self.ends(result, code)
        for word in words:
            self.assertIn(word, result.stderr)
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)

    def stored(self):
        """The rows of the table: heights must ascend by one."""
        with sqlite3.connect(self.db) as db:
            rows = db.execute("SELECT height, header, filter_hash FROM filter_header"
                              " ORDER BY height").fetchall()
        db.close()
        self.assertEqual([h for h, _, _ in rows],
                         list(range(rows[0][0], rows[0][0] + len(rows))) if rows else [])
        return rows

    def texts(self, first, last):
        lines = ["height,block_hash,filter_header\n"]
        lines += [f"{h},{Files.blocks[h]},{display(Files.rows[h][1])}\n"
                  for h in range(first, last + 1)]
        objects = [f'{{"height":{h},"block_hash":"{Files.blocks[h]}",'
                   f'"filter_header":"{display(Files.rows[h][1])}"}}\n'
                   for h in range(first, last + 1)]
        return "".join(lines).encode(), "".join(objects).encode()

    def fill(self, count=COUNT + 1, hashes_from=0):
        """Rows as a sync stores them, with filter hashes."""
        with sqlite3.connect(self.db) as db:
            db.executemany("INSERT INTO filter_header VALUES (?, ?, ?)",
                           ((h, header[::-1], digest[::-1] if h >= hashes_from else None)
                            for h, (digest, header) in enumerate(Files.rows[:count])))
        db.close()


class Export(Files):
    def test_each_format_byte_by_byte(self):
        self.fill()
        text, objects = self.texts(0, COUNT)
        self.assertEqual(self.exported(), text)
        self.assertEqual(self.exported("--format", "jsonl"), objects)
        self.assertEqual(self.exported("--format", "raw"), Files.raw)
        self.assertEqual(self.exported("--format", "neutrino"), HEAD + bytes(4) + Files.raw)
        result = self.export("--format", "csv")
        self.ends(result, DONE)
        self.assertEqual(result.stdout.encode(), text)

    def test_a_range(self):
        self.fill()
        text, objects = self.texts(1999, 4001)
        args = ("--from", "1999", "--to", "4001")
        self.assertEqual(self.exported(*args), text)
        self.assertEqual(self.exported("--format", "jsonl", *args), objects)
        self.assertEqual(self.exported("--format", "neutrino", *args),
                         HEAD + struct.pack("<I", 1999) + Files.raw[1999 * SIZE:4002 * SIZE])
        self.assertEqual(self.exported("--format", "raw", "--to", "9"), Files.raw[:10 * SIZE])
        self.assertEqual(self.exported("--from", str(COUNT)), self.texts(COUNT, COUNT)[0])
        result = self.export("--format", "raw", "--from", "1")
        self.ends(result, USAGE)
        self.assertIn("--from: 1, but a raw file begins at genesis", result.stderr)

    def test_compressed_and_with_a_checksum(self):
        self.fill()
        data = self.exported("--format", "raw", "--checksum", name="out.gz")
        self.assertEqual(gzip.decompress(data), Files.raw)
        self.assertEqual(read(self.path("out.gz.sha256")).decode(),
                         f"{hashlib.sha256(data).hexdigest()}  out.gz\n")

    def test_what_is_not_there_is_refused(self):
        result = self.export()
        self.ends(result, FAILED)
        self.assertIn("has no filter headers. Import some with spv-import --filter-headers",
                      result.stderr)
        self.fill(100)
        for args in (["--from", "100"], ["--to", "100"], ["--from", "3000", "--to", "4000"]):
            result = self.export("--output", self.path("none"), *args)
            self.ends(result, FAILED)
            self.assertIn("has the filter headers of heights 0 to 99", result.stderr)
        self.assertFalse(os.path.exists(self.path("none")))
        with sqlite3.connect(self.db) as db:
            db.execute("DELETE FROM filter_header WHERE height < 40")
        db.close()
        self.assertEqual(self.exported(), self.texts(40, 99)[0])
        self.assertEqual(self.exported("--format", "neutrino"),
                         HEAD + struct.pack("<I", 40) + Files.raw[40 * SIZE:100 * SIZE])
        result = self.export("--format", "raw")
        self.ends(result, FAILED)
        self.assertIn("its filter headers begin at height 40", result.stderr)
        result = self.export("--from", "39")
        self.ends(result, FAILED)
        self.assertIn("--from 39: ", result.stderr)

    def test_an_older_schema_has_none(self):
        with sqlite3.connect(self.db) as db:
            db.executescript(DROP_WALLET + "DROP TABLE filter_header; DROP TABLE block_filter;"
                             "PRAGMA user_version = 2")
        db.close()
        result = self.export()
        self.ends(result, FAILED)
        self.assertIn("has no filter headers", result.stderr)

    def test_wrong_options(self):
        self.fill(10)
        for args, words in ((["--format", "electrum"], "the format electrum has none"),
                            (["--format", "postgres"], "the format postgres has none"),
                            (["--branches"], "--branches or --follow"),
                            (["--follow"], "--branches or --follow"),
                            (["--from", "5", "--to", "4"], "5 is above 4")):
            result = self.export(*args)
            self.ends(result, USAGE)
            self.assertIn(words, result.stderr)

    def test_what_is_damaged_is_not_exported(self):
        for sql, words in (
                ("UPDATE filter_header SET header = zeroblob(32) WHERE height = 3000",
                 "the filter header of height 3,000 is not the hash"),
                ("UPDATE filter_header SET header = zeroblob(32) WHERE height = 500",
                 "the filter header of height 500 is not the hash"),  # above one without hash
                ("UPDATE filter_header SET header = zeroblob(32) WHERE height = 2000",
                 "the filter header of height 2,000 is not the hash"),  # the first of a batch
                ("DELETE FROM filter_header WHERE height = 3000", "height 3,000"),
                ("UPDATE filter_header SET header = 'x' WHERE height = 77", "height 77")):
            with self.subTest(sql):
                with open(self.db, "wb") as f:
                    f.write(Files.image)
                self.fill(hashes_from=1)
                with sqlite3.connect(self.db) as db:
                    db.execute(sql)
                db.close()
                for form in ("csv", "raw"):
                    result = self.export("--format", form, "--output", self.path("damaged"))
                    self.ends(result, DATABASE)
                    self.assertIn(words, result.stderr)
                    self.assertIn("spv-db repair", result.stderr)
                    self.assertFalse(os.path.exists(self.path("damaged")))

    def test_a_reader_that_closes_the_pipe_ends_it(self):
        self.fill()
        export = subprocess.Popen([binary("spv-export"), "--db", self.db, "--filter-headers"],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        export.stdout.read(100)
        export.stdout.close()
        self.assertEqual(export.stderr.read(), b"")
        export.stderr.close()
        self.assertEqual(export.wait(HANG), FAILED)


class Import(Files):
    def test_each_format_is_imported_and_exported_again(self):
        text, objects = self.texts(0, COUNT)
        files = {"csv": text, "jsonl": objects, "raw": Files.raw,
                 "neutrino": HEAD + bytes(4) + Files.raw}
        for form, data in files.items():
            for packed in (data, gzip.compress(data)):
                with open(self.db, "wb") as f:
                    f.write(Files.image)
                event = self.imports(packed)
                self.assertEqual((event["event"], event["format"]), ("imported", form))
                self.assertEqual((event["added"], event["known"], event["below"]), (COUNT + 1, 0, 0))
                self.assertEqual((event["filter_headers_from"], event["filter_headers_to"]),
                                 (0, COUNT))
                self.assertEqual(self.stored(), [(h, header[::-1], None) for h, (_, header)
                                                 in enumerate(Files.rows)])
                event = self.imports(packed, "--format", form)
                self.assertEqual((event["added"], event["known"]), (0, COUNT + 1))
                for other, want in files.items():
                    self.assertEqual(self.exported("--format", other), want)
        self.ends(run("spv-db", "verify", "--db", self.db), DONE)

    def test_the_summary_says_that_the_file_is_not_verified(self):
        result = self.feed(Files.raw[:1000 * SIZE])
        self.ends(result, DONE)
        self.assertRegex(result.stdout, r"^regtest imported filter headers to height 999, 1,000 added, "
                                        r"0 known, in .*, database .*\n"
                                        r"They are not verified until a sync compares "
                                        r"them with peers\.\n$")
        result = self.feed(Files.raw[:1000 * SIZE])
        self.assertIn("0 added, 1,000 known", result.stdout)
        self.assertNotIn("verified", result.stdout)
        self.assertEqual(self.feed(Files.raw, "--quiet").stdout, "")
        result = run("spv-import", "--help")
        self.assertIn("not verified until a sync compares them with peers",
                      " ".join(result.stdout.split()))

    def test_rows_of_a_sync_keep_their_hashes(self):
        self.fill(3000)
        event = self.imports(Files.raw)
        self.assertEqual((event["added"], event["known"]), (COUNT + 1 - 3000, 3000))
        self.assertEqual([digest for _, _, digest in self.stored()],
                         [digest[::-1] for digest, _ in Files.rows[:3000]] +
                         [None] * (COUNT + 1 - 3000))

    def test_malformed_files(self):
        text, objects = self.texts(0, 9)
        for data, kept, words in (
                (Files.raw[:100], 3, ["byte 96: the file ends inside a filter header, after 4 of"]),
                (Files.raw[:64] + bytes(32), 2, ["byte 64: a filter header of zeros"]),
                (text.replace(b"\n5,", b"\n7,"), 5, ["line 7: height 7 comes after height 4"]),
                (text + b"10,x\n", 10, ["line 12: has 2 values, not 3"]),
                (text.replace(b"\n3,", b"\n3x,"), 3, ["line 5: height: '3x' is not a number"]),
                (text[:-10], 9, ["line 11: filter_header: ", "is not 64 hexadecimal digits"]),
                (text + b"#reorg,5," + b"00" * 32 + b",3\n", 10, ["line 12: is a reorganisation"]),
                (objects.replace(b'"height":4,', b""), 4, ["line 5: height is missing"]),
                (objects + b"[]\n", 10, ["line 11: is not an object of plain values"]),
                (b"", 0, ["is empty"]),
                (HEAD, 0, ["the file ends inside the 10 bytes before the headers"]),
                (HEAD[:5] + b"\0" + bytes(4) + Files.raw, 0, ["type 0, block headers"]),
                (HEAD[:4] + b"\1\1" + bytes(4) + Files.raw, 0, ["version 1 of neutrino's format"]),
                (HEAD + struct.pack("<I", 7) + Files.raw, 0,
                 ["begins at height 7", "nothing shows whether"]),
                (bytes(range(200)) * 9, 0, ["does not begin with that of genesis"]),
                (read(self.path("headers")) if os.path.exists(self.path("headers"))
                 else bytes(80), 0, ["is not a raw file of filter headers of regtest"])):
            with self.subTest(words[0]):
                with open(self.db, "wb") as f:
                    f.write(Files.image)
                self.fails(data, self.path("file") + ": ", *words)
                self.assertEqual(len(self.stored()), kept)

    def test_contradictions(self):
        other = bytearray(Files.raw)
        other[100 * SIZE] ^= 1
        self.imports(Files.raw[:101 * SIZE])
        self.fails(bytes(other), "byte 3200: the filter header of height 100 is ", "the stored one ",
                   display(Files.rows[100][1]), "None of its filter headers were added")
        self.assertEqual(len(self.stored()), 101)
        text, _ = self.texts(0, 300)
        lines = text.split(b"\n")
        lines[201] = lines[201].replace(Files.blocks[200].encode(), Files.blocks[201].encode())
        self.fails(b"\n".join(lines), "line 202: the block of height 200 is " + Files.blocks[201],
                   "the stored one " + Files.blocks[200], "of another branch")
        self.assertEqual(len(self.stored()), 200)
        self.fails(Files.raw + bytes(range(32)), f"the filter header of height {COUNT + 1:,} is above "
                   f"the chain, which ends at height {COUNT:,}")
        self.assertEqual(len(self.stored()), COUNT + 1)

    def test_another_network_is_named(self):
        mainnet = bytes.fromhex("02c2392180d0ce2b5b6f8b08d39a11ff"
                                "e831c673311a3ecf77b97fc3f0303c9f")[::-1]
        self.fails(mainnet * 3, "has filter headers of mainnet, not of regtest",
                   "Choose the right --network or --db", code=USAGE)
        self.fails(bytes.fromhex("f9beb4d9000100000000") + mainnet,
                   "the headers are of mainnet, not of regtest", code=USAGE)
        self.assertEqual(self.stored(), [])

    def test_wrong_options(self):
        for args, words in ((["--format", "electrum"], "the format electrum has none"),
                            (["--format", "postgres"], "is not raw, electrum, neutrino, csv or jsonl"),
                            (["--no-checkpoints"], "cannot be combined with --no-checkpoints")):
            result = self.feed(Files.raw, *args)
            self.ends(result, USAGE)
            self.assertIn(words, result.stderr)

    def test_no_database_is_made(self):
        none = self.path("none.db")
        result = self.feed(Files.raw, "--network", "regtest", db=none)
        self.ends(result, FAILED)
        self.assertIn("Sync first", result.stderr)
        self.assertFalse(os.path.exists(none))

    def test_files_of_filter_headers_are_no_files_of_headers(self):
        for data, words in ((HEAD + bytes(4) + Files.raw, "type 1, filter headers: only block headers"),
                            (Files.raw, "is not a file of headers")):
            path = self.path("file")
            with open(path, "wb") as f:
                f.write(data)
            result = run("spv-import", "--db", self.db, "--input", path)
            self.ends(result, FAILED)
            self.assertIn(words, result.stderr)

    def test_interrupted_it_keeps_what_it_read_and_resumes(self):
        pipe = subprocess.Popen([binary("spv-import"), "--db", self.db, "--filter-headers",
                                 "--json"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)
        pipe.stdin.write(Files.raw[:4500 * SIZE + 7])
        pipe.stdin.flush()
        events = [json.loads(pipe.stdout.readline())]
        self.assertEqual(events[0]["event"], "progress")
        pipe.send_signal(signal.SIGINT)
        out, err = pipe.communicate(timeout=HANG)
        self.assertEqual(pipe.returncode, INTERRUPTED, err)
        last = json.loads(out.splitlines()[-1])
        kept = len(self.stored())
        self.assertEqual((last["event"], last["filter_headers_to"]), ("interrupted", kept - 1))
        self.assertGreaterEqual(kept, 2000)
        event = self.imports(Files.raw)
        self.assertEqual((event["known"], event["added"]), (kept, COUNT + 1 - kept))

    def test_killed_it_leaves_a_run_and_resumes(self):
        for sent in (100, 2500, 4900):
            pipe = subprocess.Popen([binary("spv-import"), "--db", self.db, "--filter-headers"],
                                    stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
            pipe.stdin.write(Files.raw[:sent * SIZE])
            pipe.stdin.flush()
            time.sleep(0.05)
            pipe.kill()
            pipe.wait(HANG)
            pipe.stdin.close()
            rows = self.stored()
            self.assertEqual(rows, [(h, header[::-1], None) for h, (_, header)
                                    in enumerate(Files.rows[:len(rows)])])
        self.imports(Files.raw)
        self.assertEqual(self.exported("--format", "raw"), Files.raw)
        self.ends(run("spv-db", "verify", "--db", self.db), DONE)

    def test_it_waits_for_no_other_writer(self):
        writer = subprocess.Popen([binary("spv-import"), "--db", self.db, "--filter-headers",
                                   "--json"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        writer.stdin.write(Files.raw[:2500 * SIZE])
        writer.stdin.flush()
        writer.stdout.readline()
        self.fails(Files.raw, "writing")
        writer.stdin.close()
        writer.wait(HANG)
        writer.stdout.close()


@unittest.skipUnless(DATA, "needs SPV_TEST_DATA")
class Real(TestCase):
    def imports(self, data, *args):
        result = run("spv-import", "--db", self.db, "--input", data, *args)
        self.ends(result, DONE)

    def raw(self):
        out = self.path("out")
        self.ends(run("spv-export", "--db", self.db, "--filter-headers", "--format", "raw",
                      "--output", out), DONE)
        return read(out)

    def test_the_filter_headers_of_bitcoin_core(self):
        folder = os.path.join(DATA, "regtest-node")
        with open(os.path.join(folder, "filters.csv"), encoding="utf-8", newline="") as f:
            rows = list(csv.DictReader(f))
        self.assertEqual(len(rows), 265)
        self.imports(os.path.join(folder, "headers.bin"), "--network", "regtest")
        file = self.path("file.csv")
        with open(file, "w", encoding="utf-8", newline="") as f:
            f.write("filter_header,height,block_hash\n")
            f.writelines(f"{r['filter_header']},{r['height']},{r['hash']}\n" for r in rows)
        self.imports(file, "--filter-headers")
        want = b"".join(bytes.fromhex(r["filter_header"])[::-1] for r in rows)
        self.assertEqual(self.raw(), want)
        below = bytes(32)  # the file itself: each follows from its filter
        for row in rows:
            below = sha256d(sha256d(bytes.fromhex(row["filter"])) + below)
            self.assertEqual(display(below), row["filter_header"])
        result = run("spv-export", "--db", self.db, "--filter-headers")
        got = list(csv.DictReader(io.StringIO(result.stdout)))
        self.assertEqual([(g["height"], g["block_hash"], g["filter_header"]) for g in got],
                         [(r["height"], r["hash"], r["filter_header"]) for r in rows])

    def test_a_real_filter_header_file_of_mainnet(self):
        file = os.path.join(DATA, "filters", "filter-headers-mainnet-0-2015.bin")
        self.imports(os.path.join(DATA, "headers", "mainnet-1-32260.bin"))
        self.imports(file, "--filter-headers")
        want = read(file)
        self.assertEqual(self.raw(), want)
        with open(os.path.join(DATA, "filters", "filter-header-checkpoints.csv"),
                  encoding="utf-8", newline="") as f:
            known = {int(r["height"]): r["filter_header"] for r in csv.DictReader(f)
                     if r["network"] == "mainnet"}
        self.assertEqual(display(want[1000 * SIZE:1001 * SIZE]), known[1000])
        self.assertEqual(display(want[2000 * SIZE:2001 * SIZE]), known[2000])
        neutrino = self.path("neutrino")  # as neutrino publishes it
        with open(neutrino, "wb") as f:
            f.write(bytes.fromhex("f9beb4d9" "00" "01" "00000000") + want)
        result = run("spv-import", "--db", self.db, "--filter-headers", "--input", neutrino, "--json")
        self.ends(result, DONE)
        self.assertEqual(json.loads(result.stdout.splitlines()[-1])["known"], 2016)
        self.assertEqual(len(database_headers(self.db)), 32261 * 80)


if __name__ == "__main__":
    unittest.main()
