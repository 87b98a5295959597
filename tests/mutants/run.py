#!/usr/bin/env python3
"""Proof that the tests bite: each patch here breaks one rule, and a test must fail for it.

    tests/mutants/run.py [--only WORD ...] [--jobs N] [--keep FOLDER] [--check] [--list]

A patch is a unified diff (-p1) whose first line names the targets of which one must fail:

    # kills: unit_chain unit_rules

The tree's files are copied to a scratch folder (one a job), configured once without sanitizers. The
targets (test programs, or cli_NAME for tests/cli/test_NAME.py) must pass there as they are; then each patch is applied, its targets are built and run, and
it is taken back. Tests run without SPV_TEST_DATA: what the project holds must be enough. --check
only sees that every patch applies and names targets. The exit code is 0 when every mutant was killed,
77 when nothing can be tried here.
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

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = "build/mutants"
SKIPPED = 77
TEST_SECONDS = 300  # a mutant that loops is dead, too
CLI_PROGRAMS = ["spv-sync", "spv-export", "spv-import", "spv-db", "spv-serve", "stall"]
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


def targets_of(patch):
    first = patch.read_text().split("\n", 1)[0]
    if not first.startswith("# kills:") or not first[8:].split():
        raise Failed("the first line does not name what it kills")
    return first[8:].split()


def apply(folder, patch, *flags):
    code, out = run(["git", "apply", *flags, "-p1", str(patch)], folder,
                    env={**os.environ, "GIT_CEILING_DIRECTORIES": str(folder.parent)})
    if code != 0:
        raise Failed("does not apply: " + out.strip().splitlines()[-1])


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

    def kill(self, patch):
        """The target that caught the mutant; Failed when none did."""
        targets = targets_of(patch)
        apply(self.folder, patch)
        try:
            code, out = self.build(targets)
            if code != 0:
                errors = [line for line in out.splitlines() if "error" in line]
                raise Failed("does not build: " + (errors or out.splitlines()[-1:])[0])
            for target in targets:
                if not self.passes(target):
                    return target
            raise Failed("survived " + " ".join(targets))
        finally:
            apply(self.folder, patch, "-R")


def hunks(patch):
    """What a patch takes out: (file, the lines of a hunk as they stand before it)."""
    name, old = None, None
    for line in patch.read_text().split("\n"):
        if line.startswith("--- a/"):
            name, old = line[6:].split("\t")[0], None
        elif line.startswith("@@"):
            if old:
                yield name, old
            old = []
        elif old is not None and line[:1] in (" ", "-"):
            old.append(line[1:])
    if old:
        yield name, old


def check(patches):
    """Finds the place of each hunk, as git apply would: a process for each patch takes long where many
    run. Only a patch that seems not to fit is given to git, which says why."""
    failed = 0
    texts = {}
    with tempfile.TemporaryDirectory(prefix="spv-mutants-") as scratch:
        folder = pathlib.Path(scratch) / "tree"
        for patch in patches:
            try:
                targets_of(patch)
                fits = False
                for name, old in hunks(patch):
                    if name not in texts:
                        path = ROOT / name
                        texts[name] = "\n" + path.read_text() if path.is_file() else ""
                    fits = "\n" + "\n".join(old) + "\n" in texts[name]
                    if not fits:
                        break
                if not fits:
                    if not folder.exists():
                        copy_tree(folder, [n for n in tracked()
                                           if n.startswith(("src/", "include/", "apps/"))])
                    apply(folder, patch, "--check")
            except Failed as why:
                failed += 1
                print(f"{patch.stem}: {why}")
    print(f"{len(patches) - failed} passed, {failed} failed")
    return failed


def hunt(patches, jobs, keep):
    """Kills them all; returns how many lived."""
    names = tracked()
    everything = sorted({t for p in patches for t in targets_of(p)})
    width = max(len(p.stem) for p in patches)
    lived = []
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="spv-mutants-") as scratch:
        base = pathlib.Path(keep).resolve() if keep else pathlib.Path(scratch)
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            yards = queue.Queue()
            ready = list(pool.map(lambda i: Yard(base / f"yard{i}" / "tree", names), range(jobs)))
            ready[0].baseline(everything)
            for yard in ready:
                yards.put(yard)

            def work(patch):
                yard = yards.get()
                start = time.monotonic()
                try:
                    return True, "killed by " + yard.kill(patch), time.monotonic() - start
                except Failed as why:
                    return False, str(why), time.monotonic() - start
                finally:
                    yards.put(yard)

            for patch, (good, what, took) in zip(patches, pool.map(work, patches)):
                line = f"{'ok  ' if good else 'FAIL'} {patch.stem:<{width}} {took:6.1f} s  {what}"
                print(line, flush=True)
                if not good:
                    lived.append(line)
    print("\n".join(lived + [f"{time.monotonic() - begun:.0f} s",
                             f"{len(patches) - len(lived)} passed, {len(lived)} failed"]))
    return len(lived)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="WORD", help="mutants with a word in the name")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N")
    parser.add_argument("--keep", metavar="FOLDER", help="scratch folder that stays")
    parser.add_argument("--check", action="store_true", help="only see that patches apply")
    parser.add_argument("--list", action="store_true", help="only list the mutants")
    args = parser.parse_args()

    patches = sorted(p for p in HERE.glob("*.patch")
                     if not args.only or any(word in p.stem for word in args.only))
    if not patches:
        sys.exit("mutants: none of that name")
    if not shutil.which("git"):
        print("git is not installed, and the patches are applied with it")
        return SKIPPED
    if args.list:
        print("\n".join(p.stem for p in patches))
        return 0
    if args.check:
        return 1 if check(patches) else 0
    try:
        return 1 if hunt(patches, max(1, min(args.jobs, len(patches))), args.keep) else 0
    except Failed as why:
        sys.exit(f"mutants: {why}")


if __name__ == "__main__":
    sys.exit(main())
