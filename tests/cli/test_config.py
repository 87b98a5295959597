"""Options from the configuration file and the environment, and what --print-config and --completion
print of them."""

import json
import os
import re
import shutil
import subprocess
import unittest

from support import DONE, FAILED, USAGE, TestCase, binary, has, run

APPS = [name for name in ("spv-sync", "spv-serve", "spv-export", "spv-import", "spv-db", "spv-proof",
                          "spv-address", "spv-watch", "spv-send") if has(name)]
NOWHERE = ("--proxy", "127.0.0.1:1", "--timeout", "1")  # a run that should not have begun ends soon
OWN = {"help", "version", "config", "no-config", "print-config", "completion"}

WRONG = [
    ("pears = 3\n", "line 1: pears: unknown option; did you mean peers?"),
    ("peers = 3\n\nxyzzyxyzzy = 1\n", "line 3: xyzzyxyzzy: unknown option. Try"),
    ("[mainet]\n", "line 1: the section [mainet] is not a network; did you mean mainnet?"),
    ("[signet-12]\n", "line 1: the section [signet-12] is not a network"),
    ("[" + "x" * 300 + "]\n", "is not a network. Try"),
    ("peers\n", "line 1: neither 'option = value' nor '[NETWORK]'"),
    ("peers\npears = 3\n", "line 1: neither 'option = value' nor '[NETWORK]'"),
    ("[mainnet\n", "line 1: neither 'option = value' nor '[NETWORK]'"),
    ("peers = 3\n[signet]\nnetwork = signet\n", "line 3: network: not below [signet]"),
    ("help = yes\n", "line 1: help: only on the command line"),
    ("config = x\n", "line 1: config: only on the command line"),
]
WRONG_SYNC = [
    ("peers = 0\n", "line 1: peers: '0' is not a number from 1 to 64"),
    ("peers =\n", "line 1: peers: '' is not a number from 1 to 64"),
    ("follow = maybe\n", "line 1: follow: 'maybe' is neither yes nor no"),
    ("network = bitcoin\n", "line 1: network: 'bitcoin' is not a network"),
    ("# a\nnetwork = testnet\n", "line 2: network: 'testnet' is not a network; did you mean testnet4"),
    ("connect =\n", "line 1: connect: the value is empty; expected HOST[:PORT]"),
    ("connect = , ,\n", "line 1: connect: the value is empty; expected HOST[:PORT]"),
    ("transport = v3\n", "line 1: transport: 'v3' is not a transport"),
    ("quiet = yes\nverbose = yes\n",
     "--quiet, --verbose: cannot be combined. --quiet is set in FILE, line 1. --verbose is set in "
     "FILE, line 2. Try"),
    ("min-chain-work = xyz\n",
     "--min-chain-work: 'xyz' is not 1 to 64 hex digits. --min-chain-work is set in FILE, line 1. Try"),
]


