/* BIP37: the i-th hash function is MurmurHash3 with the seed i * 0xfba4c795 + tweak, modulo the
 * number of bits. For n items at a rate p, Bitcoin Core takes
 *
 *     bits = -n ln(p) / (ln 2)^2, in whole bytes          functions = floor(bits / n) ln 2
 *
 * Logarithm and power are computed here: libm is not linked. */
#include "spv/bloom.h"

#include <stdlib.h>
#include <string.h>

#include "spv/error.h"
#include "spv/wallet/bloom_state.h"

#define LN2 0.6931471805599453094172321214581765680755001343602552
#define OUTPOINT 36

/* The natural logarithm of x, 0 < x < 1: x is 2^-e m with 1/2 <= m < 1, and ln m = 2 artanh z with
 * z = (m - 1) / (m + 1), |z| <= 1/3, whose series has all bits of a double after 20 terms. */
static double natural_log(double x)
{
    double z, term, sum = 0, halvings = 0;

    for (; x < 0.5; x *= 2)
        halvings++;
    z = (x - 1) / (x + 1);
    term = z;
    for (int k = 1; k < 40; k += 2) {
        sum += term / k;
        term *= z * z;
    }
    return 2 * sum - halvings * LN2;
}

static double bloom_power(double x, uint64_t n)
{
    double out = 1;

    for (; n > 0; n /= 2) {
        if (n % 2 == 1)
            out *= x;
        x *= x;
    }
    return out;
}

int spv_bloom_size(struct spv_bloom_shape *out, size_t n_items, double rate)
{
    const size_t max_bits = (size_t)SPV_MAX_FILTER_LOAD * 8;
    double bits;
    size_t n_bytes, bits_per_item, n_functions;

    if (n_items == 0 || !(rate > 0 && rate < 1))
        return SPV_ERR_INVALID;
    if (n_items > max_bits)
        return SPV_ERR_TOO_LONG;
    bits = -1 / (LN2 * LN2) * (double)n_items * natural_log(rate);
    n_bytes = (bits < (double)max_bits ? (size_t)bits : max_bits) / 8;
    bits_per_item = n_bytes * 8 / n_items;
    n_functions = (size_t)((double)bits_per_item * LN2);
    if (n_functions == 0) /* no bytes, or fewer than two bits per item */
        return SPV_ERR_INVALID;
    out->n_bytes = n_bytes;
    out->n_functions =
        n_functions < SPV_MAX_FILTER_FUNCTIONS ? (uint32_t)n_functions : SPV_MAX_FILTER_FUNCTIONS;
    return 0;
}

double spv_bloom_rate(const struct spv_bloom_shape *shape, size_t n_items)
{
    const uint64_t bits = (uint64_t)shape->n_bytes * 8;
    double is_zero;

    if (bits == 0)
        return 1;
    /* A bit is 0 with the probability (1 - 1/bits)^(items functions). */
    is_zero = bloom_power(bloom_power(1 - 1 / (double)bits, n_items), shape->n_functions);
    return bloom_power(1 - is_zero, shape->n_functions);
}

static int check_shape(const struct spv_bloom_shape *shape)
{
    if (shape->n_bytes > SPV_MAX_FILTER_LOAD || shape->n_functions > SPV_MAX_FILTER_FUNCTIONS)
        return SPV_ERR_TOO_LONG;
    return shape->update == SPV_BLOOM_UPDATE_NONE || shape->update == SPV_BLOOM_UPDATE_ALL ||
                   shape->update == SPV_BLOOM_UPDATE_P2PUBKEY_ONLY
               ? 0
               : SPV_ERR_INVALID;
}

static int bloom_alloc(struct spv_bloom **out, const struct spv_bloom_shape *shape)
{
    struct spv_bloom *bloom;
    int rc = check_shape(shape);

    *out = NULL;
    if (rc < 0)
        return rc;
    bloom = calloc(1, sizeof *bloom + shape->n_bytes);
    if (!bloom)
        return SPV_ERR_NOMEM;
    bloom->shape = *shape;
    if (shape->n_bytes > 0)
        bloom->reciprocal = (uint32_t)(((uint64_t)1 << 32) / (shape->n_bytes * 8));
    *out = bloom;
    return 0;
}

int spv_bloom_new(struct spv_bloom **out, const struct spv_bloom_shape *shape)
{
    *out = NULL;
    if (shape->n_bytes == 0 || shape->n_functions == 0)
        return SPV_ERR_INVALID;
    return bloom_alloc(out, shape);
}

