/* A wallet in a database, and the steps of a node that has one: each is one transaction. */
#ifndef SPV_TESTS_UNIT_STORE_STORED_WALLET_H
#define SPV_TESTS_UNIT_STORE_STORED_WALLET_H

#include "chain_builder.h"
#include "store_fixture.h"
#include "support/random.h"

#include "spv/wallet_db.h"

#define WALLET_HEADERS 30 /* of the chain at the start */
#define WALLET_STEPS 7
#define WALLET_TXS 6

/* Scripts 0 and 1 are watched alone; others are the descriptor's or foreign. */
struct spv_bytes wallet_script(uint8_t k);
extern const char wallet_descriptor[];

/* Makes transactions and headers, once a program; the caller frees the transactions. */
void stored_wallet_prepare(void);
void stored_wallet_free(void);
extern struct built_tx wallet_txs[WALLET_TXS];
extern struct spv_chain_header wallet_chain[WALLET_HEADERS];

/* The wallet's configuration: with a generator of its own. */
struct spv_wallet_config wallet_config(void);
/* A new database with headers 1..WALLET_HEADERS. */
void make_wallet_chain(const char *path);
/* Loads the wallet, does step i, and stores it. What a step did before is known from the rows. */
int wallet_step(struct spv_store *s, size_t i);
/* All steps from a file on; fails the test. */
void make_stored_wallet(const char *path, size_t n_steps);
/* A hash of all rows of the wallet, and of the tip and filter headers; not of its random id. */
uint64_t wallet_state(const char *path);

/* A file h.db in the test's folder, after so many steps; its path. */
const char *new_stored_wallet(void **state, size_t n_steps);
/* Opens an iterator at a list, or fails the test. */
struct spv_wallet_iter *open_wallet_list(struct spv_store *s, enum spv_wallet_list list,
                                         const struct spv_wallet_key *after);
/* Of a group of tests. */
int stored_wallet_setup(void **state);
int stored_wallet_teardown(void **state);

#endif
