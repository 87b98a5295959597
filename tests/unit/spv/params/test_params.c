/* The table of networks against published values. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spv/error.h"
#include "unit/spv/chain/chain_fixture.h"
#include "util/hex.h"
#include "util/u256.h"

struct expected {
    enum spv_network network;
    const char *genesis;
    uint32_t limit_bits;
    uint32_t bip34, bip66, bip65, segwit;
    bool no_retarget, min_difficulty, bip94;
    const char *min_work;
    size_t n_seeds;
    uint32_t last_checkpoint; /* 0: none */
    size_t n_filter_checkpoints;
};
static const struct expected all_expected[] = {
    {SPV_MAINNET, "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f", 0x1d00ffff,
     227931, 363725, 388381, 481824, false, false, false, "dee8e2a309ad8a9820433c68", 8, 953567, 6},
    {SPV_TESTNET3, "000000000933ea01ad0ee984209779baaec3ced90fa3f408719526f8d77f4943", 0x1d00ffff,
     21111, 330776, 581885, 834624, false, true, false, "16dd270dd94fac1d7632", 5, 5011775, 9},
    {SPV_TESTNET4, "00000000da84f2bafbbc53dee25a72ae507ff4914b867c565be350b0da8bf043", 0x1d00ffff,
     1, 1, 1, 1, false, true, true, "34a4690fe592dc49c7c", 2, 139103, 1},
    {SPV_SIGNET, "00000008819873e925422c1ff0f99f7cc9bbb232af63a077a480a3633bee1ef6", 0x1e0377ae, 1,
     1, 1, 1, false, false, false, "67d328e681a", 2, 308447, 1},
    {SPV_REGTEST, "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206", 0x207fffff, 1,
     1, 1, 0, true, false, false, "0", 0, 0, 1},
    {SPV_SIMNET, "683e86bd5c6d110d91b94b97137ba6bfe02dbbdb8e3dff722a669b5d69d77af6", 0x207fffff, 0,
     0, 0, UINT32_MAX, false, true, false, "0", 0, 0, 1},
};
#define N_EXPECTED (sizeof all_expected / sizeof all_expected[0])

static void each_genesis_has_its_published_hash_and_meets_its_target(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_EXPECTED; i++) {
        const struct spv_params *p = spv_params_get(all_expected[i].network);
        const struct spv_blockhash hash = chain_fixture_hash(&p->genesis);
        struct spv_u256 target;
        char hex[SPV_HASH_HEX];
        spv_blockhash_hex(hex, &hash);
        assert_string_equal(hex, all_expected[i].genesis);
        assert_int_equal(spv_target_from_bits(&target, p->genesis.bits), 0);
        assert_true(spv_hash_meets(hash.b, &target));
    }
}

static void each_network_has_its_rules(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_EXPECTED; i++) {
        const struct expected *f = &all_expected[i];
        const struct spv_params *p = spv_params_get(f->network);
        struct spv_u256 work;
        assert_int_equal(p->pow_limit_bits, f->limit_bits);
        assert_int_equal(spv_bits_from_target(&p->pow_limit), f->limit_bits);
        assert_int_equal(p->target_timespan / p->target_spacing, SPV_RETARGET_INTERVAL);
        assert_int_equal(p->bip34_height, f->bip34);
        assert_int_equal(p->bip66_height, f->bip66);
        assert_int_equal(p->bip65_height, f->bip65);
        assert_int_equal(p->segwit_height, f->segwit);
        assert_int_equal(p->halving_interval, f->network == SPV_REGTEST ? 150 : 210000);
        assert_int_equal(p->no_retarget, f->no_retarget);
        assert_int_equal(p->min_difficulty, f->min_difficulty);
        assert_int_equal(p->bip94, f->bip94);
        assert_int_equal(spv_u256_from_hex(&work, f->min_work), 0);
        assert_int_equal(spv_u256_cmp(&work, &p->min_work), 0);
    }
}

static void each_network_has_the_wires_identity(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_EXPECTED; i++) {
        const struct spv_params *p = spv_params_get(all_expected[i].network);
        const struct spv_netid *net = spv_netid_get(all_expected[i].network);
        assert_int_equal(p->net.network, net->network);
        assert_string_equal(p->net.name, net->name);
        assert_memory_equal(p->net.magic, net->magic, sizeof net->magic);
        assert_int_equal(p->net.port, net->port);
    }
    assert_null(spv_params_get((enum spv_network)SPV_NETWORKS));
}

