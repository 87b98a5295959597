"""Through a SOCKS5 proxy: names are the proxy's to look up, every dial has credentials of its own."""

import os
import unittest

from socks import Socks
from support import DONE, NO_PEER, USAGE, TestCase

ONION = "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion"
NAME, IPV4 = 3, 1


class ThroughAProxy(TestCase):
    def socks(self, *args, **more):
        socks = Socks(*args, **more)
        self.addCleanup(socks.close)
        return socks

    def test_a_name_that_only_the_proxy_resolves_is_reached(self):
        server = self.server("--mine", 300)
        socks = self.socks({("peer.invalid", 18444): server.port})
        result = self.sync("--proxy", socks.address, "--connect", "peer.invalid")
        self.ends(result, DONE)
        self.assertIn("regtest synced at height 300", result.stdout)
        self.assertEqual(socks.asked, [(NAME, "peer.invalid", 18444)])

    def test_an_onion_service_is_reached_by_its_name(self):
        server = self.server("--mine", 20)
        socks = self.socks({(ONION, 18444): server.port})
        for more in ((), ("--onion",)):
            result = self.sync("--proxy", socks.address, *more, "--connect", ONION)
            self.ends(result, DONE)
        self.assertEqual(socks.asked, [(NAME, ONION, 18444)] * 2)

    def test_an_onion_peer_may_be_added(self):
        server = self.server("--mine", 20)
        socks = self.socks({(ONION, 18444): server.port})
        self.ends(self.sync("--proxy", socks.address, "--peers", 1, "--add-peer", ONION), DONE)
        self.assertEqual(socks.asked, [(NAME, ONION, 18444)])

    def test_each_connection_has_credentials_of_its_own(self):
        server = self.server("--mine", 20)
        names = [f"peer{i}.invalid" for i in range(8)]
        socks = self.socks(default=server.port)
        result = self.sync("--proxy", socks.address,
                           *[word for name in names for word in ("--connect", name)])
        self.ends(result, DONE)
        self.assertGreaterEqual(len(socks.credentials), 2)
        self.assertNotIn(None, socks.credentials)
        self.assertEqual(len(set(socks.credentials)), len(socks.credentials))

    def test_an_ip_address_is_sent_as_an_address(self):
        server = self.server("--mine", 20)
        socks = self.socks(default=server.port)
        self.ends(self.sync("--proxy", socks.address, "--connect", "203.0.113.5"), DONE)
        self.assertEqual(socks.asked, [(IPV4, "203.0.113.5", 18444)])

    def test_seeds_are_dialled_by_their_bare_names_and_the_list_at_once(self):
        socks = self.socks()  # has no destinations
        sync = self.program("spv-sync", "--network", "signet", "--db", self.db, "--proxy",
                            socks.address, "--json")
        socks.wait_for(lambda asked: sum(host.startswith("seed.") for _, host, _ in asked) >= 2 and
                       sum(port == 38333 and kind != NAME for kind, _, port in asked) >= 4)
        sync.stop()
        for kind, host, port in socks.asked:
            self.assertEqual(port, 38333)
            if kind == NAME and not host.endswith(".onion"):
                self.assertIn(host, ("seed.signet.bitcoin.sprovoost.nl",
                                     "seed.signet.achownodes.xyz"))
        self.assertEqual(len(set(socks.credentials)), len(socks.credentials))

    def test_onlynet_onion_dials_only_onion_addresses(self):
        socks = self.socks()
        sync = self.program("spv-sync", "--network", "signet", "--db", self.db, "--onion",
                            "--proxy", socks.address, "--json")
        socks.wait_for(lambda asked: len(asked) >= 6)
        sync.stop()
        for kind, host, _ in socks.asked:
            self.assertEqual(kind, NAME)
            self.assertTrue(host.endswith(".onion"), host)

    def test_an_absent_proxy_is_reported_with_advice(self):
        port = self.closed_port()
        result = self.sync("--proxy", f"127.0.0.1:{port}", "--connect", "peer.invalid",
                           "--timeout", 1)
        self.ends(result, NO_PEER)
        self.assertIn("proxy refused or failed", result.stderr)
        self.assertIn(f"listens on 127.0.0.1 port {port}", result.stderr)

    def test_a_proxy_without_user_name_authentication_is_refused(self):
        server = self.server("--mine", 20)
        socks = self.socks(default=server.port, auth=False)
        result = self.sync("--proxy", socks.address, "--connect", "peer.invalid", "--timeout", 1)
        self.ends(result, NO_PEER)
        self.assertIn("user name authentication", result.stderr)
        self.assertEqual(socks.asked, [])

    def test_mistakes_are_reported_at_once(self):
        rows = (
            (("--proxy", "a b"), "--proxy: 'a b' is not HOST"),
            (("--proxy", "127.0.0.1:0"), "is not HOST"),
            (("--connect", ONION), "reached only through Tor"),
            (("--add-peer", ONION.replace("2g", "3g")), "not a valid onion address"),
            (("--connect", "x.onion", "--onion"), "not a valid onion address"),
            (("--connect", "192.0.2.7", "--onion"), "--onion allows no other"),
        )
        for options, words in rows:
            with self.subTest(options=options):
                result = self.sync(*options)
                self.ends(result, USAGE)
                self.assertIn(words, result.stderr)
                self.assertFalse(os.path.exists(self.db))


if __name__ == "__main__":
    unittest.main()
