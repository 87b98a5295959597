/* A run of spv-watch scan or follow, and what it shows. */
#ifndef APPS_WATCH_RUN_H
#define APPS_WATCH_RUN_H

#include "spv/loop.h"
#include "sync_end.h"
#include "sync_report.h"
#include "watch.h"

struct watch_run {
    struct watch_job *job; /* borrowed */
    bool follow;
    struct spv_endpoint endpoints[2 * CLI_LIST_MAX];
    uint32_t start_height;
    struct spv_evloop *loop;
    struct report report;
    struct sync_end end;
    double started, useful_at, printed_at, status_at; /* cli_clock */
    bool synced; /* the headers */
    bool complete; /* everything is scanned up to `scanned` */
    struct spv_point scanned;
    bool done; /* a scan has reached the tip */
    bool no_source, unresolved, reader_gone;
    int code; /* to exit with, after an error of showing changes; CLI_DONE: none */
    int failure; /* the last error of a peer */
    size_t banned; /* peers of --connect */
    uint64_t revision; /* of the last change that was shown */
    bool changed; /* later ones are stored */
    /* at the last tick */
    uint64_t received, presync, filter_headers, fetched;
    uint32_t left;
};

/* "filters", "bloom", "blocks", "auto"; static. */
const char *watch_source_name(enum spv_source source);
/* Reads one. Returns 0, or -1. */
int watch_source_of(enum spv_source *out, const char *name);

/* Explains what peers learn by each source, in two lines each. */
void watch_show_privacy(void);
/* Shows how far the scan is: the live line, a line or an object. */
void watch_show_progress(struct watch_run *r);
/* Says that everything is scanned. */
void watch_show_scanned(struct watch_run *r);

#endif
