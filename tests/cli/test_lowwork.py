"""Minimum work as a user sets it: chains with and without enough work."""

import unittest

from support import DONE, HEADER, NO_PEER, TestCase, database_headers

HEIGHT = 4500  # three messages
WORK = 2 * (HEIGHT + 1)  # of regtest's blocks, genesis among them


class MinimumWork(TestCase):
    def synced(self, work):
        server = self.server("--mine", HEIGHT)
        return self.sync("--connect", server.address, "--min-chain-work", work, "--timeout", 3)

    def height(self):
        return len(database_headers(self.db)) // HEADER - 1

    def test_a_chain_with_just_the_minimum_work_is_stored(self):
        self.ends(self.synced(f"{WORK:x}"), DONE)
        self.assertEqual(self.height(), HEIGHT)

    def test_a_chain_with_too_little_work_is_not_stored(self):
        result = self.synced(f"{WORK + 1:X}")
        self.ends(result, NO_PEER)
        self.assertIn("too little work", result.stderr)
        self.assertEqual(self.height(), 0)

    def test_minimum_work_0_accepts_any_chain(self):
        self.ends(self.synced("0"), DONE)
        self.assertEqual(self.height(), HEIGHT)


if __name__ == "__main__":
    unittest.main()