class Config(TestCase):
    def setUp(self):
        super().setUp()
        self.env = {"XDG_CONFIG_HOME": os.path.join(self.folder, "config"),
                    "XDG_DATA_HOME": os.path.join(self.folder, "data")}
        self.file = os.path.join(self.folder, "config", "spv", "spv.conf")
        os.makedirs(os.path.dirname(self.file))

    def write(self, text, path=None):
        with open(path or self.file, "w", encoding="utf-8") as f:
            f.write(text)

    def options(self, app, *args, env=None):
        """What --print-config says, by name: (value, where from)."""
        result = run(app, "--print-config", *args, env={**self.env, **(env or {})})
        self.ends(result, DONE)
        self.assertEqual(result.stderr, "")
        found = {}
        for line in result.stdout.splitlines()[1:]:
            name, value, source = re.match(r"(?:# )?([a-z-]+) =(?: (.*?))?(?: # (.*))?$", line).groups()
            found.setdefault(name, []).append((value, source))
        return found

    def value(self, name, *args, app="spv-sync", env=None):
        found = self.options(app, *args, env=env)[name]
        return [value for value, _ in found] if len(found) > 1 else found[0]

    def refused(self, text, words, app, *args):
        self.write(text)
        result = run(app, *args, env=self.env)
        self.ends(result, USAGE)
        self.assertIn(words.replace("FILE", self.file), result.stderr)
        self.assertTrue(result.stderr.endswith(f"Try '{app} --help'.\n"), result.stderr)
        self.assertEqual(result.stderr.count("\n"), 1)
        self.assertFalse(os.path.exists(self.env["XDG_DATA_HOME"]))

    def test_each_place_comes_before_the_next(self):
        self.write("peers = 2\n[signet]\npeers = 3\n")
        line = f"{self.file}, line "
        self.assertEqual(self.value("peers"), ("2", line + "1"))
        self.assertEqual(self.value("peers", "-n", "signet"), ("3", line + "3"))
        self.assertEqual(self.value("peers", "-n", "signet", env={"SPV_PEERS": "5"}),
                         ("5", "SPV_PEERS"))
        self.assertEqual(self.value("peers", "--peers", "6", env={"SPV_PEERS": "5"}),
                         ("6", "command line"))
        self.assertEqual(self.value("peers", "--no-config")[1], None)

    def test_a_section_comes_before_what_stands_above_it_in_any_order_of_lines(self):
        self.write("timeout = 1\n[signet]\ntimeout = 2\n[regtest]\ntimeout = 3\n[signet]\ntimeout = 4\n")
        self.assertEqual(self.value("timeout")[0], "1")
        self.assertEqual(self.value("timeout", "-n", "testnet4")[0], "1")
        self.assertEqual(self.value("timeout", "-n", "signet"), ("4", f"{self.file}, line 7"))
        self.assertEqual(self.value("timeout", "-n", "regtest")[0], "3")
        self.write("[mainnet]\ntimeout = 9\n")  # the default network
        self.assertEqual(self.value("timeout")[0], "9")

    def test_the_file_or_the_environment_chooses_the_network_and_its_section(self):
        self.write("network = signet\n[signet]\npeers = 3\n[regtest]\npeers = 5\n")
        self.assertEqual(self.value("network"), ("signet", f"{self.file}, line 1"))
        self.assertEqual(self.value("peers")[0], "3")
        self.assertEqual(self.value("peers", env={"SPV_NETWORK": "regtest"})[0], "5")

    def test_a_custom_signet_has_a_section_of_its_name_and_not_that_of_mainnet(self):
        missing = run("spv-db", "info", "--signet-challenge", "51", env=self.env)
        name = re.search(r"signet-[0-9a-f]{8}", missing.stderr).group(0)
        self.write(f"[mainnet]\npeers = 3\n[{name}]\npeers = 5\n")
        self.assertEqual(self.value("peers", "--signet-challenge", "51")[0], "5")
        self.write(f"signet-challenge = 51\n[mainnet]\npeers = 3\n[{name}]\npeers = 5\n")
        self.assertEqual(self.value("peers")[0], "5")

    def test_a_list_comes_whole_from_one_place(self):
        self.write("connect = a\nconnect = b c\n[signet]\nconnect = d,e\n")
        self.assertEqual(self.value("connect"), ["a", "b", "c"])
        self.assertEqual(self.value("connect", "-n", "signet"), ["d", "e"])
        self.assertEqual(self.value("connect", env={"SPV_CONNECT": "f, g"}), ["f", "g"])
        self.assertEqual(self.value("connect", "-c", "h"), ("h", "command line"))

    def test_flags_are_yes_or_no_and_can_be_taken_back(self):
        for yes in ("yes", "True", "on", "1"):
            self.write(f"follow = {yes}\n")
            self.assertEqual(self.value("follow")[0], "yes")
        for no in ("no", "FALSE", "off", "0"):
            self.assertEqual(self.value("follow", env={"SPV_FOLLOW": no}), ("no", "SPV_FOLLOW"))
        self.assertEqual(self.value("follow", "--no-follow"), ("no", "command line"))
        self.assertEqual(self.value("follow", env={"SPV_FOLLOW": ""})[0], "yes")  # as if unset
        self.assertIn("--no-follow: takes no value", run("spv-sync", "--no-follow=1").stderr)

    def test_comments_blanks_and_a_byte_order_mark_are_no_values(self):
        self.write("\ufeff# peers = 1\n; peers = 1\n\n  peers = 8   ; eight\ntimeout=7 # seven\n"
                   "db = /a;b#c\n")
        self.assertEqual(self.value("peers")[0], "8")
        self.assertEqual(self.value("timeout")[0], "7")
        self.assertEqual(self.value("db")[0], "/a;b#c")

    def test_lines_may_be_long_and_the_last_needs_no_end(self):
        challenge = "51" * 9000
        self.write(f"# a\nsignet-challenge = {challenge}\npeers = 3")
        value, source = self.value("signet-challenge")
        self.assertTrue(value == challenge)
        self.assertEqual(source, f"{self.file}, line 2")
        self.assertEqual(self.value("peers"), ("3", f"{self.file}, line 3"))

    def test_one_file_serves_all_programs_and_a_slip_in_it_is_an_error_for_each(self):
        self.write("follow = yes\nmine = 3\nformat = raw\nrange = 1\nsvg = x\nwithout-depth = yes\n")
        for app in APPS:
            with self.subTest(app=app):
                self.options(app)
                for text, words in WRONG:
                    self.refused(text, words, app, "--print-config")
                self.write("follow = yes\nmine = 3\n")

    def test_wrong_values_are_named_with_file_and_line(self):
        for text, words in WRONG_SYNC:
            with self.subTest(text=text):
                self.refused(text, words, "spv-sync", *NOWHERE)

    def test_wrong_values_of_the_environment_are_named_by_their_variable(self):
        for variable, value, words in (
                ("SPV_PEERS", "x", "SPV_PEERS: 'x' is not a number"),
                ("SPV_FOLLOW", "maybe", "SPV_FOLLOW: 'maybe' is neither yes nor no"),
                ("SPV_NETWORK", "test", "SPV_NETWORK: 'test' is not a network; did you mean"),
                ("SPV_CONNECT", ",", "SPV_CONNECT: the value is empty"),
                ("SPV_CONNECT", " ".join(["h"] * 257), "SPV_CONNECT: given more than 256 times"),
                ("SPV_MIN_CHAIN_WORK", "z", "--min-chain-work is set by the environment variable "
                                            "SPV_MIN_CHAIN_WORK. Try")):
            with self.subTest(variable=variable, value=value[:9]):
                result = run("spv-sync", *NOWHERE, env={**self.env, variable: value})
                self.ends(result, USAGE)
                self.assertIn(words, result.stderr)

    def test_files_that_cannot_be_read(self):
        missing = os.path.join(self.folder, "none.conf")
        fifo = os.path.join(self.folder, "fifo")
        large = os.path.join(self.folder, "large")
        binary_file = os.path.join(self.folder, "binary")
        os.mkfifo(fifo)
        self.write("#" * (1024 * 1024 + 1), large)
        self.write("peers = 3\0\n", binary_file)
        for path, words in ((missing, "No such file or directory"), (fifo, "is not a file"),
                            (self.folder, "is not a file"), (large, "is larger than 1 MB"),
                            (binary_file, "is not a text file"), ("", "the value is empty")):
            for way in (("--config", path), ()):
                if not way and not path:
                    continue
                result = run("spv-sync", *way, *NOWHERE,
                             env={**self.env, "SPV_CONFIG": "" if way else path})
                self.ends(result, USAGE)
                self.assertIn("--config: ", result.stderr)
                self.assertIn(words, result.stderr)
        self.write("#" * (1024 * 1024), large)
        self.ends(run("spv-sync", "--config", large, "--print-config", env=self.env), DONE)

    def test_the_usual_file_need_not_be_there_and_another_may_be_named(self):
        other = os.path.join(self.folder, "other.conf")
        self.write("peers = 9\n", other)
        self.write("peers = 3\n")
        self.assertEqual(self.value("peers", "--config", other)[0], "9")
        self.assertEqual(self.value("peers", env={"SPV_CONFIG": other})[0], "9")
        self.assertEqual(self.value("peers", "--no-config", env={"SPV_CONFIG": other})[1], None)
        home = os.path.join(self.folder, "home")
        os.makedirs(os.path.join(home, ".config", "spv"))
        self.write("peers = 5\n", os.path.join(home, ".config", "spv", "spv.conf"))
        for xdg in ("", "relative"):  # XDG: a relative path is to be ignored
            self.assertEqual(self.value("peers", env={"HOME": home, "XDG_CONFIG_HOME": xdg})[0], "5")
        os.remove(self.file)
        self.assertEqual(self.value("peers")[1], None)

    @unittest.skipUnless(os.geteuid() == 0, "only root can become another user")
    def test_the_closed_folder_of_another_user_is_passed_over_and_a_closed_file_is_not(self):
        self.write("peers = 3\n")
        os.chmod(self.folder, 0o711)
        os.chmod(os.path.dirname(self.file), 0o755)
        os.chmod(self.file, 0o600)
        command = [binary("spv-sync"), "--print-config"]
        run_as = {"env": {**os.environ, **self.env}, "user": "nobody", "capture_output": True,
                  "text": True, "check": False, "timeout": 60}
        result = subprocess.run(command, **run_as)
        self.assertEqual(result.returncode, USAGE)
        self.assertIn(f"{self.file}: Permission denied", result.stderr)
        os.chmod(os.path.dirname(self.file), 0o700)
        result = subprocess.run(command, **run_as)
        self.assertEqual((result.returncode, result.stderr), (DONE, ""))
        result = subprocess.run([*command, "--config", self.file], **run_as)
        self.assertEqual(result.returncode, USAGE)  # it was asked for

    def test_print_config_can_be_used_as_a_file_and_as_json(self):
        first = run("spv-sync", "--print-config", "-n", "signet", "-c", "127.0.0.1:1", "-c", "[::1]:2",
                    "--peers", "3", "--follow", env=self.env)
        self.ends(first, DONE)
        self.write(first.stdout)
        again = self.options("spv-sync")
        self.assertEqual(again["connect"][1][0], "[::1]:2")
        self.assertEqual([again[name][0][0] for name in ("network", "peers", "follow")],
                         ["signet", "3", "yes"])
        objects = self.json_lines(run("spv-sync", "--print-config", "--json", env=self.env))
        found = {o["name"]: (o["value"], o["from"]) for o in objects}
        self.assertEqual(found["connect"][0], ["127.0.0.1:1", "[::1]:2"])
        self.assertEqual(found["peers"][0], 3)
        self.assertIs(found["follow"][0], True)
        self.assertEqual(found["db"], (None, "default"))

    def json_lines(self, result):
        self.ends(result, DONE)
        return [json.loads(line) for line in result.stdout.splitlines()]

    def test_every_option_of_every_program_is_known_to_all(self):
        names = set()
        for app in APPS:
            text = run(app, "--help").stdout
            names |= set(re.findall(r"^  (?:-.,|   ) --([a-z-]+)", text, re.M))
        for name in sorted(names - OWN - {"network"}):
            self.write(f"{name} =\n")
            result = run("spv-address", "--print-config", env=self.env)
            self.assertNotIn("unknown option", result.stderr, name)

    def test_the_environment_reaches_a_sync(self):
        server = self.server("--mine", "40")
        result = run("spv-sync", env={**self.env, "SPV_NETWORK": "regtest",
                                      "SPV_CONNECT": server.address})
        self.ends(result, DONE)
        self.assertIn("height 40", result.stdout)


