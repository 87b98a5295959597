"""spv-serve with a database that has compact block filters, seen by a client of our own. The filters are
written with Python's SQLite (docs/schema.md), so that nothing here is computed by libspv."""

import csv
import os
import signal
import socket
import sqlite3
import struct
import unittest

from support import DONE, HANG, TestCase, Wire, database_headers, run, sha256d

COMPACT_FILTERS = 1 << 6
BLOCKS = 2051  # mined ones and genesis


def compact(n):
    return bytes([n]) if n < 0xfd else b"\xfd" + struct.pack("<H", n)


def filter_of(height, branch=0):
    return bytes([1, height & 0xff, height >> 8, branch, *range(height % 5)])


class Client:
    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), HANG)
        self.wire = Wire(self.sock)
        self.wire.send_version()
        self.services = struct.unpack("<Q", self.wire.wait(b"version")[4:12])[0]
        self.wire.send(b"verack")
        self.wire.wait(b"verack")

    def close(self):
        self.sock.close()

    def ask(self, command, start, stop, kind=0):
        middle = b"" if command == b"getcfcheckpt" else struct.pack("<I", start)
        self.wire.send(command, bytes([kind]) + middle + stop)

    def answers(self):
        """Payloads of (command, payload) until the answer to a ping that is sent now."""
        self.wire.send(b"ping", b"12345678")
        got = []
        while True:
            command, payload = self.wire.receive()
            if command == b"ping":
                self.wire.send(b"pong", payload)
            elif command == b"pong":
                return got
            elif command.startswith(b"cf"):
                got.append((command, payload))

    def filters(self, n):
        return [self.wire.wait(b"cfilter") for _ in range(n)]

    def is_closed(self):
        try:
            while True:
                self.wire.receive()
        except (EOFError, ConnectionResetError):
            return True


