"""spv-serve when all slots are taken: which client is evicted for a new one, and its log line. All of
it is on loopback, which has no share of the slots; shares are tested in unit.loop_p2p_server_shares."""

import json
import re
import signal
import socket
import unittest

from support import DONE, HANG, TestCase, Wire


class Slots(TestCase):
    def connect(self, server):
        sock = socket.create_connection(("127.0.0.1", server.port), HANG)
        self.addCleanup(sock.close)
        return sock

    def test_a_silent_connection_is_evicted_for_a_new_one_and_logged(self):
        server = self.server("--mine", 10, "--max-clients", 2)
        silent = self.connect(server)
        self.connect(server)
        Wire(self.connect(server)).dial_handshake()
        evicted = server.event("disconnected")
        self.assertEqual((evicted["code"], evicted["peer"]),
                         ("EVICTED", "127.0.0.1:%d" % silent.getsockname()[1]))
        self.assertEqual(silent.recv(1), b"")
        server.signal(signal.SIGTERM)
        self.assertEqual(server.end(), DONE)
        stopped = next(e for e in map(json.loads, server.lines) if e["event"] == "stopped")
        self.assertEqual((stopped["accepted"], stopped["evicted"], stopped["refused"]), (3, 1, 0))

    def test_a_client_without_a_free_slot_is_refused_and_logged(self):
        server = self.server("--mine", 10, "--max-clients", 1)
        wire = Wire(self.connect(server))
        wire.dial_handshake()
        wire.send(b"ping", bytes(8))
        wire.wait(b"pong")  # the handshake is complete on both sides
        refused = self.connect(server)
        event = server.event("refused")
        self.assertEqual((event["code"], event["peer"]),
                         ("SERVER_FULL", "127.0.0.1:%d" % refused.getsockname()[1]))
        self.assertEqual(refused.recv(1), b"")

    def test_refused_and_evicted_clients_are_in_the_text_too(self):
        server = self.program("spv-serve", "--network", "regtest", "--mine", 10, "--listen",
                              "127.0.0.1:0", "--verbose", "--max-clients", 1)
        listening = server.wait_for(lambda line: line.startswith("listening on"))
        server.port = int(re.search(r":(\d+) ", listening)[1])
        silent = self.connect(server)
        wire = Wire(self.connect(server))
        wire.dial_handshake()
        wire.send(b"ping", bytes(8))
        wire.wait(b"pong")
        port = silent.getsockname()[1]
        server.wait_for(lambda line: re.match(rf"127.0.0.1:{port} went: closed in favour of", line))
        for _ in range(2):
            port = self.connect(server).getsockname()[1]
            server.wait_for(lambda line, port=port: re.match(rf"127.0.0.1:{port} was refused: ", line))
        server.signal(signal.SIGTERM)
        self.assertEqual(server.end(), DONE)
        self.assertIn("stopped: 2 clients, 2 refused, 1 evicted, 0 requests, 0 headers sent",
                      server.lines)


if __name__ == "__main__":
    unittest.main()
