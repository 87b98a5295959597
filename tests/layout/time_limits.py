#!/usr/bin/env python3
"""time_limits.py CTEST BUILD SCALE: every test of the build folder has a time limit of its own (TIMEOUT), so
that one that hangs is a failure with a name and no run without an end."""

import json
import subprocess
import sys

LONGEST = 2400  # seconds, before SPV_TEST_TIME_SCALE: a CI run is cut off at 5400


def main():
    ctest, build, scale = sys.argv[1:]
    shown = subprocess.run([ctest, "--test-dir", build, "--show-only=json-v1"], check=True,
                           stdout=subprocess.PIPE)
    tests = json.loads(shown.stdout)["tests"]
    wrong = []
    for test in tests:
        limits = [p["value"] for p in test.get("properties", []) if p["name"] == "TIMEOUT"]
        if len(limits) != 1 or not 0 < limits[0] <= LONGEST * int(scale):
            wrong.append(f"{test['name']}: time limit {limits or 'missing'}")
    print("\n".join(wrong or [f"{len(tests)} tests, each with a time limit"]))
    return 1 if wrong or not tests else 0


if __name__ == "__main__":
    sys.exit(main())
