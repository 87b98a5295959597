/* Blocks. A whole block is first only scanned, because most are not relevant. Then its relevant
 * transactions are added in order, each with a proof made from the block; this is repeated while
 * the gap rule has derived new scripts, which an earlier transaction of the block may pay. */
#include <stdlib.h>
#include <string.h>

#include "spv/error.h"
#include "spv/merkle.h"
#include "spv/wallet/wallet_add.h"
#include "spv/wallet/wallet_bounds.h"
#include "spv/wallet/wallet_coins.h"
#include "spv/wallet/wallet_update.h"

/* ---- a transaction of a block ---- */

/* The record of a transaction. Coinbases may share a txid (before BIP34), so they are found by txid
 * and block. */
static uint32_t find_record(const struct spv_wallet *w, const struct spv_proven_tx *in,
                            const struct spv_txid *txid, const struct spv_point *block)
{
    return spv_tx_is_coinbase(&in->tx) ? spv_wallet_find_in_block(w, txid, &block->hash)
                                       : spv_wallet_find_tx(w, txid);
}

static int set_proof(struct spv_tx_record *tx, struct spv_bytes proof)
{
    uint8_t *copy;

    if (proof.n == 0)
        return 0;
    copy = malloc(proof.n);
    if (!copy)
        return SPV_ERR_NOMEM;
    memcpy(copy, proof.bytes, proof.n);
    free(tx->new_proof);
    tx->new_proof = copy;
    tx->n_new_proof = proof.n;
    return 0;
}

static int confirm_tx(struct spv_wallet *w, uint32_t number, const struct spv_wallet_block *block,
                      const struct spv_proven_tx *in)
{
    struct spv_tx_record *tx = &w->txs[number];
    int rc = set_proof(tx, in->proof);

    if (rc < 0)
        return rc;
    tx->row.block = block->point;
    tx->row.block_time = block->time;
    tx->row.position = in->position;
    tx->row.state = SPV_TX_CONFIRMED;
    tx->row.conflict = (struct spv_txid){.b = {0}};
    tx->row.flags &= ~(uint32_t)(SPV_TX_FLAG_DEPTH_PROVEN | SPV_TX_FLAG_EXPIRED);
    if (in->depth_proven)
        tx->row.flags |= SPV_TX_FLAG_DEPTH_PROVEN;
    tx->in_balance = tx->trusted = true;
    tx->changed = true;
    free(tx->raw);
    tx->raw = NULL;
    rc = spv_wallet_move_to_block(w, number);
    return rc < 0 ? rc : spv_wallet_mark_related_dirty(w, number);
}

/* Adds a relevant transaction. */
static int put_block_tx(struct spv_wallet *w, const struct spv_wallet_block *block,
                        const struct spv_proven_tx *in, const struct spv_txid *txid)
{
    uint32_t number = find_record(w, in, txid, &block->point);
    struct spv_tx_record *tx;
    int rc;

    rc = spv_wallet_put_tx(w, &number, &in->tx, txid, in->stripped);
    if (rc < 0)
        return rc;
    tx = &w->txs[number];
    if (spv_tx_is_coinbase(&in->tx))
        tx->row.flags |= SPV_TX_FLAG_COINBASE;
    if (tx->row.first_seen == 0)
        tx->row.first_seen = tx->row.last_seen = block->time;
    if (!spv_tx_is_confirmed(tx))
        return confirm_tx(w, number, block, in);
    if (in->depth_proven && (tx->row.flags & SPV_TX_FLAG_DEPTH_PROVEN) == 0) {
        tx->row.flags |= SPV_TX_FLAG_DEPTH_PROVEN;
        tx->changed = true;
        return set_proof(tx, in->proof);
    }
    return 0;
}

/* ---- a whole block ---- */

struct whole_block {
    const struct spv_wallet_block *in;
    struct spv_txid *txids;
    uint8_t *proof;
    size_t cap_proof;
};

