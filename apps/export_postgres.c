/* Rows go in by COPY, the fastest way there is; keys and indexes are made after them. Unsigned
 * 32-bit columns are bigint, since PostgreSQL's integer is signed. */
#include "export_postgres.h"

#include <inttypes.h>
#include <stdio.h>

#define ROW_MAX 640 /* a side branch's row has 340 bytes */

static const char columns[] = " height bigint NOT NULL,\n"
                              " hash bytea NOT NULL,\n"
                              " version integer NOT NULL,\n"
                              " merkle_root bytea NOT NULL,\n"
                              " time bigint NOT NULL,\n"
                              " bits bigint NOT NULL,\n"
                              " nonce bigint NOT NULL,\n"
                              " work bytea NOT NULL";
static const char names[] = "height, hash, version, merkle_root, time, bits, nonce, work";

static void copy_from(const struct rows *r, const char *table, const char *more)
{
    char text[ROW_MAX];
    int n = snprintf(text, sizeof text, "COPY %s (%s%s) FROM stdin;\n", table, names, more);
    sink_write(r->sink, text, (size_t)n);
}

void postgres_head(const struct rows *r)
{
    char text[ROW_MAX];
    int n = snprintf(text, sizeof text,
                     "-- Block headers of %s from height %" PRIu32 " on, by spv-export (libspv).\n"
                     "-- Load with: psql -f FILE\n"
                     "-- Hashes, merkle roots and work are bytea in display order:\n"
                     "-- encode(hash, 'hex') is what people write.\n",
                     r->params->net.name, r->from);
    sink_write(r->sink, text, (size_t)n);
    sink_text(r->sink, "\\set ON_ERROR_STOP on\n"
                       "SET client_encoding = 'UTF8';\n"
                       "SET standard_conforming_strings = on;\n"
                       "BEGIN;\n"
                       "CREATE TABLE header (\n");
    sink_text(r->sink, columns);
    sink_text(r->sink, "\n);\nCREATE TABLE branch_header (\n");
    sink_text(r->sink, columns);
    sink_text(r->sink, ",\n previous_hash bytea NOT NULL\n);\n"
                       "CREATE TABLE meta (\n key text PRIMARY KEY,\n value text NOT NULL\n);\n");
    copy_from(r, "header", "");
}

void postgres_row(const struct rows *r, const struct spv_chain_header *record, bool side)
{
    char hash[SPV_HASH_HEX];
    char root[SPV_HASH_HEX];
    char work[SPV_HASH_HEX];
    char prev[SPV_HASH_HEX];
    char text[ROW_MAX];
    spv_blockhash_hex(hash, &record->hash);
    spv_hash256_hex(root, &record->header.merkle_root);
    spv_u256_hex(work, &record->work);
    spv_blockhash_hex(prev, &record->header.prev);
    int n = snprintf(text, sizeof text,
                     "%" PRIu32 "\t\\\\x%s\t%" PRId32 "\t\\\\x%s\t%" PRIu32 "\t%" PRIu32
                     "\t%" PRIu32 "\t\\\\x%s%s%s\n",
                     record->height, hash, record->header.version, root, record->header.time,
                     record->header.bits, record->header.nonce, work, side ? "\t\\\\x" : "",
                     side ? prev : "");
    sink_write(r->sink, text, (size_t)n);
}

void postgres_between(const struct rows *r)
{
    sink_text(r->sink, "\\.\n");
    copy_from(r, "branch_header", ", previous_hash");
}

void postgres_tail(const struct rows *r, const struct spv_chain_header *first,
                   const struct spv_chain_header *last)
{
    static const char hex[] = "0123456789abcdef";
    char magic[9] = "";
    char genesis[SPV_HASH_HEX];
    char hash[SPV_HASH_HEX];
    char work[SPV_HASH_HEX];
    char prev[SPV_HASH_HEX];
    char text[2 * ROW_MAX];
    struct spv_blockhash zeroth;
    for (size_t i = 0; i < 4; i++) {
        magic[2 * i] = hex[r->params->net.magic[i] >> 4];
        magic[2 * i + 1] = hex[r->params->net.magic[i] & 15];
    }
    spv_header_hash(&zeroth, &r->params->genesis);
    spv_blockhash_hex(genesis, &zeroth);
    spv_blockhash_hex(hash, &last->hash);
    spv_u256_hex(work, &last->work);
    spv_blockhash_hex(prev, &first->header.prev);
    sink_text(r->sink, "\\.\nCOPY meta (key, value) FROM stdin;\n");
    int n = snprintf(text, sizeof text,
                     "network\t%s\nmagic\t%s\ngenesis\t%s\ntip_height\t%" PRIu32
                     "\ntip_hash\t%s\ntip_work\t%s\nfirst_previous_hash\t%s\n\\.\n",
                     r->params->net.name, magic, genesis, last->height, hash, work, prev);
    sink_write(r->sink, text, (size_t)n);
    sink_text(r->sink, "ALTER TABLE header ADD PRIMARY KEY (height);\n"
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
