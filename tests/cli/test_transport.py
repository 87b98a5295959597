"""Encrypted and unencrypted connections (BIP324) between spv-sync and spv-serve: what --transport
chooses, the fall-back to v1, and what lies between the two."""

import json
import re
import signal
import socket
import sqlite3
import struct
import threading
import time
import unittest

from support import DONE, INTERRUPTED, NO_PEER, REGTEST_MAGIC, Middlebox, TestCase, sha256d

COUNT = 3000


def close(client):
    client.shutdown(socket.SHUT_RDWR)


def stay_silent(client):
    """Reads and answers nothing; the connection stays open."""
    threading.Thread(target=lambda: [None for _ in iter(lambda: client.recv(4096), b"")],
                     daemon=True).start()


class Transport(TestCase):
    def setUp(self):
        super().setUp()
        self.served = self.server("--mine", COUNT)

    def middlebox(self, **what):
        box = Middlebox(self.served.port, **what)
        self.addCleanup(box.close)
        return box

    def synced(self, address, *args):
        """Syncs and returns the events."""
        result = self.sync("--connect", address, "--json", *args)
        self.ends(result, DONE)
        return [json.loads(line) for line in result.stdout.splitlines()]

    def transport(self, events):
        connected = [e for e in events if e["event"] == "connected"]
        self.assertEqual(len(connected), 1, events)
        self.assertEqual("session_id" in connected[0], connected[0]["transport"] == "v2")
        return connected[0]["transport"]

    def bans(self, path):
        with sqlite3.connect(path) as db:
            rows = db.execute("SELECT count(*) FROM peer_ban").fetchone()[0]
        db.close()
        return rows

    def test_all_combinations_of_two_sides(self):
        wanted = {("auto", "auto"): "v2", ("auto", "v1"): "v1", ("auto", "v2"): "v2",
                  ("v1", "auto"): "v1", ("v1", "v1"): "v1", ("v1", "v2"): None,
                  ("v2", "auto"): "v2", ("v2", "v1"): None, ("v2", "v2"): "v2"}
        for server_side in ("auto", "v1", "v2"):
            server = self.server("--mine", COUNT, "--transport", server_side)
            for client_side in ("auto", "v1", "v2"):
                with self.subTest(client=client_side, server=server_side):
                    db = self.path(f"{client_side}-{server_side}.db")
                    result = self.sync("--connect", server.address, "--transport", client_side,
                                       "--json", "--timeout", 3, db=db)
                    events = [json.loads(line) for line in result.stdout.splitlines()]
                    transport = wanted[client_side, server_side]
                    self.ends(result, DONE if transport else NO_PEER)
                    if transport:
                        self.assertEqual(self.transport(events), transport)
                    else:
                        names = [e["event"] for e in events]
                        self.assertNotIn("connected", names)
                        # back-off, no loop: 1 s, 2 s, ...
                        self.assertIn(names.count("connect_failed"), range(1, 5), names)
                    self.assertEqual(self.bans(db), 0)

    def test_both_sides_say_the_same_session_id(self):
        connected = [e for e in self.synced(self.served.address) if e["event"] == "connected"][0]
        ready = self.served.event("ready")
        self.assertEqual((ready["transport"], ready["session_id"]),
                         ("v2", connected["session_id"]))
        self.assertRegex(ready["session_id"], "^[0-9a-f]{64}$")
        result = self.sync("--connect", self.served.address, "--verbose", db=self.path("2.db"))
        session = self.served.event("ready")["session_id"]
        self.assertIn(f"connected to {self.served.address} (v2, session {session})\n",
                      result.stdout)
        result = self.sync("--connect", self.served.address, "--verbose", "--transport", "v1",
                           db=self.path("3.db"))
        self.assertIn(f"connected to {self.served.address} (v1)\n", result.stdout)
        self.assertNotIn("session_id", self.served.event("ready"))

    def test_the_server_s_text_output_has_the_session_id(self):
        server = self.program("spv-serve", "--network", "regtest", "--mine", 5, "--listen",
                              "127.0.0.1:0", "--verbose")
        line = server.wait_for(lambda line: "127.0.0.1:" in line)
        address = re.search(r"127\.0\.0\.1:\d+", line)[0]
        connected = [e for e in self.synced(address) if e["event"] == "connected"][0]
        wanted = f" is ready (v2, session {connected['session_id']})"
        server.wait_for(lambda line: line.endswith(wanted))

    def test_falling_back_costs_one_connection_and_is_remembered(self):
        server = self.server("--mine", COUNT, "--transport", "v1")
        box = Middlebox(server.port)
        self.addCleanup(box.close)
        sync = self.program("spv-sync", "--network", "regtest", "--db", self.db, "--connect",
                            box.address, "--follow", "--json")
        self.assertEqual(sync.event("connected")["transport"], "v1")
        sync.event("synced")
        self.assertEqual((box.encrypted, box.plain), (1, 1))
        box.cut()
        self.assertEqual(sync.event("connected")["transport"], "v1")
        self.assertEqual((box.encrypted, box.plain), (1, 2))
        sync.signal(signal.SIGINT)
        self.assertEqual(sync.end(), INTERRUPTED)
        self.assertEqual(self.bans(self.db), 0)

    def test_a_box_that_cuts_what_it_does_not_know(self):
        box = self.middlebox(refuse=close)
        self.assertEqual(self.transport(self.synced(box.address)), "v1")
        self.assertEqual((box.encrypted, box.plain), (1, 1))

    def test_an_old_node_answers_a_key_by_its_version(self):
        """As of 2018: it never closes on a bad magic, and bans for 24 h after 240 bytes of junk."""
        junk = []

        def answer(client):
            payload = struct.pack("<iQq", 70015, 0, 0) + bytes(60) + b"\0" + bytes(5)
            client.sendall(REGTEST_MAGIC + b"version".ljust(12, b"\0") +
                           struct.pack("<I", len(payload)) + sha256d(payload)[:4] + payload)
            while (data := client.recv(4096)):
                junk.append(len(data))

        box = self.middlebox(refuse=answer)
        begun = time.monotonic()
        self.assertEqual(self.transport(self.synced(box.address)), "v1")
        self.assertLess(time.monotonic() - begun, 9)  # at once, not after 10 s of silence
        self.assertEqual((box.encrypted, box.plain), (1, 1))
        self.assertLessEqual(sum(junk), 64)  # the key alone, no garbage

    def test_a_server_that_stays_silent(self):
        box = self.middlebox(refuse=stay_silent)
        self.assertEqual(self.transport(self.synced(box.address)), "v1")
        self.assertEqual((box.encrypted, box.plain), (1, 1))

    def test_v2_only_never_sends_an_unencrypted_byte(self):
        box = self.middlebox(refuse=close)
        self.ends(self.sync("--connect", box.address, "--transport", "v2", "--timeout", 3), NO_PEER)
        self.assertEqual(box.plain, 0)
        self.assertGreater(box.encrypted, 0)

    def test_v1_only_never_sends_a_key(self):
        box = self.middlebox()
        self.assertEqual(self.transport(self.synced(box.address, "--transport", "v1")), "v1")
        self.assertEqual((box.encrypted, box.plain), (0, 1))

    def test_delays_do_not_matter(self):
        box = self.middlebox(delay=0.2)
        self.assertEqual(self.transport(self.synced(box.address)), "v2")
        self.assertEqual((box.encrypted, box.plain), (1, 0))

    def test_a_flipped_bit_ends_the_connection_without_a_ban(self):
        flipped = []

        def flip_once(data, offset):
            at = 10000 - offset
            if flipped or not 0 <= at < len(data):
                return data
            flipped.append(at)
            return data[:at] + bytes([data[at] ^ 4]) + data[at + 1:]

        box = self.middlebox(change=flip_once)
        result = self.sync("--connect", box.address, "--json")
        self.ends(result, DONE)
        events = [json.loads(line) for line in result.stdout.splitlines()]
        ends = [e["code"] for e in events if e["event"] == "disconnected"]
        self.assertEqual(ends, ["V2_TAG"])
        self.assertEqual([e["transport"] for e in events if e["event"] == "connected"],
                         ["v2", "v2"])  # no fall-back: the peer has shown that it has v2
        self.assertEqual((box.encrypted, box.plain, self.bans(self.db)), (2, 0, 0))

    def test_what_a_box_sees(self):
        """No word of the protocol, and no header, in an encrypted connection."""
        seen = bytearray()

        def look(data, offset):
            seen.extend(data)
            return data

        box = self.middlebox(change=look)
        self.synced(box.address)
        self.assertGreater(len(seen), 80 * COUNT)
        for word in (REGTEST_MAGIC, b"version", b"headers", b"/libspv", bytes(16)):
            self.assertNotIn(word, seen)

    def test_a_word_that_is_no_transport(self):
        for name in ("spv-sync", "spv-serve"):
            result = self.program(name, "--transport", "tls")
            self.assertEqual(result.end(), 2)
            self.assertIn("'tls' is not a transport. Use one of: auto, v1, v2.", result.errors)


if __name__ == "__main__":
    unittest.main()
