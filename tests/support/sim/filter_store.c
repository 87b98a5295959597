#include "support/sim/filter_store.h"

#include <stdlib.h>
#include <string.h>

#include "spv/filter.h"
#include "support/sim/internal.h"

void sim_filter_store_init(struct sim_filter_store *s, const struct sim_store *chain)
{
    *s = (struct sim_filter_store){.chain = chain};
}

static void drop_filter(struct sim_filter_store *s, struct sim_filter_row *row)
{
    if (!row->filter)
        return;
    free(row->filter);
    row->filter = NULL;
    s->kept--;
    s->kept_bytes -= row->n;
}

const char *sim_filter_store_drop(struct sim_filter_store *s, uint32_t from)
{
    while (s->n > 0 && s->first + s->n > from)
        drop_filter(s, &s->at[--s->n]);
    return NULL;
}

void sim_filter_store_free(struct sim_filter_store *s)
{
    sim_filter_store_drop(s, 0);
    free(s->at);
    memset(s, 0, sizeof(*s));
}

uint32_t sim_filter_store_end(const struct sim_filter_store *s)
{
    return s->n > 0 ? s->first + (uint32_t)s->n : 0;
}

const struct sim_filter_row *sim_filter_store_at(const struct sim_filter_store *s, uint32_t height)
{
    return height >= s->first && height - s->first < s->n ? &s->at[height - s->first] : NULL;
}

static int read_headers(void *ctx, struct spv_filter_header *headers,
                        struct spv_filter_hash *hashes, uint32_t from, uint32_t n)
{
    static const struct spv_filter_hash unknown;
    const struct sim_filter_row *row;
    uint32_t got = 0;
    for (; got < n && (row = sim_filter_store_at(ctx, from + got)); got++) {
        if (hashes && memcmp(&row->hash, &unknown, sizeof(unknown)) == 0)
            break; /* a built-in filter header */
        if (headers)
            headers[got] = row->header;
        if (hashes)
            hashes[got] = row->hash;
    }
    return (int)got;
}

static int read_filter(void *ctx, struct spv_bytes *out, uint32_t height)
{
    const struct sim_filter_row *row = sim_filter_store_at(ctx, height);
    if (!row || !row->filter)
        return 0;
    *out = (struct spv_bytes){row->filter, row->n};
    return 1;
}

static int read_range(void *ctx, uint32_t *first, uint32_t *last)
{
    const struct sim_filter_store *s = ctx;
    if (s->n == 0)
        return 0;
    *first = s->first;
    *last = s->first + (uint32_t)s->n - 1;
    return 1;
}

static int read_kept(void *ctx, uint32_t *first, uint32_t *last)
{
    const struct sim_filter_store *s = ctx;
    size_t end = s->n;
    while (end > 0 && !s->at[end - 1].filter)
        end--;
    if (end == 0)
        return 0;
    size_t begin = end - 1;
    while (begin > 0 && s->at[begin - 1].filter)
        begin--;
    *first = s->first + (uint32_t)begin;
    *last = s->first + (uint32_t)end - 1;
    return 1;
}

struct spv_filter_db sim_filter_store_reader(struct sim_filter_store *s)
{
    return (struct spv_filter_db){.ctx = s,
                                  .headers = read_headers,
                                  .filter = read_filter,
                                  .range = read_range,
                                  .kept = read_kept};
}

static bool is_built_in(const struct sim_filter_store *s, uint32_t height,
                        const struct spv_filter_header *header)
{
    const struct spv_params *params = s->chain->params;
    for (size_t i = 0; i < params->n_filter_checkpoints; i++)
        if (params->filter_checkpoints[i].height == height)
            return memcmp(&params->filter_checkpoints[i].header, header, sizeof(*header)) == 0;
    return false;
}

/* What the first row of an empty store may be: a built-in filter header, or the one right above
 * one, which is then stored as well: *below. */
static const char *check_first(const struct sim_filter_store *s,
                               const struct spv_filter_update *update,
                               const struct spv_filter_checkpoint **below)
{
    const struct spv_params *params = s->chain->params;
    struct spv_filter_header header;
    *below = NULL;
    if (is_built_in(s, update->first, &update->headers[0]))
        return NULL;
    for (size_t i = 0; i < params->n_filter_checkpoints; i++) {
        const struct spv_filter_checkpoint *built_in = &params->filter_checkpoints[i];
        if (built_in->height + 1 != update->first || !update->hashes)
            continue;
        spv_filter_compute_header(&header, &update->hashes[0], &built_in->header);
        if (memcmp(&header, &update->headers[0], sizeof(header)) != 0)
            continue;
        *below = built_in;
        return NULL;
    }
    return "stored filter headers begin at a filter header that is not built in";
}

static void append_row(struct sim_filter_store *s, const struct spv_filter_header *header,
                       const struct spv_filter_hash *hash)
{
    s->at = sim_grow(s->at, &s->cap, s->n, sizeof(s->at[0]));
    s->at[s->n] = (struct sim_filter_row){.header = *header};
    if (hash)
        s->at[s->n].hash = *hash;
    s->n++;
}

const char *sim_filter_store_apply(struct sim_filter_store *s,
                                   const struct spv_filter_update *update)
{
    if (update->n == 0)
        return "an empty update of filter headers";
    const uint32_t last = update->first + (uint32_t)update->n - 1;
    if (last >= s->chain->n || !spv_blockhash_eq(&s->chain->at[last].hash, &update->last_block))
        return "filter headers of a block that is not on the stored best chain";
    if (s->n > 0 && update->first != s->first + s->n)
        return "filter headers that do not follow the stored ones";
    const struct spv_filter_checkpoint *below = NULL;
    const char *wrong = s->n == 0 ? check_first(s, update, &below) : NULL;
    if (wrong)
        return wrong;
    if (s->n == 0)
        s->first = below ? below->height : update->first;
    if (below)
        append_row(s, &below->header, NULL);
    for (size_t i = 0; i < update->n; i++) {
        struct spv_filter_header header;
        if (update->hashes && s->n > 0) {
            spv_filter_compute_header(&header, &update->hashes[i], &s->at[s->n - 1].header);
            if (memcmp(&header, &update->headers[i], sizeof(header)) != 0)
                return "filter headers that are not joined";
        }
        append_row(s, &update->headers[i], update->hashes ? &update->hashes[i] : NULL);
    }
    return NULL;
}

const char *sim_filter_store_keep(struct sim_filter_store *s, uint32_t height,
                                  const struct spv_bytes *filter, uint64_t limit)
{
    struct spv_filter_hash hash;
    if (!sim_filter_store_at(s, height))
        return "a filter to be kept without its filter header";
    struct sim_filter_row *row = &s->at[height - s->first];
    spv_filter_compute_hash(&hash, &(struct spv_filter){.bytes = filter->bytes, .n = filter->n});
    if (memcmp(&hash, &row->hash, sizeof(hash)) != 0)
        return "a filter to be kept that does not match its filter header";
    s->limit = limit;
    drop_filter(s, row);
    for (size_t i = 0; i < height - s->first && s->kept_bytes + filter->n > limit; i++)
        drop_filter(s, &s->at[i]);
    if (s->kept_bytes + filter->n > limit)
        return NULL; /* all others are above it */
    row->filter = malloc(filter->n);
    if (!row->filter)
        abort();
    memcpy(row->filter, filter->bytes, filter->n);
    row->n = filter->n;
    s->kept++;
    s->kept_bytes += row->n;
    return NULL;
}
