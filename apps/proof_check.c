/* Reads a proof and the transactions that prove its depth. */
#include <stdlib.h>
#include <string.h>

#include "proof.h"

static int read_tree(struct spv_msg_merkleblock *out, struct read_bytes *bytes, const char *path)
{
    int rc = read_bytes(bytes, path, PROOF_MAX);

    if (rc != CLI_DONE) {
        return rc;
    }
    rc = spv_merkle_parse(out, bytes->at, bytes->n);
    if (rc < 0) {
        return cli_fail_as(CLI_FAILED, rc, "%s: is no merkle proof: %s.", read_bytes_name(path),
                           spv_strerror(rc));
    }
    return CLI_DONE;
}

static int read_tx(struct proof_tx *out, const char *path)
{
    int rc = read_bytes(&out->bytes, path, PROOF_TX_MAX);

    if (rc != CLI_DONE) {
        return rc;
    }
    out->path = path;
    rc = spv_tx_parse(&out->tx, out->bytes.at, out->bytes.n);
    if (rc < 0) {
        return cli_fail_as(CLI_FAILED, rc, "%s: is no transaction: %s.", read_bytes_name(path),
                           spv_strerror(rc));
    }
    spv_tx_txid(&out->txid, &out->tx);
    return CLI_DONE;
}

static int verify_tree(struct proof *p)
{
    struct spv_merkle_match *found = calloc(p->tree.n_hashes + 1, sizeof *found);
    int n = found ? spv_merkle_verify(found, &p->tree) : SPV_ERR_NOMEM;

    if (n > 0) {
        p->matches = calloc((size_t)n, sizeof *p->matches);
        n = p->matches ? n : SPV_ERR_NOMEM;
    }
    for (int i = 0; i < n; i++) {
        p->matches[i].match = found[i];
    }
    free(found);
    if (n < 0) {
        return cli_fail_as(CLI_FAILED, n, "%s: proves nothing: %s.", p->name, spv_strerror(n));
    }
    if (n == 0) {
        return cli_fail_as(CLI_FAILED, SPV_ERR_NOT_FOUND,
                           "%s: proves nothing: no transaction is marked in it.", p->name);
    }
    p->n_matches = (size_t)n;
    return CLI_DONE;
}

int proof_read(struct proof *p, const struct cli_list *tx_paths)
{
    int rc = read_tree(&p->tree, &p->bytes, p->path);

    if (rc == CLI_DONE) {
        rc = verify_tree(p);
    }
    if (rc == CLI_DONE && p->coinbase_path) {
        rc = read_tree(&p->coinbase_tree, &p->coinbase_bytes, p->coinbase_path);
    }
    if (rc != CLI_DONE) {
        return rc;
    }
    spv_header_hash(&p->block, &p->tree.header);
    p->txs = calloc(tx_paths->n + 1, sizeof *p->txs);
    if (!p->txs) {
        return cli_fail(SPV_ERR_NOMEM, "not enough memory.");
    }
    while (rc == CLI_DONE && p->n_txs < tx_paths->n) {
        struct proof_tx *tx = &p->txs[p->n_txs];
        rc = read_tx(tx, tx_paths->item[p->n_txs]);
        p->n_txs++;
    }
    return rc;
}

static struct proof_tx *find_tx(struct proof *p, const struct spv_txid *txid)
{
    for (size_t i = 0; i < p->n_txs; i++) {
        if (memcmp(&p->txs[i].txid, txid, sizeof *txid) == 0) {
            return &p->txs[i];
        }
    }
    return NULL;
}

static struct proof_tx *find_coinbase(struct proof *p)
{
    for (size_t i = 0; i < p->n_txs; i++) {
        if (spv_tx_is_coinbase(&p->txs[i].tx)) {
            return &p->txs[i];
        }
    }
    return NULL;
}

/* The coinbase proves the depth of all matches at once. Without --coinbase-proof the proof itself
 * may have it. */
static enum spv_merkle_depth check_coinbase(struct proof *p)
{
    const struct spv_msg_merkleblock *tree = p->coinbase_path ? &p->coinbase_tree : &p->tree;
    struct proof_tx *coinbase = find_coinbase(p);
    enum spv_merkle_depth depth;

    if (!coinbase) {
        return SPV_MERKLE_DEPTH_NO_TX;
    }
    depth = spv_merkle_depth_by_coinbase(&p->tree, tree, &coinbase->tx);
    coinbase->used = p->coinbase_path || depth == SPV_MERKLE_DEPTH_PROVEN;
    return depth;
}

static void check_match(struct proof *p, struct proof_match *m, enum spv_merkle_depth coinbase)
{
    struct proof_tx *tx = find_tx(p, &m->match.txid);

    m->reason = spv_merkle_depth_by_tx(&p->tree, m->match.position, tx ? &tx->tx : NULL);
    if (tx) {
        tx->used = true;
    }
    if (m->reason == SPV_MERKLE_DEPTH_PROVEN) {
        m->by = PROOF_BY_TX;
    } else if (coinbase == SPV_MERKLE_DEPTH_PROVEN) {
        m->by = PROOF_BY_COINBASE;
    } else if (p->coinbase_path) {
        m->reason = coinbase;
    }
}

int proof_check_depth(struct proof *p)
{
    const enum spv_merkle_depth coinbase = check_coinbase(p);

    for (size_t i = 0; i < p->n_matches; i++) {
        check_match(p, &p->matches[i], coinbase);
    }
    for (size_t i = 0; i < p->n_txs; i++) {
        char txid[SPV_HASH_HEX];
        if (!p->txs[i].used) {
            spv_txid_hex(txid, &p->txs[i].txid);
            return cli_fail_as(CLI_FAILED, SPV_ERR_NOT_FOUND,
                               "%s: its transaction %s is not proven by %s.", p->txs[i].path, txid,
                               p->name);
        }
    }
    return CLI_DONE;
}

void proof_free(struct proof *p)
{
    for (size_t i = 0; i < p->n_txs; i++) {
        free(p->txs[i].bytes.at);
    }
    free(p->txs);
    free(p->matches);
    free(p->bytes.at);
    free(p->coinbase_bytes.at);
    *p = (struct proof){0};
}
