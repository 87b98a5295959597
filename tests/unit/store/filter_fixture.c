#include "filter_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spv/filter.h"

size_t filter_size(uint32_t height)
{
    return height == 0 ? 4 : FILTER_MIN + height % 7;
}

struct spv_bytes filter_at(const struct filter_chain *chain, uint32_t height)
{
    return (struct spv_bytes){.bytes = chain->bytes[height], .n = filter_size(height)};
}

void fork_filters(struct filter_chain *out, const struct filter_chain *below, uint32_t height,
                  uint32_t salt)
{
    *out = *below;
    for (uint32_t h = height + 1; h < FILTERS_MAX; h++) {
        static const struct spv_filter_header zero;
        static const uint8_t genesis[4] = {0x01, 0x47, 0x56, 0xc0};
        memset(out->bytes[h], 0x5a, sizeof out->bytes[h]);
        memcpy(out->bytes[h], h == 0 ? genesis : (const uint8_t *)&h, sizeof h);
        memcpy(out->bytes[h] + 4, &salt, sizeof salt);
        const struct spv_filter filter = {.bytes = out->bytes[h], .n = filter_size(h)};
        spv_filter_compute_hash(&out->hashes[h], &filter);
        spv_filter_compute_header(&out->headers[h], &out->hashes[h],
                                  h == 0 ? &zero : &out->headers[h - 1]);
    }
}

void make_filters(struct filter_chain *out, uint32_t salt)
{
    static const struct filter_chain none;
    fork_filters(out, &none, UINT32_MAX, salt); /* from height 0 on */
}

int add_filters(struct spv_store *s, const struct filter_chain *chain, uint32_t from, size_t n,
                bool hashes)
{
    struct spv_chain_header block = {.height = 0};
    const int rc = spv_store_by_height(s, &block, from + (uint32_t)n - 1);
    if (rc < 0)
        return rc;
    const struct spv_filter_update update = {.first = from,
                                             .headers = chain->headers + from,
                                             .hashes = hashes ? chain->hashes + from : NULL,
                                             .n = n,
                                             .last_block = block.hash};
    return spv_store_apply_filter_headers(s, &update);
}

int keep(struct spv_store *s, const struct filter_chain *chain, uint32_t height, uint64_t limit)
{
    const struct spv_bytes filter = filter_at(chain, height);
    return spv_store_keep_filter(s, height, &filter, limit);
}

struct spv_store *open_with(const char *path, enum spv_store_mode mode,
                            const struct spv_params *params)
{
    struct spv_store *s = NULL;
    struct spv_error_info why = {.text = ""};
    const struct spv_store_config cfg = {.path = path, .params = params, .mode = mode};
    if (spv_store_open(&s, &cfg, &why) != 0)
        fail_msg("%s", why.text);
    return s;
}

void assert_filters(struct spv_store *s, const struct filter_chain *chain, uint32_t first,
                    uint32_t last, uint32_t known)
{
    const struct spv_filter_db db = spv_store_filter_db(s);
    struct spv_filter_header headers[FILTERS_MAX + 2];
    struct spv_filter_hash hashes[FILTERS_MAX + 2];
    const uint32_t n = last - first + 1;
    uint32_t got[2] = {UINT32_MAX, UINT32_MAX};
    assert_int_equal(db.range(db.ctx, &got[0], &got[1]), 1);
    assert_int_equal(got[0], first);
    assert_int_equal(got[1], last);
    assert_int_equal(db.headers(db.ctx, headers, NULL, first, n + 2), n);
    assert_memory_equal(headers, chain->headers + first, n * sizeof headers[0]);
    assert_int_equal(db.headers(db.ctx, NULL, hashes, known, UINT32_MAX), last + 1 - known);
    assert_memory_equal(hashes, chain->hashes + known, (last + 1 - known) * sizeof hashes[0]);
    if (known > first)
        assert_int_equal(db.headers(db.ctx, headers, hashes, known - 1, 5), 0);
    assert_int_equal(db.headers(db.ctx, headers, hashes, last + 1, 5), 0);
    if (first > 0)
        assert_int_equal(db.headers(db.ctx, headers, NULL, first - 1, 5), 0);
}

void assert_no_filters(struct spv_store *s)
{
    const struct spv_filter_db db = spv_store_filter_db(s);
    struct spv_filter_header headers[3];
    struct spv_bytes filter;
    uint32_t first;
    uint32_t last;
    assert_int_equal(db.range(db.ctx, &first, &last), 0);
    assert_int_equal(db.kept(db.ctx, &first, &last), 0);
    assert_int_equal(db.headers(db.ctx, headers, NULL, 0, 3), 0);
    assert_int_equal(db.filter(db.ctx, &filter, 0), 0);
}

void assert_kept(struct spv_store *s, const struct filter_chain *chain, const char *heights)
{
    const struct spv_filter_db db = spv_store_filter_db(s);
    bool want[FILTERS_MAX + 1] = {false};
    uint32_t run[2] = {0, 0};
    uint64_t n = 0;
    uint64_t bytes = 0;
    for (const char *at = heights; *at != '\0'; at += *at == ',') {
        char *end = NULL;
        run[0] = run[1] = (uint32_t)strtoul(at, &end, 10);
        if (*end == '-')
            run[1] = (uint32_t)strtoul(end + 1, &end, 10);
        for (uint32_t h = run[0]; h <= run[1]; h++)
            want[h] = true;
        at = end;
    }
    for (uint32_t h = 0; h < FILTERS_MAX; h++) {
        struct spv_bytes filter = {.n = 0};
        assert_int_equal(db.filter(db.ctx, &filter, h), want[h]);
        if (want[h]) {
            assert_int_equal(filter.n, filter_size(h));
            assert_memory_equal(filter.bytes, chain->bytes[h], filter.n);
            n++;
            bytes += filter.n;
        }
    }
    uint32_t got[2] = {0, 0};
    assert_int_equal(db.kept(db.ctx, &got[0], &got[1]), n > 0);
    assert_int_equal(got[0], run[0]);
    assert_int_equal(got[1], run[1]);
    struct spv_store_info info;
    assert_int_equal(spv_store_get_info(s, &info), 0);
    assert_int_equal(info.kept_filters, n);
    assert_int_equal(info.kept_filter_bytes, bytes);
}
