/* Rollback of filter headers: after a reorganisation of the chain, because a filter was proven
 * invalid, or because a filter branch replaces the stored ones. */
#include <stdlib.h>

#include "spv/filters/filter_sync_state.h"

int spv_filter_rollback_to(struct spv_filter_sync *fs, uint32_t height)
{
    struct spv_filter_header top;
    int rc = 0;
    spv_filter_headers_forget_agreed(fs);
    if (fs->begun && height < fs->height) {
        if (height + 1 < fs->rolled_back_from)
            fs->rolled_back_from = height + 1;
        rc = height > fs->start_height ? spv_filter_headers_at(fs, &top, height) : 0;
        fs->begun = rc > 0; /* else it begins again, perhaps at a higher height */
        if (rc > 0) {
            fs->height = height;
            fs->top = top;
        }
    }
    spv_filter_headers_limit_agreement(fs, height < fs->height ? height : fs->height);
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(fs->cfg.peers, p));)
        if (p->filters.differs_at > height)
            p->filters.differs_at =
                0; /* compared with a filter header of ours that was rolled back */
    return rc < 0 ? rc : spv_filter_branches_rollback(fs, height);
}

int spv_filter_rollback_stored(struct spv_filter_sync *fs, uint32_t from)
{
    const bool stored = fs->begun && from <= fs->height;
    const int rc = spv_filter_rollback_to(fs, from > 0 ? from - 1 : 0);
    if (rc < 0 || !stored)
        return rc;
    if (from < fs->drop_from)
        fs->drop_from = from;
    return 0;
}

/* Replaces the hashes of the branch by the stored ones, which become the branch. Returns 0, 1 when
 * not all are known, or negative. */
static int exchange_hashes(const struct spv_filter_sync *fs, struct spv_filter_branch *b)
{
    for (size_t i = 0; i < b->n; i++) {
        const int rc = spv_filter_headers_hashes(fs, &b->diffs[i].hash, b->diffs[i].height, 1);
        if (rc <= 0)
            return rc < 0 ? rc : 1;
    }
    return 0;
}

/* Moves the peers that committed to all stored filter headers to the branch that these become: they
 * do not vote on the new ones. */
static void move_supporters(struct spv_filter_sync *fs, int index)
{
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(fs->cfg.peers, p));) {
        if (!p->filters.agrees || p->filters.agrees_height < fs->height || p->filters.branch)
            continue;
        p->filters.agrees = false;
        p->filters.branch = (unsigned)index + 1;
    }
}

int spv_filter_rollback_adopt(struct spv_filter_sync *fs, int index)
{
    struct spv_filter_branch old = fs->branch[index];
    const uint32_t from = old.diffs[0].height;
    const int known = exchange_hashes(fs, &old);
    int rc = known;
    old.top_height = fs->height;
    old.top = fs->top;
    fs->branch[index].diffs = NULL;
    fs->branch[index].cap = 0;
    spv_filter_branches_remove(fs, index);
    if (known == 0)
        move_supporters(fs, index);
    if (rc >= 0)
        rc = spv_filter_rollback_stored(fs, from);
    if (rc < 0 || known > 0) {
        free(old.diffs);
        return rc < 0 ? rc : 0;
    }
    old.unchecked = true;
    fs->branch[index] = old; /* a scan still matches its filters */
    return 0;
}