int spv_bloom_from_filterload(struct spv_bloom **out, const struct spv_msg_filterload *load)
{
    const struct spv_bloom_shape shape = {.n_bytes = load->n,
                                          .n_functions = load->functions,
                                          .tweak = load->tweak,
                                          .update = (enum spv_bloom_update)load->update};
    int rc = bloom_alloc(out, &shape);

    if (rc == 0 && load->n > 0)
        memcpy((*out)->bits, load->filter, load->n);
    return rc;
}

void spv_bloom_free(struct spv_bloom *bloom)
{
    free(bloom);
}

void spv_bloom_filterload(struct spv_msg_filterload *out, const struct spv_bloom *bloom)
{
    *out = (struct spv_msg_filterload){.filter = bloom->bits,
                                       .n = bloom->shape.n_bytes,
                                       .functions = bloom->shape.n_functions,
                                       .tweak = bloom->shape.tweak,
                                       .update = (uint8_t)bloom->shape.update};
}

const struct spv_bloom_shape *spv_bloom_get_shape(const struct spv_bloom *bloom)
{
    return &bloom->shape;
}

static void set_bit(struct spv_bloom *bloom, uint32_t bit)
{
    bloom->bits[bit / 8] |= (uint8_t)(1u << bit % 8);
}

static void set_bits(struct spv_bloom *bloom, struct spv_murmur3_pair hash, bool both)
{
    const struct spv_murmur3_pair bit = spv_bloom_bits(bloom, hash);

    set_bit(bloom, bit.first);
    if (both)
        set_bit(bloom, bit.second);
}

/* Items of whole words, 4 * n_words bytes, are mixed once for all hash functions. */
SPV_BLOOM_INLINE void insert_words(struct spv_bloom *bloom, const uint8_t *data, size_t n_words)
{
    const uint32_t end = spv_bloom_functions(bloom);
    uint32_t mixed[OUTPOINT / 4];

    spv_murmur3_mix_words(mixed, data, n_words);
    for (uint32_t i = 0; i < end; i += 2) {
        const uint32_t seed = spv_bloom_seed(bloom, i), next = seed + SPV_BLOOM_SEED_STEP;
        set_bits(bloom, spv_murmur3_words(seed, next, mixed, n_words), i + 1 < end);
    }
}

static void insert_bytes(struct spv_bloom *bloom, const uint8_t *data, size_t n)
{
    const uint32_t end = spv_bloom_functions(bloom);

    for (uint32_t i = 0; i < end; i += 2) {
        const uint32_t seed = spv_bloom_seed(bloom, i), next = seed + SPV_BLOOM_SEED_STEP;
        set_bits(bloom, spv_murmur3(seed, next, data, n), i + 1 < end);
    }
}

void spv_bloom_insert(struct spv_bloom *bloom, const uint8_t *data, size_t n)
{
    switch (n) { /* the usual items: of constant length the hash has no loop */
    case 20:
        insert_words(bloom, data, 5);
        break;
    case 32:
        insert_words(bloom, data, 8);
        break;
    case OUTPOINT:
        insert_words(bloom, data, OUTPOINT / 4);
        break;
    default:
        insert_bytes(bloom, data, n);
    }
}

bool spv_bloom_contains(const struct spv_bloom *bloom, const uint8_t *data, size_t n)
{
    return spv_bloom_test(bloom, data, n);
}

/* COutPoint as serialised: the txid and the index, little-endian. */
static void encode_outpoint(uint8_t out[OUTPOINT], const struct spv_txid *txid, uint32_t index)
{
    memcpy(out, txid->b, sizeof txid->b);
    for (unsigned i = 0; i < 4; i++)
        out[sizeof txid->b + i] = (uint8_t)(index >> 8 * i);
}

void spv_bloom_insert_outpoint(struct spv_bloom *bloom, const struct spv_txid *txid, uint32_t index)
{
    uint8_t outpoint[OUTPOINT];

    encode_outpoint(outpoint, txid, index);
    spv_bloom_insert(bloom, outpoint, sizeof outpoint);
}

bool spv_bloom_contains_outpoint(const struct spv_bloom *bloom, const struct spv_txid *txid,
                                 uint32_t index)
{
    uint8_t outpoint[OUTPOINT];

    encode_outpoint(outpoint, txid, index);
    return spv_bloom_contains(bloom, outpoint, sizeof outpoint);
}

int spv_bloom_merge(struct spv_bloom *bloom, const struct spv_bloom *other)
{
    const struct spv_bloom_shape *a = &bloom->shape, *b = &other->shape;

    if (a->n_bytes != b->n_bytes || a->n_functions != b->n_functions || a->tweak != b->tweak ||
        a->update != b->update)
        return SPV_ERR_INVALID;
    for (size_t i = 0; i < a->n_bytes; i++)
        bloom->bits[i] |= other->bits[i];
    return 0;
}
