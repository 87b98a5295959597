/* The postgres format: one file of SQL that psql -f loads in one transaction. Tables and columns
 * are those of docs/schema.md; hashes and work are bytea in display order. */
#ifndef SPV_EXPORT_POSTGRES_H
#define SPV_EXPORT_POSTGRES_H

#include "export_rows.h"

void postgres_head(const struct rows *r);
void postgres_row(const struct rows *r, const struct spv_chain_header *record, bool side);
void postgres_between(const struct rows *r);
void postgres_tail(const struct rows *r, const struct spv_chain_header *first,
                   const struct spv_chain_header *last);

#endif
