/* A query sorts its scripts by word count and writes each batch into rows of lanes (see the
 * header). Hashing a batch runs SipHash over eight lanes at once: in two AVX2 vectors where the
 * processor has them, else lane by lane. */
#include "spv/filters/filter_query.h"

#include <stdlib.h>
#include <string.h>

#include "spv/error.h"
#include "util/cursor.h"
#include "util/siphash.h"

#if SPV_SIMD_X86
#include <immintrin.h>
#endif

#define LANES SPV_FILTER_LANES
#define MAX_SCRIPTS ((size_t)1 << 31)

static size_t words_of(size_t script_size)
{
    return script_size / 8 + 1;
}

/* Writes the words of a script into a lane of a row. */
static void fill_lane(uint64_t *row, size_t lane, const struct spv_bytes *script)
{
    const size_t n_words = words_of(script->n);
    struct spv_cursor c = spv_cursor_over(script->bytes, script->n);
    uint64_t last = (uint64_t)(script->n & 0xff) << 56;

    for (size_t w = 0; w + 1 < n_words; w++)
        row[w * LANES + lane] = spv_cursor_u64(&c);
    for (unsigned i = 0; i < script->n % 8; i++)
        last |= (uint64_t)spv_cursor_u8(&c) << (8 * i);
    row[(n_words - 1) * LANES + lane] = last;
}

/* A script and its number of words, to sort scripts into slots. */
struct sized {
    size_t n_words;
    uint32_t script;
};

static int sized_cmp(const void *left, const void *right)
{
    const struct sized *a = left, *b = right;

    if (a->n_words != b->n_words)
        return a->n_words < b->n_words ? -1 : 1;
    return a->script < b->script ? -1 : a->script > b->script;
}

/* The number of sized[0..n) that are in one batch with the first. */
static size_t batch_size(const struct sized *sized, size_t n)
{
    size_t k = 0;

    while (k < n && k < SPV_SCRIPT_BATCH_SLOTS && sized[k].n_words == sized[0].n_words)
        k++;
    return k;
}

static size_t rows_of(size_t n)
{
    return (n + LANES - 1) / LANES;
}

/* Writes the scripts into batches, in the order of sized[0..n). Returns 0 or SPV_ERR_NOMEM. */
static int query_lay_out(struct spv_filter_query *query, const struct sized *sized, size_t n,
                         const struct spv_bytes *scripts)
{
    size_t n_words = 0, slot = 0;
    uint64_t *row;

    for (size_t at = 0, k; at < n; at += k) {
        k = batch_size(sized + at, n - at);
        query->n_batches++;
        query->n_slots += rows_of(k) * LANES;
        n_words += rows_of(k) * LANES * sized[at].n_words;
    }
    query->batches = calloc(query->n_batches + 1, sizeof *query->batches);
    query->script_of = calloc(query->n_slots + 1, sizeof *query->script_of);
    query->words = calloc(n_words + 1, sizeof *query->words);
    if (!query->batches || !query->script_of || !query->words)
        return SPV_ERR_NOMEM;
    row = query->words;
    for (size_t at = 0, k, g = 0; at < n; at += k, g++) {
        k = batch_size(sized + at, n - at);
        query->batches[g] = (struct spv_script_batch){
            .n_words = sized[at].n_words, .n_rows = rows_of(k), .first_slot = slot, .words = row};
        for (size_t i = 0; i < rows_of(k) * LANES; i++) {
            const uint32_t script = sized[at + (i < k ? i : k - 1)].script;
            query->script_of[slot++] = script;
            fill_lane(row, i % LANES, &scripts[script]);
            if (i % LANES == LANES - 1)
                row += sized[at].n_words * LANES;
        }
    }
    return 0;
}

int spv_filter_query_new(struct spv_filter_query **out, const struct spv_bytes *scripts, size_t n)
{
    struct spv_filter_query *query;
    struct sized *sized;
    size_t n_sized = 0;
    int rc;

    *out = NULL;
    if (n > MAX_SCRIPTS)
        return SPV_ERR_TOO_LONG;
    query = calloc(1, sizeof *query);
    sized = calloc(n + 1, sizeof *sized);
    if (!query || !sized) {
        free(sized);
        free(query);
        return SPV_ERR_NOMEM;
    }
    query->n = n;
    for (size_t i = 0; i < n; i++)
        if (scripts[i].n > 0)
            sized[n_sized++] =
                (struct sized){.n_words = words_of(scripts[i].n), .script = (uint32_t)i};
    qsort(sized, n_sized, sizeof *sized, sized_cmp);
    rc = query_lay_out(query, sized, n_sized, scripts);
    free(sized);
    if (rc != 0) {
        spv_filter_query_free(query);
        return rc;
    }
    *out = query;
    return 0;
}

void spv_filter_query_free(struct spv_filter_query *query)
{
    if (!query)
        return;
    free(query->batches);
    free(query->script_of);
    free(query->words);
    free(query);
}

size_t spv_filter_query_count(const struct spv_filter_query *query)
{
    return query->n;
}

