#!/usr/bin/env python3
"""spv-sync against a foreign full node: bcoin on regtest, in pure JavaScript.

The node mines; what spv-sync has in its database afterwards must be what the node itself answers,
height by height. Arguments: the spv-sync program. Exits with 77 when node or bcoin is not there."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from bcoin import HERE, PATIENCE, Lines, Node, main

sys.path.insert(1, str(HERE.parent / "cli"))
from support import Middlebox, Proxy  # noqa: E402

SPV_SYNC = sys.argv[1] if len(sys.argv) > 1 else "build/dev/bin/spv-sync"


def rows_of_node(node):
    rows = []
    for h in node.ask("headers", **{"from": 0, "to": node.ask("tip")["height"]}):
        rows.append((h["height"], h["hash"], h["version"], h["prev"], h["merkle"], h["time"],
                     f"{h['bits']:08x}", h["nonce"], h["work"]))
    return rows


def rows_of_database(path):
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        return db.execute("SELECT height, hash, version, previous_hash, merkle_root, time, bits,"
                          " nonce, work FROM block_header ORDER BY height").fetchall()


class Bcoin(unittest.TestCase):
    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory()
        self.addCleanup(self.tmp.cleanup)
        self.db = str(Path(self.tmp.name) / "headers.db")
        self.node = Node()
        self.addCleanup(self.node.end)
        self.node.ask("mine", n=300)

    def arguments(self, *more):
        return [SPV_SYNC, "--network", "regtest", "--connect", f"127.0.0.1:{self.node.port}",
                "--db", self.db, "--timeout", "60", "--json", *more]

    def sync(self):
        """One run until synced; returns the objects it printed."""
        run = subprocess.run(self.arguments(), capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        return [json.loads(line) for line in run.stdout.splitlines()]

    def follow_until(self, run, event, height, hash_):
        """Reads what a following run says until the event with this tip."""
        while True:
            said = run.next()
            if (said.get("event"), said.get("height"), said.get("hash")) == (event, height, hash_):
                return said

    def assert_database_is_the_nodes(self):
        want, got = rows_of_node(self.node), rows_of_database(self.db)
        self.assertEqual(len(got), len(want))
        for ours, theirs in zip(got, want):
            self.assertEqual(ours, theirs)

    def test_gets_all_300_headers(self):
        said = self.sync()
        tip = self.node.ask("tip")
        self.assertEqual(tip["height"], 300)
        last = [s for s in said if s.get("event") == "synced"][-1]
        self.assertEqual((last["height"], last["hash"]), (300, tip["hash"]))
        self.assert_database_is_the_nodes()

    def test_the_fall_back_to_v1_costs_one_connection_and_is_remembered(self):
        """bcoin answers our 64 key bytes by a v1 version message."""
        box = Middlebox(self.node.port)
        self.addCleanup(box.close)
        arguments = [a.replace(f":{self.node.port}", f":{box.port}") for a in self.arguments("--follow")]
        run = Lines(arguments)
        self.addCleanup(run.end)
        tip = self.node.ask("tip")
        self.follow_until(run, "synced", tip["height"], tip["hash"])
        self.assertEqual((box.encrypted, box.plain), (1, 1))
        said = [json.loads(line) for line in run.seen]
        self.assertEqual([s["transport"] for s in said if s["event"] == "connected"], ["v1"])
        box.cut()
        while run.next().get("event") != "connected":
            pass
        self.assertEqual((box.encrypted, box.plain), (1, 2))
        self.assert_database_is_the_nodes()

    def test_a_ban_for_early_garbage_is_survived(self):
        """It bans our address: the run says that no peer is usable, and the next one syncs."""
        with socket.create_connection(("127.0.0.1", self.node.port), 10) as s:
            s.settimeout(PATIENCE)
            s.sendall(os.urandom(64 + 10 * 24))
            while s.recv(4096):
                pass
        run = subprocess.run([*self.arguments(), "--timeout", "3"], capture_output=True, text=True,
                             timeout=PATIENCE)
        self.assertEqual(run.returncode, 4, run.stdout + run.stderr)
        self.node.ask("unban")
        self.sync()
        self.assert_database_is_the_nodes()

    def test_a_new_run_follows_a_deeper_branch_that_replaces_10(self):
        self.sync()
        before = rows_of_database(self.db)
        tip = self.node.ask("fork", back=10, n=12)
        said = self.sync()
        self.assertIn("reorg", [s.get("event") for s in said])
        after = rows_of_database(self.db)
        self.assertEqual(tip["height"], 302)
        self.assertEqual(after[:291], before[:291])
        self.assertTrue(all(a[1] != b[1] for a, b in zip(after[291:], before[291:])))
        self.assert_database_is_the_nodes()

    def test_a_following_run_takes_a_reorganisation_and_new_blocks_as_they_come(self):
        run = Lines(self.arguments("--follow"))
        self.addCleanup(run.end)
        tip = self.node.ask("tip")
        self.follow_until(run, "synced", tip["height"], tip["hash"])

        tip = self.node.ask("fork", back=10, n=12)
        while True:
            said = run.next()
            if said.get("event") == "reorg":
                break
        self.assertEqual(said["fork_height"], 290)
        self.assertEqual(said["removed"], 10)
        while (said.get("height"), said.get("hash")) != (tip["height"], tip["hash"]):
            said = run.next()

        tip = self.node.ask("mine", n=3)
        while (said.get("height"), said.get("hash")) != (tip["height"], tip["hash"]):
            said = run.next()

        run.process.send_signal(signal.SIGTERM)
        self.assertEqual(run.process.wait(timeout=PATIENCE), 0)  # synced: 130 is for SIGINT
        self.assert_database_is_the_nodes()


class ThreeNodes(unittest.TestCase):
    """Three bcoin nodes with the same first blocks and a branch of its own each."""

    BASE = 30

    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory()
        self.addCleanup(self.tmp.cleanup)
        self.db = str(Path(self.tmp.name) / "headers.db")
        self.nodes = [Node() for _ in range(3)]
        for node in self.nodes:
            self.addCleanup(node.end)
        self.nodes[0].ask("mine", n=self.BASE)
        self.base = self.nodes[0].ask("blocks", **{"from": 1, "to": self.BASE})
        for node in self.nodes[1:]:
            node.ask("add", blocks=self.base)

    def arguments(self, ports, *more):
        argv = [SPV_SYNC, "--network", "regtest", "--db", self.db, "--timeout", str(PATIENCE),
                "--json"]
        for port in ports:
            argv += ["--connect", f"127.0.0.1:{port}"]
        return argv + list(more)

    def sync(self, *nodes):
        run = subprocess.run(self.arguments([n.port for n in nodes]), capture_output=True,
                             text=True, timeout=PATIENCE)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        return [json.loads(line) for line in run.stdout.splitlines()]

    def follow(self, ports):
        run = Lines(self.arguments(ports, "--follow"))
        self.addCleanup(run.end)
        return run

    def reach(self, run, tip):
        """Reads on until the run has this tip; what it said meanwhile."""
        said = [run.next()]
        while (said[-1].get("height"), said[-1].get("hash")) != (tip["height"], tip["hash"]):
            said.append(run.next())
        return said

    def stop(self, run):
        """SIGTERM after "synced", which may come seconds after the tip: a lost peer is waited for."""
        said = [json.loads(line)["event"] for line in run.seen]
        while "synced" not in said:
            said.append(run.next()["event"])
        run.process.send_signal(signal.SIGTERM)
        self.assertEqual(run.process.wait(timeout=PATIENCE), 0)  # 130 would be: not yet synced

    def assert_database_is_of(self, node):
        self.assertEqual(rows_of_database(self.db), rows_of_node(node))

    def test_joined_one_after_another_the_chain_with_most_work_is_the_tip(self):
        a, b, c = self.nodes
        a.ask("mine", n=5)
        b.ask("mine", n=12)
        c.ask("mine", n=9)
        self.sync(a)
        self.assert_database_is_of(a)
        said = self.sync(a, b)
        self.assertIn((self.BASE, 5), [(s["fork_height"], s["removed"]) for s in said
                                       if s["event"] == "reorg"])
        self.assert_database_is_of(b)
        said = self.sync(a, b, c)
        self.assertNotIn("reorg", [s["event"] for s in said])
        self.assert_database_is_of(b)
        c.ask("mine", n=10)
        said = self.sync(a, b, c)
        self.assertIn((self.BASE, 12), [(s["fork_height"], s["removed"]) for s in said
                                        if s["event"] == "reorg"])
        self.assert_database_is_of(c)

    def test_a_following_run_goes_with_whoever_leads(self):
        a, b, c = self.nodes
        tip = a.ask("mine", n=2)
        run = self.follow([n.port for n in self.nodes])
        self.reach(run, tip)
        for node, n in ((b, 4), (c, 6), (a, 6)):
            self.reach(run, node.ask("mine", n=n))
        self.stop(run)
        self.assert_database_is_of(a)

    def test_one_that_is_stopped_in_mid_sync_is_done_without(self):
        a, b, _ = self.nodes
        a.ask("mine", n=220)
        b.ask("mine", n=200)
        proxy = Proxy(a.port, limit=8000)  # the handshake and some of its headers
        self.addCleanup(proxy.close)
        run = self.follow([proxy.port, b.port])
        self.assertTrue(proxy.reached.wait(PATIENCE))
        a.process.kill()
        proxy.cut()
        self.reach(run, b.ask("tip"))
        tip = b.ask("mine", n=2)
        self.reach(run, tip)
        self.stop(run)
        self.assert_database_is_of(b)

    def test_one_that_is_restarted_with_a_longer_branch_is_followed(self):
        a, b, _ = self.nodes
        tip = a.ask("mine", n=5)
        run = self.follow([a.port])
        self.reach(run, tip)
        a.process.kill()
        a.process.wait()
        again = Node(port=a.port)
        self.addCleanup(again.end)
        again.ask("add", blocks=self.base)
        tip = again.ask("mine", n=11)
        said = self.reach(run, tip)
        self.assertIn((self.BASE, 5), [(s["fork_height"], s["removed"]) for s in said
                                       if s["event"] == "reorg"])
        self.stop(run)
        self.assert_database_is_of(again)


if __name__ == "__main__":
    main(SPV_SYNC)
