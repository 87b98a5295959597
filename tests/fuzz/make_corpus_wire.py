#!/usr/bin/env python3
"""Writes the seeds of fuzz_wire: one small valid body a message, and one frame.

Run in tests/fuzz/; the files are committed, so that no build needs this."""
import hashlib
import pathlib
import re
import struct

here = pathlib.Path(__file__).resolve().parent
header = (here / "../../include/spv/message.h").read_text()
commands = ["unknown"] + re.findall(r'^    X\([A-Z0-9]+, "([a-z0-9]+)"\)', header, re.M)
OLD, PING, NEW = 1, 3, 7  # places in fuzz_wire.c's list of versions

genesis = bytes.fromhex(
    "01000000" + "00" * 32
    + "3ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a"
    + "29ab5f49ffff001d1dac2b7c")
hash_ = hashlib.sha256(hashlib.sha256(genesis).digest()).digest()
ipv4 = b"\0" * 10 + b"\xff\xff\x7f\0\0\1" + b"\x20\x8d"
ipv6 = bytes.fromhex("20010db8") + b"\0" * 11 + b"\1" + b"\x20\x8d"
onion = bytes.fromhex("fd87d87eeb43") + b"\1" * 10 + b"\x20\x8d"
nobody = b"\0" * 18


def version(number, agent, tail):
    return (struct.pack("<IQqQ", number, 9, 1700000000, 1) + ipv4 + struct.pack("<Q", 9) + nobody
            + b"\x11" * 8 + agent + tail)


coinbase = (struct.pack("<I", 1) + b"\1" + b"\0" * 32 + b"\xff" * 4 + b"\2\1\2" + b"\xff" * 4
            + b"\1" + struct.pack("<q", 5000000000) + b"\1\x51" + b"\0" * 4)
# Two inputs, of which one has a witness of two items, one of them empty.
segwit = (struct.pack("<I", 2) + b"\0\1" + b"\2" + (hash_ + b"\7\0\0\0" + b"\0" + b"\xfd" + b"\xff" * 3) * 2
          + b"\1" + struct.pack("<q", 1000) + b"\x16\0\x14" + b"\x33" * 20 + b"\0" + b"\2\0\3abc"
          + struct.pack("<I", 17))
agent = b"\x0c/libspv:0.1/"
seeds = [
    ("version-new", "version", NEW, version(70016, agent, struct.pack("<i", 900000) + b"\0")),
    ("version-future", "version", NEW, version(80000, agent, struct.pack("<i", 1) + b"\1more")),
    ("version-209", "version", OLD, version(209, b"\0", struct.pack("<i", 98645))),
    ("version-no-agent", "version", OLD, version(31800, b"", b"")),
    ("verack", "verack", NEW, b""),
    ("addr", "addr", NEW, b"\3" + b"".join(
        struct.pack("<IQ", 1700000000, 1) + a for a in (ipv4, ipv6, onion))),
    ("inv", "inv", NEW, b"\2" + struct.pack("<I", 2) + hash_ + struct.pack("<I", 1 << 30 | 1) + hash_),
    ("getdata", "getdata", NEW, b"\1" + struct.pack("<I", 3) + hash_),
    ("notfound", "notfound", NEW, b"\1" + struct.pack("<I", 99) + hash_),
    ("getheaders", "getheaders", NEW, struct.pack("<I", 70016) + b"\2" + hash_ * 2 + b"\0" * 32),
    ("getblocks", "getblocks", NEW, struct.pack("<I", 70016) + b"\0" + hash_),
    ("headers", "headers", NEW, b"\2" + (genesis + b"\0") * 2),
    ("headers-empty", "headers", NEW, b"\0"),
    ("ping", "ping", NEW, b"\1\2\3\4\5\6\7\x08"),
    ("ping-old", "ping", OLD, b""),
    ("pong", "pong", PING, b"\1\2\3\4\5\6\7\x08"),
    ("reject", "reject", NEW, b"\x07version\x11\x08obsolete"),
    ("reject-hash", "reject", NEW, b"\x05block\x10\x05whyNN" + hash_),
    ("reject-long", "reject", NEW, b"\x02tx\x40\xfd\x2c\x01" + b"r" * 300 + hash_),
    ("addrv2", "addrv2", NEW, b"\5" + b"".join(
        struct.pack("<I", 1700000000) + s + bytes([net, len(a)]) + a + b"\x20\x8d"
        for s, net, a in ((b"\1", 1, b"\x7f\0\0\1"), (b"\xfd\x48\4", 2, bytes.fromhex("20010db8") + b"\1" * 12),
                          (b"\0", 4, b"\x79" * 32), (b"\xff" * 9, 5, b"\xa2" * 32), (b"\1", 6, b"\xfc" + b"\1" * 15)))),
    ("addrv2-ignored", "addrv2", NEW, b"\3" + b"".join(
        struct.pack("<I", 1) + b"\1" + bytes([net, len(a)]) + a + b"\x20\x8d"
        for net, a in ((2, ipv4[:16]), (3, b"\1" * 10), (99, b"\1\2\3")))),
    ("tx", "tx", NEW, coinbase),
    ("tx-witness", "tx", NEW, segwit),
    ("block", "block", NEW, genesis + b"\1" + coinbase),
    ("block-witness", "block", NEW, genesis + b"\3" + coinbase + segwit + segwit),
    ("merkleblock", "merkleblock", NEW, genesis + struct.pack("<I", 7) + b"\4" + hash_ * 4 + b"\1\x1d"),
    ("merkleblock-one", "merkleblock", NEW, genesis + struct.pack("<I", 1) + b"\1" + hash_ + b"\1\1"),
    ("filterload", "filterload", NEW, b"\2\xb5\x0f" + struct.pack("<IIB", 11, 5, 1)),
    ("filteradd", "filteradd", NEW, b"\x20" + hash_),
    ("feefilter", "feefilter", NEW, struct.pack("<Q", 48508)),
    ("sendcmpct", "sendcmpct", NEW, b"\1" + struct.pack("<Q", 2)),
    ("getcfilters", "getcfilters", NEW, b"\0" + struct.pack("<I", 900000) + hash_),
    ("getcfheaders", "getcfheaders", NEW, b"\0" + struct.pack("<I", 900000) + hash_),
    ("cfilter", "cfilter", NEW, b"\0" + hash_ + b"\4\1\x9d\xfc\xa8"),
    ("cfheaders", "cfheaders", NEW, b"\0" + hash_ * 2 + b"\2" + hash_ * 2),
    ("getcfcheckpt", "getcfcheckpt", NEW, b"\0" + hash_),
    ("cfcheckpt", "cfcheckpt", NEW, b"\0" + hash_ + b"\1" + hash_),
    ("unknown", "unknown", NEW, b"anything"),
]
out = here / "corpus/wire"
out.mkdir(parents=True, exist_ok=True)
for name, command, place, body in seeds:
    (out / name).write_bytes(bytes([commands.index(command), place]) + body)
body = b"\1\2\3\4\5\6\7\x08"
checksum = hashlib.sha256(hashlib.sha256(body).digest()).digest()[:4]
(out / "frame-ping").write_bytes(
    bytes.fromhex("f9beb4d9") + b"ping".ljust(12, b"\0") + struct.pack("<I", 8) + checksum + body)
