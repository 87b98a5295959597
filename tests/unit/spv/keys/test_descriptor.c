/* Descriptors as text: canonical form, checksum, limits, and errors with their position and key. */
#include "descriptor_fixture.h"

#include "spv/keys.h"

#define MAIN SPV_NETWORK_BIT(SPV_MAINNET)
#define TESTS                                                                                      \
    (SPV_NETWORK_BIT(SPV_TESTNET3) | SPV_NETWORK_BIT(SPV_TESTNET4) | SPV_NETWORK_BIT(SPV_SIGNET))
#define REGTEST SPV_NETWORK_BIT(SPV_REGTEST)

/* The canonical text without its checksum. */
static void check_text(const char *text, const char *want)
{
    struct spv_descriptor *d, *again;
    struct spv_text_error why;
    char sum[SPV_DESCRIPTOR_CHECKSUM_CHARS + 1];
    if (parse_descriptor(&d, &why, text, SPV_ANY_NETWORK) != 0)
        fail_msg("%s: %s", text, why.text);
    const char *got = spv_descriptor_text(d);
    const size_t n = strlen(want);
    assert_int_equal(strlen(got), n + 1 + SPV_DESCRIPTOR_CHECKSUM_CHARS);
    assert_memory_equal(got, want, n);
    assert_int_equal(spv_descriptor_checksum(sum, want, n), 0);
    assert_int_equal(got[n], '#');
    assert_string_equal(got + n + 1, sum);
    /* the canonical text is its own canonical text */
    assert_int_equal(spv_descriptor_parse(&again, &why, got, strlen(got), SPV_ANY_NETWORK,
                                          SPV_DESCRIPTOR_CHECKSUM_REQUIRED),
                     0);
    assert_string_equal(spv_descriptor_text(again), got);
    spv_descriptor_free(again);
    spv_descriptor_free(d);
}

static void canonical_text_has_h_markers_lower_case_hex_and_its_checksum(void **state)
{
    static const struct {
        const char *text, *canonical; /* NULL: the same */
    } cases[] = {
        {"pk(" KEY_A ")", NULL},
        {"pkh(" KEY_LONG ")", NULL},
        {"sh(wsh(pkh(" KEY_A ")))", NULL},
        {"wpkh([DEADBEEF/84'/0h/1']" XPUB_A "/0/*)", "wpkh([deadbeef/84h/0h/1h]" XPUB_A "/0/*)"},
        {"wpkh([deadbeef]" XPUB_A ")", NULL},
        {"wpkh(" XPUB_A "/<0;1'>/*')", "wpkh(" XPUB_A "/<0;1h>/*h)"},
        {"wpkh(" XPUB_A "/4/<7;5;6>/2147483647h/3)", NULL},
        {"wpkh(" XPUB_A "/007/00)", "wpkh(" XPUB_A "/7/0)"},
        {"pk(0279BE667ef9dcbbac55a06295Ce870b07029Bfcdb2dce28d959f2815b16f81798)",
         "pk(0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798)"},
        {"sh(sortedmulti(02," KEY_A "," KEY_B "))", "sh(sortedmulti(2," KEY_A "," KEY_B "))"},
        {"combo(" XPUB_A "/*)", NULL},
        {"tr(" KEY_X ")", NULL},
        {"tr(" KEY_A ",pk(" KEY_X "))", NULL},
        {"tr(" KEY_X ",{pk(" KEY_X "),{{multi_a(1," KEY_X "),pk(" KEY_B ")},sortedmulti_a(2," KEY_X
         "," KEY_B ")}})",
         NULL},
        {"tr(" KEY_X ",{{pk(" KEY_X "),pk(" KEY_A ")},{pk(" KEY_B "),pk(" KEY_X ")}})", NULL},
        {"rawtr(" KEY_X ")", NULL},
        {"raw(DEADbeef)", "raw(deadbeef)"},
        {"raw()", NULL},
        {"addr(3PUNyaW7M55oKWJ3kDukwk9bsKvryra15j)", NULL},
        {"addr(BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4)",
         "addr(bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4)"},
        {"addr(2N7K71Qaxd5zcgarLq9J1MFGWyjfrTtqwX6)", NULL},
        {"addr(bcrt1pfeesnyr2tx)", NULL},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        check_text(cases[i].text, cases[i].canonical ? cases[i].canonical : cases[i].text);
}

/* BIP380's. */
static void checksums_are_made_and_checked(void **state)
{
    static const struct {
        const char *text;
        int code;
        const char *says;
    } cases[] = {
        {"raw(deadbeef)#89f8spxm", 0, NULL},
        {"raw(deadbeef)", 0, NULL},
        {"raw(deadbeef)#", SPV_ERR_TEXT_CHECKSUM, "the one given has 0"},
        {"raw(deadbeef)#89f8spxmx", SPV_ERR_TEXT_CHECKSUM, "the one given has 9"},
        {"raw(deadbeef)#89f8spx", SPV_ERR_TEXT_CHECKSUM, "the one given has 7"},
        {"raw(deedbeef)#89f8spxm", SPV_ERR_TEXT_CHECKSUM,
         "wrong checksum: #89f8spxm is given, #xj8ljs75 is expected"},
        {"raw(deadbeef)##9f8spxm", SPV_ERR_DESC_SYNTAX, "a second # at character 15"},
        {"raw(deadbeef)#89f8spx#", SPV_ERR_DESC_SYNTAX, "a second # at character 22"},
        {"raw(deadbeef)#89f8spxM", SPV_ERR_TEXT_CHECKSUM, "#89f8spxm is expected"},
        {"raw(\xc3\x9c)#00000000", SPV_ERR_TEXT_CHARACTER, "at character 5"},
    };
    char sum[SPV_DESCRIPTOR_CHECKSUM_CHARS + 1];
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct spv_descriptor *d;
        struct spv_text_error why;
        const int rc = parse_descriptor(&d, &why, cases[i].text, MAIN);
        assert_int_equal(rc, cases[i].code);
        if (rc != 0 && !strstr(why.text, cases[i].says))
            fail_msg("%s: %s", cases[i].text, why.text);
        spv_descriptor_free(d);
    }
    assert_int_equal(spv_descriptor_checksum(sum, "raw(deadbeef)", 13), 0);
    assert_string_equal(sum, "89f8spxm");
    assert_int_equal(spv_descriptor_checksum(sum, "\xc3\x9c", 2), SPV_ERR_TEXT_CHARACTER);
    assert_int_equal(spv_descriptor_checksum(sum, "", 1), SPV_ERR_TEXT_CHARACTER); /* NUL */
}

