/* The postgres format: one file of SQL that psql -f loads in one transaction. Tables and columns
 * are those of docs/schema.md; hashes and work are bytea in display order. */
#ifndef SPV_SPV_FORMATS_EXPORT_POSTGRES_H
#define SPV_SPV_FORMATS_EXPORT_POSTGRES_H

#include "spv/formats/export_rows.h"

/* As the spv_export_rows_ functions of the same names; row writes those of side branches, too. Each
 * returns 0 or the value that write returned. */
int spv_postgres_begin(const struct spv_export_rows *e);
int spv_postgres_row(const struct spv_export_rows *e, const struct spv_chain_header *h, bool side);
int spv_postgres_begin_branches(const struct spv_export_rows *e);
int spv_postgres_end(const struct spv_export_rows *e, const struct spv_chain_header *first,
                     const struct spv_chain_header *last);

#endif
