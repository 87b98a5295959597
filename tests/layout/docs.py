#!/usr/bin/env python3
"""What the documents say of the tree is true: each path they name exists, each function of the walk in
docs/architecture.md is in a file of its row, each picture and linked page is there, and CONTRIBUTING's table
of rooms is that of cmake/rooms.cmake. Each public function has a comment, or shares that of the declarations
right above it, which says what it returns and, unless the header's first comment does, on which thread.

docs.py SOURCE"""

import glob
import pathlib
import re
import sys

import purity

PAGES = ["README.md", "CONTRIBUTING.md", "docs/architecture.md", "docs/glossary.md", "docs/schema.md",
         "docs/formats.md"]
# A path below a folder of the tree, with * as in a shell; words in capitals stand for a name.
PATH = re.compile(r"(?<![\w/.-])((?:src|include|apps|tests|docs|tools|cmake|examples|bench)/[\w./*-]*[\w*/])")

DECLARATION = re.compile(r"^(?:SPV_API|static inline)\s+([a-z_][\w *]*?)\b(spv_\w+)\(", flags=re.M)


def paths(text):
    return sorted({path for path in PATH.findall(text) if not re.search(r"[A-Z]{3,}|/X|_X", path)})


def walk_faults(source, text):
    """Rows | step | files | functions |."""
    wrong, rows = [], 0
    for row in re.findall(r"^\| \d+\. .*\|$", text, flags=re.M):
        rows += 1
        _, step, files, functions, _ = (cell.strip() for cell in row.split("|"))
        code = "".join((source / name).read_text() for name in files.split(", ") if (source / name).is_file())
        for name in re.findall(r"`(\w+)`", functions):
            if not re.search(rf"^[a-z][^;=\n]*\b{name}\([^;]*\n?[^;]*\)\n\{{", code, flags=re.M):
                wrong.append(f"step {step.split('.')[0]}: no function {name} in {files}")
    return wrong if rows else ["no walk"]


def room_faults(rooms, text):
    """rooms: {room: what it may use}; the text is CONTRIBUTING's."""
    wrong = []
    table = dict(re.findall(r"^\| src/([a-z/]+)/ \| [^|]* \| ([^|]*)\|$", text, flags=re.M))
    for room in sorted(rooms.keys() ^ table.keys()):
        wrong.append(f"the room {room} is in one table only")
    for room in sorted(rooms.keys() & table.keys()):
        have = {word.removeprefix("spv/") for word in table[room].strip().split(", ") if word}
        want = {word.removeprefix("spv/") for word in rooms[room]} - {room.removeprefix("spv/"), "util"}
        if have != want and not have & {"all of spv", "everything above"}:
            wrong.append(f"the room {room} may include {', '.join(sorted(want)) or 'nothing'}")
    return wrong


def header_faults(name, text):
    """Functions of a public header whose comment lacks what it returns or the thread rule."""
    wrong = []
    first = re.match(r"/\*.*?\*/", text, flags=re.S)
    rule_of_all = first and re.search(r"thread", first[0], flags=re.I)
    comment = ""
    for part in re.split(r"(/\*.*?\*/|\n[ \t]*\n)", text, flags=re.S):
        if part.startswith("/*"):
            comment = part
        elif not part.strip():
            comment = comment if part.count("\n") < 2 else ""
        for kind, function in DECLARATION.findall(part):
            if not comment:
                wrong.append(f"{name}: {function} has no comment")
            elif kind.strip() != "void" and not re.search(r"\breturn(s|ed)?\b", comment, flags=re.I):
                wrong.append(f"{name}: the comment of {function} does not say what it returns")
            if not rule_of_all and not re.search(r"thread", comment, flags=re.I):
                wrong.append(f"{name}: the comment of {function} has no thread rule")
    return wrong


def faults(source):
    wrong = []
    for page in PAGES:
        text = (source / page).read_text(encoding="utf-8")
        for path in paths(text):
            if not glob.glob(str(source / path)):
                wrong.append(f"{page}: there is no {path}")
        for link in re.findall(r"\]\(([^)#:]+)\)", text):
            if not (source / page).parent.joinpath(link).exists():
                wrong.append(f"{page}: a link to {link}, which is not there")
    architecture = (source / "docs/architecture.md").read_text(encoding="utf-8")
    wrong += [f"docs/architecture.md: {fault}" for fault in walk_faults(source, architecture)]
    rooms = purity.read_may_use(source / "cmake/rooms.cmake")
    contributing = (source / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for header in sorted((source / "include/spv").glob("*.h")):
        wrong += header_faults(header.name, header.read_text(encoding="utf-8"))
    return wrong + [f"CONTRIBUTING.md: {fault}" for fault in room_faults(rooms, contributing)]


def main():
    wrong = faults(pathlib.Path(sys.argv[1]))
    print("\n".join(wrong or [f"{len(PAGES)} pages"]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