class Filters(TestCase):
    def mined(self, n=BLOCKS - 1):
        server = self.server("--mine", n)
        self.ends(self.sync("--connect", server.address), DONE)
        server.stop()
        self.read_hashes()

    def read_hashes(self):
        raw = database_headers(self.db)
        self.hashes = [sha256d(raw[at:at + 80]) for at in range(0, len(raw), 80)]

    def store(self, filters, kept_from=0, kept_to=None):
        """Filters of heights 0.. and their filter headers; those in [kept_from, kept_to) are kept."""
        kept_to = len(filters) if kept_to is None else kept_to
        self.headers, header = [], bytes(32)
        rows, kept = [], []
        for height, data in enumerate(filters):
            header = sha256d(sha256d(data) + header)
            self.headers.append(header)
            rows.append((height, header[::-1], sha256d(data)[::-1]))
            if kept_from <= height < kept_to:
                kept.append((height, data))
        with sqlite3.connect(self.db) as db:
            db.execute("DELETE FROM filter_header")
            db.execute("DELETE FROM block_filter")
            db.executemany("INSERT INTO filter_header (height, header, filter_hash) VALUES (?, ?, ?)", rows)
            db.executemany("INSERT INTO block_filter (height, filter) VALUES (?, ?)", kept)
            for key, value in (("kept_filters", len(kept)),
                               ("kept_filter_bytes", sum(len(data) for _, data in kept)),
                               ("kept_filters_from", kept_from)):
                db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, value))
        db.close()

    def serve(self, *args):
        return self.server("--db", self.db, *args)

    def client(self, server):
        client = Client(server.port)
        self.addCleanup(client.close)
        return client

    def test_filters_headers_and_checkpoints_are_served(self):
        self.mined()
        filters = [filter_of(h) for h in range(BLOCKS)]
        self.store(filters)
        server = self.serve()
        client = self.client(server)
        self.assertTrue(client.services & COMPACT_FILTERS)
        client.ask(b"getcfilters", 1051, self.hashes[2050])
        for height, payload in enumerate(client.filters(1000), 1051):
            self.assertEqual(payload, b"\0" + self.hashes[height] + compact(len(filters[height])) +
                             filters[height])
        client.ask(b"getcfheaders", 51, self.hashes[2050])
        self.assertEqual(client.answers(), [
            (b"cfheaders", b"\0" + self.hashes[2050] + self.headers[50] + compact(2000) +
             b"".join(sha256d(data) for data in filters[51:]))])
        client.ask(b"getcfheaders", 0, self.hashes[0])
        client.ask(b"getcfcheckpt", 0, self.hashes[2050])
        self.assertEqual(client.answers(), [
            (b"cfheaders", b"\0" + self.hashes[0] + bytes(32) + b"\1" + sha256d(filters[0])),
            (b"cfcheckpt", b"\0" + self.hashes[2050] + b"\2" + self.headers[1000] + self.headers[2000])])
        server.signal(signal.SIGTERM)
        stopped = server.event("stopped")
        self.assertEqual((stopped["filter_requests"], stopped["filters_sent"]), (4, 1000))

    def test_a_request_that_breaks_a_rule_disconnects(self):
        self.mined()
        self.store([filter_of(h) for h in range(BLOCKS)])
        server = self.serve()
        for name, request in (("too many filters", (b"getcfilters", 0, self.hashes[1000])),
                              ("too many headers", (b"getcfheaders", 0, self.hashes[2000])),
                              ("start above stop", (b"getcfilters", 8, self.hashes[7])),
                              ("unknown stop", (b"getcfcheckpt", 0, bytes(32))),
                              ("another type", (b"getcfilters", 0, self.hashes[7], 1))):
            with self.subTest(name):
                client = self.client(server)
                client.ask(*request)
                self.assertTrue(client.is_closed())
                self.assertEqual(server.event("disconnected")["code"], "FILTER_REQUEST")

    def test_a_bounded_store_is_served_without_the_service_bit(self):
        self.mined(300)
        self.store([filter_of(h) for h in range(301)], kept_from=200)
        for args in ((), ("--services", "network,compact-filters")):
            client = self.client(self.serve(*args))
            self.assertFalse(client.services & COMPACT_FILTERS)
            self.assertEqual(bool(client.services & 1), bool(args))
            client.ask(b"getcfilters", 199, self.hashes[205])  # not all kept: no answer
            client.ask(b"getcfheaders", 290, self.hashes[300])
            self.assertEqual([command for command, _ in client.answers()], [b"cfheaders"])
            client.ask(b"getcfilters", 200, self.hashes[205])
            self.assertEqual(len(client.filters(6)), 6)

    def test_the_service_bit_waits_for_the_filter_of_the_tip(self):
        self.mined(300)
        server = self.serve()
        filters = [filter_of(h) for h in range(301)]
        self.store(filters[:300])
        client = self.client(server)
        self.assertFalse(client.services & COMPACT_FILTERS)
        client.ask(b"getcfilters", 299, self.hashes[300])
        self.assertEqual(client.answers(), [])
        self.store(filters)
        self.assertTrue(self.client(server).services & COMPACT_FILTERS)
        client.ask(b"getcfilters", 299, self.hashes[300])  # the old client is served, too
        self.assertEqual(len(client.filters(2)), 2)

    def test_a_database_without_filter_headers_disconnects(self):
        self.mined(10)
        server = self.serve()
        client = self.client(server)
        client.ask(b"getcfheaders", 0, self.hashes[7])
        self.assertTrue(client.is_closed())
        self.assertEqual(server.event("disconnected")["code"], "FILTERS_NOT_OFFERED")

    def test_a_database_without_a_hash_index_is_served_from_memory(self):
        self.mined(50)
        self.store([filter_of(h) for h in range(51)])
        with sqlite3.connect(self.db) as db:
            (index,) = db.execute("SELECT name FROM sqlite_master WHERE type = 'index' AND"
                                  " tbl_name = 'header' AND sql IS NOT NULL").fetchone()
            db.execute(f"DROP INDEX {index}")
        db.close()
        client = self.client(self.serve())
        client.ask(b"getcfilters", 0, self.hashes[50])
        self.assertEqual(client.filters(51)[50][1:33], self.hashes[50])
        client.ask(b"getcfheaders", 0, self.hashes[50])
        self.assertEqual(len(client.answers()), 1)

    def test_the_filters_of_a_real_node_are_served(self):
        data = os.environ.get("SPV_TEST_DATA")
        if not data:
            self.skipTest("SPV_TEST_DATA is not set")
        folder = os.path.join(data, "regtest-node")
        self.ends(run("spv-import", "--network", "regtest", "--db", self.db, "--input",
                      os.path.join(folder, "headers.bin")), DONE)
        with open(os.path.join(folder, "filters.csv"), encoding="ascii", newline="") as f:
            rows = list(csv.DictReader(f))
        self.read_hashes()
        self.store([bytes.fromhex(row["filter"]) for row in rows])
        self.assertEqual([header[::-1].hex() for header in self.headers],
                         [row["filter_header"] for row in rows])
        client = self.client(self.serve())
        self.assertTrue(client.services & COMPACT_FILTERS)
        client.ask(b"getcfilters", 0, self.hashes[-1])
        for row, payload in zip(rows, client.filters(len(rows))):
            data = bytes.fromhex(row["filter"])
            self.assertEqual(payload, b"\0" + bytes.fromhex(row["hash"])[::-1] + compact(len(data)) + data)


if __name__ == "__main__":
    unittest.main()