class Names(TestCase):
    def test_letters_mean_the_same_in_all_programs(self):
        letters = {}
        for app in APPS:
            for letter, name in re.findall(r"^  -(.), --([a-z-]+)", run(app, "--help").stdout, re.M):
                letters.setdefault(letter, set()).add(name)
        self.assertEqual({k: v for k, v in letters.items() if len(v) > 1}, {})
        self.assertEqual(letters["f"], {"follow"})
        self.assertEqual(letters["V"], {"version"})
        self.assertEqual(run("spv-db", "-V").stdout, run("spv-db", "--version").stdout)

    def test_a_custom_signet_is_found_by_its_name(self):
        headers = os.path.join(self.folder, "none")
        env = {"XDG_DATA_HOME": self.folder, "XDG_CONFIG_HOME": self.folder}
        made = run("spv-import", "--signet-challenge", "51", "/dev/null", env=env)
        self.assertNotEqual(made.returncode, USAGE, made.stderr)
        name = next(n for n in os.listdir(os.path.join(self.folder, "spv")) if n.startswith("signet-"))
        found = run("spv-db", "info", "--network", name, env=env)
        self.ends(found, DONE)
        self.assertIn(name, found.stdout)
        self.ends(run("spv-db", "info", "--signet-challenge", "51", env=env), DONE)
        self.ends(run("spv-db", "info", "--network", name, "--signet-challenge", "51", env=env), DONE)
        wrong = run("spv-db", "info", "--network", name, "--signet-challenge", "52", env=env)
        self.ends(wrong, USAGE)
        self.assertIn(f"not of --network {name}", wrong.stderr)
        unknown = run("spv-sync", "--network", "signet-00000000", *NOWHERE, env=env)
        self.ends(unknown, USAGE)
        self.assertIn("the challenge of signet-00000000 is not known", unknown.stderr)
        self.assertIn("--signet-challenge HEX", unknown.stderr)
        for malformed in (name + "0", name + "x", name[:-1], name[:-1] + "x", name.upper()):
            result = run("spv-db", "info", "--network", malformed, env=env)
            self.ends(result, USAGE)
            self.assertIn(f"'{malformed}' is not a network", result.stderr)
        other = run("spv-db", "info", "--network", "signet-00000000", "--db",
                    os.path.join(self.folder, "spv", name, "headers.db"), env=env)
        self.ends(other, USAGE)
        self.assertIn(f"is a database of {name}, not of signet-00000000", other.stderr)
        served = run("spv-serve", "--network", name, headers, env=env)
        self.ends(served, USAGE)
        self.assertIn("--signet-challenge HEX", served.stderr)

    def test_a_file_may_be_an_argument(self):
        file = os.path.join(self.folder, "none.bin")
        for app, option in (("spv-import", "--input"), ("spv-serve", "--headers")):
            with self.subTest(app=app):
                result = run(app, file, env={"XDG_DATA_HOME": self.folder})
                self.ends(result, FAILED)
                self.assertIn(file, result.stderr)
                result = run(app, file, "again")
                self.ends(result, USAGE)
                self.assertIn("'again': unexpected argument", result.stderr)
                result = run(app, option, file, "again")
                self.ends(result, USAGE)
                self.assertIn(f"{option}: cannot be combined with the argument 'again'", result.stderr)


