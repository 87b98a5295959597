#!/usr/bin/env python3
"""junit_counts.py JUNIT DETAIL: prints "passed failed skipped" of a ctest run, and writes a line
"failed<TAB>test" or "skipped<TAB>test<TAB>why" to DETAIL for each that did not pass. A test that skipped
some of its cases has passed; each of those is one more skipped. Exits 1 when the file holds no test."""

import re
import sys
import xml.etree.ElementTree as xml


# "skipped: CASE: WHY" of tests/cli/run.py; cmocka's line of a skipped case, which says no more.
CASE = re.compile(r"^(?:skipped: (?P<case>.*?): (?P<why>.*)|\[  SKIPPED \] (?P<plain>.*))$", re.MULTILINE)


def main():
    try:
        cases = xml.parse(sys.argv[1]).getroot().findall("testcase")
    except (OSError, xml.ParseError):
        return 1
    counts = {"run": 0, "fail": 0, "notrun": 0}
    with open(sys.argv[2], "w", encoding="utf-8") as detail:
        for case in cases:
            status = case.get("status")
            skipped = case.find("skipped")
            message = skipped.get("message", "") if skipped is not None else ""
            if status == "disabled":
                status = "notrun"
            elif status == "notrun" and "SKIP" not in message:
                status = "fail"  # its program was not built, or a test it needs failed
            counts[status] += 1
            if status == "fail":
                detail.write(f"failed\t{case.get('name')}\t\n")
            elif status == "notrun":
                said = (case.findtext("system-out") or "").strip().splitlines()
                detail.write(f"skipped\t{case.get('name')}\t{said[-1] if said else message}\n")
            else:
                seen = set()
                for part in CASE.finditer(case.findtext("system-out") or ""):
                    name = part["case"] or part["plain"]
                    if name not in seen:  # cmocka lists them again at the end
                        seen.add(name)
                        counts["notrun"] += 1
                        detail.write(f"skipped\t{case.get('name')}\t{name}: {part['why'] or ''}\n")
    print(counts["run"], counts["fail"], counts["notrun"])
    return 0 if cases else 1


if __name__ == "__main__":
    sys.exit(main())
