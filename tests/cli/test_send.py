"""spv-send: transactions that are checked, published to peers of our own (tx_peer.py) and kept in the
database."""

import json
import os
import signal
import sqlite3
import struct
import subprocess
import time
import unittest

from support import (DATABASE, DONE, FAILED, HANG, INTERRUPTED, NO_PEER, USAGE, TestCase, binary, display,
                     mine_file, run, sha256d)
from test_pipes import holds_open, wait_until
from test_screen import on_terminal
from tx_peer import Network, TxPeer, prevout, transaction, txid_of
from wallet_rows import add_wallet


class Send(TestCase):
    def setUp(self):
        super().setUp()
        self.network = Network()
        self.tx = transaction([prevout(1)])
        self.txid = display(txid_of(self.tx))
        self.path_tx = self.file("tx.hex", self.tx.hex().encode() + b"\n")

    def file(self, name, data):
        path = self.path(name)
        with open(path, "wb") as f:
            f.write(data)
        return path

    def peer(self, *does, **more):
        peer = TxPeer(self.network, *does, **more)
        self.addCleanup(peer.close)
        return peer

    def place(self, *peers):
        return ["--network", "regtest", "--db", self.db, "--transport", "v1",
                *(word for p in peers for word in ("--connect", p.address))]

    def send(self, *args, peers=(), code=DONE, **more):
        result = run("spv-send", *self.place(*peers), *args, **more)
        self.ends(result, code)
        return result

    def events(self, result, kind):
        return [o for o in map(json.loads, result.stdout.splitlines()) if o["event"] == kind]

    def stored(self):
        """The states in the database, by txid."""
        with sqlite3.connect(f"file:{self.db}?mode=ro", uri=True) as db:
            return dict(db.execute("SELECT lower(hex(txid)), state FROM broadcast").fetchall())

    def list(self):
        return {o["txid"]: o for o in self.events(self.send("--list", "--json"), "broadcast")}


class Published(Send):
    def test_it_ends_when_a_peer_announces_it_that_did_not_have_it_from_us(self):
        peers = [self.peer("fetch", "relay"), self.peer("fetch", "relay")]
        result = self.send(self.path_tx, peers=peers)
        self.assertIn(f"sent {self.txid}: announced back by 1", result.stdout)
        self.assertIn(f"{self.txid}: announced to 1, fetched by 1, announced back by 1\n", result.stdout)
        self.assertEqual(self.network.txs, {txid_of(self.tx): self.tx})  # with its witness
        self.assertEqual(sorted(p.asked for p in peers), [0, 1])  # the other one did not get it from us
        self.assertEqual(result.stderr.count("does not say of which network it is"), 1)

    def test_json_tells_the_same_as_facts(self):
        result = self.send("--json", self.path_tx, peers=[self.peer("fetch", "relay") for _ in range(2)])
        last = self.events(result, "broadcast")[-1]
        self.assertEqual((last["txid"], last["state"], last["announced"], last["fetched"], last["returned"],
                          last["rejects"], last["reject"], last["waits"]),
                         (self.txid, "publishing", 1, 1, 1, 0, None, False))
        sent = self.events(result, "sent")
        self.assertEqual([(o["txid"], o["returned"]) for o in sent], [(self.txid, 1)])
        self.assertEqual(len(self.events(result, "transaction")), 1)
        self.assertEqual(len(self.events(result, "connected")), 2)

    def test_quiet_says_nothing_and_verbose_says_all(self):
        peers = [self.peer("fetch", "relay") for _ in range(2)]
        result = self.send("--quiet", self.path_tx, peers=peers)
        self.assertEqual((result.stdout, result.stderr), ("", ""))
        result = self.send("--verbose", self.file("b", transaction([prevout(2)])), peers=peers)
        self.assertIn("output 1       0.00001000 BTC  bcrt1", result.stdout)
        self.assertIn("connected", result.stdout)

    def test_a_package_is_complete_when_its_child_comes_back(self):
        parent = transaction([prevout(5)])
        child = transaction([txid_of(parent) + bytes(4)])
        peers = [self.peer("fetch", "relay", wanted=[txid_of(parent)]) for _ in range(2)]
        result = self.send(self.file("parent", parent), self.file("child", child), peers=peers)
        self.assertIn(f"sent {display(txid_of(child))}", result.stdout)
        self.network.wait(2)
        self.assertEqual(self.network.txs[txid_of(parent)], parent)
        rows = self.list()
        self.assertEqual(rows[display(txid_of(parent))]["package"], rows[display(txid_of(child))]["package"])
        self.assertEqual([rows[display(txid_of(t))]["position"] for t in (parent, child)], [0, 1])

    def test_binary_and_standard_input_are_read_too(self):
        peers = [self.peer("fetch", "relay") for _ in range(2)]
        for args in ((), ("-",)):
            with open(self.file("bin", self.tx), "rb") as f:
                result = subprocess.run([binary("spv-send"), *self.place(*peers), *args], stdin=f,
                                        capture_output=True, text=True, timeout=HANG, check=False)
            self.ends(result, DONE)
            self.assertIn(self.txid, result.stdout)

    def test_a_terminal_shows_a_live_line_and_then_the_result(self):
        peers = [self.peer("silent"), self.peer("silent")]
        command = [binary("spv-send"), *self.place(*peers), self.path_tx]
        seen, code = on_terminal(command, rb"announced to 1  fetched by 0  announced back by 0  2 peers[^\r]*\r",
                                 lambda p: p.send_signal(signal.SIGINT), columns=100)
        self.assertEqual(code, INTERRUPTED, seen)
        self.assertNotIn(b": announced to 1, fetched", seen)  # no lines beside it
        self.assertIn(b"is kept", seen)
        peers = [self.peer("fetch", "relay"), self.peer("fetch", "relay")]
        seen, code = on_terminal([binary("spv-send"), *self.place(*peers), self.path_tx], columns=100)
        self.assertEqual(code, DONE, seen)
        self.assertIn(b"sent " + self.txid.encode(), seen)


