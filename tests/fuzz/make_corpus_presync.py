#!/usr/bin/env python3
"""Writes the seeds of fuzz_presync: scripts in its language (see fuzz_presync.c).

Run in tests/fuzz/; the files are committed, so that no build needs this."""
import pathlib

GIVE, CHANGE, MISS, AGAIN, RAW, CLOCK, LET = 0, 2, 3, 4, 5, 6, 7


def pass_of(messages, seed=0):
    """Full messages (1,993 headers each) of a chain, and room made after each."""
    return [(GIVE, seed, 249, 0), (LET, 0, 255, 0)] * messages


seeds = {
    # threshold in 100 headers, then the steps
    "short": (1, pass_of(1) + pass_of(1)),
    "exact": (4, [(GIVE, 0, 25, 0)] * 2 + [(GIVE, 0, 25, 0), (LET, 0, 1, 0), (LET, 0, 255, 0)] * 2),
    "long": (220, pass_of(12) + pass_of(12)),
    "junk-second": (220, pass_of(12) + pass_of(4) + pass_of(8, 1)),
    "junk-at-once": (60, pass_of(4) + pass_of(4, 2)),
    "waits": (220, pass_of(12) + [(GIVE, 0, 249, 0)] * 12),
    "changed": (255, [step for b in range(0, 80, 4) for step in
                      ((GIVE, 0, 5, 0), (CHANGE, 0, 3, b))]),
    "missed": (255, [(GIVE, 0, 5, 0), (MISS, 0, 3, 76)]),
    "again": (255, [(GIVE, 0, 9, 0), (AGAIN, 0, 9, 0), (GIVE, 0, 9, 0)]),
    "future": (255, [(GIVE, 0, 9, 0), (CLOCK, 0, 0, 0), (GIVE, 0, 9, 0)]),
    "nothing-asked": (0, [(GIVE, 0, 1, 0), (GIVE, 0, 1, 0), (LET, 0, 1, 0)]),
}
out = pathlib.Path(__file__).resolve().parent / "corpus/presync"
out.mkdir(parents=True, exist_ok=True)
for name, (threshold, steps) in seeds.items():
    body = b"".join(bytes(s) for s in steps)
    for kind in range(4):
        (out / f"{name}-{kind}").write_bytes(bytes([kind, threshold, kind]) + body)
    (out / f"{name}-harder").write_bytes(bytes([4, threshold, 9]) + body)
(out / "raw").write_bytes(bytes([3, 9, 9, RAW]) + b"\1" * 80 + bytes([RAW]) + b"\0" * 80)
