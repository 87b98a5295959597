#!/usr/bin/env python3
"""What do the rooms really call? Reads the undefined symbols of each room's object files.

purity.py --nm NM --rules cmake/pure-symbols.txt [--pure NAME=FILE[,FILE...]]... [--room ...]...

A pure room may leave undefined only what [pure] and its own section allow. The others may call
anything but what [library no] and [<room> no] name. All may call the spv_ functions of the rooms
they may include, and no others. Prints each offence and exits 1 if there is any."""

import argparse
import fnmatch
import os
import re
import subprocess
import sys


def read_may_use(path):
    """The table of cmake/rooms.cmake: {room: the rooms it may include, itself and util among them}."""
    with open(path, encoding="ascii") as file:
        found = re.findall(r"^set\(SPV_MAY_INCLUDE_([a-z/]+)([a-z/ ]*)\)$", file.read(), flags=re.M)
    return {room: [room, "util", *others.split()] for room, others in found}


def read_rules(path):
    rules, section = {}, None
    with open(path, encoding="ascii") as lines:
        for line in lines:
            line = line.split("#")[0].strip()
            if line.startswith("["):
                section = rules.setdefault(line.strip("[]"), [])
            elif line:
                section.append(line)
    return rules


def symbols(nm, files):
    """{file: (defined, undefined)}: the global symbols of object files; names lose their version suffix."""
    files = [str(file) for file in files]
    text = subprocess.run([nm, "-A", "-P", "-g", *files], check=True, capture_output=True, text=True).stdout
    found = {file: (set(), set()) for file in files}
    for line in text.splitlines():
        file, _, rest = line.partition(": ")
        name, kind = rest.split()[:2]
        defined, undefined = found[file]
        (undefined if kind in "Uwv" else defined).add(name.split("@")[0])
    return found


def matches(name, patterns):
    return any(fnmatch.fnmatchcase(name, p) for p in patterns)


def offences(nm, rules_path, pure, other):
    """pure, other: {room: [object file]}. Returns (object files read, [what is wrong])."""
    rules = read_rules(rules_path)
    may_use = read_may_use(os.path.join(os.path.dirname(rules_path), "rooms.cmake"))
    found = {name: symbols(nm, files) for name, files in {**pure, **other}.items()}
    owner = {symbol: name for name, objects in found.items() for defined, _ in objects.values()
             for symbol in defined if symbol.startswith("spv_")}
    bad = []
    for name, objects in found.items():
        refused = rules["library no"] + rules.get(f"{name} no", [])
        allowed = rules["pure"] + rules.get(name, [])
        for file, (_, undefined) in objects.items():
            short = name + "/" + str(file).rsplit("/", 1)[-1].removesuffix(".o")
            for symbol in sorted(undefined):
                home = owner.get(symbol)
                if home is not None:
                    if home not in may_use[name]:
                        bad.append(f"{short} calls {symbol} of the room {home}")
                elif symbol.startswith("spv_"):
                    bad.append(f"{short} calls {symbol}, which no room defines")
                elif matches(symbol, refused):
                    bad.append(f"{short} calls {symbol}: refused to the room {name}")
                elif name in pure and not matches(symbol, allowed):
                    bad.append(f"{short} calls {symbol}: not in the allow-list of pure rooms")
    return sum(len(objects) for objects in found.values()), bad


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--nm", default="nm")
    parser.add_argument("--rules", required=True)
    parser.add_argument("--pure", action="append", default=[])
    parser.add_argument("--room", action="append", default=[])
    args = parser.parse_args()

    def by_room(given):
        pairs = (spec.partition("=") for spec in given)
        return {name: [f for f in files.split(",") if f] for name, _, files in pairs}

    pure, other = by_room(args.pure), by_room(args.room)
    for name, files in {**pure, **other}.items():
        if not files:
            sys.exit(f"purity: room {name} has no object files")
    checked, bad = offences(args.nm, args.rules, pure, other)
    for line in bad:
        print("purity:", line)
    print(f"purity: {checked} object files of {len(pure) + len(other)} rooms, {len(bad)} offences")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
