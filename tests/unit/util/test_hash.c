/* Hash functions against published vectors, and the header path against the plain one. */
#include "support/unit.h"

#include "util/hash.h"

static void equals(const uint8_t *got, size_t n, const char *hex)
{
    char text[65];

    spv_hex(text, got, n);
    assert_string_equal(text, hex);
}

static void sha256_matches_the_vectors_of_fips_180(void **state)
{
    uint8_t out[32];

    (void)state;
    spv_sha256(out, "", 0);
    equals(out, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    spv_sha256(out, "abc", 3);
    equals(out, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    spv_sha256(out, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56);
    equals(out, 32, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void sha256d_hashes_twice(void **state)
{
    uint8_t out[32];

    (void)state;
    spv_sha256d(out, "", 0);
    equals(out, 32, "5df6e0e2761359d30a8275058e299fcc0381534545f55cf43e41983f5d4c9456");
    spv_sha256d(out, "hello", 5);
    equals(out, 32, "9595c9df90075148eb06860365df33584b75bff782a510c6cd4883a419833d50");
}

static void hash160_matches_the_key_hash_of_bip173(void **state)
{
    uint8_t key[33];
    uint8_t out[20];

    (void)state;
    unhex(key, sizeof key, "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798");
    spv_hash160(out, key, sizeof key);
    equals(out, 20, "751e76e8199196d454941c45d1b3a323f1433bd6");
    spv_hash160(out, "", 0);
    equals(out, 20, "b472a266d0bd89c13706a4132ccfb16f7c3b9fcb");
}

static void header_path_equals_the_plain_double_hash(void **state)
{
    uint8_t raw[7 * 80];
    uint8_t out[7 * 32 + 1];

    (void)state;
    for (size_t i = 0; i < sizeof raw; i++)
        raw[i] = (uint8_t)(i * 131 + (i >> 3));
    for (size_t n = 0; n <= 7; n++) {
        memset(out, 0xee, sizeof out);
        spv_sha256d_headers(out, raw, n);
        for (size_t i = 0; i < n; i++) {
            uint8_t plain[32];
            spv_sha256d(plain, raw + i * 80, 80);
            assert_memory_equal(out + i * 32, plain, 32);
        }
        assert_int_equal(out[n * 32], 0xee); /* nothing past the last hash */
    }
}

/* The first of the paper's and the reference implementation's vectors: key 00..0f, input 00..n-1.
 */
static void siphash_matches_the_vectors_of_its_paper(void **state)
{
    static const uint64_t vectors[] = {
        UINT64_C(0x726fdb47dd0e0e31), UINT64_C(0x74f839c593dc67fd), UINT64_C(0x0d6c8009d9a94f5a),
        UINT64_C(0x85676696d7fb7e2d), UINT64_C(0xcf2794e0277187b7), UINT64_C(0x18765564cd99a68d),
        UINT64_C(0xcbc9466e58fee3ce), UINT64_C(0xab0200f58b01d137), UINT64_C(0x93f5f5799a932462),
        UINT64_C(0x9e0082df0ba9e4b0), UINT64_C(0x7a5dbbc594ddb9f3), UINT64_C(0xf4b32f46226bada7),
        UINT64_C(0x751e8fbc860ee5fb), UINT64_C(0x14ea5627c0843d90), UINT64_C(0xf723ca908e7af2ee),
        UINT64_C(0xa129ca6149be45e5),
    };
    const uint64_t k0 = UINT64_C(0x0706050403020100);
    const uint64_t k1 = UINT64_C(0x0f0e0d0c0b0a0908);
    uint8_t in[COUNT(vectors)];

    (void)state;
    for (size_t n = 0; n < COUNT(vectors); n++) {
        in[n] = (uint8_t)n;
        assert_true(spv_siphash(k0, k1, in, n) == vectors[n]);
    }
}

static void chunks_are_hashed_as_if_concatenated(void **state)
{
    uint8_t bytes[200], whole[32], out[32];

    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 29 + 3);
    spv_sha256d(whole, bytes, sizeof bytes);
    for (size_t cut = 0; cut <= sizeof bytes; cut++) {
        const struct spv_chunk chunks[] = {
            {bytes, cut}, {bytes, 0}, {bytes + cut, sizeof bytes - cut}};
        spv_sha256d_chunks(out, chunks, COUNT(chunks));
        assert_memory_equal(out, whole, sizeof whole);
    }
}

/* Around every multiple of a block, with and without room for the padding, and beyond what is
 * gathered before it is hashed. */
static void chunks_of_any_length_are_hashed(void **state)
{
    static uint8_t bytes[2500];
    uint8_t whole[32], out[32];

    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 31 + i / 256);
    for (size_t n = 0; n <= sizeof bytes; n++) {
        const size_t first = n / 3, second = n - first - n / 4;
        const struct spv_chunk chunks[] = {
            {bytes, first}, {bytes + first, second}, {bytes + first + second, n / 4}};
        spv_sha256d(whole, bytes, n);
        spv_sha256d_chunks(out, chunks, COUNT(chunks));
        assert_memory_equal(out, whole, sizeof whole);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_matches_the_vectors_of_fips_180),
        cmocka_unit_test(sha256d_hashes_twice),
        cmocka_unit_test(chunks_are_hashed_as_if_concatenated),
        cmocka_unit_test(chunks_of_any_length_are_hashed),
        cmocka_unit_test(hash160_matches_the_key_hash_of_bip173),
        cmocka_unit_test(header_path_equals_the_plain_double_hash),
        cmocka_unit_test(siphash_matches_the_vectors_of_its_paper),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
