"""Checkpoints of the user's: on the command line, in a file, wrong ones, and contradicted ones."""

import json
import unittest

from support import (DATABASE, DONE, FAILED, HEADER, NO_PEER, REGTEST_GENESIS, USAGE, TestCase,
                     database_headers, display, fetch_headers, run, sha256d)

COUNT = 3000
ZERO = "0" * 64


def hash_at(raw, height):
    return display(sha256d(raw[height * HEADER:(height + 1) * HEADER]))


class Checkpoints(TestCase):
    def file(self, text):
        path = self.path("checkpoints")
        with open(path, "w") as f:
            f.write(text)
        return path

    def test_a_chain_with_the_checkpoints_is_accepted(self):
        server = self.server("--mine", COUNT)
        raw = fetch_headers(server.port, REGTEST_GENESIS)
        path = self.file("height,hash,note\n# two\n\n" +
                         "".join(f"{h},{hash_at(raw, h)},x\r\n" for h in (10, 2000)))
        result = self.sync("--connect", server.address, "--checkpoint-file", path,
                           "--checkpoint", f"2015:{hash_at(raw, 2015)}",
                           "--checkpoint", f"10:{hash_at(raw, 10)}")
        self.ends(result, DONE)
        self.assertEqual(database_headers(self.db), raw)

    def test_a_chain_that_contradicts_a_checkpoint_is_misbehaving(self):
        server = self.server("--mine", COUNT)
        result = self.sync("--connect", server.address, "--checkpoint", f"2500:{'11' * 32}",
                           "--timeout", 2, "--json")
        self.ends(result, NO_PEER)
        events = [json.loads(line) for line in result.stdout.splitlines()]
        banned = [e for e in events if e["event"] == "banned"]
        self.assertEqual([e["code"] for e in banned], ["HDR_CHECKPOINT"])

    def test_a_database_that_contradicts_one_is_not_continued(self):
        server = self.server("--mine", COUNT)
        self.ends(self.sync("--connect", server.address), DONE)
        before = database_headers(self.db)
        for height in (1, 2999):
            result = self.sync("--connect", server.address, "--checkpoint", f"{height}:{ZERO}")
            self.ends(result, DATABASE)
            self.assertIn("contradicts a checkpoint", result.stderr)
            self.assertIn("move the file away", result.stderr)
        self.assertEqual(database_headers(self.db), before)

    def test_invalid_checkpoints_are_reported_with_line_and_cause(self):
        cases = (
            ("12:ab\n", "line 1", "no hash of 64 hex digits"),
            (f"\n12;{ZERO}\n", "line 2", "is not HEIGHT:HASH"),
            (f"12:{ZERO}\n12:{ZERO}\n", "line 2", "heights must ascend: 12 comes after 12"),
            (f"12:{ZERO}\n11:{ZERO}\n", "line 2", "heights must ascend: 11 comes after 12"),
            (f"0:{ZERO}\n", "line 1", "genesis"),
            (f"4294967295:{ZERO}\n", "line 1", "out of range"),
            (f"99999999999999999999:{ZERO}\n", "line 1", "out of range"),
            (f"-1:{ZERO}\n", "line 1", "is not HEIGHT:HASH"),
            (f"5:{ZERO} 1\n", "line 1", "after its hash"),
            (f"5:{'g' * 64}\n", "line 1", "hex"),
            (f"5:{ZERO}{' ' * 600}\n", "line 1", "longer than"),
            ("".join(f"{h}:{ZERO}\n" for h in range(1, 4098)), "line 4097", "more than 4096"),
        )
        for text, line, cause in cases:
            with self.subTest(text=text[:40]):
                result = self.sync("--checkpoint-file", self.file(text))
                self.ends(result, USAGE)
                self.assertIn(line, result.stderr)
                self.assertIn(cause, result.stderr)
        result = self.sync("--checkpoint", "7")
        self.ends(result, USAGE)
        self.assertIn("--checkpoint: '7' is not HEIGHT:HASH", result.stderr)
        result = self.sync("--checkpoint-file", self.path("nowhere"))
        self.ends(result, FAILED)
        self.assertIn("No such file", result.stderr)

    def test_built_in_checkpoints_can_be_disabled_but_not_contradicted(self):
        # refused before any peer is queried
        result = run("spv-sync", "--db", self.db, "--checkpoint", f"2015:{ZERO}")
        self.ends(result, USAGE)
        self.assertIn("contradicts another checkpoint of height 2,015", result.stderr)
        self.assertIn("--no-checkpoints", result.stderr)
        result = run("spv-sync", "--db", self.db, "--checkpoint", f"2015:{ZERO}",
                     "--no-checkpoints", "--connect", f"127.0.0.1:{self.closed_port()}",
                     "--timeout", 1)
        self.ends(result, NO_PEER)


if __name__ == "__main__":
    unittest.main()
