"""Syncing from spv-serve: complete, resumed, followed, reorganised, on several networks."""

import json
import os
import signal
import unittest

from support import (DONE, HEADER, INTERRUPTED, NO_PEER, REGTEST_GENESIS, TestCase, database_headers,
                     display, fetch_headers, mine_file, run, sha256d)

COUNT = 5000


class Sync(TestCase):
    def test_downloads_a_servers_headers_into_the_database_and_reports_it(self):
        server = self.server("--mine", COUNT)
        want = fetch_headers(server.port, REGTEST_GENESIS)
        self.assertEqual(len(want), (COUNT + 1) * HEADER)
        result = self.sync("--connect", server.address)
        self.ends(result, DONE)
        tip = display(sha256d(want[-HEADER:]))
        self.assertEqual(tip, server.tip)
        last = result.stdout.splitlines()[-1]
        for part in ("regtest synced at height 5,000", f"tip {tip}", "UTC", "5,000 headers added in",
                     f"database {self.db}"):
            self.assertIn(part, last)
        self.assertEqual(result.stderr, "")
        self.assertEqual(database_headers(self.db), want)

    def test_a_second_run_reports_up_to_date(self):
        server = self.server("--mine", 100)
        self.ends(self.sync("--connect", server.address), DONE)
        result = self.sync("--connect", server.address)
        self.ends(result, DONE)
        self.assertIn("regtest up to date at height 100,", result.stdout.splitlines()[-1])
        self.assertIn(" 0 headers added", result.stdout)

    def test_the_database_is_created_with_its_folders_in_the_datadir(self):
        server = self.server("--mine", 10)
        datadir = self.path("a/b")
        result = run("spv-sync", "--network", "regtest", "--datadir", datadir, "--connect",
                     server.address)
        self.ends(result, DONE)
        self.assertEqual(len(database_headers(os.path.join(datadir, "regtest/headers.db"))),
                         11 * HEADER)

    def test_quiet_prints_nothing(self):
        server = self.server("--mine", 10)
        result = self.sync("--connect", server.address, "--quiet")
        self.ends(result, DONE)
        self.assertEqual(result.stdout + result.stderr, "")

    def test_interrupted_by_either_signal_it_keeps_stored_headers_and_resumes_later(self):
        server = self.server("--mine", COUNT)
        want = fetch_headers(server.port, REGTEST_GENESIS)
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(signal=number):
                db = self.path(f"{number}.db")
                proxy = self.proxy(server.port, limit=200 * 1000)  # one batch and a bit
                sync = self.program("spv-sync", "--network", "regtest", "--db", db, "--json",
                                    "--connect", proxy.address)
                self.assertEqual(sync.event("progress")["height"], 2000)
                sync.signal(number)
                self.assertEqual(sync.end(), INTERRUPTED, sync.errors)
                final = json.loads(sync.lines[-1])
                self.assertEqual((final["event"], final["height"], final["added"]),
                                 ("interrupted", 2000, 2000))
                self.assertEqual(database_headers(db), want[:2001 * HEADER])
                result = self.sync("--connect", server.address, db=db)
                self.ends(result, DONE)
                self.assertIn(" 3,000 headers added", result.stdout)
                self.assertEqual(database_headers(db), want)

    def test_interrupted_it_prints_how_to_resume(self):
        server = self.server("--mine", COUNT)
        proxy = self.proxy(server.port, limit=200 * 1000)
        sync = self.program("spv-sync", "--network", "regtest", "--db", self.db, "--verbose",
                            "--connect", proxy.address)
        sync.wait_for(lambda line: line.startswith("connected to"))
        proxy.reached.wait(60)
        sync.signal(signal.SIGINT)
        sync.signal(signal.SIGINT)  # passed on twice: no harm
        self.assertEqual(sync.end(), INTERRUPTED, sync.errors)
        self.assertIn("interrupted at height", sync.lines[-1])
        self.assertIn("Run the same command again to resume", sync.errors)

    def test_json_lines_have_the_documented_fields(self):
        server = self.server("--mine", COUNT)
        result = self.sync("--connect", server.address, "--json")
        self.ends(result, DONE)
        events = [json.loads(line) for line in result.stdout.splitlines()]
        kinds = [e["event"] for e in events]
        self.assertEqual(kinds[0], "connected")
        self.assertIn("progress", kinds)
        self.assertEqual(kinds[-1], "synced")
        for e in events:
            for field in ("network", "height", "hash", "chain_work"):
                self.assertIn(field, e)
            if e["event"] == "connected":
                self.assertEqual(e["peer"], server.address)
            if e["event"] == "progress":
                for field in ("rate", "peers", "peer", "percent", "target_height", "added"):
                    self.assertIn(field, e)
        self.assertEqual((events[-1]["height"], events[-1]["hash"], events[-1]["added"]),
                         (COUNT, server.tip, COUNT))
        self.assertEqual(events[-1]["chain_work"], f"{2 * (COUNT + 1):064x}")  # 2 a regtest block
        self.assertEqual(events[-1]["database"], self.db)

    def test_the_branch_with_more_work_replaces_the_other(self):
        base = self.path("base.bin")
        mine_file(base, 100)
        shorter = self.server("--headers", base, "--mine", 10, "--seed", 2)
        longer = self.server("--headers", base, "--mine", 12, "--seed", 3)
        self.ends(self.sync("--connect", shorter.address), DONE)
        result = self.sync("--connect", longer.address, "--json")
        self.ends(result, DONE)
        events = [json.loads(line) for line in result.stdout.splitlines()]
        reorg = [e for e in events if e["event"] == "reorg"]
        self.assertEqual([(e["fork_height"], e["removed"], e["added"], e["height"]) for e in reorg],
                         [(100, 10, 12, 112)])
        self.assertEqual(events[-1]["hash"], longer.tip)
        self.assertEqual(database_headers(self.db), fetch_headers(longer.port, REGTEST_GENESIS))
        result = self.sync("--connect", shorter.address)  # and keeps its chain
        self.ends(result, NO_PEER)
        self.assertIn("no peer has our tip at height 112", result.stdout)
        self.assertEqual(len(database_headers(self.db)), 113 * HEADER)

    def test_follows_the_tip_until_stopped(self):
        server = self.server("--mine", 50)
        sync = self.program("spv-sync", "--network", "regtest", "--db", self.db, "--follow",
                            "--json", "--connect", server.address)
        self.assertEqual(sync.event("synced")["height"], 50)
        sync.signal(signal.SIGINT)
        self.assertEqual(sync.end(), INTERRUPTED, sync.errors)

    def test_simnet_is_synced_through_its_retargets(self):
        server = self.server("--mine", COUNT, network="simnet")
        result = self.sync("--connect", server.address, "--json", network="simnet")
        self.ends(result, DONE)
        final = json.loads(result.stdout.splitlines()[-1])
        self.assertEqual((final["height"], final["hash"]), (COUNT, server.tip))

    def test_one_dead_peer_of_two_does_not_prevent_the_sync(self):
        server = self.server("--mine", 100)
        result = self.sync("--connect", f"127.0.0.1:{self.closed_port()}", "--connect",
                           server.address)
        self.ends(result, DONE)
        self.assertIn("regtest synced at height 100,", result.stdout.splitlines()[-1])

    def test_two_servers_end_on_the_better_chain(self):
        base = self.path("base.bin")
        mine_file(base, 3000)
        one = self.server("--headers", base)
        two = self.server("--headers", base, "--mine", 200, "--seed", 2)
        result = self.sync("--connect", one.address, "--connect", two.address, "--json")
        self.ends(result, DONE)
        self.assertEqual(json.loads(result.stdout.splitlines()[-1])["hash"], two.tip)

    def test_a_server_serves_a_database_created_by_sync(self):
        source = self.server("--mine", COUNT, "--seed", 7)
        self.ends(self.sync("--connect", source.address), DONE)
        server = self.server("--db", self.db)
        self.assertEqual((server.height, server.tip), (COUNT, source.tip))
        self.assertEqual(fetch_headers(server.port, REGTEST_GENESIS), database_headers(self.db))
        second = self.path("second.db")
        self.ends(self.sync("--connect", server.address, db=second), DONE)
        self.assertEqual(database_headers(second), database_headers(self.db))

    def test_a_server_serves_a_database_whose_first_sync_never_ended(self):
        source = self.server("--mine", COUNT)
        proxy = self.proxy(source.port, limit=200 * 1000)
        sync = self.program("spv-sync", "--network", "regtest", "--db", self.db, "--json",
                            "--connect", proxy.address)
        sync.event("progress")
        sync.signal(signal.SIGINT)
        self.assertEqual(sync.end(), INTERRUPTED, sync.errors)
        server = self.program("spv-serve", "--db", self.db, "--listen", "127.0.0.1:0", "--json")
        ready = server.event("listening")  # the file tells the network
        self.assertEqual((ready["network"], ready["height"]), ("regtest", 2000))
        self.assertEqual(fetch_headers(ready["port"], REGTEST_GENESIS), database_headers(self.db))

    def test_the_same_seed_mines_the_same_chain_and_another_one_another(self):
        tips = [self.server("--mine", 300, "--seed", seed).tip for seed in (5, 5, 6)]
        self.assertEqual(tips[0], tips[1])
        self.assertNotEqual(tips[0], tips[2])


if __name__ == "__main__":
    unittest.main()
