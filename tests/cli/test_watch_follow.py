"""spv-watch follow, and what other commands do meanwhile."""

import json
import os
import re
import signal
import subprocess
import time
import unittest
from pathlib import Path

from support import DONE, FAILED, HANG, INTERRUPTED, binary, untimed
from watch_support import CONFIRMED, HISTORY, IMMATURE, Truth


class Follow(Truth):
    def follow(self, server, *args):
        return self.start("follow", server, *args)

    def test_follow_prints_a_line_for_each_change(self):
        self.add()
        server = self.replay(self.chain.first(258))
        follow = self.follow(server, "--json")
        follow.event("scanned")
        old = [o for o in map(untimed, follow.lines) if o["event"] == "transaction"]
        self.assertEqual(sorted(o["txid"] for o in old), sorted(h[1] for h in self.history if h[0] < 258))
        server.announce(self.chain)
        while follow.event("scanned")["height"] < 264:
            pass
        changes = [o for o in map(untimed, follow.lines) if o["event"] == "transaction"]
        self.assertEqual([set(o) for o in changes], [HISTORY | {"event", "revision"}] * 37)
        self.assertEqual([(o["height"], o["net"]) for o in changes[-3:]], [(h[0], h[3]) for h in self.history[-3:]])
        revisions = [o["revision"] for o in changes]
        self.assertEqual(revisions, sorted(set(revisions)))
        follow.signal(signal.SIGTERM)
        self.assertEqual(follow.end(), DONE, follow.errors)
        self.assertEqual(json.loads(follow.lines[-1])["event"], "stopped")
        self.is_true()

    def test_follow_in_a_pipe_prints_text(self):
        self.add()
        server = self.replay(self.chain.first(258))
        self.scan(server, "--quiet")
        follow = self.follow(server)
        time.sleep(1)
        server.announce(self.chain)
        line = follow.wait_for(lambda text: re.match(r" +264 ", text))
        self.assertRegex(line, r"^ +264  2023-11-16 17:06 +\+25\.00000000  confirmed    [0-9a-f]{8}\.\.[0-9a-f]{6}$")
        follow.signal(signal.SIGINT)
        self.assertEqual(follow.end(), INTERRUPTED)
        self.assertEqual([line.split()[0] for line in follow.lines if line.startswith("   ")], ["258", "263", "264"])

    def test_follow_shows_a_coinbase_whose_block_left(self):
        self.add()
        stale = self.chain.fork(self.stale_height, self.stale)
        server = self.replay(stale)
        follow = self.follow(server, "--source", "blocks", "--json")
        follow.event("scanned")
        server.announce(self.chain)
        while follow.event("scanned")["height"] < 264:
            pass
        last = {}
        for o in map(untimed, follow.lines):
            if o["event"] == "transaction":
                last[o["txid"]] = o
        orphan, = (o for o in last.values() if o["state"] == "orphaned")
        self.assertEqual((orphan["net"], orphan["height"], orphan["confirmations"]), (2500000000, None, 0))
        follow.signal(signal.SIGTERM)
        self.assertEqual(follow.end(), DONE, follow.errors)
        self.assertIn("reorg", [json.loads(line)["event"] for line in follow.lines])
        history = self.objects("history")
        self.assertEqual(len(history), 38)
        self.assertEqual({key: value for key, value in orphan.items() if key != "revision"}, history[-1])
        self.assertEqual(len(self.objects("coins")), 35)
        balance, = self.objects("balance")
        self.assertEqual((balance["confirmed"], balance["immature"]), (CONFIRMED, IMMATURE))

    def test_while_one_follows_others_read_and_writers_are_told(self):
        self.add()
        server = self.replay()
        follow = self.follow(server, "--json")
        follow.event("scanned")
        self.is_true()
        for command in (["add", self.descriptors[0]], ["remove", 1], ["address", 1], ["scan", "-c", server.address]):
            self.refused(*command, words=["another program (process ", "stop it", "list, balance, history and coins"],
                         code=FAILED)
        follow.signal(signal.SIGTERM)
        self.assertEqual(follow.end(), DONE)
        self.ask("address", 1)

    def test_follow_ends_when_its_reader_is_gone(self):
        self.add()
        server = self.replay()
        process = subprocess.Popen([binary("spv-watch"), "follow", "--db", self.db, "--connect", server.address],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            while "264" not in process.stdout.readline():
                pass
            process.stdout.close()
            self.assertEqual(process.wait(HANG), DONE, process.stderr.read())
        finally:
            process.kill()
            process.wait()
            process.stderr.close()
        self.is_true()

    def test_follow_without_a_source_waits_and_says_so(self):
        self.add()
        server = self.replay()
        follow = self.follow(server, "--source", "bloom", "--json")
        warning = follow.event("warning")
        while "nothing is scanned" not in warning["text"]:
            warning = follow.event("warning")
        self.assertIn("Waiting for one.", warning["text"])
        follow.signal(signal.SIGINT)
        self.assertEqual(follow.end(), INTERRUPTED)

    def test_logs_of_follow_go_to_a_file(self):
        self.add()
        log = self.path("follow.log")
        follow = self.follow(self.replay(), "--json", "--log-file", log)
        end = time.monotonic() + HANG
        while not os.path.exists(log) or '"scanned"' not in Path(log).read_text():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.05)
        follow.signal(signal.SIGTERM)
        self.assertEqual(follow.end(), DONE)
        self.assertEqual((follow.lines, follow.errors), ([], ""))


if __name__ == "__main__":
    unittest.main()
