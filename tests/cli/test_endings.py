"""The ways in which it cannot work: no peer, a wrong one, a silent one; servers that cannot start."""

import json
import os
import resource
import signal
import socket
import sqlite3
import struct
import threading
import time
import unittest

from support import (DATABASE, DONE, FAILED, HEADER, NO_PEER, USAGE, TestCase, Wire,
                     mine_file, run, sha256d)

ONION = "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion"


class Endings(TestCase):
    def test_a_refused_connection_ends_with_the_reason_and_what_to_check(self):
        result = self.sync("--connect", f"127.0.0.1:{self.closed_port()}", "--timeout", 2)
        self.ends(result, NO_PEER)
        for part in ("spv-sync: regtest: no usable peer in", "connection refused", "--connect"):
            self.assertIn(part, result.stderr)

    def test_a_network_without_seeds_needs_a_manual_peer(self):
        custom = ("--signet-challenge", "51")
        for network, args in (("regtest", ()), ("simnet", ()), ("signet", custom),
                              ("regtest", ("--follow", "--timeout", 0)), ("regtest", ("--json",))):
            with self.subTest(network=network, args=args):
                result = self.sync(*args, network=network)  # no timeout: it would wait 120 s
                self.ends(result, USAGE)
                self.assertIn("name a peer with --connect HOST", result.stderr)
                self.assertIn("--add-peer", result.stderr)
                self.assertFalse(os.path.exists(self.db))  # nothing was done

    def test_a_database_without_addresses_does_not_help_a_network_without_seeds(self):
        server = self.server("--mine", 10)
        self.ends(self.sync("--connect", server.address), DONE)
        result = self.sync()
        self.ends(result, USAGE)
        self.assertIn("name a peer with --connect HOST", result.stderr)

    def test_a_stored_address_is_enough_for_a_network_without_seeds(self):
        server = self.server("--mine", 10)
        self.ends(self.sync("--connect", server.address), DONE)
        with sqlite3.connect(self.db) as db:
            db.execute("INSERT INTO peer_address VALUES (?, 18444, 9, x'04cb00', ?, 0, 0, 0, 0, 0,"
                       " 0, 0)", (ONION, int(time.time())))
        db.close()
        result = self.sync("--proxy", f"127.0.0.1:{self.closed_port()}", "--timeout", 1)
        self.ends(result, NO_PEER)

    def test_an_unknown_name_is_not_resolved(self):
        result = self.sync("--connect", "no-such-host.invalid", "--timeout", 3)
        self.ends(result, NO_PEER)
        self.assertIn("no-such-host.invalid", result.stderr)

    def test_a_server_of_another_network_is_no_usable_peer(self):
        server = self.server("--mine", 10, network="simnet")
        # encrypted, two networks never understand each other: that ends by a time limit (30 s)
        result = self.sync("--connect", server.address, "--timeout", 3, "--transport", "v1")
        self.ends(result, NO_PEER)
        for part in (server.address, "serves regtest (--network)"):
            self.assertIn(part, result.stderr)
        self.ends(self.sync("--connect", server.address, "--timeout", 3), NO_PEER)

    def test_errors_are_json_objects_as_well(self):
        result = self.sync("--connect", f"127.0.0.1:{self.closed_port()}", "--timeout", 1, "--json")
        self.ends(result, NO_PEER)
        events = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertEqual(events[-1]["event"], "error")
        self.assertIn("no usable peer", events[-1]["text"])
        self.assertIn("connect_failed", [e["event"] for e in events])

    def test_a_peer_that_never_answers_times_out(self):
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)

        def mute():
            try:
                while True:
                    wire = Wire(listener.accept()[0])
                    wire.wait(b"version")
                    wire.send_version(height=1000)
                    wire.send(b"verack")
                    threading.Thread(target=drain, args=(wire,), daemon=True).start()
            except (OSError, EOFError):
                pass

        def drain(wire):
            try:
                while True:
                    wire.receive()
            except (OSError, EOFError):
                wire.sock.close()

        threading.Thread(target=mute, daemon=True).start()
        result = self.sync("--connect", f"127.0.0.1:{listener.getsockname()[1]}", "--timeout", 3,
                           "--transport", "v1")
        self.ends(result, NO_PEER)
        self.assertIn("stuck at height 0", result.stderr)

    def test_a_chain_with_less_than_the_minimum_work_is_not_accepted(self):
        server = self.server("--mine", 100)
        result = self.sync("--connect", server.address, "--min-chain-work", "100000", "--timeout", 4)
        self.ends(result, NO_PEER)

    def test_a_peer_that_appears_later_is_found(self):
        port = self.closed_port()
        sync = self.program("spv-sync", "--network", "regtest", "--db", self.db, "--json",
                            "--connect", f"127.0.0.1:{port}", "--timeout", 0)
        sync.event("connect_failed")
        server = self.program("spv-serve", "--network", "regtest", "--mine", 20, "--listen",
                              f"127.0.0.1:{port}")
        self.assertEqual(server.line(), f"listening on 127.0.0.1:{port} (regtest, height 20)")
        self.assertEqual(sync.event("synced")["height"], 20)
        self.assertEqual(sync.end(), DONE)

    def test_a_connection_lost_during_sync_is_opened_again(self):
        server = self.server("--mine", 5000)
        proxy = self.proxy(server.port, limit=200 * 1000)
        sync = self.program("spv-sync", "--network", "regtest", "--db", self.db, "--json",
                            "--connect", proxy.address, "--timeout", 0)
        sync.event("progress")
        proxy.limit = None  # for the next connection
        proxy.reached.wait(60)
        proxy.cut()
        self.assertEqual(sync.event("synced")["height"], 5000)
        self.assertEqual(sync.end(), DONE)


