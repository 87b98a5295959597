#!/usr/bin/env python3
"""run.py MODULE: runs the CLI tests of a module. The last lines name what was skipped, and why, in the
form that tools/junit_counts.py reads; the exit code is 77, which ctest reads as skipped, when that
was all of them."""

import sys
import unittest

SKIPPED = 77


def main():
    suite = unittest.defaultTestLoader.loadTestsFromName(sys.argv[1])
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
    for test, why in result.skipped:
        print(f"skipped: {test}: {why}")
    if not result.wasSuccessful() or not result.testsRun and not result.skipped:
        return 1
    return SKIPPED if result.skipped and len(result.skipped) >= result.testsRun else 0


if __name__ == "__main__":
    sys.exit(main())
