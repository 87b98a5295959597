/* The set is updated only in a read transaction of the database, so that it is one state of the
 * chain, and is unchanged until the next begin_read. The transaction stays open until end_read:
 * what else is read from the database (filters) is of the same state. Once another process has
 * built the hash index, the set is freed and the database is read instead. */
#include "serve_follow.h"

#include "spv/error.h"

static struct spv_header_db current_db(const struct serve_follow *f)
{
    return f->set ? header_set_db(f->set) : f->stored;
}

/* Returns the highest height at which both have the same hash, or a negative error. */
static int64_t common_height(const struct serve_follow *f, uint32_t from)
{
    const struct spv_header_db set = header_set_db(f->set);
    struct spv_chain_header ours, theirs;
    int64_t h;
    int rc;

    for (h = from; h >= 0; h--) {
        rc = set.by_height(set.ctx, &ours, (uint32_t)h);
        if (rc == 1)
            rc = f->stored.by_height(f->stored.ctx, &theirs, (uint32_t)h);
        if (rc <= 0)
            return rc < 0 ? rc : SPV_ERR_DB_DAMAGED;
        if (spv_blockhash_eq(&ours.hash, &theirs.hash))
            return h;
    }
    return SPV_ERR_DB_DAMAGED; /* another genesis */
}

static int catch_up(struct serve_follow *f)
{
    const struct spv_header_db set = header_set_db(f->set);
    struct spv_chain_header ours, tip, record;
    int64_t h;
    int rc = f->stored.tip(f->stored.ctx, &tip);

    if (rc <= 0)
        return rc;
    rc = set.tip(set.ctx, &ours);
    if (rc <= 0)
        return rc;
    if (spv_blockhash_eq(&ours.hash, &tip.hash))
        return 0;
    h = common_height(f, ours.height < tip.height ? ours.height : tip.height);
    if (h < 0)
        return (int)h;
    header_set_truncate(f->set, (uint32_t)h + 1);
    for (rc = 0, h++; rc == 0 && h <= tip.height; h++) {
        rc = f->stored.by_height(f->stored.ctx, &record, (uint32_t)h);
        if (rc >= 0)
            rc = rc == 1 ? header_set_add(f->set, &record) : SPV_ERR_DB_DAMAGED;
    }
    return rc;
}

/* The reader. */

static int begin_read(void *ctx)
{
    struct serve_follow *f = ctx;
    int rc = f->stored.begin_read(f->stored.ctx);

    if (rc < 0 || !f->set)
        return rc;
    rc = f->stored.has_hash_index(f->stored.ctx);
    if (rc == 1) {
        header_set_free(f->set);
        f->set = NULL;
        return 0;
    }
    if (rc == 0)
        rc = catch_up(f);
    if (rc < 0)
        f->stored.end_read(f->stored.ctx);
    return rc;
}

static void end_read(void *ctx)
{
    const struct serve_follow *f = ctx;

    f->stored.end_read(f->stored.ctx);
}

static int tip(void *ctx, struct spv_chain_header *out)
{
    const struct spv_header_db r = current_db(ctx);

    return r.tip(r.ctx, out);
}

static int by_height(void *ctx, struct spv_chain_header *out, uint32_t height)
{
    const struct spv_header_db r = current_db(ctx);

    return r.by_height(r.ctx, out, height);
}

static int by_hash(void *ctx, struct spv_chain_header *out, const struct spv_blockhash *hash)
{
    const struct spv_header_db r = current_db(ctx);

    return r.by_hash(r.ctx, out, hash);
}

static int range(void *ctx, struct spv_header *out, uint32_t from, uint32_t n)
{
    const struct spv_header_db r = current_db(ctx);

    return r.range(r.ctx, out, from, n);
}

static void get_start(void *ctx, struct spv_chain_start *out)
{
    const struct serve_follow *f = ctx;

    f->stored.start(f->stored.ctx, out);
}

struct spv_header_db serve_follow_begin(struct serve_follow *f, struct spv_store *store,
                                        struct header_set *set)
{
    f->stored = spv_store_header_db(store);
    f->set = set;
    return (struct spv_header_db){.ctx = f,
                                  .tip = tip,
                                  .by_height = by_height,
                                  .by_hash = by_hash,
                                  .range = range,
                                  .begin_read = begin_read,
                                  .end_read = end_read,
                                  .start = get_start};
}

void serve_follow_end(struct serve_follow *f)
{
    header_set_free(f->set);
    f->set = NULL;
}
