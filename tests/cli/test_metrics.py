"""The figures of spv-sync --json: totals, and those of each peer."""

import json
import signal
import unittest

from support import (DONE, HEADER, INTERRUPTED, REGTEST_GENESIS, TestCase, display, fetch_headers,
                     sha256d)

COUNT = 6000
TOTALS = ("presync_peers", "presync_pass", "presync_headers", "presync_length", "requests", "segments",
          "segments_done", "hedges", "stalls", "reorgs", "bans")


class Metrics(TestCase):
    def events(self, result):
        self.ends(result, DONE)
        return [json.loads(line) for line in result.stdout.splitlines()]

    def test_progress_describes_each_peer(self):
        server = self.server("--mine", COUNT)
        events = self.events(self.sync("--connect", server.address, "--json"))
        progress = [e for e in events if e["event"] == "progress"]
        self.assertTrue(progress)
        for e in progress + events[-1:]:
            for total in TOTALS:
                self.assertIsInstance(e[total], int, total)
        peer = progress[0]["peer_list"][0]
        self.assertEqual((peer["peer"], peer["group"], peer["claim"], peer["peer_id"]),
                         (server.address, "named", COUNT, 1))
        self.assertGreaterEqual(peer["headers"], 2000)
        self.assertGreater(peer["rate"], 0)
        self.assertGreater(peer["latency"], 0)
        self.assertGreater(peer["connected"], 0)
        self.assertEqual((peer["stalls"], peer["hedges"]), (0, 0))
        self.assertIs(peer["chain"], True)
        self.assertIs(peer["done"], False)
        self.assertEqual(peer["requests"], 1)
        self.assertEqual((events[-1]["bans"], events[-1]["segments_done"]), (0, 0))

    def test_presync_is_reported_as_progress(self):
        server = self.server("--mine", COUNT)
        proxy = self.proxy(server.port, limit=200 * 1000)  # one batch and a bit
        work = f"{2 * COUNT:x}"  # 2 a regtest block
        for args, wanted in ((("--json",), None), ((), "proving chain work (presync): pass 1 of 2, ")):
            sync = self.program("spv-sync", "--network", "regtest", "--db", self.db, "--connect",
                                proxy.address, "--min-chain-work", work, *args)
            if wanted is None:
                e = sync.event("progress")
                self.assertEqual((e["height"], e["presync_peers"], e["presync_pass"], e["presync_headers"],
                                  e["presync_length"]), (0, 1, 1, 2000, 0))
            else:
                self.assertIn("2,000 headers", sync.wait_for(lambda line: wanted in line))
            sync.signal(signal.SIGINT)
            self.assertEqual(sync.end(), INTERRUPTED, sync.errors)
        events = self.events(self.sync("--connect", server.address, "--json", "--min-chain-work",
                                       work))
        self.assertEqual((events[-1]["height"], events[-1]["presync_peers"]), (COUNT, 0))

    def test_segments_are_counted(self):
        server = self.server("--mine", COUNT)
        raw = fetch_headers(server.port, REGTEST_GENESIS)
        options = []
        for height in range(1000, COUNT + 1, 1000):
            header = raw[height * HEADER:(height + 1) * HEADER]
            options += ["--checkpoint", f"{height}:{display(sha256d(header))}"]
        events = self.events(self.sync("--connect", server.address, "--json", *options))
        self.assertIn(events[-1]["segments_done"], range(1, COUNT // 1000 + 1))
        self.assertEqual((events[-1]["segments"], events[-1]["stalls"]), (0, 0))


if __name__ == "__main__":
    unittest.main()
