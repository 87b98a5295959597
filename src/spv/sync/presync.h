/* Presync of one peer's chain: a first pass checks every header by all rules and keeps one salted
 * bit for each 600 of them (Bitcoin Core: commitments), until the chain has shown enough work; a
 * second pass over the same chain is compared with those bits and releases its headers.
 *
 * Owns the bits and the second pass's buffer. It is independent of peers and of the chain: the
 * caller passes in where the headers start and how much work they must show. */
#ifndef SPV_SPV_SYNC_PRESYNC_H
#define SPV_SPV_SYNC_PRESYNC_H

#include "spv/chain/header_ctx.h"
#include "spv/types.h"

#define SPV_PRESYNC_PERIOD 600 /* headers per bit: 960,000 headers take 200 bytes */
#define SPV_PRESYNC_REDOWNLOAD_BUF 14400 /* headers: 24 bits follow what is released */
/* headers: 6 of 11 move their median, which must rise */
#define SPV_PRESYNC_MAX_HEADERS_PER_SECOND 6
#define SPV_PRESYNC_MAX_MEMORY (2u << 20) /* bytes at most: see spv_presync_memory */

enum spv_presync_phase {
    SPV_PRESYNC_PHASE_OFF,
    SPV_PRESYNC_PHASE_PRESYNC, /* sums up work; releases nothing */
    SPV_PRESYNC_PHASE_REDOWNLOAD, /* the same chain again, from its start */
    SPV_PRESYNC_PHASE_FINAL, /* proven: releases all that is buffered */
};

struct spv_compressed_header; /* a header without its previous hash: 48 bytes */

struct spv_presync {
    enum spv_presync_phase phase;
    struct spv_header_ctx start; /* checks the chain's first header */
    struct spv_header_ctx ctx; /* checks the next header of this pass */
    struct spv_u256 threshold;
    uint64_t max; /* headers that are possible in the time since the start */
    uint64_t length; /* of the chain, where the first pass reached the threshold */
    uint64_t n; /* headers of this pass so far */
    uint64_t key[2]; /* of the bits */
    uint32_t offset; /* which height of a period has the bit */
    uint8_t *bits;
    size_t bits_cap; /* bytes */
    uint64_t n_bits;
    uint64_t next_bit; /* second pass */
    struct spv_compressed_header *redownload_buf; /* a ring */
    size_t redownload_cap, redownload_at, n_redownload;
    struct spv_blockhash prev; /* of the first buffered header */
};

/* Begins the first pass: *start checks the chain's first header, and the work from genesis to the
 * chain's end must reach *threshold. Discards the state of earlier passes. */
void spv_presync_begin(struct spv_presync *p, const struct spv_header_ctx *start,
                       const struct spv_u256 *threshold, struct spv_rng rng, struct spv_now now);
void spv_presync_end(struct spv_presync *p); /* zeroed is fine */

/* Takes headers of the running pass, which follow those before, up to the one that reaches the
 * threshold; *taken is their number. Then the phase is the next one, and the second pass begins at
 * the start again.
 *
 * 0, or why the header at *taken ends it:
 *   SPV_ERR_HDR_UNCONNECTING  the first one does not follow (nothing has changed)
 *   another SPV_ERR_HDR_*
 *   SPV_ERR_LOW_WORK          more headers than the time since the start allows
 *   SPV_ERR_REDOWNLOAD_MISMATCH  second pass: not the chain of the first
 *   SPV_ERR_NOMEM
 *   SPV_ERR_STATE             no pass runs, or released headers are not popped yet */
int spv_presync_take(struct spv_presync *p, size_t *taken, const struct spv_header *headers,
                     size_t n, struct spv_now now);

/* How many headers are released; pops up to cap of them, in order. */
size_t spv_presync_n_ready(const struct spv_presync *p);
size_t spv_presync_pop_ready(struct spv_presync *p, struct spv_header *out, size_t cap);

/* The last header accepted in this pass; at its beginning the one before the start. */
const struct spv_blockhash *spv_presync_last(const struct spv_presync *p);

/* Bytes allocated: 769 KiB of buffered headers in a second pass, and one byte per 4,800 headers of
 * the first pass: at most 0.7 MiB for a chain from 2009 at six headers per second. */
size_t spv_presync_memory(const struct spv_presync *p);

#endif
