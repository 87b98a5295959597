/* A chain with its filters in memory. Its databases check that each read is within a snapshot, and
 * can fail. A filter that was read is valid until the next one is read. */
#ifndef SPV_TESTS_UNIT_SPV_SERVE_FILTERS_FIXTURE_H
#define SPV_TESTS_UNIT_SPV_SERVE_FILTERS_FIXTURE_H

#include "spv/filter_db.h"
#include "spv/header_db.h"

struct filters_fixture_block {
    struct spv_chain_header block;
    struct spv_filter_header header;
    struct spv_filter_hash hash;
    uint8_t *filter; /* owned; NULL: not kept */
    size_t n;
    bool has_header, has_hash;
};

struct filters_fixture {
    struct filters_fixture_block *at; /* by height, n of them */
    uint32_t n;
    bool no_index; /* the header database has no hash index */
    uint32_t start; /* where the stored chain starts */
    bool in_snapshot;
    bool tip_anywhere; /* the tip may be read outside a snapshot */
    /* Called before each snapshot, on the thread that reads: may change the chain. May be NULL. */
    void (*before_read)(struct filters_fixture *f);
    uint8_t *served; /* copy of the last filter that was read */
    unsigned calls; /* of all callbacks but end_read */
    unsigned fail_at; /* this call fails with SPV_ERR_DB; 0: none */
    unsigned header_reads; /* rows of filter headers and filter hashes */
    unsigned filter_reads;
};

/* n blocks without filters; header `nonce` fields are height + salt. */
void filters_fixture_init(struct filters_fixture *f, uint32_t n, uint32_t salt);
void filters_fixture_free(struct filters_fixture *f);
/* Replaces the blocks from a height on by others, without filters. */
void filters_fixture_reorganise(struct filters_fixture *f, uint32_t from, uint32_t salt);
/* Stores a filter, its hash and, when the one below is there, its filter header. */
void filters_fixture_set_filter(struct filters_fixture *f, uint32_t height, const uint8_t *bytes,
                                size_t n);
/* Filters of a few bytes, which depend on the height and the salt, for heights [from, f->n). */
void filters_fixture_fill(struct filters_fixture *f, uint32_t from, uint32_t salt);
/* Drops the filter; its hash and filter header stay. */
void filters_fixture_drop_filter(struct filters_fixture *f, uint32_t height);

struct spv_header_db filters_fixture_headers(struct filters_fixture *f);
struct spv_filter_db filters_fixture_filters(struct filters_fixture *f);

#endif
