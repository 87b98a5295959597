"""Messages: what is wrong, once, and what to do, once."""

import bz2
import fcntl
import json
import lzma
import os
import pty
import random
import subprocess
import termios
import unittest

from support import (DONE, FAILED, HANG, HEADER, USAGE, TestCase, binary, mine_file, run)

COUNT = 6000


def on_terminal(*args):
    """Runs a command whose standard output is a terminal; returns the output and the result."""
    try:
        ours, theirs = pty.openpty()
    except OSError as error:  # a bare root without /dev/pts
        raise unittest.SkipTest(f"no pseudo-terminal can be opened here: {error}") from error
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, b"\x18\0\x50\0\0\0\0\0")
    process = subprocess.Popen(list(map(str, args)), stdin=subprocess.DEVNULL, stdout=theirs,
                               stderr=subprocess.PIPE, env={**os.environ, "TERM": "xterm"})
    os.close(theirs)
    seen = b""
    try:
        while data := os.read(ours, 65536):
            seen += data
    except OSError:  # the other side is closed
        pass
    os.close(ours)
    errors = process.stderr.read().decode()
    process.stderr.close()
    return seen, process.wait(HANG), errors


class Words(TestCase):
    image = None

    def setUp(self):
        super().setUp()
        self.raw = self.path("headers.bin")
        if Words.image is None:
            Words.raw_bytes = mine_file(self.raw, COUNT)
            self.ends(self.load(self.raw), DONE)
            with open(self.db, "rb") as f:
                Words.image = f.read()
        for path, data in ((self.raw, Words.raw_bytes), (self.db, Words.image)):
            with open(path, "wb") as f:
                f.write(data)

    def load(self, path, *args):
        return run("spv-import", "-n", "regtest", "--db", self.db, "-i", path, *args)

    def said(self, result, code, *words):
        """It ended so, with one message that has these words and no sentence twice."""
        self.ends(result, code)
        text = result.stderr.strip()
        self.assertEqual(text.count("\n"), 0, text)
        for word in words:
            self.assertIn(word, text)
        for wrong in ("..", ". .", ":.", "  "):
            self.assertNotIn(wrong, text.replace("...", ""))
        sentences = text.split(". ")
        self.assertEqual(len(sentences), len(set(sentences)), text)
        return text

    def test_files_without_headers(self):
        noise = random.Random(5).randbytes(8000)
        kinds = {
            "empty": (b"", "is empty. Download the file again."),
            "noise": (noise, "is not a file of headers: its first 80 bytes prove no work"),
            "packed.bz2": (bz2.compress(Words.raw_bytes), "compressed by bzip2"),
            "empty.bz2": (bz2.compress(b""), "is no file of headers: it has 14 bytes, a header has 80"),
            "zeros": (bytes(100), "is no file of headers: its first 80 bytes are zeros"),
            "few zeros": (bytes(79), "is no file of headers: it has 79 bytes"),
            "packed.xz": (lzma.compress(Words.raw_bytes), "compressed by xz"),
            "database": (Words.image, "an SQLite database"),
        }
        for name, (data, words) in kinds.items():
            with self.subTest(name):
                with open(self.path(name), "wb") as f:
                    f.write(data)
                self.said(self.load(self.path(name)), FAILED, self.path(name) + ": ", words)

    def test_exports_to_unsupported_file_suffixes_are_refused(self):
        for name in ("h.csv.bz2", "h.xz", "h.BZ2", "h.zip"):
            path = self.path(name)
            result = run("spv-export", "--db", self.db, "-o", path)
            self.said(result, USAGE, path, ".gz or .zst")
            self.assertFalse(os.path.exists(path))
        for name in ("x.png", "x.PDF", "x.svg.xz"):
            path = self.path(name)
            self.said(run("spv-db", "stats", "--db", self.db, "--svg", path), USAGE, path, ".svg.gz")
            self.assertFalse(os.path.exists(path))

    def test_an_output_that_cannot_be_one_is_refused_under_its_own_option(self):
        for args, option in ((["spv-export", "-o"], "--output: "),
                             (["spv-db", "stats", "--svg"], "--svg: ")):
            for path, why in ((self.db, "belongs to the database"), (self.folder, "is a folder")):
                with self.subTest(option=option, path=path):
                    self.said(run(*args, path, "--db", self.db), USAGE, f": {option}{path} {why}")

    def test_an_output_in_a_folder_that_is_not_there(self):
        for args in (["spv-export", "-o"], ["spv-db", "stats", "--svg"]):
            text = self.said(run(*args, self.path("none/x.svg"), "--db", self.db), FAILED,
                             "No such file or directory. Check the path.")
            self.assertNotIn("room", text)

    def test_a_binary_format_to_a_terminal_needs_force(self):
        command = [binary("spv-export"), "--db", self.db, "--to", "2"]
        for name in ("raw", "electrum", "neutrino"):
            seen, code, errors = on_terminal(*command, "-F", name)
            self.assertEqual((seen, code), (b"", USAGE), errors)
            for words in (name, "terminal", "--output", "--force"):
                self.assertIn(words, errors)
        seen, code, errors = on_terminal(*command, "-F", "raw", "--force")
        self.assertEqual(code, DONE, errors)
        self.assertGreaterEqual(len(seen), 3 * HEADER)
        seen, code, errors = on_terminal(*command)
        self.assertEqual(code, DONE, errors)
        self.assertIn(b"height,hash", seen)
        seen, code, errors = on_terminal(*command, "-F", "raw", "-o", "/dev/stdout")
        self.assertEqual((seen, code), (b"", USAGE), errors)
        self.assertIn("/dev/stdout is a terminal", errors)
        self.ends(run(*command, "-F", "raw", "-o", "/dev/null"), DONE)

    def test_an_ending_in_capitals_is_compressed_as_well(self):
        for name, magic in (("x.csv.GZ", b"\x1f\x8b"), ("x.csv.Zst", b"\x28\xb5\x2f\xfd")):
            self.ends(run("spv-export", "--db", self.db, "-o", self.path(name)), DONE)
            with open(self.path(name), "rb") as f:
                self.assertEqual(f.read(len(magic)), magic)

    def test_pruning_above_the_tip_is_wrong_usage(self):
        for below in (COUNT + 1, 2**32 - 1):
            self.said(run("spv-db", "prune", "--below", below, "--db", self.db), USAGE,
                      f"--below {below} is above", f"height {COUNT:,}")
        self.ends(run("spv-db", "prune", "--below", COUNT, "--db", self.db), DONE)

    def test_the_value_of_an_option_is_repeated_as_it_is_typed(self):
        for args, code, words in ((("--from", 7000), FAILED, "--from 7000: "),
                                  (("--to", 7000), FAILED, "--to 7000: "),
                                  (("--from", 5000, "--to", 4000), USAGE, "5000 is above 4000")):
            self.said(run("spv-export", *args, "--db", self.db), code, words)

    def test_verify_shows_progress_from_its_first_step(self):
        seen, code, errors = on_terminal(binary("spv-db"), "verify", "--db", self.db)
        self.assertEqual(code, DONE, errors)
        self.assertTrue(seen.startswith(b"\rchecking pages ..."), seen)

    def test_an_import_reports_the_remaining_time_when_the_size_is_known(self):
        os.remove(self.db)
        seen, code, errors = on_terminal(binary("spv-import"), "-n", "regtest", "--db", self.db,
                                         "-i", self.raw)
        self.assertEqual(code, DONE, errors)
        self.assertRegex(seen, rb"height [\d,]+  [\d,]+ added  .*  \d+%  [\d.]+ (s|min|h)[ \d]* ?s? ?left")
        result = self.load(self.raw, "--json")
        progress = [json.loads(line) for line in result.stdout.splitlines()[:-1]]
        self.assertTrue(progress, result.stdout)
        for event in progress:
            self.assertTrue(0 < event["percent"] <= 100, event)

    def test_an_import_into_a_pipe_prints_nothing_before_the_first_header(self):
        ours, theirs = os.pipe()
        process = self.program_from(ours)
        os.close(ours)
        os.write(theirs, Words.raw_bytes[:40])  # half a header
        os.close(theirs)
        out, errors = process.communicate(timeout=HANG)
        self.assertEqual(process.returncode, FAILED, errors)
        self.assertEqual(out, "")

    def program_from(self, fd):
        return subprocess.Popen([binary("spv-import"), "-n", "regtest", "--db",
                                 self.path("other.db")], stdin=fd, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)


if __name__ == "__main__":
    unittest.main()
