/* Extended public keys: text, checks, fingerprints and public derivation against private. */
#include "support/vectors.h"

#include "private_derivation.h"
#include "spv/address.h"
#include "spv/error.h"
#include "spv/keys.h"
#include "spv/keys/base58.h"
#include "support/random.h"
#include "util/hmac_sha512.h"

#define XPUB                                                                                       \
    "xpub661MyMwAqRbcFtXgS5sYJABqqG9YLmC4Q1Rdap9gSE8NqtwybGhePY2gZ29ESFjqJoCu1Rupje8YtGqsefD265TM" \
    "g7u"                                                                                          \
    "sUDFdp6W1EGMcet8"
#define TPUB                                                                                       \
    "tpubD6NzVbkrYhZ4WaWSyoBvQwbpLkojyoTZPRsgXELWz3Popb3qkjcJyJUGLnL4qHHoQvao8ESaAstxYSnhyswJ76uZ" \
    "PStJ"                                                                                         \
    "RJCTKvosUCJZL5B"

static int parse(struct spv_xpub *out, struct spv_text_error *why, const char *text)
{
    memset(why, 0, sizeof *why);
    return spv_xpub_parse(out, why, text, strlen(text));
}

static void extended_keys_convert_both_ways_and_have_their_networks(void **state)
{
    static const struct {
        const char *text;
        unsigned networks;
    } cases[] = {
        {XPUB, SPV_NETWORK_BIT(SPV_MAINNET)},
        {TPUB, SPV_NETWORK_BIT(SPV_TESTNET3) | SPV_NETWORK_BIT(SPV_TESTNET4) |
                   SPV_NETWORK_BIT(SPV_SIGNET) | SPV_NETWORK_BIT(SPV_REGTEST)},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct spv_xpub xpub;
        struct spv_text_error why;
        char text[SPV_XPUB_TEXT];
        assert_int_equal(parse(&xpub, &why, cases[i].text), 0);
        assert_int_equal(spv_xpub_networks(&xpub), cases[i].networks);
        spv_xpub_text(text, &xpub);
        assert_string_equal(text, cases[i].text);
        xpub.version = 0x0420bd3a;
        spv_xpub_text(text, &xpub);
        assert_memory_equal(text, "spub", 4);
        assert_int_equal(spv_xpub_networks(&xpub), SPV_NETWORK_BIT(SPV_SIMNET));
        xpub.version = UINT32_MAX;
        assert_int_equal(spv_xpub_networks(&xpub), 0);
        spv_xpub_text(text, &xpub);
        assert_true(strlen(text) < SPV_XPUB_TEXT);
    }
}

/* One of the chains of BIP32: m, then each step. */
struct chain {
    const char *seed;
    struct {
        uint32_t index;
        const char *pub, *prv;
    } at[6];
};
#define H SPV_HARDENED

