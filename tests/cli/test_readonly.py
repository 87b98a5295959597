"""Where nothing can be written: a read-only file system under the database."""

import os
import shutil
import signal
import subprocess
import unittest

from support import (DONE, FAILED, TestCase, database_headers, fetch_headers, run, REGTEST_GENESIS)

COUNT = 5000


class ReadOnly(TestCase):
    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("only root can mount a file system")
        self.disk = self.path("disk")
        os.mkdir(self.disk)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", self.disk],
                          capture_output=True, check=False).returncode != 0:
            self.skipTest("a tmpfs cannot be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", self.disk], check=False)
        self.db = os.path.join(self.disk, "headers.db")

    def freeze(self):
        if subprocess.run(["mount", "-o", "remount,ro", self.disk], capture_output=True,
                          check=False).returncode != 0:
            self.skipTest("the tmpfs cannot be made read-only here")

    def test_commands_that_only_read_work(self):
        source = self.server("--mine", COUNT)
        self.ends(self.sync("--connect", source.address), DONE)
        want = database_headers(self.db)
        for name in os.listdir(self.disk):
            if name != "headers.db":
                os.remove(os.path.join(self.disk, name))
        self.freeze()
        out = self.path("out.bin")
        self.ends(run("spv-export", "--db", self.db, "--format", "raw", "--output", out), DONE)
        with open(out, "rb") as f:
            self.assertEqual(f.read(), want)
        for args in (["info"], ["tip"], ["header", 77], ["verify", "--full"], ["stats"]):
            self.ends(run("spv-db", *args, "--db", self.db), DONE)
        server = self.server("--db", self.db)
        self.assertEqual(fetch_headers(server.port, REGTEST_GENESIS), want)
        for result in (self.sync("--connect", source.address),
                       run("spv-db", "compact", "--db", self.db)):
            self.ends(result, FAILED)
            self.assertIn(self.db, result.stderr)
        self.assertEqual(os.listdir(self.disk), ["headers.db"])

    def test_a_leftover_wal_is_reported(self):
        source = self.server("--mine", COUNT)
        sync = self.program("spv-sync", "--network", "regtest", "--db", self.db, "--json",
                            "--follow", "--connect", source.address)
        sync.event("synced")
        sync.signal(signal.SIGKILL)
        sync.end()
        wal = self.db + "-wal"
        if os.path.getsize(wal) == 0:
            self.skipTest("the WAL was checkpointed before the kill")
        os.remove(self.db + "-shm")
        copy = self.path("copy.db")
        self.freeze()
        result = run("spv-db", "info", "--db", self.db)
        self.ends(result, FAILED)
        self.assertIn("write-ahead log", result.stderr)
        self.assertIn("Copy both files", result.stderr)
        shutil.copy(self.db, copy)
        shutil.copy(wal, copy + "-wal")
        self.ends(run("spv-db", "verify", "--db", copy), DONE)
        self.assertEqual(database_headers(copy), fetch_headers(source.port, REGTEST_GENESIS))


if __name__ == "__main__":
    unittest.main()
