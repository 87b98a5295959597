/* A verification under way: where findings go, and what its files share. */
#ifndef SPV_STORE_VERIFY_H
#define SPV_STORE_VERIFY_H

#include "store/db.h"

#define SPV_VERIFY_STEP 4096 /* rows between two calls of progress: a few milliseconds */

struct spv_verify {
    struct spv_store *s;
    const struct spv_verify_config *cfg;
    struct spv_verify_report *report;
    int64_t bad; /* the lowest height of the best chain that does not hold; INT64_MAX: none */
    bool stopped; /* progress said so */
};

/* Notes a finding. height -1: about no single header. */
__attribute__((format(printf, 3, 4))) void spv_verify_found(struct spv_verify *v, int64_t height,
                                                            const char *format, ...);
/* The same, and the best chain does not hold from this height on. */
__attribute__((format(printf, 3, 4))) void spv_verify_bad(struct spv_verify *v, int64_t height,
                                                          const char *format, ...);

/* What an SQLite code of a read means: 0 when it is damage (now a finding, and the pages do not
 * hold), or our error with words kept in the store. what: "the header of this height". */
int spv_verify_unread(struct spv_verify *v, int code, int64_t height, const char *what);

/* Tells how far it is, when it is time. SPV_ERR_INTERRUPTED or 0. */
int spv_verify_progress(struct spv_verify *v, uint64_t done);

/* verify_branches.c, verify_addrs.c */
int spv_verify_branches(struct spv_verify *v);
int spv_verify_addrman(struct spv_verify *v);

#endif
