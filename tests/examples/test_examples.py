#!/usr/bin/env python3
"""The example programs against each other and against spv-serve, over loopback.

SPV_EXAMPLES is where they lie. Timeouts here only bound hangs."""

import os
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../cli"))
import support  # noqa: E402

EXAMPLES = os.environ.get("SPV_EXAMPLES", os.path.join(os.path.dirname(__file__),
                                                       "../../build/dev/examples"))
HANG = 120
AGENT = "/libspv:"


def run(name, *args):
    return subprocess.run([os.path.join(EXAMPLES, name), *map(str, args)], capture_output=True,
                          text=True, timeout=HANG, stdin=subprocess.DEVNULL, check=False)


class Examples(unittest.TestCase):
    def start(self, name, *args):
        """A program that listens: the process and its port."""
        process = subprocess.Popen([os.path.join(EXAMPLES, name), *map(str, args)], text=True,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        line = process.stdout.readline()
        self.assertTrue(line.startswith("listening on port "), line)
        return process, line.split()[-1]

    def end(self, process):
        out = process.stdout.read()
        self.assertEqual(process.wait(timeout=HANG), 0)
        return out

    def test_version_of_a_listener_is_printed_and_the_listener_sees_both_sides_leave(self):
        listener, port = self.start("peer_listen", "regtest", "127.0.0.1:0", 2)
        for _ in range(2):
            done = run("peer_version", "regtest", f"127.0.0.1:{port}")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertRegex(done.stdout, rf"^version 70016 services 1 height 0 agent {AGENT}")
        out = self.end(listener)
        self.assertEqual(out.count(f"client 127.0.0.1 {AGENT}"), 2)
        self.assertEqual(out.count("gone 127.0.0.1: connection closed by the peer"), 2)

    def test_version_of_the_header_server_is_printed(self):
        if not support.has("spv-serve"):
            self.skipTest("spv-serve is not built")
        server = support.Server("--mine", 3, "--seed", 1)
        self.addCleanup(server.stop)
        done = run("peer_version", "regtest", f"127.0.0.1:{server.port}")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, rf" height 3 agent {AGENT}")

    def test_a_loop_of_poll_shakes_hands_and_pings(self):
        listener, port = self.start("peer_listen", "regtest", "127.0.0.1:0", 1)
        done = run("peer_poll", "regtest", f"127.0.0.1:{port}")
        self.assertEqual(done.returncode, 0, done.stderr)
        heard = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("received")]
        self.assertEqual(heard[0], "version")
        self.assertIn("verack", heard)
        self.assertEqual(heard[-1], "pong")
        self.assertRegex(done.stdout, r"answered within \d+ us")
        self.end(listener)

    def test_a_proxy_between_two_peers_prints_what_they_say(self):
        if not support.has("spv-serve"):
            self.skipTest("spv-serve is not built")
        server = support.Server("--mine", 5, "--seed", 1)
        self.addCleanup(server.stop)
        proxy, port = self.start("peer_proxy", "regtest", "127.0.0.1:0",
                                 f"127.0.0.1:{server.port}", 1)
        headers = support.fetch_headers(int(port), support.REGTEST_GENESIS)
        self.assertEqual(len(headers), 6 * support.HEADER)
        out = self.end(proxy)
        self.assertIn("-> getheaders", out)
        self.assertIn("<- headers (5", out)
        self.assertIn("client gone", out)
        self.assertIn("upstream gone: disconnected by us", out)

    def test_absent_peers_and_wrong_usage_are_said(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        done = run("peer_version", "regtest", f"127.0.0.1:{port}")
        self.assertEqual(done.returncode, 1)
        self.assertIn("connection refused", done.stderr)
        proxy, listening = self.start("peer_proxy", "regtest", "127.0.0.1:0", f"127.0.0.1:{port}", 1)
        with socket.create_connection(("127.0.0.1", int(listening)), HANG) as client:
            while client.recv(1000):
                pass
        self.assertIn("upstream: connection refused", self.end(proxy))
        for name in ("peer_version", "peer_listen", "peer_poll", "peer_proxy"):
            self.assertEqual(run(name).returncode, 2)
            self.assertEqual(run(name, "nonet", "127.0.0.1", "127.0.0.1").returncode, 2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
