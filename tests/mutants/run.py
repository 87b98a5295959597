#!/usr/bin/env python3
"""Proof that the tests bite: each mutant breaks one rule, and a test must fail for it.

    tests/mutants/run.py [--only WORD ...] [--share K/N] [--jobs N] [--keep FOLDER] [--check] [--list]

The mutants are edit lists, one file a source file (edit_list.py has the format). The tree's files are
copied to a scratch folder (one a job), configured once without sanitizers. The targets that a mutant
names (test programs, or cli_NAME for tests/cli/test_NAME.py) must pass there as they are; then each
mutant is applied, its targets are built and run, and it is taken back. Tests run without
SPV_TEST_DATA: what the project holds must be enough. --share takes every Nth mutant from the Kth on
(K may be any number: N shares in a row are all). --check only sees that every mutant fits. The exit
code is 0 when every mutant was killed.
"""
import argparse
import concurrent.futures
import os
import pathlib
import queue
import shutil
import subprocess
import sys
import tempfile
import time

import edit_list

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = "build/mutants"
TEST_SECONDS = 300  # a mutant that loops is dead, too
CLI_PROGRAMS = ["spv-sync", "spv-export", "spv-import", "spv-db", "spv-serve", "spv-proof", "spv-address",
                "spv-watch", "spv-send",
                "stall"]
OPTIONS = ["-GNinja", "-DCMAKE_BUILD_TYPE=Debug", "-DSPV_SANITIZE=OFF", "-DSPV_WERROR=OFF",
           "-DSPV_BENCH=OFF", "-DSPV_TESTS=ON"]


class Failed(Exception):
    """What went wrong with a mutant that was not killed."""


def run(command, folder, seconds=None, env=None):
    """Exit code and output of a command."""
    try:
        done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=seconds, env=env, check=False)
        return done.returncode, done.stdout.decode(errors="replace")
    except subprocess.TimeoutExpired:
        return -1, f"no end within {seconds} s"
    except FileNotFoundError:
        return 127, f"{command[0]} is not installed"


def tracked():
    """The files of the working tree, without what git ignores; of a release archive, which has no
    .git, all that no build or installation has made."""
    if (ROOT / ".git").exists():
        code, out = run(["git", "ls-files", "-co", "--exclude-standard"], ROOT)
        if code == 0:
            return [name for name in out.splitlines() if (ROOT / name).is_file()]
    names = []
    for folder, folders, files in os.walk(ROOT):
        at = pathlib.Path(folder)
        folders[:] = [f for f in folders if f not in (".git", "node_modules", "__pycache__")
                      and not (at == ROOT and f.startswith("build"))]
        names += [str((at / f).relative_to(ROOT)) for f in files if not (at / f).is_symlink()]
    return names


def copy_tree(folder, names):
    for name in names:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target)


class Yard:
    """A scratch copy of the tree with its build folder."""

    def __init__(self, folder, names):
        self.folder = folder
        self.env = {k: v for k, v in os.environ.items() if k != "SPV_TEST_DATA"}
        self.env.update(CCACHE_BASEDIR=str(folder), CCACHE_NOHASHDIR="1")
        self.programs = {}
        copy_tree(folder, names)
        code, out = run(["cmake", "-S", ".", "-B", BUILD, *OPTIONS], folder, env=self.env)
        if code != 0:
            sys.exit(f"mutants: the tree does not configure\n{out}")

    def build(self, targets):
        targets = [t for t in targets if not t.startswith("cli_")] + \
            (CLI_PROGRAMS if any(t.startswith("cli_") for t in targets) else [])
        return run(["cmake", "--build", BUILD, "-j", "2", "--target", *targets], self.folder,
                   env=self.env)

    def program(self, target):
        if target not in self.programs:
            found = [p for p in (self.folder / BUILD).rglob(target) if p.is_file()]
            if len(found) != 1:
                raise Failed(f"there is no program {target}")
            self.programs[target] = found[0]
        return self.programs[target]

    def passes(self, target):
        if target.startswith("cli_"):
            env = {**self.env, "SPV_BIN_DIR": str(self.folder / BUILD / "bin"), "SPV_HANG": "60"}
            return run([sys.executable, "-B", "-m", "unittest", "-f", "test_" + target[4:]],
                       self.folder / "tests" / "cli", TEST_SECONDS, env)[0] == 0
        return run([str(self.program(target))], self.folder, TEST_SECONDS, self.env)[0] == 0

    def baseline(self, targets):
        """The targets build and pass as they are."""
        code, out = self.build(targets)
        if code != 0:
            sys.exit(f"mutants: the tree does not build\n{out[-4000:]}")
        for target in targets:
            if not self.passes(target):
                sys.exit(f"mutants: {target} fails without any mutant")

    def kill(self, mutant):
        """The target that caught the mutant; Failed when none did."""
        targets = mutant.kills
        originals = {}

        def text_of(name):
            originals[name] = (self.folder / name).read_text()
            return originals[name]

        try:
            for name, text in mutant.apply(text_of).items():
                (self.folder / name).write_text(text)
            code, out = self.build(targets)
            if code != 0:
                errors = [line for line in out.splitlines() if "error" in line]
                raise Failed("does not build: " + (errors or out.splitlines()[-1:])[0])
            for target in targets:
                if not self.passes(target):
                    return target
            raise Failed("survived " + " ".join(targets))
        finally:
            for name, text in originals.items():
                (self.folder / name).write_text(text)


