/* --follow: after the first export, appends what the writer commits. A reorganisation is marked
 * (csv, jsonl) or truncates the file to the fork (raw, electrum, neutrino). */
#ifndef SPV_EXPORT_FOLLOW_H
#define SPV_EXPORT_FOLLOW_H

#include "output_file.h"
#include "spv/export_rows.h"
#include "spv/store.h"

/* The written headers that a reorganisation may still remove. */
struct export_follow;

/* rows writes to out; both are borrowed until export_follow_free. quiet: no warning of a
 * reorganisation. NULL: no memory. */
struct export_follow *export_follow_new(struct spv_store *store, const struct spv_export_rows *rows,
                                        struct output_file *out, bool quiet);
/* Records that a row was written. */
void export_follow_wrote(struct export_follow *f, const struct spv_chain_header *record);
/* Publishes the output, then follows until a signal. Returns an exit code. */
int export_follow_run(struct export_follow *f);
void export_follow_free(struct export_follow *f);

#endif
