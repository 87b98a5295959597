#!/usr/bin/env python3
"""spv-sync syncs filter headers from a replay server: what a reference node made comes over a real
socket, and the database must have it byte for byte."""

import contextlib
import json
import os
import socket
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
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


def has_filters():
    done = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, timeout=replay.HANG)
    return "--filters" in done.stdout


class SyncBase(unittest.TestCase):
    """spv-sync against it. Every peer of --connect is a network group of its own."""

    def setUp(self):
        self.chain, self.stale_height, self.stale = replay.regtest_node(DATA)
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.db = os.path.join(self.folder.name, "chain.db")

    def server(self, chain=None, **options):
        server = ReplayServer(chain or self.chain, **options)
        self.addCleanup(server.close)
        return server

    def liar(self, change, chain=None):
        """A server behind a proxy that changes its answers."""
        server = self.server(chain)
        proxy = replay.LiarProxy(server, change)
        proxy.requests, proxy.closings = server.requests, server.closings
        self.addCleanup(proxy.close)
        return proxy

    def command(self, servers, *args, network="regtest"):
        connect = [arg for server in servers for arg in ("--connect", server.address)]
        return [PROGRAM, "--network", network, "--db", self.db, "--json", *connect, *args]

    def sync(self, servers, *args, network="regtest"):
        done = subprocess.run(self.command(servers, *args, network=network), capture_output=True, text=True,
                              timeout=replay.HANG, stdin=subprocess.DEVNULL)
        self.events = [json.loads(line) for line in done.stdout.splitlines()]
        return done

    def follow(self, servers, *args):
        """spv-sync that follows the tip; ended when the test ends."""
        process = subprocess.Popen(self.command(servers, "--follow", *args), stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, text=True)

        def end():
            process.terminate()
            process.communicate(timeout=replay.HANG)
        self.addCleanup(end)
        return process

    def stored(self):
        """Filter headers and filter hashes by height, in wire order."""
        if not os.path.exists(self.db):
            return {}
        try:
            with contextlib.closing(sqlite3.connect(f"file:{self.db}?mode=ro", uri=True)) as db:
                return {height: (header[::-1], hash_ and hash_[::-1]) for height, header, hash_ in
                        db.execute("SELECT height, header, filter_hash FROM filter_header")}
        except sqlite3.OperationalError:  # not there yet
            return {}

    def wait_for(self, condition, what):
        end = time.monotonic() + replay.HANG
        while not condition():
            self.assertLess(time.monotonic(), end, what)
            time.sleep(0.1)

    def assert_stored(self, chain=None):
        chain = chain or self.chain
        stored = self.stored()
        self.assertEqual(sorted(stored), list(range(len(chain))))
        for height, (header, filter_hash) in sorted(stored.items()):
            self.assertEqual(header, chain.filter_headers[height], height)
            if filter_hash is not None or height > 0:
                self.assertEqual(filter_hash, sha256d(chain.filters[height]), height)

    def assert_done(self, done, servers):
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for server in servers:
            self.assertEqual(server.closings, [])

    def banned(self):
        return {event["peer"] for event in self.events if event["event"] == "banned"}



class HeaderSyncTest(SyncBase):
    def test_headers_are_those_of_the_reference_node(self):
        server = self.server()
        self.assert_done(self.sync([server]), [server])


