"""Rows of a wallet in a database of headers (docs/schema.md), written without libspv: one script is watched."""

import sqlite3

from support import sha256d

PENDING = 4294967295  # the height of what is in no block


def strip_witness(raw):
    """The transaction without marker, flag and witness."""
    if raw[4:6] != b"\x00\x01":
        return raw

    def count(at):
        size = {0xfd: 2, 0xfe: 4, 0xff: 8}.get(raw[at], 0)
        return (int.from_bytes(raw[at + 1:at + 1 + size], "little") if size else raw[at]), at + 1 + size

    n, at = count(6)
    for _ in range(n):
        script, at = count(at + 36)
        at += script + 4
    n, at = count(at)
    for _ in range(n):
        script, at = count(at + 8)
        at += script
    return raw[:4] + raw[6:at] + raw[-4:]


def add_wallet(path, script, txs, scanned):
    """A wallet that has searched all blocks up to `scanned`, a (height, hash), and that has these transactions:
    dicts with raw, and of those in a block with height, block (its hash), position, and perhaps proof; pays:
    (vout, value) of each output to the script."""
    with sqlite3.connect(path) as db:
        db.execute("INSERT INTO wallet_meta VALUES (1, 77, ?, ?, ?, ?, 2, NULL, NULL)",
                   (*scanned, len(txs) + 1, len(txs) + 1))
        db.execute("INSERT INTO wallet_watch VALUES (1, 2, NULL, ?, NULL, 0, 0, 0, NULL)", (script,))
        db.execute("INSERT INTO wallet_branch VALUES (1, 0, 1, 1, 1)")
        confirmed = 0
        for number, tx in enumerate(txs, 1):
            received = sum(value for _, value in tx.get("pays", ()))
            in_block = "height" in tx
            confirmed += received if in_block else 0
            flags = (8 if tx["raw"][4:6] == b"\x00\x01" else 0) | 32
            db.execute("INSERT INTO wallet_tx VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, NULL, ?, 0, NULL)",
                       (number, number, sha256d(strip_witness(tx["raw"])), tx.get("height", PENDING),
                        tx.get("block"), tx.get("position", 0), flags, 2 if in_block else 1, b"", received))
            db.execute("INSERT INTO wallet_tx_data VALUES (?, ?, ?)", (number, tx["raw"], tx.get("proof")))
            for vout, value in tx.get("pays", ()):
                db.execute("INSERT INTO wallet_output VALUES (?, ?, 1, ?, ?, 0)", (number, vout, value, script))
            db.execute("INSERT INTO wallet_share VALUES (?, 1, ?, 0)", (number, received))
        for watch in (0, 1):
            db.execute("INSERT INTO wallet_sum VALUES (?, ?, 0, 0, 0)", (watch, confirmed))
    db.close()
