"""A peer whose start height is above its tip: the report and the exit code."""

import json
import unittest

from support import DONE, NO_PEER, FixedAnswer, TestCase


class Claims(TestCase):
    def peer(self, height):
        peer = FixedAnswer(b"headers", b"\0", height=height)
        self.addCleanup(peer.close)
        return peer

    def test_an_unmet_start_height_ends_with_4_and_the_figures(self):
        peer = self.peer(3000)
        result = self.sync("--connect", peer.address, "--json")
        self.ends(result, NO_PEER)
        events = [json.loads(line) for line in result.stdout.splitlines()]
        for kind in ("warning", "unresolved"):
            found = [e for e in events if e["event"] == kind]
            self.assertEqual([(e["warning"], e["peer"], e["claimed_height"], e["given_height"])
                              for e in found], [("unmet_claim", peer.address, 3000, 0)])

    def test_an_unmet_start_height_in_text_output(self):
        peer = self.peer(3000)
        result = self.sync("--connect", peer.address)
        self.ends(result, NO_PEER)
        self.assertIn(f"{peer.address} claims height 3,000, but sent no header "
                      "above height 0", result.stdout)
        self.assertIn("height 0: cannot tell whether the chain is complete", result.stderr)

    def test_another_peer_with_a_met_start_height_is_enough(self):
        peer, server = self.peer(3000), self.server("--mine", 50)
        result = self.sync("--connect", peer.address, "--connect", server.address)
        self.ends(result, DONE)
        self.assertNotIn("warning", result.stdout + result.stderr)


if __name__ == "__main__":
    unittest.main()
