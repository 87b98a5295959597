/* Names, magics and ports of the networks. */
#include "support/unit.h"

#include "spv/error.h"
#include "spv/network.h"

static void every_network_is_found_by_value_and_name(void **state)
{
    static const struct {
        enum spv_network network;
        const char *name, *magic;
        uint16_t port;
    } cases[SPV_NETWORKS] = {
        {SPV_MAINNET, "mainnet", "f9beb4d9", 8333},
        {SPV_TESTNET3, "testnet3", "0b110907", 18333},
        {SPV_TESTNET4, "testnet4", "1c163f28", 48333},
        {SPV_SIGNET, "signet", "0a03cf40", 38333},
        {SPV_REGTEST, "regtest", "fabfb5da", 18444},
        {SPV_SIMNET, "simnet", "161c1412", 18555},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct spv_netid *net = spv_netid_get(cases[i].network);
        char magic[9];

        assert_non_null(net);
        assert_int_equal(net->network, cases[i].network);
        assert_string_equal(net->name, cases[i].name);
        spv_hex(magic, net->magic, 4);
        assert_string_equal(magic, cases[i].magic);
        assert_int_equal(net->port, cases[i].port);
        assert_ptr_equal(spv_netid_by_name(cases[i].name), net);
    }
    assert_null(spv_netid_get((enum spv_network)SPV_NETWORKS));
    assert_null(spv_netid_get((enum spv_network) - 1));
    assert_null(spv_netid_by_name("testnet"));
    assert_null(spv_netid_by_name(""));
}

/* BIP325's default challenge: 1-of-2 multisig. */
#define DEFAULT_CHALLENGE                                                                          \
    "512103ad5e0edad18cb1f0fc0d28a3d4f1f3e445640337489abb10404f2d1e086be43021"                     \
    "0359ef5021964fe22d6f8e05b2463c9540ce96883fe3b278760f048f5189f2e6c452ae"

static void default_challenge_is_the_default_signet(void **state)
{
    struct spv_netid net;
    uint8_t challenge[71];

    (void)state;
    unhex(challenge, sizeof challenge, DEFAULT_CHALLENGE);
    assert_int_equal(spv_netid_signet(&net, challenge, sizeof challenge), 0);
    assert_memory_equal(&net, spv_netid_get(SPV_SIGNET), sizeof net);
}

static void another_challenge_has_another_magic_and_name(void **state)
{
    static const struct {
        size_t n; /* so many times OP_TRUE */
        const char *name;
    } cases[] = {{1, "signet-54d26fbd"}, {300, "signet-fd75bdc1"}, {10000, "signet-0b91adbc"}};
    static uint8_t script[10001];

    (void)state;
    memset(script, 0x51, sizeof script);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct spv_netid net;
        uint8_t magic[4];

        assert_int_equal(spv_netid_signet(&net, script, cases[i].n), 0);
        assert_string_equal(net.name, cases[i].name);
        unhex(magic, sizeof magic, cases[i].name + 7);
        assert_memory_equal(net.magic, magic, 4);
        assert_int_equal(net.network, SPV_SIGNET);
        assert_int_equal(net.port, 38333);
    }
}

static void challenge_of_invalid_length_is_refused(void **state)
{
    static uint8_t script[10001];
    struct spv_netid net;

    (void)state;
    assert_int_equal(spv_netid_signet(&net, script, 0), SPV_ERR_INVALID);
    assert_int_equal(spv_netid_signet(&net, script, sizeof script), SPV_ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_network_is_found_by_value_and_name),
        cmocka_unit_test(default_challenge_is_the_default_signet),
        cmocka_unit_test(another_challenge_has_another_magic_and_name),
        cmocka_unit_test(challenge_of_invalid_length_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
