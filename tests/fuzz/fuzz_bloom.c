/* A filterload payload, and behind it a transaction that the filter is matched with:
 * [u16 little-endian: bytes of the payload][payload][transaction].
 *
 * Invariants: what was inserted is contained; a filter survives its message; a match adds bits and
 * removes none, and matches again; a merge with itself changes nothing. */
#include <string.h>

#include "fuzz/fuzz.h"
#include "spv/bloom.h"
#include "wire/codec.h"

/* Whether all bits of a are set in b, too. */
static bool is_subset(const struct spv_msg_filterload *a, const struct spv_msg_filterload *b)
{
    for (size_t i = 0; i < a->n; i++)
        if ((a->filter[i] & ~b->filter[i]) != 0)
            return false;
    return a->n == b->n;
}

static void check_tx(struct spv_bloom *bloom, const struct spv_bloom *before,
                     const struct spv_tx *tx)
{
    const bool matched = spv_bloom_match_tx(bloom, tx);
    struct spv_msg_filterload old, new;

    spv_bloom_filterload(&old, before);
    spv_bloom_filterload(&new, bloom);
    FUZZ_CHECK(is_subset(&old, &new));
    if (!matched)
        FUZZ_CHECK(is_subset(&new, &old));
    else
        FUZZ_CHECK(spv_bloom_match_tx(bloom, tx));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct spv_msg msg = {.command = SPV_CMD_FILTERLOAD};
    struct spv_msg_filterload load, copied;
    struct spv_arena arena = {0};
    struct spv_bloom *bloom, *copy;
    struct spv_tx tx;
    size_t n;

    if (size < 2)
        return 0;
    n = (size_t)data[0] | (size_t)data[1] << 8;
    data += 2;
    size -= 2;
    if (n > size)
        n = size;
    if (spv_msg_decode(&msg, data, n, 70016, &arena) != 0)
        return 0;
    FUZZ_CHECK(spv_bloom_from_filterload(&bloom, &msg.u.filterload) == 0);
    spv_bloom_filterload(&load, bloom);
    FUZZ_CHECK(spv_bloom_from_filterload(&copy, &load) == 0);
    spv_bloom_filterload(&copied, copy);
    FUZZ_CHECK(is_subset(&load, &copied) && is_subset(&copied, &load));
    FUZZ_CHECK(load.functions == msg.u.filterload.functions && load.n == msg.u.filterload.n);
    FUZZ_CHECK(spv_bloom_merge(copy, bloom) == 0);
    FUZZ_CHECK(is_subset(&copied, &load));
    if (spv_tx_parse(&tx, data + n, size - n) == 0)
        check_tx(bloom, copy, &tx);
    spv_bloom_insert(bloom, data, size);
    FUZZ_CHECK(spv_bloom_contains(bloom, data, size));
    spv_bloom_free(copy);
    spv_bloom_free(bloom);
    return 0;
}
