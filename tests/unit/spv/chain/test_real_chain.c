/* Real headers, validated with the real rules. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spv/chain/consensus.h"
#include "spv/chain/header_ctx.h"
#include "unit/spv/chain/chain_fixture.h"
#include "util/u256.h"

static void follows_mainnet_through_its_first_retarget(void **state)
{
    struct chain_fixture_headers h;
    struct spv_chain_header record;
    struct spv_chain *c;
    char work[SPV_HASH_HEX];
    (void)state;

    if (!chain_fixture_real(&h, "headers/mainnet-1-32260.bin"))
        skip();
    const struct spv_chain_config cfg = {.params = spv_params_get(SPV_MAINNET)};
    assert_int_equal(spv_chain_new(&c, &cfg), 0);
    chain_fixture_feed(c, &h, 0, h.n);
    assert_int_equal(spv_chain_tip(c)->height, 32260);
    assert_int_equal(spv_chain_header_at(c, &record, 32255), 1);
    assert_int_equal(record.header.bits, 0x1d00ffff);
    assert_int_equal(spv_chain_header_at(c, &record, 32256), 1);
    assert_int_equal(record.header.bits, 0x1d00d86a);
    /* checkpoints/mainnet-headers.csv */
    spv_u256_hex(work, &record.work);
    assert_string_equal(work + 64 - 12, "7e01acd42dd2");
    assert_int_equal(spv_chain_last_checkpoint(c)->height, 32255);
    spv_chain_free(c);
    chain_fixture_headers_free(&h);
}

static void refuses_the_old_bits_after_mainnets_first_retarget(void **state)
{
    struct chain_fixture_headers h;
    struct spv_chain *c;
    (void)state;

    if (!chain_fixture_real(&h, "headers/mainnet-1-32260.bin"))
        skip();
    c = chain_fixture_chain(spv_params_get(SPV_MAINNET));
    chain_fixture_feed(c, &h, 0, 32255);
    h.headers[32255].bits = 0x1d00ffff;
    assert_int_equal(chain_fixture_accept(c, &h.headers[32255], chain_fixture_late),
                     SPV_ERR_HDR_BITS);
    spv_chain_free(c);
    chain_fixture_headers_free(&h);
}

static void follows_signet(void **state)
{
    struct chain_fixture_headers h;
    struct spv_chain *c;
    (void)state;

    if (!chain_fixture_real(&h, "headers/signet-0-2015.bin"))
        skip();
    const struct spv_chain_config cfg = {.params = spv_params_get(SPV_SIGNET)};
    assert_int_equal(spv_chain_new(&c, &cfg), 0);
    chain_fixture_feed(c, &h, 0, h.n); /* genesis is known */
    assert_int_equal(spv_chain_tip(c)->height, 2015);
    assert_int_equal(spv_chain_last_checkpoint(c)->height, 2015);
    spv_chain_free(c);
    chain_fixture_headers_free(&h);
}

/* One line of checkpoints/<network>-headers.csv: the first header of a period. */
struct first_of_period {
    uint32_t height;
    struct spv_u256 work; /* with this header's */
    struct spv_header header;
};