/* SipHash-2-4 of the words of one lane. */
SPV_INLINE uint64_t hash_lane(const uint64_t *words, size_t n_words, struct spv_sip s)
{
    for (size_t w = 0; w < n_words; w++)
        spv_sip_word(&s, words[w * LANES]);
    return spv_sip_finish(s);
}

#if SPV_SIMD_X86
/* Four lanes per vector. */
struct sip4 {
    __m256i v0, v1, v2, v3;
};

#define ROTL4(x, n) _mm256_or_si256(_mm256_slli_epi64(x, n), _mm256_srli_epi64(x, 64 - (n)))

SPV_TARGET_AVX2 SPV_INLINE void sip_round4(struct sip4 *s, __m256i rotl16)
{
    s->v0 = _mm256_add_epi64(s->v0, s->v1);
    s->v2 = _mm256_add_epi64(s->v2, s->v3);
    s->v1 = _mm256_xor_si256(ROTL4(s->v1, 13), s->v0);
    s->v3 = _mm256_xor_si256(_mm256_shuffle_epi8(s->v3, rotl16), s->v2);
    s->v0 = _mm256_shuffle_epi32(s->v0, 0xb1);
    s->v2 = _mm256_add_epi64(s->v2, s->v1);
    s->v0 = _mm256_add_epi64(s->v0, s->v3);
    s->v1 = _mm256_xor_si256(ROTL4(s->v1, 17), s->v2);
    s->v3 = _mm256_xor_si256(ROTL4(s->v3, 21), s->v0);
    s->v2 = _mm256_shuffle_epi32(s->v2, 0xb1);
}

SPV_TARGET_AVX2 SPV_INLINE __m256i sip_end4(const struct sip4 *s)
{
    return _mm256_xor_si256(_mm256_xor_si256(s->v0, s->v1), _mm256_xor_si256(s->v2, s->v3));
}

SPV_TARGET_AVX2 SPV_INLINE void hash_row_avx2(uint64_t *out, const uint64_t *words, size_t n_words,
                                              const struct spv_sip *start)
{
    const __m256i rotl16 = _mm256_set_epi8(13, 12, 11, 10, 9, 8, 15, 14, 5, 4, 3, 2, 1, 0, 7, 6, 13,
                                           12, 11, 10, 9, 8, 15, 14, 5, 4, 3, 2, 1, 0, 7, 6);
    struct sip4 a = {
        _mm256_set1_epi64x((long long)start->v0), _mm256_set1_epi64x((long long)start->v1),
        _mm256_set1_epi64x((long long)start->v2), _mm256_set1_epi64x((long long)start->v3)};
    struct sip4 b = a;

    for (size_t w = 0; w < n_words; w++) {
        const __m256i ma = _mm256_loadu_si256((const __m256i *)(const void *)(words + w * LANES));
        const __m256i mb =
            _mm256_loadu_si256((const __m256i *)(const void *)(words + w * LANES + 4));
        a.v3 = _mm256_xor_si256(a.v3, ma);
        b.v3 = _mm256_xor_si256(b.v3, mb);
        sip_round4(&a, rotl16);
        sip_round4(&b, rotl16);
        sip_round4(&a, rotl16);
        sip_round4(&b, rotl16);
        a.v0 = _mm256_xor_si256(a.v0, ma);
        b.v0 = _mm256_xor_si256(b.v0, mb);
    }
    a.v2 = _mm256_xor_si256(a.v2, _mm256_set1_epi64x(0xff));
    b.v2 = _mm256_xor_si256(b.v2, _mm256_set1_epi64x(0xff));
    for (unsigned i = 0; i < 4; i++) {
        sip_round4(&a, rotl16);
        sip_round4(&b, rotl16);
    }
    _mm256_storeu_si256((__m256i *)(void *)out, sip_end4(&a));
    _mm256_storeu_si256((__m256i *)(void *)(out + 4), sip_end4(&b));
}

SPV_TARGET_AVX2 static void batch_hash_avx2(uint64_t *out, const struct spv_script_batch *batch,
                                            const struct spv_sip *start, uint64_t range)
{
    for (size_t r = 0; r < batch->n_rows; r++) {
        uint64_t hashes[LANES];
        hash_row_avx2(hashes, batch->words + r * batch->n_words * LANES, batch->n_words, start);
        for (unsigned l = 0; l < LANES; l++)
            *out++ = spv_gcs_value(hashes[l], range);
    }
}
#endif

void spv_script_batch_hash(uint64_t *out, const struct spv_script_batch *batch,
                           struct spv_gcs_key key, uint64_t range, enum spv_simd simd)
{
    const struct spv_sip start = spv_sip_start(key.k0, key.k1);

#if SPV_SIMD_X86
    if (simd == SPV_SIMD_AVX2) {
        batch_hash_avx2(out, batch, &start, range);
        return;
    }
#endif
    (void)simd;
    for (size_t r = 0; r < batch->n_rows; r++) {
        const uint64_t *row = batch->words + r * batch->n_words * LANES;
        for (unsigned l = 0; l < LANES; l++)
            *out++ = spv_gcs_value(hash_lane(row + l, batch->n_words, start), range);
    }
}