/* Test vectors 3 and 4: leading zeros of private keys are kept. */
static const struct chain zeros[] = {
    {"4b381541583be4423346c643850da4b320e46a87ae3d2a4e6da11eba819cd4acba45d239319ac14f863b8d5ab5a0d"
     "0"
     "c64d2e8a1e7d1457df2e5a3c51c73235be",
     {{0,
       "xpub661MyMwAqRbcEZVB4dScxMAdx6d4nFc9nvyvH3v4gJL378CSRZiYmhRoP7mBy6gSPSCYk6SzXPTf3ND1cZAceL7"
       "S"
       "fJ1Z3GC8vBgp2epUt13",
       "xprv9s21ZrQH143K25QhxbucbDDuQ4naNntJRi4KUfWT7xo4EKsHt2QJDu7KXp1A3u7Bi1j8ph3EGsZ9Xvz9dGuVrtH"
       "H"
       "s7pXeTzjuxBrCmmhgC6"},
      {H,
       "xpub68NZiKmJWnxxS6aaHmn81bvJeTESw724CRDs6HbuccFQN9Ku14VQrADWgqbhhTHBaohPX4CjNLf9fq9MYo6oDa"
       "PPLPxSb7gwQN3ih19Zm4Y",
       "xprv9uPDJpEQgRQfDcW7BkF7eTya6RPxXeJCqCJGHuCJ4GiRVLzkTXBAJMu2qaMWPrS7AANYqdq6vcBcBUdJCVVFceU"
       "v"
       "JFjaPdGZ2y9WACViL4L"}}},
    {"3ddd5602285899a946114506157c7997e5444528f3003f6134712147db19b678",
     {{0,
       "xpub661MyMwAqRbcGczjuMoRm6dXaLDEhW1u34gKenbeYqAix21mdUKJyuyu5F1rzYGVxyL6tmgBUAEPrEz92mBXjBy"
       "M"
       "RiJdba9wpnN37RLLAXa",
       "xprv9s21ZrQH143K48vGoLGRPxgo2JNkJ3J3fqkirQC2zVdk5Dgd5w14S7fRDyHH4dWNHUgkvsvNDCkvAwcSHNAQwhw"
       "g"
       "NMgZhLtQC63zxwhQmRv"},
      {H,
       "xpub69AUMk3qDBi3uW1sXgjCmVjJ2G6WQoYSnNHyzkmdCHEhSZ4tBok37xfFEqHd2AddP56Tqp4o56AePAgCjYdvpW"
       "2PU2jbUPFKsav5ut6Ch1m",
       "xprv9vB7xEWwNp9kh1wQRfCCQMnZUEG21LpbR9NPCNN1dwhiZkjjeGRnaALmPXCX7SgjFTiCTT6bXes17boXtjq3xLp"
       "c"
       "DjzEuGLQBM5ohqkao9G"},
      {H + 1,
       "xpub6BJA1jSqiukeaesWfxe6sNK9CCGaujFFSJLomWHprUL9DePQ4JDkM5d88n49sMGJxrhpjazuXYWdMf17C9"
       "T5XnxkopaeS7jGk1GyyVziaMt",
       "xprv9xJocDuwtYCMNAo3Zw76WENQeAS6WGXQ55RCy7tDJ8oALr4FWkuVoHJeHVAcAqiZLE7Je3vZJHxspZdFHfnBEjH"
       "q"
       "U5hG1Jaj32dVoS6XLT1"}}},
};

/* One step: private derivation gives both texts; public derivation gives the same public one, or
 * refuses the hardened index. */
static void check_step(struct test_xprv *x, bool is_master, uint32_t index, const char *pub,
                       const char *prv)
{
    struct spv_xpub parsed, derived;
    struct spv_text_error why;
    char text[SPV_XPUB_TEXT];
    const struct test_xprv parent = *x;
    if (!is_master) {
        test_xprv_derive(x, &parent, index);
        const int rc = spv_xpub_derive(&derived, &parent.pub, index);
        if (index >= SPV_HARDENED) {
            assert_int_equal(rc, SPV_ERR_HARDENED);
        } else {
            assert_int_equal(rc, 0);
            spv_xpub_text(text, &derived);
            assert_string_equal(text, pub);
        }
    }
    test_xprv_text(text, x);
    assert_string_equal(text, prv);
    assert_int_equal(parse(&parsed, &why, prv), SPV_ERR_PRIVATE_KEY);
    assert_int_equal(parse(&parsed, &why, pub), 0);
    spv_xpub_text(text, &x->pub);
    assert_string_equal(text, pub);
    spv_xpub_text(text, &parsed);
    assert_string_equal(text, pub);
}

static void bip32_vectors_3_and_4_keep_leading_zeros(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(zeros); i++) {
        uint8_t seed[64];
        struct test_xprv x;
        test_xprv_from_seed(&x, seed, unhex(seed, sizeof seed, zeros[i].seed));
        for (size_t j = 0; j < COUNT(zeros[i].at) && zeros[i].at[j].pub; j++)
            check_step(&x, j == 0, zeros[i].at[j].index, zeros[i].at[j].pub, zeros[i].at[j].prv);
    }
}

