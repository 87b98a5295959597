"""Databases that are damaged, foreign, newer, in use or read-only."""

import os
import signal
import sqlite3
import unittest

from support import (DATABASE, DONE, FAILED, HEADER, INTERRUPTED, TestCase, database_headers)


class Database(TestCase):
    def filled(self, count=3000):
        server = self.server("--mine", count)
        self.ends(self.sync("--connect", server.address), DONE)
        return server

    def refused(self, result, code, *parts):
        self.ends(result, code)
        self.assertEqual(result.stdout, "")
        self.assertTrue(result.stderr.startswith("spv-sync: "), result.stderr)
        for part in (self.db, *parts):
            self.assertIn(part, result.stderr)

    def test_a_text_file_is_refused_and_not_changed(self):
        text = "Dear diary,\n" * 1000
        with open(self.db, "w", encoding="ascii") as f:
            f.write(text)
        self.refused(self.sync("--timeout", 1), DATABASE)
        with open(self.db, encoding="ascii") as f:
            self.assertEqual(f.read(), text)

    def test_another_programs_database_is_refused(self):
        with sqlite3.connect(self.db) as db:
            db.execute("CREATE TABLE cookies (name TEXT)")
        db.close()
        self.ends(self.sync("--timeout", 1), DATABASE)
        with sqlite3.connect(self.db) as db:
            self.assertEqual(db.execute("SELECT name FROM sqlite_master").fetchall(),
                             [("cookies",)])
        db.close()

    def test_a_truncated_file_is_refused_as_damaged(self):
        self.filled()
        os.truncate(self.db, os.path.getsize(self.db) // 2 // 4096 * 4096)
        self.refused(self.sync("--timeout", 1), DATABASE)

    def test_a_database_of_another_network_is_refused(self):
        self.filled(10)
        self.refused(self.sync("--timeout", 1, network="simnet"), DATABASE, "regtest")

    def test_a_newer_schema_is_refused(self):
        self.filled(10)
        with sqlite3.connect(self.db) as db:
            db.execute("PRAGMA user_version = 99")
        db.close()
        self.refused(self.sync("--timeout", 1), DATABASE, "newer")

    def test_a_damaged_tail_is_removed_reported_and_downloaded_again(self):
        server = self.filled()
        with sqlite3.connect(self.db) as db:
            db.execute("UPDATE header SET nonce = nonce + 1 WHERE height = 2990")
        db.close()
        result = self.sync("--connect", server.address)
        self.ends(result, DONE)
        self.assertIn("damaged", result.stderr)
        self.assertIn("regtest synced at height 3,000,", result.stdout)
        self.assertEqual(len(database_headers(self.db)), 3001 * HEADER)

    def test_a_second_sync_on_the_same_database_is_refused(self):
        server = self.server("--mine", 10)
        first = self.program("spv-sync", "--network", "regtest", "--db", self.db, "--json",
                             "--follow", "--connect", server.address)
        first.event("synced")
        self.refused(self.sync("--connect", server.address), FAILED)
        first.signal(signal.SIGINT)
        self.assertEqual(first.end(), INTERRUPTED, first.errors)

    def test_it_can_be_read_while_it_is_written(self):
        server = self.server("--mine", 10)
        first = self.program("spv-sync", "--network", "regtest", "--db", self.db, "--json",
                             "--follow", "--connect", server.address)
        first.event("synced")
        self.assertEqual(len(database_headers(self.db)), 11 * HEADER)
        first.signal(signal.SIGINT)
        self.assertEqual(first.end(), INTERRUPTED, first.errors)

    def test_a_folder_that_cannot_be_created_is_reported(self):
        with open(self.path("file"), "w", encoding="ascii") as f:
            f.write("in the way")
        self.db = self.path("file/headers.db")
        result = self.sync("--timeout", 1)
        self.ends(result, FAILED)
        self.assertIn(self.db, result.stderr)

    def test_a_read_only_database_is_reported(self):
        if os.geteuid() == 0:
            self.skipTest("root may write to everything")
        self.filled(10)
        os.chmod(self.db, 0o400)
        self.refused(self.sync("--timeout", 1), FAILED)


if __name__ == "__main__":
    unittest.main()
