#!/usr/bin/env python3
"""spv-export's postgres format loaded into a real PostgreSQL and compared with the database row by
row: test_postgres.py PATH_OF_SPV_EXPORT

The server is a cluster of its own in a temporary folder, reached by a socket there, without TCP;
root has it run as another user, because PostgreSQL refuses to run as root. Exits with 77, which
ctest reads as skipped, where there is no PostgreSQL.
"""

import glob
import gzip
import os
import pwd
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))

HANG = 120  # seconds after which something is stuck
SKIP = 77


def find(program):
    """Debian keeps the server's programs out of PATH."""
    for folder in sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True):
        if os.access(os.path.join(folder, program), os.X_OK):
            return os.path.join(folder, program)
    return shutil.which(program)


def skip(why):
    print(f"skipped: {why}")
    sys.exit(SKIP)


class Cluster:
    """A private PostgreSQL in a folder; its programs run as self.user when we are root."""

    def __init__(self, folder):
        self.folder = folder
        self.user = None
        if os.geteuid() == 0:
            self.user = next((u for u in ("postgres", "nobody") if self._exists(u)), None)
            if self.user is None:
                skip("there is no user to run PostgreSQL as")
            who = pwd.getpwnam(self.user)
            os.chown(folder, who.pw_uid, who.pw_gid)
        self.data = os.path.join(folder, "data")
        self.server = None
        self._run(find("initdb"), "-D", self.data, "-U", "spv", "-A", "trust", "-E", "UTF8",
                  "--locale=C", "--no-sync")

    @staticmethod
    def _exists(user):
        try:
            pwd.getpwnam(user)
            return True
        except KeyError:
            return False

    def _as(self):
        if self.user is None:
            return {}
        who = pwd.getpwnam(self.user)
        return {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []}

    def _run(self, *args):
        subprocess.run(args, check=True, cwd=self.folder, stdout=subprocess.DEVNULL,
                       stdin=subprocess.DEVNULL, timeout=HANG, **self._as())

    def start(self):
        with open(os.path.join(self.folder, "log"), "wb") as log:
            self.server = subprocess.Popen(
                [find("postgres"), "-D", self.data, "-k", self.folder, "-c", "listen_addresses=",
                 "-c", "fsync=off"], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, **self._as())
        end = time.monotonic() + HANG
        while subprocess.run([find("pg_isready"), "-q", "-h", self.folder],
                             check=False).returncode != 0:
            if self.server.poll() is not None or time.monotonic() > end:
                with open(os.path.join(self.folder, "log"), encoding="utf-8") as log:
                    raise AssertionError(f"PostgreSQL did not start: {log.read()}")
            time.sleep(0.05)

    def psql(self, *args, **more):
        """psql as a user has it, but for his own settings; its standard output."""
        result = subprocess.run([find("psql"), "-X", "-q", "-h", self.folder, "-U", "spv", *args],
                                capture_output=True, text=True, check=False, timeout=HANG, **more)
        if result.returncode != 0 or result.stderr:
            raise AssertionError(f"psql {args}: {result.returncode} {result.stderr}")
        return result.stdout

    def rows(self, database, query):
        return [tuple(line.split("|")) for line in
                self.psql("-d", database, "-A", "-t", "-c", query).splitlines()]

    def stop(self):
        if self.server is not None and self.server.poll() is None:
            self.server.send_signal(signal.SIGINT)  # "fast": ends sessions, writes a checkpoint
            try:
                self.server.wait(HANG)
            except subprocess.TimeoutExpired:
                self.server.kill()
                self.server.wait()


COLUMNS = "height, {hash}, version, {merkle_root}, time, bits, nonce, {work}"


def columns(form):
    return COLUMNS.format(**{name: form.format(name) for name in ("hash", "merkle_root", "work")})


def stored(path, query):
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        rows = [tuple(str(x) for x in row) for row in db.execute(query)]
    db.close()
    return rows


def same(what, ours, theirs):
    assert len(ours) == len(theirs), f"{what}: {len(ours)} rows stored, {len(theirs)} loaded"
    for a, b in zip(ours, theirs):
        assert a == b, f"{what}: stored {a}, loaded {b}"
    print(f"{what}: {len(ours)} rows are the same")


