#!/usr/bin/env python3
"""Makes the seeds of fuzz_import and fuzz_import_file: python3 make_corpus_import.py BIN_DIR

import: a byte for format, network and headers or filter headers, one for the size of the pieces, then a file. import_file: a
file of regtest headers, some of them packed."""
import gzip
import hashlib
import os
import subprocess
import sys
import tempfile

REGTEST = 4
FILTERS = 36  # added to the first byte: a file of filter headers
FORMATS = {"auto": 0, "raw": 1, "electrum": 2, "neutrino": 3, "csv": 4, "jsonl": 5}
HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")


def run(bin_dir, *args):
    return subprocess.run([f"{bin_dir}/{args[0]}", *args[1:]], check=True,
                          stdout=subprocess.PIPE).stdout


def chain(bin_dir, folder, n, seed, base=None):
    """A file of mined headers, by way of a server, a sync and an export."""
    out = os.path.join(folder, f"{n}-{seed}.bin")
    db = out + ".db"
    server = subprocess.Popen([f"{bin_dir}/spv-serve", "--network", "regtest", "--mine", str(n),
                               "--seed", str(seed), "--listen", "127.0.0.1:0",
                               *(["--headers", base] if base else [])],
                              stdout=subprocess.PIPE, text=True)
    try:
        address = server.stdout.readline().split()[2]
        run(bin_dir, "spv-sync", "--network", "regtest", "--connect", address, "--db", db, "--quiet")
    finally:
        server.terminate()
        server.wait()
    run(bin_dir, "spv-export", "--db", db, "--format", "raw", "--output", out, "--quiet")
    return out


def write(folder, name, data):
    os.makedirs(os.path.join(HERE, folder), exist_ok=True)
    with open(os.path.join(HERE, folder, name), "wb") as f:
        f.write(data)


def write_filters():
    """Files of filter headers: regtest's genesis, then made-up ones."""
    headers = [bytes.fromhex("485e301e4509d7f0d954bf5b529f3ecef68c5191fd0e635f775c1d0266dc5a2b")[::-1]]
    while len(headers) < 8:
        headers.append(hashlib.sha256(headers[-1]).digest())
    rows = [(i, hashlib.sha256(b"%d" % i).hexdigest(), h[::-1].hex()) for i, h in enumerate(headers)]
    raw = b"".join(headers)
    files = {
        "raw": raw,
        "neutrino": bytes.fromhex("fabfb5da000102000000") + raw[64:],
        "csv": "".join(["height,block_hash,filter_header\n"] +
                       [f"{i},{block},{header}\n" for i, block, header in rows]).encode(),
        "jsonl": "".join(f'{{"height":{i},"block_hash":"{block}","filter_header":"{header}"}}\n'
                         for i, block, header in rows).encode(),
        "cut": raw[:100],
        "zeros": raw[:64] + bytes(64),
        "block-headers": bytes.fromhex("fabfb5da000000000000") + raw[:80],
        "reorg": b"0,%s,%s\n#reorg,0,%s,1\n" % (b"00" * 32, headers[0][::-1].hex().encode(), b"00" * 32),
    }
    for name, data in files.items():
        write("import", "filters-" + name, bytes([FILTERS + 6 * REGTEST, 7]) + data)
        if name in FORMATS:
            write("import", f"filters-{name}-chosen",
                  bytes([FILTERS + 6 * REGTEST + FORMATS[name], 99]) + data)


def main():
    bin_dir = sys.argv[1]
    write_filters()
    with tempfile.TemporaryDirectory() as folder:
        base = chain(bin_dir, folder, 4, 1)
        short = chain(bin_dir, folder, 2, 2, base)
        long = chain(bin_dir, folder, 5, 3, base)
        db = os.path.join(folder, "both.db")
        for path in (short, long):
            run(bin_dir, "spv-import", "--network", "regtest", "--db", db, "--input", path,
                "--quiet")
        files = {}
        for form in ("raw", "electrum", "neutrino", "csv", "jsonl"):
            more = ["--branches"] if form in ("csv", "jsonl") else []
            files[form] = run(bin_dir, "spv-export", "--db", db, "--format", form, *more)
        files["zst"] = subprocess.run(["zstd", "-c"], input=files["raw"], check=True,
                                      stdout=subprocess.PIPE).stdout
        with open(long, "rb") as f:
            raw = f.read()
        with open(short, "rb") as f:
            other = f.read()
    files["gz"] = gzip.compress(files["csv"], mtime=0)
    files["gz-two"] = gzip.compress(raw[:240], mtime=0) + gzip.compress(raw[240:], mtime=0)
    files["no-genesis"] = raw[80:]
    files["hole"] = raw[:160] + bytes(160) + raw[320:]
    files["hole-end"] = raw + bytes(240)
    files["cut"] = raw[:300]
    lines = files["csv"].splitlines(keepends=True)
    fork = lines[5].split(b",")[1]
    files["reorg"] = b"".join(lines[:1] + [x for x in lines[1:] if x.endswith(b",0\n")][:5] +
                              [x for x in lines if x.endswith(b",1\n")] +
                              [b"#reorg,4," + fork + b",2\n"] +
                              [x for x in lines[1:] if x.endswith(b",0\n")][5:])
    files["reorg-json"] = (files["jsonl"].splitlines(keepends=True)[0] +
                           b'{"event":"reorg","fork_height":0,"fork_hash":"' + fork +
                           b'","removed":0}\n')
    files["columns"] = b"".join(b",".join(reversed(x.strip().split(b","))) + b"\r\n" for x in lines)
    files["short"] = other
    for name, data in files.items():
        write("import_file", name, data)
        if name in ("gz", "gz-two", "zst"):
            continue
        write("import", name, bytes([6 * REGTEST, 7]) + data)
        if name in FORMATS:
            write("import", name + "-chosen", bytes([6 * REGTEST + FORMATS[name], 99]) + data)


if __name__ == "__main__":
    main()
