/* Addresses to scripts and back on every network, the networks they fit, and wrong characters. */
#include "support/vectors.h"

#include "spv/address.h"
#include "spv/error.h"
#include "support/random.h"

#define MAIN SPV_NETWORK_BIT(SPV_MAINNET)
#define REGTEST SPV_NETWORK_BIT(SPV_REGTEST)
#define SIMNET SPV_NETWORK_BIT(SPV_SIMNET)
#define TESTS                                                                                      \
    (SPV_NETWORK_BIT(SPV_TESTNET3) | SPV_NETWORK_BIT(SPV_TESTNET4) | SPV_NETWORK_BIT(SPV_SIGNET))

static int decode(struct spv_address *out, struct spv_text_error *why, const char *text,
                  unsigned networks)
{
    memset(why, 0, sizeof *why);
    return spv_address_decode(out, why, text, strlen(text), networks);
}

/* A few of each kind; the vectors of SPV_TEST_DATA have more. */
static const struct {
    const char *script, *text;
    unsigned networks;
} pairs[] = {
    {"76a914f1b0f3bc78b8c898247a709e73a6497c53bf2d7d88ac", "1P2wq5Y67a4e1VCYug3N1tSsBHmokZoVJT",
     MAIN},
    {"76a914f1b0f3bc78b8c898247a709e73a6497c53bf2d7d88ac", "n3Yu88d4vbVtnbgAdF1jqofC3HNWiRfvhL",
     TESTS | REGTEST},
    {"76a914751e76e8199196d454941c45d1b3a323f1433bd688ac", "SXyGazfm6S3xfcySmD6QNkZYmtfysC2jvc",
     SIMNET},
    {"a9149a4d9901d6af519b2a23d4a2f51650fcba87ce7b87", "2N7K71Qaxd5zcgarLq9J1MFGWyjfrTtqwX6",
     TESTS | REGTEST},
    {"0014751e76e8199196d454941c45d1b3a323f1433bd6", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
     MAIN},
    {"0014751e76e8199196d454941c45d1b3a323f1433bd6", "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4",
     MAIN},
    {"00201863143c14c5166804bd19203356da136c985678cd4d27a1b8c6329604903262",
     "tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7", TESTS},
    {"51024e73", "bc1pfeessrawgf", MAIN},
    {"51024e73", "bcrt1pfeesnyr2tx", REGTEST},
    {"6002751e", "bc1sw50qgdz25j", MAIN},
    {"5210751e76e8199196d454941c45d1b3a323", "bc1zw508d6qejxtdg4y5r3zarvaryvaxxpcs", MAIN},
    {"512079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
     "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0", MAIN},
};

/* Pay to anchor (BIP433) has one address a prefix. */
static const char *const anchors[SPV_NETWORKS] = {
    [SPV_MAINNET] = "bc1pfeessrawgf",   [SPV_TESTNET3] = "tb1pfees9rn5nz",
    [SPV_TESTNET4] = "tb1pfees9rn5nz",  [SPV_SIGNET] = "tb1pfees9rn5nz",
    [SPV_REGTEST] = "bcrt1pfeesnyr2tx", [SPV_SIMNET] = "sb1pfeesxv0pfa",
};

static void check_pair(const char *hex, const char *text, unsigned networks)
{
    uint8_t script[64];
    struct spv_address got;
    struct spv_text_error why;
    const size_t n = unhex(script, sizeof script, hex);
    if (decode(&got, &why, text, SPV_ANY_NETWORK) != 0)
        fail_msg("%s: %s", text, why.text);
    assert_int_equal(got.n, n);
    assert_memory_equal(got.script, script, n);
    if (networks != 0)
        assert_int_equal(got.networks, networks);
    for (unsigned i = 0; i < SPV_NETWORKS; i++) {
        char back[SPV_ADDRESS_TEXT];
        if (!(got.networks & SPV_NETWORK_BIT(i)))
            continue;
        assert_int_equal(spv_address_encode(back, script, n, (enum spv_network)i), 0);
        if (text[0] != 'B')
            assert_string_equal(back, text);
    }
}

