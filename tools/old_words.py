#!/usr/bin/env python3
"""Refuses the words that the tree has left behind: the left sides of tools/renames.txt, and in comments
of src and include the phrases below. Run by `tools/lint.sh build/dev greps`; prints each hit as
path:line: word -> better word, and exits 1 when there is one.

Parts 1 and 2 (global names, functions) are refused everywhere as whole words; a member (part 4) in its
struct only, a word of one file or a static function (parts 3 and 5) in code of that file only.
tools/old_words_allowed.txt names what may stay for now: "PATH WORD" a line."""

import fnmatch
import pathlib
import re
import subprocess
import sys

WHERE = ["src", "include", "apps", "tests", "bench", "examples", "docs", "README.md", "CONTRIBUTING.md"]
EXCEPT = [":!docs/decisions.md"]
PHRASES = {"whoever": "the peer that, the caller that", "nobody": "no peer, no caller",
           "somebody": "a peer, a caller", "reference node": "Bitcoin Core", "address book": "addrman",
           "liar": "a peer that sends invalid data", "someone": "a peer, a caller"}
COMMENT = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|/\*.*?\*/|//[^\n]*', re.S)


def read_renames(text):
    """{part: [(old, new)]}"""
    parts = re.split(r"^# (\d)\..*$", text, flags=re.M)
    found = {}
    for i in range(1, len(parts), 2):
        lines = [line for line in parts[i + 1].splitlines() if line.strip()]
        found[int(parts[i])] = [tuple(line.split(" -> ")) for line in lines]
    return found


def blank(text):
    """The text with other characters than line ends blanked out."""
    return re.sub(r"[^\n]", " ", text)


def code_only(text):
    return COMMENT.sub(lambda m: blank(m[0]), text)


def comments_only(text):
    """The comments, each line of one joined to the next one as far as a phrase can be broken."""
    out, at = [], 0
    for match in COMMENT.finditer(text):
        out.append(blank(text[at:match.start()]))
        out.append(match[0] if match[0][0] == "/" else blank(match[0]))
        at = match.end()
    return "".join(out) + blank(text[at:])


def without_parameters(text):
    """Blanks what is in parentheses, but not the (*NAME) of a member that points to a function."""
    out, depth = [], 0
    for match in re.finditer(r"\(\*\w+\)|[()]|\s|[^()\s]", text):
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        keep = depth == 0 or match[0].isspace()
        out.append(match[0] if keep else " " * len(match[0]))
    return "".join(out)


def line_of(text, at):
    return text.count("\n", 0, at) + 1


class Tree:
    def __init__(self, root):
        self.root = root
        listed = subprocess.run(["git", "ls-files", "--", *WHERE], cwd=root, check=True,
                                capture_output=True, text=True).stdout.splitlines()
        self.files = [name for name in listed if (root / name).is_file()]
        self.code = {}  # path: its code

    def read(self, path):
        return (self.root / path).read_text(encoding="utf-8", errors="replace")

    def code_of(self, path):
        if path not in self.code:
            self.code[path] = code_only(self.read(path))
        return self.code[path]

    def matching(self, globs):
        return [f for f in self.files if f.endswith((".c", ".h")) and any(fnmatch.fnmatch(f, g) for g in globs)]

    def grep(self, words):
        """[(path, line number, text)] of the lines with one of the whole words."""
        done = subprocess.run(["git", "grep", "-n", "-F", "-w", "-I", "-f", "-", "--", *WHERE, *EXCEPT],
                              cwd=self.root, input="\n".join(words), capture_output=True, text=True,
                              check=False)
        if done.returncode > 1:
            sys.exit(f"old_words: {done.stderr}")
        return [line.split(":", 2) for line in done.stdout.splitlines()]


def global_names(tree, renames):
    """Parts 1 and 2."""
    better = {old: new for old, new in renames.get(1, [])}
    calls = {old.removesuffix("()"): new for old, new in renames.get(2, [])}
    patterns = [(re.compile(rf"(?<!\w){re.escape(old)}(?!\w)"), old, new) for old, new in better.items()]
    patterns += [(re.compile(rf"(?<!\w){old}\s*\("), old + "()", new) for old, new in calls.items()]
    for path, line, text in tree.grep([*better, *calls]):
        for pattern, old, new in patterns:
            if pattern.search(text):
                yield path, int(line), old, new


def words_of_files(tree, renames):
    """Part 3."""
    for old, rest in renames.get(3, []):
        new, _, globs = rest.partition(" @ ")
        for path in tree.matching(globs.split()):
            for match in re.finditer(rf"\b{old}\b", tree.code_of(path)):
                yield path, line_of(tree.code_of(path), match.start()), old, new


def members(tree, renames):
    """Part 4."""
    of = {}
    for old, new in renames.get(4, []):
        tag, _, member = old.partition(".")
        of.setdefault(tag, {})[member] = new
    for path in tree.matching(["src/*", "include/*", "apps/*"]):
        code = tree.code_of(path)
        for match in re.finditer(r"\bstruct (\w+) \{(.*?)\n\}", code, flags=re.S):
            body = without_parameters(match[2]) if match[1] in of else ""
            for member, new in of.get(match[1], {}).items():
                hit = re.search(rf"\b{member}(\[[^\]]*\])*\s*[);,:]", body)
                if hit:
                    yield path, line_of(code, match.start(2) + hit.start()), f"{match[1]}.{member}", new


def statics(tree, renames):
    """Part 5."""
    for old, new in renames.get(5, []):
        glob, _, name = old.rpartition(":")
        for path in tree.matching([glob]):
            hit = re.search(rf"^static [^;=\n]*\b{name}(\(|\[| =|;)", tree.code_of(path), flags=re.M)
            if hit:
                yield path, line_of(tree.code_of(path), hit.start()), name, new


def phrases(tree):
    words = {re.compile(r"\b" + phrase.replace(" ", r"[\s*/]+") + r"s?\b", re.I): (phrase, better)
             for phrase, better in PHRASES.items()}
    for path in tree.matching(["src/*", "include/*"]):
        text = tree.read(path)
        lower = text.lower()
        if not any(phrase.split()[-1] in lower for phrase in PHRASES):
            continue
        text = comments_only(text)
        for pattern, (phrase, better) in words.items():
            for match in pattern.finditer(text):
                yield path, line_of(text, match.start()), phrase, better


def check(root, allowed):
    """Returns ([hit that is not allowed], [entry of the allow-list that no hit needs])."""
    renames = read_renames((root / "tools/renames.txt").read_text(encoding="utf-8"))
    tree = Tree(root)
    hits = [*global_names(tree, renames), *words_of_files(tree, renames), *members(tree, renames),
            *statics(tree, renames), *phrases(tree)]
    have = {(path, old) for path, _, old, _ in hits}
    bad = [f"{path}:{line}: {old} -> {new}" for path, line, old, new in sorted(hits)
           if (path, old) not in allowed]
    return bad, sorted(allowed - have)


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    path = root / "tools/old_words_allowed.txt"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    allowed = {tuple(line.split(" ", 1)) for line in lines if line and not line.startswith("#")}
    bad, unused = check(root, allowed)
    for line in bad:
        print(f"a word of before: {line}")
    for name, word in unused:
        print(f"tools/old_words_allowed.txt: {name} has no {word} any more")
    return 1 if bad or unused else 0


if __name__ == "__main__":
    sys.exit(main())
