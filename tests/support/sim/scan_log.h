/* What a client's scan has reported, as an application keeps it: what is taken back is removed. */
#ifndef SPV_TESTS_SUPPORT_SIM_SCAN_LOG_H
#define SPV_TESTS_SUPPORT_SIM_SCAN_LOG_H

#include <stdbool.h>

#include "spv/scan.h"

#define SIM_SCAN_TXS 64 /* transactions of a block */

struct sim_scan_match {
    uint32_t height;
    struct spv_blockhash hash;
    uint64_t positions; /* bit i: transaction i */
};

struct sim_scan_log {
    struct sim_scan_match *at; /* ascending heights */
    size_t n, cap;
    uint32_t done; /* everything up to here was scanned; 0: not yet */
    uint32_t last_match; /* of this pass; 0: none */
    uint64_t undone; /* how often something was taken back */
};

void sim_scan_log_free(struct sim_scan_log *log);
/* Returns NULL, or what is wrong with the event. */
const char *sim_scan_log_event(struct sim_scan_log *log, const struct spv_scan_event *event);

#endif