static void addresses_convert_both_ways(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(pairs); i++)
        check_pair(pairs[i].script, pairs[i].text, pairs[i].networks);
}

static void anchors_have_their_address_on_every_network(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SPV_NETWORKS; i++) {
        const unsigned bit = SPV_NETWORK_BIT(i);
        char text[SPV_ADDRESS_TEXT];
        struct spv_address got;
        struct spv_text_error why;
        assert_int_equal(
            spv_address_encode(text, (const uint8_t *)"\x51\x02\x4e\x73", 4, (enum spv_network)i),
            0);
        assert_string_equal(text, anchors[i]);
        check_pair("51024e73", anchors[i], bit & TESTS ? TESTS : bit);
        assert_int_equal(decode(&got, &why, anchors[i], bit), 0);
        assert_int_equal(got.kind, SPV_SCRIPT_P2A);
        assert_int_equal(decode(&got, &why, anchors[i], SPV_ANY_NETWORK & ~got.networks),
                         SPV_ERR_WRONG_NETWORK);
    }
}

/* Rows: script, type, mainnet, testnet, signet, regtest, origin. */
static void scripts_of_the_vectors_have_their_kind_and_addresses(void **state)
{
    static const enum spv_network networks[] = {SPV_MAINNET, SPV_TESTNET3, SPV_SIGNET, SPV_REGTEST};
    static char line[65536];
    char path[1024], *cells[7];
    size_t rows = 0, addresses = 0;
    (void)state;
    if (!vector_path(path, "addresses.csv"))
        skip();
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_true(vector_row(file, line, sizeof line, cells, 7));
    while (vector_row(file, line, sizeof line, cells, 7)) {
        static uint8_t script[16384];
        struct spv_script_info info;
        const size_t n = unhex(script, sizeof script, cells[0]);
        rows++;
        (void)spv_script_classify(&info, script, n);
        if (strcmp(spv_script_kind_name(info.kind), cells[1]) != 0)
            fail_msg("%s is %s, not %s", cells[0], spv_script_kind_name(info.kind), cells[1]);
        for (size_t i = 0; i < COUNT(networks); i++) {
            char text[SPV_ADDRESS_TEXT];
            const int rc = spv_address_encode(text, script, n, networks[i]);
            assert_int_equal(rc, cells[2 + i][0] ? 0 : SPV_ERR_NO_ADDRESS);
            if (rc != 0)
                continue;
            addresses++;
            assert_string_equal(text, cells[2 + i]);
            check_pair(cells[0], cells[2 + i], 0);
        }
    }
    assert_int_equal(rows, 115);
    assert_int_equal(addresses, 4 * 63);
    (void)fclose(file);
}