static void checksum_can_be_required(void **state)
{
    static const char with[] = "raw(deadbeef)#89f8spxm";
    struct spv_descriptor *d;
    struct spv_text_error why;
    (void)state;
    assert_int_equal(
        spv_descriptor_parse(&d, &why, with, 13, MAIN, SPV_DESCRIPTOR_CHECKSUM_REQUIRED),
        SPV_ERR_TEXT_CHECKSUM);
    assert_non_null(strstr(why.text, "missing"));
    assert_int_equal(
        spv_descriptor_parse(&d, &why, with, strlen(with), MAIN, SPV_DESCRIPTOR_CHECKSUM_REQUIRED),
        0);
    spv_descriptor_free(d);
}

/* Each rule with the position that it is broken at; key 0: no key. */
static const struct {
    const char *text;
    int code;
    int at; /* -1: no position */
    unsigned key;
    const char *says;
} errors[] = {
    {"", SPV_ERR_DESC_SYNTAX, 0, 0, "a function with its bracket"},
    {"pk", SPV_ERR_DESC_SYNTAX, 0, 0, "a function with its bracket"},
    {"pk()", SPV_ERR_DESC_SYNTAX, 3, 1, "the key is missing"},
    {"PK(" KEY_A ")", SPV_ERR_DESC_SYNTAX, 0, 0, "no known function"},
    {"pk (" KEY_A ")", SPV_ERR_DESC_SYNTAX, 0, 0, "no known function"},
    {" pk(" KEY_A ")", SPV_ERR_DESC_SYNTAX, 0, 0, "no known function"},
    {"foo(" KEY_A ")", SPV_ERR_DESC_SYNTAX, 0, 0, "no known function"},
    {"pk(" KEY_A, SPV_ERR_DESC_SYNTAX, 69, 0, ") is expected"},
    {"pk(" KEY_A "))", SPV_ERR_DESC_SYNTAX, 70, 0, "text after the end"},
    {"pk(" KEY_A ")x", SPV_ERR_DESC_SYNTAX, 70, 0, "text after the end"},
    {"sh(pk(" KEY_A ")", SPV_ERR_DESC_SYNTAX, 73, 0, ") is expected"},
    {"pk(" KEY_A "," KEY_B ")", SPV_ERR_DESC_SYNTAX, 69, 0, ") is expected"},
    {"pk(pk(" KEY_A "))", SPV_ERR_DESC_SYNTAX, 3, 1, "not a function"},
    {"sh(" KEY_A ")", SPV_ERR_DESC_SYNTAX, 3, 0, "a function with its bracket"},
    /* places */
    {"sh(sh(pk(" KEY_A ")))", SPV_ERR_DESC_CONTEXT, 3, 0, "sh() is not allowed in sh()"},
    {"wsh(wsh(pk(" KEY_A ")))", SPV_ERR_DESC_CONTEXT, 4, 0, "wsh() is not allowed in wsh()"},
    {"wsh(sh(pk(" KEY_A ")))", SPV_ERR_DESC_CONTEXT, 4, 0, "sh() is not allowed in wsh()"},
    {"wsh(wpkh(" KEY_A "))", SPV_ERR_DESC_CONTEXT, 4, 0, "wpkh() is not allowed in wsh()"},
    {"sh(wsh(wpkh(" KEY_A ")))", SPV_ERR_DESC_CONTEXT, 7, 0, "wpkh() is not allowed in wsh()"},
    {"sh(combo(" KEY_A "))", SPV_ERR_DESC_CONTEXT, 3, 0, "combo() is not allowed in sh()"},
    {"sh(tr(" KEY_A "))", SPV_ERR_DESC_CONTEXT, 3, 0, "tr() is not allowed in sh()"},
    {"wsh(tr(" KEY_A "))", SPV_ERR_DESC_CONTEXT, 4, 0, "tr() is not allowed in wsh()"},
    {"wsh(rawtr(" KEY_A "))", SPV_ERR_DESC_CONTEXT, 4, 0, "rawtr() is not allowed in wsh()"},
    {"sh(raw(00))", SPV_ERR_DESC_CONTEXT, 3, 0, "raw() is not allowed in sh()"},
    {"sh(addr(3PUNyaW7M55oKWJ3kDukwk9bsKvryra15j))", SPV_ERR_DESC_CONTEXT, 3, 0,
     "addr() is not allowed in sh()"},
    {"multi_a(1," KEY_A ")", SPV_ERR_DESC_CONTEXT, 0, 0, "multi_a() stands in tr() only"},
    {"sortedmulti_a(1," KEY_A ")", SPV_ERR_DESC_CONTEXT, 0, 0, "sortedmulti_a() stands in tr()"},
    {"wsh(multi_a(1," KEY_A "))", SPV_ERR_DESC_CONTEXT, 4, 0, "multi_a() is not allowed in wsh()"},
    {"tr(" KEY_X ",multi(1," KEY_A "))", SPV_ERR_DESC_CONTEXT, 68, 0,
     "multi() is not allowed in tr()"},
    {"tr(" KEY_X ",wpkh(" KEY_A "))", SPV_ERR_DESC_CONTEXT, 68, 0, "wpkh() is not allowed in tr()"},
    {"tr(" KEY_X ",tr(" KEY_X "))", SPV_ERR_DESC_CONTEXT, 68, 0, "tr() is not allowed in tr()"},
    /* forms of keys */
    {"wpkh(" KEY_LONG ")", SPV_ERR_DESC_CONTEXT, 5, 1, "uncompressed"},
    {"sh(wpkh(" KEY_LONG "))", SPV_ERR_DESC_CONTEXT, 8, 1, "uncompressed"},
    {"wsh(pk(" KEY_LONG "))", SPV_ERR_DESC_CONTEXT, 7, 1, "uncompressed"},
    {"wsh(pkh(" KEY_LONG "))", SPV_ERR_DESC_CONTEXT, 8, 1, "uncompressed"},
    {"wsh(multi(1," KEY_A "," KEY_LONG "))", SPV_ERR_DESC_CONTEXT, 79, 2, "uncompressed"},
    {"tr(" KEY_LONG ")", SPV_ERR_DESC_CONTEXT, 3, 1, "uncompressed"},
    {"rawtr(" KEY_LONG ")", SPV_ERR_DESC_CONTEXT, 6, 1, "uncompressed"},
    {"tr(" KEY_X ",pk(" KEY_LONG "))", SPV_ERR_DESC_CONTEXT, 71, 2, "uncompressed"},
    {"pk(" KEY_X ")", SPV_ERR_DESC_CONTEXT, 3, 1, "x-only"},
    {"wsh(multi(1," KEY_X "))", SPV_ERR_DESC_CONTEXT, 12, 1, "x-only"},
    {"combo(" KEY_X ")", SPV_ERR_DESC_CONTEXT, 6, 1, "x-only"},
    {"pk(03a34b99f22c790c4e36b2b3c2c35a36db06226e41c692fc82b8b56ac1c540c5)", SPV_ERR_DESC_CONTEXT,
     3, 1, "x-only"},
    {"pk(0211111111111111111111111111111111111111111111111111111111111111)", SPV_ERR_DESC_CONTEXT,
     3, 1, "x-only"},
    {"pk(02ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff)", SPV_ERR_PUBLIC_KEY,
     3, 1, "not valid"},
    {"tr(ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff)", SPV_ERR_PUBLIC_KEY, 3,
     1, "not valid"},
    {"pk(abcd)", SPV_ERR_PUBLIC_KEY, 3, 1, "not 4"},
    {"pk("
     "07a34b99f22c790c4e36b2b3c2c35a36db06226e41c692fc82b8b56ac1c540c5bd5b8dec5235a0fa8722476c770"
     "9c02559e3aa73aa03918ba2d492eea75abea235)",
     SPV_ERR_PUBLIC_KEY, 3, 1, "not valid"},
    {"pk("
     "04a34b99f22c790c4e36b2b3c2c35a36db06226e41c692fc82b8b56ac1c540c5bd5b8dec5235a0fa8722476c770"
     "9c02559e3aa73aa03918ba2d492eea75abea236)",
     SPV_ERR_PUBLIC_KEY, 3, 1, "not valid"},
    {"wpkh(xpub6ERApfZwUNrhLCkDtcHTcxd75RbzS1ed54G1LkBUHQVHQKqhMkhgbmJbZRkrgZw4koxb5JaHWkY4ALHY2grB"
     "GRjaDMzQLcgJvLJuZZvRcEM/0/*)",
     SPV_ERR_TEXT_CHECKSUM, 5, 1, "wrong checksum"},
    {"multi(1," KEY_A ",xpub0)", SPV_ERR_TEXT_CHARACTER, 79, 2, "base58"},
    /* key origins */
    {"pk([deadbef]" KEY_A ")", SPV_ERR_DESC_SYNTAX, 4, 1, "8 hex digits"},
    {"pk([deadbeeff]" KEY_A ")", SPV_ERR_DESC_SYNTAX, 4, 1, "8 hex digits"},
    {"pk([deadbeeg]" KEY_A ")", SPV_ERR_DESC_SYNTAX, 4, 1, "8 hex digits"},
    {"pk([deadbeef", SPV_ERR_DESC_SYNTAX, 4, 1, "8 hex digits"},
    {"pk([deadbeef/0h/]" KEY_A ")", SPV_ERR_DESC_SYNTAX, 16, 1, "the path step is not a number"},
    {"pk([deadbeef/*]" KEY_A ")", SPV_ERR_DESC_SYNTAX, 13, 1, "the path step is not a number"},
    {"pk([deadbeef/<0;1>]" KEY_A ")", SPV_ERR_DESC_SYNTAX, 13, 1, "is not a number"},
    {"pk([deadbeef/0H]" KEY_A ")", SPV_ERR_DESC_SYNTAX, 14, 1, "/ or ] is expected"},
    {"pk([deadbeef/-0]" KEY_A ")", SPV_ERR_DESC_SYNTAX, 13, 1, "is not a number"},
    {"pk([deadbeef/2147483648]" KEY_A ")", SPV_ERR_DESC_SYNTAX, 13, 1, "above 2147483647"},
    {"pk([deadbeef])", SPV_ERR_DESC_SYNTAX, 13, 1, "the key is missing"},
    {"pk(deadbeef]" KEY_A ")", SPV_ERR_DESC_SYNTAX, 3, 1, "key origin"},
    {"pk([deadbeef][deadbeef]" KEY_A ")", SPV_ERR_DESC_SYNTAX, 13, 1, "key origin"},
    /* paths */
    {"pk(" KEY_A "/0)", SPV_ERR_DESC_SYNTAX, 69, 1, "no children"},
    {"pk(" KEY_A "/*)", SPV_ERR_DESC_SYNTAX, 69, 1, "no children"},
    {"pk(" XPUB_A "/)", SPV_ERR_DESC_SYNTAX, 115, 1, "the path step is not a number"},
    {"pk(" XPUB_A "//0)", SPV_ERR_DESC_SYNTAX, 115, 1, "the path step is not a number"},
    {"pk(" XPUB_A "/1aa)", SPV_ERR_DESC_SYNTAX, 116, 0, ") is expected"},
    {"pk(" XPUB_A "/2147483648)", SPV_ERR_DESC_SYNTAX, 115, 1, "above 2147483647"},
    {"pk(" XPUB_A "/00000000001)", SPV_ERR_DESC_SYNTAX, 115, 1, "above 2147483647"},
    {"pk(" XPUB_A "/3H)", SPV_ERR_DESC_SYNTAX, 116, 0, ") is expected"},
    {"pk(" XPUB_A "/*/1)", SPV_ERR_DESC_SYNTAX, 116, 1, "nothing may follow the range"},
    {"pk(" XPUB_A "/**)", SPV_ERR_DESC_SYNTAX, 116, 0, ") is expected"},
    {"pk(" XPUB_A "/0h')", SPV_ERR_DESC_SYNTAX, 117, 0, ") is expected"},
    /* multipath */
    {"pk(" XPUB_A "/<0;1>/<2;3>)", SPV_ERR_DESC_SYNTAX, 121, 1, "only one multipath"},
    {"pk(" XPUB_A "/<>)", SPV_ERR_DESC_SYNTAX, 116, 1, "is not a number"},
    {"pk(" XPUB_A "/<0>)", SPV_ERR_DESC_SYNTAX, 115, 1, "at least two"},
    {"pk(" XPUB_A "/<0;>)", SPV_ERR_DESC_SYNTAX, 118, 1, "is not a number"},
    {"pk(" XPUB_A "/<0/*)", SPV_ERR_DESC_SYNTAX, 117, 1, "; or > is expected"},
    {"pk(" XPUB_A "/0>/*)", SPV_ERR_DESC_SYNTAX, 116, 0, ") is expected"},
    {"pk(" XPUB_A "/<0;1;0>)", SPV_ERR_DESC_SYNTAX, 120, 1, "twice"},
    {"pk(" XPUB_A "/<0h;0'>)", SPV_ERR_DESC_SYNTAX, 119, 1, "twice"},
    {"multi(1," XPUB_A "/<0;1>," XPUB_B "/<0;1;2>)", SPV_ERR_DESC_SYNTAX, 238, 2, "2 and 3"},
    /* multisig */
    {"multi(a," KEY_A ")", SPV_ERR_DESC_SYNTAX, 6, 0, "the threshold is not a number"},
    {"multi(-1," KEY_A ")", SPV_ERR_DESC_SYNTAX, 6, 0, "the threshold is not a number"},
    {"multi(pk())", SPV_ERR_DESC_SYNTAX, 6, 0, "the threshold is not a number"},
    {"multi(1)", SPV_ERR_DESC_SYNTAX, 7, 0, "a comma and a key"},
    {"multi(1,)", SPV_ERR_DESC_SYNTAX, 8, 1, "the key is missing"},
    {"multi(0," KEY_A ")", SPV_ERR_DESC_LIMIT, 6, 0, "the threshold 0"},
    {"multi(2," KEY_A ")", SPV_ERR_DESC_LIMIT, 6, 0, "the threshold 2"},
    {"tr(" KEY_X ",multi_a(0," KEY_X "))", SPV_ERR_DESC_LIMIT, 76, 0, "the threshold 0"},
    {"tr(" KEY_X ",multi_a(2," KEY_X "))", SPV_ERR_DESC_LIMIT, 76, 0, "the threshold 2"},
    /* trees */
    {"tr()", SPV_ERR_DESC_SYNTAX, 3, 1, "the key is missing"},
    {"tr(" KEY_X ",)", SPV_ERR_DESC_SYNTAX, 68, 0, "a function with its bracket"},
    {"tr(" KEY_X "," KEY_X ")", SPV_ERR_DESC_SYNTAX, 68, 0, "a function with its bracket"},
    {"tr(" KEY_X ",{pk(" KEY_X ")})", SPV_ERR_DESC_SYNTAX, 137, 0, "the second half"},
    {"tr(" KEY_X ",{pk(" KEY_X "),pk(" KEY_X ")", SPV_ERR_DESC_SYNTAX, 206, 0, "} is expected"},
    {"tr(" KEY_X ",{pk(" KEY_X "),pk(" KEY_X "),pk(" KEY_X ")})", SPV_ERR_DESC_SYNTAX, 206, 0,
     "} is expected"},
    {"tr(" KEY_X ",pk(" KEY_X "),pk(" KEY_X "))", SPV_ERR_DESC_SYNTAX, 136, 0, ") is expected"},
    {"tr(" KEY_X ",pk(" KEY_X ")})", SPV_ERR_DESC_SYNTAX, 136, 0, ") is expected"},
    /* raw and addr */
    {"raw(asdf)", SPV_ERR_DESC_SYNTAX, 5, 0, "no hex digit"},
    {"raw(abc)", SPV_ERR_DESC_SYNTAX, 4, 0, "odd"},
    {"addr(asdf)", SPV_ERR_ADDRESS, 5, 0, "too short"},
    {"addr()", SPV_ERR_ADDRESS, 5, 0, "empty"},
    {"addr(bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5)", SPV_ERR_TEXT_CHECKSUM, 46, 0, "checksum"},
    {"addr(3PUNyaW7M55oKWJ3kDukwk9bsKvryra150)", SPV_ERR_TEXT_CHARACTER, 38, 0, "a character"},
    {"addr(3PUNyaW7M55oKWJ3kDukwk9bsKvryra15k)", SPV_ERR_TEXT_CHECKSUM, 5, 0, "checksum"},
    {"addr(3PUNyaW7M55oKWJ3kDukwk9bsKvryra15j", SPV_ERR_DESC_SYNTAX, 39, 0, ") is expected"},
    /* unsupported by name */
    {"wsh(and_v(v:pk(" KEY_A "),older(9)))", SPV_ERR_DESC_UNSUPPORTED, 4, 0, "miniscript (BIP379)"},
    {"wsh(older(9))", SPV_ERR_DESC_UNSUPPORTED, 4, 0, "miniscript (BIP379)"},
    {"wsh(c:pk_k(" KEY_A "))", SPV_ERR_DESC_UNSUPPORTED, 4, 0, "miniscript (BIP379)"},
    {"wsh(thresh(1,pk(" KEY_A ")))", SPV_ERR_DESC_UNSUPPORTED, 4, 0, "miniscript (BIP379)"},
    {"tr(" KEY_X ",pkh(" KEY_A "))", SPV_ERR_DESC_UNSUPPORTED, 68, 0, "miniscript (BIP379)"},
    {"tr(" KEY_X ",{pk(" KEY_X "),and_v(v:pk(" KEY_X "),after(1))})", SPV_ERR_DESC_UNSUPPORTED, 138,
     0, "miniscript (BIP379)"},
    {"tr(musig(" KEY_A "," KEY_B "))", SPV_ERR_DESC_UNSUPPORTED, 3, 1, "musig() (BIP390)"},
    {"musig(" KEY_A ")", SPV_ERR_DESC_UNSUPPORTED, 0, 0, "musig() (BIP390)"},
    {"sp(" KEY_A ")", SPV_ERR_DESC_UNSUPPORTED, 0, 0, "sp() (BIP392)"},
};

