/* The filter headers of genesis blocks, computed from the blocks. The merkle root in the header
 * shows that a block's only transaction is the right one. */
#include "support/unit.h"

#include "spv/block.h"
#include "spv/filter.h"
#include "spv/params.h"
#include "util/hash.h"

#define KEY                                                                                        \
    "04678afdb0fe5548271967f1a67130b7105cd6a828e03909a67962e0ea1f61deb6"                           \
    "49f6bc3f4cef38c4f35504e51ec112de5c384df7ba0b8d578a4c702b6bf11d5f"
#define NO_KEY "000000000000000000000000000000000000000000000000000000000000000000"

/* The first transaction: one input without a previous output, one output of 50 bitcoins. */
static size_t put_coinbase(uint8_t *out, const char *message, const char *key)
{
    const size_t n_message = strlen(message), n_key = strlen(key) / 2;
    uint8_t *at = out;

    at += unhex(at, 5, "0100000001");
    memset(at, 0, 32);
    at += 32;
    at += unhex(at, 4, "ffffffff");
    *at++ = (uint8_t)(8 + n_message + (n_message > 75));
    at += unhex(at, 7, "04ffff001d0104");
    if (n_message > 75)
        *at++ = 0x4c; /* OP_PUSHDATA1 */
    *at++ = (uint8_t)n_message;
    memcpy(at, message, n_message);
    at += n_message;
    at += unhex(at, 13, "ffffffff0100f2052a01000000");
    *at++ = (uint8_t)(n_key + 2);
    *at++ = (uint8_t)n_key;
    at += unhex(at, n_key, key);
    *at++ = 0xac; /* OP_CHECKSIG */
    memset(at, 0, 4);
    return (size_t)(at + 4 - out);
}

static void genesis_filter_headers_follow_from_the_blocks(void **state)
{
    (void)state;
    for (int network = 0; network < SPV_NETWORKS; network++) {
        const struct spv_params *params = spv_params_get((enum spv_network)network);
        const bool testnet4 = network == SPV_TESTNET4;
        const struct spv_filter_header none = {{0}};
        uint8_t bytes[512];
        struct spv_block block;
        struct spv_filter filter = {0};
        struct spv_filter_hash hash;
        struct spv_filter_header header;
        uint8_t *built;
        size_t n = SPV_HEADER_SIZE;

        spv_header_encode(bytes, &params->genesis);
        bytes[n++] = 1;
        n += put_coinbase(
            bytes + n,
            testnet4 ? "03/May/2024 "
                       "000000000000000000001ebd58c244970b3aa9d783bb001011fbe8ea8e98e00e"
                     : "The Times 03/Jan/2009 Chancellor on brink of second bailout for banks",
            testnet4 ? NO_KEY : KEY);
        assert_int_equal(spv_block_parse(&block, bytes, n), 0);
        spv_sha256d(hash.b, bytes + SPV_HEADER_SIZE + 1, n - SPV_HEADER_SIZE - 1);
        assert_memory_equal(hash.b, params->genesis.merkle_root.b, 32);
        assert_int_equal(spv_filter_build_block(&built, &filter.n, &block, NULL, 0), 0);
        filter.bytes = built;
        spv_filter_compute_hash(&hash, &filter);
        spv_filter_compute_header(&header, &hash, &none);
        assert_int_equal(params->filter_checkpoints[0].height, 0);
        assert_memory_equal(params->filter_checkpoints[0].header.b, header.b, 32);
        free(built);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(genesis_filter_headers_follow_from_the_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