/* What the library says to the reason that addresses-invalid.csv gives. */
static const struct {
    const char *reason;
    int code;
    const char *says;
} reasons[] = {
    {"hrp", SPV_ERR_ADDRESS, "no known network"},
    {"bech32/bech32m", SPV_ERR_TEXT_CHECKSUM, "the checksum is bech32"},
    {"character", SPV_ERR_TEXT_CHARACTER, "bech32 does not use at character 60"},
    {"version", SPV_ERR_ADDRESS, "above 16"},
    {"program length", SPV_ERR_ADDRESS, "2 to 40 bytes"},
    {"v0 length", SPV_ERR_ADDRESS, "neither 20 nor 32"},
    {"mixed case", SPV_ERR_TEXT_CHARACTER, "case are mixed"},
    {"padding", SPV_ERR_ADDRESS, "padding"},
    {"empty", SPV_ERR_ADDRESS, ""}, /* of the program, and of the text */
    {"one character changed", SPV_ERR_TEXT_CHECKSUM, "check the address at character "},
    {"cut", SPV_ERR_TEXT_CHECKSUM, "cannot be located"},
    {"one character more", SPV_ERR_TEXT_CHECKSUM, "cannot be located"},
    {"leading space", SPV_ERR_ADDRESS, "prefix of 3 characters"},
    {"trailing space", SPV_ERR_TEXT_CHARACTER, "bech32 does not use at character 43"},
    {"two characters swapped", SPV_ERR_TEXT_CHECKSUM, "at characters 61 and 62"},
    {"version 0 with bech32m", SPV_ERR_TEXT_CHECKSUM, "is bech32m, which is not for"},
    {"version 1 with bech32", SPV_ERR_TEXT_CHECKSUM, "is bech32, which is for"},
    {"version 0 with 21 bytes", SPV_ERR_ADDRESS, "neither 20 nor 32"},
    {"41 bytes", SPV_ERR_ADDRESS, "2 to 40 bytes"},
    {"1 byte", SPV_ERR_ADDRESS, "2 to 40 bytes"},
    {"more than 4 padding bits", SPV_ERR_ADDRESS, "padding"},
    {"nonzero padding", SPV_ERR_ADDRESS, "padding"},
    {"hrp of another coin", SPV_ERR_ADDRESS, "no known network"},
    {"base58 checksum", SPV_ERR_TEXT_CHECKSUM, "wrong checksum: check the address"},
    {"base58 longer", SPV_ERR_TEXT_CHECKSUM, "wrong checksum: check the address"},
    {"base58 one leading zero more", SPV_ERR_TEXT_CHECKSUM, "wrong checksum: check the address"},
    {"base58 character l", SPV_ERR_TEXT_CHARACTER, "base58 does not use at character 34"},
    {"base58 19 bytes", SPV_ERR_ADDRESS, "not 20 bytes but 21"},
    {"base58 21 bytes", SPV_ERR_ADDRESS, "not 22 bytes but 21"},
    {"private key", SPV_ERR_PRIVATE_KEY, "(WIF)"},
    {"only 1", SPV_ERR_ADDRESS, "too short"},
};

static void invalid_addresses_of_the_vectors_are_refused_by_the_rule_they_break(void **state)
{
    static char line[4096];
    char path[1024], *cells[2];
    size_t rows = 0, seen[COUNT(reasons)] = {0};
    (void)state;
    if (!vector_path(path, "addresses-invalid.csv"))
        skip();
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_true(vector_row(file, line, sizeof line, cells, 2));
    while (vector_row(file, line, sizeof line, cells, 2)) {
        struct spv_address got;
        struct spv_text_error why;
        size_t i = 0;
        rows++;
        while (i < COUNT(reasons) && strcmp(reasons[i].reason, cells[1]) != 0)
            i++;
        if (i == COUNT(reasons))
            fail_msg("no code for '%s'", cells[1]);
        seen[i]++;
        const int rc = decode(&got, &why, cells[0], SPV_ANY_NETWORK & ~SIMNET);
        if (rc != reasons[i].code || !strstr(why.text, reasons[i].says))
            fail_msg("%s (%s): %s: %s", cells[0], cells[1], spv_err_name(rc), why.text);
        assert_int_equal(why.code, rc);
        assert_true(strlen(why.text) > 10);
    }
    assert_int_equal(rows, 37);
    for (size_t i = 0; i < COUNT(reasons); i++)
        if (seen[i] == 0)
            fail_msg("no case of '%s'", reasons[i].reason);
    (void)fclose(file);
}