static void bip32_vectors_1_and_2_derive(void **state)
{
    static const char *const names[] = {"vector1", "vector2"};
    json_t *all = vector_json("bip32-hd.json");
    size_t steps = 0;
    (void)state;
    if (!all)
        skip();
    for (size_t i = 0; i < COUNT(names); i++) {
        json_t *chain = json_object_get(all, names[i]);
        uint8_t seed[64];
        struct test_xprv x;
        const char *path;
        json_t *keys;
        test_xprv_from_seed(&x, seed, unhex(seed, sizeof seed, vector_member(chain, "seed")));
        json_object_foreach(chain, path, keys)
        {
            const char *last = strrchr(path, '/');
            if (strcmp(path, "seed") == 0)
                continue;
            const uint32_t index = last ? (uint32_t)strtoul(last + 1, NULL, 10) : 0;
            check_step(&x, !last, index + (strchr(last ? last : "", '\'') ? SPV_HARDENED : 0),
                       vector_member(keys, "pub"), vector_member(keys, "prv"));
            steps++;
        }
    }
    assert_int_equal(steps, 12);
    json_decref(all);
}

/* The others of bip32-hd.json: a master and its descendants, whose paths the file does not say;
 * depth and index of each key, and its parent's fingerprint, do. */
static void other_keys_of_the_vectors_derive_from_their_parents(void **state)
{
    static const struct {
        const char *pub, *prv;
        size_t parent; /* number in this list */
        uint32_t index;
    } keys[] = {
        {"master_pub", "master_priv", 0, 0}, {"child1_pub", "child1_priv", 0, 0},
        {"child3_pub", "child3_priv", 0, 1}, {"child4_pub", "child4_priv", 0, 2},
        {"child5_pub", "child5_priv", 3, 0}, {"child6_pub", "child6_priv", 3, 1},
    };
    json_t *all = vector_json("bip32-hd.json");
    struct test_xprv at[COUNT(keys)];
    struct spv_xpub master, child;
    struct spv_text_error why;
    char text[SPV_XPUB_TEXT];
    uint8_t seed[64];
    (void)state;
    if (!all)
        skip();
    test_xprv_from_seed(&at[0], seed, unhex(seed, sizeof seed, vector_member(all, "seed")));
    for (size_t i = 0; i < COUNT(keys); i++) {
        at[i] = at[keys[i].parent];
        check_step(&at[i], i == 0, keys[i].index, vector_member(all, keys[i].pub),
                   vector_member(all, keys[i].prv));
    }
    /* the second child is given in its public form only */
    assert_int_equal(parse(&master, &why, vector_member(all, "master_pub")), 0);
    assert_int_equal(spv_xpub_derive(&child, &master, 1), 0);
    spv_xpub_text(text, &child);
    assert_string_equal(text, vector_member(all, "child2_pub"));
    /* vector1, vector2, phrase, seed, child2_pub, zero_priv and the pairs */
    assert_int_equal(json_object_size(all), 6 + 2 * COUNT(keys));
    json_decref(all);
}

/* zero_priv is a master whose secret begins with three zero bytes; its seed is not given. */
static void secret_of_the_vectors_with_leading_zeros_derives(void **state)
{
    json_t *all = vector_json("bip32-hd.json");
    struct test_xprv zero, child, grandchild;
    struct spv_xpub pub;
    struct spv_text_error why;
    char text[SPV_XPUB_TEXT];
    (void)state;
    if (!all)
        skip();
    const char *prv = vector_member(all, "zero_priv");
    assert_int_equal(parse(&pub, &why, prv), SPV_ERR_PRIVATE_KEY);
    test_xprv_parse(&zero, prv, strlen(prv));
    assert_int_equal(zero.pub.depth, 0);
    assert_memory_equal(zero.secret, ((uint8_t[3]){0}), 3);
    test_xprv_text(text, &zero);
    assert_string_equal(text, prv);
    for (uint32_t i = 0; i < 2; i++) {
        test_xprv_derive(&child, &zero, i == 0 ? 7 : 7 + H);
        assert_int_equal(spv_xpub_derive(&pub, &zero.pub, child.pub.child),
                         i == 0 ? 0 : SPV_ERR_HARDENED);
        if (i == 0)
            assert_memory_equal(&pub, &child.pub, sizeof pub);
        test_xprv_derive(&grandchild, &child, 1);
        assert_int_equal(spv_xpub_derive(&pub, &child.pub, 1), 0);
        assert_memory_equal(&pub, &grandchild.pub, sizeof pub);
    }
    json_decref(all);
}

/* Test vector 5: what is wrong with each, and what the library says. Private ones are refused as
 * such without being read. */
