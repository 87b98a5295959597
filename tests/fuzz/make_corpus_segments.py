#!/usr/bin/env python3
"""Writes the seeds of fuzz_fetch: scripts in its language (see fuzz_fetch.c).

Run in tests/fuzz/; the files are committed, so that no build needs this."""
import pathlib

OLDEST, ANY, FALSE, SOME, ODD, GONE, TIME, TAKE = range(8)
seeds = {
    "in-order": [(OLDEST, 0, 0)] * 12 + [(TIME, 0, 1), (TAKE, 0, 0)],
    "out-of-order": [(ANY, 0, 3), (ANY, 0, 2), (ANY, 0, 4), (ANY, 0, 1)] * 3 + [(TIME, 0, 1), (TAKE, 0, 0)],
    "false": [(FALSE, 0, 1), (FALSE, 0, 0)] * 4 + [(ANY, 1, 0)] * 12 + [(TIME, 0, 1), (TAKE, 0, 0)],
    "hedged": [(OLDEST, 0, 0), (TIME, 0, 50), (OLDEST, 1, 0), (TIME, 0, 50), (OLDEST, 2, 0)] * 4 + [(TAKE, 0, 0)],
    "gone": [(OLDEST, 0, 0), (GONE, 0, 0), (OLDEST, 1, 0), (OLDEST, 2, 0), (OLDEST, 3, 0)] * 4 + [(TAKE, 0, 0)],
    "odd": [(ODD, 0, b) for b in range(0, 80, 8)] + [(SOME, 1, 255), (SOME, 2, 1)],
    "anew": [(OLDEST, 0, 0)] * 3 + [(TIME, 0, 1), (TAKE, 255, 0)] + [(OLDEST, 0, 0)] * 9 + [(TAKE, 0, 0)],
    "silent": [(TIME, 0, 250)] * 6,
}
out = pathlib.Path(__file__).resolve().parent / "corpus/fetch"
out.mkdir(parents=True, exist_ok=True)
for name, steps in seeds.items():
    (out / name).write_bytes(b"".join(bytes(s) for s in steps))
