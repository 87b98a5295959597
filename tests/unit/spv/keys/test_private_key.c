/* Private keys and seed words are recognised by their form, wherever they stand in a text. The keys
 * here are those of the BIPs and of published test vectors. */
#include "support/vectors.h"

#include "spv/address.h"
#include "spv/error.h"
#include "spv/keys/base58.h"
#include "spv/keys/private_key.h"

#define XPRV                                                                                       \
    "xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TG" \
    "tR"                                                                                           \
    "BeJgk33yuGBxrMPHi"
#define XPUB                                                                                       \
    "xpub661MyMwAqRbcFtXgS5sYJABqqG9YLmC4Q1Rdap9gSE8NqtwybGhePY2gZ29ESFjqJoCu1Rupje8YtGqsefD265TM" \
    "g7u"                                                                                          \
    "sUDFdp6W1EGMcet8"
#define WIF "5KYZdUEo39z3FPrtuX2QbbwGnNP5zTd7yyr2SC1j299sBCnWjss"
#define WIF_COMPRESSED "L4rK1yDtCWekvXuE6oXD9jCYfFNV2cWRpVuPLBcCU2z8TrisoyY1"
#define WIF_TEST "cTpB4YiyKiBcPxnefsDpbnDxFDffjqJob8wGCEDXxgQ7zQoMXJdH"
#define WIF_TEST_LONG "9213qJab2HNEpMpYNBa7wHGFKKbkDn24jpANDs2huN3yi4J11ko"
#define BIP38 "6PRVWUbkzzsbcVac2qwfssoUJAN1Xhrg6bNk8J7Nzm5H7kxEbn2Nh2ZoGg"
#define WORDS11 "abandon ability able about above absent absorb abstract absurd abuse access"

static int refuse(struct spv_text_error *why, const char *text)
{
    memset(why, 0, sizeof *why);
    return spv_private_key_refuse(why, text, strlen(text));
}

static const struct {
    const char *text;
    size_t at;
    const char *what;
} secrets[] = {
    {XPRV, 0, "extended private key"},
    {"pkh(" XPRV "/1/2)", 4, "extended private key"},
    {"pkh([deadbeef/0h]" XPRV "/1/2)", 17, "extended private key"},
    {"multi(1," XPUB "," XPRV ")", 8 + 111 + 1, "extended private key"},
    {"xprv", 0, "extended private key"}, /* cut */
    {"xprvA", 0, "extended private key"},
    {"yprvX(", 0, "extended private key"},
    {"zprv", 0, "extended private key"},
    {"tprv8", 0, "extended private key"},
    {"uprv8", 0, "extended private key"},
    {"vprv9", 0, "extended private key"},
    {"Yprv", 0, "extended private key"},
    {"Zprv", 0, "extended private key"},
    {"Uprv", 0, "extended private key"},
    {"Vprv", 0, "extended private key"},
    {"sprv", 0, "extended private key"},
    {"pkh(0" XPRV ")", 4, "extended private key"}, /* glued to another character */
    {"pkh(" XPUB XPRV "0)", 4, "extended private key"},
    {"\xc3\xa0" XPRV, 2, "extended private key"},
    {WIF, 0, "(WIF)"},
    {WIF_COMPRESSED, 0, "(WIF)"},
    {WIF_TEST, 0, "(WIF)"},
    {WIF_TEST_LONG, 0, "(WIF)"},
    {"wpkh(" WIF_COMPRESSED "/*)#", 5, "(WIF)"},
    {"L4rK1yDtCWekvXuE6oXD9jCYfFNV2cWRpVuPLBcCU2z8TrisoyY2", 0, "(WIF)"}, /* mistyped */
    {"Kz11111111111111111111111111111111111111111111111111", 0, "(WIF)"},
    {"cTpB4YiyKiBcPxnefsDpbnDxFDffjqJob8wGCEDXxgQ7zQoMXJdK", 0, "(WIF)"},
    {"pk(" WIF WIF_COMPRESSED ")", 3, "(WIF)"},
    {"pk(2" WIF_TEST_LONG ")", 3, "(WIF)"},
    {"pk(0" WIF_COMPRESSED "0)", 3, "(WIF)"},
    {BIP38, 0, "(BIP38)"},
    {"6PRVWUbkzzsbcVac2qwfssoUJAN1Xhrg6bNk8J7Nzm5H7kxEbn2Nh2ZoGh", 0, "(BIP38)"},
    {"x" BIP38 "y", 0, "(BIP38)"},
    {WORDS11 " accident", 0, "(BIP39)"},
    {"wpkh(" WORDS11 " accident)", 5, "(BIP39)"},
    {"Seed:  " WORDS11 "\n\taccident", 7, "(BIP39)"},
    {"abandon,ability,able,about,above,absent,absorb,abstract,absurd,abuse,access,accident", 0,
     "(BIP39)"},
    /* Japanese words between ideographic spaces */
    {"\xe3\x81\x82\xe3\x81\x84\xe3\x80\x80\xe3\x81\x82\xe3\x81\x84\xe3\x80\x80\xe3\x81\x82\xe3\x81"
     "\x84"
     "\xe3\x80\x80\xe3\x81\x82\xe3\x81\x84\xe3\x80\x80\xe3\x81\x82\xe3\x81\x84\xe3\x80\x80"
     "\xe3\x81\x82\xe3\x81\x84\xe3\x80\x80\xe3\x81\x82\xe3\x81\x84\xe3\x80\x80\xe3\x81\x82\xe3\x81"
     "\x84"
     "\xe3\x80\x80\xe3\x81\x82\xe3\x81\x84\xe3\x80\x80\xe3\x81\x82\xe3\x81\x84\xe3\x80\x80"
     "\xe3\x81\x82\xe3\x81\x84\xe3\x80\x80\xe3\x81\x82\xe3\x81\x84",
     0, "(BIP39)"},
};

