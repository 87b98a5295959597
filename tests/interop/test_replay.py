#!/usr/bin/env python3
"""spv-sync syncs filter headers from a replay server: what a reference node made comes over a real
socket, and the database must have it byte for byte."""

import os
import socket
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import replay
from replay import Closed, ReplayServer, Wire, compact, sha256d

DATA = os.environ.get("SPV_TEST_DATA")


class Client:
    """A client that sends one request after the other."""

    def __init__(self, server):
        self.wire = Wire(socket.create_connection((server.host, server.port)),
                         replay.MAGIC[server.network])
        self.wire.send("version", struct.pack("<iQq", 70016, 0, 0) + bytes(52) + b"12345678" + b"\0" +
                       struct.pack("<i?", 0, False))
        self.wait("version")
        self.wire.send("verack")
        self.wait("verack")

    def wait(self, command):
        while True:
            got, payload = self.wire.receive()
            if got == command:
                return payload

    def ask(self, command, payload):
        """What comes before the answer to a ping; None: the connection is closed."""
        got = []
        try:
            self.wire.send(command, payload)
            self.wire.send("ping", b"abcdefgh")
            while True:
                frame = self.wire.receive()
                if frame[0] == "pong":
                    return got
                got.append(frame)
        except (Closed, OSError):
            return None

    def close(self):
        self.wire.close()


def filters_request(start, stop, kind=0):
    return bytes([kind]) + struct.pack("<I", start) + stop


class ReplayTest(unittest.TestCase):
    """The server itself: what it sends is what the files have."""

    def setUp(self):
        self.chain, self.stale_height, self.stale = replay.regtest_node(DATA)
        self.server = ReplayServer(self.chain)
        self.addCleanup(self.server.close)

    def client(self, server=None):
        client = Client(server or self.server)
        self.addCleanup(client.close)
        return client

    def test_the_files_are_what_they_say(self):
        self.assertEqual(len(self.chain), 265)
        self.assertEqual(b"".join(self.chain.headers), (Path(DATA) / "regtest-node/headers.bin").read_bytes())
        for chain in (self.chain, replay.mainnet_start(DATA)):
            header = replay.ZERO
            for data, expected in zip(chain.filters, chain.filter_headers):
                header = replay.filter_header(data, header)
                self.assertEqual(header, expected)

    def test_answers_are_those_of_the_files(self):
        client, chain = self.client(), self.chain
        tip = chain.hashes[-1]
        self.assertEqual(client.ask("getcfilters", filters_request(200, tip)),
                         [("cfilter", b"\0" + chain.hashes[h] + compact(len(chain.filters[h])) +
                           chain.filters[h]) for h in range(200, 265)])
        self.assertEqual(client.ask("getcfheaders", filters_request(100, chain.hashes[102])),
                         [("cfheaders", b"\0" + chain.hashes[102] + chain.filter_headers[99] + b"\x03" +
                           b"".join(sha256d(chain.filters[h]) for h in (100, 101, 102)))])
        self.assertEqual(client.ask("getcfcheckpt", b"\0" + tip), [("cfcheckpt", b"\0" + tip + b"\0")])
        self.assertEqual(client.ask("getdata", b"\x01" + struct.pack("<I", 0x40000002) + tip),
                         [("block", chain.blocks[-1])])
        self.assertEqual(client.ask("getdata", b"\x01" + struct.pack("<I", 0x40000002) + bytes(32)), [])
        self.assertEqual(client.ask("getheaders", struct.pack("<I", 70016) + b"\x01" + chain.hashes[262] + tip),
                         [("headers", b"\x02" + b"".join(h + b"\0" for h in chain.headers[263:]))])

    def test_it_closes_where_bitcoin_core_does(self):
        tip = self.chain.hashes[-1]
        for command, payload in (("getcfilters", filters_request(0, bytes(32))),
                                 ("getcfheaders", filters_request(0, tip, kind=1)),
                                 ("getcfheaders", filters_request(265, tip)),
                                 ("getcfcheckpt", b"\0" + bytes(32))):
            with self.subTest(command):
                self.assertIsNone(self.client().ask(command, payload))
        self.assertEqual(len(self.server.closings), 4)

    def test_it_is_silent_while_its_index_lags(self):
        self.server.indexed = 263
        client = self.client()
        self.assertEqual(client.ask("getcfheaders", filters_request(0, self.chain.hashes[264])), [])
        self.assertEqual(len(client.ask("getcfheaders", filters_request(0, self.chain.hashes[263]))), 1)

    def test_a_proxy_lies_as_it_is_told(self):
        chain = self.chain
        lie = replay.FalseFilters(chain, {100: b"\0"}, contradict=("cfilter",))
        proxy = replay.LiarProxy(self.server, lie)
        self.addCleanup(proxy.close)
        proxy.network = self.server.network
        client = self.client(proxy)
        (command, payload), = client.ask("getcfheaders", filters_request(99, chain.hashes[101]))
        self.assertEqual(payload[33:65], chain.filter_headers[98])
        self.assertEqual(payload[66:], sha256d(chain.filters[99]) + sha256d(b"\0") + sha256d(chain.filters[101]))
        (command, payload), = client.ask("getcfheaders", filters_request(101, chain.hashes[101]))
        self.assertNotEqual(payload[33:65], chain.filter_headers[100])
        (command, payload), = client.ask("getcfilters", filters_request(100, chain.hashes[100]))
        self.assertEqual(payload[33:], compact(len(chain.filters[100])) + chain.filters[100])


class SyncTest(unittest.TestCase):
    """spv-sync against it."""

    def setUp(self):
        self.chain, self.stale_height, self.stale = replay.regtest_node(DATA)
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.db = os.path.join(self.folder.name, "chain.db")

    def server(self, chain=None, **options):
        server = ReplayServer(chain or self.chain, **options)
        self.addCleanup(server.close)
        return server

    def sync(self, *args, network="regtest"):
        return subprocess.run([PROGRAM, "--network", network, "--db", self.db, "--json", *args],
                              capture_output=True, text=True, timeout=replay.HANG, stdin=subprocess.DEVNULL)

    def test_headers_are_those_of_the_reference_node(self):
        server = self.server()
        done = self.sync("--connect", server.address)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(server.closings, [])


def main():
    if not DATA:
        print("skipped: SPV_TEST_DATA is not set")
        sys.exit(77)
    unittest.main(argv=sys.argv[:1] + sys.argv[2:], verbosity=2)


if __name__ == "__main__":
    PROGRAM = sys.argv[1]
    main()