static void seeds_are_bare_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_EXPECTED; i++) {
        const struct spv_params *p = spv_params_get(all_expected[i].network);
        size_t n = 0;
        for (; p->dns_seeds[n].name; n++) {
            assert_non_null(strchr(p->dns_seeds[n].name, '.'));
            assert_int_not_equal(p->dns_seeds[n].name[strlen(p->dns_seeds[n].name) - 1], '.');
        }
        assert_int_equal(n, all_expected[i].n_seeds);
    }
}

static void checkpoints_stand_at_the_end_of_every_period(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_EXPECTED; i++) {
        const struct spv_params *p = spv_params_get(all_expected[i].network);
        for (size_t k = 0; k < p->n_checkpoints; k++)
            assert_int_equal(p->checkpoints[k].height, SPV_RETARGET_INTERVAL * (k + 1) - 1);
        if (all_expected[i].last_checkpoint == 0)
            assert_int_equal(p->n_checkpoints, 0);
        else
            assert_int_equal(p->checkpoints[p->n_checkpoints - 1].height,
                             all_expected[i].last_checkpoint);
    }
}

static void checkpoints_read_as_people_read_them(void **state)
{
    char hex[SPV_HASH_HEX];
    (void)state;
    spv_blockhash_hex(hex, &spv_params_get(SPV_MAINNET)->checkpoints[0].hash);
    assert_string_equal(hex, "00000000693067b0e6b440bc51450b9f3850561b07f6d3c021c54fbd6abb9763");
    spv_blockhash_hex(hex, &spv_params_get(SPV_TESTNET4)->checkpoints[0].hash);
    assert_string_equal(hex, "00000000962a7fc2ef639196051fe181ed53ac6aa4cdfead14dca90f58aa36bc");
}

/* Mainnet's values; testnets are less stable, so no work is built in for them. */
static void mainnet_checkpoints_have_work_values(void **state)
{
    const struct spv_params *p = spv_params_get(SPV_MAINNET);
    struct spv_u256 before = {{0}};
    struct spv_u256 work;
    (void)state;

    for (size_t k = 0; k < p->n_checkpoints; k++) {
        assert_true(spv_u256_cmp(&p->checkpoints[k].work, &before) > 0);
        before = p->checkpoints[k].work;
    }
    assert_true(spv_u256_cmp(&before, &p->min_work) > 0); /* the last one is enough */
    /* 2016 blocks of difficulty 1 */
    assert_int_equal(spv_u256_from_hex(&work, "7e007e007e0"), 0);
    assert_int_equal(spv_u256_cmp(&p->checkpoints[0].work, &work), 0);
    assert_true(spv_u256_is_zero(&spv_params_get(SPV_TESTNET3)->checkpoints[0].work));
}

static void times_after_checkpoints_are_those_of_their_age(void **state)
{
    (void)state;
    assert_int_equal(spv_params_get(SPV_MAINNET)->checkpoints[0].next_time, 1233063531);
    assert_int_equal(spv_params_get(SPV_TESTNET4)->checkpoints[0].next_time, 0);
    for (size_t i = 0; i < N_EXPECTED; i++) {
        const struct spv_params *p = spv_params_get(all_expected[i].network);
        bool ended = false; /* recorded from the first one on, up to some height */
        for (size_t k = 0; k < p->n_checkpoints; k++) {
            const uint32_t time = p->checkpoints[k].next_time;
            assert_false(ended && time != 0);
            ended = time == 0;
            assert_true(ended || (time > p->genesis.time && time < 1800000000));
        }
    }
}

/* Each line of checkpoints/<network>-headers.csv: the first header of a period, and the work
 * including it, which is the checkpoint's plus its own. */
