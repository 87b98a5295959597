"""spv-watch without peers: what is watched, addresses, and every error before anything is stored."""

import json
import os
import re
import unittest

from support import DATABASE, FAILED, NO_PEER, USAGE, run
from watch_support import BIP39, KEY, P2WPKH, PRIVATE, WIF, Watch


TAG = "mine, not yours"


class Offline(Watch):
    """What needs no peer."""

    def watched(self):
        self.ask("add", f"wpkh({KEY}/<0;1>/*)", "-n", "mainnet")

    def test_a_wrong_descriptor_says_what_where_and_why_and_leaves_nothing(self):
        for text, words, secret in (
                (PRIVATE, ["extended private key", "at character 1"], PRIVATE),
                (f"wpkh({PRIVATE}/0/*)", ["extended private key", "at character 6"], PRIVATE),
                (WIF, ["private key (WIF)"], WIF),
                (f"pkh({WIF})", ["private key (WIF)"], WIF),
                (BIP39, ["seed words"], "abandon"),
                (f"wpkh({KEY}/0/*)x", ["text after the end", f"at character {len(KEY) + 11}"], KEY),
                (f"wpkh({KEY}/0/*)#aaaaaaaa", ["wrong checksum: #aaaaaaaa is given"], KEY),
                (f"wpkh({KEY[:-1]}9/0/*)", ["checksum", "key 1"], KEY[:-1]),
                (f"wpkh({KEY}/0h/*)", ["hardened"], KEY),
                (f"wsh(and_v(v:pk({KEY}),older(10)))", ["miniscript"], KEY),
                (KEY, ["alone has no addresses", "wpkh(KEY/<0;1>/*)"], KEY),
                (P2WPKH[:-1] + "5", ["checksum"], P2WPKH[:-1]),
                ("ab" * 32, ["64 hexadecimal digits"], "abab"),
                ("abc", ["script"], None),
                ("", ["is empty"], None)):
            with self.subTest(text):
                self.refused("add", text, words=["add: argument 1: ", "Nothing was stored.", *words], code=USAGE,
                             secret=secret)
                self.refused("add", P2WPKH, text, words=["add: argument 2: ", *words], code=USAGE)
                self.assertEqual(os.listdir(self.folder), [])

    def test_a_key_or_an_address_of_another_network_is_refused(self):
        for text in (f"wpkh({KEY}/0/*)", P2WPKH):
            self.refused("add", text, "-n", "regtest", words=["mainnet", "regtest"], code=USAGE, secret=text)
        self.assertEqual(os.listdir(self.folder), [])
        self.watched()  # the network of the file is that of --db without --network
        self.refused("add", "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", words=["regtest"], code=USAGE)
        self.refused("list", "-n", "signet", words=["headers of mainnet, not of signet"], code=DATABASE)
        self.refused("add", P2WPKH.replace("bc1", "tb1"), "-n", "signet", words=["checksum"], code=USAGE)

    def test_without_a_database_or_a_wallet_the_way_to_one_is_named(self):
        for command in ("list", "balance", "history", "coins", "scan", "address"):
            more = ("-n", "mainnet") if command == "scan" else ()
            self.refused(command, *more, words=[self.db, "there is no database", "spv-watch add"], code=FAILED)
        self.refused("remove", 1, words=["there is no database"], code=FAILED)
        self.assertEqual(os.listdir(self.folder), [])
        self.ends(self.sync("--connect", f"127.0.0.1:{self.closed_port()}", "--timeout", 1), NO_PEER)
        for command in ("list", "balance", "history", "coins", "address"):
            self.refused(command, words=[self.db, "nothing is watched yet", "spv-watch add"], code=FAILED)
        self.refused("scan", "-c", "127.0.0.1:1", words=["nothing is watched yet"], code=FAILED)

    def test_options_that_would_do_nothing_are_mistakes(self):
        for args, words in ((["add"], "is missing"), (["remove"], "is missing"), (["remove", "x"], "number of a watch"),
                            (["remove", "0"], "number of a watch"), (["address", "1", "2"], "one watch"),
                            (["list", "secret"], "list: takes no argument"), (["scan", "x"], "takes no argument"),
                            (["secret"], "not a command"), ([], "a command is missing"),
                            (["add", "x", "--csv"], "--csv: only for"), (["list", "--csv", "--json"], "combined"),
                            (["list", "--min", "1"], "--min: only"), (["list", "--last", "1"], "--last: only"),
                            (["coins", "--watch", "1"], "--watch: only"), (["list", "--branch", "1"], "--branch: only"),
                            (["history", "--last", "1", "--watch", "1"], "combined"),
                            (["list", "--tag", "1"], "--tag: only"), (["add", P2WPKH, "--tag", "x" * 256], "--tag:"),
                            (["scan", "--source", "x"], "--source: 'x' is not a source; use auto, filters, bloom"),
                            (["scan", "--quiet", "--verbose", "-n", "mainnet"], "cannot be combined"),
                            (["scan", "-c", "a", "--add-peer", "b"], "cannot be combined"),
                            (["scan", "-n", "regtest"], "no DNS seeds: name a peer"),
                            (["add", P2WPKH, "--birthday", "2023-02-30"], "not a date"),
                            (["add", P2WPKH, "--birthday", "2999-01-01"], "in the future"),
                            (["add", P2WPKH, "--gap", "0"], "not a number from 1"),
                            (["coins", "--min", "0.123456789"], "--min: '0.123456789' is not an amount in BTC"),
                            (["coins", "--min", "1.5", "--sat"], "is not an amount in satoshis"),
                            (["coins", "--min", "1."], "is not an amount"), (["coins", "--min", "-1"], "is not an"),
                            (["coins", "--min", "99999999999999999"], "is not an amount")):
            with self.subTest(args):
                result = run("spv-watch", *args, "--db", self.db)
                self.ends(result, USAGE)
                self.assertIn(words, result.stderr)
                self.assertNotIn("secret", result.stderr)
        self.assertEqual(os.listdir(self.folder), [])

    def test_add_stores_what_list_shows(self):
        text = f"wpkh({KEY}/<0;1>/*)"
        said = self.ask("add", text, P2WPKH, "6a0548656c6c6f", "--birthday", "2023-01-01", "--gap", 5, "--tag", TAG,
                        "-n", "mainnet")
        self.assertEqual(said.stdout, "watch 1 added: 2 branches, to be scanned from 2023-01-01 on\n"
                         "watch 2 added: 1 branch, to be scanned from 2023-01-01 on\n"
                         "watch 3 added: 1 branch, to be scanned from 2023-01-01 on\n")
        self.assertEqual(os.stat(self.db).st_mode & 0o777, 0o600)
        one, two, three = self.objects("list")
        self.assertTrue(one.pop("descriptor").startswith(text + "#"))
        self.assertEqual(one, {"event": "watch", "watch": 1, "kind": "descriptor", "script": None, "txid": None,
                               "vout": None, "gap": 5, "birthday": 1672531200, "tag": TAG, "branch_list": [
                                   {"branch": 0, "used": 0, "window": 5, "searched": 0},
                                   {"branch": 1, "used": 0, "window": 5, "searched": 0}]})
        self.assertEqual(two["descriptor"], f"addr({P2WPKH})#uyjndxcw")
        self.assertTrue(three["descriptor"].startswith("raw(6a0548656c6c6f)#"))
        self.assertEqual([(row["watch"], row["birthday"], row["used"], row["tag"]) for row in self.rows("list")],
                         [("1", "1672531200", "0+0", TAG), ("2", "1672531200", "0", TAG),
                          ("3", "1672531200", "0", TAG)])
        table = self.ask("list").stdout.splitlines()
        self.assertTrue(all(len(line) <= 80 for line in table), table)
        self.assertRegex(table[1], r"^ +1  2023-01-01 +5  0\+0 +wpkh\(xpub")
        self.assertEqual(table[2], f"       tag: {TAG}")
        self.assertIn(f"       {text}#", self.ask("list", "--verbose").stdout)

    def test_an_equal_watch_keeps_its_number(self):
        self.watched()
        said = self.ask("add", f"wpkh({KEY}/<0;1>/*)", P2WPKH, "--json")
        self.assertEqual([(o["event"], o["watch"], o["new"]) for o in map(json.loads, said.stdout.splitlines())],
                         [("added", 1, False), ("added", 2, True)])
        self.assertEqual(self.ask("add", P2WPKH).stdout, "watch 2 was there already\n")
        self.assertEqual(self.ask("add", P2WPKH, "--quiet").stdout, "")

    def test_remove_ends_watches_all_or_none(self):
        self.watched()
        self.ask("add", P2WPKH)
        self.refused("remove", 1, 9, words=["there is no watch 9", "spv-watch list"], code=FAILED)
        self.assertEqual([o["watch"] for o in self.objects("list")], [1, 2])
        self.assertEqual(self.ask("remove", 1).stdout, "watch 1 removed, with what only it had\n")
        self.assertEqual([o["watch"] for o in self.objects("list")], [2])
        self.assertEqual(self.objects("remove", 2), [{"event": "removed", "watch": 2}])
        self.assertEqual(self.objects("list"), [])
        self.refused("scan", "-c", "127.0.0.1:1", words=["nothing is watched yet"], code=FAILED)

    def test_each_address_is_reserved_before_it_is_shown(self):
        self.watched()
        *_, = derived = [json.loads(line) for line in run(
            "spv-address", "--json", "-r", "0-3", f"wpkh({KEY}/<0;1>/*)").stdout.splitlines()[1:]]
        receiving, change = derived[:4], derived[4:]
        self.assertEqual(self.ask("address").stdout, receiving[0]["address"] + "\n")
        two, = self.objects("address", 1)
        self.assertEqual({key: two[key] for key in ("address", "script", "watch", "branch", "index")},
                         {"address": receiving[1]["address"], "script": receiving[1]["script"], "watch": 1,
                          "branch": 0, "index": 1})
        self.assertTrue(two["descriptor"].startswith(f"wpkh({KEY}/0/*)#"))
        self.assertEqual(self.ask("address", "--branch", 1).stdout, change[0]["address"] + "\n")
        self.assertEqual(self.ask("address").stdout, receiving[2]["address"] + "\n")
        branches = self.objects("list")[0]["branch_list"]
        self.assertEqual([(b["used"], b["window"]) for b in branches], [(3, 23), (1, 21)])

    def test_no_address_is_reserved_where_there_is_none(self):
        self.ask("add", P2WPKH, "-n", "mainnet")
        self.refused("address", words=["no watch with a range"], code=FAILED)
        self.refused("address", 1, words=["no watch with a range"], code=FAILED)
        self.ask("add", f"pk({KEY}/0/*)", f"combo({KEY}/1/*)")
        self.refused("address", words=["2 watches with a range: name one"], code=USAGE)
        self.refused("address", 2, words=["watch 2 have no addresses", "Nothing was reserved"], code=FAILED)
        self.refused("address", 3, "--branch", 1, words=["--branch: watch 3 has 1 branch"], code=USAGE)
        self.refused("address", 9, words=["there is no watch 9"], code=FAILED)
        self.assertEqual([b["used"] for o in self.objects("list") for b in o["branch_list"]], [0, 0, 0])
        self.assertRegex(self.ask("address", 3).stdout, "^1")  # P2PKH, the first kind of combo() that has one

    def test_labels_go_in_and_out_as_they_are(self):
        known = [{"type": "tx", "ref": "ab" * 32, "label": "rent, \u201cJune\u201d", "origin": "wpkh([d34db33f/84h/0h/0h])"},
                 {"type": "addr", "ref": P2WPKH, "label": "shop"},
                 {"type": "output", "ref": "ab" * 32 + ":1", "label": "dust\u001b[2J", "spendable": False}]
        unknown = ['{"type":"tx","ref":"cd","label":"x","time":"2024-01-01"}', '{"type":"star","ref":"1"}',
                   '{"type":"tx","label":"without ref"}']
        file = self.path("labels.jsonl")
        with open(file, "w", encoding="utf-8") as f:
            f.write("\n".join([*map(json.dumps, known), "", *unknown]))
        self.watched()
        self.assertEqual(self.ask("labels", "--import", file).stdout,
                         "3 labels imported; 3 lines of an unknown kind kept\n")
        self.assertEqual(self.objects("labels", "--import", file), [{"event": "imported", "labels": 3, "lines": 3}])
        out = self.ask("labels", "--export").stdout
        lines = out.splitlines()
        self.assertNotIn("\x1b", out)
        self.assertEqual(sorted(lines[3:]), sorted(unknown))
        self.assertEqual(sorted(map(json.loads, lines[:3]), key=str), sorted(known, key=str))
        with open(file, "w", encoding="utf-8") as f:
            f.write(json.dumps({**known[1], "label": "new"}) + "\n" + "{\n")
        self.refused("labels", "--import", file, words=["line 2 is not a JSON object", "Nothing was"], code=FAILED)
        self.assertEqual(self.ask("labels", "--export").stdout, out)
        with open(file, "w", encoding="utf-8") as f:
            f.write(json.dumps({**known[1], "label": "new"}))
        self.ask("labels", "--import", file, "--quiet")
        self.assertIn('"label":"new"', self.ask("labels", "--export").stdout)
        self.assertNotIn('"shop"', self.ask("labels", "--export").stdout)
        with open(file, "w", encoding="utf-8") as f:
            f.write(json.dumps({**known[1], "label": "x" * 4097}))
        self.refused("labels", "--import", file, words=["longer than 4096 bytes"], code=FAILED)
        self.refused("labels", "--import", self.path("none"), words=["none", "No such file"], code=FAILED)
        for args in ((), ("--export", "--import", file)):
            self.refused("labels", *args, words=["either --export or --import"], code=USAGE)
        self.refused("list", "--export", words=["--export: only for labels"], code=USAGE)
        self.refused("list", "--import", file, words=["--import: only for labels"], code=USAGE)

    def test_before_a_scan_everything_is_empty_and_says_so(self):
        self.watched()
        self.assertEqual(self.objects("balance"), [{"event": "balance", "confirmed": 0, "trusted_pending": 0,
                                                    "untrusted_pending": 0, "immature": 0, "height": None}])
        self.assertIn("nothing was scanned yet", self.ask("balance").stdout)
        self.assertEqual(self.objects("history") + self.objects("coins"), [])
        self.assertEqual(self.ask("history", "--csv").stdout.count("\n"), 1)

    def test_a_new_database_begins_at_the_checkpoint_before_the_birthday(self):
        self.ask("add", f"wpkh({KEY}/<0;1>/*)", "--birthday", "2021-01-01", "-n", "mainnet")
        heights = {}
        for source in ("filters", "blocks"):
            result = self.ask("scan", "--source", source, "-c", f"127.0.0.1:{self.closed_port()}", "--timeout", 1,
                              code=NO_PEER)
            said = re.search(r"mainnet starts at the checkpoint at height ([\d,]+)", result.stdout)
            heights[source] = int(said[1].replace(",", ""))
        self.assertGreater(heights["blocks"], 655000)
        self.assertLess(heights["blocks"], 664000)
        self.assertTrue(598000 - 4032 < heights["filters"] <= 600000, heights)  # below a built-in filter header
        self.ask("add", P2WPKH)  # from genesis on
        result = self.ask("scan", "-c", f"127.0.0.1:{self.closed_port()}", "--timeout", 1, code=NO_PEER)
        self.assertNotIn("starts at the checkpoint", result.stdout)


if __name__ == "__main__":
    unittest.main()
