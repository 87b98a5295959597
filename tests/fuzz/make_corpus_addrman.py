#!/usr/bin/env python3
"""Seeds for fuzz_addrbook: tests/fuzz/make_corpus_addrbook.py writes corpus/addrbook."""
import pathlib
import random
import struct

FOLDER = pathlib.Path(__file__).resolve().parent / "corpus" / "addrbook"
KEY = bytes(range(16))


def op(kind, rest=b"", reach=7, only_new=0):
    return bytes([reach, only_new, kind]) + rest


def add(kind, a, b, source=1):
    return op(1, bytes([kind, a, b, source, 9]) + struct.pack(">I", 3600))


def row(kind, a, b, flags):
    return op(0, bytes([flags, kind, a, b, 9, 2]) + struct.pack(">II", 1799999000, 1799999000) +
              (struct.pack(">I", 1799999000) if flags & 1 else b"") + b"\0\0\1")


def dial(kind, a, b, end):
    place = bytes([kind, a, b])
    return op(3) + op(4, place + b"\x09") + op(5, place + bytes([end]))


def main():
    rng = random.Random(1)
    seeds = {
        "gossip": b"".join(add(4, i, i) for i in range(60)) + op(7),
        "rows": b"".join(row(4 + i % 4, i, i, 9 if i % 2 else 0) for i in range(40)) + op(7),
        "dials": b"".join(add(4, i, i) + dial(4, i, i, i % 4) for i in range(40)),
        "dispute": b"".join(add(4, 7, i, i % 4) + dial(4, 7, i, 0) for i in range(256)) +
                   op(6, struct.pack(">II", 64 * 20000, 20000000)) +
                   op(6, struct.pack(">II", 64 * 20000, 20000000)),
        "kinds": b"".join(add(k, i, 0) for k in range(4, 8) for i in range(16)),
        "noise": bytes(rng.randrange(256) for _ in range(3000)),
    }
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, data in seeds.items():
        (FOLDER / name).write_bytes(KEY + data)


if __name__ == "__main__":
    main()
