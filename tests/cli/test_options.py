"""Help, version and wrong options of every app."""

import os
import subprocess
import unittest

from support import DONE, FAILED, USAGE, TestCase, binary, has, run

APPS = [name for name in ("spv-sync", "spv-serve", "spv-export", "spv-import") if has(name)]

COMMON_WRONG = [
    (["--nonsense"], "--nonsense: unknown option"),
    (["--networc", "regtest"], "did you mean --network?"),
    (["-Z"], "-Z: unknown option"),
    (["--network"], "--network: a value is missing"),
    (["-n"], "-n: a value is missing"),
    (["--network", "bitcoin"],
     "'bitcoin' is not a network. Use one of: mainnet, testnet3, testnet4, signet, regtest, simnet"),
    (["--db", ""], "--db: the value is empty"),
    (["--quiet=yes"], "--quiet: takes no value"),
    (["--signet-challenge", "xyz"], "--signet-challenge: 'xyz' is not a script of 1 to 10000 bytes"),
    (["--signet-challenge", "512"], "'512' is not a script"),
    (["--signet-challenge", "51" * 10001], "5151...' is not a script"),
    (["--network", "regtest", "--signet-challenge", "51"], "cannot be combined with --network regtest"),
]
NO_ARGUMENTS = [
    (["stray"], "'stray': unexpected argument"),
    (["--", "stray"], "'stray': unexpected argument"),
]
ONE_FILE = [  # which may be an argument
    (["stray", "another"], "'another': unexpected argument"),
    (["--", "stray", "another"], "'another': unexpected argument"),
]

WRONG = {
    "spv-sync": NO_ARGUMENTS + [
        (["--peers", "0"], "--peers: '0' is not a number from 1 to 64"),
        (["--peers", "65"], "--peers: '65' is not a number"),
        (["--peers", "4x"], "--peers: '4x' is not a number"),
        (["--peers", "-1"], "--peers: '-1' is not a number"),
        (["--peers", "18446744073709551617"], "is not a number"),
        (["--timeout", "soon"], "--timeout: 'soon' is not a number"),
        (["--connect", "host:port"], "--connect: 'host:port' is not HOST"),
        (["--connect", "host:99999"], "--connect: 'host:99999' is not HOST"),
        (["--connect", "[::1"], "--connect: '[::1' is not HOST"),
        (["--add-peer", ":8333"], "--add-peer: ':8333' is not HOST"),
        (["--connect", "::1:18444"], "--connect: '::1:18444' is not an IPv6 address. One with a port "
                                     "is written [IPv6]:PORT. Try"),
        (["--connect", "http://x:1"], "--connect: 'http://x:1' is not HOST, HOST:PORT or [IPv6]:PORT"),
        (["--connect", "127.0.0.1:1:2"], "--connect: '127.0.0.1:1:2' is not HOST, HOST:PORT"),
        (["--add-peer", "::1:18444"], "--add-peer: '::1:18444' is not an IPv6 address"),
        (["--proxy", "::1:19050"], "--proxy: '::1:19050' is not an IPv6 address"),
        (["--connect", "fe80::1%lo:18444"], "--connect: 'fe80::1%lo:18444' is not an IPv6 address. One "
                                            "with a port is written [IPv6]:PORT. Try"),
        (["--add-peer", "fe80::1%1:8333"], "--add-peer: 'fe80::1%1:8333' is not an IPv6 address"),
        (["--connect", "::1:8333"], "--connect: '::1:8333' is ambiguous: it may end in a port. "
                                   "Write [::1:8333] or "
                                    "[::1]:8333. Try"),
        (["--proxy", "fd00::1:9050"], "Write [fd00::1:9050] or [fd00::1]:9050. Try"),
        (["--network", "testnet"], "'testnet' is not a network; did you mean testnet4 (or testnet3)?"),
        (["--network", "test"], "did you mean testnet4 (or testnet3)? Try"),
        (["--network", "main"], "did you mean mainnet? Try"),
        (["--network", "RegTest"], "did you mean regtest? Try"),
        (["--network", "sigent"], "did you mean signet? Try"),
        (["--network", "dogecoin"], "is not a network. Use one of: mainnet, testnet3"),
        (["--connect", "a", "--add-peer", "b"], "--add-peer: cannot be combined with --connect"),
        (["--min-chain-work", "xyz"], "--min-chain-work: 'xyz' is not 1 to 64 hex digits"),
        (["--min-chain-work", "1" * 65], "is not 1 to 64 hex digits"),
        (["--quiet", "--verbose"], "--quiet, --verbose: cannot be combined"),
        (["--connect", "host"] * 257, "--connect: given more than 256 times"),
        (["--db", "/" + "x" * 5000], "--db: the path is longer than"),
    ],
    "spv-serve": ONE_FILE + [
        (["--mine", "10"], "--mine: mainnet is too hard to mine"),
        (["--network", "signet", "--mine", "10"], "--mine: signet is too hard"),
        (["--network", "regtest", "--mine", "0"], "--mine: '0' is not a number"),
        (["--network", "regtest", "--mine", "4000000000"], "do not fit"),
        (["--network", "simnet", "--mine", "2000000"], "2,000,000 headers, 600 s apart, do not fit"),
        (["--network", "regtest", "--mine", "1", "--db", "x"], "--mine: never writes to a database"),
        (["--headers", "x", "--db", "y"], "only one source of headers"),
        (["--network", "regtest", "--mine", "1", "--services", "network,fast"],
         "'fast' is not a service"),
        (["--network", "regtest", "--mine", "1", "--services", "9z"], "not a 64-bit number"),
        (["--network", "regtest", "--mine", "1", "--listen", "127.0.0.1:xyz"], "--listen: "),
        (["--network", "regtest", "--mine", "1", "--listen", "::1:18444"],
         "--listen: '::1:18444' is not an IPv6 address"),
        (["--network", "regtest", "--mine", "1", "--http", "::1:8332"],
         "--http: '::1:8332' is ambiguous: it may end in a port"),
        (["--network", "regtest", "--mine", "1", "--max-clients", "0"], "--max-clients: '0'"),
        (["--quiet", "--verbose"], "--quiet, --verbose: cannot be combined"),
    ],
    "spv-export": NO_ARGUMENTS + [
        (["--format", "xml"], "--format"),
        (["--from", "ten"], "--from: 'ten' is not a number"),
    ],
    "spv-import": ONE_FILE + [
        (["--format", "postgres"], "--format: 'postgres' is not raw, electrum"),
        (["--input", ""], "--input: the value is empty"),
    ],
}


