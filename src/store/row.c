/* The stored form is described in schema.c. A column is fetched once as a value, which costs half
 * of three calls by column; every connection of ours is opened without mutexes, where SQLite allows
 * that. */
#include "store/row.h"

#include <string.h>

#include "spv/error.h"
#include "util/u256.h"

void spv_row_reverse(uint8_t out[32], const uint8_t in[32])
{
    uint64_t words[4];
    memcpy(words, in, sizeof words);
    const uint64_t reversed[4] = {__builtin_bswap64(words[3]), __builtin_bswap64(words[2]),
                                  __builtin_bswap64(words[1]), __builtin_bswap64(words[0])};
    memcpy(out, reversed, sizeof reversed);
}

int spv_row_bind(sqlite3_stmt *st, struct spv_row *row, const struct spv_chain_header *entry)
{
    const struct spv_header *h = &entry->header;
    spv_row_reverse(row->hash, entry->hash.b);
    spv_row_reverse(row->merkle_root, h->merkle_root.b);
    spv_u256_to_be(row->work, &entry->work);
    int rc = sqlite3_bind_int64(st, 1, entry->height);
    rc |= sqlite3_bind_blob(st, 2, row->hash, 32, SQLITE_STATIC);
    rc |= sqlite3_bind_int64(st, 3, h->version);
    rc |= sqlite3_bind_blob(st, 4, row->merkle_root, 32, SQLITE_STATIC);
    rc |= sqlite3_bind_int64(st, 5, h->time);
    rc |= sqlite3_bind_int64(st, 6, h->bits);
    rc |= sqlite3_bind_int64(st, 7, h->nonce);
    rc |= sqlite3_bind_blob(st, 8, row->work, 32, SQLITE_STATIC);
    return rc == SQLITE_OK ? SQLITE_OK : sqlite3_errcode(sqlite3_db_handle(st));
}

int spv_row_bind_prev(sqlite3_stmt *st, struct spv_row *row, const struct spv_chain_header *entry)
{
    int rc = spv_row_bind(st, row, entry);
    if (rc != SQLITE_OK)
        return rc;
    spv_row_reverse(row->prev, entry->header.prev.b);
    return sqlite3_bind_blob(st, SPV_ROW_N + 1, row->prev, 32, SQLITE_STATIC);
}

static int read_int(int64_t *out, sqlite3_stmt *st, int column, int64_t min, int64_t max)
{
    sqlite3_value *value = sqlite3_column_value(st, column);
    if (sqlite3_value_type(value) != SQLITE_INTEGER)
        return SPV_ERR_DB_DAMAGED;
    *out = sqlite3_value_int64(value);
    return *out >= min && *out <= max ? 0 : SPV_ERR_DB_DAMAGED;
}

int spv_row_u32(uint32_t *out, sqlite3_stmt *st, int column)
{
    int64_t x = 0;
    int rc = read_int(&x, st, column, 0, UINT32_MAX);
    *out = rc == 0 ? (uint32_t)x : 0;
    return rc;
}

static const uint8_t *read_blob(sqlite3_stmt *st, int column)
{
    sqlite3_value *value = sqlite3_column_value(st, column);
    if (sqlite3_value_type(value) != SQLITE_BLOB || sqlite3_value_bytes(value) != 32)
        return NULL;
    return sqlite3_value_blob(value);
}

int spv_row_hash(uint8_t out[32], sqlite3_stmt *st, int column)
{
    const uint8_t *blob = read_blob(st, column);
    if (!blob)
        return SPV_ERR_DB_DAMAGED;
    spv_row_reverse(out, blob);
    return 0;
}

int spv_row_read_header(struct spv_chain_header *out, sqlite3_stmt *st)
{
    memset(out, 0, sizeof *out);
    struct spv_header *h = &out->header;
    int64_t version = 0;
    if (!read_blob(st, 7) || spv_row_u32(&out->height, st, 0) != 0 ||
        spv_row_hash(out->hash.b, st, 1) != 0 ||
        read_int(&version, st, 2, INT32_MIN, INT32_MAX) != 0 ||
        spv_row_hash(h->merkle_root.b, st, 3) != 0 || spv_row_u32(&h->time, st, 4) != 0 ||
        spv_row_u32(&h->bits, st, 5) != 0 || spv_row_u32(&h->nonce, st, 6) != 0)
        return SPV_ERR_DB_DAMAGED;
    h->version = (int32_t)version;
    return 0;
}

int spv_row_read(struct spv_chain_header *out, sqlite3_stmt *st)
{
    if (spv_row_read_header(out, st) != 0)
        return SPV_ERR_DB_DAMAGED;
    out->work = spv_u256_from_be(read_blob(st, 7));
    return 0;
}
