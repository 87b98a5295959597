"""Starting at a checkpoint, filling the gap later, and what is reported about both."""

import json
import os
import random
import signal
import socket
import sqlite3
import struct
import unittest

from support import (DONE, FAILED, HEADER, NO_PEER, REGTEST_GENESIS, USAGE, TestCase, Wire,
                     database_headers, display, fetch_headers, mine_file, run, sha256d)

PERIOD = 2016
COUNT = 9000
START = 3 * PERIOD - 1  # the checkpoint that a start at 7000 falls upon
BASE = 2 * PERIOD  # the first header that is stored then


def hash_at(raw, height):
    return display(sha256d(raw[height * HEADER:(height + 1) * HEADER]))


def query(db, sql):
    with sqlite3.connect(f"file:{db}?mode=ro", uri=True) as connection:
        rows = connection.execute(sql).fetchall()
    connection.close()
    return rows


def events(text):
    return [json.loads(line) for line in text.splitlines()]


class Birthday(TestCase):
    def setUp(self):
        super().setUp()
        self.served = self.server("--mine", COUNT)
        self.raw = fetch_headers(self.served.port, REGTEST_GENESIS)
        self.checkpoints = self.path("checkpoints.csv")
        self.write_marks(range(PERIOD - 1, COUNT, PERIOD))

    def write_marks(self, heights):
        with open(self.checkpoints, "w") as f:
            f.write("height,hash\n" + "".join(f"{h},{hash_at(self.raw, h)}\n" for h in heights))

    def start(self, *args, height=7000, **more):
        return self.sync("--connect", self.served.address, "--checkpoint-file", self.checkpoints,
                         "--start-height", height, *args, **more)

    def export(self, *args):
        path = self.path("export.bin")
        result = run("spv-export", "--network", "regtest", "--db", self.db, "--format", "raw",
                     "--output", path, *args)
        if result.returncode != DONE:
            return result, b""
        with open(path, "rb") as f:
            return result, f.read()

    def begins(self, base):
        self.assertEqual(query(self.db, "SELECT min(height), max(height), count(*) FROM header"
                                        " WHERE height > 0"),
                         [(max(base, 1), COUNT, COUNT - max(base, 1) + 1)])

    def test_starts_at_the_checkpoint_below_the_height_and_reports_it(self):
        result = self.start()
        self.ends(result, DONE)
        self.begins(BASE)
        self.assertIn(f"starts at the checkpoint at height {START:,}", result.stdout)
        self.assertIn("begins at height 4,032, and its chain work counts from there", result.stdout)
        self.assertIn(f" {COUNT - BASE + 1:,} headers added", result.stdout)
        # a second run has nothing to do and keeps what is there
        result = self.start("--json", height=2000)
        self.ends(result, DONE)
        self.assertIn("begins at height 4,032 already", result.stderr)
        self.assertIn("--backfill", result.stderr)
        last = events(result.stdout)[-1]
        self.assertEqual((last["event"], last["base"], last["work_from"], last["added"]),
                         ("synced", BASE, BASE, 0))
        self.assertEqual(int(last["chain_work"], 16), 2 * (COUNT - BASE + 1))
        result = self.start()
        self.assertIn("has no effect", result.stderr)
        self.begins(BASE)

    def test_an_export_starts_at_the_base_or_fails_with_the_reason(self):
        self.ends(self.start("--quiet"), DONE)
        result, got = self.export()
        self.ends(result, DONE)
        self.assertEqual(got, self.raw[BASE * HEADER:])
        self.assertIn("begins at height 4,032", result.stderr)
        result, got = self.export("--from", BASE + 5)
        self.assertEqual(got, self.raw[(BASE + 5) * HEADER:])
        for height in (0, 1, BASE - 1):
            result, got = self.export("--from", height)
            self.ends(result, FAILED)
            self.assertIn("begins at height 4,032", result.stderr)
            self.assertIn("--backfill", result.stderr)

    def test_a_server_serves_the_headers_above_the_base_and_warns(self):
        self.ends(self.start("--quiet"), DONE)
        server = self.server("--db", self.db)
        self.assertEqual(server.tip, self.served.tip)
        with socket.create_connection(("127.0.0.1", server.port)) as sock:
            wire = Wire(sock)
            wire.dial_handshake()
            for height, count in ((0, 0), (BASE - 1, 0), (BASE, 2000), (COUNT - 5, 5)):
                known = sha256d(self.raw[height * HEADER:(height + 1) * HEADER])
                wire.send(b"getheaders", struct.pack("<IB", 70016, 1) + known + bytes(32))
                payload = wire.wait(b"headers")
                got = payload[0] if payload[0] < 0xfd else struct.unpack("<H", payload[1:3])[0]
                self.assertEqual(got, count, height)
        server.signal(signal.SIGTERM)
        self.assertEqual(server.end(), DONE)
        self.assertIn("begins at height 4,032", server.errors)
        self.assertIn("--backfill", server.errors)

    def test_an_import_skips_headers_below_the_base(self):
        self.ends(self.start("--quiet"), DONE)
        path = self.path("whole.bin")
        with open(path, "wb") as f:
            f.write(self.raw)
        result = run("spv-import", "--network", "regtest", "--db", self.db, "--input", path)
        self.ends(result, DONE)
        self.assertIn("4,031 headers below the database's first height were skipped",
                      result.stdout)
        with open(path, "wb") as f:
            f.write(self.raw[(BASE + 1) * HEADER:])
        result = run("spv-import", "--network", "regtest", "--db", self.db, "--input", path)
        self.ends(result, DONE)
        self.begins(BASE)

    def test_a_pruned_database_syncs_exports_verifies_and_can_be_backfilled(self):
        half = self.path("half.bin")
        mine_file(half, 7000)
        server = self.server("--headers", half)
        self.ends(self.sync("--connect", server.address), DONE)
        result = run("spv-db", "prune", "--below", 5000, "--network", "regtest", "--db", self.db)
        self.ends(result, DONE)
        for command in (("verify",), ("verify", "--full"), ("compact",)):
            self.ends(run("spv-db", *command, "--network", "regtest", "--db", self.db), DONE)
        self.ends(self.sync("--connect", self.served.address), DONE)
        self.assertEqual(query(self.db, "SELECT min(height) FROM header WHERE height > 0"),
                         [(PERIOD,)])  # two periods below the former tip were kept
        result, got = self.export()
        self.assertEqual(got, self.raw[PERIOD * HEADER:])
        result = self.sync("--connect", self.served.address, "--json")
        self.assertEqual(events(result.stdout)[-1]["chain_work"], f"{2 * (COUNT + 1):064x}")
        self.ends(self.sync("--connect", self.served.address, "--backfill"), DONE)
        self.assertEqual(database_headers(self.db), self.raw)

    def test_backfill_completes_the_chain_and_its_work(self):
        self.ends(self.start("--quiet"), DONE)
        result = self.sync("--connect", self.served.address, "--checkpoint-file", self.checkpoints,
                           "--backfill", "--json")
        self.ends(result, DONE)
        reported = events(result.stdout)
        self.assertIn("backfilled", [e["event"] for e in reported])
        self.assertEqual((reported[-1]["event"], reported[-1]["base"], reported[-1]["work_from"],
                          reported[-1]["added"]), ("synced", 0, 0, BASE - 1))
        self.assertEqual(reported[-1]["chain_work"], f"{2 * (COUNT + 1):064x}")
        self.assertEqual(database_headers(self.db), self.raw)
        self.assertEqual(query(self.db, "SELECT count(*) FROM header WHERE work ="
                               " unhex(printf('%064x', 2 * (height + 1)))")
                         if sqlite3.sqlite_version_info >= (3, 41) else
                         [(sum(int.from_bytes(w, "big") == 2 * (h + 1) for h, w in
                               query(self.db, "SELECT height, work FROM header")),)],
                         [(COUNT + 1,)])
        self.assertEqual(self.export()[1], self.raw)
        self.assertEqual(query(self.db, "SELECT count(*) FROM meta WHERE key LIKE 'base%'"),
                         [(0,)])

    def test_birthday_and_backfill_in_one_run(self):
        result = self.start("--backfill")
        self.ends(result, DONE)
        self.assertIn("backfilled down to genesis", result.stdout)
        self.assertEqual(database_headers(self.db), self.raw)

    def test_without_checkpoints_the_backfill_is_validated_by_rules_alone(self):
        self.ends(self.start("--quiet"), DONE)
        self.ends(self.sync("--connect", self.served.address, "--backfill"), DONE)
        self.assertEqual(database_headers(self.db), self.raw)

    def test_killed_at_any_point_it_resumes_to_the_same_chain(self):
        seed = random.randrange(2**32)
        print(f"seed {seed}", end=" ")
        dice = random.Random(seed)
        kills = min(int(os.environ.get("SPV_KILLS", 8)), 100)
        landed = 0
        for i in range(kills):
            with self.subTest(kill=i):
                proxy = self.proxy(self.served.port, limit=dice.randrange(100, 81 * COUNT))
                sync = self.program("spv-sync", "--network", "regtest", "--db", self.db,
                                    "--connect", proxy.address, "--checkpoint-file", self.checkpoints,
                                    "--start-height", 7000, "--backfill", "--json")
                proxy.reached.wait(2)
                sync.signal(signal.SIGKILL)
                landed += sync.end() == -signal.SIGKILL
                if os.path.exists(self.db):
                    rows = query(self.db, "SELECT height FROM header")
                    self.assertLessEqual(len(rows), COUNT + 1)
                if dice.randrange(3) == 0:
                    for end in ("", "-wal", "-shm"):
                        if os.path.exists(self.db + end):
                            os.remove(self.db + end)
        self.ends(self.start("--backfill"), DONE)
        self.assertEqual(database_headers(self.db), self.raw)
        self.assertGreater(landed, 0)

    def test_a_peer_with_an_invalid_first_period_is_dropped_and_another_queried(self):
        # the same chain but for one header in the middle of the period
        other = self.server("--mine", COUNT, "--seed", 2)
        result = self.sync("--connect", other.address, "--connect", self.served.address,
                           "--checkpoint-file", self.checkpoints, "--start-height", 7000)
        self.ends(result, DONE)
        self.begins(BASE)

    def test_an_impossible_start_is_reported(self):
        self.write_marks((START,))
        result = self.start()
        self.ends(result, DONE)
        self.assertIn("no two checkpoints one retarget period apart", result.stderr)
        self.assertEqual(database_headers(self.db), self.raw)

    def test_conflicting_options(self):
        for args, words in (
                (("--birthday", "2020-02-30"), "is not a date"),
                (("--birthday", "20200101"), "is not a date"),
                (("--birthday", "2020-1-1"), "is not a date"),
                (("--birthday", "9999-01-01"), "is in the future"),
                (("--birthday", "2020-01-01"), "no block times are built in for regtest"),
                (("--birthday", "2020-01-01", "--start-height", 7), "cannot be combined")):
            with self.subTest(args=args):
                result = self.sync("--connect", self.served.address, *args)
                self.ends(result, USAGE)
                self.assertIn(words, result.stderr)

    def test_a_birthday_on_mainnet_is_two_weeks_after_a_checkpoints_next_header(self):
        # no peer is reachable; the start is reported all the same
        for day, height in (("2009-03-01", 4031), ("2024-01-01", 820511), ("2026-01-01", 878975)):
            result = run("spv-sync", "--db", self.path(f"{day}.db"), "--birthday", day,
                         "--connect", f"127.0.0.1:{self.closed_port()}", "--timeout", 1)
            self.ends(result, NO_PEER)
            self.assertIn(f"starts at the checkpoint at height {height:,}", result.stdout)


if __name__ == "__main__":
    unittest.main()
