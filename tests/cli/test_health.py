"""Warnings of spv-sync: a tip that does not move, clocks that disagree."""

import json
import signal
import unittest

from support import INTERRUPTED, FixedAnswer, TestCase

MAINNET_MAGIC = bytes.fromhex("f9beb4d9")


class Warnings(TestCase):
    def bare_peer(self, ahead=0, magic=MAINNET_MAGIC):
        """A peer of mainnet that has genesis alone and a clock that is this far ahead."""
        peer = FixedAnswer(b"headers", b"\0", height=0, clock_offset=ahead, magic=magic)
        self.addCleanup(peer.close)
        return peer.address

    def follow(self, peer, *args):
        return self.program("spv-sync", "--network", "mainnet", "--db", self.db, "--follow",
                            "--min-chain-work", "0", "--connect", peer, *args)

    def ends_on_sigint(self, sync):
        sync.signal(signal.SIGINT)
        self.assertEqual(sync.end(), INTERRUPTED, sync.errors)

    def test_a_peer_after_the_loss_of_all_peers_is_reported(self):
        server = self.server("--mine", 10)
        sync = self.program("spv-sync", "--network", "regtest", "--db", self.db, "--follow",
                            "--connect", server.address)
        sync.wait_for(lambda line: line.startswith("regtest synced"))
        server.stop()
        sync.wait_for(lambda line: line == "warning: every peer is lost; new ones are being tried")
        self.program("spv-serve", "--network", "regtest", "--mine", 10, "--listen", server.address)
        sync.wait_for(lambda line: line == f"connected again: {server.address}")
        self.ends_on_sigint(sync)

    def test_a_tip_of_long_ago_is_a_warning(self):
        sync = self.follow(self.bare_peer(), "--json")
        warning = sync.event("warning")
        self.assertEqual((warning["warning"], warning["height"]), ("stale_tip", 0))
        self.assertGreater(warning["seconds"], 15 * 365 * 86400)  # genesis is of 2009
        self.assertIn("tip", warning["text"])
        self.ends_on_sigint(sync)
        kinds = [json.loads(line)["event"] for line in sync.lines]
        self.assertLess(kinds.index("synced"), kinds.index("warning"))
        self.assertEqual(kinds.count("warning"), 1)  # the clock is right

    def test_text_output_has_the_age_and_date_of_the_tip(self):
        sync = self.follow(self.bare_peer())
        line = sync.wait_for(lambda line: line.startswith("warning:"))
        self.assertRegex(line, r"no new header for \d+ d \d+ h \(the tip is of 2009-01-03 ")
        self.ends_on_sigint(sync)

    def test_clocks_that_disagree_are_a_warning_with_the_figure(self):
        for ahead, words in ((3990, "1 h 6 min behind"), (-3990, "1 h 6 min ahead of")):
            with self.subTest(ahead=ahead):
                sync = self.follow(self.bare_peer(ahead), "--json")
                warning = sync.event("warning")
                self.assertEqual(warning["warning"], "clock")
                self.assertLess(abs(warning["seconds"] - ahead), 30)
                self.ends_on_sigint(sync)
                sync = self.follow(self.bare_peer(ahead))
                line = sync.wait_for(lambda line: "clock" in line)
                self.assertIn(f"this system's clock is {words} the clocks of most peers", line)
                self.ends_on_sigint(sync)


if __name__ == "__main__":
    unittest.main()