static bool block_is_relevant(const struct spv_wallet *w, const struct spv_block *block)
{
    struct spv_block_iter iter = spv_block_txs(block);
    struct spv_txid txid;
    struct spv_tx tx;

    while (spv_block_next(&iter, &tx)) {
        if (w->set.n_txids > 0)
            spv_tx_txid(&txid, &tx);
        if (spv_wallet_is_relevant(w, &tx, w->set.n_txids > 0 ? &txid : NULL))
            return true;
    }
    return false;
}

/* Computes the txids and checks them against the merkle root, and checks all transactions. */
static int check_whole(struct whole_block *b)
{
    struct spv_block_iter iter = spv_block_txs(b->in->whole);
    struct spv_hash256 root;
    struct spv_tx tx;
    int rc = 0;

    for (size_t i = 0; rc == 0 && spv_block_next(&iter, &tx); i++) {
        spv_tx_txid(&b->txids[i], &tx);
        rc = spv_wallet_check_tx(&tx);
    }
    if (rc == 0)
        rc = spv_merkle_root(&root, b->txids, b->in->whole->n_txs);
    if (rc == 0 && memcmp(&root, &b->in->whole->header.merkle_root, sizeof root) != 0)
        rc = SPV_ERR_MERKLE_ROOT;
    return rc;
}

/* Makes the proof of one transaction. */
static int make_proof(struct whole_block *b, struct spv_bytes *out, uint32_t position)
{
    const struct spv_block *whole = b->in->whole;
    struct spv_merkle_proof *proof;
    size_t n;
    int rc = spv_merkle_proof_new(&proof, &whole->header, b->txids, whole->n_txs, &position, 1);

    if (rc < 0)
        return rc;
    n = spv_merkle_encoded_size(spv_merkle_proof_message(proof));
    if (n > b->cap_proof) {
        free(b->proof);
        b->proof = malloc(n);
        b->cap_proof = b->proof ? n : 0;
    }
    rc = b->proof ? spv_merkle_encode(b->proof, n, spv_merkle_proof_message(proof)) : SPV_ERR_NOMEM;
    spv_merkle_proof_free(proof);
    *out = (struct spv_bytes){.bytes = b->proof, .n = n};
    return rc < 0 ? rc : 0;
}

static int put_whole_once(struct spv_wallet *w, struct whole_block *b)
{
    struct spv_block_iter iter = spv_block_txs(b->in->whole);
    struct spv_proven_tx in = {.depth_proven = true};
    int rc = 0;

    for (uint32_t i = 0; rc == 0 && spv_block_next(&iter, &in.tx); i++) {
        if (!spv_wallet_is_relevant(w, &in.tx, &b->txids[i]))
            continue;
        in.position = i;
        rc = make_proof(b, &in.proof, i);
        if (rc == 0)
            rc = put_block_tx(w, b->in, &in, &b->txids[i]);
    }
    return rc;
}

static int put_whole(struct spv_wallet *w, struct whole_block *b)
{
    size_t before;
    int rc;

    do {
        before = w->set.scripts.n;
        rc = put_whole_once(w, b);
    } while (rc == 0 && w->set.scripts.n > before);
    return rc;
}

/* ---- transactions with proofs ---- */

static int check_proven(const struct spv_wallet_block *block)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < block->n_txs; i++)
        rc = spv_wallet_check_tx(&block->txs[i].tx);
    return rc;
}

static int put_proven(struct spv_wallet *w, const struct spv_wallet_block *block)
{
    size_t before;
    int rc = 0;

    do {
        before = w->set.scripts.n;
        for (size_t i = 0; rc == 0 && i < block->n_txs; i++) {
            struct spv_txid txid;
            spv_tx_txid(&txid, &block->txs[i].tx);
            if (spv_wallet_is_relevant(w, &block->txs[i].tx, &txid))
                rc = put_block_tx(w, block, &block->txs[i], &txid);
        }
    } while (rc == 0 && w->set.scripts.n > before);
    return rc;
}

/* ---- operations ---- */

/* Checks a block and adds its relevant transactions. *changed: whether tables were changed, also
 * before an error. */
