"""A peer that claims more headers than it sends: what is reported, and the exit code."""

import json
import socket
import threading
import time
import unittest

from support import DONE, NO_PEER, TestCase, Wire


class Boaster:
    """A peer that claims a height and answers every getheaders with nothing."""

    def __init__(self, height):
        self.height = height
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        try:
            wire = Wire(sock)
            wire.wait(b"version")
            wire.send_version(height=self.height, time=int(time.time()))
            wire.send(b"verack")
            while True:
                wire.wait(b"getheaders")
                wire.send(b"headers", b"\x00")
        except (EOFError, OSError):
            sock.close()


class Claims(TestCase):
    def boaster(self, height):
        peer = Boaster(height)
        self.addCleanup(peer.listener.close)
        return peer

    def test_a_claim_that_no_peer_kept_ends_with_4_and_the_figures(self):
        peer = self.boaster(3000)
        result = self.sync("--connect", peer.address, "--json")
        self.ends(result, NO_PEER)
        events = [json.loads(line) for line in result.stdout.splitlines()]
        for kind in ("warning", "unresolved"):
            found = [e for e in events if e["event"] == kind]
            self.assertEqual([(e["warning"], e["peer"], e["claimed_height"], e["given_height"])
                              for e in found], [("unmet_claim", peer.address, 3000, 0)])

    def test_the_same_in_words(self):
        peer = self.boaster(3000)
        result = self.sync("--connect", peer.address)
        self.ends(result, NO_PEER)
        self.assertIn(f"{peer.address} claims height 3,000, but sent no header "
                      "above height 0", result.stdout)
        self.assertIn("height 0: cannot tell whether the chain is complete", result.stderr)

    def test_another_peer_whose_claim_is_met_is_enough(self):
        peer, server = self.boaster(3000), self.server("--mine", 50)
        result = self.sync("--connect", peer.address, "--connect", server.address)
        self.ends(result, DONE)
        self.assertNotIn("warning", result.stdout + result.stderr)


if __name__ == "__main__":
    unittest.main()