def check(mutants):
    """Sees that every mutant fits its files; returns how many do not."""
    texts = {}

    def text_of(name):
        if name not in texts:
            path = ROOT / name
            if not path.is_file():
                raise edit_list.Malformed("no such file")
            texts[name] = path.read_text()
        return texts[name]

    failed = 0
    for mutant in mutants:
        try:
            mutant.apply(text_of)
        except edit_list.Malformed as why:
            failed += 1
            print(f"{mutant.name}: {why}")
    print(f"{len(mutants) - failed} passed, {failed} failed")
    return failed


def hunt(mutants, jobs, keep):
    """Kills them all; returns how many lived."""
    names = tracked()
    everything = sorted({t for m in mutants for t in m.kills})
    width = max(len(m.name) for m in mutants)
    lived = []
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="spv-mutants-") as scratch:
        os.chmod(scratch, 0o711)  # tests may run programs as another user
        base = pathlib.Path(keep).resolve() if keep else pathlib.Path(scratch)
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            yards = queue.Queue()
            ready = list(pool.map(lambda i: Yard(base / f"yard{i}" / "tree", names), range(jobs)))
            ready[0].baseline(everything)
            for yard in ready:
                yards.put(yard)

            def work(mutant):
                yard = yards.get()
                start = time.monotonic()
                try:
                    return True, "killed by " + yard.kill(mutant), time.monotonic() - start
                except (Failed, edit_list.Malformed) as why:
                    return False, str(why), time.monotonic() - start
                finally:
                    yards.put(yard)

            for mutant, (good, what, took) in zip(mutants, pool.map(work, mutants)):
                line = f"{'ok  ' if good else 'FAIL'} {mutant.name:<{width}} {took:6.1f} s  {what}"
                print(line, flush=True)
                if not good:
                    lived.append(line)
    print("\n".join(lived + [f"{time.monotonic() - begun:.0f} s",
                             f"{len(mutants) - len(lived)} passed, {len(lived)} failed"]))
    return len(lived)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="WORD", help="mutants with a word in the name")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N")
    parser.add_argument("--keep", metavar="FOLDER", help="scratch folder that stays")
    parser.add_argument("--share", metavar="K/N", help="every Nth mutant, from the Kth on")
    parser.add_argument("--check", action="store_true", help="only see that every mutant fits")
    parser.add_argument("--list", action="store_true", help="only list the mutants")
    args = parser.parse_args()

    try:
        everyone = edit_list.read_all(HERE)
    except edit_list.Malformed as why:
        sys.exit(f"mutants: {why}")
    mutants = [m for m in everyone
               if not args.only or any(word in m.name for word in args.only)]
    if args.share:
        first, step = (int(number) for number in args.share.split("/"))
        mutants = mutants[first % step::step]
    if not mutants:
        sys.exit("mutants: none of that name")
    if args.list:
        print("\n".join(m.name for m in mutants))
        return 0
    if args.check:
        return 1 if check(mutants) else 0
    if len(mutants) < len(everyone):
        print(f"{len(mutants)} of {len(everyone)} mutants")
    try:
        return 1 if hunt(mutants, max(1, min(args.jobs, len(mutants))), args.keep) else 0
    except Failed as why:
        sys.exit(f"mutants: {why}")


if __name__ == "__main__":
    sys.exit(main())
