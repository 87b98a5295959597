#!/usr/bin/env python3
"""Writes the seeds of fuzz_peer_in: short scripts, a few steps each.

Run in tests/fuzz/; the files are committed, so that no build needs this."""
import hashlib
import pathlib
import re
import struct

here = pathlib.Path(__file__).resolve().parent
text = (here / "../../include/spv/message.h").read_text()
commands = ["unknown"] + re.findall(r'^    X\([A-Z0-9]+, "([a-z0-9]+)"\)', text, re.M)


def raw(data):
    return bytes([0, len(data)]) + data


def frame(command, body=b""):
    return bytes([1, commands.index(command)]) + struct.pack(">H", len(body)) + body


def wait(seconds):
    return bytes([2, seconds // 4])


def send(command):
    return bytes([3, commands.index(command)])


def take(root):
    return bytes([4, root])


def push(what):
    return bytes([5, what])


def wire(command, body=b""):
    checksum = hashlib.sha256(hashlib.sha256(body).digest()).digest()[:4]
    return (bytes.fromhex("fabfb5da") + command.encode().ljust(12, b"\0")
            + struct.pack("<I", len(body)) + checksum + body)


version = (struct.pack("<IQq", 70016, 9, 1700000000) + b"\0" * 26 + b"\0" * 26 + b"\x11" * 8
           + b"\x0c/libspv:0.1/" + struct.pack("<i", 100) + b"\1")
header = struct.pack("<i", 1) + bytes([commands.index("getheaders")]) + b"\0" * 75 + b"\0"
hello = frame("version", version) + frame("wtxidrelay") + frame("sendaddrv2") + frame("verack")
OUT, IN, READY_OUT, READY_IN = b"\0", b"\1", b"\2", b"\3"
BLOOM_IN, TOLERANT_IN = b"\x0b", b"\x13"
seeds = {
    "handshake-out": OUT + hello + take(255),
    "handshake-in": IN + hello + take(255),
    "handshake-raw": IN + raw(wire("version", version)) + raw(wire("verack")) + take(200),
    "handshake-late": OUT + wait(28) + frame("version", version) + wait(4),
    "held": OUT + send("ping") + send("getheaders") + send("sendheaders") + hello + take(255),
    "twice": READY_OUT + take(255) + frame("verack") + take(255),
    "early": IN + frame("version", version) + frame("unknown", b"abc") + frame("ping", b"12345678"),
    "not-version": OUT + frame("verack"),
    "headers": READY_OUT + take(255) + send("getheaders") + frame("headers", b"\1" + header),
    "announced": READY_OUT + take(255) + send("getheaders") + frame("headers", b"\1" + header * 1)
    + frame("headers", b"\0") + wait(92),
    "stall": READY_OUT + send("getheaders") + take(255) + wait(88) + wait(4),
    "getdata": READY_IN + send("getdata") + frame("notfound", b"\1" + b"\0" * 36)
    + frame("tx", b"\1\0\0\0\0\1" + b"\0" * 8) + frame("block", b"\0" * 90) + wait(32),
    "ping": READY_IN + frame("ping", b"12345678") * 4 + take(6) + wait(120) + wait(120),
    "idle": READY_OUT + take(255) + wait(160) + take(255) + wait(160),
    "cut": READY_OUT + raw(wire("inv", b"\0")[:13]) + wait(60) + raw(wire("inv", b"\0")[13:]),
    "trickle": OUT + push(6) + push(18) + hello + b"".join(push(i * 6 + 2 & 255) for i in range(40))
    + frame("feefilter", b"\x10" + b"\0" * 7) + wait(60) + take(255) + push(6) + wait(60),
    "announce": READY_OUT + take(255) + frame("sendheaders")
    + frame("getheaders", struct.pack("<I", 70016) + b"\1\x08" + b"\0" * 31 + b"\0" * 32)
    + push(8) + push(2) + push(14) + take(255),
    "push": READY_IN + push(3) + push(9) + push(4) + push(4) + push(5) + push(5)
    + frame("inv", b"\1" + struct.pack("<I", 2) + b"\5" * 32) + push(5) + take(255),
    "bloom": BLOOM_IN + frame("filterload", b"\1\x55" + b"\1\0\0\0" + b"\0" * 5)
    + frame("filteradd", b"\1a") + frame("mempool") + frame("filterclear") + take(255),
    "bloom-unoffered": READY_IN + frame("mempool") + wait(4),
    "malformed": READY_IN + frame("inv", b"\2") + take(1) + wait(4),
    "tolerated": TOLERANT_IN + frame("inv", b"\2") + raw(wire("ping", b"\1" * 8)[:20] + b"\0" * 12)
    + frame("getaddr") + take(255),
    "tags": OUT + send("ping") + send("feefilter") + send("sendheaders") + hello
    + send("getaddr") * 5 + take(3) + send("ping") + frame("verack") + take(9),
    "magic": READY_OUT + raw(b"\0" * 24),
    "length": READY_IN + raw(wire("block")[:16] + b"\0\x09\x3d\0" + b"\0" * 4) + raw(b"x" * 200),
}
out = here / "corpus/peer_in"
out.mkdir(parents=True, exist_ok=True)
for name, data in seeds.items():
    (out / name).write_bytes(data)
