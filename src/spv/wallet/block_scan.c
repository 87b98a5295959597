/* A window of blocks is requested from the next height on; each is buffered in the slot of its
 * height until all lower ones were reported. */
#include "spv/wallet/block_scan.h"

#include <stdlib.h>
#include <string.h>

#include "spv/wallet/source_heights.h"

struct waiting_block {
    uint32_t height; /* 0: the slot is free */
    struct spv_blockhash hash;
    uint8_t *bytes; /* NULL: requested */
    size_t n;
};

struct spv_block_scan {
    struct spv_block_scan_config cfg;
    bool is_running;
    struct spv_source_heights heights;
    /* the slot of a height is height modulo the window */
    struct waiting_block slots[SPV_BLOCK_SCAN_WINDOW];
    size_t buffered_bytes;
    struct spv_block block; /* of the event */
    bool is_reported; /* the block at heights.next was reported: the next run moves on */
    uint64_t n_blocks, n_bytes;
};

int spv_block_scan_new(struct spv_block_scan **out, const struct spv_block_scan_config *cfg)
{
    *out = calloc(1, sizeof **out);
    if (!*out)
        return SPV_ERR_NOMEM;
    (*out)->cfg = *cfg;
    return 0;
}

void spv_block_scan_free(struct spv_block_scan *s)
{
    if (!s)
        return;
    spv_block_scan_stop(s);
    free(s);
}

static struct waiting_block *slot_of(struct spv_block_scan *s, uint32_t height)
{
    return &s->slots[height % SPV_BLOCK_SCAN_WINDOW];
}

static void free_slot(struct spv_block_scan *s, struct waiting_block *slot)
{
    s->buffered_bytes -= slot->n;
    free(slot->bytes);
    *slot = (struct waiting_block){0};
}

static void drop_above(struct spv_block_scan *s, uint32_t height)
{
    for (size_t i = 0; i < SPV_BLOCK_SCAN_WINDOW; i++)
        if (s->slots[i].height > height)
            free_slot(s, &s->slots[i]);
    spv_block_fetch_cancel_from(s->cfg.blocks, SPV_BLOCKS_OF_COINS, height + 1);
    if (s->heights.next > height)
        s->is_reported = false;
}

int spv_block_scan_begin(struct spv_block_scan *s, uint32_t first, uint32_t last)
{
    if (s->is_running)
        return SPV_ERR_STATE;
    if (first == 0 || first > last)
        return SPV_ERR_INVALID;
    s->is_running = true;
    s->n_blocks = s->n_bytes = 0;
    spv_source_heights_begin(&s->heights, first, last);
    return 0;
}

/* Moves on after a block that was reported. */
static void block_scan_advance(struct spv_block_scan *s)
{
    if (!s->is_reported)
        return;
    s->is_reported = false;
    free_slot(s, slot_of(s, s->heights.next));
    s->heights.next++;
}

int spv_block_scan_add(struct spv_block_scan *s, uint32_t from)
{
    if (!s->is_running)
        return SPV_ERR_STATE;
    block_scan_advance(s); /* the block that was reported last may have been scanned without them */
    spv_source_heights_rescan(&s->heights, from, s->heights.next);
    return 0;
}

void spv_block_scan_stop(struct spv_block_scan *s)
{
    if (s->is_running)
        drop_above(s, 0);
    s->is_running = false;
}

int spv_block_scan_block(struct spv_block_scan *s, const struct spv_fetched_block *block)
{
    struct waiting_block *slot = slot_of(s, block->height);

    if (slot->height != block->height || !spv_blockhash_eq(&slot->hash, &block->hash) ||
        slot->bytes)
        return 0;
    slot->bytes = malloc(block->block.n);
    if (!slot->bytes)
        return SPV_ERR_NOMEM;
    memcpy(slot->bytes, block->block.bytes, block->block.n);
    slot->n = block->block.n;
    s->buffered_bytes += slot->n;
    s->n_blocks++;
    s->n_bytes += slot->n;
    return 0;
}

void spv_block_scan_roll_back(struct spv_block_scan *s, uint32_t height)
{
    if (!s->is_running)
        return;
    const uint32_t next = s->heights.next;

    drop_above(s, height);
    spv_source_heights_roll_back(&s->heights, height);
    if (s->heights.next != next) /* the buffered blocks belong to another pass */
        drop_above(s, 0);
}

/* Requests the block of a height. Returns 1 when it is requested or buffered, 0 when it is not, or
 * a failure. */
static int want_height(struct spv_block_scan *s, uint32_t height, struct spv_now now)
{
    struct waiting_block *slot = slot_of(s, height);
    struct spv_chain_header h;

    if (slot->height == height)
        return 1;
    int rc = spv_chain_header_at(s->cfg.chain, &h, height);
    if (rc <= 0)
        return rc;
    rc = spv_block_fetch_want(s->cfg.blocks, SPV_BLOCKS_OF_COINS, &h.hash, height, now);
    if (rc < 0)
        return rc == SPV_ERR_TOO_MANY ? 0 : rc;
    *slot = (struct waiting_block){.height = height, .hash = h.hash};
    return 1;
}

static int want_blocks(struct spv_block_scan *s, struct spv_now now)
{
    const uint32_t next = s->heights.next, end = spv_source_heights_end(&s->heights);
    int rc = 1;

    for (uint32_t i = 0; rc == 1 && i < SPV_BLOCK_SCAN_WINDOW && next + i <= end; i++) {
        if (i > 0 && s->buffered_bytes >= SPV_BLOCK_SCAN_BUFFER_BYTES)
            break; /* the next one is requested even so: buffered ones wait for it */
        rc = want_height(s, next + i, now);
    }
    return rc < 0 ? rc : 0;
}

int spv_block_scan_run(struct spv_block_scan *s, uint32_t available, bool at_tip,
                       struct spv_now now)
{
    if (!s->is_running)
        return 0;
    spv_source_heights_set_available(&s->heights, available, at_tip);
    block_scan_advance(s);
    while (spv_source_heights_next_pass(&s->heights))
        drop_above(s, 0);
    return want_blocks(s, now);
}

int spv_block_scan_next(struct spv_block_scan *s, struct spv_source_event *out)
{
    struct spv_source_heights *h = &s->heights;

    if (!s->is_running || s->is_reported)
        return 0;
    if (spv_source_heights_take_rolled_back(h, out))
        return 1;
    const struct waiting_block *slot = slot_of(s, h->next);
    if (slot->height != h->next || !slot->bytes)
        return spv_source_heights_take_done(h, out);
    (void)spv_block_parse(&s->block, slot->bytes, slot->n); /* was parsed before */
    *out = (struct spv_source_event){
        .kind = SPV_SOURCE_EVENT_FOUND, .height = h->next, .hash = slot->hash, .block = &s->block};
    spv_source_heights_reported(h, h->next);
    s->is_reported = true;
    return 1;
}

void spv_block_scan_get_stats(const struct spv_block_scan *s, struct spv_block_scan_stats *out)
{
    *out = (struct spv_block_scan_stats){.running = s->is_running,
                                         .first = s->heights.first,
                                         .last = s->heights.last,
                                         .height = s->heights.is_second_pass ? s->heights.main_next
                                                                             : s->heights.next,
                                         .left = spv_source_heights_left(&s->heights),
                                         .blocks = s->n_blocks,
                                         .block_bytes = s->n_bytes,
                                         .memory = sizeof *s + s->buffered_bytes};
}
