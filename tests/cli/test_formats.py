"""spv-export's other formats, compression, checksums, side branches and following."""

import csv
import gzip
import hashlib
import json
import os
import resource
import shutil
import signal
import sqlite3
import struct
import subprocess
import time
import unittest

from support import (DONE, FAILED, HANG, HEADER, INTERRUPTED, USAGE, TestCase,
                     database_headers, display, mine_file, run, sha256d)

FORMATS = ["csv", "jsonl", "raw", "electrum", "neutrino", "postgres"]
ENDINGS = {"": None, ".gz": gzip.decompress,
           ".zst": lambda data: subprocess.run(["zstd", "-dc"], input=data, check=True,
                                               capture_output=True, timeout=HANG).stdout}


def read(path):
    with open(path, "rb") as f:
        return f.read()


class Formats(TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.image = None

    def setUp(self):
        """A database whose best chain (110 headers) took over from a branch of 102 at height 98."""
        super().setUp()
        self.out = self.path("out")
        if Formats.image is None:
            base, short, long = self.path("base"), self.path("short"), self.path("long")
            mine_file(base, 98)
            mine_file(short, 4, seed=2, base=base)
            mine_file(long, 12, seed=3, base=base)
            for headers in (short, long):
                server = self.server("--headers", headers)
                self.ends(self.sync("--connect", server.address), DONE)
            Formats.image = read(self.db)
        with open(self.db, "wb") as f:
            f.write(Formats.image)

    def export(self, *args, **more):
        return run("spv-export", "--db", self.db, *args, **more)

    def whole(self, *args):
        self.ends(self.export("--output", self.out, *args), DONE)
        return read(self.out)

    def side_rows(self):
        with sqlite3.connect(self.db) as db:
            rows = db.execute("SELECT height, lower(hex(hash)), version, lower(hex(previous_hash)),"
                              " lower(hex(merkle_root)), time, printf('%08x', bits), nonce,"
                              " lower(hex(work)) FROM branch_header ORDER BY height, hash").fetchall()
        db.close()
        return rows

    def test_neutrino_is_a_head_of_ten_bytes_and_the_headers(self):
        raw = database_headers(self.db)
        self.assertEqual(self.whole("--format", "neutrino"),
                         bytes.fromhex("fabfb5da" "00" "00" "00000000") + raw)
        self.assertEqual(self.whole("--format", "neutrino", "--from", "100", "--to", "101"),
                         bytes.fromhex("fabfb5da" "00" "00") + struct.pack("<I", 100) +
                         raw[100 * HEADER:102 * HEADER])

    def test_electrum_has_each_header_at_its_height_times_80(self):
        raw = database_headers(self.db)
        self.assertEqual(self.whole("--format", "electrum"), raw)
        self.assertEqual(self.whole("--format", "electrum", "--from", "60", "--to", "62"),
                         bytes(60 * HEADER) + raw[60 * HEADER:63 * HEADER])

    def test_compressed_files_contain_the_same_bytes_and_are_reproducible(self):
        for form in FORMATS:
            plain = self.whole("--format", form)
            self.assertEqual(plain, self.whole("--format", form))
            for ending, unpack in ENDINGS.items():
                if unpack is None:
                    continue
                with self.subTest(form=form, ending=ending):
                    packed = []
                    for _ in range(2):
                        path = self.path("packed" + ending)
                        self.ends(self.export("--format", form, "--output", path), DONE)
                        packed.append(read(path))
                        os.remove(path)
                    self.assertEqual(packed[0], packed[1])
                    self.assertLess(len(packed[0]), len(plain))
                    self.assertEqual(unpack(packed[0]), plain)

    def test_a_checksum_file_in_the_format_of_sha256sum_is_written(self):
        for name in ("out.csv", "out.csv.gz"):
            path = self.path(name)
            self.ends(self.export("--output", path, "--checksum"), DONE)
            self.assertEqual(read(path + ".sha256").decode(),
                             f"{hashlib.sha256(read(path)).hexdigest()}  {name}\n")
            if shutil.which("sha256sum"):
                subprocess.run(["sha256sum", "-c", "--quiet", name + ".sha256"], cwd=self.folder,
                               check=True, timeout=HANG)
        result = self.export("--checksum")
        self.ends(result, DONE)
        self.assertEqual(result.stderr,
                         f"{hashlib.sha256(result.stdout.encode()).hexdigest()}  -\n")
        self.assertEqual(sorted(n for n in os.listdir(self.folder) if n.startswith("out")),
                         ["out.csv", "out.csv.gz", "out.csv.gz.sha256", "out.csv.sha256"])

    def test_a_disk_that_fills_leaves_the_old_file(self):
        def little_room():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (40000, 40000))  # SQLite needs 32768

        mine_file(self.path("long"), 1500)
        self.db = self.path("long.db")
        self.ends(run("spv-import", "--network", "regtest", "--db", self.db, "--input",
                      self.path("long")), DONE)
        for name in ("out", "out.gz", "out.zst"):
            path = self.path(name)
            limit = {"preexec_fn": little_room, "restore_signals": False}
            with open(path, "w", encoding="ascii") as f:
                f.write("as it was")
            result = self.export("--format", "jsonl", "--output", path, "--checksum", **limit)
            self.ends(result, FAILED)
            self.assertIn(path, result.stderr)
            self.assertIn("cannot be written", result.stderr)
            self.assertEqual(read(path), b"as it was")
            os.remove(path)
            # a new file does not appear either, nor anything beside it
            self.ends(self.export("--format", "jsonl", "--output", path, **limit), FAILED)
            self.assertEqual([n for n in os.listdir(self.folder) if n.startswith("out")], [])

    def test_side_branches_follow_the_best_chain(self):
        side = self.side_rows()
        self.assertEqual([row[0] for row in side], [99, 100, 101, 102])
        rows = list(csv.reader(self.whole("--branches").decode().splitlines()))
        plain = list(csv.reader(self.whole().decode().splitlines()))
        self.assertEqual(rows[0], plain[0] + ["branch"])
        self.assertEqual(rows[1:len(plain)], [row + ["0"] for row in plain[1:]])
        self.assertEqual(rows[len(plain):], [[*map(str, row), "1"] for row in side])
        lines = [json.loads(x) for x in
                 self.whole("--branches", "--format", "jsonl").decode().splitlines()]
        self.assertEqual([x["branch"] for x in lines], [False] * 111 + [True] * 4)
        self.assertEqual([(x["height"], x["hash"]) for x in lines[111:]],
                         [row[:2] for row in side])
        sql = self.whole("--branches", "--format", "postgres").decode()
        block = sql.split("COPY branch_header")[1].split("\\.\n")[0].splitlines()[1:]
        self.assertEqual([line.split("\t")[1] for line in block], ["\\\\x" + r[1] for r in side])
        for form in ("raw", "electrum", "neutrino"):
            result = self.export("--branches", "--format", form)
            self.ends(result, USAGE)
            self.assertIn("one chain only", result.stderr)

    def test_formats_that_cannot_be_followed_are_refused(self):
        out = ["--output", self.out]
        for args in (["--format", "postgres", *out], ["--format", "raw"],
                     ["--output", self.path("x.gz")], ["--checksum", *out], ["--to", 5, *out],
                     ["--branches", *out]):
            with self.subTest(args):
                self.ends(self.export("--follow", *args), USAGE)
        self.assertFalse(os.path.exists(self.out))


