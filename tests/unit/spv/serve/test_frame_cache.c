/* Encoded answers from a bounded cache equal those without a cache, after every chain update. */
#include <stdlib.h>
#include <string.h>

#include "spv/error.h"
#include "spv/serve.h"
#include "spv/serve/frame_cache.h"
#include "support/random.h"
#include "unit/spv/chain/chain_fixture.h"
#include "wire/codec.h"

#define TOP 6500 /* three chunks and a quarter */
#define FORK 3000
#define BRANCH 5500 /* where the other branch ends */
#define CHUNK_BYTES 163840 /* a chunk and its bookkeeping */

/* Two chains that fork above FORK, and a header database of either. */
static struct chain_fixture_headers headers[2];
static struct chain_fixture_store stores[2];

struct serve_fixture {
    struct spv_chain_header *records;
    uint32_t tip;
    struct spv_blockhash unknown; /* lookup fails */
    unsigned held; /* reads outside of begin_read/end_read fail the test */
    struct spv_serve_cache *cache;
    uint64_t random; /* the next random number */
    struct spv_header out[SPV_MAX_HEADERS];
};

static int scene_tip(void *ctx, struct spv_chain_header *out)
{
    struct serve_fixture *s = ctx;
    *out = s->records[s->tip];
    return 1;
}

static int scene_by_height(void *ctx, struct spv_chain_header *out, uint32_t height)
{
    struct serve_fixture *s = ctx;
    assert_int_equal(s->held, 1);
    if (height > s->tip)
        return 0;
    *out = s->records[height];
    return 1;
}

static int scene_by_hash(void *ctx, struct spv_chain_header *out, const struct spv_blockhash *hash)
{
    struct serve_fixture *s = ctx;
    assert_int_equal(s->held, 1);
    for (uint32_t h = 0; h <= s->tip && !spv_blockhash_eq(hash, &s->unknown); h++)
        if (spv_blockhash_eq(&s->records[h].hash, hash))
            return scene_by_height(ctx, out, h);
    return 0;
}

static int scene_range(void *ctx, struct spv_header *out, uint32_t from, uint32_t n)
{
    struct serve_fixture *s = ctx;
    uint32_t got = 0;
    assert_int_equal(s->held, 1);
    for (; got < n && from + got <= s->tip; got++)
        out[got] = s->records[from + got].header;
    return (int)got;
}

static int scene_hold(void *ctx)
{
    struct serve_fixture *s = ctx;
    s->held++;
    return 0;
}

static void scene_release(void *ctx)
{
    struct serve_fixture *s = ctx;
    s->held--;
}

static void scene_random(void *ctx, void *out, size_t n)
{
    struct serve_fixture *s = ctx;
    assert_int_equal(n, sizeof s->random);
    memcpy(out, &s->random, n);
}

static struct spv_header_db reader_of(struct serve_fixture *s)
{
    return (struct spv_header_db){.ctx = s,
                                  .tip = scene_tip,
                                  .by_height = scene_by_height,
                                  .by_hash = scene_by_hash,
                                  .range = scene_range,
                                  .begin_read = scene_hold,
                                  .end_read = scene_release};
}

static struct serve_fixture *begin(size_t max_bytes)
{
    struct serve_fixture *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->records = stores[0].records;
    s->tip = TOP;
    const struct spv_serve_cache_config cfg = {.net = spv_netid_get(SPV_REGTEST),
                                               .header_db = reader_of(s),
                                               .rng = {scene_random, s},
                                               .max_bytes = max_bytes};
    assert_int_equal(spv_serve_cache_new(&s->cache, &cfg), 0);
    return s;
}

static void end(struct serve_fixture *s)
{
    spv_serve_cache_free(s->cache);
    free(s);
}

static struct spv_serve_cache_stats stats_of(const struct serve_fixture *s)
{
    struct spv_serve_cache_stats stats;
    spv_serve_cache_get_stats(s->cache, &stats);
    return stats;
}

/* The answer must be a valid frame of what spv_serve_headers returns. Returns how many headers
 * it has. */
static int check(struct serve_fixture *s, const struct spv_msg_getheaders *request)
{
    const struct spv_header_db reader = reader_of(s);
    const int n = spv_serve_headers(&reader, s->out, request);
    struct spv_shared_frame *f;
    struct spv_frame frame;
    struct spv_msg msg;
    struct spv_arena arena = {0};

    assert_int_equal(spv_serve_cache_answer(s->cache, &f, request), n);
    assert_int_equal(s->held, 0);
    assert_int_equal(spv_frame_read(&frame, f->bytes, spv_netid_get(SPV_REGTEST), SPV_MAX_PAYLOAD),
                     0);
    assert_int_equal(frame.command, SPV_CMD_HEADERS);
    assert_int_equal(f->n, SPV_FRAME_HEADER + frame.length);
    assert_int_equal(spv_frame_check(&frame, f->bytes + SPV_FRAME_HEADER), 0);
    msg.command = SPV_CMD_HEADERS;
    assert_int_equal(spv_msg_decode(&msg, f->bytes + SPV_FRAME_HEADER, frame.length, 0, &arena), 0);
    assert_int_equal(msg.u.headers.n, n);
    if (n > 0)
        assert_memory_equal(msg.u.headers.headers, s->out, (size_t)n * sizeof s->out[0]);
    spv_arena_free(&arena);
    spv_shared_frame_unref(f);
    return n;
}

