/* Headers that are hashed ahead, at every length around a batch. */
#include "support/unit.h"

#include "spv/chain/hash_ahead.h"

static void every_header_gets_its_own_hash(void **state)
{
    static const size_t lengths[] = {1, 2, 63, 64, 65, 127, 128, 129, 200};
    (void)state;

    for (size_t k = 0; k < COUNT(lengths); k++) {
        const size_t n = lengths[k];
        /* of this size and no larger: a sanitizer finds a read past the last header */
        struct spv_header *headers = calloc(n, sizeof *headers);
        struct spv_hash_ahead ahead;
        assert_non_null(headers);
        for (size_t i = 0; i < n; i++)
            headers[i].nonce = (uint32_t)i;
        for (size_t i = 0; i < n; i++) {
            struct spv_blockhash hash;
            spv_header_hash(&hash, &headers[i]);
            assert_true(spv_blockhash_eq(&hash, spv_hash_ahead_at(&ahead, headers, i, n)));
        }
        free(headers);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_header_gets_its_own_hash),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
