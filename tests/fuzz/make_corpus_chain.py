#!/usr/bin/env python3
"""Writes the seeds of fuzz_chain: scripts in its language (see fuzz_chain.c).

Run in tests/fuzz/; the files are committed, so that no build needs this."""
import pathlib

MINE, CHANGE, MISS, AGAIN, RAW, LOAD, CLOCK = 0, 2, 3, 4, 5, 6, 7
TIP = 0


def on(back):
    """A parent so many made headers ago (1 is the last)."""
    return back - 1 or 255


seeds = {
    "grow": [(MINE, TIP, 30, 85)] * 6,
    "fork": [(MINE, TIP, 20, 86), (MINE, 10, 8, 86), (MINE, 1, 20, 86), (MINE, TIP, 3, 86)],
    "fork-of-fork": [(MINE, TIP, 20, 86), (MINE, 15, 9, 1), (MINE, 3, 9, 2), (MINE, 30, 31, 3),
                     (MINE, 1, 31, 4), (AGAIN, 0, 0, 60), (AGAIN, 20, 0, 60)],
    "reload": [(MINE, TIP, 31, 85), (LOAD, 0, 0, 0), (MINE, TIP, 31, 85), (MINE, 40, 31, 85),
               (LOAD, 0, 0, 0), (MINE, 35, 31, 85)],
    "changed": [(CHANGE, TIP, b, 255) for b in range(0, 80, 4)],
    "missed": [(MISS, TIP, b, 1) for b in (0, 4, 36, 68, 72, 76)],
    "late": [(MINE, TIP, 4, 20)] * 4 + [(MINE, TIP, 1, 180)] * 8 + [(MINE, TIP, 4, 20)] * 3,
    "future": [(CLOCK, 10, 0, 0), (MINE, TIP, 30, 86), (CLOCK, 200, 0, 0), (MINE, TIP, 30, 86)],
    "many-branches": [(MINE, TIP, 31, 86)] + [(MINE, 1 + i, 2, i) for i in range(40)],
    "deep": [(MINE, TIP, 31, 86)] * 5 + [(MINE, 150, 31, 85)] + [(MINE, on(2), 31, 85)] * 6,
}
out = pathlib.Path(__file__).resolve().parent / "corpus/chain"
out.mkdir(parents=True, exist_ok=True)
for name, steps in seeds.items():
    body = b"".join(bytes(s) for s in steps)
    for kind in range(4):
        (out / f"{name}-{kind}").write_bytes(bytes([kind]) + body)
    (out / f"{name}-checkpoint").write_bytes(bytes([4 | 3]) + body)
    (out / f"{name}-unindexed").write_bytes(bytes([8 | 3]) + body)
(out / "raw").write_bytes(bytes([3, RAW]) + b"\1" * 80 + bytes([RAW]) + b"\0" * 80)
