/* A filter branch: filter headers that some peers serve in place of ours, neither proven invalid.
 * Once one filter hash differs all later filter headers differ, even where filters are equal; so a
 * branch stores only the heights with other filter hashes, and its last filter header. The later
 * filter hashes of its peers are compared with ours one by one, and the list grows only where they
 * differ. */
#include <stdlib.h>

#include "spv/filters/filter_sync_state.h"

static int free_branch(const struct spv_filter_sync *fs)
{
    for (int i = 0; i < SPV_FILTER_MAX_BRANCHES; i++)
        if (!fs->branch[i].n)
            return i;
    return SPV_ERR_TOO_MANY;
}

static int add_diff(struct spv_filter_branch *b, uint32_t height,
                    const struct spv_filter_hash *hash)
{
    if (b->n == b->cap) {
        const size_t cap = b->cap ? 2 * b->cap : 16;
        struct spv_filter_diff *grown = realloc(b->diffs, cap * sizeof *grown);
        if (!grown)
            return SPV_ERR_NOMEM;
        b->diffs = grown;
        b->cap = cap;
    }
    b->diffs[b->n++] = (struct spv_filter_diff){.height = height, .hash = *hash};
    return 0;
}

static void clear_branch(struct spv_filter_branch *b)
{
    free(b->diffs);
    *b = (struct spv_filter_branch){0};
}

int spv_filter_branches_add(struct spv_filter_sync *fs, int index,
                            const struct spv_filter_dispute *d)
{
    const struct spv_filter_hash *ours = d->side[0].hashes, *theirs = d->side[1].hashes;
    const bool is_new = index < 0;
    if (is_new)
        index = free_branch(fs);
    if (index < 0)
        return index;
    struct spv_filter_branch *b = &fs->branch[index];
    if (is_new)
        b->proofs_left = SPV_FILTER_MAX_BRANCH_PROOFS;
    for (uint32_t i = 0; i < d->high - d->low; i++) {
        if (spv_filter_hash_eq(&ours[i], &theirs[i]))
            continue;
        if (b->n == SPV_FILTER_MAX_BRANCH_DIFFS) {
            b->frozen = true;
            break;
        }
        const int rc = add_diff(b, d->low + 1 + i, &theirs[i]);
        if (rc < 0)
            return rc;
        spv_scan_ranges_add(&fs->differing, d->low + 1 + i, d->low + 1 + i);
    }
    b->top_height = d->high;
    b->top = d->their_high;
    return index;
}

void spv_filter_branches_remove(struct spv_filter_sync *fs, int index)
{
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(fs->cfg.peers, p));)
        if (p->filters.branch == (unsigned)index + 1)
            p->filters.branch = 0;
    clear_branch(&fs->branch[index]);
}

void spv_filter_branches_free(struct spv_filter_sync *fs)
{
    for (int i = 0; i < SPV_FILTER_MAX_BRANCHES; i++)
        clear_branch(&fs->branch[i]);
}

void spv_filter_branches_join(struct spv_filter_sync *fs, int index)
{
    const struct spv_filter_branch *b = &fs->branch[index];
    int same = 0;
    while (same < SPV_FILTER_MAX_BRANCHES &&
           (same == index || !fs->branch[same].n || fs->branch[same].top_height != b->top_height ||
            !spv_filter_header_eq(&fs->branch[same].top, &b->top)))
        same++;
    if (same == SPV_FILTER_MAX_BRANCHES)
        return;
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(fs->cfg.peers, p));)
        if (p->filters.branch == (unsigned)index + 1)
            p->filters.branch = (unsigned)same + 1;
    clear_branch(&fs->branch[index]);
}

/* Computes the filter header of a branch at a height, from ours below its first difference. */
static int header_of_branch(const struct spv_filter_sync *fs, const struct spv_filter_branch *b,
                            struct spv_filter_header *out, uint32_t height)
{
    struct spv_filter_hash hashes[64];
    uint32_t at = b->diffs[0].height;
    size_t diff = 0;
    int rc = spv_filter_headers_at(fs, out, at - 1);
    while (rc > 0 && at <= height) {
        const uint32_t left = height - at + 1;
        rc = spv_filter_headers_hashes(fs, hashes, at, left < 64 ? left : 64);
        for (int i = 0; i < rc; i++, at++) {
            const bool differs = diff < b->n && b->diffs[diff].height == at;
            spv_filter_compute_header(out, differs ? &b->diffs[diff].hash : &hashes[i], out);
            diff += differs;
        }
    }
    return rc;
}

int spv_filter_branches_check(struct spv_filter_sync *fs)
{
    for (int i = 0; i < SPV_FILTER_MAX_BRANCHES; i++) {
        struct spv_filter_branch *b = &fs->branch[i];
        struct spv_filter_header top;
        if (!b->n || !b->unchecked || b->top_height > fs->height)
            continue;
        const int rc = header_of_branch(fs, b, &top, b->top_height);
        if (rc < 0)
            return rc;
        b->unchecked = false;
        if (rc == 0 || !spv_filter_header_eq(&top, &b->top))
            spv_filter_branches_remove(fs, i);
    }
    return 0;
}

static int rollback_branch(struct spv_filter_sync *fs, int index, uint32_t height)
{
    struct spv_filter_branch *b = &fs->branch[index];
    while (b->n && b->diffs[b->n - 1].height > height)
        b->n--;
    if (!b->n) {
        spv_filter_branches_remove(fs, index);
        return 0;
    }
    if (b->top_height <= height)
        return 0;
    if (b->unchecked) { /* the stored hashes are not those that it branches off from */
        spv_filter_branches_remove(fs, index);
        return 0;
    }
    const int rc = header_of_branch(fs, b, &b->top, height);
    if (rc > 0)
        b->top_height = height;
    else if (rc == 0) /* hashes are missing: its peers are compared again */
        spv_filter_branches_remove(fs, index);
    return rc < 0 ? rc : 0;
}

int spv_filter_branches_rollback(struct spv_filter_sync *fs, uint32_t height)
{
    int rc = 0;
    for (int i = 0; !rc && i < SPV_FILTER_MAX_BRANCHES; i++)
        if (fs->branch[i].n)
            rc = rollback_branch(fs, i, height);
    return rc;
}

static bool has_hash(const struct spv_filter_hash *hashes, size_t n,
                     const struct spv_filter_hash *hash)
{
    for (size_t i = 0; i < n; i++)
        if (spv_filter_hash_eq(&hashes[i], hash))
            return true;
    return false;
}

size_t spv_filter_sync_alternatives(const struct spv_filter_sync *fs, struct spv_filter_hash *out,
                                    uint32_t height)
{
    size_t found = 0;
    for (int i = 0; fs && i < SPV_FILTER_MAX_BRANCHES; i++) {
        const struct spv_filter_branch *b = &fs->branch[i];
        size_t low = 0, high = b->n;
        while (low < high) {
            const size_t middle = low + (high - low) / 2;
            if (b->diffs[middle].height < height)
                low = middle + 1;
            else
                high = middle;
        }
        if (low < b->n && b->diffs[low].height == height &&
            !has_hash(out, found, &b->diffs[low].hash))
            out[found++] = b->diffs[low].hash;
    }
    return found;
}