/* key_io_valid.json: [text, script or key, {chain, isPrivkey, tryCaseFlip}] */
static void key_io_vectors_decode_on_their_chain_only(void **state)
{
    static const struct {
        const char *chain;
        enum spv_network network;
    } chains[] = {{"main", SPV_MAINNET},
                  {"test", SPV_TESTNET3},
                  {"testnet4", SPV_TESTNET4},
                  {"signet", SPV_SIGNET},
                  {"regtest", SPV_REGTEST}};
    json_t *all = vector_json("key_io_valid.json");
    size_t checked = 0;
    (void)state;
    if (!all)
        skip();
    assert_int_equal(json_array_size(all), 70);
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *row = json_array_get(all, i), *what = json_array_get(row, 2);
        const char *text = vector_text(row, 0);
        struct spv_address got;
        struct spv_text_error why;
        size_t at = 0;
        if (json_is_true(json_object_get(what, "isPrivkey")))
            continue;
        while (at < COUNT(chains) && strcmp(chains[at].chain, vector_member(what, "chain")) != 0)
            at++;
        assert_true(at < COUNT(chains));
        checked++;
        check_pair(vector_text(row, 1), text, 0);
        assert_int_equal(decode(&got, &why, text, SPV_NETWORK_BIT(chains[at].network)), 0);
        if (chains[at].network == SPV_MAINNET)
            assert_int_equal(decode(&got, &why, text, SPV_ANY_NETWORK & ~MAIN),
                             SPV_ERR_WRONG_NETWORK);
        else
            assert_int_equal(decode(&got, &why, text, MAIN), SPV_ERR_WRONG_NETWORK);
        if (json_is_true(json_object_get(what, "tryCaseFlip"))) {
            char flipped[SPV_ADDRESS_TEXT];
            for (at = 0; text[at]; at++)
                flipped[at] =
                    text[at] >= 'a' && text[at] <= 'z' ? (char)(text[at] - 'a' + 'A') : text[at];
            flipped[at] = '\0';
            assert_int_equal(decode(&got, &why, flipped, SPV_ANY_NETWORK), 0);
        }
    }
    assert_int_equal(checked, 54);
    json_decref(all);
}

/* key_io_invalid.json gives no reasons: a letter for each of its texts in order, found by a
 * separate script from prefix, checksum, version and length. */
static const char key_io_reasons[] = "esllllkkukffwgg0zzpcmmmbbbvuvulkllf"
                                     "fwgg0zsscmsmbbblvlulklklkuffwgg0zzp";
static const struct {
    char letter;
    int code;
    const char *says;
} key_io_codes[] = {
    {'e', SPV_ERR_ADDRESS, "empty"},
    {'s', SPV_ERR_ADDRESS, "too short"},
    {'l', SPV_ERR_ADDRESS, "bytes but 21"},
    {'v', SPV_ERR_ADDRESS, "the version byte"},
    {'u', SPV_ERR_TEXT_CHECKSUM, "wrong checksum: check the address"},
    {'k', SPV_ERR_PRIVATE_KEY, "(WIF)"},
    {'f', SPV_ERR_ADDRESS, "the prefix of 2 characters"},
    {'w', SPV_ERR_ADDRESS, "above 16"},
    {'g', SPV_ERR_ADDRESS, "2 to 40 bytes"},
    {'0', SPV_ERR_ADDRESS, "neither 20 nor 32"},
    {'z', SPV_ERR_ADDRESS, "padding"},
    {'p', SPV_ERR_TEXT_CHECKSUM, "check the address at character 58"},
    {'c', SPV_ERR_TEXT_CHARACTER, "case are mixed"},
    {'m', SPV_ERR_TEXT_CHECKSUM, "is bech32m, which is not for"},
    {'b', SPV_ERR_TEXT_CHECKSUM, "is bech32, which is for"},
};

static void invalid_key_io_vectors_are_refused_by_the_rule_they_break(void **state)
{
    json_t *all = vector_json("key_io_invalid.json");
    (void)state;
    if (!all)
        skip();
    assert_int_equal(json_array_size(all), 70);
    assert_int_equal(strlen(key_io_reasons), 70);
    for (size_t i = 0; i < json_array_size(all); i++) {
        const char *text = vector_text(json_array_get(all, i), 0);
        struct spv_address got;
        struct spv_text_error why;
        size_t at = 0;
        while (at < COUNT(key_io_codes) && key_io_codes[at].letter != key_io_reasons[i])
            at++;
        assert_true(at < COUNT(key_io_codes));
        const int rc = decode(&got, &why, text, SPV_ANY_NETWORK);
        if (rc != key_io_codes[at].code || !strstr(why.text, key_io_codes[at].says))
            fail_msg("%s: %s: %s", text, spv_err_name(rc), why.text);
    }
    json_decref(all);
}

