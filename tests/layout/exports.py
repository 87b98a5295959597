#!/usr/bin/env python3
"""A shared library exports what its public headers declare with SPV_API: all of it, and no more.

exports.py NM LIBRARY HEADER..."""

import re
import subprocess
import sys


def declared(header):
    with open(header, encoding="utf-8") as file:
        text = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)
    text = re.sub(r"^\s*#.*(?:\\\n.*)*$", "", text, flags=re.M)
    names = set()
    for declaration in re.findall(r"\bSPV_API\b([^;{]*)", text):
        name = re.search(r"\b(spv_\w+)\s*\(", declaration) or re.search(r"\b(spv_\w+)\s*(?:\[|$)", declaration)
        if not name:
            sys.exit(f"exports: cannot read this declaration of {header}: {declaration.strip()}")
        names.add(name.group(1))
    return names


def exported(nm, library):
    out = subprocess.run([nm, "-D", "-P", "--defined-only", library], check=True,
                         capture_output=True, text=True).stdout
    # Instrumented builds add marks of their own; they are no part of the library.
    marks = re.compile(r"__(asan|ubsan|tsan|odr_asan|sancov|gcov|llvm)|_init$|_fini$|mangle_path|"
                       r"_edata$|_end$|__bss_start$")
    have = {line.split()[0].split("@")[0] for line in out.splitlines()}
    return {name for name in have if not marks.match(name)}


def main():
    nm, library, *headers = sys.argv[1:]
    want = set().union(*(declared(header) for header in headers))
    have = exported(nm, library)
    for name in sorted(want - have):
        print(f"exports: {library} lacks {name}, which its headers declare")
    for name in sorted(have - want):
        print(f"exports: {library} shows {name}, which its headers do not declare")
    print(f"exports: {len(want)} declared, {len(have)} exported")
    return 0 if want == have and want else 1


if __name__ == "__main__":
    sys.exit(main())
