#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "spv/endpoint.h"
#include "spv/error.h"
#include "spv/message.h"
#include "util/hash.h"

/* The example of BIP155's TORV3 and names published by the Tor project. */
#define TOR "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion"

static void sha3_is_that_of_fips_202(void **state)
{
    static const uint8_t empty[32] = {0xa7, 0xff, 0xc6, 0xf8, 0xbf, 0x1e, 0xd7, 0x66,
                                      0x51, 0xc1, 0x47, 0x56, 0xa0, 0x61, 0xd6, 0x62,
                                      0xf5, 0x80, 0xff, 0x4d, 0xe4, 0x3b, 0x49, 0xfa,
                                      0x82, 0xd8, 0x0a, 0x4b, 0x80, 0xf8, 0x43, 0x4a};
    uint8_t out[32];
    (void)state;
    assert_int_equal(spv_sha3_256(out, "", 0), 0);
    assert_memory_equal(out, empty, 32);
}

static void addresses_are_read_and_written_canonically(void **state)
{
    static const struct {
        const char *in, *out;
        uint8_t network;
    } rows[] = {
        {"1.2.3.4", "1.2.3.4", SPV_ADDR_IPV4},
        {"255.255.255.255", "255.255.255.255", SPV_ADDR_IPV4},
        {"::ffff:1.2.3.4", "1.2.3.4", SPV_ADDR_IPV4},
        {"::", "::", SPV_ADDR_IPV6},
        {"::1", "::1", SPV_ADDR_IPV6},
        {"1::", "1::", SPV_ADDR_IPV6},
        {"2001:DB8:0:0:0:0:0:7", "2001:db8::7", SPV_ADDR_IPV6},
        {"2001:db8::0:1:0", "2001:db8::1:0", SPV_ADDR_IPV6},
        {"1:0:0:2:0:0:0:3", "1:0:0:2::3", SPV_ADDR_IPV6},
        {"1:0:0:2:3:0:0:4", "1::2:3:0:0:4", SPV_ADDR_IPV6},
        {"1:2:3:4:5:6:0:8", "1:2:3:4:5:6:0:8", SPV_ADDR_IPV6},
        {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0", SPV_ADDR_IPV6},
        {"64:ff9b::1.2.3.4", "64:ff9b::102:304", SPV_ADDR_IPV6},
        {TOR, TOR, SPV_ADDR_TORV3},
        {"2GZYXA5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.ONION", TOR, SPV_ADDR_TORV3},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct spv_netaddr addr;
        char host[SPV_HOST_MAX];
        if (spv_netaddr_from_host(&addr, rows[i].in, 8333) != 0)
            fail_msg("%s was refused", rows[i].in);
        assert_int_equal(addr.network, rows[i].network);
        assert_int_equal(addr.port, 8333);
        assert_int_equal(spv_netaddr_to_host(host, &addr), 0);
        assert_string_equal(host, rows[i].out);
    }
}

static void names_and_malformed_addresses_are_refused(void **state)
{
    static const char *const rows[] = {
        "",
        "a",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.256",
        "01.2.3.4",
        "1.2.3.4 ",
        "1..2.3",
        ":",
        ":1::2",
        "1:",
        "1::2:",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9",
        "1::2::3",
        ":::",
        "1:2:3:4:5:6:7:8::",
        "::12345",
        "::g",
        "fe80::1%eth0",
        "1.2.3.4::",
        "::1.2.3",
        "1:2:3:4:5:6:7:1.2.3.4",
        "example.org",
        "x.onion",
        ("a" TOR),
        /* one letter differs: the checksum; the last letter: the version */
        "3gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion",
        "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wie.onion",
        "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wi1.onion",
        "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onyon",
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct spv_netaddr addr;
        if (spv_netaddr_from_host(&addr, rows[i], 1) != SPV_ERR_MALFORMED)
            fail_msg("%s was taken", rows[i]);
    }
}

static void networks_without_a_text_form_are_unsupported(void **state)
{
    const struct spv_netaddr rows[] = {{0},
                                       {SPV_ADDR_I2P, 32, 0, {1}},
                                       {SPV_ADDR_CJDNS, 16, 1, {0xfc}},
                                       {SPV_ADDR_IPV4, 16, 1, {1}}};
    char host[SPV_HOST_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(spv_netaddr_to_host(host, &rows[i]), SPV_ERR_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha3_is_that_of_fips_202),
        cmocka_unit_test(addresses_are_read_and_written_canonically),
        cmocka_unit_test(names_and_malformed_addresses_are_refused),
        cmocka_unit_test(networks_without_a_text_form_are_unsupported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
