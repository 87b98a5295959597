/* An import of filter headers, which are stored beside the headers that the database has. Without
 * filters they cannot be verified; they are compared only with what is stored and
 * built in. Errors are reported here; the functions return an exit code. */
#ifndef SPV_IMPORT_FILTERS_H
#define SPV_IMPORT_FILTERS_H

#include <stdbool.h>
#include <stdint.h>

#include "import_input.h"
#include "spv/import.h"
#include "spv/store.h"

struct import_filters {
    struct spv_store *store; /* borrowed, open for writing; those below are borrowed, too */
    struct spv_import *decoder; /* of filter headers */
    struct input *in;
    bool quiet;
    /* set by the import */
    uint64_t added, known;
    uint64_t below; /* skipped: below the first header, or filter header, of the database */
    bool any; /* there are filter headers now */
    uint32_t first, last; /* their heights */
    double started, printed_at;
};

/* Imports up to the end of the file or the first error, and prints progress and summary. A file
 * that contradicts a stored or built-in filter header adds none. Returns CLI_DONE,
 * CLI_INTERRUPTED (what was read is stored), or another code. */
int import_filters_run(struct import_filters *i);

#endif
