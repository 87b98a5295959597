/* Rows of the header table to headers and back. Every read checks types, lengths and ranges: the
 * file may have been edited or damaged. */
#ifndef SPV_STORE_ROW_H
#define SPV_STORE_ROW_H

#include <sqlite3.h>

#include "spv/header.h"

/* The columns of a row, in the order in which every statement of this layer names them. */
#define SPV_ROW_COLUMNS "height, hash, version, merkle_root, time, bits, nonce, work"
#define SPV_ROW_N 8 /* the previous hash, where a statement gives it, is column 8 */

/* The row's hashes and work as they are stored: bound by reference, so it must outlive the step. */
struct spv_row {
    uint8_t hash[32];
    uint8_t merkle_root[32];
    uint8_t work[32];
    uint8_t prev[32];
};

/* Binds a header to parameters 1..8 (the columns above). An SQLite result code. */
int spv_row_bind(sqlite3_stmt *st, struct spv_row *row, const struct spv_chain_header *entry);
/* The same, and the previous hash as parameter 9. */
int spv_row_bind_prev(sqlite3_stmt *st, struct spv_row *row, const struct spv_chain_header *entry);

/* The header of the current row without its previous hash, which is left zero. 0, or
 * SPV_ERR_DB_DAMAGED when a column is not what it should be. */
int spv_row_read(struct spv_chain_header *out, sqlite3_stmt *st);
/* The same, except that the work's form is only checked, and is left zero. */
int spv_row_read_header(struct spv_chain_header *out, sqlite3_stmt *st);
/* A 32-byte column in display order to internal order. 0 or SPV_ERR_DB_DAMAGED. */
int spv_row_hash(uint8_t out[32], sqlite3_stmt *st, int column);
/* An unsigned 32-bit column, as heights are. 0 or SPV_ERR_DB_DAMAGED. */
int spv_row_u32(uint32_t *out, sqlite3_stmt *st, int column);

/* Display order to internal order and back. */
void spv_row_reverse(uint8_t out[32], const uint8_t in[32]);

#endif
