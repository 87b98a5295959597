"""spv-export: its three formats against the database as Python reads it, and how it ends."""

import csv
import io
import json
import os
import signal
import sqlite3
import subprocess
import unittest

from support import (DATABASE, DONE, FAILED, HANG, HEADER, INTERRUPTED, USAGE, TestCase, binary,
                     database_headers, display, run, sha256d)

FIELDS = ["height", "hash", "version", "previous_hash", "merkle_root", "time", "bits", "nonce",
          "chain_work"]


def as_rows(raw):
    """The csv and jsonl of raw regtest headers, computed independently."""
    rows = []
    for height in range(len(raw) // HEADER):
        h = raw[height * HEADER:(height + 1) * HEADER]
        number = [int.from_bytes(h[at:at + 4], "little") for at in (68, 72, 76)]
        rows.append({
            "height": height,
            "hash": display(sha256d(h)),
            "version": int.from_bytes(h[:4], "little", signed=True),
            "previous_hash": display(h[4:36]),
            "merkle_root": display(h[36:68]),
            "time": number[0],
            "bits": f"{number[1]:08x}",
            "nonce": number[2],
            "chain_work": f"{2 * (height + 1):064x}",
        })
    return rows


class Export(TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.image = None

    def setUp(self):
        super().setUp()
        if Export.image is None:
            server = self.server("--mine", 5000)
            self.ends(self.sync("--connect", server.address), DONE)
            with open(self.db, "rb") as f:
                Export.image = f.read()
        with open(self.db, "wb") as f:
            f.write(Export.image)
        self.out = self.path("out")

    def export(self, *args, **more):
        return run("spv-export", "--db", self.db, *args, **more)

    def read_out(self):
        with open(self.out, "rb") as f:
            return f.read()

    def left_overs(self):
        return [name for name in os.listdir(self.folder) if name.startswith("out.")]

    def test_raw_is_the_stored_headers_genesis_first(self):
        self.ends(self.export("--format", "raw", "--output", self.out), DONE)
        self.assertEqual(self.read_out(), database_headers(self.db))
        self.assertEqual(self.left_overs(), [])

    def test_csv_and_jsonl_have_the_same_values(self):
        want = as_rows(database_headers(self.db))
        result = self.export()
        self.ends(result, DONE)
        rows = list(csv.reader(io.StringIO(result.stdout)))
        self.assertEqual(rows[0], FIELDS)
        self.assertEqual(rows[1:], [[str(row[f]) for f in FIELDS] for row in want])
        result = self.export("--format", "jsonl", "--output", "-")
        self.ends(result, DONE)
        self.assertEqual([json.loads(line) for line in result.stdout.splitlines()], want)

    def test_from_and_to_are_included(self):
        result = self.export("--format", "jsonl", "--from", 10, "--to", 12)
        self.ends(result, DONE)
        self.assertEqual([json.loads(line) for line in result.stdout.splitlines()],
                         as_rows(database_headers(self.db))[10:13])
        self.ends(self.export("--format", "raw", "--from", 5000, "--output", self.out), DONE)
        self.assertEqual(len(self.read_out()), HEADER)

    def test_a_span_beyond_the_tip_fails_and_names_the_tip(self):
        for args in (["--to", 5001], ["--from", 5001]):
            result = self.export(*args, "--output", self.out)
            self.ends(result, FAILED)
            self.assertIn("height 5,000", result.stderr)
            self.assertFalse(os.path.exists(self.out))

    def test_wrong_usage(self):
        for args in (["--from", 2, "--to", 1], ["--format", "xml"], ["--output", self.folder],
                     ["--output", self.db], ["--output", self.db + "-lock"], ["--from", "-1"],
                     ["extra"]):
            with self.subTest(args):
                before = os.stat(self.db)
                if str(args[-1]).endswith("-lock"):
                    open(args[-1], "w", encoding="ascii").close()
                self.ends(self.export(*args), USAGE)
                self.assertEqual(os.stat(self.db).st_size, before.st_size)

    def test_a_link_to_the_database_is_not_written_over(self):
        os.symlink(self.db, self.out)
        self.ends(self.export("--output", self.out), USAGE)
        self.assertEqual(len(database_headers(self.db)), 5001 * HEADER)

    def test_absent_foreign_and_damaged_databases(self):
        result = run("spv-export", "--db", self.path("none.db"))
        self.ends(result, FAILED)
        self.assertIn("Sync first", result.stderr)
        self.ends(self.export("--network", "mainnet"), DATABASE)
        with sqlite3.connect(self.db) as db:
            db.execute("UPDATE header SET nonce = nonce + 1 WHERE height = 2000")
        db.close()
        with open(self.out, "w", encoding="ascii") as f:
            f.write("as it was")
        result = self.export("--output", self.out)
        self.ends(result, DATABASE)
        self.assertIn("height 2,000", result.stderr)
        self.assertEqual(self.read_out(), b"as it was")
        self.assertEqual(self.left_overs(), [])

    def test_a_full_disk_is_reported_and_leaves_nothing(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full here")
        for to in (3, 5000):
            result = self.export("--output", "/dev/full", "--to", to)
            self.ends(result, FAILED)
            self.assertIn("No space left", result.stderr)
        self.ends(self.export("--output", self.path("no/folder")), FAILED)

    def test_a_closed_pipe_ends_it_without_an_error_message(self):
        with subprocess.Popen([binary("spv-export"), "--db", self.db], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as p:
            p.stdout.readline()
            p.stdout.close()
            self.assertEqual(p.wait(HANG), FAILED)
            self.assertEqual(p.stderr.read(), b"")

    def test_stopped_by_a_signal_it_leaves_the_file_as_it_was(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(number=number):
                self.stop_by(number)

    def stop_by(self, number):
        # Stopped once its temporary file is there, it can't be done before the signal comes.
        with open(self.out, "w", encoding="ascii") as f:
            f.write("as it was")
        codes = []
        while INTERRUPTED not in codes:
            self.assertLess(len(codes), 200, "never caught in time")
            p = subprocess.Popen([binary("spv-export"), "--db", self.db, "--output", self.out],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            while p.poll() is None and not self.left_overs():
                pass
            p.send_signal(number)
            codes.append(p.wait(HANG))
            self.assertEqual(p.stderr.read(), b"")
            p.stderr.close()
            self.assertEqual(self.left_overs(), [])
            if codes[-1] == INTERRUPTED:
                self.assertEqual(self.read_out(), b"as it was")
            else:
                self.assertEqual(codes[-1], DONE)
                with open(self.out, "w", encoding="ascii") as f:
                    f.write("as it was")

    def test_a_file_gets_ordinary_permissions_and_a_link_is_kept(self):
        target = self.path("target")
        open(target, "w", encoding="ascii").close()
        os.symlink(target, self.out)
        self.ends(self.export("--to", 5, "--output", self.out), DONE)
        self.assertTrue(os.path.islink(self.out))
        mask = os.umask(0)
        os.umask(mask)
        self.assertEqual(os.stat(target).st_mode & 0o777, 0o666 & ~mask)
        result = self.export("--to", 5, "--output", self.out, "--quiet")
        self.ends(result, DONE)
        self.assertEqual(result.stdout, "")

    def test_a_read_only_database_can_be_exported(self):
        os.chmod(self.db, 0o444)
        os.chmod(self.folder, 0o555)
        self.addCleanup(os.chmod, self.folder, 0o755)
        as_nobody = {"user": 65534, "group": 65534} if os.geteuid() == 0 else {}
        result = self.export("--to", 5, **as_nobody)
        self.ends(result, DONE)
        self.assertEqual(len(result.stdout.splitlines()), 7)


if __name__ == "__main__":
    unittest.main()