static void errors_have_code_position_and_key(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(errors); i++) {
        struct spv_descriptor *d;
        struct spv_text_error why;
        const int rc = parse_descriptor(&d, &why, errors[i].text, SPV_ANY_NETWORK);
        if (rc != errors[i].code || !strstr(why.text, errors[i].says))
            fail_msg("%s: %s: %s", errors[i].text, spv_err_name(rc), why.text);
        assert_null(d);
        assert_int_equal(why.code, rc);
        if (why.n_at != (errors[i].at >= 0) || (int)why.at[0] != errors[i].at ||
            why.key != errors[i].key)
            fail_msg("%s: %u at %zu, key %u: %s", errors[i].text, why.n_at, why.at[0], why.key,
                     why.text);
        assert_int_equal(spv_descriptor_parse(&d, NULL, errors[i].text, strlen(errors[i].text),
                                              SPV_ANY_NETWORK, SPV_DESCRIPTOR_CHECKSUM_OPTIONAL),
                         rc);
    }
}

static void messages_name_character_and_key(void **state)
{
    struct spv_descriptor *d;
    struct spv_text_error why;
    (void)state;
    (void)parse_descriptor(&d, &why, "wsh(multi(1," KEY_A "," KEY_LONG "))", MAIN);
    assert_string_equal(why.text,
                        "an uncompressed key is not allowed here at character 80 (key 2)");
}

