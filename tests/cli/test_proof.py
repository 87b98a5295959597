"""spv-proof: merkle proofs against a database of headers, made here without libspv. Cases with
SPV_TEST_DATA are Bitcoin Core's own."""

import csv
import json
import os
import signal
import struct
import subprocess
import unittest

from support import (DATABASE, DONE, FAILED, HANG, INTERRUPTED, USAGE, Program, TestCase, binary, run, untimed,
                     sha256d)
from wallet_rows import add_wallet

BITS = 0x207fffff
GENESIS = bytes.fromhex("06226e46111a0b59caaf126043eb5bbf28c34f3a5e332a1fc7b2b73cf188910f")  # regtest's
DATA = os.environ.get("SPV_TEST_DATA")


def transaction(n, inputs=1, script=b"\x51"):
    """A transaction that no other n makes; n = 0: a coinbase."""
    prevout = bytes(32) + b"\xff" * 4 if n == 0 else sha256d(bytes([n])) + bytes(4)
    one = prevout + bytes([2]) + b"\x51\x51" + b"\xff" * 4
    return (struct.pack("<i", 2) + bytes([inputs]) + one * inputs + b"\x01" +
            struct.pack("<q", n) + bytes([len(script)]) + script + bytes(4))


def root_of(txids):
    while len(txids) > 1:
        if len(txids) % 2:
            txids = txids + txids[-1:]
        txids = [sha256d(a + b) for a, b in zip(txids[::2], txids[1::2])]
    return txids[0]


