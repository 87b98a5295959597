/* Following: after the first export, what the writer commits is appended as it comes, and a
 * reorganisation is marked (csv, jsonl) or the file cut back to the fork (raw, electrum, neutrino).
 */
#ifndef SPV_EXPORT_FOLLOW_H
#define SPV_EXPORT_FOLLOW_H

#include "export_rows.h"
#include "spv/store.h"

/* What was written, as far back as a reorganisation may reach. */
struct follow;

/* NULL: no memory. quiet: reorganisations are not told on standard error. */
struct follow *follow_new(struct spv_store *store, const struct export_format *format,
                          const struct rows *rows, bool quiet);
/* A row was written. */
void follow_wrote(struct follow *f, const struct spv_chain_header *record);
/* Publishes what was written, then stays until a signal: an exit code. */
int follow_run(struct follow *f);
void follow_free(struct follow *f);

#endif
