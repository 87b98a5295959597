"""spv-watch against a small chain of our own: amounts, fees, maturity, changes, reorganisations and resuming, in
each form of output. test_watch.py compares with a real node."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
import unittest

import watch_chain
from support import DONE, FAILED, HANG, INTERRUPTED, NO_PEER, binary, display, run, sha256d, untimed
from test_logs import KEY
from test_screen import on_terminal
from watch_chain import COIN, OTHER, chain_of, coinbase, genesis, mine, transaction
from watch_support import COINS, HISTORY, Watch, amount, replay

DESCRIPTOR = f"wpkh({KEY}/<0;1>/*)"
DUST = 546
FEE = 10000
SERVICES = replay.NETWORK | replay.WITNESS


class Small(Watch):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        derived = [json.loads(line) for line in run("spv-address", "--json", "-n", "regtest", "-r", "0-30",
                                                    DESCRIPTOR).stdout.splitlines()[1:]]
        cls.address = {(d["branch"], d["index"]): d["address"] for d in derived}
        cls.script = {(d["branch"], d["index"]): bytes.fromhex(d["script"]) for d in derived}
        cls.pay = transaction([(b"\1" * 32, 0)], [(3 * COIN // 2, cls.script[0, 1]), (DUST, cls.script[0, 2]),
                                                  (7, OTHER)])
        cls.spend = transaction([(sha256d(cls.pay), 0)], [(COIN, OTHER),
                                                          (COIN // 2 - FEE, cls.script[1, 0])])
        first = mine(genesis(), 1, script=cls.script[0, 0])
        cls.mined = sha256d(coinbase(1, cls.script[0, 0]))
        cls.blocks = mine(first, 101, {2: [cls.pay], 3: [cls.spend]})
        cls.nets = [(1, 50 * COIN), (2, 3 * COIN // 2 + DUST), (3, -COIN - FEE)]

    def serve(self, height=101, blocks=None):
        server = replay.ReplayServer(chain_of((blocks or self.blocks)[:height + 1]), services=SERVICES)
        self.addCleanup(server.close)
        return server

    def add(self, *more):
        self.ask("add", DESCRIPTOR, "-n", "regtest", "--quiet", *more)

    def scan(self, server, *args, **more):
        return self.ask("scan", "--source", "blocks", "--connect", server.address, *args, **more)

    def start(self, command, server, *args):
        return self.program("spv-watch", command, "--db", self.db, "--source", "blocks", "--connect", server.address,
                            *args)

    def scanned(self, height=101):
        self.add()
        return self.scan(self.serve(height), "--quiet")

    def wait_for_request(self, server, command):
        end = time.monotonic() + HANG
        while not any(name == command for name, _ in server.requests):
            self.assertLess(time.monotonic(), end)
            time.sleep(0.02)

    # ---- lists ----

    def test_history_has_nets_fees_and_depths(self):
        self.assertEqual(self.scanned().stdout, "")
        rows = self.objects("history")
        self.assertEqual([set(o) for o in rows], [HISTORY | {"event"}] * 3)
        self.assertEqual([(o["height"], o["net"]) for o in rows], self.nets)
        self.assertEqual([o["fee"] for o in rows], [None, None, FEE])
        self.assertEqual([o["confirmations"] for o in rows], [101, 100, 99])
        self.assertEqual([o["txid"] for o in rows], [display(h) for h in (self.mined, sha256d(self.pay),
                                                                          sha256d(self.spend))])
        self.assertEqual([o["block_hash"] for o in rows],
                         [display(sha256d(self.blocks[h][:80])) for h in (1, 2, 3)])
        self.assertEqual([o["time"] for o in rows], [watch_chain.GENESIS_TIME + 600 * h for h in (1, 2, 3)])
        self.assertEqual({(o["state"], o["progress"]) for o in rows}, {("confirmed", None)})
        csv_rows = self.rows("history")
        self.assertEqual([(int(r["height"]), amount(r["net"])) for r in csv_rows], self.nets)
        self.assertEqual([r["fee"] for r in csv_rows], ["", "", "0.00010000"])
        self.assertEqual([r["net"] for r in self.rows("history", "--sat")], [str(net) for _, net in self.nets])
        lines = self.ask("history").stdout.splitlines()
        self.assertEqual(lines[3], "        3  2011-02-02 23:46         -1.00010000  confirmed    " +
                         f"{display(sha256d(self.spend))[:8]}..{display(sha256d(self.spend))[-6:]}")
        self.assertEqual(lines[1].split()[3], "+50.00000000")
        self.assertTrue(lines[0].startswith("   height  time (UTC)") and "BTC" in lines[0], lines)
        self.assertTrue(self.ask("history", "--verbose").stdout.endswith(display(sha256d(self.spend)) + "\n"))
        for n, expected in ((0, []), (1, rows[2:]), (2, rows[1:]), (3, rows), (4, rows)):
            self.assertEqual(self.objects("history", "--last", n), expected)

    def test_coins_have_their_place_and_their_maturity(self):
        self.scanned(100)
        mined, = (o for o in self.objects("coins") if o["txid"] == display(self.mined))
        self.assertEqual((mined["value"], mined["coinbase"], mined["mature"], mined["confirmations"]),
                         (50 * COIN, True, False, 100))
        self.assertEqual([set(o) for o in self.objects("coins")], [COINS | {"event"}] * 3)
        by_value = {o["value"]: o for o in self.objects("coins")}
        self.assertEqual(set(by_value), {50 * COIN, DUST, COIN // 2 - FEE})
        for value, place in ((50 * COIN, (0, 0)), (DUST, (0, 2)), (COIN // 2 - FEE, (1, 0))):
            coin = by_value[value]
            self.assertEqual((coin["branch"], coin["index"], coin["address"], coin["script"]),
                             (*place, self.address[place], self.script[place].hex()))
            self.assertTrue(coin["descriptor"].startswith(f"wpkh({KEY}/{place[0]}/*)#"))
        self.assertTrue(by_value[DUST]["mature"] and not by_value[DUST]["coinbase"])
        self.assertEqual(self.objects("balance")[0]["immature"], 50 * COIN)
        self.scan(self.serve(101), "--quiet")
        mined, = (o for o in self.objects("coins") if o["txid"] == display(self.mined))
        self.assertEqual((mined["mature"], mined["confirmations"]), (True, 101))
        self.assertEqual(self.objects("balance"), [
            {"event": "balance", "confirmed": 50 * COIN + DUST + COIN // 2 - FEE, "trusted_pending": 0,
             "untrusted_pending": 0, "immature": 0, "height": 101}])
        self.assertEqual(sorted(amount(r["value"]) for r in self.rows("coins")), sorted(by_value))
        for line in self.ask("coins").stdout.splitlines():
            self.assertLessEqual(len(line), 80)
        self.assertIn(self.address[0, 0], self.ask("coins", "--verbose").stdout)
        for least, n in (("0", 3), ("0.00000546", 3), ("0.00000547", 2), ("50", 1), ("50.00000001", 0)):
            self.assertEqual(len(self.objects("coins", "--min", least)), n, least)
        for least, n in (("546", 3), ("547", 2)):
            self.assertEqual(len(self.objects("coins", "--sat", "--min", least)), n, least)

    def test_one_watch_alone(self):
        self.add()
        self.ask("add", self.address[1, 0], "-n", "regtest")
        self.scan(self.serve(), "--quiet")
        self.assertEqual([o["net"] for o in self.objects("history", "--watch", 2)], [COIN // 2 - FEE])
        self.assertEqual(self.objects("balance", "--watch", 2)[0]["confirmed"], COIN // 2 - FEE)
        self.assertEqual([o["net"] for o in self.objects("history", "--watch", 1)], [net for _, net in self.nets])
        self.assertEqual(len(self.objects("coins")), 3)  # a coin of two watches is one
        self.ask("remove", 1)
        self.assertEqual([o["net"] for o in self.objects("history")], [COIN // 2 - FEE])

    def test_a_closed_reader_or_a_slow_one_is_no_error(self):
        self.scanned()
        for command in ("history", "coins", "list", "balance"):
            for form in ((), ("--json",), ("--csv",)):
                process = subprocess.Popen([binary("spv-watch"), command, "--db", self.db, *form],
                                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                process.stdout.close()
                errors = process.stderr.read()
                process.stderr.close()
                self.assertEqual((process.wait(HANG), errors), (DONE, ""))
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([binary("spv-watch"), "history", "--db", self.db, "--csv"], stdout=full,
                                  stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(done.returncode, FAILED)
        self.assertIn("standard output: cannot be written: No space left on device", done.stderr)

    # ---- scan ----

    def test_a_scan_says_what_it_did_and_the_first_one_what_peers_learn(self):
        self.add()
        server = self.serve()
        first = self.scan(server).stdout.splitlines()
        for source in ("filters", "bloom", "blocks"):
            at, = (i for i, line in enumerate(first) if line.startswith(source + " "))
            self.assertTrue(first[at + 1].startswith("         "), first)
        self.assertRegex(first[-1], r"^regtest scanned up to height 101 by blocks, 10[1-9] blocks fetched in ")
        again = self.scan(server).stdout.splitlines()
        self.assertFalse([line for line in again if line.startswith("bloom")])
        self.assertRegex(again[-1], "^regtest scanned up to height 101 by blocks, 0 blocks fetched in ")
        last = untimed(self.scan(server, "--json").stdout.splitlines()[-1])
        self.assertEqual((last["event"], last["height"], last["hash"], last["left"], last["percent"], last["source"]),
                         ("scanned", 101, display(sha256d(self.blocks[101][:80])), 0, 100.0, "blocks"))

    def test_a_scan_resumes_where_it_was_stopped_or_killed(self):
        self.add()
        shutil.copy(self.db, self.path("added.db"))
        for number, code in ((signal.SIGINT, INTERRUPTED), (signal.SIGTERM, INTERRUPTED),
                             (signal.SIGKILL, -signal.SIGKILL)):
            shutil.copy(self.path("added.db"), self.db)
            server = self.serve()
            proxy = self.proxy(server.port, limit=81 * 102 + 60 * 260)
            scan = self.start("scan", proxy)
            self.assertTrue(proxy.reached.wait(HANG))
            time.sleep(0.2)
            scan.signal(number)
            self.assertEqual(scan.end(), code, scan.errors)
            if code == INTERRUPTED:
                self.assertRegex(scan.errors, "interrupted: what was found up to height [1-9][0-9]* is kept. Run the "
                                              "same command again to resume.")
            self.ends(run("spv-db", "verify", "--db", self.db), DONE)
            before = self.objects("balance")[0]["height"]
            self.assertGreater(before, 3)
            said = untimed(self.scan(server, "--json").stdout.splitlines()[-1])
            self.assertLess(said["blocks_fetched"], 101 - 3)
            self.assertEqual([(o["height"], o["net"]) for o in self.objects("history")], self.nets)
            for name in os.listdir(self.folder):
                if name.startswith("headers.db"):
                    os.remove(self.path(name))

    def test_a_terminal_shows_a_live_line_of_its_width(self):
        for columns in (80, 40):
            self.db = self.path(f"{columns}.db")
            self.add()
            server = self.serve()
            server.mute.add("getdata")
            command = [binary("spv-watch"), "scan", "--db", self.db, "--source", "blocks", "--timeout", "30",
                       "--connect", server.address]
            seen, code = on_terminal(command, rb"scanned 0 of 101 \(0.0%\)",
                                     lambda p: p.send_signal(signal.SIGINT), columns=columns)
            self.assertEqual(code, INTERRUPTED, seen)
            lines = re.findall(rb"\r(scanned [^\r\033]*)", seen)
            self.assertTrue(all(len(line) < columns for line in lines), lines)
            if columns == 80:
                self.assertRegex(lines[-1], rb"^scanned 0 of 101 \(0.0%\)  0.0 blocks/s  0 blocks fetched  1 peer$")

    def test_a_source_that_no_peer_serves_ends_the_scan(self):
        self.add()
        server = self.serve()
        for source, words in (("bloom", "bloom filters (BIP37)"), ("filters", "compact filters (BIP157)"),
                              ("auto", "compact filters (two peers")):
            result = self.ask("scan", "--source", source, "--connect", server.address, "--timeout", 20, code=NO_PEER)
            self.assertIn(f"--source {source}: nothing was scanned: no peer serves {words}", result.stderr)
            self.assertEqual(result.stderr.count("\n"), 1)
        self.assertEqual(self.objects("balance")[0]["height"], None)
        follow = self.program("spv-watch", "follow", "--db", self.db, "--source", "bloom", "--connect", server.address,
                              "--json")
        while "Waiting for one." not in follow.event("warning")["text"]:
            pass
        follow.signal(signal.SIGINT)
        self.assertEqual(follow.end(), INTERRUPTED)

    def test_a_balance_says_how_far_it_is_behind(self):
        self.scanned(90)
        self.assertTrue(self.ask("balance").stdout.endswith("as of height 90\n"))
        self.ends(self.sync("--connect", self.serve().address), DONE)
        self.assertTrue(self.ask("balance").stdout.endswith(
            "as of height 90; 11 more blocks are to be scanned: run spv-watch scan\n"))

    # ---- follow ----

    def test_follow_prints_a_line_for_each_change(self):
        self.add()
        blocks = mine(self.blocks, 103, script=self.script[0, 3])
        server = self.serve(101)
        follow = self.start("follow", server, "--json")
        follow.event("scanned")
        server.announce(chain_of(blocks))
        while follow.event("scanned")["height"] < 103:
            pass
        changes = [o for o in map(untimed, follow.lines) if o["event"] == "transaction"]
        self.assertEqual([set(o) for o in changes], [HISTORY | {"event", "revision"}] * 5)
        self.assertEqual([(o["height"], o["net"]) for o in changes], [*self.nets, (102, 50 * COIN), (103, 50 * COIN)])
        revisions = [o["revision"] for o in changes]
        self.assertEqual(revisions, sorted(set(revisions)))
        follow.signal(signal.SIGTERM)
        self.assertEqual(follow.end(), DONE, follow.errors)
        self.assertEqual(json.loads(follow.lines[-1])["event"], "stopped")

    def test_follow_in_a_pipe_prints_what_is_new_as_text(self):
        self.scanned()
        blocks = mine(self.blocks, 102, script=self.script[0, 3])
        server = self.serve(101)
        follow = self.start("follow", server)
        self.wait_for_request(server, "getheaders")
        time.sleep(0.5)
        server.announce(chain_of(blocks))
        line = follow.wait_for(lambda text: "confirmed" in text)
        self.assertRegex(line, r"^ +102  2011-02-03 16:16 +\+50\.00000000  confirmed    [0-9a-f]{8}\.\.[0-9a-f]{6}$")
        follow.signal(signal.SIGINT)
        self.assertEqual(follow.end(), INTERRUPTED)
        self.assertIn("interrupted: what was found up to height 102 is kept.", follow.errors)

    def test_follow_shows_a_coinbase_whose_block_left(self):
        self.add()
        stale = mine(self.blocks, 102, script=self.script[0, 3])
        best = mine(self.blocks, 104, tag=b"other")
        server = self.serve(102, stale)
        follow = self.start("follow", server, "--json")
        follow.event("scanned")
        server.announce(chain_of(best))
        while follow.event("scanned")["height"] < 104:
            pass
        last = [o for o in map(untimed, follow.lines) if o["event"] == "transaction"][-1]
        self.assertEqual((last["state"], last["net"], last["height"], last["confirmations"]),
                         ("orphaned", 50 * COIN, None, 0))
        self.assertEqual(last["block_hash"], display(sha256d(stale[102][:80])))
        follow.signal(signal.SIGTERM)
        self.assertEqual(follow.end(), DONE, follow.errors)
        del last["revision"]
        self.assertEqual(self.objects("history")[-1], last)
        self.assertEqual(len(self.objects("history")), 4)
        self.assertEqual(len(self.objects("coins")), 3)
        self.assertEqual(self.objects("balance")[0]["immature"], 0)

    def test_while_one_follows_others_read_and_writers_are_told(self):
        self.add()
        server = self.serve()
        follow = self.start("follow", server, "--json")
        follow.event("scanned")
        self.assertEqual([(o["height"], o["net"]) for o in self.objects("history")], self.nets)
        for command in ("list", "balance", "coins"):
            self.ask(command)
        for command in (["add", DESCRIPTOR], ["remove", 1], ["address", 1], ["scan", "-c", server.address]):
            self.refused(*command, words=["another program (process ", "stop it", "list, balance, history and coins"],
                         code=FAILED)
        follow.signal(signal.SIGTERM)
        self.assertEqual(follow.end(), DONE)
        self.assertEqual(self.ask("address").stdout, self.address[0, 3] + "\n")

    def test_follow_ends_when_its_reader_is_gone(self):
        self.add()
        process = subprocess.Popen([binary("spv-watch"), "follow", "--db", self.db, "--source", "blocks", "--connect",
                                    self.serve().address], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            while "confirmed" not in process.stdout.readline():
                pass
            process.stdout.close()
            self.assertEqual(process.wait(HANG), DONE, process.stderr.read())
        finally:
            process.kill()
            process.wait()
            process.stderr.close()


if __name__ == "__main__":
    unittest.main()