static void works_and_times_are_those_of_the_published_headers(void **state)
{
    const char *folder = getenv("SPV_TEST_DATA");
    size_t facts_seen = 0;
    (void)state;

    if (!folder) {
        print_message("skipped: SPV_TEST_DATA is not set\n");
        skip();
    }
    for (size_t i = 0; i < N_EXPECTED; i++) {
        const struct spv_params *p = spv_params_get(all_expected[i].network);
        char path[512];
        char line[512];
        FILE *f;
        snprintf(path, sizeof path, "%s/checkpoints/%s-headers.csv", folder, p->net.name);
        f = p->n_checkpoints == 0 ? NULL : fopen(path, "r");
        if (!f)
            continue;
        assert_non_null(fgets(line, sizeof line, f));
        while (fgets(line, sizeof line, f)) {
            char *end;
            const size_t k = strtoul(line, &end, 10) / SPV_RETARGET_INTERVAL - 1;
            char *comma = strchr(end + 1, ',');
            uint8_t raw[SPV_HEADER_SIZE];
            struct spv_header header;
            struct spv_u256 work;
            struct spv_u256 own;
            struct spv_u256 want;
            assert_non_null(comma);
            *comma = '\0';
            comma[1 + 2 * SPV_HEADER_SIZE] = '\0';
            assert_int_equal(spv_hex_decode(raw, sizeof raw, comma + 1), 0);
            spv_header_decode(&header, raw);
            assert_true(k < p->n_checkpoints);
            assert_memory_equal(header.prev.b, p->checkpoints[k].hash.b, 32);
            assert_int_equal(header.time, p->checkpoints[k].next_time);
            facts_seen++;
            if (spv_u256_is_zero(&p->checkpoints[k].work))
                continue;
            assert_int_equal(spv_u256_from_hex(&want, end + 1), 0);
            assert_int_equal(spv_target_from_bits(&own, header.bits), 0);
            own = spv_work_from_target(&own);
            work = spv_u256_add(&p->checkpoints[k].work, &own);
            assert_int_equal(spv_u256_cmp(&work, &want), 0);
        }
        fclose(f);
    }
    if (facts_seen == 0)
        print_message("skipped: there are no headers files\n");
}

/* Every line of checkpoints/<network>.csv. */
static void checkpoints_are_those_of_the_published_files(void **state)
{
    const char *folder = getenv("SPV_TEST_DATA");
    (void)state;

    if (!folder) {
        print_message("skipped: SPV_TEST_DATA is not set\n");
        skip();
    }
    for (size_t i = 0; i < N_EXPECTED; i++) {
        const struct spv_params *p = spv_params_get(all_expected[i].network);
        char path[512];
        char line[256];
        size_t k = 0;
        FILE *f;
        if (p->n_checkpoints == 0)
            continue;
        snprintf(path, sizeof path, "%s/checkpoints/%s.csv", folder, p->net.name);
        f = fopen(path, "r");
        if (!f) {
            print_message("skipped: there is no %s\n", path);
            continue;
        }
        assert_non_null(fgets(line, sizeof line, f));
        while (fgets(line, sizeof line, f)) {
            struct spv_blockhash hash;
            char *end;
            const unsigned long height = strtoul(line, &end, 10);
            assert_int_equal(*end, ',');
            const bool more = end[65] == ',';
            end[65] = '\0';
            assert_int_equal(spv_blockhash_from_hex(&hash, end + 1), 0);
            assert_true(k < p->n_checkpoints);
            assert_int_equal(p->checkpoints[k].height, height);
            assert_memory_equal(p->checkpoints[k].hash.b, hash.b, 32);
            if (more) {
                struct spv_u256 work;
                end[66 + strcspn(end + 66, "\r\n")] = '\0';
                assert_int_equal(spv_u256_from_hex(&work, end + 66), 0);
                assert_int_equal(spv_u256_cmp(&work, &p->checkpoints[k].work), 0);
            }
            k++;
        }
        fclose(f);
        assert_int_equal(k, p->n_checkpoints);
    }
}

static void filter_checkpoints_are_as_published(void **state)
{
    struct spv_filter_header header;
    struct spv_blockhash shown;

    (void)state;
    for (size_t i = 0; i < N_EXPECTED; i++) {
        const struct spv_params *p = spv_params_get(all_expected[i].network);
        assert_int_equal(p->n_filter_checkpoints, all_expected[i].n_filter_checkpoints);
        assert_int_equal(p->filter_checkpoints[0].height, 0);
        for (size_t k = 1; k < p->n_filter_checkpoints; k++)
            assert_true(p->filter_checkpoints[k].height > p->filter_checkpoints[k - 1].height);
    }
    /* mainnet's block 100,000, whose filter the tests of src/spv/filters compute */
    assert_int_equal(
        spv_blockhash_from_hex(&shown,
                               "f28cbc1ab369eb01b7b5fe8bf59763abb73a31471fe404a26a06be4153aa7fa5"),
        0);
    header = spv_params_get(SPV_MAINNET)->filter_checkpoints[1].header;
    assert_memory_equal(header.b, shown.b, 32);
}