class Limits(TestCase):
    """What the system may refuse a program: open files, sizes of files."""

    def limited(self, which, limit, name, *args):
        return run(name, *args,
                   preexec_fn=lambda: resource.setrlimit(which, (limit, resource.getrlimit(which)[1])))

    def few_files(self, limit, name, *args):
        return self.limited(resource.RLIMIT_NOFILE, limit, name, *args)

    def test_with_few_descriptors_each_program_reports_it_once_and_does_not_crash(self):
        server = self.server("--mine", 50)
        good, raw = self.path("good.db"), self.path("raw")
        self.ends(self.sync("--connect", server.address, db=good), DONE)
        self.ends(run("spv-export", "--db", good, "--format", "raw", "--output", raw), DONE)
        for args in (("spv-sync", "--network", "regtest", "--db", self.db, "--timeout", 1,
                      "--connect", server.address),
                     ("spv-export", "--db", good, "--output", self.path("out")),
                     ("spv-import", "--db", self.path("i.db"), "--network", "regtest", "--input", raw),
                     ("spv-db", "compact", "--db", good)):
            codes = []
            for limit in range(4, 40):
                result = self.few_files(limit, *args)
                codes.append(result.returncode)
                if codes[-1] == DONE:
                    break
                with self.subTest(program=args[0], limit=limit):
                    self.assertEqual(codes[-1], FAILED, result.stderr)
                    said = result.stderr.splitlines()[-1]
                    self.assertRegex(said, rf"^{args[0]}: .*\. Raise the limit[^.]*\(ulimit -n\)\.$")
            self.assertEqual((codes[0], codes[-1]), (FAILED, DONE), args[0])

    def test_a_server_with_few_descriptors_does_not_crash(self):
        for limit in range(4, 8):
            with self.subTest(limit=limit):
                result = self.few_files(limit, "spv-serve", "--network", "regtest", "--mine", 1,
                                        "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0")
                self.ends(result, FAILED)
                self.assertIn("aise the limit", result.stderr)

    def test_a_file_size_limit_is_reported(self):
        server = self.server("--mine", 4000)
        for limit in (512, 1000, 8192, 102400):
            with self.subTest(limit=limit):
                result = self.limited(resource.RLIMIT_FSIZE, limit, "spv-sync", "--network",
                                      "regtest", "--db", self.path(f"{limit}.db"), "--connect",
                                      server.address)
                self.ends(result, FAILED)
                self.assertRegex(result.stderr, r"Raise the limit of file sizes \(ulimit -f\); what "
                                                r"was stored is safe\.\n$")
                self.assertEqual(result.stderr.count("."), result.stderr.count(".db") + 2)
        self.ends(self.sync("--connect", server.address), DONE)
        result = self.limited(resource.RLIMIT_FSIZE, 65536, "spv-export", "--db", self.db,
                              "--output", self.path("out"))
        self.ends(result, FAILED)
        self.assertRegex(result.stderr, r"(ulimit -f)")
        self.assertEqual([n for n in os.listdir(self.folder) if n.startswith("out")], [])


