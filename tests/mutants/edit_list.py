"""Edit lists: mutants as old and new text, so that they survive moves, reflows and renames nearby.

One file a source file, tests/mutants/<room>/<file>.mutants:

    == fetch-window-bound
    kills: unit_sync_segments sim_segments
    why: the window counts only what is there, not what is requested
    file: src/spv/sync/segments.c
    --- old
            if (f->n && buffered + size > SPV_SEGMENTS_MAX_HEADERS)
    --- new
            if (f->n && buffered > SPV_SEGMENTS_MAX_HEADERS)
    --- end

kills: targets of which one must fail. why: optional. old: whole lines, found as they stand, else as a
sequence of tokens; they must match exactly one place of the file. new: may be empty. A mutant may
have several file groups. Nothing else is allowed.
"""
import re

TOKEN = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|\w+|\S')


class Malformed(Exception):
    """A list that cannot be read, or an edit that does not fit its file."""


class Edit:
    def __init__(self, file):
        self.file = file
        self.old = []
        self.new = []


class Mutant:
    def __init__(self, name):
        self.name = name
        self.kills = []
        self.why = ""
        self.edits = []

    def apply(self, text_of):
        """{file: mutated text}; text_of gives a file's text. Malformed when an edit does not fit."""
        changed = {}
        for edit in self.edits:
            text = changed[edit.file] if edit.file in changed else text_of(edit.file)
            try:
                begin, end = find(text, edit.old)
            except Malformed as why:
                raise Malformed(f"{edit.file}: {why}") from None
            changed[edit.file] = text[:begin] + "\n".join(edit.new) + text[end:]
        return changed


def find(text, old):
    """(begin, end) of the one place of these lines in the text."""
    block = "\n".join(old)
    if not block.strip():
        raise Malformed("no old text")
    padded = "\n" + text + "\n"
    at = padded.find("\n" + block + "\n")
    if at >= 0:
        if padded.find("\n" + block + "\n", at + 1) >= 0:
            raise Malformed("the old text is there more than once")
        return at, at + len(block)
    have = list(TOKEN.finditer(text))
    words = [token[0] for token in have]
    want = TOKEN.findall(block)
    places = [i for i in range(len(words) - len(want) + 1)
              if words[i] == want[0] and words[i:i + len(want)] == want]
    if len(places) != 1:
        raise Malformed(f"the old text is there {len(places)} times: {old[0].strip()}")
    begin = have[places[0]].start()
    line = text.rfind("\n", 0, begin) + 1
    return (begin if text[line:begin].strip() else line), have[places[0] + len(want) - 1].end()


def parse(text):
    """The mutants of a list's text."""
    mutants = []
    into = None  # the lines being collected: an edit's old or new
    for number, line in enumerate(text.split("\n"), 1):
        edit = mutants[-1].edits[-1] if mutants and mutants[-1].edits else None
        if into is not None:
            if into is edit.old and line == "--- new":
                into = edit.new
            elif into is edit.new and line == "--- end":
                into = None
            else:
                into.append(line)
        elif line.startswith("== ") and line[3:].strip():
            mutants.append(Mutant(line[3:]))
        elif not line:
            continue
        elif not mutants:
            raise Malformed(f"line {number}: no mutant has begun: {line}")
        elif line.startswith("kills: ") and not mutants[-1].kills:
            mutants[-1].kills = line[7:].split()
        elif line.startswith("why: ") and not mutants[-1].why:
            mutants[-1].why = line[5:]
        elif line.startswith("file: "):
            mutants[-1].edits.append(Edit(line[6:]))
        elif line == "--- old" and edit is not None and not edit.old:
            into = edit.old
        else:
            raise Malformed(f"line {number}: not understood: {line}")
    if into is not None:
        raise Malformed(f"ends inside {mutants[-1].name}")
    for mutant in mutants:
        if not mutant.kills or not mutant.edits or not all(e.old for e in mutant.edits):
            raise Malformed(f"{mutant.name}: kills, file or old text is missing")
    return mutants


def read_all(folder):
    """Every mutant of the lists below a folder, by name."""
    found = {}
    for path in sorted(folder.rglob("*.mutants")):
        try:
            for mutant in parse(path.read_text()):
                if mutant.name in found:
                    raise Malformed(f"{mutant.name} is there twice")
                found[mutant.name] = mutant
        except Malformed as why:
            raise Malformed(f"{path.relative_to(folder)}: {why}") from None
    return [found[name] for name in sorted(found)]
