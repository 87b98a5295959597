#!/usr/bin/env python3
"""Writes the seeds of fuzz_socks5: what a proxy may answer.

Run in tests/fuzz/; the files are committed, so that no build needs this."""
import pathlib

here = pathlib.Path(__file__).resolve().parent
NAME, IPV4, IPV6, ONION, SECRET = b"\0", b"\1", b"\2", b"\3", 4
none, auth, good = b"\5\0", b"\5\2\1\0", b"\5\0\0\1" + b"\0" * 6
seeds = {
    "ipv4": NAME + b"\7" + none + good,
    "ipv4-bytewise": IPV4 + b"\0" + none + good + b"rest",
    "ipv6": IPV6 + b"\7" + none + b"\5\0\0\4" + b"\0" * 18,
    "name": ONION + b"\2" + none + b"\5\0\0\3\4host\0\1" + b"more",
    "name-empty": NAME + b"\7" + none + b"\5\0\0\3\0\0\0",
    "secret": bytes([SECRET]) + b"\7" + auth + good,
    "secret-refused": bytes([SECRET | 1]) + b"\7" + b"\5\2\1\1",
    "no-method": NAME + b"\7" + b"\5\xff",
    "refused": NAME + b"\7" + none + b"\5\5\0\1" + b"\0" * 6,
    "tor": ONION + b"\7" + none + b"\5\xf0\0\1" + b"\0" * 6,
    "bad-type": NAME + b"\7" + none + b"\5\0\0\2" + b"\0" * 6,
    "http": NAME + b"\7" + b"HTTP/1.1 400 Bad Request\r\n",
}
out = here / "corpus/socks5"
out.mkdir(parents=True, exist_ok=True)
for name, data in seeds.items():
    (out / name).write_bytes(data)