class ServerEndings(TestCase):
    def test_a_server_stopped_on_request_exits_with_success(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            server = self.server("--mine", 10)
            server.signal(number)
            self.assertEqual(server.end(), DONE, server.errors)
            self.assertEqual(json.loads(server.lines[-1])["event"], "stopped")

    def test_a_port_in_use_is_reported(self):
        server = self.server("--mine", 10)
        result = run("spv-serve", "--network", "regtest", "--mine", 1, "--listen", server.address)
        self.ends(result, FAILED)
        self.assertIn(str(server.port), result.stderr)

    def test_files_that_are_no_headers_are_refused(self):
        good = self.path("good.bin")
        raw = mine_file(good, 50)

        def refused(name, data, code, text, *args):
            with self.subTest(name):
                with open(self.path(name), "wb") as f:
                    f.write(data)
                result = run("spv-serve", "--network", "regtest", "--listen", "127.0.0.1:0",
                             "--headers", self.path(name), *args)
                self.ends(result, code)
                self.assertIn(text, result.stderr)
                self.assertEqual("clock" in result.stderr, "clock" in text)

        refused("empty", b"", FAILED, "is empty. Copy or export it again.")
        refused("text", b"hello world\n" * 20, FAILED, "genesis")
        refused("cut", raw[:-1], FAILED, "is not a multiple of 80 bytes")
        refused("hole", raw[:10 * HEADER] + raw[11 * HEADER:], FAILED, "height 10 is not valid")
        turned = bytearray(raw)
        turned[20 * HEADER + 40] ^= 1  # a merkle root: the next header no longer links, or no work
        refused("turned", bytes(turned), FAILED, "is not valid on regtest")
        ahead = int(time.time()) + 86400
        late = bytearray(struct.pack("<i", 4) + sha256d(raw[-HEADER:]) + bytes(32) +
                         struct.pack("<III", ahead, 0x207fffff, 0))
        while sha256d(late)[31] > 0x7f:
            late[76] += 1
        refused("late", raw + late, FAILED, "Check this computer's clock")
        refused("other", raw, USAGE, "contains headers of regtest", "--network", "simnet")
        result = run("spv-serve", "--network", "regtest", "--headers", self.path("absent"))
        self.ends(result, FAILED)
        self.assertIn("cannot be opened", result.stderr)

    def test_no_database_to_serve_is_reported(self):
        result = run("spv-serve", "--network", "regtest", "--datadir", self.folder)
        self.ends(result, FAILED)
        with open(self.db, "w", encoding="ascii") as f:
            f.write("no database\n" * 400)
        result = run("spv-serve", "--network", "regtest", "--db", self.db)
        self.ends(result, DATABASE)

    def test_many_clients_are_served_at_once_and_a_new_one_evicts_one(self):
        server = self.server("--mine", 10, "--max-clients", 3)
        wires = []
        for _ in range(4):
            wire = Wire(socket.create_connection(("127.0.0.1", server.port), 60))
            self.addCleanup(wire.sock.close)
            wire.dial_handshake()
            wires.append(wire)
        served = 0
        for wire in wires:
            try:
                wire.send(b"getheaders", b"\x70\x11\x01\x00\x01" +
                          bytes.fromhex("06226e46111a0b59caaf126043eb5bbf28c34f3a5e332a1fc7b2b73cf188910f")
                          + bytes(32))
                self.assertEqual(len(wire.wait(b"headers")), 1 + 10 * 81)
                served += 1
            except (EOFError, OSError):
                self.assertIsNot(wire, wires[3], "the newcomer itself was closed")
        self.assertEqual(served, 3)

    def test_services_are_offered_as_asked(self):
        v2 = 1 << 11  # P2P_V2, offered where clients may use it
        for args, want in (((), v2), (("--transport", "v1"), 0),
                           (("--services", "network,witness"), 9 | v2),
                           (("--services", "0x40", "--transport", "v1"), 64)):
            server = self.server("--mine", 1, *args)
            wire = Wire(socket.create_connection(("127.0.0.1", server.port), 60))
            wire.send_version()
            self.assertEqual(int.from_bytes(wire.wait(b"version")[4:12], "little"), want)
            wire.sock.close()


if __name__ == "__main__":
    unittest.main()