static void taproot_outputs_of_bip341_have_their_address(void **state)
{
    json_t *all = vector_json("bip341_wallet_vectors.json");
    (void)state;
    if (!all)
        skip();
    const json_t *outputs = json_object_get(all, "scriptPubKey");
    assert_int_equal(json_array_size(outputs), 7);
    for (size_t i = 0; i < json_array_size(outputs); i++) {
        const json_t *expected = json_object_get(json_array_get(outputs, i), "expected");
        check_pair(vector_member(expected, "scriptPubKey"),
                   vector_member(expected, "bip350Address"), MAIN);
    }
    json_decref(all);
}

static void address_of_another_network_is_refused_with_those_it_fits(void **state)
{
    static const struct {
        const char *text;
        unsigned allowed;
        const char *says;
    } cases[] = {
        {"n3Yu88d4vbVtnbgAdF1jqofC3HNWiRfvhL", MAIN,
         "an address of testnet3, testnet4, signet and regtest, not of mainnet"},
        {"tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7", MAIN | REGTEST,
         "an address of testnet3, testnet4 and signet, not of mainnet and regtest"},
        {"bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", TESTS,
         "an address of mainnet, not of testnet3, testnet4 and signet"},
        {"bcrt1pfeesnyr2tx", TESTS | MAIN, "an address of regtest, not of "},
        {"1P2wq5Y67a4e1VCYug3N1tSsBHmokZoVJT", SIMNET, "an address of mainnet, not of simnet"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct spv_address got;
        struct spv_text_error why;
        assert_int_equal(decode(&got, &why, cases[i].text, cases[i].allowed),
                         SPV_ERR_WRONG_NETWORK);
        assert_int_equal(strncmp(why.text, cases[i].says, strlen(cases[i].says)), 0);
        assert_int_equal(why.n_at, 0);
        assert_int_equal(decode(&got, &why, cases[i].text, SPV_ANY_NETWORK), 0);
        assert_int_equal(decode(&got, &why, cases[i].text, 0), SPV_ERR_INVALID);
        assert_int_equal(decode(&got, &why, cases[i].text, 1u << SPV_NETWORKS), SPV_ERR_INVALID);
    }
}

static const struct {
    const char *text;
    int code;
    unsigned n_at;
    size_t at[2];
    const char *says;
} wrong[] = {
    {"", SPV_ERR_ADDRESS, 0, {0}, "empty"},
    {"x", SPV_ERR_ADDRESS, 0, {0}, "too short"},
    {"bc1", SPV_ERR_ADDRESS, 0, {0}, "too short"},
    {"bc1gmk9yu", SPV_ERR_ADDRESS, 0, {0}, "too short"},
    {"1P2wq5Y67a4e1VCYug3N1tSsBHmokZoVJU", SPV_ERR_TEXT_CHECKSUM, 0, {0}, "wrong checksum"},
    {"1P2wq5Y67a4e1VCYug3N1tSsBHmokZoVJ0", SPV_ERR_TEXT_CHARACTER, 1, {33}, "base58"},
    {" 1P2wq5Y67a4e1VCYug3N1tSsBHmokZoVJT", SPV_ERR_TEXT_CHARACTER, 1, {0}, "base58"},
    {"1P2wq5Y67a4e1VCYug3N1tSsBHmokZoVJT ", SPV_ERR_TEXT_CHARACTER, 1, {34}, "base58"},
    {"12NNk933AURpUxwpQ6v6hdTsDZKGv3S9N", SPV_ERR_ADDRESS, 0, {0}, "has not 20 bytes"},
    {"xpub661MyMwAqRbcFtXgS5sYJABqqG9YLmC4Q1Rdap9gSE8NqtwybGhePY2gZ29ESFjqJoCu1Rupje8YtGqsefD265TM"
     "g7usUDFdp6W1EGMcet8",
     SPV_ERR_ADDRESS,
     0,
     {0},
     "extended key"},
    /* every character behind the first 1 is one of bech32's, in both cases */
    {"2N7K71Qaxd5zcgarLq9J0MFGWyjfrTtqwX6", SPV_ERR_TEXT_CHARACTER, 1, {20}, "base58"},
    {"bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5",
     SPV_ERR_TEXT_CHECKSUM,
     1,
     {41},
     "wrong checksum"},
    {"bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3tb", SPV_ERR_TEXT_CHARACTER, 1, {41}, "bech32"},
    {"bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t1", SPV_ERR_TEXT_CHARACTER, 1, {41}, "bech32"},
    {"bc1qw508d6qbjxtdg4y5r3zarvary0c5xw7kv8f3t5", SPV_ERR_TEXT_CHARACTER, 2, {11, 41}, "bech32"},
    {"bc1qw508d6qbjxtdg4y5r3oarvary0c5xw7kv8f3t4", SPV_ERR_TEXT_CHARACTER, 2, {11, 22}, "bech32"},
    {"bc1qw508d6qbjxtdg4y5r3oarvary0c5xw7kv8f3i4", SPV_ERR_TEXT_CHARACTER, 1, {11}, "bech32"},
    {"bc1qw508d6qbjxtdg4y5r3zarvary0c5pp7kv8f3t4", SPV_ERR_TEXT_CHARACTER, 1, {11}, "bech32"},
    {"bc1qw508d6qpjxtdg4y5r3zarvary0c5xw7kv8f3tb", SPV_ERR_TEXT_CHARACTER, 2, {11, 41}, "bech32"},
    /* two wrong ones besides a b where q, the value 0, is right */
    {"bc1qw508d6bejxtdg4y5r3zarvary0c5pp7kv8f3t4", SPV_ERR_TEXT_CHARACTER, 1, {10}, "bech32"},
    {"bc1bw508d6bejxtdg4y5r3zarvary0c5pp7kv8f3t4", SPV_ERR_TEXT_CHARACTER, 2, {3, 10}, "bech32"},
    /* two errors away from an address of version 1 with 20 bytes, too */
    {"bc1pw508s6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", SPV_ERR_TEXT_CHECKSUM, 2, {3, 8}, "checksum"},
    /* two errors away from a P2TR and from a P2WSH address */
    {"bc1q0xlxvlhemja6w4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
     SPV_ERR_TEXT_CHECKSUM,
     0,
     {0},
     "cannot be located"},
    {"bc1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqv8f3t4",
     SPV_ERR_TEXT_CHECKSUM,
     0,
     {0},
     "cannot be located"},
    {"bc1qw508D6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", SPV_ERR_TEXT_CHARACTER, 1, {8}, "case"},
    {"bc1qw508D6qejxtdg4y5r3zarvary0c5xw7kv8f3T4", SPV_ERR_TEXT_CHARACTER, 2, {8, 40}, "case"},
    {"BC1Qw508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4", SPV_ERR_TEXT_CHARACTER, 1, {4}, "case"},
    {"Bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", SPV_ERR_TEXT_CHARACTER, 1, {0}, "case"},
    {"bc1qw508d6qejxtdg4y5r3zarvARY0c5xw7kv8f3t4", SPV_ERR_TEXT_CHARACTER, 1, {26}, "case"},
    {"bc1qgfpyysjzgfpyysjzgfpyysjzgfpyysjzph999k", SPV_ERR_TEXT_CHECKSUM, 0, {0}, "bech32m"},
    {"bc1pgfpyysjzgfpyysjzgfpyysjzgfpyysjzgfpyysjzgfpyysjzgfpqxjh8pw",
     SPV_ERR_TEXT_CHECKSUM,
     0,
     {0},
     "version 0 only"},
    {"BC130XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ7ZWS8R",
     SPV_ERR_ADDRESS,
     0,
     {0},
     "version is above 16"},
    {"bc1pw5dgrnzv", SPV_ERR_ADDRESS, 0, {0}, "2 to 40 bytes"},
    {"BC1QR508D6QEJXTDG4Y5R3ZARVARYV98GJ9P", SPV_ERR_ADDRESS, 0, {0}, "neither 20 nor 32"},
    {"bc1pgfpyysjzgfpyysjzgfpyysjzgfpyysjzq2jf93g", SPV_ERR_ADDRESS, 0, {0}, "padding"},
    {"bc1pgfpyysjzgfpyysjzgfpyysjzgfpyysjzgfpyysjzgfpyysjzgfppwcn7e7",
     SPV_ERR_ADDRESS,
     0,
     {0},
     "padding"},
    {"bc1pgfpyysjzgfpyysjzgfpyysjzgfpyysjzgfpyysjzgfpyysjzgfpyysjzgfpyysjzggjyeluu",
     SPV_ERR_ADDRESS,
     0,
     {0},
     "2 to 40 bytes"},
    {"ltc1qgfpyysjzgfpyysjzgfpyysjzgfpyysjzsh0dcy", SPV_ERR_ADDRESS, 0, {0}, "no known network"},
    {"bd1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", SPV_ERR_ADDRESS, 0, {0}, "no known network"},
    /* every character is one of base58's, too */
    {"tc1q5qdvt99uc92jyz663dtdpfpv6nr67ahmgwcpq2", SPV_ERR_ADDRESS, 0, {0}, "no known network"},
    {"b1qw508d6qejx0d", SPV_ERR_TEXT_CHARACTER, 1, {5}, "base58"}, /* too short for bech32 */
    {"1bd1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", SPV_ERR_TEXT_CHARACTER, 1, {7}, "base58"},
    {"bd1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3tb", SPV_ERR_TEXT_CHARACTER, 1, {6}, "base58"},
    {"bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq",
     SPV_ERR_ADDRESS,
     0,
     {0},
     "90 characters"},
};

static void wrong_addresses_are_refused_with_reason_and_position(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(wrong); i++) {
        struct spv_address got;
        struct spv_text_error why;
        const int rc = decode(&got, &why, wrong[i].text, SPV_ANY_NETWORK);
        if (rc != wrong[i].code || why.n_at != wrong[i].n_at || !strstr(why.text, wrong[i].says))
            fail_msg("%s: %s: %s (%u)", wrong[i].text, spv_err_name(rc), why.text, why.n_at);
        for (size_t j = 0; j < why.n_at; j++)
            assert_int_equal(why.at[j], wrong[i].at[j]);
        assert_int_equal(decode(&got, &why, wrong[i].text, SPV_ANY_NETWORK), rc);
        assert_int_equal(
            spv_address_decode(&got, NULL, wrong[i].text, strlen(wrong[i].text), SPV_ANY_NETWORK),
            rc);
    }
}

