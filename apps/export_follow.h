/* --follow: after the first export, appends what the writer commits. A reorganisation is marked
 * (csv, jsonl) or truncates the file to the fork (raw, electrum, neutrino). */
#ifndef SPV_EXPORT_FOLLOW_H
#define SPV_EXPORT_FOLLOW_H

#include "output_file.h"
#include "spv/export_rows.h"
#include "spv/store.h"

/* The written headers that a reorganisation may still remove. */
struct follow;

/* rows writes to sink; both are borrowed until follow_free. quiet: no warning of a reorganisation.
 * NULL: no memory. */
struct follow *follow_new(struct spv_store *store, const struct spv_export_rows *rows,
                          struct sink *sink, bool quiet);
/* Records that a row was written. */
void follow_wrote(struct follow *f, const struct spv_chain_header *record);
/* Publishes the output, then follows until a signal. Returns an exit code. */
int follow_run(struct follow *f);
void follow_free(struct follow *f);

#endif