/* The rows that more than one source has: network,height,filter_header,block_hash,sources */
static void filter_checkpoints_are_those_of_the_published_file(void **state)
{
    const char *folder = getenv("SPV_TEST_DATA");
    size_t n[SPV_NETWORKS];
    char path[512], line[512];
    FILE *f;

    (void)state;
    for (size_t i = 0; i < SPV_NETWORKS; i++)
        n[i] = 1; /* genesis is not in the file */
    if (!folder) {
        print_message("skipped: SPV_TEST_DATA is not set\n");
        skip();
    }
    (void)snprintf(path, sizeof path, "%s/filters/filter-header-checkpoints.csv", folder);
    f = fopen(path, "r");
    if (!f) {
        print_message("skipped: there is no %s\n", path);
        skip();
    }
    assert_non_null(fgets(line, sizeof line, f));
    while (fgets(line, sizeof line, f)) {
        char *height = strchr(line, ',') + 1, *header = strchr(height, ',') + 1;
        struct spv_blockhash hash;
        if (!strchr(header, '+'))
            continue;
        height[-1] = header[-1] = header[64] = '\0';
        for (size_t i = 0; i < SPV_NETWORKS; i++) {
            const struct spv_params *p = spv_params_get((enum spv_network)i);
            if (strcmp(p->net.name, line) != 0)
                continue;
            assert_true(n[i] < p->n_filter_checkpoints);
            const struct spv_filter_checkpoint *built_in = &p->filter_checkpoints[n[i]++];
            assert_int_equal(built_in->height, strtoul(height, NULL, 10));
            assert_int_equal(spv_blockhash_from_hex(&hash, header), 0);
            assert_memory_equal(built_in->header.b, hash.b, 32);
        }
    }
    (void)fclose(f);
    for (size_t i = 0; i < SPV_NETWORKS; i++)
        assert_int_equal(n[i], spv_params_get((enum spv_network)i)->n_filter_checkpoints);
}

static void a_chain_starts_at_the_last_checkpoint_that_another_one_precedes(void **state)
{
    /* 2015 has none before it; 6047 is alone; 9000 ends no period */
    const struct spv_checkpoint list[] = {{.height = 2015}, {.height = 4031},  {.height = 8063},
                                          {.height = 9000}, {.height = 10079}, {.height = 20000},
                                          {.height = 22175}};
    static const struct {
        uint32_t height, start; /* 0: none */
    } cases[] = {{0, 0},         {2015, 0},    {4030, 0},      {4031, 4031},       {10078, 4031},
                 {10079, 10079}, {9000, 4031}, {22175, 10079}, {UINT32_MAX, 10079}};
    const struct spv_params *p = spv_params_get(SPV_REGTEST);
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct spv_checkpoint *start =
            spv_params_start_checkpoint(p, list, 7, cases[i].height);
        assert_int_equal(!start ? 0 : start->height, cases[i].start);
    }
    p = spv_params_get(SPV_MAINNET);
    assert_int_equal(
        spv_params_start_checkpoint(p, p->checkpoints, p->n_checkpoints, 800000)->height, 798335);
}

static void a_birthday_is_looked_up_with_two_weeks_to_spare(void **state)
{
    const struct spv_params *p = spv_params_get(SPV_MAINNET);
    const struct spv_checkpoint *list = p->checkpoints;
    const int64_t at = list[200].next_time;
    (void)state;
    assert_ptr_equal(
        spv_params_birthday_checkpoint(p, list, p->n_checkpoints, at + SPV_BIRTHDAY_MARGIN_S),
        &list[200]);
    assert_ptr_equal(
        spv_params_birthday_checkpoint(p, list, p->n_checkpoints, at + SPV_BIRTHDAY_MARGIN_S - 1),
        &list[199]);
    assert_null(spv_params_birthday_checkpoint(p, list, p->n_checkpoints, p->genesis.time));
    /* above the last recorded checkpoint: the last one */
    assert_int_equal(spv_params_birthday_checkpoint(p, list, p->n_checkpoints, INT64_MAX)->height,
                     878975);
    p = spv_params_get(SPV_TESTNET4);
    assert_null(spv_params_birthday_checkpoint(p, p->checkpoints, p->n_checkpoints, INT64_MAX));
}

