"""Programs that the interop tests talk to line by line, and the foreign node among them."""

import json
import os
import queue
import shutil
import subprocess
import sys
import threading
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
PATIENCE = 90  # seconds that any one step may take on a slow machine before it counts as hung


class Lines:
    """A program's output, line by line, with a limit on the waiting."""

    def __init__(self, argv, **more):
        self.seen = []
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, **more)
        self.lines = queue.Queue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def next(self):
        try:
            line = self.lines.get(timeout=PATIENCE)
        except queue.Empty:
            raise AssertionError(f"{self.process.args[0]} is silent; it said: {self.seen}") from None
        if line is None:
            raise AssertionError(f"{self.process.args[0]} ended early; it said: {self.seen}")
        self.seen.append(line.strip())
        return json.loads(line)

    def end(self):
        if self.process.stdin and not self.process.stdin.closed:
            self.process.stdin.close()
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                pass
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.reader.join()
        self.process.stdout.close()

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()


class Node(Lines):
    """bcoin on regtest; ask() gives it one of the commands of node.js."""

    def __init__(self, **options):
        super().__init__(["node", "node.js", json.dumps(options)], cwd=HERE, stdin=subprocess.PIPE)
        self.port = self.next()["ok"]["port"]

    def ask(self, do, **arguments):
        self.tell(json.dumps({"do": do, **arguments}))
        answer = self.next()
        if "error" in answer:
            raise AssertionError(f"bcoin: {answer['error']}")
        return answer["ok"]


def main(program):
    """Runs the tests of the calling script, or exits with 77 and says why they cannot run."""
    if shutil.which("node") is None:
        print("skipped: node is not installed (tools/interop.sh installs it)")
        sys.exit(77)
    if not (HERE / "node_modules" / "bcoin").is_dir():
        print("skipped: bcoin is not installed (tools/interop.sh installs it)")
        sys.exit(77)
    if not os.access(program, os.X_OK):
        sys.exit(f"no program {program}")
    unittest.main(argv=sys.argv[:1] + sys.argv[2:], verbosity=2)
