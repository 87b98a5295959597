#!/usr/bin/env python3
"""Writes the seeds of fuzz_filter_requests: short scripts, a few steps each.

Run in tests/fuzz/; the files are committed, so that no build needs this."""
import pathlib
import struct

here = pathlib.Path(__file__).resolve().parent


def cfilters(start, stop, kind=0):
    return struct.pack("<BBHH", 0, kind, start, stop)


def cfheaders(start, stop, kind=0):
    return struct.pack("<BBHH", 1, kind, start, stop)


def cfcheckpt(stop, kind=0):
    return struct.pack("<BBH", 2, kind, stop)


def payload(which, data):
    return bytes([3, which, len(data)]) + data


def chain(what, height):
    names = ["length", "kept_first", "kept_last", "range_first", "range_last", "no_index", "fails", "fork"]
    return struct.pack("<BBH", 4, names.index(what), height)


def wait(seconds):
    return bytes([5, seconds])


def send(count):
    return bytes([6, count // 16])


END = bytes(6)  # the last steps of a script are shorter than its longest
seeds = {
    "range": cfilters(0, 999) + send(1008) + cfilters(1, 1001) + cfilters(300, 300) + send(16),
    "headers": cfheaders(0, 1999) + cfheaders(1, 2001) + cfheaders(7, 6) + cfheaders(5, 5),
    "checkpoints": cfcheckpt(999) + cfcheckpt(2299) + chain("fork", 1500) + cfcheckpt(2299)
    + cfcheckpt(1000) + cfcheckpt(0),
    "types": cfilters(0, 9, 241) + cfheaders(0, 9, 242) + cfcheckpt(9, 250),
    "queue": cfilters(0, 0) * 18 + send(16) + cfilters(1, 1) + send(16),
    "rate": (cfilters(0, 999) + send(1008)) * 5 + wait(1) + send(4000) + wait(1) + send(4000),
    "reorganised": cfilters(100, 299) + send(16) + chain("fork", 250) + send(16) + cfilters(0, 3) + send(16),
    "shorter": cfilters(100, 299) + send(16) + chain("length", 200) + send(16) + cfheaders(190, 210),
    "dropped": cfilters(100, 299) + send(16) + chain("kept_first", 150) + send(16) + cfilters(149, 160)
    + cfilters(150, 160),
    "lag": chain("range_last", 2000) + cfheaders(1990, 2001) + cfheaders(1990, 2000) + cfcheckpt(2200)
    + chain("kept_last", 2000) + cfilters(1990, 2001) + cfilters(1990, 2000) + send(16),
    "no-index": chain("no_index", 1) + cfilters(0, 9) + cfheaders(0, 9) + cfcheckpt(9),
    "fails": cfilters(0, 9) + chain("fails", 1) + send(16) + cfheaders(0, 9) + cfcheckpt(2000),
    "strange-stop": payload(0, b"\0" * 5 + b"\xff" * 32) + payload(1, b"\0" * 5 + b"\x01" * 32)
    + payload(2, b"\0" + b"\xff" * 32),
    "short": payload(0, b"\0" * 36),
    "long": payload(2, b"\0" * 34),
}
out = here / "corpus/filter_requests"
out.mkdir(parents=True, exist_ok=True)
for name, data in seeds.items():
    (out / name).write_bytes(data + END)
