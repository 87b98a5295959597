/* A verification in progress, and its report. */
#ifndef SPV_STORE_VERIFY_H
#define SPV_STORE_VERIFY_H

#include "store/db.h"

#define SPV_VERIFY_STEP 4096 /* rows between two calls of progress: a few milliseconds */

struct spv_verify {
    struct spv_store *s;
    const struct spv_verify_config *cfg;
    struct spv_verify_report *report;
    int64_t bad; /* the lowest invalid height of the best chain; INT64_MAX: none */
    uint64_t n_filter_rows; /* filter headers and kept filters that there seem to be */
    bool stopped; /* progress ended the verification */
};

/* Adds a finding to the report. height -1: not about one header. */
__attribute__((format(printf, 3, 4))) void spv_verify_found(struct spv_verify *v, int64_t height,
                                                            const char *format, ...);
/* The same, and the best chain is invalid from this height on. */
__attribute__((format(printf, 3, 4))) void spv_verify_bad(struct spv_verify *v, int64_t height,
                                                          const char *format, ...);

/* Handles the SQLite code of a failed read. 0: it is damage, now a finding, and pages_ok is false;
 * else our error, with its text in the store. what: "the header of this height". */
int spv_verify_unread(struct spv_verify *v, int code, int64_t height, const char *what);

/* Calls the caller's progress function every SPV_VERIFY_STEP rows. 0 or SPV_ERR_INTERRUPTED. */
int spv_verify_progress(struct spv_verify *v, uint64_t done);

/* verify_branches.c, verify_addrs.c, verify_filters.c, verify_wallet.c */
int spv_verify_branches(struct spv_verify *v);
int spv_verify_addrman(struct spv_verify *v);
int spv_verify_filters(struct spv_verify *v);
int spv_verify_wallet(struct spv_verify *v);
/* How many filter headers and kept filters there seem to be, for the progress. */
uint64_t spv_verify_count_filters(struct spv_verify *v);

#endif
