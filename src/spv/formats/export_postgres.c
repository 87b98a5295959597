/* COPY is the fastest way to insert rows; keys and indexes are created after them. Unsigned 32-bit
 * columns are bigint, since PostgreSQL's integer is signed. */
#include "spv/formats/export_postgres.h"

#include <inttypes.h>
#include <stdio.h>

#include "util/hex.h"
#include "util/u256.h"

#define ROW_MAX 640 /* a side branch's row has 340 bytes */

#define COLUMNS                                                                                    \
    " height bigint NOT NULL,\n"                                                                   \
    " hash bytea NOT NULL,\n"                                                                      \
    " version integer NOT NULL,\n"                                                                 \
    " merkle_root bytea NOT NULL,\n"                                                               \
    " time bigint NOT NULL,\n"                                                                     \
    " bits bigint NOT NULL,\n"                                                                     \
    " nonce bigint NOT NULL,\n"                                                                    \
    " work bytea NOT NULL"
static const char *const tables[] = {
    "\\set ON_ERROR_STOP on\n"
    "SET client_encoding = 'UTF8';\n"
    "SET standard_conforming_strings = on;\n"
    "BEGIN;\n"
    "CREATE TABLE header (\n" COLUMNS "\n);\n",
    "CREATE TABLE branch_header (\n" COLUMNS ",\n previous_hash bytea NOT NULL\n);\n",
    "CREATE TABLE meta (\n key text PRIMARY KEY,\n value text NOT NULL\n);\n",
};
static const char names[] = "height, hash, version, merkle_root, time, bits, nonce, work";

static int copy_from(const struct spv_export_rows *e, const char *table, const char *more)
{
    char text[ROW_MAX];
    int n = snprintf(text, sizeof text, "COPY %s (%s%s) FROM stdin;\n", table, names, more);
    return spv_export_write(e, text, (size_t)n);
}

int spv_postgres_begin(const struct spv_export_rows *e)
{
    char text[ROW_MAX];
    int n = snprintf(text, sizeof text,
                     "-- Block headers of %s from height %" PRIu32 " on, by spv-export (libspv).\n"
                     "-- Load with: psql -f FILE\n"
                     "-- Hashes, merkle roots and work are bytea in display order:\n"
                     "-- encode(hash, 'hex') is the usual form.\n",
                     e->params->net.name, e->from);
    int rc = spv_export_write(e, text, (size_t)n);
    for (size_t i = 0; !rc && i < sizeof tables / sizeof tables[0]; i++)
        rc = spv_export_text(e, tables[i]);
    return rc ? rc : copy_from(e, "header", "");
}

int spv_postgres_row(const struct spv_export_rows *e, const struct spv_chain_header *h, bool side)
{
    char hash[SPV_HASH_HEX];
    char root[SPV_HASH_HEX];
    char work[SPV_HASH_HEX];
    char prev[SPV_HASH_HEX];
    char text[ROW_MAX];
    spv_blockhash_hex(hash, &h->hash);
    spv_hash256_hex(root, &h->header.merkle_root);
    spv_u256_hex(work, &h->work);
    spv_blockhash_hex(prev, &h->header.prev);
    int n = snprintf(text, sizeof text,
                     "%" PRIu32 "\t\\\\x%s\t%" PRId32 "\t\\\\x%s\t%" PRIu32 "\t%" PRIu32
                     "\t%" PRIu32 "\t\\\\x%s%s%s\n",
                     h->height, hash, h->header.version, root, h->header.time, h->header.bits,
                     h->header.nonce, work, side ? "\t\\\\x" : "", side ? prev : "");
    return spv_export_write(e, text, (size_t)n);
}

int spv_postgres_begin_branches(const struct spv_export_rows *e)
{
    int rc = spv_export_text(e, "\\.\n");
    return rc ? rc : copy_from(e, "branch_header", ", previous_hash");
}

int spv_postgres_end(const struct spv_export_rows *e, const struct spv_chain_header *first,
                     const struct spv_chain_header *last)
{
    char magic[9] = "";
    char genesis[SPV_HASH_HEX];
    char hash[SPV_HASH_HEX];
    char work[SPV_HASH_HEX];
    char prev[SPV_HASH_HEX];
    char text[2 * ROW_MAX];
    struct spv_blockhash zeroth;
    spv_hex(magic, e->params->net.magic, sizeof e->params->net.magic);
    spv_header_hash(&zeroth, &e->params->genesis);
    spv_blockhash_hex(genesis, &zeroth);
    spv_blockhash_hex(hash, &last->hash);
    spv_u256_hex(work, &last->work);
    spv_blockhash_hex(prev, &first->header.prev);
    int rc = spv_export_text(e, "\\.\nCOPY meta (key, value) FROM stdin;\n");
    if (rc)
        return rc;
    int n = snprintf(text, sizeof text,
                     "network\t%s\nmagic\t%s\ngenesis\t%s\ntip_height\t%" PRIu32
                     "\ntip_hash\t%s\ntip_work\t%s\nfirst_previous_hash\t%s\n\\.\n",
                     e->params->net.name, magic, genesis, last->height, hash, work, prev);
    rc = spv_export_write(e, text, (size_t)n);
    return rc ? rc
              : spv_export_text(e, "ALTER TABLE header ADD PRIMARY KEY (height);\n"
                                   "CREATE UNIQUE INDEX header_by_hash ON header (hash);\n"
                                   "ALTER TABLE branch_header ADD PRIMARY KEY (hash);\n"
                                   "CREATE VIEW block_header AS SELECT\n"
                                   " h.height,\n"
                                   " encode(h.hash, 'hex') AS hash,\n"
                                   " h.version,\n"
                                   " CASE WHEN p.hash IS NULL THEN (SELECT value FROM meta"
                                   " WHERE key = 'first_previous_hash')"
                                   " ELSE encode(p.hash, 'hex') END AS previous_hash,\n"
                                   " encode(h.merkle_root, 'hex') AS merkle_root,\n"
                                   " h.time,\n"
                                   " to_timestamp(h.time) AT TIME ZONE 'UTC' AS utc,\n"
                                   " lpad(to_hex(h.bits), 8, '0') AS bits,\n"
                                   " h.nonce,\n"
                                   " encode(h.work, 'hex') AS work\n"
                                   " FROM header h LEFT JOIN header p ON p.height = h.height - 1;\n"
                                   "COMMIT;\n");
}