static int check_after(struct serve_fixture *s, uint32_t height)
{
    const struct spv_msg_getheaders request = {.locator = &s->records[height].hash, .n = 1};
    return check(s, &request);
}

static void answers_are_the_same_as_without_a_cache(void **state)
{
    static const size_t bytes[] = {1, CHUNK_BYTES, 2 * CHUNK_BYTES, 0};
    struct test_random random = {.state = 7};
    (void)state;
    for (size_t i = 0; i < sizeof bytes / sizeof bytes[0]; i++) {
        struct serve_fixture *s = begin(bytes[i]);
        for (unsigned k = 0; k < 60; k++) {
            struct spv_blockhash locator[2] = {{{1}}};
            struct spv_msg_getheaders request = {.locator = locator, .n = k % 10 == 9 ? 0 : 2};
            const uint64_t r = test_random_next(&random);
            const uint32_t from = (uint32_t)(r % 8 == 0 ? r % 4 * 2000 : r % (TOP + 1));
            const uint32_t stop = from + (uint32_t)(r >> 32) % 2500;
            locator[1] = s->records[from].hash;
            if (r >> 60 < 8 && stop <= TOP)
                request.stop = s->records[stop].hash;
            else if (r >> 60 < 10)
                request.stop.b[3] = 1; /* a hash of another chain */
            s->unknown = r >> 60 < 4 ? request.stop : locator[0];
            s->random = r >> 16;
            (void)check(s, &request);
        }
        s->unknown = (struct spv_blockhash){{0}};
        for (uint32_t n = 252; n <= 254; n++) { /* the count has another encoding */
            const struct spv_msg_getheaders request = {
                .locator = &s->records[1900].hash, .n = 1, .stop = s->records[1900 + n].hash};
            assert_int_equal(check(s, &request), (int)n);
        }
        assert_true(stats_of(s).chunks <= (bytes[i] == 0 ? 4 : bytes[i] / CHUNK_BYTES));
        end(s);
    }
}

static void the_default_is_32_mebibytes(void **state)
{
    struct serve_fixture *s = begin(0);
    (void)state;
    assert_int_equal(SPV_SERVE_CACHE_BYTES, 32 * 1024 * 1024);
    for (uint32_t from = 0; from < TOP; from += 2000)
        assert_true(check_after(s, from) > 0);
    assert_int_equal(stats_of(s).chunks, 4); /* all of this chain */
    end(s);
}

static void answer_at_an_aligned_height_is_the_chunk_itself(void **state)
{
    struct serve_fixture *s = begin(0);
    const struct spv_msg_getheaders request = {.locator = &s->records[2000].hash, .n = 1};
    struct spv_shared_frame *a, *b;
    (void)state;
    assert_int_equal(spv_serve_cache_answer(s->cache, &a, &request), SPV_MAX_HEADERS);
    assert_int_equal(spv_serve_cache_answer(s->cache, &b, &request), SPV_MAX_HEADERS);
    assert_ptr_equal(a, b);
    assert_int_equal(stats_of(s).n_unchanged_chunks, 2);
    assert_int_equal(stats_of(s).headers_read, SPV_MAX_HEADERS);
    spv_serve_cache_free(s->cache); /* it stays valid while a client sends it */
    assert_int_equal(a->bytes[SPV_FRAME_HEADER], 0xfd);
    spv_shared_frame_unref(a);
    spv_shared_frame_unref(b);
    free(s);
}

/* From genesis; in segments of 2,016 that are requested as 2,000 and 16; from the tip's locator. */
static void walk(struct serve_fixture *s, uint32_t start, uint32_t step)
{
    for (uint32_t from = start; from < s->tip; from += step) {
        (void)check_after(s, from);
        if (step > SPV_MAX_HEADERS && from + step <= s->tip) {
            const struct spv_msg_getheaders rest = {.locator =
                                                        &s->records[from + SPV_MAX_HEADERS].hash,
                                                    .n = 1,
                                                    .stop = s->records[from + step].hash};
            assert_int_equal(check(s, &rest), (int)(step - SPV_MAX_HEADERS));
        }
    }
}

