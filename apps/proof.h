/* Shared by the files of spv-proof: what was read, and what it proves. */
#ifndef SPV_PROOF_H
#define SPV_PROOF_H

#include "cli.h"
#include "read_bytes.h"
#include "spv/merkle.h"
#include "spv/store.h"

#define PROOF_MAX 600000 /* bytes: more than 16,666 hashes with their flags */
#define PROOF_TX_MAX SPV_MAX_PAYLOAD

/* One transaction given with --tx. */
struct proof_tx {
    const char *path;
    struct read_bytes bytes;
    struct spv_tx tx;
    struct spv_txid txid;
    bool used; /* a match is this transaction, or it is the coinbase that proves the depth */
};

/* A match, and by what its depth is proven. */
struct proof_match {
    struct spv_merkle_match match;
    enum proof_depth { PROOF_BY_NOTHING, PROOF_BY_TX, PROOF_BY_COINBASE } by;
    enum spv_merkle_depth reason; /* BY_NOTHING: why */
};

/* A block in the database. */
struct proof_block {
    struct spv_chain_header header;
    uint32_t confirmations; /* 0: not in the best chain */
    bool stored; /* the header is in the database, perhaps on a side branch */
    uint32_t tip; /* height */
};

struct proof {
    const char *path, *name; /* name: for messages */
    const char *coinbase_path; /* NULL: none */
    struct read_bytes bytes, coinbase_bytes;
    struct spv_msg_merkleblock tree, coinbase_tree; /* views of them */
    struct spv_blockhash block;
    struct proof_tx *txs;
    size_t n_txs;
    struct proof_match *matches;
    size_t n_matches;
    struct proof_block in_chain;
};

/* Finds a block in the database. Returns CLI_DONE, or the code to exit with after reporting the
 * error. */
int proof_find_block(struct proof_block *out, struct spv_store *store,
                     const struct spv_blockhash *hash);

/* Reads the files and verifies the tree; and finds out by what the depth of each match is proven.
 * Return CLI_DONE, or the code to exit with after reporting the error. */
int proof_read(struct proof *p, const struct cli_list *tx_paths);
int proof_check_depth(struct proof *p);
void proof_free(struct proof *p);

/* Prints all of it, as text or as a JSON object. */
void proof_print(const struct proof *p, const char *network);
/* One clause: why the depth is not proven. */
const char *proof_depth_reason(enum spv_merkle_depth depth);

#endif