class NotTaken(Send):
    def test_a_rejection_of_the_only_peer_is_told(self):
        result = self.send("--timeout", "2", self.path_tx, peers=[self.peer("reject")], code=FAILED)
        self.assertIn("fetched by 1, announced back by none in 2.0 s, rejected by 1: fee too low (a hint)",
                      result.stderr)
        self.assertIn("Only a second peer can announce it back", result.stderr)
        row = self.list()[self.txid]
        self.assertEqual((row["fetched"], row["rejects"], row["reject"]), (1, 1, "fee too low"))

    def test_peers_that_never_ask_are_no_success(self):
        result = self.send("--timeout", "2", self.path_tx, peers=[self.peer("silent"), self.peer("silent")],
                           code=NO_PEER)
        self.assertIn("announced to 1, fetched by none in 2.0 s", result.stderr)
        self.assertEqual(list(self.list()), [self.txid])

    def test_a_peer_that_asks_and_drops_is_no_success_and_does_not_hold_up_the_end(self):
        peer = self.peer("drop")
        result = self.send("--timeout", "2", self.path_tx, peers=[peer], code=FAILED)
        self.assertIn("announced back by none", result.stderr)
        self.assertGreater(peer.asked, 0)

    def test_peers_that_accept_no_transactions_are_told(self):
        result = self.send("--timeout", "2", self.path_tx, peers=[self.peer("fetch", relay=False)], code=NO_PEER)
        self.assertIn("no connected peer accepts transactions", result.stderr)
        self.assertEqual(self.network.txs, {})

    def test_without_any_peer_the_end_names_the_cause(self):
        port = self.closed_port()
        result = run("spv-send", *self.place(), "--connect", f"127.0.0.1:{port}", "--timeout", "1", self.path_tx)
        self.ends(result, NO_PEER)
        self.assertIn("no usable peer in 1.0 s", result.stderr)
        self.assertEqual(list(self.list()), [self.txid])  # kept

    def test_all_peers_are_lost_and_come_back(self):
        peers = [self.peer("fetch", wait=True) for _ in range(2)]
        program = self.program("spv-send", *self.place(*peers), "--json", "--timeout", "0", self.path_tx)
        seen = []  # an announcement may come before the second connection

        def both_are_there(line):
            seen.append(json.loads(line))
            return sum(s["event"] == "connected" for s in seen) == 2 and any(s.get("announced", 0) > 0 for s in seen)

        program.wait_for(both_are_there)
        for p in peers:
            p.drop_all()
        program.event("disconnected")
        program.event("disconnected")
        for p in peers:
            p.waits = False
        program.wait_for(lambda line: json.loads(line).get("fetched", 0) > 0)
        program.signal(signal.SIGINT)
        self.assertEqual(program.end(), INTERRUPTED)

    def test_a_reader_that_leaves_ends_a_run_that_follows(self):
        process = subprocess.Popen([binary("spv-send"), *self.place(self.peer("silent")), "--follow", self.path_tx],
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        self.addCleanup(process.kill)
        process.stdout.readline()
        process.stdout.close()
        self.assertEqual(process.wait(HANG), DONE)


class Kept(Send):
    def publish(self, *args):
        """A run that nobody answers, up to its announcement."""
        program = self.program("spv-send", *self.place(self.peer("silent")), "--json", *args)
        program.wait_for(lambda line: json.loads(line).get("announced", 0) > 0)
        return program

    def test_after_kill_9_the_next_run_announces_it_again(self):
        program = self.publish(self.path_tx)
        program.signal(signal.SIGKILL)
        program.end()
        peers = [self.peer("fetch", "relay") for _ in range(2)]
        result = self.send("--resume", peers=peers)
        self.assertIn(f"sent {self.txid}", result.stdout)
        self.assertEqual(list(self.network.txs.values()), [self.tx])

    def test_a_run_for_another_transaction_announces_it_beside_its_own(self):
        program = self.publish(self.path_tx)
        program.signal(signal.SIGINT)
        self.assertEqual(program.end(), INTERRUPTED)
        other = transaction([prevout(9)])
        peers = [self.peer("fetch") for _ in range(2)]
        program = self.program("spv-send", *self.place(*peers), "--follow", self.file("other", other))
        self.network.wait(2)
        program.signal(signal.SIGINT)
        program.end()
        self.assertIn("announced again, too: 1 of earlier runs (--list)", program.lines)
        self.assertEqual(set(self.network.txs), {txid_of(self.tx), txid_of(other)})

    def test_a_run_that_follows_goes_on_and_its_end_depends_on_the_signal(self):
        for number, code in ((signal.SIGTERM, DONE), (signal.SIGINT, INTERRUPTED)):
            peers = [self.peer("fetch", "relay") for _ in range(2)]
            program = self.program("spv-send", *self.place(*peers), "--follow", self.path_tx)
            program.wait_for(lambda line: line.startswith(f"sent {self.txid}"))
            time.sleep(0.5)  # several ticks
            program.signal(number)
            self.assertEqual(program.end(), code)
            self.assertEqual(sum(line.startswith("sent ") for line in program.lines), 1)

    def test_a_stop_keeps_it_and_says_so(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            program = self.program("spv-send", *self.place(self.peer("silent")), self.path_tx)
            program.wait_for(lambda line: "announced to 1" in line)
            program.signal(number)
            self.assertEqual(program.end(), INTERRUPTED)
            self.assertIn("--resume announces it again. --withdraw TXID ends that.", program.errors)
        self.assertEqual(self.list()[self.txid]["state"], "publishing")

    def test_what_is_withdrawn_is_never_announced_again(self):
        self.publish(self.path_tx).stop()
        result = self.send("--withdraw", self.txid)
        self.assertEqual(result.stdout, f"withdrawn {self.txid}: it is not announced any more. Who has it keeps it.\n")
        self.assertEqual(self.list()[self.txid]["state"], "withdrawn")
        self.assertIn("nothing is being published", self.send("--resume", peers=[self.peer("fetch")]).stdout)
        again = self.send("--withdraw", self.txid, code=FAILED)
        self.assertIn("is not published from", again.stderr)

    def test_a_withdrawn_one_can_be_sent_again(self):
        self.publish(self.path_tx).stop()
        self.assertEqual(self.events(self.send("--withdraw", self.txid, "--json"), "withdrawn")[0]["txid"], self.txid)
        self.send(self.path_tx, peers=[self.peer("fetch", "relay") for _ in range(2)])
        self.assertEqual(self.list()[self.txid]["state"], "publishing")

    def test_a_package_is_withdrawn_together_and_all_or_nothing(self):
        parent = transaction([prevout(5)])
        child = transaction([txid_of(parent) + bytes(4)])
        self.publish(self.file("p", parent), self.file("c", child)).stop()
        self.send("--withdraw", display(txid_of(parent)), "--withdraw", "ab" * 32, code=FAILED)
        self.assertEqual({o["state"] for o in self.list().values()}, {"publishing"})
        self.send("--withdraw", display(txid_of(parent)))
        self.assertEqual({o["state"] for o in self.list().values()}, {"withdrawn"})
        self.assertIn("is not a TXID", self.send("--withdraw", "xyz", code=USAGE).stderr)

    def test_a_list_tells_what_was_published(self):
        self.assertIn("nothing was published", self.send_list_of_new_database())
        self.publish(self.path_tx).stop()
        row = self.list()[self.txid]
        self.assertEqual((row["state"], row["announced"], row["fetched"], row["height"], row["ended_at"]),
                         ("publishing", 1, 0, None, None))
        self.assertLess(abs(row["announced_at"] - time.time()), 60)
        text = self.send("--list").stdout
        self.assertRegex(text, f"^{self.txid}  publishing, last announced .* UTC\n"
                               "  announced to 1, fetched by 0, announced back by 0\n$")

    def send_list_of_new_database(self):
        self.ends(run("spv-send", *self.place(), "--connect", "127.0.0.1:1", "--timeout", "1", "--resume"), DONE)
        return self.send("--list").stdout

    def test_a_second_run_of_the_same_announces_it_once_more(self):
        peers = [self.peer("fetch", "relay") for _ in range(2)]
        self.send(self.path_tx, peers=peers)
        self.network.txs.clear()
        again = [self.peer("fetch", "relay") for _ in range(2)]
        self.send(self.path_tx, peers=again)
        self.assertGreater(sum(len(p.heard) for p in again), 0)

    def test_private_ones_are_refused_and_never_sent(self):
        peer = self.peer("fetch")
        result = self.send("--private", self.path_tx, peers=[peer], code=FAILED)
        self.assertIn("--private: this version has no private connections yet. Nothing was sent", result.stderr)
        self.assertEqual((peer.dialled, peer.heard), (0, []))
        self.assertEqual(self.stored(), {})


class Locked(Send):
    def test_a_locked_one_is_kept_until_its_height(self):
        tx = transaction([prevout(3)], sequence=0xfffffffe, lock_time=60)
        path = self.file("locked", tx)
        peer = self.peer("fetch")
        result = self.send("--timeout", "2", path, peers=[peer], code=FAILED)
        self.assertIn("is locked until height 60, and the chain has 0: nothing was announced", result.stderr)
        self.assertIn("is locked: it is announced once the chain has height 60", result.stderr)
        self.assertIn("waiting for height 60", result.stdout)
        self.assertEqual(peer.heard, [])
        server = self.server("--mine", "70")
        self.ends(run("spv-sync", "--network", "regtest", "--db", self.db, "--connect", server.address), DONE)
        self.send("--resume", peers=[self.peer("fetch", "relay") for _ in range(2)])

    def test_a_time_lock_waits_for_the_median_time(self):
        path = self.file("locked", transaction([prevout(3)], sequence=0, lock_time=1900000000))
        result = self.send("--timeout", "1", "--json", path, peers=[self.peer("fetch")], code=FAILED)
        self.assertEqual(self.events(result, "transaction")[0]["wait_time"], 1900000000)
        self.assertTrue(self.events(result, "broadcast")[-1]["waits"])
        self.assertIn("until the median time of the chain is above 2030-03-17", result.stderr)


class DryRun(Send):
    def test_it_shows_what_would_be_sent_and_touches_nothing(self):
        result = self.send("--dry-run", self.path_tx)
        txid = display(prevout(1)[:32])
        self.assertEqual(result.stdout.splitlines(), [
            f"transaction    {self.txid}",
            "size           90 bytes, 86 vbytes, weight 342",
            f"input 1        {txid}:0",
            "output 1       0.00001000 BTC  bcrt1qqurswpc8qurswpc8qurswpc8qurswpc8dxm0gk",
            "fee            unknown: not all outputs that it spends are the wallet's"])
        self.assertFalse(os.path.exists(self.db))
        self.assertEqual(result.stderr, "spv-send: a transaction does not say of which network it is: it goes to "
                                        "peers of regtest (--network).\n")

    def test_json_has_it_all(self):
        script = b"\x6a\x02\x01\x02"
        tx = transaction([prevout(1, 7)], outputs=((5, script), (21_000_000_00000000 - 5, b"\x51")),
                         script=b"", witness=False, sequence=0x400001)
        result = self.send("--dry-run", "--json", self.file("tx", tx))
        found = self.events(result, "transaction")[0]
        del found["at"]
        self.assertEqual(found, {
            "event": "transaction", "network": "regtest", "txid": display(sha256d(tx)), "wtxid": display(sha256d(tx)),
            "size": len(tx), "vsize": len(tx), "weight": 4 * len(tx), "lock_time": 0, "fee": None,
            "inputs": [{"txid": display(prevout(1)[:32]), "vout": 7, "sequence": 0x400001, "value": None}],
            "outputs": [{"value": 5, "script": script.hex(), "address": None},
                        {"value": 2099999999999995, "script": "51", "address": None}],
            "unsigned_inputs": 1, "relative_locks": 1, "wait_height": None, "wait_time": None})
        self.assertIn("looks unsigned: 1 of its 1 inputs", result.stderr)
        self.assertIn("1 of its inputs have a relative lock", result.stderr)

    def test_the_fee_of_a_package_follows_from_its_own_outputs(self):
        parent = transaction([prevout(5)], outputs=((5000, b"\x00\x14" + b"\x07" * 20),))
        child = transaction([txid_of(parent) + bytes(4)])
        result = self.send("--dry-run", "--json", self.file("p", parent), self.file("c", child))
        self.assertEqual([o["fee"] for o in self.events(result, "transaction")], [None, 4000])


class Wallet(Send):
    """The database has a wallet with one coin of 50,000 satoshis, in the block of height 3."""

    script = b"\x00\x14" + b"\x09" * 20

    def setUp(self):
        super().setUp()
        self.raw = mine_file(self.path("headers.bin"), 10)
        self.ends(run("spv-import", "--network", "regtest", "--db", self.db, self.path("headers.bin")), DONE)
        self.coin = transaction([prevout(90)], outputs=((50000, self.script),))
        self.confirmed = transaction([prevout(91)], outputs=((7, self.script),))
        add_wallet(self.db, self.script, [
            {"raw": self.coin, "height": 3, "block": self.block(3), "position": 1, "pays": [(0, 50000)]},
            {"raw": self.confirmed, "height": 4, "block": self.block(4), "position": 1, "pays": [(0, 7)]},
        ], (10, self.block(10)))

    def block(self, height):
        return sha256d(self.raw[80 * height:80 * height + 80])

    def spender(self, value, *more, **how):
        return self.file("spender", transaction([txid_of(self.coin) + bytes(4), *more],
                                                outputs=((value, b"\x00\x14" + b"\x07" * 20),), **how))

    def test_the_fee_is_known_when_all_inputs_are_ours(self):
        result = self.send("--dry-run", self.spender(49000))
        self.assertIn("  0.00050000 BTC\n", result.stdout)
        self.assertIn("fee            0.00001000 BTC, 11.6 sat/vbyte\n", result.stdout)
        found = self.events(self.send("--dry-run", "--json", self.spender(49000)), "transaction")[0]
        self.assertEqual((found["fee"], found["inputs"][0]["value"]), (1000, 50000))

    def test_with_one_foreign_input_it_is_not(self):
        result = self.send("--dry-run", "--json", self.spender(49000, prevout(1)))
        found = self.events(result, "transaction")[0]
        self.assertEqual((found["fee"], [i["value"] for i in found["inputs"]]), (None, [50000, None]))

    def test_more_than_is_spent_is_refused(self):
        result = self.send(self.spender(50001), "--connect", "127.0.0.1:1", code=FAILED)
        self.assertIn("spender: refused: pays more than it spends", result.stderr)
        self.assertEqual(self.stored(), {})

    def test_a_relative_lock_is_counted_from_the_coin(self):
        found = self.events(self.send("--dry-run", "--json", self.spender(49000, sequence=20)), "transaction")[0]
        self.assertEqual((found["wait_height"], found["relative_locks"]), (22, 0))

    def test_the_wallet_knows_what_was_sent(self):
        path = self.spender(49000)
        peers = [self.peer("fetch", "relay") for _ in range(2)]
        self.send(path, peers=peers)
        with sqlite3.connect(f"file:{self.db}?mode=ro", uri=True) as db:
            rows = db.execute("SELECT state, net, fee FROM wallet_history ORDER BY id DESC").fetchall()
        db.close()
        self.assertEqual(rows[0], ("unconfirmed", -50000, 1000))
        self.ends(run("spv-db", "verify", "--full", "--db", self.db), DONE)

    def test_it_waits_for_confirmations_where_a_watch_has_a_part(self):
        path = self.file("confirmed", self.confirmed)
        result = self.send("--confirm", "7", "--json", path, peers=[self.peer("fetch")])
        self.assertEqual(self.events(result, "sent")[0]["confirmations"], 7)
        result = self.send("--confirm", "8", "--timeout", "2", path, peers=[self.peer("fetch")], code=FAILED)
        self.assertIn("has 7 of 8 confirmations", result.stderr)
        foreign = self.send("--confirm", "1", self.path_tx, peers=[self.peer("fetch")], code=FAILED)
        self.assertIn("its confirmation cannot be seen. Nothing was sent.", foreign.stderr)
        self.assertNotIn(txid_of(self.tx).hex(), self.stored())

    def test_what_is_confirmed_already_is_done(self):
        result = self.send(self.file("confirmed", self.confirmed), peers=[self.peer("fetch")])
        self.assertIn(": confirmed\n", result.stdout)

    def test_a_conflict_with_a_confirmed_one_is_told_and_not_sent(self):
        peer = self.peer("fetch")
        path = self.file("second", transaction([prevout(91)], outputs=((6, self.script),)))
        result = self.send(path, "--timeout", "5", peers=[peer], code=FAILED)
        self.assertIn("refused: a confirmed transaction spends the same output", result.stderr)
        self.assertEqual((peer.heard, self.stored()), ([], {}))


class Refused(Send):
    def refused(self, *files, words, code=FAILED):
        result = self.send(*files, "--connect", "127.0.0.1:1", code=code)
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        self.assertIn(words, result.stderr)
        self.assertFalse(os.path.exists(self.db))

    def test_each_refusal_names_file_and_input(self):
        null = bytes(32) + b"\xff" * 4
        twice = transaction([prevout(1), prevout(1)], witness=False)
        many = transaction([prevout(1)], outputs=((21_000_000_00000001, b"\x51" * 22),))
        sum_ = transaction([prevout(1)], outputs=((21_000_000_00000000, b"\x51"), (1, b"\x51")))
        large = struct.pack("<I", 2) + b"\x01" + prevout(1) + b"\x00" + b"\xff" * 4 + b"\x01" + struct.pack("<q", 1)
        large += b"\xfe" + struct.pack("<I", 100000) + bytes(100000) + bytes(4)
        psbt = b"psbt\xff" + bytes(20)
        for name, data, words in (
                ("coinbase", transaction([null], witness=False), "input 1: spends the null outpoint"),
                ("duplicate", twice, "input 2: spends an output that an input before it spends"),
                ("value", many, "output 1: an amount that is negative or above 21 million BTC"),
                ("sum", sum_, "output 2: with those before it more than 21 million BTC"),
                ("large", large, "refused: a weight above 400,000"),
                ("small", transaction([prevout(1)], outputs=((1, b""),), witness=False, script=b""),
                 "refused: fewer than 65 bytes"),
                ("psbt", psbt, "this is a PSBT"),
                ("psbt hex", psbt.hex().encode(), "this is a PSBT"),
                ("psbt base64", b"cHNidP8BAHUCAAAAASaBcTce3/KF6Tet7qSze3gADAVmy7OtZGQXE8pCFxv2\n", "this is a PSBT"),
                ("empty", b"", "is empty"),
                ("blank", b" \n", "ends too early, after 0 bytes"),
                ("short", self.tx[:-1], "the transaction ends too early, after 89 bytes"),
                ("trailing", self.tx + b"\x00", "more bytes follow the transaction"),
                ("odd", self.tx.hex()[:-1].encode(), "an odd number of hexadecimal digits (179)"),
                ("letters", b"not a transaction", "not a hexadecimal digit"),
                ("no inputs", bytes.fromhex("02000000" "00" "01" "0100000000000000" "00" "00000000"),
                 "has no inputs"),
                ("no outputs", struct.pack("<I", 2) + b"\x01" + prevout(1) + b"\x00" + bytes(4) + b"\x00" + bytes(4),
                 "has no outputs")):
            with self.subTest(name):
                self.refused(self.file(name, data), words=words)
                self.refused(self.file(name, data), words=f"{self.path(name)}: ")

    def test_packages_are_checked_as_one(self):
        parent = transaction([prevout(5)])
        child = transaction([txid_of(parent) + bytes(4)])
        p, c = self.file("p", parent), self.file("c", child)
        twice = self.file("twice", transaction([txid_of(parent) + bytes(4), prevout(5)]))
        for files, words in (((c, p), "package: refused: transaction 1: spends a later one"),
                             ((p, self.path_tx), "package: refused: transaction 1: the last one, the child"),
                             ((p, twice), "package: refused: transaction 2, input 2: spends an output"),
                             ([self.path_tx] * 26, "refused: a package of more than 25 transactions")):
            with self.subTest(words):
                self.refused(*files, words=words)
        high = self.file("high", transaction([prevout(5)], outputs=((10 ** 9, b"\x00\x14" + b"\x07" * 20),)))
        with open(high, "rb") as f:
            spender = self.file("spender", transaction([txid_of(f.read()) + bytes(4)]))
        self.refused(high, spender, words="transaction 2: a fee rate above 0.1 BTC per 1,000 virtual bytes. "
                                          "--allow-high-fee sends it all the same.")
        self.send("--dry-run", "--allow-high-fee", high, spender)

    def test_files_that_cannot_be_read_are_named(self):
        missing = self.path("missing")
        self.refused(missing, words=f"{missing}: cannot be opened: No such file")
        self.refused(self.folder, words=f"{self.folder}: cannot be read: Is a directory")
        self.refused("-", "-", words="-: standard input has one transaction", code=USAGE)

    def test_a_stop_ends_the_wait_for_a_pipe(self):
        pipe = os.path.realpath(self.path("pipe"))
        os.mkfifo(pipe)
        process = subprocess.Popen([binary("spv-send"), *self.place(), "--connect", "127.0.0.1:1", pipe],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        wait_until(lambda: holds_open(process.pid, pipe) or process.poll() is not None, "the pipe to be opened")
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(HANG), INTERRUPTED)

    def test_options_that_do_not_fit_are_usage_errors(self):
        for args, words in ((("--list", "--resume"), "cannot be combined"),
                            (("--resume", self.path_tx), "--resume: takes no FILE"),
                            (("--list", self.path_tx), "unexpected argument"),
                            (("--follow", "--confirm", "1", self.path_tx), "cannot be combined"),
                            (("--quiet", "--verbose", self.path_tx), "cannot be combined"),
                            (("--add-peer", "a", "--connect", "b", self.path_tx), "cannot be combined"),
                            ((self.path_tx,), "this network has no DNS seeds")):
            with self.subTest(args):
                self.assertIn(words, self.send(*args, code=USAGE).stderr)
        self.file("headers.db", b"no database")
        self.send("--list", code=DATABASE)


if __name__ == "__main__":
    unittest.main()
