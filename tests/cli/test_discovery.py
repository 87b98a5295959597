"""Peer discovery behind a proxy: gossip of one peer leads to others, and addrman to them in the next run."""

import socket
import sqlite3
import struct
import time
import unittest

from socks import Socks
from support import DONE, FakePeer, TestCase

PORT = 18444
HONEST = 9  # NODE_NETWORK and NODE_WITNESS


class Hub(FakePeer):
    """A peer that has no headers but gossips the addresses of others."""

    def __init__(self, hosts):
        self.hosts = hosts
        super().__init__(height=0)

    def converse(self, wire):
        while True:
            command, payload = wire.receive()
            if command == b"ping":
                wire.send(b"pong", payload)
            elif command == b"getheaders":
                wire.send(b"headers", b"\x00")
            elif command == b"getaddr":
                wire.send(b"addr", self.addresses())

    def addresses(self):
        entry = b"".join(struct.pack("<IQ", int(time.time()), HONEST) + bytes(10) + b"\xff\xff" +
                         socket.inet_aton(host) + struct.pack(">H", PORT) for host in self.hosts)
        return bytes([len(self.hosts)]) + entry


class Discovery(TestCase):
    def setUp(self):
        super().setUp()
        self.server_ = self.server("--mine", 500, "--services", HONEST)
        self.hosts = [f"{9 + i}.1.1.1" for i in range(0, 60, 2) if 9 + i != 10]
        self.hub = Hub(self.hosts)
        self.addCleanup(self.hub.close)
        self.socks = Socks({("hub.invalid", PORT): self.hub.port}, default=self.server_.port)
        self.addCleanup(self.socks.close)

    def rows(self, sql):
        with sqlite3.connect(self.db) as db:
            rows = db.execute(sql).fetchall()
        db.close()
        return rows

    def test_gossip_leads_to_peers_and_addrman_to_them_in_the_next_run(self):
        through = ("--proxy", self.socks.address, "--peers", 3)
        self.ends(self.sync(*through, "--add-peer", "hub.invalid"), DONE)
        known = self.rows("SELECT host, port FROM peer_address")
        self.assertGreater(len(known), 15)  # those that got a slot, of one peer's gossip
        self.assertLessEqual({host for host, _ in known}, set(self.hosts))
        tried = {host for host, in self.rows("SELECT host FROM peer_address WHERE tried")}
        self.assertTrue(tried)
        self.assertLessEqual(tried, {host for _, host, _ in self.socks.asked})
        anchors = {host for host, in self.rows("SELECT host FROM peer_address WHERE anchor")}
        self.assertTrue(anchors)
        self.assertEqual(self.rows("SELECT length(value) FROM meta WHERE key = 'book_key'"), [(32,)])

        del self.socks.asked[:]
        self.ends(self.sync(*through), DONE)  # no manual peer: addrman alone
        asked = [host for _, host, _ in self.socks.asked]
        # three slots are dialled at once, in any order at the proxy
        self.assertLessEqual(anchors, set(asked[:3]))
        self.assertEqual(len(set(self.socks.credentials)), len(self.socks.credentials))

    def test_without_addrman_tables_the_sync_continues(self):
        through = ("--proxy", self.socks.address, "--peers", 3, "--add-peer", "hub.invalid")
        self.ends(self.sync(*through), DONE)
        self.rows("DROP TABLE peer_address")
        self.ends(self.sync(*through), DONE)
        self.assertTrue(self.rows("SELECT host FROM peer_address"))


if __name__ == "__main__":
    unittest.main()