def compare(cluster, database, path, branches):
    hexed, encoded = "lower(hex({}))", "encode({}, 'hex')"
    same("header", stored(path, f"SELECT {columns(hexed)} FROM header ORDER BY height"),
         cluster.rows(database, f"SELECT {columns(encoded)} FROM header ORDER BY height"))
    prev = ", " + hexed.format("previous_hash"), ", " + encoded.format("previous_hash")
    side = stored(path, f"SELECT {columns(hexed)}{prev[0]} FROM branch_header ORDER BY height, hash")
    assert len(side) > 0 or not branches
    same("branch_header", side if branches else [],
         cluster.rows(database, f"SELECT {columns(encoded)}{prev[1]} FROM branch_header"
                                " ORDER BY height, hash"))
    same("meta", stored(path, "SELECT key, value FROM meta WHERE key IN ('network', 'magic',"
                              " 'genesis', 'tip_height', 'tip_hash', 'tip_work') ORDER BY key"),
         cluster.rows(database, "SELECT key, value FROM meta WHERE key <> 'first_previous_hash'"
                                ' ORDER BY key COLLATE "C"'))
    view = "SELECT height, hash, version, previous_hash, merkle_root, time, {}, bits, nonce, work" \
           " FROM block_header ORDER BY height"
    same("block_header", stored(path, view.format("utc")),
         cluster.rows(database, view.format("to_char(utc, 'YYYY-MM-DD HH24:MI:SS')")))


def main(program):
    os.environ.setdefault("SPV_BIN_DIR", os.path.dirname(program))
    from support import mine_file, run  # pylint: disable=import-outside-toplevel
    for needed in ("initdb", "postgres", "psql", "pg_isready"):
        if find(needed) is None:
            skip(f"{needed} is not installed (tools/packages.sh test)")
    version = subprocess.run([find("postgres"), "--version"], capture_output=True, text=True,
                             check=True).stdout.strip()
    print(version, re.sub(r"\s+", " ", find("initdb")))
    folder = tempfile.mkdtemp(prefix="spv-postgres-")
    os.chmod(folder, 0o755)
    work = tempfile.mkdtemp(prefix="spv-postgres-work-")
    os.chmod(work, 0o755)
    cluster = None
    try:
        cluster = Cluster(folder)
        cluster.start()
        base, short, long = (os.path.join(work, n) for n in ("base", "short", "long"))
        db = os.path.join(work, "headers.db")
        mine_file(base, 3000)
        mine_file(short, 20, seed=2, base=base)
        mine_file(long, 40, seed=3, base=base)
        for path in (short, long):
            result = run("spv-import", "--network", "regtest", "--db", db, "--input", path)
            assert result.returncode == 0, result.stderr
        for name, args, branches in (("plain", [], False), ("whole", ["--branches"], True)):
            sql = os.path.join(work, name + ".sql")
            result = run("spv-export", "--db", db, "--format", "postgres", "--output", sql, *args)
            assert result.returncode == 0, result.stderr
            cluster.psql("-d", "postgres", "-c", f"CREATE DATABASE {name}")
            cluster.psql("-d", name, "-f", sql)
            compare(cluster, name, db, branches)
        # a part: its first row's previous hash is not in the table
        sql = os.path.join(work, "part.sql.gz")
        result = run("spv-export", "--db", db, "--format", "postgres", "--from", 100, "--output", sql)
        assert result.returncode == 0, result.stderr
        cluster.psql("-d", "postgres", "-c", "CREATE DATABASE part")
        with gzip.open(sql, "rt", encoding="utf-8") as f:
            cluster.psql("-d", "part", input=f.read())
        query = "SELECT height, hash, previous_hash FROM block_header WHERE height >= 100" \
                " ORDER BY height"
        same("a part of block_header", stored(db, query), cluster.rows("part", query))
        # negative versions, large nonces, real bits: where there is real data
        data = os.path.join(os.environ.get("SPV_TEST_DATA", ""), "headers/mainnet-1-32260.bin")
        if os.environ.get("SPV_TEST_DATA") and os.path.exists(data):
            db = os.path.join(work, "mainnet.db")
            result = run("spv-import", "--network", "mainnet", "--db", db, "--input", data)
            assert result.returncode == 0, result.stderr
            cluster.psql("-d", "postgres", "-c", "CREATE DATABASE mainnet")
            with subprocess.Popen([program, "--db", db, "--format", "postgres"],
                                  stdout=subprocess.PIPE) as export:
                cluster.psql("-d", "mainnet", stdin=export.stdout)
            compare(cluster, "mainnet", db, False)
        else:
            print("without real headers: SPV_TEST_DATA has no headers/mainnet-1-32260.bin")
    finally:
        if cluster is not None:
            cluster.stop()
        shutil.rmtree(folder)
        shutil.rmtree(work)


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]))
