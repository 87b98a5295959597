#!/usr/bin/env python3
"""Writes the seeds of fuzz_rest: targets of HTTP requests, good and bad.

Run in tests/fuzz/; the files are committed, so that no build needs this."""
import pathlib

here = pathlib.Path(__file__).resolve().parent
HASH = "00" * 31 + "01"
seeds = {
    "headers-json": f"/rest/headers/{HASH}.json",
    "headers-count": f"/rest/headers/{HASH}.bin?count=2000",
    "headers-two-counts": f"/rest/headers/{HASH}.hex?a=b&count=3&count=x",
    "headers-older": f"/rest/headers/7/{HASH}.json",
    "headers-zero": f"/rest/headers/{HASH}.json?count=0",
    "headers-huge": f"/rest/headers/{HASH}.json?count=99999999999999999999999",
    "headers-deep": f"/rest/headers/1/2/{HASH}.json",
    "headers-bad-hash": "/rest/headers/\x01abc.json",
    "headers-no-ending": f"/rest/headers/{HASH}",
    "height": "/rest/blockhashbyheight/2.json",
    "height-bin": "/rest/blockhashbyheight/0.bin?x",
    "height-range": "/rest/blockhashbyheight/2147483648.hex",
    "height-negative": "/rest/blockhashbyheight/-1.hex",
    "chaininfo": "/rest/chaininfo.json",
    "chaininfo-hex": "/rest/chaininfo.hex",
    "other": "/rest/tx/x.json",
    "long": "/rest/headers/" + "a" * 1100,
    "empty": "",
}
out = here / "corpus/rest"
out.mkdir(parents=True, exist_ok=True)
for name, data in seeds.items():
    (out / name).write_bytes(data.encode("latin-1"))