static void a_custom_signet_trusts_nothing_of_the_default_one(void **state)
{
    const uint8_t challenge[] = {0x51}; /* OP_TRUE */
    struct spv_params p;
    (void)state;

    assert_int_equal(spv_params_signet(&p, challenge, sizeof challenge), 0);
    assert_memory_not_equal(p.net.magic, spv_params_get(SPV_SIGNET)->net.magic, 4);
    assert_memory_equal(&p.genesis, &spv_params_get(SPV_SIGNET)->genesis, sizeof p.genesis);
    assert_int_equal(p.pow_limit_bits, 0x1e0377ae);
    assert_int_equal(p.n_checkpoints, 0);
    assert_int_equal(p.n_filter_checkpoints, 1);
    assert_int_equal(p.filter_checkpoints[0].height, 0);
    assert_true(spv_u256_is_zero(&p.min_work));
    assert_null(p.dns_seeds[0].name);
    assert_null(p.fixed_seeds);
    assert_int_equal(spv_params_signet(&p, challenge, 0), SPV_ERR_INVALID);
}

static void the_default_challenge_is_the_default_signet(void **state)
{
    const uint8_t challenge[] = {
        0x51, 0x21, 0x03, 0xad, 0x5e, 0x0e, 0xda, 0xd1, 0x8c, 0xb1, 0xf0, 0xfc, 0x0d, 0x28, 0xa3,
        0xd4, 0xf1, 0xf3, 0xe4, 0x45, 0x64, 0x03, 0x37, 0x48, 0x9a, 0xbb, 0x10, 0x40, 0x4f, 0x2d,
        0x1e, 0x08, 0x6b, 0xe4, 0x30, 0x21, 0x03, 0x59, 0xef, 0x50, 0x21, 0x96, 0x4f, 0xe2, 0x2d,
        0x6f, 0x8e, 0x05, 0xb2, 0x46, 0x3c, 0x95, 0x40, 0xce, 0x96, 0x88, 0x3f, 0xe3, 0xb2, 0x78,
        0x76, 0x0f, 0x04, 0x8f, 0x51, 0x89, 0xf2, 0xe6, 0xc4, 0x52, 0xae};
    const struct spv_params *signet = spv_params_get(SPV_SIGNET);
    struct spv_params p;
    (void)state;

    assert_int_equal(spv_params_signet(&p, challenge, sizeof challenge), 0);
    assert_string_equal(p.net.name, "signet");
    assert_int_equal(p.n_checkpoints, signet->n_checkpoints);
    assert_memory_equal(p.challenge_hash, signet->challenge_hash, 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_genesis_has_its_published_hash_and_meets_its_target),
        cmocka_unit_test(each_network_has_its_rules),
        cmocka_unit_test(each_network_has_the_wires_identity),
        cmocka_unit_test(seeds_are_bare_names),
        cmocka_unit_test(checkpoints_stand_at_the_end_of_every_period),
        cmocka_unit_test(checkpoints_read_as_people_read_them),
        cmocka_unit_test(mainnet_checkpoints_have_work_values),
        cmocka_unit_test(times_after_checkpoints_are_those_of_their_age),
        cmocka_unit_test(works_and_times_are_those_of_the_published_headers),
        cmocka_unit_test(checkpoints_are_those_of_the_published_files),
        cmocka_unit_test(filter_checkpoints_are_as_published),
        cmocka_unit_test(filter_checkpoints_are_those_of_the_published_file),
        cmocka_unit_test(a_chain_starts_at_the_last_checkpoint_that_another_one_precedes),
        cmocka_unit_test(a_birthday_is_looked_up_with_two_weeks_to_spare),
        cmocka_unit_test(a_custom_signet_trusts_nothing_of_the_default_one),
        cmocka_unit_test(the_default_challenge_is_the_default_signet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