static void messages_count_characters_from_1(void **state)
{
    struct spv_address got;
    struct spv_text_error why;
    (void)state;
    (void)decode(&got, &why, "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5", MAIN);
    assert_string_equal(why.text, "wrong checksum: check the address at character 42");
    (void)decode(&got, &why, "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3s5", MAIN);
    assert_string_equal(why.text, "wrong checksum: check the address at characters 41 and 42");
}

/* Addresses of a public key's and a script's hash, on each network. A character of the alphabet
 * makes the checksum wrong, which has no position; another one is named. */
static void every_single_wrong_character_of_base58_is_refused(void **state)
{
    static const char alphabet[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    static const char *const scripts[] = {"76a914f1b0f3bc78b8c898247a709e73a6497c53bf2d7d88ac",
                                          "a9149a4d9901d6af519b2a23d4a2f51650fcba87ce7b87"};
    size_t tried = 0, characters = 0;
    (void)state;
    for (size_t i = 0; i < COUNT(scripts) * SPV_NETWORKS; i++) {
        uint8_t script[32];
        char text[SPV_ADDRESS_TEXT];
        const size_t n = unhex(script, sizeof script, scripts[i % 2]);
        assert_int_equal(spv_address_encode(text, script, n, (enum spv_network)(i / 2)), 0);
        for (size_t at = 0; text[at]; at++, characters++) {
            const char right = text[at];
            for (char c = ' ' + 1; c < 127; c++) {
                struct spv_address got;
                struct spv_text_error why;
                const bool is_base58 = strchr(alphabet, c) != NULL;
                if (c == right)
                    continue;
                text[at] = c;
                const int rc = decode(&got, &why, text, SPV_ANY_NETWORK);
                if (rc != (is_base58 ? SPV_ERR_TEXT_CHECKSUM : SPV_ERR_TEXT_CHARACTER))
                    fail_msg("%s: %s", text, spv_err_name(rc));
                assert_int_equal(why.n_at, is_base58 ? 0 : 1);
                assert_true(is_base58 || why.at[0] == at);
                tried++;
            }
            text[at] = right;
        }
    }
    assert_int_equal(tried, characters * 93);
}

static void random_scripts_of_each_kind_convert_both_ways_on_each_network(void **state)
{
    struct test_random r = {.state = 350};
    (void)state;
    print_message("seed 350\n");
    for (size_t i = 0; i < 300; i++) {
        static const uint8_t kinds[][3] = {{0x76, 0xa9, 20}, {0xa9, 20}, {0, 20},
                                           {0, 32},          {0x51, 32}, {0x52, 40}};
        uint8_t script[64];
        char text[SPV_ADDRESS_TEXT];
        const size_t kind = i % COUNT(kinds), head = kind == 0 ? 3 : 2;
        size_t n = head + kinds[kind][head - 1];
        test_random_fill(&r, script, sizeof script);
        memcpy(script, kinds[kind], head);
        if (kind == 0)
            memcpy(script + n, (uint8_t[]){0x88, 0xac}, 2);
        if (kind == 1)
            script[n] = 0x87;
        n += kind == 0 ? 2 : kind == 1;
        for (unsigned network = 0; network < SPV_NETWORKS; network++) {
            struct spv_address got;
            struct spv_text_error why;
            assert_int_equal(spv_address_encode(text, script, n, (enum spv_network)network), 0);
            assert_int_equal(decode(&got, &why, text, SPV_NETWORK_BIT(network)), 0);
            assert_int_equal(got.n, n);
            assert_memory_equal(got.script, script, n);
        }
    }
}

static void scripts_without_an_address_and_unknown_networks_have_none(void **state)
{
    char text[SPV_ADDRESS_TEXT];
    uint8_t script[64];
    (void)state;
    size_t n = unhex(script, sizeof script,
                     "21023bf77c72f10eeb1a3ff68b0dc0dc4a3fcf199aa21b944a21fdf87e349bd4756eac");
    assert_int_equal(spv_address_encode(text, script, n, SPV_MAINNET), SPV_ERR_NO_ADDRESS);
    assert_int_equal(spv_address_encode(text, script, 0, SPV_MAINNET), SPV_ERR_NO_ADDRESS);
    n = unhex(script, sizeof script, "6a51");
    assert_int_equal(spv_address_encode(text, script, n, SPV_MAINNET), SPV_ERR_NO_ADDRESS);
    n = unhex(script, sizeof script, "51024e73");
    assert_int_equal(spv_address_encode(text, script, n, (enum spv_network)SPV_NETWORKS),
                     SPV_ERR_INVALID);
    assert_int_equal(spv_address_encode(text, script, n, (enum spv_network) - 1), SPV_ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_convert_both_ways),
        cmocka_unit_test(anchors_have_their_address_on_every_network),
        cmocka_unit_test(scripts_of_the_vectors_have_their_kind_and_addresses),
        cmocka_unit_test(invalid_addresses_of_the_vectors_are_refused_by_the_rule_they_break),
        cmocka_unit_test(key_io_vectors_decode_on_their_chain_only),
        cmocka_unit_test(invalid_key_io_vectors_are_refused_by_the_rule_they_break),
        cmocka_unit_test(taproot_outputs_of_bip341_have_their_address),
        cmocka_unit_test(address_of_another_network_is_refused_with_those_it_fits),
        cmocka_unit_test(wrong_addresses_are_refused_with_reason_and_position),
        cmocka_unit_test(messages_count_characters_from_1),
        cmocka_unit_test(every_single_wrong_character_of_base58_is_refused),
        cmocka_unit_test(random_scripts_of_each_kind_convert_both_ways_on_each_network),
        cmocka_unit_test(scripts_without_an_address_and_unknown_networks_have_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
