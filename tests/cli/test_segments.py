"""Headers received in segments and not joined yet count for --timeout and on the screen."""

import json
import os
import re
import struct
import tempfile
import threading
import time
import unittest

from support import DONE, HANG, HEADER, FakePeer, TestCase, binary, display, mine_file, sha256d
from test_screen import on_terminal

PERIOD = 2016
PERIODS = 6


class SegmentPeer(FakePeer):
    """Answers each getheaders from a file of raw headers, but keeps the answer that begins at
    genesis, without which no segment can be joined, until `release` is set. `pause` seconds pass
    before each answer; after the last of the others it sets `others`."""

    def __init__(self, raw, pause=0.0):
        self.raw, self.pause = raw, pause
        self.height_of = {sha256d(raw[at:at + HEADER]): at // HEADER
                      for at in range(0, len(raw), HEADER)}
        self.release, self.others = threading.Event(), threading.Event()
        self.sending = threading.Lock()
        super().__init__(height=len(raw) // HEADER - 1)

    def close(self):
        self.release.set()
        super().close()

    def answer(self, wire, start):
        n = min(2000, len(self.raw) // HEADER - 1 - start)
        body = b"".join(self.raw[h * HEADER:(h + 1) * HEADER] + b"\0"
                        for h in range(start + 1, start + 1 + n))
        with self.sending:
            count = b"\xfd" + struct.pack("<H", n) if n > 252 else bytes([n])
            wire.send(b"headers", count + body)

    def later(self, wire):
        self.release.wait(HANG)
        try:
            self.answer(wire, 0)
        except OSError:
            pass

    def converse(self, wire):
        answers = 0
        while True:
            request = wire.wait(b"getheaders")
            start = self.height_of[request[5:37]]
            if start == 0:
                threading.Thread(target=self.later, args=(wire,), daemon=True).start()
                continue
            time.sleep(self.pause)  # a slow line
            self.answer(wire, start)
            answers += 1
            if answers == 2 * (PERIODS - 1):
                self.others.set()


class Segments(TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with tempfile.TemporaryDirectory() as folder:
            # 50 headers after the last checkpoint
            cls.raw = mine_file(os.path.join(folder, "chain"), PERIODS * PERIOD + 49)

    def peer(self, **more):
        peer = SegmentPeer(self.raw, **more)
        self.addCleanup(peer.close)
        return peer

    def checkpoint_file(self):
        path = self.path("checkpoints")
        with open(path, "w", encoding="ascii") as f:
            for height in range(PERIOD - 1, PERIODS * PERIOD, PERIOD):
                at = height * HEADER
                f.write(f"{height},{display(sha256d(self.raw[at:at + HEADER]))}\n")
        return path

    def test_the_live_line_shows_headers_that_are_not_joined_yet(self):
        peer = self.peer()
        seen, code = on_terminal(
            [binary("spv-sync"), "--network", "regtest", "--db", self.db, "--connect", peer.address,
             "--checkpoint-file", self.checkpoint_file()],
            rb"height 0 of 12,145 \([1-9][0-9.]*%\)  [1-9][0-9,]+ received  [1-9] segments?  "
            rb"[1-9][0-9,.]*/s  1 peer  [0-9.]+ (s|min [0-9]+ s) left",
            lambda _: peer.release.set(), columns=150)
        self.assertEqual(code, DONE, seen)
        self.assertIn(b"synced at height 12,145", seen)
        self.assertTrue(peer.release.is_set(), seen)

    def test_progress_in_json_counts_headers_that_are_not_joined_yet(self):
        peer = self.peer()
        sync = self.program("spv-sync", "--network", "regtest", "--db", self.db, "--json",
                            "--connect", peer.address, "--checkpoint-file", self.checkpoint_file())

        def waiting(line):
            e = json.loads(line)
            return e["event"] == "progress" and e["received"] > 0

        progress = json.loads(sync.wait_for(waiting))
        self.assertEqual((progress["height"], progress["added"]), (0, 0))
        self.assertGreater(progress["segments"], 0)
        self.assertGreater(progress["rate"], 0)
        self.assertGreater(progress["percent"], 0)
        peer.release.set()
        self.assertEqual(sync.event("synced")["height"], len(self.raw) // HEADER - 1)
        self.assertEqual(sync.end(), DONE)

    def test_the_timeout_does_not_end_a_sync_that_receives_segments(self):
        peer = self.peer(pause=1)  # ten answers: three times --timeout
        threading.Thread(target=lambda: peer.others.wait(HANG) and peer.release.set(),
                         daemon=True).start()
        result = self.sync("--connect", peer.address, "--checkpoint-file", self.checkpoint_file(),
                           "--timeout", 4)
        self.ends(result, DONE)
        self.assertTrue(re.search(r"synced at height 12,145", result.stdout), result.stdout)


if __name__ == "__main__":
    unittest.main()
