"""Files that a user names for reading, when they are pipes: a stop ends each program that waits for
one in order, and what comes through one is read like a file."""

import os
import signal
import subprocess
import time
import unittest

from support import DONE, HANG, INTERRUPTED, TestCase, binary, run


def wait_until(true, what):
    end = time.monotonic() + 60  # only bounds a hang
    while not true():
        if time.monotonic() > end:
            raise AssertionError(f"waited too long for {what}")
        time.sleep(0.01)


def holds_open(pid, path):
    """Whether the process has opened the file: it then waits for what comes."""
    try:
        return any(os.path.realpath(f"/proc/{pid}/fd/{fd}") == path
                   for fd in os.listdir(f"/proc/{pid}/fd"))
    except FileNotFoundError:
        return False


class Pipes(TestCase):
    def setUp(self):
        super().setUp()
        self.pipe = os.path.realpath(self.path("pipe"))
        os.mkfifo(self.pipe)

    def commands(self):
        place = ("--network", "regtest", "--db", self.db)
        return [
            ("spv-import", *place, "--input", self.pipe),
            ("spv-sync", *place, "--connect", "127.0.0.1:1", "--checkpoint-file", self.pipe),
            ("spv-serve", "--network", "regtest", "--listen", "127.0.0.1:0", "--headers", self.pipe),
        ]

    def start(self, name, *args):
        process = subprocess.Popen([binary(name), *args], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        wait_until(lambda: holds_open(process.pid, self.pipe) or process.poll() is not None,
                   "the pipe to be opened")
        return process

    def test_a_pipe_that_nothing_writes_into_ends_at_the_first_signal(self):
        for command in self.commands():
            for number in (signal.SIGINT, signal.SIGTERM):
                with self.subTest(command=command[0], signal=number):
                    process = self.start(*command)
                    process.send_signal(number)
                    _, errors = process.communicate(timeout=HANG)
                    self.assertEqual(process.returncode,
                                     DONE if command[0] == "spv-serve" else INTERRUPTED, errors)
                    self.assertNotIn("cannot be read", errors)

    def test_a_pipe_whose_writer_is_slow_ends_at_the_first_signal(self):
        for command in self.commands():
            with self.subTest(command=command[0]):
                process = self.start(*command)
                with open(self.pipe, "wb", buffering=0) as f:
                    f.write(b"#")
                    process.send_signal(signal.SIGINT)
                    _, errors = process.communicate(timeout=HANG)
                self.assertEqual(process.returncode,
                                 DONE if command[0] == "spv-serve" else INTERRUPTED, errors)
                self.assertNotIn("cannot be read", errors)

    def test_a_pipe_is_read_like_a_file(self):
        server = self.server("--mine", 3000)
        self.ends(self.sync("--connect", server.address), DONE)
        raw = run("spv-export", "--db", self.db, "--format", "raw", "--output", self.path("raw"))
        self.ends(raw, DONE)
        with open(self.path("raw"), "rb") as f:
            headers = f.read()
        process = self.start("spv-import", "--network", "regtest", "--db", self.path("new.db"),
                             "--input", self.pipe)
        with open(self.pipe, "wb") as f:
            f.write(headers)
        _, errors = process.communicate(timeout=HANG)
        self.assertEqual(process.returncode, DONE, errors)
        info = run("spv-db", "info", "--db", self.path("new.db"))
        self.assertIn("3,000", info.stdout)


if __name__ == "__main__":
    unittest.main()
