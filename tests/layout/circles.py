#!/usr/bin/env python3
"""No two sources of one library or program call each other in a circle: read from the symbols of the
object files.

circles.py --nm NM --allowed tests/layout/circles.txt [--group NAME=FILE[,FILE...]]...

A group is the object files of one room of src/ or of one program. A file points to another one when it
leaves a symbol undefined that the other one defines: a function or a table, which is a call, too. Files
that reach each other are a circle. Each is printed with the symbols that make it, and fails unless the
list of allowed circles names it. An entry of that list that no circle needs fails as well.

The list has one circle a line, "GROUP: FILE FILE...: WHY", with the names of files without folder and
suffix. It is for registries: a table that names its members, which call what the table's file has."""

import argparse
import pathlib
import sys

from purity import symbols

UNTIED = "being untied"  # the only reason that may name files that are out of the circle already


class Malformed(Exception):
    """A list of allowed circles that cannot be read."""


def short(file):
    return pathlib.Path(file).name.split(".")[0]


def edges(nm, files):
    """{file: {other file: [symbols of the other one that the file refers to]}}"""
    found = symbols(nm, files)
    owner = {symbol: file for file, (defined, _) in found.items() for symbol in defined}
    out = {file: {} for file in files}
    for file, (_, undefined) in found.items():
        for symbol in sorted(undefined):
            if owner.get(symbol, file) != file:
                out[file].setdefault(owner[symbol], []).append(symbol)
    return out


def reachable(graph, start):
    seen, todo = set(), [start]
    while todo:
        for other in graph[todo.pop()]:
            if other not in seen:
                seen.add(other)
                todo.append(other)
    return seen


def circles(graph):
    """The sets of files that reach each other, in the order of their first file."""
    reach = {file: reachable(graph, file) for file in graph}
    found = []
    for file in sorted(graph):
        if file in reach[file] and not any(file in circle for circle in found):
            found.append({other for other in reach[file] if file in reach[other]})
    return found


def read_allowed(text):
    """[(group, {file names}, why)]"""
    allowed = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        group, _, rest = line.partition(": ")
        names, _, why = rest.partition(": ")
        if not group or len(names.split()) < 2 or not why.strip():
            raise Malformed(f"line {number}: not GROUP: FILE FILE...: WHY: {line}")
        allowed.append((group, set(names.split()), why.strip()))
    return allowed


def describe(group, circle, graph):
    lines = [f"{group}: a circle of {', '.join(sorted(short(file) for file in circle))}"]
    for file in sorted(circle):
        for other in sorted(circle & graph[file].keys()):
            lines.append(f"    {short(file)} -> {short(other)}: {' '.join(graph[file][other])}")
    return lines


def offences(nm, groups, allowed):
    """groups: {name: [object file]}. Returns (circles found, [what is wrong])."""
    count, bad = 0, []
    members = [set() for _ in allowed]  # of each entry: the files that are in a circle
    for group, files in groups.items():
        graph = edges(nm, files)
        for circle in circles(graph):
            count += 1
            names = {short(file) for file in circle}
            fits = [i for i, (of, may, _) in enumerate(allowed) if of == group and names <= may]
            for i in fits:
                members[i] |= names
            if not fits:
                bad += describe(group, circle, graph)
    for (group, names, why), have in zip(allowed, members):
        if not have or (have != names and UNTIED not in why):
            bad.append(f"{group}: no circle of {' '.join(sorted(names - have))} any more: "
                       "take it out of the list of allowed circles")
    return count, bad


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--nm", default="nm")
    parser.add_argument("--allowed", required=True)
    parser.add_argument("--group", action="append", default=[])
    args = parser.parse_args()
    groups = {}
    for spec in args.group:
        name, _, files = spec.partition("=")
        groups[name] = [file for file in files.split(",") if file]
        if not groups[name]:
            sys.exit(f"circles: {name} has no object files")
    try:
        allowed = read_allowed(pathlib.Path(args.allowed).read_text(encoding="ascii"))
    except Malformed as why:
        sys.exit(f"circles: {args.allowed}: {why}")
    count, bad = offences(args.nm, groups, allowed)
    for line in bad:
        print(line)
    print(f"circles: {len(groups)} groups, {count} circles, {len(allowed)} allowed")
    return 1 if bad or not groups else 0


if __name__ == "__main__":
    sys.exit(main())
