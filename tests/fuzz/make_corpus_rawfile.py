#!/usr/bin/env python3
"""Makes the seeds of fuzz_rawfile: python3 make_corpus_rawfile.py BIN_DIR

Each is a byte that names the network (enum spv_network) and a file of raw headers, whole or spoilt."""
import os
import subprocess
import sys
import tempfile

REGTEST, SIMNET = 4, 5
FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus", "rawfile")


def mined(bin_dir, network, n):
    """Raw headers of a mined chain, by way of a server, a sync and an export."""
    with tempfile.TemporaryDirectory() as folder:
        db = os.path.join(folder, "headers.db")
        server = subprocess.Popen([f"{bin_dir}/spv-serve", "--network", network, "--mine", str(n),
                                   "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
        try:
            address = server.stdout.readline().split()[2]
            subprocess.run([f"{bin_dir}/spv-sync", "--network", network, "--connect", address,
                            "--db", db, "--quiet"], check=True)
        finally:
            server.terminate()
            server.wait()
        return subprocess.run([f"{bin_dir}/spv-export", "--network", network, "--db", db,
                               "--format", "raw"], check=True, stdout=subprocess.PIPE).stdout


def main():
    os.makedirs(FOLDER, exist_ok=True)
    regtest = mined(sys.argv[1], "regtest", 12)
    simnet = mined(sys.argv[1], "simnet", 5)
    bad_link = bytearray(regtest)
    bad_link[80 * 5 + 10] ^= 1
    seeds = {
        "regtest": bytes([REGTEST]) + regtest,
        "simnet": bytes([SIMNET]) + simnet,
        "genesis-only": bytes([REGTEST]) + regtest[:80],
        "cut": bytes([REGTEST]) + regtest[:300],
        "other-network": bytes([0]) + regtest,
        "bad-link": bytes([REGTEST]) + bytes(bad_link),
        "empty": bytes([REGTEST]),
    }
    for name, seed in seeds.items():
        with open(os.path.join(FOLDER, name), "wb") as f:
            f.write(seed)


if __name__ == "__main__":
    main()