static const struct {
    const char *text;
    int code;
} invalid[] = {
    /* public version, private key */
    {"xpub661MyMwAqRbcEYS8w7XLSVeEsBXy79zSzH1J8vCdxAZningWLdN3zgtU6LBpB85b3D2yc8sfvZU521AAwdZafEz7m"
     "nz"
     "BBsz4wKY5fTtTQBm",
     SPV_ERR_PUBLIC_KEY},
    {"xprv9s21ZrQH143K24Mfq5zL5MhWK9hUhhGbd45hLXo2Pq2oqzMMo63oStZzFGTQQD3dC4H2D5GBj7vWvSQaaBv5cxi9g"
     "af"
     "k7NF3pnBju6dwKvH",
     SPV_ERR_PRIVATE_KEY},
    /* prefix 04 */
    {"xpub661MyMwAqRbcEYS8w7XLSVeEsBXy79zSzH1J8vCdxAZningWLdN3zgtU6Txnt3siSujt9RCVYsx4qHZGc62TG4Mcv"
     "MG"
     "cAUjeuwZdduYEvFn",
     SPV_ERR_PUBLIC_KEY},
    {"xprv9s21ZrQH143K24Mfq5zL5MhWK9hUhhGbd45hLXo2Pq2oqzMMo63oStZzFGpWnsj83BHtEy5Zt8CcDr1UiRXuWCmTQ"
     "Lx"
     "EK9vbz5gPstX92JQ",
     SPV_ERR_PRIVATE_KEY},
    /* prefix 01 */
    {"xpub661MyMwAqRbcEYS8w7XLSVeEsBXy79zSzH1J8vCdxAZningWLdN3zgtU6N8ZMMXctdiCjxTNq964yKkwrkBJJwpzZ"
     "S4"
     "HS2fxvyYUA4q2Xe4",
     SPV_ERR_PUBLIC_KEY},
    {"xprv9s21ZrQH143K24Mfq5zL5MhWK9hUhhGbd45hLXo2Pq2oqzMMo63oStZzFAzHGBP2UuGCqWLTAPLcMtD9y5gkZ6Eq3"
     "Rj"
     "uahrv17fEQ3Qen6J",
     SPV_ERR_PRIVATE_KEY},
    /* depth 0 with a parent */
    {"xprv9s2SPatNQ9Vc6GTbVMFPFo7jsaZySyzk7L8n2uqKXJen3KUmvQNTuLh3fhZMBoG3G4ZW1N2kZuHEPY53qmbZzCHsh"
     "oQ"
     "nNf4GvELZfqTUrcv",
     SPV_ERR_PRIVATE_KEY},
    {"xpub661no6RGEX3uJkY4bNnPcw4URcQTrSibUZ4NqJEw5eBkv7ovTwgiT91XX27VbEXGENhYRCf7hyEbWrR3FewATdCEe"
     "bj"
     "6znwMfQkhRYHRLpJ",
     SPV_ERR_PUBLIC_KEY},
    /* depth 0 with an index */
    {"xprv9s21ZrQH4r4TsiLvyLXqM9P7k1K3EYhA1kkD6xuquB5i39AU8KF42acDyL3qsDbU9NmZn6MsGSUYZEsuoePmjzsB3"
     "eF"
     "KSUEh3Gu1N3cqVUN",
     SPV_ERR_PRIVATE_KEY},
    {"xpub661MyMwAuDcm6CRQ5N4qiHKrJ39Xe1R1NyfouMKTTWcguwVcfrZJaNvhpebzGerh7gucBvzEQWRugZDuDXjNDRmXz"
     "SZ"
     "e4c7mnTK97pTvGS8",
     SPV_ERR_PUBLIC_KEY},
    /* unknown version */
    {"DMwo58pR1QLEFihHiXPVykYB6fJmsTeHvyTp7hRThAtCX8CvYzgPcn8XnmdfHGMQzT7ayAmfo4z3gY5KfbrZWZ6St24UV"
     "f2"
     "Qgo6oujFktLHdHY4",
     SPV_ERR_PUBLIC_KEY},
    {"DMwo58pR1QLEFihHiXPVykYB6fJmsTeHvyTp7hRThAtCX8CvYzgPcn8XnmdfHPmHJiEDXkTiJTVV9rHEBUem2mwVbbNfv"
     "T2"
     "MTcAqj3nesx8uBf9",
     SPV_ERR_PUBLIC_KEY},
    /* private key 0 and n */
    {"xprv9s21ZrQH143K24Mfq5zL5MhWK9hUhhGbd45hLXo2Pq2oqzMMo63oStZzF93Y5wvzdUayhgkkFoicQZcP3y52uPPxF"
     "nf"
     "oLZB21Teqt1VvEHx",
     SPV_ERR_PRIVATE_KEY},
    {"xprv9s21ZrQH143K24Mfq5zL5MhWK9hUhhGbd45hLXo2Pq2oqzMMo63oStZzFAzHGBP2UuGCqWLTAPLcMtD5SDKr24z3a"
     "iU"
     "vKr9bJpdrcLg1y3G",
     SPV_ERR_PRIVATE_KEY},
    /* no point on the curve */
    {"xpub661MyMwAqRbcEYS8w7XLSVeEsBXy79zSzH1J8vCdxAZningWLdN3zgtU6Q5JXayek4PRsn35jii4veMimro1xefsM"
     "58"
     "PgBMrvdYre8QyULY",
     SPV_ERR_PUBLIC_KEY},
    /* checksum */
    {"xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGt"
     "RB"
     "eJgk33yuGBxrMPHL",
     SPV_ERR_PRIVATE_KEY},
    /* not of the BIP */
    {"xpub661MyMwAqRbcFtXgS5sYJABqqG9YLmC4Q1Rdap9gSE8NqtwybGhePY2gZ29ESFjqJoCu1Rupje8YtGqsefD265TMg"
     "7u"
     "sUDFdp6W1EGMcet9",
     SPV_ERR_TEXT_CHECKSUM},
    {"", SPV_ERR_TEXT_CHECKSUM},
    {"1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", SPV_ERR_PUBLIC_KEY},
    {"xpub0", SPV_ERR_TEXT_CHARACTER},
};

