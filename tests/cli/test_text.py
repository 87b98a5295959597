"""Control characters, turns of direction and bytes that are no UTF-8, from names, databases and
files: none of them reaches the terminal, and every line of --json stays a line of JSON."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import unittest

from support import (BIN, DATABASE, DONE, FAILED, HANG, USAGE, TestCase, binary, mine_file)

ESCAPES = b"\x1b[2J\x07\x7f\xc2\x9b31m\xe2\x80\xaegnp\xff\xc0\x9b\n"
DANGEROUS = re.compile("[\0-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


class Text(TestCase):
    image = None

    def setUp(self):
        super().setUp()
        if Text.image is None:
            raw = self.path("raw.bin")
            Text.chain = mine_file(raw, 20)
            self.ends(self.raw_run("spv-import", "-n", "regtest", "--db", self.db, "-i", raw), DONE)
            with open(self.db, "rb") as f:
                Text.image = f.read()
        self.folder_b = os.path.join(os.fsencode(self.folder), b"f" + ESCAPES)
        os.mkdir(self.folder_b)
        self.addCleanup(shutil.rmtree, self.folder_b)
        self.dirty = os.path.join(self.folder_b, b"headers.db")
        for path in (self.db, self.dirty):
            with open(path, "wb") as f:
                f.write(Text.image)

    @staticmethod
    def raw_run(name, *args):
        return subprocess.run([binary(name), *args], capture_output=True, stdin=subprocess.DEVNULL,
                              timeout=HANG, check=False)

    def safe(self, name, *args, code, lines=None, json_lines=False):
        """Runs it and looks at every byte that it printed; the lines of standard output."""
        result = self.raw_run(name, *args)
        self.assertEqual(result.returncode, code, result)
        for stream in (result.stdout, result.stderr):
            self.assertIsNone(DANGEROUS.search(stream.decode("utf-8")), stream)
        out = result.stdout.decode().splitlines()
        if lines is not None:
            self.assertEqual(len(out), lines, out)
        return [json.loads(line) for line in out] if json_lines else out

    def meddle(self, sql, *values):
        with sqlite3.connect(os.fsdecode(self.dirty)) as db:
            db.execute(sql, values)
        db.close()

    def test_names_of_files_are_cleaned_in_every_program(self):
        none = os.path.join(self.folder_b, b"none")
        for name, *args in (("spv-sync", "-n", "regtest", "--db", self.folder_b),
                            ("spv-export", "--db", none), ("spv-import", "-i", none),
                            ("spv-db", "info", "--db", none), ("spv-serve", "--db", none),
                            ("spv-serve", "--headers", none), ("spv-db", ESCAPES),
                            ("spv-sync", b"--" + ESCAPES), ("spv-sync", "--connect", ESCAPES),
                            ("spv-export", "-F", ESCAPES), ("spv-import", "-n", ESCAPES),
                            ("spv-export", "--db", self.dirty, "-o", none + b"/x"),
                            ("spv-sync", "--checkpoint-file", none)):
            with self.subTest((name, args)):
                code = self.raw_run(name, *args).returncode
                self.assertIn(code, (FAILED, USAGE, DATABASE))
                self.safe(name, *args, code=code)
                if name != "spv-export":
                    for event in self.safe(name, *args, "--json", code=code, json_lines=True):
                        self.assertEqual(event["event"], "error")

    def test_a_path_in_json_is_complete_except_for_invalid_utf8(self):
        info, = self.safe("spv-db", "info", "--json", "--db", self.dirty, code=DONE,
                          json_lines=True)
        wanted = re.sub(b"\xff|\xc0|\xc0\x9b", b"?", self.dirty.replace(b"\xc0\x9b", b"??"))
        self.assertEqual(info["database"], wanted.decode())
        self.safe("spv-db", "info", "--db", self.dirty, code=DONE)

    def test_text_in_a_database_is_cleaned(self):
        self.meddle("UPDATE meta SET value = CAST(? AS TEXT) WHERE key = 'created_by'", ESCAPES)
        for json_lines in (False, True):
            out = self.safe("spv-db", "info", *["--json"][:json_lines], "--db", self.dirty,
                            code=DONE, json_lines=json_lines)
            self.assertNotEqual(out, [])
        self.assertEqual(out[0]["height"], 20)
        self.meddle("UPDATE meta SET value = CAST(? AS TEXT) WHERE key = 'network'", ESCAPES[:20])
        for command in ("info", "verify", "repair"):
            self.safe("spv-db", command, "--db", self.dirty, code=DATABASE)
            self.safe("spv-db", command, "--json", "--db", self.dirty, code=DATABASE,
                      json_lines=True)

    def test_an_invalid_network_name_is_refused(self):
        """It would be printed into the head of a PostgreSQL export, past its comment."""
        raw = os.fsencode(self.path("signet.db"))
        self.ends(self.raw_run("spv-sync", "--signet-challenge", "51", "--db", raw, "--connect",
                               "127.0.0.1:1", "--timeout", "1", "-q"), 4)
        with sqlite3.connect(os.fsdecode(raw)) as db:
            name, = db.execute("SELECT value FROM meta WHERE key = 'network'").fetchone()
        db.close()
        self.ends(self.raw_run("spv-export", "-F", "postgres", "--db", raw), DONE)
        for wrong in ("signet-\nDROP TABLE x;", "signet-0a03c8c", name + "0", "signet-"):
            with sqlite3.connect(os.fsdecode(raw)) as db:
                db.execute("UPDATE meta SET value = ? WHERE key = 'network'", (wrong,))
            db.close()
            self.safe("spv-export", "-F", "postgres", "--db", raw, code=DATABASE, lines=0)

    def test_text_of_an_imported_file_is_cleaned(self):
        path = self.path("words.csv")
        for line in (b"height,hash,version,previous_hash,merkle_root,time,bits,nonce\n" + ESCAPES,
                     b"height," + ESCAPES, b"{\"height\": \"" + ESCAPES, b"{\"height\"" + ESCAPES):
            with open(path, "wb") as f:
                f.write(line)
            self.safe("spv-import", "-n", "regtest", "--db", self.dirty, "-i", path, code=FAILED)
            self.safe("spv-import", "-n", "regtest", "--db", self.dirty, "-i", path, "--json",
                      code=FAILED, json_lines=True)

    @unittest.skipUnless(os.path.exists("/dev/full"), "needs /dev/full")
    def test_output_that_cannot_be_written_is_a_failure_in_every_program(self):
        for name, *args in (("spv-db", "info", "--db", self.db), ("spv-export", "--db", self.db),
                            ("spv-import", "--db", self.db, "-i", self.path("none.bin")),
                            ("spv-sync", "--help"), ("spv-serve", "--version")):
            for form in ([], ["--json"]):
                if form and (name == "spv-export" or args[0].startswith("--help")):
                    continue
                with open("/dev/full", "w", encoding="utf-8") as full:
                    result = subprocess.run([binary(name), *args, *form], stdout=full,
                                            stderr=subprocess.PIPE, timeout=HANG, check=False)
                self.assertEqual(result.returncode, FAILED, (name, args, result.stderr))


if __name__ == "__main__":
    unittest.main()