/* "multi(N,KEY,KEY...)" in a frame. */
static int parse_multi(const char *before, unsigned threshold, size_t n, const char *key,
                       const char *after, struct spv_text_error *why)
{
    struct spv_descriptor *d;
    char *text = malloc(n * (strlen(key) + 1) + 512);
    assert_non_null(text);
    int len = snprintf(text, 256, "%s%u", before, threshold);
    for (size_t i = 0; i < n; i++)
        len += snprintf(text + len, strlen(key) + 2, ",%s", key);
    (void)snprintf(text + len, 16, "%s", after);
    const int rc = parse_descriptor(&d, why, text, SPV_ANY_NETWORK);
    spv_descriptor_free(d);
    free(text);
    return rc;
}

static void multisigs_have_as_many_keys_as_their_place_allows(void **state)
{
    static const struct {
        const char *before, *key, *after;
        size_t most;
        const char *says;
    } cases[] = {
        {"multi(", KEY_A, ")", 3, "more than 3 keys"},
        {"sortedmulti(", KEY_LONG, ")", 3, "more than 3 keys"},
        {"wsh(multi(", KEY_A, "))", 20, "more than 20 keys"},
        {"sh(wsh(sortedmulti(", KEY_A, ")))", 20, "more than 20 keys"},
        {"sh(multi(", KEY_A, "))", 15, "547 bytes, more than 520"},
        {"sh(multi(", XPUB_A, "))", 15, "547 bytes, more than 520"},
        {"sh(multi(", KEY_LONG, "))", 7, "531 bytes, more than 520"},
        {"tr(" KEY_X ",multi_a(", KEY_X, "))", 999, "more than 999 keys"},
        {"tr(" KEY_X ",sortedmulti_a(", KEY_X, "))", 999, "more than 999 keys"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct spv_text_error why;
        assert_int_equal(
            parse_multi(cases[i].before, 1, cases[i].most, cases[i].key, cases[i].after, &why), 0);
        assert_int_equal(parse_multi(cases[i].before, (unsigned)cases[i].most, cases[i].most,
                                     cases[i].key, cases[i].after, &why),
                         0);
        assert_int_equal(
            parse_multi(cases[i].before, 1, cases[i].most + 1, cases[i].key, cases[i].after, &why),
            SPV_ERR_DESC_LIMIT);
        if (!strstr(why.text, cases[i].says))
            fail_msg("%s: %s", cases[i].before, why.text);
    }
}

/* One branch inside another: depth levels. */
static int parse_tree(size_t depth, struct spv_text_error *why)
{
    struct spv_descriptor *d;
    char *text = malloc(depth * 80 + 256);
    assert_non_null(text);
    int len = snprintf(text, 128, "tr(" KEY_X ",");
    for (size_t i = 0; i < depth; i++)
        len += snprintf(text + len, 80, "{pk(" KEY_X "),");
    len += snprintf(text + len, 80, "pk(" KEY_X ")");
    for (size_t i = 0; i < depth; i++)
        text[len++] = '}';
    text[len++] = ')';
    text[len] = '\0';
    const int rc = parse_descriptor(&d, why, text, SPV_ANY_NETWORK);
    if (rc == 0) {
        struct spv_derived_scripts got;
        assert_memory_equal(spv_descriptor_text(d), text, (size_t)len);
        assert_int_equal(spv_descriptor_derive(&got, d, 0, 0, 1), 0);
        spv_derived_scripts_free(&got);
    }
    spv_descriptor_free(d);
    free(text);
    return rc;
}

static void trees_have_at_most_128_levels(void **state)
{
    struct spv_text_error why;
    (void)state;
    assert_int_equal(parse_tree(1, &why), 0);
    assert_int_equal(parse_tree(128, &why), 0);
    assert_int_equal(parse_tree(129, &why), SPV_ERR_DESC_LIMIT);
    assert_non_null(strstr(why.text, "128 levels"));
}

/* n copies of a part between two others. */
static int parse_repeated(const char *before, const char *part, size_t n, const char *after,
                          struct spv_text_error *why)
{
    struct spv_descriptor *d;
    const size_t size = strlen(part);
    size_t len = strlen(before);
    char *text = malloc(len + n * size + strlen(after) + 1);
    assert_non_null(text);
    memcpy(text, before, len);
    for (size_t i = 0; i < n; i++, len += size)
        memcpy(text + len, part, size);
    memcpy(text + len, after, strlen(after) + 1);
    const int rc = parse_descriptor(&d, why, text, SPV_ANY_NETWORK);
    spv_descriptor_free(d);
    free(text);
    return rc;
}

static void paths_and_texts_are_bounded(void **state)
{
    struct spv_text_error why;
    struct spv_descriptor *d;
    (void)state;
    /* XPUB_B has depth 1 */
    assert_int_equal(parse_repeated("pk(" XPUB_B, "/1", 254, ")", &why), 0);
    assert_int_equal(parse_repeated("pk(" XPUB_B, "/1", 255, ")", &why), SPV_ERR_DESC_LIMIT);
    assert_int_equal(parse_repeated("pk(" XPUB_B, "/1", 253, "/*)", &why), 0);
    assert_int_equal(parse_repeated("pk(" XPUB_B, "/1", 254, "/*)", &why), SPV_ERR_DESC_LIMIT);
    assert_int_equal(parse_repeated("pk(" XPUB_B, "/1", 253, "/<0;1>)", &why), 0);
    assert_int_equal(parse_repeated("pk(" XPUB_B, "/1", 253, "/<0;1>/*)", &why),
                     SPV_ERR_DESC_LIMIT);
    assert_int_equal(parse_repeated("pk([deadbeef", "/1", 255, "]" KEY_A ")", &why), 0);
    assert_int_equal(parse_repeated("pk([deadbeef", "/1", 256, "]" KEY_A ")", &why),
                     SPV_ERR_DESC_LIMIT);
    assert_int_equal(parse_repeated("raw(", "51", 10000, ")", &why), 0);
    assert_int_equal(parse_repeated("raw(", "51", 10001, ")", &why), SPV_ERR_DESC_LIMIT);
    assert_int_equal(parse_repeated("", "{", SPV_DESCRIPTOR_TEXT_MAX, "", &why),
                     SPV_ERR_DESC_SYNTAX);
    assert_int_equal(parse_repeated("", "{", SPV_DESCRIPTOR_TEXT_MAX + 1, "", &why),
                     SPV_ERR_DESC_LIMIT);
    for (size_t n = 256; n <= 257; n++) {
        char text[4096];
        int len = snprintf(text, sizeof text, "pk(" XPUB_A "/<0");
        for (size_t i = 1; i < n; i++)
            len += snprintf(text + len, 16, ";%zu", i);
        (void)snprintf(text + len, 8, ">)");
        assert_int_equal(parse_descriptor(&d, &why, text, MAIN), n == 256 ? 0 : SPV_ERR_DESC_LIMIT);
        if (n == 256)
            assert_int_equal(spv_descriptor_n_branches(d), 256);
        spv_descriptor_free(d);
    }
}

static void keys_and_address_fit_the_network(void **state)
{
    static const struct {
        const char *text;
        unsigned allowed;
        int code;
        unsigned networks; /* or the key */
    } cases[] = {
        {"pk(" KEY_A ")", MAIN, 0, MAIN},
        {"pk(" KEY_A ")", SPV_ANY_NETWORK, 0, SPV_ANY_NETWORK},
        {"pk(" XPUB_A ")", SPV_ANY_NETWORK, 0, MAIN},
        {"pk(" XPUB_A ")", TESTS | REGTEST, SPV_ERR_WRONG_NETWORK, 1},
        {"pk(" TPUB_A ")", SPV_ANY_NETWORK, 0, TESTS | REGTEST},
        {"pk(" TPUB_A ")", REGTEST, 0, REGTEST},
        {"pk(" TPUB_A ")", MAIN, SPV_ERR_WRONG_NETWORK, 1},
        {"wsh(multi(1," XPUB_A "," TPUB_A "))", SPV_ANY_NETWORK, SPV_ERR_WRONG_NETWORK, 2},
        {"addr(3PUNyaW7M55oKWJ3kDukwk9bsKvryra15j)", SPV_ANY_NETWORK, 0, MAIN},
        {"addr(3PUNyaW7M55oKWJ3kDukwk9bsKvryra15j)", REGTEST, SPV_ERR_WRONG_NETWORK, 0},
        {"addr(bcrt1pfeesnyr2tx)", SPV_ANY_NETWORK, 0, REGTEST},
        {"pk(" KEY_A ")", 0, SPV_ERR_INVALID, 0},
        {"pk(" KEY_A ")", 1u << SPV_NETWORKS, SPV_ERR_INVALID, 0},
    };
    struct spv_descriptor *d;
    struct spv_text_error why;
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(parse_descriptor(&d, &why, cases[i].text, cases[i].allowed),
                         cases[i].code);
        if (cases[i].code == 0)
            assert_int_equal(spv_descriptor_networks(d), cases[i].networks);
        else
            assert_int_equal(why.key, cases[i].networks);
        spv_descriptor_free(d);
    }
    (void)parse_descriptor(&d, &why, "pk(" TPUB_A ")", MAIN);
    assert_string_equal(why.text, "a key of testnet3, testnet4, signet and regtest, not of mainnet "
                                  "at character 4 (key 1)");
}

