"""A small regtest chain with payments to a descriptor, made without libspv, for the tests of spv-watch that need
no data. Nothing is signed: a light client verifies no scripts."""

import struct
import sys
from pathlib import Path

from support import REGTEST_GENESIS, sha256d

sys.path.append(str(Path(__file__).resolve().parent.parent / "interop"))
import replay  # noqa: E402

COIN = 100000000
OTHER = bytes.fromhex("0014") + b"\7" * 20  # someone else's script
GENESIS_TIME = 1296688602


def vector(items):
    return bytes([len(items)]) + b"".join(items)


def transaction(inputs, outputs):
    """inputs: (txid in wire order, vout) or the script of a coinbase; outputs: (satoshis, script)."""
    return struct.pack("<i", 2) + vector([
        (txid if vout is not None else bytes(32)) + struct.pack("<I", 0xffffffff if vout is None else vout) +
        vector([] if vout is not None else [bytes([b]) for b in txid]) + b"\xff\xff\xff\xff"
        for txid, vout in inputs]) + vector([
            struct.pack("<q", value) + vector([bytes([b]) for b in script]) for value, script in outputs]) + bytes(4)


def coinbase(height, script, value=50 * COIN, tag=b""):
    number = struct.pack("<H", height)
    return transaction([(bytes([2]) + number + b"\0\0" + tag, None)], [(value, script)])


def merkle_root(hashes):
    while len(hashes) > 1:
        if len(hashes) % 2:
            hashes = [*hashes, hashes[-1]]
        hashes = [sha256d(a + b) for a, b in zip(hashes[::2], hashes[1::2])]
    return hashes[0]


def block(previous, height, transactions):
    head = struct.pack("<i", 0x20000000) + sha256d(previous[:80]) + merkle_root(
        [sha256d(tx) for tx in transactions]) + struct.pack("<II", GENESIS_TIME + 600 * height, 0x207fffff)
    nonce = 0
    while sha256d(head + struct.pack("<I", nonce))[31] >= 0x7f:
        nonce += 1
    return head + struct.pack("<I", nonce) + vector(transactions)


def mine(blocks, to_height, payments=None, script=OTHER, tag=b""):
    """Adds blocks up to a height; payments: {height: list of transactions} beside the coinbase."""
    blocks = list(blocks)
    for height in range(len(blocks), to_height + 1):
        blocks.append(block(blocks[-1], height, [coinbase(height, script, tag=tag),
                                                 *(payments or {}).get(height, [])]))
    return blocks


def genesis():
    return [REGTEST_GENESIS + vector([])]


def chain_of(blocks):
    return replay.Chain(blocks, [None] * len(blocks), [replay.ZERO] * len(blocks))