static void private_keys_are_refused_by_name_wherever_they_stand(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(secrets); i++) {
        struct spv_text_error why;
        if (refuse(&why, secrets[i].text) != SPV_ERR_PRIVATE_KEY)
            fail_msg("accepted: %s", secrets[i].text);
        assert_int_equal(why.code, SPV_ERR_PRIVATE_KEY);
        assert_int_equal(why.n_at, 1);
        assert_int_equal(why.at[0], secrets[i].at);
        if (!strstr(why.text, secrets[i].what))
            fail_msg("%s: %s", secrets[i].text, why.text);
        assert_int_equal(spv_private_key_refuse(NULL, secrets[i].text, strlen(secrets[i].text)),
                         SPV_ERR_PRIVATE_KEY);
    }
}

static void messages_repeat_no_part_of_a_private_key(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(secrets); i++) {
        struct spv_text_error why;
        char part[9] = {0};
        (void)refuse(&why, secrets[i].text);
        for (size_t at = secrets[i].at; at + 8 <= strlen(secrets[i].text); at++) {
            memcpy(part, secrets[i].text + at, 8);
            if (strstr(why.text, part))
                fail_msg("%s has %s", why.text, part);
        }
    }
}

static void public_texts_are_no_private_keys(void **state)
{
    static const char *const texts[] = {
        "",
        XPUB,
        "tpubD6NzVbkrYhZ4WaWSyoBvQwbpLkojyoTZPRsgXELWz3Popb3qkjcJyJUGLnL4qHHoQvao8ESaAstxYSnhyswJ76"
        "uZPStJ"
        "RJCTKvosUCJZL5B",
        "zpub",
        "xprw",
        "xpr",
        "aprv",
        "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
        "bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kt5nd6y",
        "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
        "a34b99f22c790c4e36b2b3c2c35a36db06226e41c692fc82b8b56ac1c540c5bd",
        /* 51 and 52 hex digits that begin like WIF: not base58, or another second character */
        "5H00000000000000000000000000000000000000000000000ab",
        "5b1111111111111111111111111111111111111111111111111",
        "cL11111111111111111111111111111111111111111111111111",
        "L4111111111111111111111111111111111111111111111111111", /* 53 */
        "6PRVWUbkzzsbcVac2qwfssoUJAN1Xhrg6bNk8J7Nzm5H7kxEbn2Nh2ZoG",
        WORDS11,
        WORDS11 " ab",
        WORDS11 " abandoned",
        WORDS11 " 1 accident",
        "one (two) three four five six seven eight nine ten eleven twelve",
        "multi(1," XPUB ")",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct spv_text_error why;
        if (refuse(&why, texts[i]) != 0)
            fail_msg("refused: %s: %s", texts[i], why.text);
    }
}

/* Base58check of 33 bytes, or of 34 that end in 1, under any version. */
static void wif_keys_of_other_networks_are_refused(void **state)
{
    uint8_t payload[34] = {0x64};
    char text[SPV_BASE58_TEXT];
    struct spv_text_error why;
    (void)state;
    memset(payload + 1, 0x77, 32);
    payload[33] = 1;
    assert_int_equal(spv_base58check_encode(text, payload, 33), 51);
    assert_int_equal(refuse(&why, text), SPV_ERR_PRIVATE_KEY);
    assert_int_equal(spv_base58check_encode(text, payload, 34), 52);
    assert_int_equal(refuse(&why, text), SPV_ERR_PRIVATE_KEY);
    payload[33] = 2;
    assert_int_equal(spv_base58check_encode(text, payload, 34), 52);
    assert_int_equal(refuse(&why, text), 0);
}

static void private_keys_are_refused_as_addresses(void **state)
{
    static const char *const texts[] = {XPRV, WIF, WIF_COMPRESSED, WIF_TEST, BIP38};
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct spv_address out;
        struct spv_text_error why;
        assert_int_equal(
            spv_address_decode(&out, &why, texts[i], strlen(texts[i]), SPV_ANY_NETWORK),
            SPV_ERR_PRIVATE_KEY);
        assert_int_equal(why.code, SPV_ERR_PRIVATE_KEY);
    }
}

static void private_keys_of_the_vectors_are_refused_as_addresses(void **state)
{
    json_t *all = vector_json("key_io_valid.json");
    size_t found = 0;
    (void)state;
    if (!all)
        skip();
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *row = json_array_get(all, i);
        const char *text = vector_text(row, 0);
        struct spv_address out;
        struct spv_text_error why;
        if (!json_is_true(json_object_get(json_array_get(row, 2), "isPrivkey")))
            continue;
        found++;
        assert_int_equal(spv_address_decode(&out, &why, text, strlen(text), SPV_ANY_NETWORK),
                         SPV_ERR_PRIVATE_KEY);
    }
    assert_int_equal(found, 16);
    json_decref(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(private_keys_are_refused_by_name_wherever_they_stand),
        cmocka_unit_test(messages_repeat_no_part_of_a_private_key),
        cmocka_unit_test(public_texts_are_no_private_keys),
        cmocka_unit_test(wif_keys_of_other_networks_are_refused),
        cmocka_unit_test(private_keys_are_refused_as_addresses),
        cmocka_unit_test(private_keys_of_the_vectors_are_refused_as_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
