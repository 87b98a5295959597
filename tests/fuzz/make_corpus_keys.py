#!/usr/bin/env python3
"""Writes the seeds of fuzz_descriptor and fuzz_address.

Run in tests/fuzz/; the files are committed, so that no build needs this."""
import pathlib

here = pathlib.Path(__file__).resolve().parent
A = ("xpub6ERApfZwUNrhLCkDtcHTcxd75RbzS1ed54G1LkBUHQVHQKqhMkhgbmJbZRkrgZw4koxb5JaHWkY4ALHY2grBGRjaDMz"
     "QLcgJvLJuZZvRcEL")
T = ("tpubD6NzVbkrYhZ4WaWSyoBvQwbpLkojyoTZPRsgXELWz3Popb3qkjcJyJUGLnL4qHHoQvao8ESaAstxYSnhyswJ76uZPStJ"
     "RJCTKvosUCJZL5B")
K = "03a34b99f22c790c4e36b2b3c2c35a36db06226e41c692fc82b8b56ac1c540c5bd"
U = ("04a34b99f22c790c4e36b2b3c2c35a36db06226e41c692fc82b8b56ac1c540c5bd5b8dec5235a0fa8722476c7709c025"
     "59e3aa73aa03918ba2d492eea75abea235")
X = K[2:]
descriptors = {
    "pk": f"pk({K})", "pkh-uncompressed": f"pkh({U})", "wpkh-range": f"wpkh([deadbeef/84h/0']{A}/<0;1>/*)",
    "sh-wsh": f"sh(wsh(sortedmulti(2,{A}/*,{K})))", "multi": f"multi(1,{K},{U})", "combo": f"combo({T}/3)",
    "tr": f"tr({X},{{pk({X}),{{multi_a(1,{X},{K}),sortedmulti_a(2,{X},{A}/*)}}}})", "rawtr": f"rawtr({X})",
    "raw": "raw(deadbeef)#89f8spxm", "raw-wrong": "raw(deedbeef)#89f8spxm",
    "raw-empty": "raw()",
    "addr": "addr(bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4)", "hardened": f"wpkh({A}/0h/*h)",
    "miniscript": f"wsh(and_v(v:pk({K}),older(9)))", "musig": f"tr(musig({K},{K}))",
    "private": "wpkh(L4rK1yDtCWekvXuE6oXD9jCYfFNV2cWRpVuPLBcCU2z8TrisoyY1)",
    "words": "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about",
    "multipath-lengths": f"wsh(multi(1,{A}/<0;1>/*,{A}/<0;1;2>/*))", "cut": "sh(wsh(pk(",
    "four-wrong": "addr(bc1qw508d(qrej6bc0xtdg4y5r3zarvary0c5xw7k8t4v3f)",
}
addresses = {
    "p2pkh": "1P2wq5Y67a4e1VCYug3N1tSsBHmokZoVJT", "p2sh-test": "2N7K71Qaxd5zcgarLq9J1MFGWyjfrTtqwX6",
    "p2wpkh": "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "p2a": "bcrt1pfeesnyr2tx",
    "p2tr": "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
    "upper": "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4", "unknown": "bc1sw50qgdz25j",
    "one-wrong": "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5", "two-wrong": "bc1qw508d6qejxtdg4y5r3zarvary0c5pp7kv8f3t4",
    "outside": "bc1qw508d6qbjxtdg4y5r3zarvary0c5xw7kv8f3t4", "two-outside-two-wrong": "bc1bw508d6bejxtdg4y5r3zarvary0c5pp7kv8f3t4",
    "xpub": A, "other-coin": "ltc1qgfpyysjzgfpyysjzgfpyysjzgfpyysjzsh0dcy",
}
scripts = {
    "script-p2wsh": "00201863143c14c5166804bd19203356da136c985678cd4d27a1b8c6329604903262",
    "script-multisig": "5121" + K + "21" + K + "52ae", "script-return": "6a0461626364", "script-cut": "4dff",
}
for folder, seeds in (("descriptor", {name: b"\0\2" + text.encode() for name, text in descriptors.items()}),
                      ("address", {**{name: b"\0" + text.encode() for name, text in addresses.items()},
                                   **{name: b"\x40" + bytes.fromhex(text) for name, text in scripts.items()}})):
    out = here / "corpus" / folder
    out.mkdir(parents=True, exist_ok=True)
    for name, data in seeds.items():
        (out / name).write_bytes(data)