static void invalid_extended_keys_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(invalid); i++) {
        struct spv_xpub out;
        struct spv_text_error why;
        const int rc = parse(&out, &why, invalid[i].text);
        if (rc != invalid[i].code)
            fail_msg("%s: %s", invalid[i].text, spv_err_name(rc));
        assert_int_equal(why.code, rc);
        assert_int_equal(spv_xpub_parse(&out, NULL, invalid[i].text, strlen(invalid[i].text)), rc);
    }
    struct spv_xpub out;
    struct spv_text_error why;
    assert_int_equal(parse(&out, &why, "xpub66I"), SPV_ERR_TEXT_CHARACTER);
    assert_int_equal(why.n_at, 1);
    assert_int_equal(why.at[0], 6);
}

static void extended_key_has_78_bytes(void **state)
{
    uint8_t payload[SPV_BASE58_BYTES] = {0};
    char text[SPV_BASE58_TEXT];
    struct spv_xpub out;
    struct spv_text_error why;
    size_t bad_at;
    (void)state;
    assert_int_equal(spv_base58check_decode(payload, XPUB, strlen(XPUB), &bad_at), 78);
    payload[78] = 0;
    assert_true(spv_base58check_encode(text, payload, 79) > 0);
    assert_int_equal(parse(&out, &why, text), SPV_ERR_PUBLIC_KEY);
    assert_non_null(strstr(why.text, "78 bytes"));
    assert_true(spv_base58check_encode(text, payload, 77) > 0);
    assert_int_equal(parse(&out, &why, text), SPV_ERR_PUBLIC_KEY);
}

