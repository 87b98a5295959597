/* What the store's tests share: a scratch folder, quickly mined fake chains on regtest's genesis,
 * and a way to meddle with a database behind the store's back. */
#ifndef SPV_TESTS_UNIT_STORE_STORE_FIXTURE_H
#define SPV_TESTS_UNIT_STORE_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "spv/store.h"

#define PATH_LEN 300

/* A fresh folder a test; *state is its path. */
int folder_setup(void **state);
int folder_teardown(void **state); /* removes it and what is in it */
/* "<folder>/<name>", in one of eight static buffers that take turns. */
const char *in_folder(void **state, const char *name);

const struct spv_params *regtest(void);

/* The genesis record. */
struct spv_chain_header first_record(const struct spv_params *params);
/* n records on top of *parent, each with a proof of work for regtest; salt sets branches apart. */
void grow(struct spv_chain_header *out, const struct spv_chain_header *parent, size_t n,
          uint32_t salt);

/* Opens or fails the test. */
struct spv_store *must_open(const char *path, enum spv_store_mode mode);
/* Tries to open, which must fail with err and name the path and each of the words in the problem.
 */
void must_refuse(const char *path, enum spv_store_mode mode, const struct spv_params *params,
                 int err, const char *word);
int apply(struct spv_store *s, enum spv_chain_update_kind kind, uint32_t fork, uint32_t removed,
          const struct spv_chain_header *records, size_t n);
/* A closed database with records 1..n on genesis. */
void make_chain(const char *path, struct spv_chain_header *records, size_t n);

/* The same in every field (the padding of a struct is not compared). */
void same_record(const struct spv_chain_header *a, const struct spv_chain_header *b);
/* The store holds exactly genesis and these n records, by every way of reading. */
void holds(struct spv_store *s, const struct spv_chain_header *records, size_t n);

/* Runs SQL on the file with a plain connection. */
void meddle(const char *path, const char *sql);
/* The first column of the first row, as text. */
void ask(char *out, size_t cap, const char *path, const char *sql);

void copy_file(const char *from, const char *to);
void write_file(const char *path, const void *bytes, size_t n);
long file_size(const char *path); /* -1: not there */
void truncate_file(const char *path, long size);

#endif