static uint8_t hex_digit(char c)
{
    return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static bool next_first(FILE *f, struct first_of_period *out)
{
    uint8_t raw[SPV_HEADER_SIZE];
    char line[512];
    char work[80];
    char hex[200];
    char *end;

    if (!fgets(line, sizeof line, f))
        return false;
    out->height = (uint32_t)strtoul(line, &end, 10);
    assert_int_equal(sscanf(end, ",%79[0-9a-f],%199[0-9a-f]", work, hex), 2);
    assert_int_equal(strlen(hex), 2 * sizeof raw);
    for (size_t i = 0; i < sizeof raw; i++)
        raw[i] = (uint8_t)(hex_digit(hex[2 * i]) << 4 | hex_digit(hex[2 * i + 1]));
    assert_int_equal(spv_u256_from_hex(&out->work, work), 0);
    spv_header_decode(&out->header, raw);
    return true;
}

static FILE *open_firsts(const struct spv_params *params)
{
    const char *folder = getenv("SPV_TEST_DATA");
    char path[512];
    char line[128];
    FILE *f;

    if (!folder) {
        print_message("skipped: SPV_TEST_DATA is not set\n");
        return NULL;
    }
    snprintf(path, sizeof path, "%s/checkpoints/%s-headers.csv", folder, params->net.name);
    f = fopen(path, "r");
    if (!f)
        print_message("skipped: there is no %s\n", path);
    else
        assert_non_null(fgets(line, sizeof line, f));
    return f;
}

/* Each period's first header follows its checkpoint, has valid proof of work, and obeys the
 * version rule. */
static void real_headers_follow_their_checkpoints(void **state)
{
    const enum spv_network networks[] = {SPV_MAINNET, SPV_TESTNET3, SPV_SIGNET};
    (void)state;

    for (size_t i = 0; i < 3; i++) {
        const struct spv_params *params = spv_params_get(networks[i]);
        struct spv_header_ctx accept = {.params = params};
        FILE *f = open_firsts(params);
        struct first_of_period first_of_period;
        size_t n = 0;
        if (!f)
            continue;
        for (; next_first(f, &first_of_period); n++) {
            const size_t k = first_of_period.height / SPV_RETARGET_INTERVAL - 1;
            const struct spv_blockhash hash = chain_fixture_hash(&first_of_period.header);
            struct spv_u256 work;
            assert_int_equal(params->checkpoints[k].height + 1, first_of_period.height);
            assert_memory_equal(&params->checkpoints[k].hash, &first_of_period.header.prev, 32);
            assert_int_equal(
                spv_header_ctx_check_pow(&accept, &work, &first_of_period.header, &hash), 0);
            assert_int_equal(spv_consensus_version(params, first_of_period.height,
                                                   first_of_period.header.version),
                             0);
        }
        print_message("%s: %zu headers\n", params->net.name, n);
        assert_true(n > 100);
        fclose(f);
    }
}

/* On networks without minimum difficulty, a period has one value of bits: its work is 2,016
 * times one block's, and the next bits are within a factor of four. */
static void work_of_real_periods_adds_up(void **state)
{
    const enum spv_network networks[] = {SPV_MAINNET, SPV_SIGNET};
    (void)state;

    for (size_t i = 0; i < 2; i++) {
        const struct spv_params *params = spv_params_get(networks[i]);
        FILE *f = open_firsts(params);
        struct spv_u256 target;
        struct first_of_period last = {.header = params->genesis};
        struct first_of_period next;
        if (!f)
            continue;
        assert_int_equal(spv_target_from_bits(&target, last.header.bits), 0);
        last.work = spv_work_from_target(&target);
        while (next_first(f, &next)) {
            struct spv_u256 work;
            struct spv_u256 sum;
            if (next.height == last.height + SPV_RETARGET_INTERVAL) {
                assert_int_equal(spv_target_from_bits(&target, last.header.bits), 0);
                work = spv_work_from_target(&target);
                work = spv_u256_mul_u32(&work, SPV_RETARGET_INTERVAL - 1);
                sum = spv_u256_add(&last.work, &work);
                assert_int_equal(spv_target_from_bits(&target, next.header.bits), 0);
                work = spv_work_from_target(&target);
                sum = spv_u256_add(&sum, &work);
                assert_int_equal(spv_u256_cmp(&sum, &next.work), 0);
                /* the bits are those of some number of seconds between the clamps */
                const uint32_t span = params->target_timespan;
                struct spv_u256 low;
                struct spv_u256 high;
                assert_int_equal(
                    spv_target_from_bits(
                        &low, spv_consensus_retarget(params, last.header.bits, 0, span / 4)),
                    0);
                assert_int_equal(
                    spv_target_from_bits(
                        &high, spv_consensus_retarget(params, last.header.bits, 0, span * 4)),
                    0);
                assert_true(spv_u256_cmp(&low, &target) <= 0);
                assert_true(spv_u256_cmp(&target, &high) <= 0);
            }
            last = next;
        }
        fclose(f);
    }
}

/* Real headers as a store that starts at a checkpoint has them. */
#define REAL_BASE 30240
#define REAL_END 32255 /* the checkpoint */
struct start_db {
    struct spv_chain_header at[REAL_END - REAL_BASE + 1];
    struct spv_chain_header genesis;
};

static int stored_by_height(void *ctx, struct spv_chain_header *out, uint32_t height)
{
    const struct start_db *s = ctx;
    if (height != 0 && (height < REAL_BASE || height > REAL_END))
        return 0;
    *out = height == 0 ? s->genesis : s->at[height - REAL_BASE];
    return 1;
}

static int stored_tip(void *ctx, struct spv_chain_header *out)
{
    return stored_by_height(ctx, out, REAL_END);
}

static int stored_range(void *ctx, struct spv_header *out, uint32_t from, uint32_t n)
{
    struct spv_chain_header record;
    int got = 0;
    while (n-- > 0 && stored_by_height(ctx, &record, from++) == 1)
        out[got++] = record.header;
    return got;
}

static void stored_start(void *ctx, struct spv_chain_start *out)
{
    (void)ctx;
    *out = (struct spv_chain_start){.height = REAL_BASE};
}

/* The retarget right after a checkpoint start depends on the period that was downloaded with it. */
static void a_start_at_a_checkpoint_judges_mainnets_first_retarget(void **state)
{
    static struct start_db s;
    const struct spv_params *params = spv_params_get(SPV_MAINNET);
    const struct spv_chain_config cfg = {.params = params,
                                         .header_db = {.ctx = &s,
                                                       .tip = stored_tip,
                                                       .by_height = stored_by_height,
                                                       .range = stored_range,
                                                       .start = stored_start}};
    struct chain_fixture_headers h;
    struct spv_header easy;
    struct spv_accept_result v;
    struct spv_chain *c;
    (void)state;

    if (!chain_fixture_real(&h, "headers/mainnet-1-32260.bin"))
        skip();
    c = chain_fixture_chain(params);
    s.genesis = *spv_chain_tip(c);
    for (size_t i = 0; i < REAL_END; i++) {
        chain_fixture_feed(c, &h, i, i + 1);
        if (i + 1 >= REAL_BASE)
            s.at[i + 1 - REAL_BASE] = *spv_chain_tip(c);
    }
    spv_chain_free(c);
    assert_int_equal(spv_chain_new(&c, &cfg), 0);
    assert_int_equal(spv_chain_tip(c)->height, REAL_END);
    easy = h.headers[REAL_END]; /* "difficulty dropped right after a checkpoint start" */
    easy.bits = 0x1d00ffff;
    assert_int_equal(chain_fixture_accept(c, &easy, chain_fixture_late), SPV_ERR_HDR_BITS);
    assert_int_equal(spv_chain_accept(c, &v, &h.headers[REAL_END], 5, chain_fixture_late), 0);
    assert_int_equal(v.error, 0);
    assert_int_equal(spv_chain_tip(c)->height, 32260);
    spv_chain_stored(c);
    spv_chain_free(c);
    /* mainnet's work at the checkpoint is built in: another sum is damage */
    for (size_t i = 0; i <= REAL_END - REAL_BASE; i++)
        s.at[i].work.w[0]++;
    assert_int_equal(spv_chain_new(&c, &cfg), SPV_ERR_DB_DAMAGED);
    chain_fixture_headers_free(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_mainnet_through_its_first_retarget),
        cmocka_unit_test(refuses_the_old_bits_after_mainnets_first_retarget),
        cmocka_unit_test(a_start_at_a_checkpoint_judges_mainnets_first_retarget),
        cmocka_unit_test(follows_signet),
        cmocka_unit_test(real_headers_follow_their_checkpoints),
        cmocka_unit_test(work_of_real_periods_adds_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
