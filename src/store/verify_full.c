/* Stored headers are passed to a chain in batches as large as a headers message, as if a peer had
 * sent them. It ends at the first invalid header, after which the chain accepts no further ones. */
#include "store/verify_full.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "store/row_check.h"

#define DATE_TEXT 32

static int full_fail(struct spv_full *f, int rc)
{
    return spv_db_fail(f->v->s, rc, "%s: cannot validate the headers: %s. Try again.",
                       f->v->s->path, spv_strerror(rc));
}

void spv_full_free(struct spv_full *f)
{
    spv_chain_free(f->chain);
    free(f->batch);
    f->chain = NULL;
    f->batch = NULL;
    f->v = NULL;
}

/* The seed as a header database: genesis, and the headers of the seed. */
static int seed_tip(void *ctx, struct spv_chain_header *out)
{
    const struct spv_full *f = ctx;
    *out = f->seed[f->n_seed - 1];
    return 1;
}

static int seed_by_height(void *ctx, struct spv_chain_header *out, uint32_t height)
{
    const struct spv_full *f = ctx;
    if (height == 0) {
        spv_genesis_header(f->v->s, out);
        return 1;
    }
    if (height < f->seed[0].height || height - f->seed[0].height >= f->n_seed)
        return 0;
    *out = f->seed[height - f->seed[0].height];
    return 1;
}

static int seed_by_hash(void *ctx, struct spv_chain_header *out, const struct spv_blockhash *hash)
{
    (void)ctx;
    (void)out;
    (void)hash;
    return 0;
}

static int seed_range(void *ctx, struct spv_header *out, uint32_t from, uint32_t n)
{
    struct spv_chain_header r;
    uint32_t got = 0;
    while (got < n && seed_by_height(ctx, &r, from + got) == 1)
        out[got++] = r.header;
    return (int)got;
}

static void seed_start(void *ctx, struct spv_chain_start *out)
{
    const struct spv_full *f = ctx;
    *out = f->v->s->start;
}

static int new_chain(struct spv_full *f)
{
    struct spv_chain_config cfg = {.params = &f->v->s->params};
    if (f->n_seed > 0) {
        cfg.header_db = (struct spv_header_db){.ctx = f,
                                               .tip = seed_tip,
                                               .by_height = seed_by_height,
                                               .by_hash = seed_by_hash,
                                               .range = seed_range,
                                               .start = seed_start};
    }
    int rc = spv_chain_new(&f->chain, &cfg);
    return rc ? full_fail(f, rc) : 0;
}

int spv_full_start(struct spv_full *f, struct spv_verify *v)
{
    memset(f, 0, sizeof *f);
    if (!v->cfg->full)
        return 0;
    f->v = v;
    f->batch = malloc(SPV_FULL_BATCH * sizeof *f->batch);
    if (!f->batch)
        return full_fail(f, SPV_ERR_NOMEM);
    return v->s->start.height == 0 ? new_chain(f) : 0;
}

static const char *date_text(char out[DATE_TEXT], int64_t unix_s)
{
    const time_t t = (time_t)unix_s;
    struct tm tm;
    if (!gmtime_r(&t, &tm) || strftime(out, DATE_TEXT, "%Y-%m-%d %H:%M", &tm) == 0)
        out[0] = '\0';
    return out;
}

/* A wrong clock makes a valid header invalid, so a header ahead of the clock is no damage. */
static int ahead_of_clock(struct spv_full *f, const struct spv_header *header, int64_t height)
{
    char theirs[DATE_TEXT];
    char ours[DATE_TEXT];
    return spv_db_fail(f->v->s, SPV_ERR_HDR_TIME_FUTURE,
                       "%s: the header of height %s is of %s UTC, more than two hours ahead of "
                       "this computer's clock (%s UTC). Nothing was changed. Check this computer's "
                       "clock and try again.",
                       f->v->s->path, SPV_COUNT(height), date_text(theirs, header->time),
                       date_text(ours, f->v->cfg->now.unix_s));
}

static int check_batch(struct spv_full *f)
{
    struct spv_accept_result result;
    if (f->n_batch == 0)
        return 0;
    int rc = spv_chain_accept(f->chain, &result, f->batch, f->n_batch, f->v->cfg->now);
    f->n_batch = 0;
    if (rc)
        return full_fail(f, rc);
    spv_chain_stored(f->chain);
    if (result.error != 0) {
        int64_t height = f->first + (int64_t)result.index;
        if (result.error == SPV_ERR_HDR_TIME_FUTURE)
            return ahead_of_clock(f, &f->batch[result.index], height);
        spv_verify_bad(f->v, height, "the header of height %s breaks the rules: %s",
                       SPV_COUNT(height), spv_strerror(result.error));
        spv_full_free(f);
    }
    return 0;
}

int spv_full_add(struct spv_full *f, const struct spv_chain_header *r)
{
    if (!f->v || r->height == 0)
        return 0;
    if (!f->chain) {
        f->seed[f->n_seed++] = *r;
        return f->n_seed == SPV_FULL_SEED ? new_chain(f) : 0;
    }
    if (f->n_batch == 0)
        f->first = r->height;
    f->batch[f->n_batch++] = r->header;
    return f->n_batch == SPV_FULL_BATCH ? check_batch(f) : 0;
}

int spv_full_end(struct spv_full *f)
{
    int rc = f->v ? check_batch(f) : 0;
    spv_full_free(f);
    return rc;
}