class FilterSyncTest(SyncBase):
    def setUp(self):
        super().setUp()
        if not has_filters():
            self.skipTest("spv-sync has no --filters")

    def test_filter_headers_are_those_of_the_reference_node(self):
        servers = [self.server() for _ in range(3)]
        self.assert_done(self.sync(servers, "--filters"), servers)
        self.assert_stored()
        self.assertEqual(self.banned(), set())

    def test_one_peer_is_enough_and_the_user_is_told(self):
        servers = [self.server()]
        self.assert_done(self.sync(servers, "--filters"), servers)
        self.assert_stored()
        self.assertTrue([event for event in self.events if event["event"] == "warning"])

    def test_a_second_run_asks_for_no_filter_header_below(self):
        servers = [self.server() for _ in range(2)]
        first = [server for server in servers]
        for server in first:
            server.announce(self.chain.first(200))
        self.assert_done(self.sync(servers, "--filters"), servers)
        self.assert_stored(self.chain.first(200))
        for server in servers:
            server.requests.clear()
            server.announce(self.chain)
        self.assert_done(self.sync(servers, "--filters"), servers)
        self.assert_stored()
        starts = [struct.unpack("<I", payload[1:5])[0] for server in servers
                  for command, payload in server.requests if command == "getcfheaders"]
        self.assertTrue(starts)
        self.assertGreaterEqual(min(starts), 199)

    def test_kept_filters_are_those_of_the_reference_node_and_fetched_once(self):
        servers = [self.server() for _ in range(2)]
        self.assert_done(self.sync(servers, "--keep-filters", "1"), servers)
        self.assert_stored()
        with contextlib.closing(sqlite3.connect(f"file:{self.db}?mode=ro", uri=True)) as db:
            kept = dict(db.execute("SELECT height, filter FROM block_filter"))
        self.assertEqual(kept, dict(enumerate(self.chain.filters[1:], 1)))
        for server in servers:
            server.requests.clear()
        self.assert_done(self.sync(servers, "--keep-filters", "1"), servers)
        self.assertNotIn("getcfilters", [command for server in servers for command, _ in server.requests])

    def test_mainnets_first_filter_headers(self):
        chain = replay.mainnet_start(DATA)
        servers = [self.server(chain, network="mainnet") for _ in range(2)]
        self.assert_done(self.sync(servers, "--filters", "--min-chain-work", "0", "--no-checkpoints",
                                   network="mainnet"), servers)
        self.assert_stored(chain)

    def one_liar(self, contradict):
        """The empty filter of block 100 lacks each output of it."""
        lie = replay.FalseFilters(self.chain, {100: b"\0"}, contradict=contradict)
        servers = [self.server(), self.server(), self.liar(lie)]
        self.assert_done(self.sync(servers, "--filters"), servers)
        self.assert_stored()
        return servers[2].address

    def test_a_proven_liar_is_banned_and_changes_nothing(self):
        liar = self.one_liar(contradict=())
        self.assertEqual(self.banned(), {liar})

    def test_a_filter_that_contradicts_its_peers_own_filter_header_is_a_lie(self):
        liar = self.one_liar(contradict=("cfilter",))
        self.assertLessEqual(self.banned(), {liar})

    def test_filters_that_nobody_needs_are_not_looked_at(self):
        self.one_liar(contradict=("cfheaders", "cfcheckpt"))
        self.assertEqual(self.banned(), set())

    def test_one_honest_peer_is_enough_where_lies_can_be_proven(self):
        lie = replay.FalseFilters(self.chain, {100: b"\0"})
        servers = [self.server(), self.liar(lie), self.liar(lie), self.liar(lie)]
        self.assert_done(self.sync(servers, "--filters"), servers)
        self.assert_stored()
        self.assertEqual(self.banned(), {server.address for server in servers[1:]})

    def test_an_index_that_lags_is_waited_for(self):
        servers = [self.server(), self.server()]
        for server in servers:
            server.indexed = 250
        process = self.follow(servers, "--filters")
        self.wait_for(lambda: any(c == "getcfheaders" for s in servers for c, _ in s.requests), "asked")
        for server in servers:
            server.indexed = None
        self.wait_for(lambda: len(self.stored()) == len(self.chain), "filter headers up to the tip")
        self.assertIsNone(process.poll())
        self.assert_stored()
        self.assertEqual([server.closings for server in servers], [[], []])

    def test_a_reorganisation_replaces_filter_headers(self):
        """The node's own: three blocks that it had no filters of any more, then the chain."""
        before = self.chain.fork(self.stale_height, self.stale)
        servers = [self.server(before), self.server(before)]
        self.follow(servers, "--filters")
        self.wait_for(lambda: len(self.stored()) >= 200, "filter headers below the fork")
        for server in servers:
            server.announce(self.chain)
        self.wait_for(lambda: len(self.stored()) == len(self.chain), "filter headers up to the tip")
        self.assert_stored()
        self.assertEqual([server.closings for server in servers], [[], []])


def main():
    if not DATA:
        print("skipped: SPV_TEST_DATA is not set")
        sys.exit(77)
    unittest.main(argv=sys.argv[:1] + sys.argv[2:], verbosity=2)


if __name__ == "__main__":
    PROGRAM = sys.argv[1]
    main()
