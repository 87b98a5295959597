"""spv-address: addresses, scripts and descriptors as a user converts them. Whole vector files are the
library's tests; here are the BIPs' examples and what the program adds."""

import csv
import json
import os
import subprocess
import unittest

from support import DONE, FAILED, HANG, USAGE, TestCase, binary, run, untimed

# BIP173 and BIP350: the key 0279be...1798 and its addresses
P2WPKH = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
SCRIPT = "0014751e76e8199196d454941c45d1b3a323f1433bd6"
P2TR = "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0"
# BIP32's first vector, m
XPUB = ("xpub661MyMwAqRbcFtXgS5sYJABqqG9YLmC4Q1Rdap9gSE8NqtwybGhePY2gZ29ESFjqJoCu1Rupje8YtGqsefD265TMg7us"
        "UDFdp6W1EGMcet8")
XPRV = ("xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk3"
        "3yuGBxrMPHi")
WIF = "5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ"
KEY = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
DATA = os.environ.get("SPV_TEST_DATA")


class Address(TestCase):
    def ask(self, *args, code=DONE, **more):
        result = run("spv-address", *args, **more)
        self.ends(result, code)
        return result

    def objects(self, *args, code=DONE):
        return [untimed(line) for line in self.ask("--json", *args, code=code).stdout.splitlines()]

    def refused(self, *args, words, code=FAILED):
        errors = self.ask(*args, code=code).stderr
        self.assertEqual(errors.count("\n"), 1, errors)
        for word in words:
            self.assertIn(word, errors)

    def test_an_address(self):
        out = self.ask(P2WPKH).stdout
        for line in (f"address        {P2WPKH}", "  of           mainnet", "type           p2wpkh",
                     f"script         {SCRIPT}", f"descriptor     addr({P2WPKH})#uyjndxcw"):
            self.assertIn(line + "\n", out)

    def test_a_script_has_addresses_on_every_network(self):
        script, = self.objects(SCRIPT)
        self.assertEqual(script["type"], "p2wpkh")
        self.assertEqual(script["addresses"], [
            {"address": P2WPKH, "networks": ["mainnet"]},
            {"address": "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx",
             "networks": ["testnet3", "testnet4", "signet"]},
            {"address": "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", "networks": ["regtest"]},
            {"address": "sb1qw508d6qejxtdg4y5r3zarvary0c5xw7krxe8se", "networks": ["simnet"]}])
        one, = self.objects("--network", "signet", SCRIPT.upper())
        self.assertEqual(one["addresses"], [{"address": "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx",
                                             "networks": ["signet"]}])

    def test_kinds_of_scripts(self):
        for hex_text, kind, n in (("6a0548656c6c6f", "op_return", 0), ("6a24", "nonstandard", 0),
                                  (f"21{KEY}ac", "p2pk", 0), ("51024e73", "p2a", 4),
                                  ("a914" + "00" * 20 + "87", "p2sh", 3), (f"5121{KEY}51ae", "multisig", 0)):
            script, = self.objects(hex_text)
            self.assertEqual((script["type"], len(script["addresses"])), (kind, n), hex_text)
        self.assertIn("address        none", self.ask("6a24").stdout)
        long = "6a4e" + (9000).to_bytes(4, "little").hex() + "ab" * 9000
        self.assertIn(f"script         {long}\n", self.ask(long).stdout)

    def test_a_descriptor_of_bip86_and_its_range(self):
        text = f"wpkh({XPUB}/0/*)"
        first, *derived = self.objects(text)
        self.assertEqual(first["networks"], ["mainnet"])
        self.assertTrue(first["range"])
        self.assertTrue(first["descriptor"].startswith(text + "#"))
        self.assertEqual([d["index"] for d in derived], [0, 1, 2, 3, 4])
        _, again = self.objects("-r", 3, first["descriptor"])
        self.assertEqual(again, derived[3])
        _, *two = self.objects("--range", "2147483646-2147483647", text)
        self.assertEqual([d["index"] for d in two], [2147483646, 2147483647])

    def test_multipath_has_a_block_for_each_branch(self):
        _, *derived = self.objects("-r", "0-1", f"wpkh({XPUB}/<0;1>/*)")
        self.assertEqual([(d["branch"], d["index"]) for d in derived], [(0, 0), (0, 1), (1, 0), (1, 1)])
        self.assertEqual(derived[2], {**self.objects("-r", 0, f"wpkh({XPUB}/1/*)")[1], "branch": 1})
        lines = self.ask("-r", "1", f"wpkh({XPUB}/<0;1>/*)").stdout.splitlines()
        self.assertTrue(lines[-2].startswith("0/1 ") and lines[-1].startswith("1/1 "), lines)

    def test_a_descriptor_without_a_range_has_one_script(self):
        first, derived = self.objects(f"tr({KEY[2:]})")
        self.assertEqual(len(first["networks"]), 6)
        self.assertIsNone(derived["index"])
        self.assertEqual(self.objects(f"rawtr({KEY[2:]})")[1]["address"], P2TR)
        _, *combo = self.objects(f"combo({KEY})")
        self.assertEqual([d["type"] for d in combo], ["p2pk", "p2pkh", "p2wpkh", "p2sh"])
        self.assertEqual(combo[2]["address"], P2WPKH)
        _, regtest = self.objects("-n", "regtest", f"wpkh({KEY})")
        self.assertEqual(regtest["address"], "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080")

    def test_wrong_characters_are_located(self):
        wrong = P2WPKH[:10] + ("q" if P2WPKH[10] != "q" else "p") + P2WPKH[11:]
        self.refused(wrong, words=("checksum", "character 11"))
        self.refused(P2WPKH[:-1], words=("address",))
        self.refused("hello", words=("address",))

    def test_another_network_is_named(self):
        self.refused("--network", "signet", P2WPKH, words=("mainnet",))
        self.refused("--network", "regtest", f"wpkh({XPUB}/0/*)", words=("mainnet",))

    def test_checksums(self):
        text = f"wpkh({KEY})"
        self.refused("--require-checksum", text, words=("checksum",))
        self.refused(text + "#aaaaaaaa", words=("#aaaaaaaa", "expected"))
        with_sum = self.objects(text)[0]["descriptor"]
        self.ask("--require-checksum", with_sum)

    def test_private_keys_are_refused_and_not_repeated(self):
        words = "abandon " * 11 + "about"
        for secret in (XPRV, WIF, f"wpkh({XPRV}/0/*)", f"pkh({WIF})", words):
            result = self.ask(secret, code=FAILED)
            self.assertIn("public", result.stderr)
            for part in (XPRV[:12], WIF[:8], "abandon"):
                self.assertNotIn(part, result.stderr + result.stdout)

    def test_what_an_xpub_alone_wants(self):
        self.refused(XPUB, words=("descriptor", "wpkh("))
        self.refused(XPUB[:-1] + "9", words=("extended", "checksum"))
        zpub = ("zpub6rFR7y4Q2AijBEqTUquhVz398htDFrtymD9xYYfG1m4wAcvPhXNfE3EfH1r1ADqtfSdVCToUG868RvUUkgDKf31mGDtKs"
                "AYz2oz2AGutZYs")
        self.refused(zpub, words=("SLIP-132", "wpkh("))

    def test_hardened_steps_are_refused(self):
        self.refused(f"wpkh({XPUB}/0h/*)", words=("hardened", "key 1"))

    def test_malformed(self):
        for text, words in (("abc", ("odd number",)), ("wpkh(", ("descriptor",)), ("wsh(pk(x))#", ("checksum",)),
                            ("foo(bar)", ("function",))):
            self.refused(text, words=words)

    def test_standard_input_is_bounded(self):
        for text, word in (("00" * 100001, "longer than 100,000 bytes"), ("x" * 4000001, "longer"), ("", "empty")):
            result = subprocess.run([binary("spv-address"), "-"], input=text, text=True, capture_output=True,
                                    timeout=HANG, check=False)
            self.ends(result, FAILED)
            self.assertIn(word, result.stderr)

    def test_usage(self):
        for args in ([], [""], ["--range", "x", P2WPKH], ["--range", "5-4", P2WPKH],
                     ["--range", "1-", P2WPKH], ["--range", "2147483648", P2WPKH],
                     ["--range", "2147483640-2147483648", P2WPKH],
                     ["--range", "99999999999999999999", P2WPKH], ["--range", "0-10000", P2WPKH],
                     ["--network", "moon", P2WPKH]):
            self.ends(run("spv-address", *args), USAGE)

    def test_several_inputs_and_standard_input(self):
        self.assertEqual(len(self.objects(P2WPKH, SCRIPT)), 2)
        text = f"{P2WPKH}\n\n  {SCRIPT}  \r\nnonsense\n{P2TR}"
        result = subprocess.run([binary("spv-address"), "--json", "-"], input=text.replace("  ", ""), text=True,
                                capture_output=True, timeout=HANG, check=False)
        self.assertEqual(result.returncode, FAILED)
        events = [json.loads(line)["event"] for line in result.stdout.splitlines()]
        self.assertEqual(events, ["script", "script", "error", "script"])

    @unittest.skipUnless(DATA, "needs SPV_TEST_DATA")
    def test_addresses_of_the_vectors(self):
        with open(os.path.join(DATA, "vectors", "addresses.csv"), newline="", encoding="ascii") as f:
            rows = [row for row in csv.DictReader(f) if row.get("mainnet")]
        self.assertGreater(len(rows), 20)
        got = self.objects(*[row["mainnet"] for row in rows])
        self.assertEqual([g["script"] for g in got], [row["script"] for row in rows])


if __name__ == "__main__":
    unittest.main()