static void private_keys_are_refused_whatever_else_is_wrong(void **state)
{
    static const char *const texts[] = {
        XPRV_A,
        "wpkh(" XPRV_A "/0/*)",
        "foo(" XPRV_A ")#12345678",
        "pk(" KEY_A "," XPRV_A,
        "pk([bad]" XPRV_A "/H)##",
        "wsh(multi(0," TPUB_A "," XPRV_A "))",
        "\xff" XPRV_A,
        "multi(L4rK1yDtCWekvXuE6oXD9jCYfFNV2cWRpVuPLBcCU2z8TrisoyY1",
        "tr(5KYZdUEo39z3FPrtuX2QbbwGnNP5zTd7yyr2SC1j299sBCnWjss)",
        "raw(deadbeef)#5KYZdUEo39z3FPrtuX2QbbwGnNP5zTd7yyr2SC1j299sBCnWjss",
        ("wpkh(abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon "
         "abandon about)"),
        "zprvAWgYBBk7JR8Gj",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct spv_descriptor *d;
        struct spv_text_error why;
        if (parse_descriptor(&d, &why, texts[i], MAIN) != SPV_ERR_PRIVATE_KEY)
            fail_msg("%s: %s", texts[i], why.text);
        assert_null(d);
    }
    struct spv_text_error why;
    assert_int_equal(parse_repeated("pk(" XPRV_A ")", "{", SPV_DESCRIPTOR_TEXT_MAX, "", &why),
                     SPV_ERR_PRIVATE_KEY);
}

