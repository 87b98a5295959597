/* Headers: the 80 bytes and their hash, of well-known blocks. */
#include "support/unit.h"

#include <stdio.h>

#include "spv/header.h"

static const struct {
    const char *name, *raw, *hash, *prev, *root;
    int32_t version;
    uint32_t time, bits, nonce;
} blocks[] = {
    {"mainnet genesis",
     "0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac7"
     "2c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d1dac2b7c",
     "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f",
     "0000000000000000000000000000000000000000000000000000000000000000",
     "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b", 1, 1231006505, 0x1d00ffff,
     2083236893},
    {"mainnet 170, the first payment",
     "0100000055bd840a78798ad0da853f68974f3d183e2bd1db6a842c1feecf222a00000000ff104ccb05421ab93e63"
     "f8c3ce5c2c2e9dbb37de2764b3a3175c8166562cac7d51b96a49ffff001d283e9e70",
     "00000000d1145790a8694403d4063f323d499e655c83426834d4ce2f8dd4a2ee",
     "000000002a22cfee1f2c846adbd12b3e183d4f97683f85dad08a79780a84bd55",
     "7dac2c5666815c17a3b36427de37bb9d2e2c5ccec3f8633eb91a4205cb4c10ff", 1, 1231731025, 0x1d00ffff,
     1889418792},
    {"mainnet 32256, the first retarget",
     "010000004b0360d834a330ec7833e30e1f523ee05a0793361e29a73421964f980000000027b64a020af294e903fe"
     "ed93768705336a20090612a043f47af462a2f5e5b564f8ee3a4b6ad8001dd3a43707",
     "000000004f2886a170adb7204cb0c7a824217dd24d11a74423d564c4e0904967",
     "00000000984f962134a7291e3693075ae03e521f0ee33378ec30a334d860034b",
     "64b5e5f5a262f47af443a0120609206a3305877693edfe03e994f20a024ab627", 1, 1262153464, 0x1d00d86a,
     121087187},
};

static void known_headers_are_decoded_field_by_field(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(blocks); i++) {
        uint8_t raw[SPV_HEADER_SIZE], again[SPV_HEADER_SIZE];
        struct spv_header header;
        struct spv_blockhash hash;
        char text[SPV_HASH_HEX];

        assert_int_equal(unhex(raw, sizeof raw, blocks[i].raw), sizeof raw);
        spv_header_decode(&header, raw);
        assert_int_equal(header.version, blocks[i].version);
        spv_blockhash_hex(text, &header.prev);
        assert_string_equal(text, blocks[i].prev);
        spv_hash256_hex(text, &header.merkle_root);
        assert_string_equal(text, blocks[i].root);
        assert_int_equal(header.time, blocks[i].time);
        assert_int_equal(header.bits, blocks[i].bits);
        assert_int_equal(header.nonce, blocks[i].nonce);

        spv_header_encode(again, &header);
        assert_memory_equal(again, raw, sizeof raw);
        spv_header_hash(&hash, &header);
        spv_blockhash_hex(text, &hash);
        assert_string_equal(text, blocks[i].hash);
    }
}

static void negative_versions_and_full_words_are_kept(void **state)
{
    uint8_t raw[SPV_HEADER_SIZE], again[SPV_HEADER_SIZE];
    struct spv_header header;

    (void)state;
    memset(raw, 0xff, sizeof raw);
    spv_header_decode(&header, raw);
    assert_int_equal(header.version, -1);
    assert_true(header.time == UINT32_MAX && header.bits == UINT32_MAX);
    spv_header_encode(again, &header);
    assert_memory_equal(again, raw, sizeof raw);
}

static void many_headers_hash_as_one_by_one(void **state)
{
    uint8_t raw[COUNT(blocks) * SPV_HEADER_SIZE];
    struct spv_blockhash hashes[COUNT(blocks)];

    (void)state;
    for (size_t i = 0; i < COUNT(blocks); i++)
        unhex(raw + i * SPV_HEADER_SIZE, SPV_HEADER_SIZE, blocks[i].raw);
    spv_header_hash_raw(hashes, raw, COUNT(blocks));
    for (size_t i = 0; i < COUNT(blocks); i++) {
        char text[SPV_HASH_HEX];
        spv_blockhash_hex(text, &hashes[i]);
        assert_string_equal(text, blocks[i].hash);
    }
    spv_header_hash_raw(NULL, NULL, 0); /* nothing to do */
}

/* Each real header names the hash of the one before. */
static void real_headers_are_linked_by_their_hashes(void **state)
{
    const char *folder = getenv("SPV_TEST_DATA");
    char path[4096];
    uint8_t raw[SPV_HEADER_SIZE];
    struct spv_blockhash last;
    size_t n = 0;

    (void)state;
    if (!folder) {
        print_message("SPV_TEST_DATA is not set: no file of real headers to hash\n");
        skip();
    }
    snprintf(path, sizeof path, "%s/headers/mainnet-1-32260.bin", folder);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(spv_blockhash_from_hex(&last, blocks[0].hash), 0);
    while (fread(raw, 1, sizeof raw, file) == sizeof raw) {
        struct spv_header header;
        spv_header_decode(&header, raw);
        assert_true(spv_blockhash_eq(&header.prev, &last));
        spv_header_hash(&last, &header);
        n++;
    }
    fclose(file);
    assert_int_equal(n, 32260);
}

static void difficulty_is_that_of_getdifficulty(void **state)
{
    static const struct {
        uint32_t bits;
        double difficulty;
    } cases[] = {
        {0x1d00ffff, 1.0},
        {0x1b0404cb, 16307.420938523983}, /* Bitcoin Wiki's example */
        {0x1e0377ae, 0.001126515290698186}, /* signet's limit */
        {0x207fffff, 4.6565423739069247e-10}, /* regtest's limit */
        {0x1d000000, 0.0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const double d = spv_difficulty_from_bits(cases[i].bits);
        const double off = d - cases[i].difficulty;
        assert_true(off <= 1e-12 * d && off >= -1e-12 * d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_headers_are_decoded_field_by_field),
        cmocka_unit_test(negative_versions_and_full_words_are_kept),
        cmocka_unit_test(many_headers_hash_as_one_by_one),
        cmocka_unit_test(real_headers_are_linked_by_their_hashes),
        cmocka_unit_test(difficulty_is_that_of_getdifficulty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
