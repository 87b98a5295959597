"""Full disks: of standard output, and of the database where a small file system can be made."""

import os
import re
import subprocess
import unittest

from support import (DONE, FAILED, HEADER, TestCase, binary, database_headers, has)


class Full(TestCase):
    def test_output_that_cannot_be_written_is_a_failure_after_a_complete_sync(self):
        server = self.server("--mine", 100)
        with open("/dev/full", "w", encoding="ascii") as full:
            result = subprocess.run([binary("spv-sync"), "--network", "regtest", "--db", self.db,
                                     "--connect", server.address, "--json"], stdout=full, text=True,
                                    stderr=subprocess.PIPE, timeout=300, check=False)
        self.assertEqual(result.returncode, FAILED, result.stderr)
        self.assertIn("standard output: cannot be written: No space left", result.stderr)
        self.assertEqual(len(database_headers(self.db)), 101 * HEADER)

    def test_an_export_into_a_full_device_fails(self):
        if not has("spv-export"):
            self.skipTest("spv-export is not built")
        server = self.server("--mine", 5000)
        self.ends(self.sync("--connect", server.address), DONE)
        for args in ({"args": ["--output", "/dev/full"]}, {"stdout": True}):
            with open("/dev/full", "wb") as full:
                result = subprocess.run([binary("spv-export"), "--db", self.db, "--format", "raw",
                                         *args.get("args", [])], timeout=300, check=False,
                                        stdout=full if "stdout" in args else subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, text=True)
            self.assertEqual(result.returncode, FAILED, result.stderr)
            self.assertIn("No space left", result.stderr)

    def test_a_full_disk_ends_the_sync_and_with_free_space_it_resumes(self):
        disk = self.small_disk("2m")
        db = os.path.join(disk, "headers.db")
        server = self.server("--mine", 60000)
        result = self.sync("--connect", server.address, db=db)
        self.ends(result, FAILED)
        self.assertIn("full", result.stderr)
        self.assertEqual(result.stderr.count(db), 1, result.stderr)
        kept = re.search(r"headers up to height ([\d,]+) are kept: .*[^.]\. Free some disk space and try "
                         r"again\.$", result.stderr.strip())
        self.assertIsNotNone(kept, result.stderr)
        self.assertEqual(len(database_headers(db)),
                         (int(kept[1].replace(",", "")) + 1) * HEADER)
        self.resize_disk(disk, "64m")
        self.ends(self.sync("--connect", server.address, db=db), DONE)
        self.assertEqual(len(database_headers(db)), 60001 * HEADER)


if __name__ == "__main__":
    unittest.main()