static void slip132_keys_are_refused_in_descriptors(void **state)
{
    struct spv_xpub xpub;
    struct spv_descriptor *d;
    struct spv_text_error why;
    char key[SPV_XPUB_TEXT], text[256];
    (void)state;
    assert_int_equal(spv_xpub_parse(&xpub, &why, XPUB_A, strlen(XPUB_A)), 0);
    xpub.version = 0x04b24746;
    spv_xpub_text(key, &xpub);
    (void)snprintf(text, sizeof text, "wpkh(%s/0/*)", key);
    assert_int_equal(parse_descriptor(&d, &why, text, MAIN), SPV_ERR_SLIP132);
    assert_int_equal(why.key, 1);
    assert_non_null(strstr(why.text, "write wpkh(xpub...) with the same key as xpub"));
}

static void descriptors_are_equal_when_their_canonical_texts_are(void **state)
{
    struct spv_descriptor *a, *b, *c;
    struct spv_text_error why;
    (void)state;
    assert_int_equal(parse_descriptor(&a, &why, "wpkh([deadbeef/0']" XPUB_A "/<0;1>/*)", MAIN), 0);
    assert_int_equal(parse_descriptor(&b, &why, "wpkh([DEADBEEF/0h]" XPUB_A "/<0;1>/*)", MAIN), 0);
    assert_int_equal(parse_descriptor(&c, &why, "wpkh([deadbeef/0]" XPUB_A "/<0;1>/*)", MAIN), 0);
    assert_string_equal(spv_descriptor_text(a), spv_descriptor_text(b));
    assert_string_not_equal(spv_descriptor_text(a), spv_descriptor_text(c));
    assert_true(spv_descriptor_is_range(a));
    assert_int_equal(spv_descriptor_n_branches(a), 2);
    spv_descriptor_free(a);
    spv_descriptor_free(b);
    spv_descriptor_free(c);
    spv_descriptor_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(canonical_text_has_h_markers_lower_case_hex_and_its_checksum),
        cmocka_unit_test(checksums_are_made_and_checked),
        cmocka_unit_test(checksum_can_be_required),
        cmocka_unit_test(errors_have_code_position_and_key),
        cmocka_unit_test(messages_name_character_and_key),
        cmocka_unit_test(multisigs_have_as_many_keys_as_their_place_allows),
        cmocka_unit_test(trees_have_at_most_128_levels),
        cmocka_unit_test(paths_and_texts_are_bounded),
        cmocka_unit_test(keys_and_address_fit_the_network),
        cmocka_unit_test(private_keys_are_refused_whatever_else_is_wrong),
        cmocka_unit_test(slip132_keys_are_refused_in_descriptors),
        cmocka_unit_test(descriptors_are_equal_when_their_canonical_texts_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