def proof_of(header, txids, wanted):
    """gettxoutproof's bytes (BIP37's partial merkle tree)."""
    bits, hashes = [], []

    def width(level):
        return (len(txids) + (1 << level) - 1) >> level

    def node(level, i):
        if level == 0:
            return txids[i]
        left = node(level - 1, 2 * i)
        return sha256d(left + (node(level - 1, 2 * i + 1) if 2 * i + 1 < width(level - 1) else left))

    def visit(level, i):
        inside = any(i << level <= w < (i + 1) << level for w in wanted)
        bits.append(inside)
        if level == 0 or not inside:
            hashes.append(node(level, i))
            return
        visit(level - 1, 2 * i)
        if 2 * i + 1 < width(level - 1):
            visit(level - 1, 2 * i + 1)

    levels = 0
    while width(levels) > 1:
        levels += 1
    visit(levels, 0)
    flags = bytearray((len(bits) + 7) // 8)
    for i, bit in enumerate(bits):
        flags[i // 8] |= bit << i % 8
    return (header + struct.pack("<I", len(txids)) + bytes([len(hashes)]) + b"".join(hashes) +
            bytes([len(flags)]) + bytes(flags))


def mine(previous, root, time):
    for nonce in range(1 << 32):
        header = struct.pack("<i32s32sIII", 4, previous, root, time, BITS, nonce)
        if sha256d(header)[::-1] < bytes.fromhex("7fffff") + bytes(29):
            return header
    raise AssertionError


class Chain(TestCase):
    """A chain of three blocks; the second has five transactions."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.txs = [transaction(n) for n in range(5)]
        cls.txids = [sha256d(tx) for tx in cls.txs]
        cls.headers, previous = [], GENESIS
        for n, root in enumerate((b"\1" * 32, root_of(cls.txids), b"\2" * 32)):
            header = mine(previous, root, 1600000000 + 600 * n)
            cls.headers.append(header)
            previous = sha256d(header)

    def setUp(self):
        super().setUp()
        chain = self.file("chain.bin", b"".join(self.headers))
        result = run("spv-import", "--network", "regtest", "--db", self.db, "--input", chain)
        self.ends(result, DONE)
        self.proof = self.file("proof", proof_of(self.headers[1], self.txids, [3]))
        self.tx = self.file("tx", self.txs[3])

    def file(self, name, data):
        path = self.path(name)
        with open(path, "wb") as f:
            f.write(data)
        return path

    def verify(self, *args, code=DONE, **more):
        result = run("spv-proof", "verify", "--db", self.db, *args, **more)
        self.ends(result, code)
        return result

    def object(self, *args, code=DONE):
        return untimed(self.verify("--json", *args, code=code).stdout.splitlines()[0])


class Proof(Chain):
    def refused(self, *args, words=(), code=FAILED):
        errors = self.verify(*args, code=code).stderr
        self.assertEqual(errors.count("\n"), 1, errors)
        for word in words:
            self.assertIn(word, errors)

    def test_a_proof_with_its_transaction_is_proven(self):
        out = self.verify(self.proof, "--tx", self.tx).stdout
        self.assertIn(sha256d(self.headers[1])[::-1].hex(), out)
        self.assertIn(self.txids[3][::-1].hex(), out)
        for line in ("height         2", "confirmations  2", "time           2020-09-13 12:36:40 UTC",
                     "position       3 in the block", "depth          proven by the raw transaction"):
            self.assertIn(line + "\n", out)

    def test_json(self):
        proof = self.object(self.proof, "--tx", self.tx)
        self.assertEqual(proof, {
            "event": "proof", "network": "regtest", "block": sha256d(self.headers[1])[::-1].hex(),
            "best": True, "height": 2, "confirmations": 2, "time": 1600000600,
            "utc": "2020-09-13T12:36:40Z", "transactions": [{
                "txid": self.txids[3][::-1].hex(), "position": 3, "depth_proven": True,
                "depth_by": "transaction", "reason": None}]})

    def test_quiet_prints_nothing(self):
        result = self.verify("-q", self.proof, "--tx", self.tx)
        self.assertEqual((result.stdout, result.stderr), ("", ""))

    def test_hexadecimal_with_white_space_and_standard_input(self):
        text = proof_of(self.headers[1], self.txids, [3]).hex()
        spaced = "\n".join(text[i:i + 60] for i in range(0, len(text), 60)) + "\n"
        self.verify(self.file("proof.hex", spaced.encode()), "-t",
                    self.file("tx.hex", self.txs[3].hex().upper().encode()))
        with open(self.path("proof.hex"), "rb") as f:
            out = subprocess.run([binary("spv-proof"), "verify", "--db", self.db, "-", "--without-depth"],
                                 stdin=f, check=True, capture_output=True, timeout=HANG).stdout
        self.assertIn(b"height         2\n", out)

    def test_without_the_transaction_the_depth_is_not_proven(self):
        self.refused(self.proof, words=("depth", "1 of 1", "--tx", "--without-depth"))
        self.verify(self.proof, "--without-depth")
        proof = self.object(self.proof, code=FAILED)
        self.assertEqual(proof["transactions"][0]["reason"], "the raw transaction is not given")
        self.assertFalse(proof["transactions"][0]["depth_proven"])

    def test_a_coinbase_proves_the_depth_of_all(self):
        proof = self.file("two", proof_of(self.headers[1], self.txids, [2, 4]))
        coinbase = self.file("coinbase", proof_of(self.headers[1], self.txids, [0]))
        raw = self.file("coinbase.tx", self.txs[0])
        got = self.object(proof, "--coinbase-proof", coinbase, "--tx", raw)["transactions"]
        self.assertEqual([m["depth_by"] for m in got], ["coinbase", "coinbase"])
        self.assertEqual([m["position"] for m in got], [2, 4])
        # the proof itself may have the coinbase
        proof = self.file("with", proof_of(self.headers[1], self.txids, [0, 4]))
        got = self.object(proof, "--tx", raw)["transactions"]
        self.assertEqual([m["depth_by"] for m in got], ["transaction", "coinbase"])

    def test_a_coinbase_of_another_block_proves_no_depth(self):
        other = mine(GENESIS, root_of(self.txids), 1700000000)
        coinbase = self.file("coinbase", proof_of(other, self.txids, [0]))
        raw = self.file("coinbase.tx", self.txs[0])
        self.refused(self.proof, "--coinbase-proof", coinbase, "--tx", raw, words=("depth",))
        got = self.object(self.proof, "--coinbase-proof", coinbase, "--tx", raw, code=FAILED)
        self.assertIn("another block", got["transactions"][0]["reason"])

    def test_a_transaction_of_64_bytes_is_not_proven_by_itself(self):
        odd = transaction(3, script=b"\x51\x51")
        self.assertEqual(len(odd), 64)
        txids = [*self.txids[:3], sha256d(odd)]
        header = mine(sha256d(self.headers[2]), root_of(txids), 1600003000)
        more = self.file("more.bin", header)
        self.ends(run("spv-import", "--network", "regtest", "--db", self.db, "--input", more), DONE)
        proof = self.file("proof", proof_of(header, txids, [3]))
        self.refused(proof, "--tx", self.file("odd", odd), words=("depth",))

    def test_a_block_that_is_not_in_the_database(self):
        header = mine(b"\7" * 32, root_of(self.txids), 1600000000)
        proof = self.file("proof", proof_of(header, self.txids, [1]))
        self.refused(proof, words=("height 3", "spv-sync"))
        self.assertIsNone(self.object(proof, code=FAILED)["height"])

    def test_a_block_on_a_side_branch(self):
        previous, branch = sha256d(self.headers[0]), []
        for n in range(3):
            branch.append(mine(previous, bytes([9, n]) * 16, 1600000100 + 600 * n))
            previous = sha256d(branch[-1])
        chain = self.file("branch.bin", self.headers[0] + b"".join(branch))
        self.ends(run("spv-import", "--network", "regtest", "--db", self.db, "--input", chain), DONE)
        self.refused(self.proof, "--tx", self.tx, words=("side branch",))
        proof = self.object(self.proof, "--tx", self.tx, code=FAILED)
        self.assertEqual((proof["best"], proof["height"], proof["confirmations"]), (False, 2, 0))

    def test_every_flipped_bit_is_refused_or_proves_nothing_else(self):
        good = proof_of(self.headers[1], self.txids, [3])
        for i in range(0, 8 * len(good), 29):  # in all bytes; each bit is tested in the library
            bad = bytearray(good)
            bad[i // 8] ^= 1 << i % 8
            result = run("spv-proof", "verify", "--db", self.db, "--json", "--tx", self.tx,
                         self.file("bad", bytes(bad)))
            if result.returncode != FAILED:
                self.ends(result, DONE)  # the total is not committed to
                self.assertIn(i // 8, range(80, 84))

    def test_malformed_files(self):
        good = proof_of(self.headers[1], self.txids, [3])
        for name, data, words in (
                ("empty", b"", ("empty",)), ("space", b" \n", ("no merkle proof",)),
                ("odd", good.hex().encode()[:-1], ("odd number",)),
                ("short", good[:-1], ("no merkle proof",)),
                ("trailing", good + b"\0", ("no merkle proof",)),
                ("trailing.hex", good.hex().encode() + b"00", ("no merkle proof",)),
                ("long", bytes(2000000), ("longer",)),
                ("none", proof_of(self.headers[1], self.txids, []), ("no transaction is marked",))):
            self.refused(self.file(name, data), words=(name, *words))
        self.refused(self.path("absent"), words=("absent", "No such file"))
        self.refused(self.path(""), words=("cannot be read",))
        self.refused(self.proof, "--tx", self.file("tx2", self.txs[3] + b"\0"), words=("no transaction",))
        self.refused(self.proof, "--tx", self.file("tx2", self.txs[2]),
                     words=("tx2", self.txids[2][::-1].hex(), "not proven by"))

    def test_usage(self):
        for args in ([], ["prove", "x"], ["verify"], ["verify", "a", "b"], ["make"], ["make", "a" * 64, "b"],
                     ["make", "a"], ["make", "a" * 64, "--tx", "x"], ["make", "a" * 64, "--quiet"],
                     ["verify", self.proof, "--output", "x"], ["verify", self.proof, "--block-file", "x"],
                     ["verify", self.proof, "--coinbase-proof", self.proof]):
            self.ends(run("spv-proof", *args, "--db", self.db), USAGE)

    def test_a_database_of_another_network_or_none(self):
        self.refused(self.proof, "--network", "signet", code=DATABASE)
        self.db = self.path("absent.db")
        self.refused(self.proof, words=("absent.db",))

    def test_a_signal_ends_the_wait_for_a_pipe(self):
        os.mkfifo(self.path("fifo"))
        program = Program("spv-proof", "verify", "--db", self.db, self.path("fifo"))
        self.addCleanup(program.stop)
        with open(self.path("fifo"), "wb"):  # waits until it is opened for reading
            program.signal(signal.SIGINT)
            self.assertEqual(program.end(), INTERRUPTED)

    @unittest.skipUnless(DATA, "needs SPV_TEST_DATA")
    def test_proofs_of_a_reference_node(self):
        node = os.path.join(DATA, "regtest-node")
        db = self.path("node.db")
        self.ends(run("spv-import", "--network", "regtest", "--db", db, "--input",
                      os.path.join(node, "headers.bin")), DONE)
        with open(os.path.join(node, "proofs.csv"), newline="", encoding="ascii") as f:
            rows = list(csv.DictReader(f))
        self.assertEqual(len(rows), 37)
        for row in rows:
            proof = self.file("proof", row["proof"].encode())
            tx = self.file("tx", row["transaction"].encode())
            result = run("spv-proof", "verify", "--db", db, "--json", proof, "--tx", tx)
            self.ends(result, DONE)
            got = json.loads(result.stdout)
            self.assertEqual((got["block"], got["height"]), (row["block_hash"], int(row["height"])))
            self.assertEqual([m["txid"] for m in got["transactions"]], [row["txid"]])


class Make(Chain):
    """The same chain; the wallet has the fourth transaction of the second block."""

    def setUp(self):
        super().setUp()
        self.block = self.headers[1] + bytes([len(self.txs)]) + b"".join(self.txs)
        self.expected = proof_of(self.headers[1], self.txids, [3])
        self.txid = self.txids[3][::-1].hex()

    def add_wallet(self, **more):
        tx = {"raw": self.txs[3], "height": 2, "block": sha256d(self.headers[1]), "position": 3,
              "proof": self.expected, "pays": [(0, 3)], **more}
        add_wallet(self.db, b"\x51", [tx], (3, sha256d(self.headers[2])))

    def make(self, *args, code=DONE, **more):
        result = run("spv-proof", "make", "--db", self.db, *args, **more)
        self.ends(result, code)
        return result

    def not_made(self, *args, words, code=FAILED):
        result = self.make(*args, code=code)
        self.assertEqual(result.stdout, "")
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        self.assertIn(words, result.stderr)

    def test_from_the_wallet_it_is_the_stored_one(self):
        self.add_wallet()
        self.assertEqual(self.make(self.txid).stdout, self.expected.hex() + "\n")

    def test_from_a_block_each_transaction_has_its_own(self):
        path = self.file("block", self.block)
        for i, txid in enumerate(self.txids):
            made = self.make(txid[::-1].hex(), "--block-file", path).stdout
            self.assertEqual(made, proof_of(self.headers[1], self.txids, [i]).hex() + "\n")
            self.verify("--without-depth", self.file("made", made.encode()))

    def test_a_block_is_read_as_hexadecimal_from_standard_input_too(self):
        with open(self.file("hex", self.block.hex().encode()), "rb") as f:
            result = subprocess.run([binary("spv-proof"), "make", self.txid, "--db", self.db, "--block-file", "-"],
                                    stdin=f, capture_output=True, text=True, timeout=HANG, check=False)
        self.ends(result, DONE)
        self.assertEqual(result.stdout, self.expected.hex() + "\n")

    def test_a_file_and_json_have_the_same(self):
        self.add_wallet()
        out = self.path("proof.hex")
        result = self.make(self.txid, "--output", out, "--quiet")
        self.assertEqual((result.stdout, result.stderr), ("", ""))
        with open(out, encoding="ascii") as f:
            self.assertEqual(f.read(), self.expected.hex() + "\n")
        made = untimed(self.make(self.txid, "--json").stdout)
        self.assertEqual(made, {"event": "made", "txid": self.txid, "block": sha256d(self.headers[1])[::-1].hex(),
                                "height": 2, "confirmations": 2, "position": 3, "depth_proven": True,
                                "source": "wallet", "proof": self.expected.hex()})

    def test_what_the_wallet_does_not_have_is_told(self):
        self.not_made(self.txid, words="is not in a wallet of")
        self.add_wallet(proof=None)
        self.not_made(self.txid, words="the wallet has stored no proof of it")
        self.not_made("ab" * 32, words="is not in a wallet of")

    def test_an_unconfirmed_one_has_no_proof(self):
        add_wallet(self.db, b"\x51", [{"raw": self.txs[3]}], (3, sha256d(self.headers[2])))
        self.not_made(self.txid, words="is in no block of the best chain")

    def test_a_stored_proof_that_is_wrong_is_not_printed(self):
        self.add_wallet(proof=proof_of(self.headers[1], self.txids, [2]))
        self.not_made(self.txid, words="the proof that was made is wrong: it proves something else")

    def test_a_damaged_one_is_not_printed_either(self):
        damaged = bytearray(self.expected)
        damaged[90] ^= 1
        self.add_wallet(proof=bytes(damaged))
        self.not_made(self.txid, words="the proof that was made is wrong: ")

    def test_a_block_of_another_chain_proves_nothing(self):
        other = mine(GENESIS, root_of(self.txids), 1700000000)
        self.not_made(self.txid, "--block-file", self.file("other", other + self.block[80:]),
                      words="is not in the best chain up to height 3")

    def test_blocks_that_are_none_are_refused(self):
        changed = self.block[:-1] + b"\x01"
        for data, words in ((b"", "is empty"), (self.block[:-1], "is no block"), (self.block + b"\0", "is no block"),
                            (changed, "its transactions are not those of its header"),
                            (self.headers[1] + b"\x00", "is no block")):
            self.not_made(self.txid, "--block-file", self.file("bad", data), words=words)
        self.not_made("ab" * 32, "--block-file", self.file("block", self.block), words="is not in this block")
        self.not_made(self.txid, "--block-file", self.path("missing"), words="cannot be opened")

    @unittest.skipUnless(DATA, "needs SPV_TEST_DATA")
    def test_proofs_are_those_of_a_reference_node(self):
        node = os.path.join(DATA, "regtest-node")
        db = self.path("node.db")
        self.ends(run("spv-import", "--network", "regtest", "--db", db, "--input",
                      os.path.join(node, "headers.bin")), DONE)
        with open(os.path.join(node, "blocks.csv"), newline="", encoding="ascii") as f:
            blocks = {row["hash"]: row["block"] for row in csv.DictReader(f)}
        with open(os.path.join(node, "proofs.csv"), newline="", encoding="ascii") as f:
            rows = list(csv.DictReader(f))
        self.assertEqual(len(rows), 37)
        for row in rows:
            block = self.file("block", blocks[row["block_hash"]].encode())
            result = run("spv-proof", "make", row["txid"], "--block-file", block, "--db", db)
            self.ends(result, DONE)
            self.assertEqual(result.stdout, row["proof"] + "\n")
        add_wallet(db, b"\x51", [{"raw": bytes.fromhex(row["transaction"]), "height": int(row["height"]),
                                  "block": bytes.fromhex(row["block_hash"])[::-1], "position": 1,
                                  "proof": bytes.fromhex(row["proof"])} for row in rows],
                   (264, bytes.fromhex(rows[0]["block_hash"])[::-1]))
        for row in rows:
            self.assertEqual(run("spv-proof", "make", row["txid"], "--db", db).stdout, row["proof"] + "\n")


if __name__ == "__main__":
    unittest.main()
