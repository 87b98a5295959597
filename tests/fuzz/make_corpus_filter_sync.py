#!/usr/bin/env python3
"""Writes the seeds of fuzz_filter_sync: scripts in its language (see fuzz_filter_sync.c).

Run in tests/fuzz/; the files are committed, so that no build needs this."""
import pathlib

OLDEST, ANY, VIEW, BENT, UNASKED, GONE, TIME, GROW = range(8)
honest = [(OLDEST, peer, 0) for peer in range(4)]
everyone = [(OLDEST, peer, 0) for peer in range(5)]
seeds = {
    "agree": honest * 8 + [(GROW, 0, 0), (TIME, 0, 20)] + honest * 4 + [(TIME, 0, 200)],
    "dispute": everyone * 12 + [(TIME, 0, 250)] + everyone * 6 + [(GROW, 0, 0), (TIME, 0, 60)] + everyone * 4,
    "views": [(GONE, 1, 2), (GONE, 2, 3), (GONE, 3, 1)] + everyone * 8 + [(TIME, 0, 250)] * 3 + everyone * 8,
    "mixed": honest * 2 + [(VIEW, peer, view) for peer in range(5) for view in range(4)] * 2 + [(TIME, 0, 100)] + honest,
    "bent": honest * 2 + [(BENT, peer, b) for peer in range(5) for b in (1, 2, 4, 77)] + honest * 4 + [(TIME, 0, 250)],
    "unasked": honest + [(UNASKED, peer, b) for peer in range(3) for b in range(0, 9)] + honest * 4,
    "disproved": honest * 8 + [(GROW, 200, 30), (TIME, 0, 9)] + everyone * 8 + [(GROW, 255, 230)] + everyone * 4,
    "silent": [(TIME, 0, 250)] * 6 + honest * 6,
    "gone": honest * 3 + [(GONE, peer, 0) for peer in range(5)] + honest * 6 + [(TIME, 0, 250)] + everyone * 8,
}
out = pathlib.Path(__file__).resolve().parent / "corpus/filter_sync"
out.mkdir(parents=True, exist_ok=True)
for name, steps in seeds.items():
    (out / name).write_bytes(b"".join(bytes(s) for s in steps))
