#!/usr/bin/env python3
"""The binary interface: what each shared library exports, the size of every public struct and the value
of every public enumerator, compared with the list abi.txt, which is that of x86-64.

    abi.py CC NM HEADERS_FOLDER VERSION_HEADER_FOLDER ABI_TXT LIBRARY... [--update]

A difference is a change of the interface: before 1.0 it takes a new minor version, whose SONAME is
another one, and `--update` writes the list anew. LIBRARY is NAME=FILE."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import exports


def structs_and_enumerators(cc, folders):
    out = subprocess.run([cc, "-E", "-P", *[f"-I{folder}" for folder in folders], "-x", "c", "-"], check=True,
                         input="#include <spv/spv.h>\n", capture_output=True, text=True).stdout
    structs = set(re.findall(r"\bstruct (spv_\w+)\s*\{", out))
    enumerators = set()
    for body in re.findall(r"\benum \w*\s*\{(.*?)\}", out, re.S):
        enumerators |= set(re.findall(r"(?:^|,)\s*(SPV_\w+)", body))
    return sorted(structs), sorted(enumerators)


def measured(cc, folders, structs, enumerators):
    source = "#include <spv/spv.h>\n#include <stdio.h>\nint main(void)\n{\n"
    source += "".join(f'    printf("struct {name} %zu\\n", sizeof(struct {name}));\n' for name in structs)
    source += "".join(f'    printf("enumerator {name} %lld\\n", (long long){name});\n' for name in enumerators)
    with tempfile.TemporaryDirectory() as tmp:
        (Path(tmp) / "abi.c").write_text(source + "    return 0;\n}\n", encoding="utf-8")
        program = Path(tmp) / "abi"
        subprocess.run([cc, *[f"-I{folder}" for folder in folders], Path(tmp) / "abi.c", "-o", program],
                       check=True)
        return subprocess.run([program], check=True, capture_output=True, text=True).stdout.splitlines()


def main():
    update = "--update" in sys.argv
    cc, nm, headers, generated, listed, *libraries = [a for a in sys.argv[1:] if a != "--update"]
    structs, enumerators = structs_and_enumerators(cc, [headers, generated])
    have = measured(cc, [headers, generated], structs, enumerators)
    for library in libraries:
        name, file = library.split("=")
        have += [f"{name} {symbol}" for symbol in sorted(exports.exported(nm, file))]
    if len(structs) < 50 or len(enumerators) < 200:
        sys.exit(f"abi: only {len(structs)} structs and {len(enumerators)} enumerators were found")
    if update:
        Path(listed).write_text("\n".join(have) + "\n", encoding="utf-8")
    want = Path(listed).read_text(encoding="utf-8").splitlines()
    for line in sorted(set(want) - set(have)):
        print(f"abi: gone: {line}")
    for line in sorted(set(have) - set(want)):
        print(f"abi: new: {line}")
    print(f"abi: {len(structs)} structs, {len(enumerators)} enumerators, {len(have)} lines")
    if want != have:
        print("abi: the interface has changed: see CONTRIBUTING.md; then tests/layout/abi.py ... --update")
    return 0 if want == have else 1


if __name__ == "__main__":
    sys.exit(main())
