/* Shared by the store's tests: a temporary folder, quickly mined chains on regtest's genesis, and
 * SQL on a database by a connection other than the store's. */
#ifndef SPV_TESTS_UNIT_STORE_STORE_FIXTURE_H
#define SPV_TESTS_UNIT_STORE_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "spv/store.h"

#define PATH_LEN 300

/* SQL that removes what schema 4 added. */
#define DROP_WALLET                                                                                \
    "DROP VIEW wallet_history; DROP VIEW wallet_coin; DROP VIEW wallet_balance;"                   \
    "DROP TABLE wallet_meta; DROP TABLE wallet_watch; DROP TABLE wallet_branch;"                   \
    "DROP TABLE wallet_script; DROP TABLE wallet_tx; DROP TABLE wallet_tx_data;"                   \
    "DROP TABLE wallet_output; DROP TABLE wallet_share; DROP TABLE wallet_sum;"                    \
    "DROP TABLE wallet_label; DROP TABLE wallet_label_line; DROP TABLE broadcast;"

/* A new folder for each test; *state is its path. */
int folder_setup(void **state);
int folder_teardown(void **state); /* removes the folder and its files */
/* "<folder>/<name>", in one of eight static buffers, used in turn. */
const char *in_folder(void **state, const char *name);

const struct spv_params *regtest(void);

/* Genesis as a chain header. */
struct spv_chain_header genesis_record(const struct spv_params *params);
/* n headers on *parent, each with proof of work for regtest; different salts give different
 * branches. */
void extend(struct spv_chain_header *out, const struct spv_chain_header *parent, size_t n,
            uint32_t salt);

/* Opens the store, or fails the test. */
struct spv_store *must_open(const char *path, enum spv_store_mode mode);
/* Opening must fail with err; the error text must contain the path and this word. */
void must_refuse(const char *path, enum spv_store_mode mode, const struct spv_params *params,
                 int err, const char *word);
int apply(struct spv_store *s, enum spv_chain_update_kind kind, uint32_t fork, uint32_t removed,
          const struct spv_chain_header *records, size_t n);
/* Creates and closes a database with headers 1..n on genesis. */
void make_chain(const char *path, struct spv_chain_header *records, size_t n);

/* Asserts that all fields are equal (not the padding of the struct). */
void same_record(const struct spv_chain_header *a, const struct spv_chain_header *b);
/* Asserts that each read function returns exactly genesis and these n headers. */
void assert_chain(struct spv_store *s, const struct spv_chain_header *records, size_t n);

/* Runs SQL on the file with a connection of its own. */
void run_sql(const char *path, const char *sql);
/* The first column of the first row, as text. */
void ask(char *out, size_t cap, const char *path, const char *sql);

void copy_file(const char *from, const char *to);
void write_file(const char *path, const void *bytes, size_t n);
long file_size(const char *path); /* -1: the file does not exist */
void truncate_file(const char *path, long size);

#endif
