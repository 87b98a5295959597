#!/usr/bin/env python3
"""Writes the seeds of fuzz_filter: filters of BIP158's genesis blocks, of block 170, and malformed ones.

Run in tests/fuzz/; the files are committed, so that no build needs this."""
import pathlib

out = pathlib.Path(__file__).resolve().parent / "corpus" / "filter"
out.mkdir(parents=True, exist_ok=True)
filters = {
    "genesis": "017fa880", "testnet-genesis": "019dfca8", "two": "027acea61b6cc3fb33f5d52f7d088a6b2f75d234e89ca800",
    "three": "0357e49590040c79b0", "none": "00", "cut": "0357e49590040c79", "trailing": "0357e49590040c79b000",
    "padding": "0357e49590040c79b1", "count": "0457e49590040c79b0", "long-count": "fd030057e49590040c79b0",
    "huge-count": "feffffffff57e49590040c79b0", "ones": "05" + "ff" * 30, "nine": "09" + "027acea61b6cc3fb33f5d52f7d088a6b2f75d234e89ca8",
    "zeros": "28" + "00" * 100, "long-code": "03" + "ff" * 9 + "80" + "00" * 10, "out-of-range": "01" + "ff" * 3 + "00" * 3,
}
for name, text in filters.items():
    for script in (5, 16):
        (out / f"{name}-{script}").write_bytes(bytes([7, script]) + bytes.fromhex(text))
