"""spv-sync --filters as a user drives it: stopped, killed, and on a full disk in the middle of the filter
headers, and continued. The served filters are written with Python's SQLite (docs/schema.md)."""

import json
import os
import random
import re
import shutil
import signal
import sqlite3
import tempfile
import time
import unittest

from support import DONE, FAILED, HANG, INTERRUPTED, Server, TestCase, binary, database_headers, run, sha256d
from test_screen import on_terminal

N = 12000  # blocks above genesis: 12 requests for filter headers
GENESIS_FILTER = bytes.fromhex("014756c0")  # of regtest, whose filter header is built in
HEADERS = 81 * N  # bytes of all headers messages, about
HALF = HEADERS + 32 * N // 2  # and of half of the filter headers
KILLS = max(3, int(os.environ.get("SPV_KILLS", "40")) // 8)


def filter_of(height):
    return GENESIS_FILTER if height == 0 else bytes([1, height & 0xff, height >> 8, 0x80])


def filter_headers(db):
    """The stored filter headers, in internal byte order, lowest first; checked to link."""
    with sqlite3.connect(f"file:{db}?mode=ro", uri=True) as connection:
        rows = connection.execute("SELECT height, header, filter_hash FROM filter_header"
                                  " ORDER BY height").fetchall()
    connection.close()
    for at, (height, header, hash_) in enumerate(rows):
        assert height == at, f"row {at} has height {height}"
        if at > 0:
            assert header[::-1] == sha256d(hash_[::-1] + rows[at - 1][1][::-1]), f"height {height} does not link"
    return [row[1][::-1] for row in rows]


class FilterSync(TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.served_folder = tempfile.mkdtemp(prefix="spv-cli-")
        cls.served = os.path.join(cls.served_folder, "headers.db")
        mining = Server("--mine", N)
        try:
            done = run("spv-sync", "--network", "regtest", "--db", cls.served, "--connect", mining.address)
            assert done.returncode == DONE, done.stderr
        finally:
            mining.stop()
        cls.image = cls.path_of_copy("image.db")
        cls.want, header = [], bytes(32)
        with sqlite3.connect(cls.served) as db:
            for height in range(N + 1):
                data = filter_of(height)
                header = sha256d(sha256d(data) + header)
                cls.want.append(header)
                db.execute("INSERT INTO filter_header (height, header, filter_hash) VALUES (?, ?, ?)",
                           (height, header[::-1], sha256d(data)[::-1]))
                db.execute("INSERT INTO block_filter (height, filter) VALUES (?, ?)", (height, data))
            for key, value in (("kept_filters", N + 1), ("kept_filter_bytes", 4 * (N + 1)),
                               ("kept_filters_from", 0)):
                db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, value))
        db.close()

    @classmethod
    def path_of_copy(cls, name):
        """A copy of the served database before it has filters: headers only."""
        path = os.path.join(cls.served_folder, name)
        shutil.copy(cls.served, path)
        return path

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.served_folder)
        super().tearDownClass()

    def serve(self):
        return self.server("--db", self.served)

    def start(self, address, *args):
        return self.program("spv-sync", "--network", "regtest", "--db", self.db, "--filters", "--json",
                            "--connect", address, *args)

    def stored(self, db=None):
        """How many filter headers are committed."""
        try:
            return len(filter_headers(db or self.db))
        except sqlite3.OperationalError:  # the table is not there yet
            return 0

    def wait_for_filter_headers(self, more_than=0):
        end = time.monotonic() + HANG
        while self.stored() <= more_than:
            self.assertLess(time.monotonic(), end, "no filter headers were stored")
            time.sleep(0.02)

    def stop_in_the_middle(self):
        """A sync whose server falls silent when half of the filter headers were sent."""
        proxy = self.proxy(self.serve().port, limit=HALF)
        sync = self.start(proxy.address)
        self.assertTrue(proxy.reached.wait(HANG))
        self.wait_for_filter_headers()
        return sync

    def verified(self, db=None):
        result = run("spv-db", "verify", "--full", "--db", db or self.db)
        self.ends(result, DONE)

    def completes(self, db=None):
        """Another run adds what is missing; how many filter headers those were."""
        before = self.stored(db)
        result = self.sync("--filters", "--json", "--connect", self.serve().address, db=db)
        self.ends(result, DONE)
        self.assertEqual(filter_headers(db or self.db), self.want)
        last = json.loads(result.stdout.splitlines()[-1])
        self.assertEqual(last["filter_height"], N, last)
        self.assertEqual(last["filter_headers_added"], N + 1 - max(before, 1), last)
        self.verified(db)

    def test_interrupted_it_keeps_what_is_stored_and_resumes(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number=number):
                sync = self.stop_in_the_middle()
                before = self.stored()
                sync.signal(number)
                self.assertEqual(sync.end(), INTERRUPTED, sync.errors)
                self.assertEqual(json.loads(sync.lines[-1])["event"], "interrupted")
                kept = filter_headers(self.db)
                self.assertGreaterEqual(len(kept), before)
                self.assertLess(len(kept), N + 1)
                self.assertEqual(kept, self.want[:len(kept)])
                self.verified()
                self.completes()
                os.remove(self.db)

    def test_a_second_interrupt_loses_nothing_that_was_committed(self):
        sync = self.stop_in_the_middle()
        before = self.stored()
        sync.signal(signal.SIGINT)
        sync.signal(signal.SIGINT)
        self.assertIn(sync.end(), (INTERRUPTED, -signal.SIGINT), sync.errors)
        kept = filter_headers(self.db)
        self.assertGreaterEqual(len(kept), before)
        self.assertEqual(kept, self.want[:len(kept)])
        self.verified()
        self.completes()

    def test_killed_in_mid_store_it_resumes(self):
        seed = int(os.environ.get("SPV_SEED", random.SystemRandom().getrandbits(32)))
        print(f"SPV_SEED={seed}")
        rng = random.Random(seed)
        server = self.serve()
        among = 0
        for kill in range(KILLS):
            for name in os.listdir(self.folder):
                if name.startswith("headers.db"):
                    os.remove(self.path(name))
            shutil.copy(self.image, self.db)
            # silent somewhere in the filter headers; a quarter second later what came is committed
            proxy = self.proxy(server.port, limit=rng.randrange(500, 32 * N))
            sync = self.start(proxy.address)
            self.assertTrue(proxy.reached.wait(HANG))
            time.sleep(rng.random() * 0.5)
            sync.signal(signal.SIGKILL)
            self.assertEqual(sync.end(), -signal.SIGKILL)
            kept = filter_headers(self.db)
            among += 0 < len(kept) <= N
            self.assertEqual(kept, self.want[:len(kept)], f"kill {kill}")
            self.assertEqual(len(database_headers(self.db)), 80 * (N + 1), f"kill {kill}")
            self.verified()
            self.ends(self.sync("--filters", "--connect", server.address), DONE)
            self.assertEqual(filter_headers(self.db), self.want, f"kill {kill}")
        print(f"{KILLS} kills, {among} between the filter headers")

    def test_a_full_disk_ends_the_sync_and_with_free_space_it_resumes(self):
        disk = self.small_disk("64m")
        db = os.path.join(disk, "headers.db")
        shutil.copy(self.image, db)
        used = -(-os.path.getsize(db) // 1024) + 600  # KiB: some filter headers fit
        self.resize_disk(disk, f"{used}k")
        result = self.sync("--filters", "--connect", self.serve().address, db=db)
        self.ends(result, FAILED)
        self.assertIn("full", result.stderr)
        self.assertIn("Free some disk space and try again.", result.stderr)
        kept = filter_headers(db)
        self.assertLess(len(kept), N + 1)
        self.assertEqual(kept, self.want[:len(kept)])
        self.assertEqual(len(database_headers(db)), 80 * (N + 1))
        self.resize_disk(disk, "64m")
        self.verified(db)
        self.completes(db)

    def test_json_lines_tell_of_the_filter_headers(self):
        result = self.sync("--filters", "--json", "--connect", self.serve().address)
        self.ends(result, DONE)
        events = [json.loads(line) for line in result.stdout.splitlines()]
        kinds = [event["event"] for event in events]
        self.assertEqual(kinds[-1], "synced")
        self.assertEqual(kinds.count("filters_synced"), 1)
        self.assertEqual(events[kinds.index("filters_synced")]["height"], N)
        warnings = [event for event in events if event["event"] == "warning"]
        self.assertEqual([event["warning"] for event in warnings], ["filters_one_group"])
        self.assertEqual((events[-1]["filter_height"], events[-1]["filter_headers_added"]), (N, N))
        self.verified()
        again = self.sync("--filters", "--json", "--connect", self.serve().address)
        self.ends(again, DONE)
        self.assertEqual(json.loads(again.stdout.splitlines()[-1])["filter_headers_added"], 0)

    def test_a_terminal_shows_how_far_the_filter_headers_are(self):
        proxy = self.proxy(self.serve().port, limit=HALF)
        command = [binary("spv-sync"), "--network", "regtest", "--db", self.db, "--filters", "--connect",
                   proxy.address]
        seen, code = on_terminal(command, rb"filter headers: height [1-9][\d,]* of 12,000",
                                 lambda p: p.send_signal(signal.SIGINT), columns=100)
        self.assertEqual(code, INTERRUPTED, seen)
        self.assertIn(b"1 peer with filters", seen)
        self.assertTrue(re.search(rb"filter headers up to height [1-9][\d,]*, [1-9][\d,]* added", seen), seen)
        self.assertTrue(seen.endswith(b"\r\n"))
        self.verified()

    def test_with_filters_a_birthday_begins_below_a_built_in_filter_header(self):
        for day, built_in in (("2021-01-01", 600000), ("2019-01-01", 500000), ("2012-01-01", 100000)):
            heights = []
            for more in ((), ("--filters",)):
                result = self.sync("--birthday", day, "--connect", f"127.0.0.1:{self.closed_port()}", "--timeout",
                                   "1", *more, network="mainnet", db=self.path(f"{day}{len(more)}.db"))
                heights.append(int(re.search(r"starts at the checkpoint at height ([\d,]+)",
                                             result.stdout)[1].replace(",", "")))
            self.assertGreater(heights[0], built_in)
            self.assertLessEqual(heights[1], built_in)
            self.assertGreater(heights[1], built_in - 2 * 2016)


if __name__ == "__main__":
    unittest.main()