class Options(TestCase):
    def test_help_explains_every_option_the_exit_codes_and_gives_examples(self):
        for app in APPS:
            with self.subTest(app=app):
                result = run(app, "--help")
                self.ends(result, DONE)
                self.assertEqual(result.stderr, "")
                self.assertTrue(result.stdout.startswith(f"Usage: {app} "), result.stdout)
                for word in ("--network", "--datadir", "--db", "--help", "--version",
                             "Exit codes:", "Examples:"):
                    self.assertIn(word, result.stdout)
                for line in result.stdout.splitlines():
                    self.assertLessEqual(len(line), 82, line)
                self.assertEqual(run(app, "-h").stdout, result.stdout)

    def test_help_and_readme_agree_about_what_a_crash_may_lose(self):
        words = ("Ctrl-C, kill -9 or a power failure loses at most the headers of the last quarter "
                 "second.")
        with open(os.path.join(os.path.dirname(__file__), "../../README.md"), encoding="utf-8") as f:
            readme = " ".join(f.read().split())
        self.assertIn(words, readme)
        self.assertIn(words, " ".join(run("spv-sync", "--help").stdout.split()))

    def test_version_names_the_app_and_the_library(self):
        for app in APPS:
            with self.subTest(app=app):
                result = run(app, "--version")
                self.ends(result, DONE)
                self.assertRegex(result.stdout, rf"^{app} \(libspv\) \d+\.\d+\.\d+\n$")

    def test_wrong_options_are_named_and_nothing_is_done(self):
        for app in APPS:
            for args, text in COMMON_WRONG + WRONG[app]:
                with self.subTest(app=app, args=args[:4]):
                    result = run(app, *args, env={"XDG_DATA_HOME": self.folder})
                    self.ends(result, USAGE)
                    self.assertEqual(result.stdout, "")
                    self.assertIn(text, result.stderr)
                    self.assertTrue(result.stderr.startswith(f"{app}: "), result.stderr)
                    self.assertIn(f"Try '{app} --help'.", result.stderr)
                    self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        self.assertEqual(os.listdir(self.folder), [])

    def test_no_folder_for_the_database_is_an_error_that_names_the_option(self):
        env = {k: v for k, v in os.environ.items() if k not in ("HOME", "XDG_DATA_HOME")}
        result = subprocess.run([binary("spv-sync")], env=env, capture_output=True, text=True,
                                check=False, timeout=300)
        self.ends(result, USAGE)
        self.assertIn("--datadir", result.stderr)

    def test_help_into_a_full_device_fails(self):
        for app in APPS:
            with self.subTest(app=app), open("/dev/full", "w", encoding="ascii") as full:
                result = subprocess.run([binary(app), "--help"], stdout=full, text=True,
                                        stderr=subprocess.PIPE, check=False, timeout=300)
                self.assertEqual(result.returncode, FAILED)
                self.assertIn("No space left", result.stderr)


if __name__ == "__main__":
    unittest.main()