static void client_that_downloads_the_chain_hits_the_cache_of_an_earlier_one(void **state)
{
    static const struct {
        uint32_t start, step, reread; /* parts of chunks of which few headers were requested */
    } walks[] = {{0, 2000, 0}, {0, 2016, 96}, {1500, 2000, 500}, {700, 2000, 1900}};
    (void)state;
    for (size_t i = 0; i < sizeof walks / sizeof walks[0]; i++) {
        struct serve_fixture *s = begin(0);
        walk(s, walks[i].start, walks[i].step);
        assert_true(stats_of(s).headers_read <= TOP + walks[i].reread);
        const uint64_t first = stats_of(s).headers_read;
        walk(s, walks[i].start, walks[i].step);
        assert_true(stats_of(s).headers_read - first <= walks[i].reread);
        end(s);
    }
}

static void reorganised_chunks_are_not_served(void **state)
{
    struct serve_fixture *s = begin(0);
    (void)state;
    for (uint32_t from = 0; from < TOP; from += 2000)
        (void)check_after(s, from);
    assert_int_equal(stats_of(s).chunks, 4);
    s->records = stores[1].records; /* the lowest chunk that changed is requested last */
    s->tip = BRANCH;
    assert_int_equal(check_after(s, 4000), BRANCH - 4000);
    assert_int_equal(stats_of(s).chunks, 3);
    assert_int_equal(check_after(s, 3000), 2000);
    assert_int_equal(check_after(s, 2000), 2000);
    assert_int_equal(check_after(s, 1000), 2000);
    const uint64_t read = stats_of(s).headers_read;
    assert_int_equal(check_after(s, 0), 2000); /* below the fork nothing is read again */
    assert_int_equal(stats_of(s).headers_read, read);
    s->tip = 1999; /* and a chain that became shorter */
    assert_int_equal(check_after(s, 0), 1999);
    assert_int_equal(check_after(s, 1500), 499);
    end(s);
}

static void chunk_at_the_tip_grows_with_the_chain(void **state)
{
    struct serve_fixture *s = begin(0);
    (void)state;
    s->tip = 2500;
    assert_int_equal(check_after(s, 1000), 1500);
    assert_int_equal(check_after(s, 2500), 0);
    uint64_t read = stats_of(s).headers_read;
    assert_int_equal(check_after(s, 2000), 500);
    assert_int_equal(stats_of(s).headers_read, read);
    s->tip = 2510;
    assert_int_equal(check_after(s, 2500), 10);
    assert_int_equal(stats_of(s).headers_read, read + 10);
    s->tip = 4100;
    assert_int_equal(check_after(s, 2000), 2000);
    assert_int_equal(stats_of(s).headers_read, read + 1500);
    assert_int_equal(stats_of(s).n_unchanged_chunks, 1); /* it is complete now */
    end(s);
}

static void full_cache_replaces_a_random_chunk(void **state)
{
    (void)state;
    for (uint64_t which = 0; which < 2; which++) {
        struct serve_fixture *s = begin(2 * CHUNK_BYTES);
        (void)check_after(s, 0);
        (void)check_after(s, 2000);
        s->random = 10 + which;
        (void)check_after(s, 4000); /* takes the place of one of them */
        assert_int_equal(stats_of(s).chunks, 2);
        const uint64_t read = stats_of(s).headers_read;
        (void)check_after(s, which == 0 ? 2000 : 0); /* the other one is there */
        assert_int_equal(stats_of(s).headers_read, read);
        end(s);
    }
}

static int set_up(void **state)
{
    const struct spv_params *params = spv_params_get(SPV_REGTEST);
    (void)state;
    headers[0] = chain_fixture_mined(params, NULL, 0, TOP, 600, 1);
    headers[1] = chain_fixture_mined(params, &headers[0], FORK, BRANCH - FORK, 600, 2);
    for (size_t i = 0; i < 2; i++) {
        struct spv_chain *c;
        chain_fixture_store_init(&stores[i], params);
        const struct spv_chain_config cfg = {.params = params,
                                             .header_db = chain_fixture_reader(&stores[i])};
        assert_int_equal(spv_chain_new(&c, &cfg), 0);
        chain_fixture_feed_stored(c, &stores[i], &headers[i], 0, headers[i].n);
        spv_chain_free(c);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        chain_fixture_store_free(&stores[i]);
        chain_fixture_headers_free(&headers[i]);
    }
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_the_same_as_without_a_cache),
        cmocka_unit_test(the_default_is_32_mebibytes),
        cmocka_unit_test(answer_at_an_aligned_height_is_the_chunk_itself),
        cmocka_unit_test(client_that_downloads_the_chain_hits_the_cache_of_an_earlier_one),
        cmocka_unit_test(reorganised_chunks_are_not_served),
        cmocka_unit_test(chunk_at_the_tip_grows_with_the_chain),
        cmocka_unit_test(full_cache_replaces_a_random_chunk),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
