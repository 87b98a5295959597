"""spv-watch as a user drives it: what a real node's wallet has of its chain must come out as text, CSV and JSON,
from each source, however the scan was interrupted."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import time
import unittest

from support import DONE, HANG, INTERRUPTED, NO_PEER, binary, run
from test_screen import on_terminal
from watch_support import COINS, CONFIRMED, HISTORY, IMMATURE, Truth, amount, replay


class Scans(Truth):
    def test_each_source_finds_what_the_node_has(self):
        for source in ("auto", "filters", "blocks"):
            with self.subTest(source):
                self.db = self.path(source + ".db")
                self.add()
                said = self.scan(self.replay(), "--source", source)
                self.assertRegex(said.stdout, "regtest scanned up to height 264 by "
                                 f"{'blocks' if source == 'blocks' else 'filters'}, [1-9][0-9]* blocks fetched in ")
                self.is_true()

    def test_text_and_csv_say_the_same(self):
        self.has_scanned()
        rows = self.rows("history")
        self.assertEqual(sorted((int(r["height"]), r["txid"], r["block_hash"], amount(r["net"]),
                                 int(r["confirmations"])) for r in rows), self.history)
        self.assertEqual(set(rows[0]), HISTORY)
        satoshis = self.rows("history", "--sat")
        self.assertEqual([int(r["net"]) for r in satoshis], [amount(r["net"]) for r in rows])
        fees = [o["fee"] for o in self.objects("history")]
        self.assertEqual([None if r["fee"] == "" else amount(r["fee"]) for r in rows], fees)
        self.assertEqual([None if r["fee"] == "" else int(r["fee"]) for r in satoshis], fees)
        self.assertTrue(any(fees))
        coins = self.rows("coins")
        self.assertEqual(sorted((r["txid"], int(r["vout"]), amount(r["value"]), r["address"],
                                 int(r["confirmations"])) for r in coins), self.coins)
        self.assertEqual(set(coins[0]), COINS)
        self.assertEqual([r["descriptor"] for r in coins], [o["descriptor"] for o in self.objects("coins")])
        self.assertEqual({r["mature"] for r in coins}, {"true", "false"})
        self.assertEqual(self.rows("balance"), [{"confirmed": "105.42854808", "trusted_pending": "0.00000000",
                                                 "untrusted_pending": "0.00000000", "immature": "50.00000000",
                                                 "height": "264"}])
        lines = self.ask("history").stdout.splitlines()
        self.assertEqual([(int(line.split()[0]), amount(line.split()[3])) for line in lines[1:]],
                         [(o["height"], o["net"]) for o in self.objects("history")])
        self.assertEqual(sum(amount(line.split()[0]) for line in self.ask("coins").stdout.splitlines()[1:]),
                         CONFIRMED + IMMATURE)
        self.assertEqual(self.ask("balance").stdout,
                         "confirmed                105.42854808 BTC\ntrusted pending            0.00000000 BTC\n"
                         "untrusted pending          0.00000000 BTC\nimmature                  50.00000000 BTC\n"
                         "as of height 264\n")
        self.assertIn(f"{CONFIRMED} sat\n", self.ask("balance", "--sat").stdout)
        for command in ("history", "coins", "list", "balance"):
            for line in self.ask(command).stdout.splitlines():
                self.assertLessEqual(len(line), 80, line)
        self.assertIn(self.history[0][1], self.ask("history", "--verbose").stdout)
        self.assertIn(self.coins[0][3], self.ask("coins", "--verbose").stdout)

    def test_a_coin_has_the_descriptor_and_the_index_of_its_address(self):
        self.has_scanned()
        single = {text for pair in self.wallet["descriptors"].values() for text in pair}
        addresses = {}
        for coin in self.objects("coins"):
            self.assertIn(coin["descriptor"], single)
            addresses.setdefault(coin["descriptor"], []).append((coin["index"], coin["address"], coin["script"]))
            self.assertIn(f"/{coin['branch']}/*", coin["descriptor"])
        for descriptor, found in addresses.items():
            top = max(index for index, _, _ in found)
            derived = [json.loads(line) for line in run(
                "spv-address", "--json", "-n", "regtest", "-r", f"0-{top}", descriptor).stdout.splitlines()[1:]]
            for index, address, script in found:
                self.assertEqual((derived[index]["address"], derived[index]["script"]), (address, script))

    def test_filters_of_coins_and_history(self):
        self.has_scanned()
        big = [c for c in self.coins if c[2] >= 100000000]
        self.assertTrue(0 < len(big) < len(self.coins))
        for least in (("1",), ("1.0",), ("0.99999999",), ("100000000", "--sat")):
            self.assertEqual(len(self.objects("coins", "--min", *least)), len(big))
        exact = self.objects("coins")[0]["value"]
        self.assertEqual(len([c for c in self.coins if c[2] >= exact]),
                         len(self.objects("coins", "--sat", "--min", exact)))
        everything = self.objects("history")
        self.assertEqual(self.objects("history", "--last", 5), everything[-5:])
        self.assertEqual(self.objects("history", "--last", 37), everything)
        self.assertEqual(self.objects("history", "--last", 99), everything)
        self.assertEqual(self.objects("history", "--last", 0), [])
        nets, confirmed = {}, 0
        for watch in range(1, 7):
            for o in self.objects("history", "--watch", watch):
                nets[o["txid"]] = nets.get(o["txid"], 0) + o["net"]
            confirmed += self.objects("balance", "--watch", watch)[0]["confirmed"]
        self.assertEqual(nets, {o["txid"]: o["net"] for o in everything})
        self.assertEqual(confirmed, CONFIRMED)
        self.assertEqual(self.objects("history", "--watch", 9), [])

    def test_late_descriptors_and_restarts_change_nothing(self):
        self.add(self.descriptors[3:])
        self.scan(self.replay(self.chain.first(150)), "--source", "filters", "--quiet")
        self.assertIn("as of height 149\n", self.ask("balance").stdout)
        self.add(self.descriptors[:2])
        self.scan(self.replay(self.chain.first(231)), "--source", "blocks", "--quiet")
        self.ends(self.sync("--connect", self.replay().address), DONE)
        self.assertIn("as of height 230; 34 more blocks are to be scanned", self.ask("balance").stdout)
        self.scan(self.replay(), "--quiet")
        self.add()
        self.scan(self.replay(), "--source", "filters", "--quiet")
        self.is_true()
        again = self.scan(self.replay(), "--json")
        self.assertEqual(json.loads(again.stdout.splitlines()[-1])["blocks_fetched"], 0)
        self.is_true()

    def test_an_address_after_the_scan_is_above_those_that_were_used(self):
        self.has_scanned()
        used = {o["watch"]: [b["used"] for b in o["branch_list"]] for o in self.objects("list")}
        one, = self.objects("address", 3)
        self.assertEqual(one["index"], used[3][0])
        self.assertNotIn(one["address"], {c["address"] for c in self.wallet["unspent"]})
        self.is_true()

    def test_killed_in_a_scan_it_goes_on(self):
        self.add()
        whole = self.replay()
        headers = 81 * len(self.chain)
        size = sum(map(len, self.chain.blocks))
        for source, limits in (("filters", (headers + 20000, headers + 30000)),
                               ("blocks", (headers + size // 3, headers + size * 2 // 3))):
            for limit in limits:
                with self.subTest(source=source, limit=limit):
                    for name in os.listdir(self.folder):
                        os.remove(self.path(name))
                    self.add()
                    proxy = self.proxy(whole.port, limit=limit)
                    scan = self.start("scan", proxy, "--source", source, "--json")
                    self.assertTrue(proxy.reached.wait(HANG))
                    time.sleep(0.3)
                    scan.signal(signal.SIGKILL)
                    self.assertEqual(scan.end(), -signal.SIGKILL)
                    self.ends(run("spv-db", "verify", "--db", self.db), DONE)
                    self.scan(whole, "--source", source, "--quiet")
                    self.is_true()

    def test_interrupted_in_a_scan_it_says_how_to_resume(self):
        self.add()
        server = self.replay()
        server.mute.add("getdata")
        for number in (signal.SIGINT, signal.SIGTERM):
            scan = self.start("scan", server)
            self.wait_for_request(server, "getdata")
            scan.signal(number)
            self.assertEqual(scan.end(), INTERRUPTED, scan.errors)
            self.assertIn("interrupted: ", scan.errors)
            self.assertIn("Run the same command again to resume.", scan.errors)
            server.requests.clear()
        scan = self.start("scan", server, "--json")
        self.wait_for_request(server, "getdata")
        scan.signal(signal.SIGINT)
        self.assertEqual(scan.end(), INTERRUPTED)
        self.assertEqual(json.loads(scan.lines[-1])["event"], "interrupted")
        server.mute.clear()
        self.scan(server, "--quiet")
        self.is_true()

    def test_a_terminal_shows_a_live_line_of_its_width(self):
        server = self.replay()
        for columns, source, figures in ((80, "filters", rb"scanned \d+ of 264 \(\d+\.\d%\)  [\d.,]+ filters/s"),
                                         (80, "blocks", rb"scanned \d+ of 264 \(\d+\.\d%\)  [\d.,]+ blocks/s"),
                                         (40, "filters", rb"scanned \d+ of 264 \(\d+\.\d%\)")):
            with self.subTest(columns=columns, source=source):
                self.db = self.path(f"{columns}{source}.db")
                self.add()
                server.mute.add("getdata")
                command = [binary("spv-watch"), "scan", "--db", self.db, "--source", source, "--connect",
                           server.address]
                seen, code = on_terminal(command, figures, lambda p: p.send_signal(signal.SIGINT), columns=columns)
                self.assertEqual(code, INTERRUPTED, seen)
                lines = re.findall(rb"\r(scanned [^\r\033]*)", seen)
                self.assertTrue(lines, seen)
                self.assertTrue(all(len(line) < columns for line in lines), lines)
                if columns == 80:
                    self.assertIn(b"0 blocks fetched", lines[-1])
                    self.assertIn(b"1 peer", lines[-1])
                server.mute.clear()
                seen, code = on_terminal(command, columns=columns)
                self.assertEqual(code, DONE, seen)
                self.assertIn(b"regtest scanned up to height 264", seen)
                self.assertTrue(seen.endswith(b"\r\n"))
        seen, code = on_terminal([binary("spv-watch"), "history", "--db", self.db], columns=80)
        self.assertEqual((code, seen.count(b"\r\n")), (DONE, 38))

    def test_the_first_use_explains_what_peers_learn(self):
        self.add()
        server = self.replay()
        first = self.scan(server).stdout.splitlines()
        for source in ("filters", "bloom", "blocks"):
            at, = (i for i, line in enumerate(first) if line.startswith(source + " "))
            self.assertTrue(first[at + 1].startswith("         "), first)
        self.assertTrue(all(len(line) <= 80 for line in first if "warning" not in line), first)
        self.assertFalse([line for line in self.scan(server).stdout.splitlines() if line.startswith("bloom")])
        for args in (["--quiet"], ["--json"]):
            self.db = self.path(args[0] + ".db")
            self.add(self.descriptors[:1])
            self.assertNotIn("bloom ", self.scan(server, *args).stdout)

    def test_what_a_peer_does_not_serve_is_named(self):
        self.add()
        server = self.replay()
        self.refused_by(server, "--source", "bloom", words=["--source bloom", "bloom filters (BIP37)",
                                                            "--source filters"])
        server.services = replay.NETWORK | replay.WITNESS
        self.refused_by(server, "--source", "filters", words=["compact filters (BIP157)", "--source blocks"])
        self.refused_by(server, words=["--source auto", "compact filters"])
        self.assertEqual(self.objects("history"), [])
        self.assertIn("nothing was scanned yet", self.ask("balance").stdout)
        server.services = replay.COMPACT_FILTERS
        result = self.ask("scan", "--connect", f"127.0.0.1:{self.closed_port()}", "--timeout", 1, code=NO_PEER)
        self.assertIn("no usable peer", result.stderr)

    def refused_by(self, server, *args, words):
        result = self.ask("scan", "--connect", server.address, *args, code=NO_PEER)
        for word in ("nothing was scanned", *words):
            self.assertIn(word, result.stderr)
        said = self.ask("scan", "--connect", server.address, "--json", *args, code=NO_PEER)
        self.assertEqual(json.loads(said.stdout.splitlines()[-1])["event"], "error")

    def test_a_list_ends_when_its_reader_is_gone(self):
        self.has_scanned()
        for form in ((), ("--json",), ("--csv",)):
            process = subprocess.Popen([binary("spv-watch"), "history", "--db", self.db, *form],
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            process.stdout.close()
            errors = process.stderr.read()
            process.stderr.close()
            self.assertEqual((process.wait(HANG), errors), (DONE, ""))

    def test_published_transactions_show_their_progress(self):
        self.has_scanned()
        txid = self.history[0][1]
        with sqlite3.connect(self.db) as db:
            for at, (facts, expected) in enumerate(((0, "waiting"), (1, "announced"), (3, "fetched"), (7, "returned"))):
                groups = (1).to_bytes(8, "little") + bytes([facts]) if facts else b""
                db.execute("INSERT INTO broadcast VALUES (?, ?, 0, ?, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, ?, x'00')",
                           (at + 1, at + 1, bytes.fromhex(self.history[at][1])[::-1], groups))
        db.close()
        by_txid = {o["txid"]: o["progress"] for o in self.objects("history")}
        self.assertEqual([by_txid[self.history[at][1]] for at in range(5)],
                         ["waiting", "announced", "fetched", "returned", None])
        self.assertEqual({r["txid"]: r["progress"] for r in self.rows("history")}[txid], "waiting")


if __name__ == "__main__":
    unittest.main()