class Completion(TestCase):
    def complete(self, *words):
        """What bash proposes for the last word."""
        script = (f'source <({binary(words[0])} --completion bash)\n'
                  'compopt() { :; }\n'
                  f'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _{words[0].replace("-", "_")}\n'
                  'printf "%s\\n" "${COMPREPLY[@]}"\n')
        result = subprocess.run(["bash", "-c", script, "bash", *words], capture_output=True, text=True,
                                check=True, cwd=self.folder, timeout=60)
        self.assertEqual(result.stderr, "")
        return result.stdout.split()

    def test_bash_proposes_options_values_commands_and_files(self):
        for name in ("headers.bin", "regular"):
            with open(os.path.join(self.folder, name), "w", encoding="ascii"):
                pass
        os.mkdir(os.path.join(self.folder, "folder"))
        self.assertIn("--network", self.complete("spv-sync", "--n"))
        self.assertEqual(self.complete("spv-sync", "--network", "testnet"), ["testnet3", "testnet4"])
        self.assertEqual(self.complete("spv-sync", "-n", "reg"), ["regtest"])
        self.assertEqual(self.complete("spv-export", "-F", "neu"), ["neutrino"])
        self.assertEqual(self.complete("spv-db", "ver"), ["verify"])
        self.assertEqual(self.complete("spv-db", "--db", "hea"), ["headers.bin"])
        self.assertEqual(self.complete("spv-db", "--datadir", ""), ["folder"])
        self.assertEqual(self.complete("spv-import", "hea"), ["headers.bin"])
        self.assertEqual(self.complete("spv-sync", "hea"), [])
        self.assertEqual(self.complete("spv-sync", "--peers", ""), [])

    def test_every_option_stands_in_every_script(self):
        for app in APPS:
            names = re.findall(r"^  (?:-.,|   ) --([a-z-]+)", run(app, "--help").stdout, re.M)
            self.assertGreater(len(names), 5)
            for shell, form in (("bash", "--{} "), ("zsh", "--{}"), ("fish", " -l {} ")):
                text = run(app, "--completion", shell).stdout
                for name in names:
                    self.assertIn(form.format(name), text)

    def test_the_shells_that_are_there_accept_the_scripts(self):
        for app in APPS:
            for shell, check in (("bash", ["-n"]), ("zsh", ["-n"]), ("fish", ["-n"])):
                if shutil.which(shell):
                    text = run(app, "--completion", shell).stdout
                    subprocess.run([shell, *check], input=text, text=True, check=True, timeout=60)

    def test_another_shell_is_refused(self):
        result = run("spv-sync", "--completion", "csh")
        self.ends(result, USAGE)
        self.assertIn("'csh' is not bash, zsh or fish", result.stderr)


if __name__ == "__main__":
    unittest.main()
