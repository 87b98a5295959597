#!/usr/bin/env python3
"""time_limits.py CTEST BUILD SCALE SLOW...: every test of the build folder has a time limit of its own
(TIMEOUT), so that one that hangs is a failure with a name and no run without an end; and just the tests
SLOW... have the label `slow`, so that the list in tests/CMakeLists.txt names no test that is gone.

time_limits.py --costs BUILD: how long each test took when it last ran there, longest first, and what the
tests without the label took together (one after the other)."""

import json
import pathlib
import subprocess
import sys

LONGEST = 2400  # seconds, before SPV_TEST_TIME_SCALE: a CI run is cut off at 5400


def faults(tests, longest, slow):
    """tests: as of ctest --show-only=json-v1. Returns what is wrong, a line each."""
    wrong, labelled = [], set()
    for test in tests:
        properties = {p["name"]: p["value"] for p in test.get("properties", [])}
        limit = properties.get("TIMEOUT")
        if limit is None or not 0 < limit <= longest:
            wrong.append(f"{test['name']}: time limit {limit or 'missing'}")
        if "slow" in properties.get("LABELS", []):
            labelled.add(test["name"])
    for name in sorted(slow - labelled):
        wrong.append(f"{name}: listed as slow, but no test with that label")
    for name in sorted(labelled - slow):
        wrong.append(f"{name}: has the label slow, but is not in the list")
    return wrong


def read_tests(ctest, build):
    shown = subprocess.run([ctest, "--test-dir", build, "--show-only=json-v1"], check=True,
                           stdout=subprocess.PIPE)
    return json.loads(shown.stdout)["tests"]


def print_costs(build):
    slow = {test["name"] for test in read_tests("ctest", build)
            if any(p["name"] == "LABELS" and "slow" in p["value"] for p in test.get("properties", []))}
    text = pathlib.Path(build, "Testing/Temporary/CTestCostData.txt").read_text(encoding="ascii")
    costs = {}
    for line in text.partition("---")[0].splitlines():
        name, runs, seconds = line.split()
        if int(runs):
            costs[name] = float(seconds)
    for name in sorted(costs, key=costs.get, reverse=True):
        print(f"{costs[name]:8.1f} s  {name}{'  (slow)' if name in slow else ''}")
    rest = sum(cost for name, cost in costs.items() if name not in slow)
    print(f"{rest:8.1f} s  all without the label slow, {sum(costs.values()):.1f} s all")


def main():
    if sys.argv[1] == "--costs":
        print_costs(sys.argv[2])
        return 0
    ctest, build, scale, *slow = sys.argv[1:]
    tests = read_tests(ctest, build)
    wrong = faults(tests, LONGEST * int(scale), set(slow))
    print("\n".join(wrong or [f"{len(tests)} tests, each with a time limit, {len(slow)} of them slow"]))
    return 1 if wrong or not tests else 0


if __name__ == "__main__":
    sys.exit(main())
