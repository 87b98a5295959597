#!/usr/bin/env python3
"""Writes the seeds of fuzz_transport_v2 and fuzz_ellswift: first bytes of both transports, and steps.

Run in tests/fuzz/; the files are committed, so that no build needs this."""
import pathlib

here = pathlib.Path(__file__).resolve().parent
V1 = bytes.fromhex("fabfb5da") + b"version" + b"\0" * 5
transport = {
    "v1-to-responder": b"\0" + V1,
    "v1-to-initiator": b"\1" + V1,
    "v1-other-network": b"\0" + b"\xf9\xbe\xb4\xd9" + V1[4:],
    "key-and-garbage": b"\0" + bytes(range(64)) + b"g" * 4200,
    "packets-to-responder": b"\2" + bytes([0, 1, 100, 101, 199, 4]),
    "packets-to-initiator": b"\3" + bytes([0, 1, 100, 101, 199, 4]),
    "rekey": b"\2" + bytes([2, 3] * 230),
    "flip-length": b"\2" + bytes([10, 200, 5, 0, 10, 10]),
    "flip-tag": b"\3" + bytes([10, 255, 255, 1, 10]),
}
ellswift = {
    "zero": bytes(64),
    "ones": b"\xff" * 96,
    "u-is-p": bytes.fromhex("f" * 55 + "efffffc2f") + bytes(31) + b"\1" + bytes(range(1, 33)),
    "count": bytes(range(96)),
}
for name, seeds in (("transport_v2", transport), ("ellswift", ellswift)):
    out = here / "corpus" / name
    out.mkdir(parents=True, exist_ok=True)
    for seed, data in seeds.items():
        (out / seed).write_bytes(data)