static void slip132_public_keys_are_refused_with_the_descriptor_they_mean(void **state)
{
    static const struct {
        uint32_t version;
        const char *prefix, *says;
    } forms[] = {
        {0x049d7cb2, "ypub", "write sh(wpkh(xpub...)) with the same key as xpub"},
        {0x04b24746, "zpub", "write wpkh(xpub...) with the same key as xpub"},
        {0x0295b43f, "Ypub", "write sh(wsh(sortedmulti(M,xpub...,...)))"},
        {0x02aa7ed3, "Zpub", "write wsh(sortedmulti(M,xpub...,...))"},
        {0x044a5262, "upub", "write sh(wpkh(tpub...)) with the same key as tpub"},
        {0x045f1cf6, "vpub", "write wpkh(tpub...)"},
        {0x024289ef, "Upub", "write sh(wsh(sortedmulti(M,tpub...,...)))"},
        {0x02575483, "Vpub", "write wsh(sortedmulti(M,tpub...,...))"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(forms); i++) {
        struct spv_xpub xpub;
        struct spv_text_error why;
        char text[SPV_XPUB_TEXT];
        assert_int_equal(parse(&xpub, &why, XPUB), 0);
        xpub.version = forms[i].version;
        spv_xpub_text(text, &xpub);
        assert_memory_equal(text, forms[i].prefix, 4);
        assert_int_equal(parse(&xpub, &why, text), SPV_ERR_SLIP132);
        assert_non_null(strstr(why.text, forms[i].prefix));
        if (!strstr(why.text, forms[i].says))
            fail_msg("%s", why.text);
    }
}

static void slip132_private_keys_are_refused_as_private(void **state)
{
    static const struct {
        uint32_t version;
        const char *prefix;
    } forms[] = {
        {0x0488ade4, "xprv"}, {0x04358394, "tprv"}, {0x0420b900, "sprv"}, {0x049d7878, "yprv"},
        {0x04b2430c, "zprv"}, {0x0295b005, "Yprv"}, {0x02aa7a99, "Zprv"}, {0x044a4e28, "uprv"},
        {0x045f18bc, "vprv"}, {0x024285b5, "Uprv"}, {0x02575048, "Vprv"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(forms); i++) {
        struct spv_xpub xpub = {.version = forms[i].version}, out;
        struct spv_text_error why;
        char text[SPV_XPUB_TEXT];
        memset(xpub.key + 1, 0x11, 32);
        spv_xpub_text(text, &xpub);
        assert_memory_equal(text, forms[i].prefix, 4);
        assert_int_equal(parse(&out, &why, text), SPV_ERR_PRIVATE_KEY);
    }
}

static void public_derivation_equals_private_derivation(void **state)
{
    struct test_random r = {.state = 32};
    (void)state;
    print_message("seed 32\n");
    for (size_t i = 0; i < 50; i++) {
        uint8_t seed[32], keys[8 * SPV_PUBLIC_KEY];
        struct test_xprv x, child;
        struct spv_xpub pub;
        test_random_fill(&r, seed, sizeof seed);
        test_xprv_from_seed(&x, seed, sizeof seed);
        for (size_t depth = 0; depth < 4; depth++) {
            const struct test_xprv parent = x;
            const uint32_t index = (uint32_t)test_random_next(&r) & (SPV_HARDENED - 1);
            const uint32_t first = index > 7 ? index - 7 : 0;
            test_xprv_derive(&child, &parent, index);
            assert_int_equal(spv_xpub_derive(&pub, &parent.pub, index), 0);
            assert_memory_equal(&pub, &child.pub, sizeof pub);
            assert_int_equal(spv_xpub_derive_range(keys, &parent.pub, first, 8), 0);
            assert_memory_equal(keys + (index - first) * SPV_PUBLIC_KEY, pub.key, SPV_PUBLIC_KEY);
            test_xprv_derive(&x, &parent, index | (depth & 1 ? SPV_HARDENED : 0));
        }
    }
}

static void derivation_stops_at_hardened_indexes_and_depth_255(void **state)
{
    struct spv_xpub xpub, child;
    struct spv_text_error why;
    uint8_t keys[4 * SPV_PUBLIC_KEY], untouched[4 * SPV_PUBLIC_KEY];
    (void)state;
    memset(keys, 0xee, sizeof keys);
    memset(untouched, 0xee, sizeof untouched);
    assert_int_equal(parse(&xpub, &why, XPUB), 0);
    assert_int_equal(spv_xpub_derive(&child, &xpub, SPV_HARDENED - 1), 0);
    assert_int_equal(spv_xpub_derive(&child, &xpub, SPV_HARDENED), SPV_ERR_HARDENED);
    assert_int_equal(spv_xpub_derive(&child, &xpub, UINT32_MAX), SPV_ERR_HARDENED);
    assert_int_equal(spv_xpub_derive_range(keys, &xpub, SPV_HARDENED - 2, 3), SPV_ERR_HARDENED);
    assert_int_equal(spv_xpub_derive_range(keys, &xpub, UINT32_MAX, 2), SPV_ERR_HARDENED);
    assert_int_equal(spv_xpub_derive_range(keys, &xpub, 5, UINT32_MAX - 4), SPV_ERR_HARDENED);
    assert_memory_equal(keys, untouched, sizeof keys);
    assert_int_equal(spv_xpub_derive_range(keys, &xpub, SPV_HARDENED, 0), 0);
    assert_int_equal(spv_xpub_derive_range(keys, &xpub, SPV_HARDENED - 2, 2), 0);
    xpub.depth = 254;
    assert_int_equal(spv_xpub_derive(&xpub, &xpub, 7), 0);
    assert_int_equal(xpub.depth, 255);
    assert_int_equal(xpub.child, 7);
    assert_int_equal(spv_xpub_derive(&child, &xpub, 7), SPV_ERR_TOO_LONG);
    assert_int_equal(spv_xpub_derive_range(keys, &xpub, 0, 1), SPV_ERR_TOO_LONG);
    xpub.depth = 0;
    xpub.key[0] = 5;
    assert_int_equal(spv_xpub_derive(&child, &xpub, 7), SPV_ERR_PUBLIC_KEY);
    assert_int_equal(spv_xpub_derive_range(keys, &xpub, 0, 1), SPV_ERR_PUBLIC_KEY);
}

static void fingerprint_is_the_parent_of_a_child(void **state)
{
    struct spv_xpub xpub, child;
    struct spv_text_error why;
    uint8_t print[SPV_FINGERPRINT];
    (void)state;
    assert_int_equal(parse(&xpub, &why, XPUB), 0);
    spv_xpub_fingerprint(print, &xpub);
    assert_memory_equal(print, ((uint8_t[]){0x34, 0x42, 0x19, 0x3e}), 4); /* of BIP32's vector 1 */
    assert_int_equal(spv_xpub_derive(&child, &xpub, 0), 0);
    assert_memory_equal(child.parent, print, 4);
}

/* RFC 4231, cases 1, 2 and 4. */
static void hmac_sha512_has_the_values_of_rfc_4231(void **state)
{
    static const struct {
        const char *key, *msg, *sum;
    } cases[] = {
        {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
         "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274ea"
         "ea3"
         "f4e4be9d914eeb61f1702e696c203a126854"},
        {"4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
         "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f"
         "8f0"
         "e6fdcaeab1a34d4a6b4b636e070a38bce737"},
        {"0102030405060708090a0b0c0d0e0f10111213141516171819",
         "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdc"
         "dcd"
         "cdcdcdcd",
         "b0ba465637458c6990e5a8c5f61d4af7e576d97ff94b872de76f8050361ee3dba91ca5c11aa25eb4d679275cc"
         "578"
         "8063a5f19741120c4f2de2adebeb10a298dd"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint8_t key[64], msg[64], sum[64], got[64];
        struct spv_hmac_sha512_key hmac;
        spv_hmac_sha512_init(&hmac, key, unhex(key, sizeof key, cases[i].key));
        const size_t n = unhex(msg, sizeof msg, cases[i].msg);
        assert_int_equal(unhex(sum, sizeof sum, cases[i].sum), 64);
        for (int again = 0; again < 2; again++) {
            spv_hmac_sha512_compute(got, &hmac, msg, n);
            assert_memory_equal(got, sum, 64);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(extended_keys_convert_both_ways_and_have_their_networks),
        cmocka_unit_test(bip32_vectors_3_and_4_keep_leading_zeros),
        cmocka_unit_test(bip32_vectors_1_and_2_derive),
        cmocka_unit_test(other_keys_of_the_vectors_derive_from_their_parents),
        cmocka_unit_test(secret_of_the_vectors_with_leading_zeros_derives),
        cmocka_unit_test(invalid_extended_keys_are_refused),
        cmocka_unit_test(extended_key_has_78_bytes),
        cmocka_unit_test(slip132_public_keys_are_refused_with_the_descriptor_they_mean),
        cmocka_unit_test(slip132_private_keys_are_refused_as_private),
        cmocka_unit_test(public_derivation_equals_private_derivation),
        cmocka_unit_test(derivation_stops_at_hardened_indexes_and_depth_255),
        cmocka_unit_test(fingerprint_is_the_parent_of_a_child),
        cmocka_unit_test(hmac_sha512_has_the_values_of_rfc_4231),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