class Follow(TestCase):
    """The database grows by spv-sync while spv-export follows it."""

    def setUp(self):
        super().setUp()
        self.out = self.path("out")
        self.chains = {}
        for name, n, seed, base in (("start", 50, 1, None), ("grown", 30, 1, "start"),
                                    ("other", 45, 2, "start"), ("more", 5, 3, "other")):
            path = self.path(name)
            self.chains[name] = mine_file(path, n, seed=seed,
                                          base=self.path(base) if base else None)
        self.bring("start")

    def bring(self, name):
        server = self.server("--headers", self.path(name))
        self.ends(self.sync("--connect", server.address), DONE)
        server.stop()

    def until(self, done):
        """Polls what the follower wrote; bounded by HANG alone."""
        end = time.monotonic() + HANG
        while not (os.path.exists(self.out) and done(read(self.out))):
            self.assertLess(time.monotonic(), end, "the follower never got there")
            time.sleep(0.02)

    def follow(self, *args):
        return self.program("spv-export", "--db", self.db, "--follow", *args)

    def ends_by_signal(self, program):
        program.signal(signal.SIGINT)
        self.assertEqual(program.end(), INTERRUPTED, program.errors)

    def test_binary_files_grow_and_are_truncated_at_the_fork(self):
        for form, head in (("raw", b""), ("electrum", b""),
                           ("neutrino", bytes.fromhex("fabfb5da0000" "00000000"))):
            with self.subTest(form=form):
                os.remove(self.db)
                self.bring("start")
                program = self.follow("--format", form, "--output", self.out)
                self.until(lambda data: data == head + self.chains["start"])
                inode = os.stat(self.out).st_ino
                for name in ("grown", "other", "more"):
                    self.bring(name)
                    self.until(lambda data, name=name: data == head + self.chains[name])
                self.assertEqual(os.stat(self.out).st_ino, inode)
                self.ends_by_signal(program)
                self.assertEqual(read(self.out), head + self.chains["more"])
                self.assertIn("30 headers above height 50", program.errors)
                os.remove(self.out)

    def test_text_has_a_line_for_a_reorganisation(self):
        fork = display(sha256d(self.chains["start"][-HEADER:]))
        program = self.follow("--format", "jsonl")
        seen = []

        def take(n):
            while len(seen) < n:
                seen.append(json.loads(program.line()))

        take(51)
        self.bring("grown")
        take(81)
        self.bring("other")
        take(81 + 1 + 45)
        self.ends_by_signal(program)
        self.assertEqual(seen[81], {"event": "reorg", "fork_height": 50, "fork_hash": fork,
                                    "removed": 30})
        self.assertEqual([x["height"] for x in seen[82:]], list(range(51, 96)))
        self.assertEqual(seen[-1]["hash"], display(sha256d(self.chains["other"][-HEADER:])))

        self.bring("more")
        program = self.follow("--output", self.out)
        self.until(lambda data: data.count(b"\n") == 102)
        self.ends_by_signal(program)
        os.remove(self.out)

    def test_csv_has_a_line_for_a_reorganisation(self):
        program = self.follow("--output", self.out)
        self.until(lambda data: data.count(b"\n") == 52)
        self.bring("grown")
        self.bring("other")
        self.until(lambda data: data.endswith(b"\n") and b"\n95," in data)
        self.ends_by_signal(program)
        lines = read(self.out).decode().splitlines()
        marks = [line for line in lines if line.startswith("#")]
        fork = display(sha256d(self.chains["start"][-HEADER:]))
        # the follower may have read the first branch, or polled only after the reorganisation
        if marks:
            self.assertEqual(marks, [f"#reorg,50,{fork},{lines.index(marks[0]) - 52}"])

    def test_it_follows_a_sync_that_follows_a_server(self):
        source = self.path("source.db")

        def grow(name):
            self.ends(run("spv-import", "--network", "regtest", "--db", source, "--input",
                          self.path(name), "--quiet"), DONE)

        grow("start")
        server = self.server("--db", source)
        sync = self.program("spv-sync", "--network", "regtest", "--db", self.db, "--follow",
                            "--json", "--connect", server.address)
        sync.event("synced")
        program = self.follow("--format", "raw", "--output", self.out)
        for name in ("start", "grown", "other", "more"):
            grow(name)
            self.until(lambda data, name=name: data == self.chains[name])
        self.ends_by_signal(program)
        sync.signal(signal.SIGINT)
        self.assertEqual(sync.end(), INTERRUPTED)

    def test_a_chain_from_a_height_on_is_followed_below_it(self):
        program = self.follow("--format", "raw", "--from", 49, "--output", self.out)
        self.until(lambda data: data == self.chains["start"][49 * HEADER:])
        self.bring("grown")
        self.bring("other")
        self.until(lambda data: data == self.chains["other"][49 * HEADER:])
        self.ends_by_signal(program)


if __name__ == "__main__":
    unittest.main()
