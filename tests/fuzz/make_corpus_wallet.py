#!/usr/bin/env python3
"""Writes the seeds of fuzz_bloom and fuzz_merkle: [u16: length of the first part][first part][transaction].

Run in tests/fuzz/; the files are committed, so that no build needs this."""
import random
import hashlib
import pathlib
import struct

here = pathlib.Path(__file__).resolve().parent


def sha256d(data):
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()


def transaction(prev, index, script, *outputs):
    parts = [struct.pack("<IB", 2, 1), prev, struct.pack("<I", index), bytes([len(script)]), script, b"\xff" * 4,
             bytes([len(outputs)])]
    for output in outputs:
        parts += [struct.pack("<QB", 1000, len(output)), output]
    return b"".join(parts) + bytes(4)


def seed(first, tx=b""):
    return struct.pack("<H", len(first)) + first + tx


def filterload(bits, functions, tweak, update):
    return bytes([len(bits)]) + bits + struct.pack("<IIB", functions, tweak, update)


KEY = b"\x02" + bytes(range(32))
P2PK = b"\x21" + KEY + b"\xac"
MULTISIG = b"\x51\x21" + KEY + b"\x21" + KEY + b"\x52\xae"
P2PKH = b"\x76\xa9\x14" + bytes(20) + b"\x88\xac"
coinbase = transaction(bytes(32), 0xffffffff, b"\x51\x51", P2PKH)
payment = transaction(b"\x11" * 32, 0, b"\x02\xaa\xbb", P2PK, MULTISIG, P2PKH, b"\x4c\x02\xaa\xbb", b"\x4c\x05\xaa")
short = transaction(b"\x11" * 32, 0, b"", b"\x51" * 4)  # 64 bytes

bloom = {
    "all-ones": seed(filterload(b"\xff" * 8, 5, 7, 1), payment),
    "all-ones-pubkey": seed(filterload(b"\xff" * 8, 5, 7, 2), payment),
    "half": seed(filterload(b"\xa5" * 30, 3, 0, 1), payment),
    "half-pubkey": seed(filterload(b"\xa5" * 30, 1, 0, 2), payment),
    "zeros": seed(filterload(bytes(8), 5, 9, 0), coinbase),
    "no-bytes": seed(filterload(b"", 11, 0, 1), payment),
    "no-functions": seed(filterload(bytes(8), 0, 0, 0), payment),
    "update-3": seed(filterload(bytes(8), 5, 0, 3), payment),
    "functions-51": seed(filterload(bytes(8), 51, 0, 0)),
    "truncated": seed(filterload(bytes(8), 5, 0, 0)[:-1]),
    "no-transaction": seed(filterload(bytes(8), 5, 0, 0)),
}


def proof(total, hashes, flags):
    header = struct.pack("<i32s32sIII", 4, bytes(32), bytes(32), 1600000000, 0x207fffff, 0)
    return header + struct.pack("<IB", total, len(hashes)) + b"".join(hashes) + bytes([len(flags)]) + flags


leaf = [sha256d(bytes([i])) for i in range(8)]
first, second, third = (sha256d(tx) for tx in (coinbase, payment, short))
merkle = {
    "one": seed(proof(1, [first], b"\x01"), coinbase),
    "one-none": seed(proof(1, [first], b"\x00")),
    "two-both": seed(proof(2, [first, second], b"\x07"), coinbase),
    "three-all": seed(proof(3, [first, second, third], b"\x3f"), payment),
    "seven-third": seed(proof(7, [leaf[0], third, leaf[1], leaf[2]], b"\x1b"), short),
    "padding": seed(proof(1, [first], b"\x03")),
    "duplicate": seed(proof(2, [first, first], b"\x07"), coinbase),
    "hash-unused": seed(proof(2, [first, second], b"\x00\x00")),
    "bits-unused": seed(proof(7, [leaf[0], leaf[1]], b"\x00\x00")),
    "total-0": seed(proof(0, [first], b"\x01")),
    "total-16667": seed(proof(16667, [first], b"\x00")),
    "pair-is-tx": seed(proof(2, [short[:32], short[32:]], b"\x03"), payment),
    "trailing": seed(proof(1, [first], b"\x01") + b"\x00"),
    "truncated": seed(proof(1, [first], b"\x01")[:-1]),
}
for folder, seeds in (("bloom", bloom), ("merkle", merkle)):
    out = here / "corpus" / folder
    out.mkdir(parents=True, exist_ok=True)
    for name, data in seeds.items():
        (out / name).write_bytes(data)

# fuzz_proof_file: the proofs and a transaction as files, in hexadecimal, with white space, and as they are
out = here / "corpus" / "proof_file"
out.mkdir(parents=True, exist_ok=True)
for name, data in {"tx": payment, "tx-hex": payment.hex().encode() + b"\n", "tx-upper": payment.hex().upper().encode(),
                   "odd": b"abc", "spaces": b" 01\t02\n0 3\r\n", "empty": b"", "only-spaces": b" \n", "not-hex": b"01g2",
                   "long": b"00" * 601, "limit": b"00" * 600, "binary-long": bytes(601)}.items():
    (out / name).write_bytes(data)

# fuzz_wallet: steps of three bytes
MINE, COINBASE, LEAVE, SEND, ANNOUNCE, PUBLISH, DAYS, WATCH, RELOAD = range(1, 10)
wallet = {
    "pay_spend_reorganise": [(0, 255, 0), (MINE, 0, 255), (0, 0, 0o21), (SEND, 1, 1), (SEND, 1, 2), (MINE, 1, 255),
                             (LEAVE, 2, 0), (RELOAD, 0, 0), (MINE, 0, 1), (RELOAD, 0, 0)],
    "coinbase_orphaned": [(COINBASE, 0, 1), (0, 0, 0), (PUBLISH, 1, 0), (LEAVE, 1, 0), (RELOAD, 0, 0), (DAYS, 0, 20),
                          (COINBASE, 0, 3)],
    "double_spends": [(0, 255, 0), (0, 255, 1), (SEND, 0, 0), (SEND, 1, 1), (ANNOUNCE, 1, 2), (0, 2, 3), (SEND, 2, 0),
                      (MINE, 0, 255), (LEAVE, 1, 0), (RELOAD, 0, 0)],
    "watches_end": [(0, 255, 0o10), (MINE, 0, 255), (WATCH, 0, 1), (WATCH, 5, 0), (WATCH, 1, 1), (RELOAD, 0, 0),
                    (WATCH, 0, 0), (PUBLISH, 0, 0), (PUBLISH, 0, 1)],
}
chance = random.Random(5)
for i in range(6):
    wallet[f"mixed_{i}"] = [(chance.choice([0, 0, 0, 1, 2, 3, 4, 4, 4, 5, 5, 6, 7, 8, 9]),
                             chance.choice([255, 254] + list(range(60))), chance.randrange(64)) for _ in range(150)]
out = here / "corpus" / "wallet"
out.mkdir(parents=True, exist_ok=True)
for name, steps in wallet.items():
    (out / name).write_bytes(bytes(x for step in steps for x in step))
