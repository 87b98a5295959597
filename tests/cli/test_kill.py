"""kill -9 in the middle of a sync, a reorganisation, a migration and an import, again and again, and
a complete and identical chain at the end. SPV_KILLS kills in all, a quarter for each."""

import os
import random
import signal
import sqlite3
import time
import unittest

from support import (DROP_WALLET, DONE, HANG, HEADER, REGTEST_GENESIS, TestCase, database_headers,
                     fetch_headers, has, mine_file, run)

ALL = int(os.environ.get("SPV_KILLS", "40"))
KILLS = max(1, ALL // 4)  # of each kind
BATCH = 2000 * 81  # bytes of a full headers message
FEW = 3  # fewer full messages are received before a kill
COUNT = KILLS * FEW * 2000  # so all kills together cannot reach the end


class Kill(TestCase):
    def test_killed_during_sync_it_ends_with_the_servers_chain(self):
        seed = int(os.environ.get("SPV_SEED", random.SystemRandom().getrandbits(32)))
        print(f"SPV_SEED={seed}")
        rng = random.Random(seed)
        server = self.server("--mine", COUNT)
        want = fetch_headers(server.port, REGTEST_GENESIS)
        height = -1
        for kill in range(KILLS):
            # The server falls silent somewhere in the first messages, so that every kill comes in
            # mid-sync; the delay lets it hit any point of validating and storing headers, before and
            # after it is committed (a quarter second later). The first ones may hit the handshake.
            proxy = self.proxy(server.port, limit=rng.randrange(500, FEW * BATCH))
            sync = self.program("spv-sync", "--network", "regtest", "--db", self.db, "--json",
                                "--connect", proxy.address)
            self.assertTrue(proxy.reached.wait(HANG))
            time.sleep(rng.random() * 0.5)
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

    def test_killed_at_full_speed_it_resumes(self):
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

    # The others: a program that runs for a short while is killed somewhere in that while.

    def image(self, *servers):
        """A synced database as bytes."""
        for server in servers:
            self.ends(self.sync("--connect", server.address), DONE)
        with open(self.db, "rb") as f:
            return f.read()

    def put(self, image):
        for name in os.listdir(self.folder):
            if name.startswith("headers.db"):
                os.remove(self.path(name))
        if image is not None:
            with open(self.db, "wb") as f:
                f.write(image)

    def kill_often(self, image, args, after, want):
        """Kills `args` at random moments, each time on the same database; then it must be sound,
        and `after` must bring it to the same end."""
        seed = int(os.environ.get("SPV_SEED", random.SystemRandom().getrandbits(32)))
        print(f"SPV_SEED={seed}")
        rng = random.Random(seed)
        span = 0
        for _ in range(2):  # the second time nothing is new to the machine
            self.put(image)
            start = time.monotonic()
            self.ends(run(*args), DONE)
            span = time.monotonic() - start
        self.assertEqual(database_headers(self.db), want)
        alive = 0
        for kill in range(KILLS):
            self.put(image)
            program = self.program(*args)
            time.sleep(rng.random() * span)
            alive += program.process.poll() is None
            program.signal(signal.SIGKILL)
            program.end()
            if os.path.exists(self.db) and os.path.getsize(self.db) > 0:
                verified = run("spv-db", "verify", "--full", "--db", self.db)
                if "no headers were stored yet" not in verified.stderr:
                    self.ends(verified, DONE)
            self.ends(run(*after), DONE)
            self.assertEqual(database_headers(self.db), want, f"kill {kill}")
        print(f"{KILLS} kills, {alive} before the end by itself")
        return alive

    def test_killed_in_a_reorganisation_it_ends_with_the_better_chain(self):
        base = self.path("base.bin")
        mine_file(base, 500)
        first = self.server("--headers", base, "--mine", 8000, "--seed", 1)
        second = self.server("--headers", base, "--mine", 8500, "--seed", 2)
        image = self.image(first)
        args = ("spv-sync", "--network", "regtest", "--db", self.db, "--connect", second.address)
        self.kill_often(image, args, args, fetch_headers(second.port, REGTEST_GENESIS))

    def test_a_stored_side_branch_is_continued(self):
        base = self.path("base.bin")
        mine_file(base, 500)
        first = self.server("--headers", base, "--mine", 8800, "--seed", 1)
        second = self.server("--headers", base, "--mine", 9000, "--seed", 2)
        image = self.image(first)
        self.put(None)
        self.image(second)
        os.rename(self.db, self.path("second.db"))
        self.put(image)
        db = sqlite3.connect(self.db)  # as if killed just before the branch became the best
        db.execute("ATTACH ? AS second", (self.path("second.db"),))
        db.execute("INSERT INTO branch_header (height, hash, version, merkle_root, time, bits,"
                   " nonce, work, previous_hash) SELECT h.height, h.hash, h.version, h.merkle_root,"
                   " h.time, h.bits, h.nonce, h.work, p.hash FROM second.header h"
                   " JOIN second.header p ON p.height = h.height - 1"
                   " WHERE h.height BETWEEN 501 AND 9200")
        db.commit()
        db.close()
        self.ends(self.sync("--connect", second.address), DONE)
        self.assertEqual(database_headers(self.db), fetch_headers(second.port, REGTEST_GENESIS))

    def test_killed_in_a_migration_it_ends_with_the_new_schema(self):
        server = self.server("--mine", 20000)
        self.image(server)
        db = sqlite3.connect(self.db)
        db.executescript(DROP_WALLET + "DROP TABLE filter_header; DROP TABLE block_filter;"
                         "DROP TABLE peer_address; DROP TABLE peer_ban; DROP VIEW block_header;"
                         "DELETE FROM meta WHERE key IN ('book_key', 'last_sync');"
                         "CREATE VIEW block_header AS SELECT h.height AS height,"
                         " lower(hex(h.hash)) AS hash, h.version AS version,"
                         " CASE h.height WHEN 0 THEN lower(hex(zeroblob(32)))"
                         " ELSE lower(hex(p.hash)) END AS previous_hash,"
                         " lower(hex(h.merkle_root)) AS merkle_root, h.time AS time,"
                         " datetime(h.time, 'unixepoch') AS utc, printf('%08x', h.bits) AS bits,"
                         " h.nonce AS nonce, lower(hex(h.work)) AS work"
                         " FROM header h LEFT JOIN header p ON p.height = h.height - 1;"
                         "PRAGMA user_version = 1; PRAGMA wal_checkpoint(TRUNCATE)")
        db.close()
        with open(self.db, "rb") as f:
            image = f.read()
        args = ("spv-sync", "--network", "regtest", "--db", self.db, "--connect", server.address)
        self.kill_often(image, args, args, fetch_headers(server.port, REGTEST_GENESIS))

    def test_killed_in_an_import_it_resumes(self):
        if not has("spv-import"):
            self.skipTest("spv-import is not built")
        raw = self.path("raw.bin")
        want = mine_file(raw, 30000)
        args = ("spv-import", "--network", "regtest", "--db", self.db, "--input", raw)
        self.kill_often(None, args, args, want)


if __name__ == "__main__":
    unittest.main()