static int put_block(struct spv_wallet *w, const struct spv_wallet_block *block, bool *changed)
{
    struct whole_block b = {.in = block};
    int rc = 0;

    *changed = false;
    if (block->point.height ==
        0) /* consensus: the outputs of the genesis coinbase cannot be spent */
        return 0;
    if (!block->whole) {
        rc = check_proven(block);
        *changed = rc == 0;
        return rc < 0 ? rc : put_proven(w, block);
    }
    if (!block_is_relevant(w, block->whole))
        return 0;
    b.txids = malloc(block->whole->n_txs * sizeof *b.txids);
    if (!b.txids)
        return SPV_ERR_NOMEM;
    rc = check_whole(&b);
    if (rc == 0) {
        *changed = true;
        rc = put_whole(w, &b);
    }
    free(b.proof);
    free(b.txids);
    return rc;
}

static int put_block_and_end(struct spv_wallet *w, const struct spv_wallet_block *block,
                             bool advance)
{
    bool changed;
    int rc = put_block(w, block, &changed);

    if (rc < 0 && !changed)
        return rc;
    if (rc == 0 && advance) {
        w->meta.scanned = block->point;
        w->meta_changed = true;
        rc = spv_wallet_mark_matured_dirty(w);
    }
    return spv_wallet_end_operation(w, rc);
}

int spv_wallet_connect(struct spv_wallet *w, const struct spv_wallet_block *block)
{
    const uint32_t scanned = w->meta.scanned.height;

    if (w->error != 0)
        return SPV_ERR_STATE;
    if (block->point.height == SPV_NO_HEIGHT ||
        (scanned != SPV_NO_HEIGHT && block->point.height <= scanned))
        return SPV_ERR_INVALID;
    if (scanned == SPV_NO_HEIGHT)
        spv_watch_set_set_scanned(&w->set);
    return put_block_and_end(w, block, true);
}

int spv_wallet_rescan_block(struct spv_wallet *w, const struct spv_wallet_block *block)
{
    const uint32_t scanned = w->meta.scanned.height;

    if (w->error != 0)
        return SPV_ERR_STATE;
    if (scanned == SPV_NO_HEIGHT || block->point.height > scanned)
        return SPV_ERR_INVALID;
    return put_block_and_end(w, block, false);
}

static int disconnect_tx(struct spv_wallet *w, uint32_t number, struct spv_now now)
{
    struct spv_tx_record *tx = &w->txs[number];

    tx->row.block.height = SPV_NO_HEIGHT;
    if ((tx->row.flags & SPV_TX_FLAG_COINBASE) == 0)
        tx->row.block.hash = (struct spv_blockhash){.b = {0}};
    tx->row.position = 0;
    tx->row.block_time = 0;
    tx->row.state = 0; /* evaluated when the operation ends */
    tx->row.flags |= SPV_TX_FLAG_WAS_CONFIRMED;
    tx->row.last_seen = now.unix_s;
    tx->changed = true;
    return spv_wallet_mark_related_dirty(w, number);
}

int spv_wallet_disconnect(struct spv_wallet *w, const struct spv_point *fork, struct spv_now now)
{
    const uint32_t scanned = w->meta.scanned.height;
    int rc = 0;

    if (w->error != 0)
        return SPV_ERR_STATE;
    if (scanned == SPV_NO_HEIGHT || fork->height > scanned)
        return SPV_ERR_INVALID;
    w->meta.scanned = *fork;
    w->meta_changed = true;
    while (rc == 0 && w->in_blocks.n > spv_wallet_first_above(w, fork->height)) {
        const uint32_t tx = w->in_blocks.at[w->in_blocks.n - 1];
        rc = spv_wallet_move_to_pending(w, tx);
        if (rc == 0)
            rc = disconnect_tx(w, tx, now);
    }
    if (rc == 0)
        rc = spv_wallet_mark_immature_dirty(w, fork->height);
    if (rc == 0)
        rc = spv_wallet_enforce_bounds(w, 0);
    return spv_wallet_end_operation(w, rc);
}
