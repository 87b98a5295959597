"""A foreign program's lock on the database: waited for with --follow until a signal comes."""

import signal
import sqlite3
import subprocess
import threading
import time
import unittest

from support import DONE, FAILED, HANG, INTERRUPTED, TestCase, binary, run

LOCKED = "another program holds a lock on the database"


class Busy(TestCase):
    def setUp(self):
        super().setUp()
        self.server_ = self.server("--mine", 30)
        self.ends(self.sync("--connect", self.server_.address), DONE)
        self.lock = sqlite3.connect(self.db, isolation_level=None, check_same_thread=False)
        self.addCleanup(self.lock.close)
        self.lock.execute("BEGIN IMMEDIATE")

    def follow(self):
        sync = self.program("spv-sync", "--network", "regtest", "--db", self.db, "--json",
                            "--follow", "--connect", self.server_.address)
        self.assertIn(LOCKED, sync.event("warning")["text"])
        return sync

    def test_follow_waits_for_the_lock_reports_it_and_continues(self):
        sync = self.follow()
        self.lock.execute("ROLLBACK")
        self.assertEqual(sync.event("synced")["height"], 30)
        sync.signal(signal.SIGINT)
        self.assertEqual(sync.end(), INTERRUPTED, sync.errors)
        self.assertEqual(sync.errors.count(LOCKED), 1)

    def test_a_signal_ends_the_wait_for_the_lock(self):
        sync = self.follow()
        sync.signal(signal.SIGINT)
        self.assertEqual(sync.end(), INTERRUPTED, sync.errors)

    def follow_export(self):
        """An export that waits: readers are kept out by an exclusive lock alone."""
        self.lock.execute("ROLLBACK")
        self.lock.close()
        self.lock = sqlite3.connect(self.db, isolation_level=None, check_same_thread=False)
        self.addCleanup(self.lock.close)
        self.lock.execute("PRAGMA locking_mode = EXCLUSIVE")
        self.lock.execute("BEGIN IMMEDIATE")
        export = subprocess.Popen([binary("spv-export"), "--db", self.db, "--follow"], text=True,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE)
        limit = threading.Timer(HANG, export.kill)
        self.addCleanup(export.communicate)
        self.addCleanup(export.kill)
        self.addCleanup(limit.cancel)
        limit.start()
        self.assertIn(LOCKED, export.stderr.readline())
        return export

    def test_a_followed_export_waits_for_the_lock_reports_it_and_continues(self):
        export = self.follow_export()
        self.lock.close()
        for line in export.stdout:
            if line.startswith("30,"):
                break
        else:
            self.fail("ended without the headers: " + export.stderr.read())
        export.send_signal(signal.SIGTERM)
        self.assertEqual(export.wait(HANG), DONE)
        self.assertEqual(export.stderr.read(), "")

    def test_a_signal_ends_the_wait_of_a_followed_export(self):
        export = self.follow_export()
        export.send_signal(signal.SIGINT)
        self.assertEqual(export.wait(HANG), INTERRUPTED)

    def waits(self, name, *args):
        """A program that has the writer's lock file and waits for the lock of SQLite, or is about to."""
        program = self.program(name, *args)
        end = time.monotonic() + HANG
        while time.monotonic() < end and program.process.poll() is None:
            with open(self.db + "-lock", encoding="ascii") as f:
                if f.read().strip() == str(program.process.pid):
                    return program
            time.sleep(0.01)
        self.fail(f"{name} never took the lock file: {program.end()} {program.errors}")

    def test_a_signal_ends_the_wait_without_follow_as_an_interruption(self):
        network = ("--network", "regtest", "--db", self.db)
        headers = self.path("headers.raw")
        self.ends(run("spv-export", *network, "--format", "raw", "--output", headers), DONE)
        programs = [("spv-sync", *network, "--connect", self.server_.address),
                    ("spv-import", *network, "--input", headers),
                    ("spv-db", "prune", *network, "--below", 1), ("spv-db", "compact", *network)]
        for program in programs:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                with self.subTest(program=program[:2], signal=number.name):
                    waiting = self.waits(*program)
                    waiting.signal(number)
                    self.assertEqual(waiting.end(), INTERRUPTED, waiting.errors)
                    self.assertNotIn("locked", waiting.errors)
                    self.assertIn("stopped before it was done", waiting.errors)

    def test_without_follow_the_wait_times_out(self):
        result = self.sync("--connect", self.server_.address)
        self.ends(result, FAILED)
        self.assertIn("Another program has locked the database", result.stderr)


if __name__ == "__main__":
    unittest.main()
