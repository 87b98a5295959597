"""kill -9 in mid-sync, again and again, and a complete and identical chain at the end."""

import os
import random
import signal
import time
import unittest

from support import (DONE, HEADER, REGTEST_GENESIS, TestCase, database_headers,
                     fetch_headers, has, run)

KILLS = int(os.environ.get("SPV_KILLS", "20"))
BATCH = 2000 * 81  # bytes of a full headers message
FEW = 3  # less than so many full messages come before a kill
COUNT = KILLS * FEW * 2000  # so all kills together cannot reach the end


class Kill(TestCase):
    def test_killed_twenty_times_it_ends_with_the_servers_chain(self):
        seed = int(os.environ.get("SPV_SEED", random.SystemRandom().getrandbits(32)))
        print(f"SPV_SEED={seed}")
        rng = random.Random(seed)
        server = self.server("--mine", COUNT)
        want = fetch_headers(server.port, REGTEST_GENESIS)
        height = 0
        for kill in range(KILLS):
            # The server falls silent somewhere in the first messages, so that every kill comes in
            # mid-sync; the delay lets it hit any point of judging and storing what came.
            proxy = self.proxy(server.port, limit=rng.randrange(500, FEW * BATCH))
            sync = self.program("spv-sync", "--network", "regtest", "--db", self.db, "--json",
                                "--connect", proxy.address)
            sync.event("connected")
            proxy.reached.wait(60)
            time.sleep(rng.random() * 0.05)
            sync.signal(signal.SIGKILL)
            self.assertEqual(sync.end(), -signal.SIGKILL)
            proxy.close()
            kept = len(database_headers(self.db)) // HEADER - 1
            self.assertGreaterEqual(kept, height, f"kill {kill} lost committed headers")
            height = kept
        self.assertLess(height, COUNT)
        print(f"{KILLS} kills, {height} of {COUNT} headers by then")
        result = self.sync("--connect", server.address)
        self.ends(result, DONE)
        self.assertEqual(database_headers(self.db), want)
        if has("spv-export"):
            out = self.path("export.bin")
            self.ends(run("spv-export", "--db", self.db, "--format", "raw", "--output", out), DONE)
            with open(out, "rb") as f:
                self.assertEqual(f.read(), want)

    def test_killed_at_full_speed_it_goes_on(self):
        rng = random.Random(1)
        server = self.server("--mine", COUNT)
        for _ in range(3):
            sync = self.program("spv-sync", "--network", "regtest", "--db", self.db, "--json",
                                "--connect", server.address)
            sync.event("progress", "synced")
            time.sleep(rng.random() * 0.1)
            sync.signal(signal.SIGKILL)
            sync.end()
            database_headers(self.db)
        self.ends(self.sync("--connect", server.address), DONE)
        self.assertEqual(len(database_headers(self.db)), (COUNT + 1) * HEADER)


if __name__ == "__main__":
    unittest.main()
