/* Filtered blocks: a merkleblock message, and then each transaction that it proves, in order. The
 * header is found by the hash that was requested. A tree with another root is provably invalid; a
 * missing or another transaction only closes the connection.
 *
 * A transaction of 64 bytes could be two hashes of the tree, and a pair of hashes could be a
 * transaction (spv/merkle.h): then the whole block is fetched. */
#include <stdlib.h>
#include <string.h>

#include "spv/wallet/bloom_scan_state.h"
#include "spv/wallet/partial_tree.h"
#include "util/array.h"

static struct spv_bloom_peer *find_peer(const struct spv_bloom_scan *s, uint64_t id)
{
    struct spv_peer_entry *p = spv_peer_table_find(s->cfg.peers, id);

    return p && p->bloom && !p->bloom->disconnect_error ? p->bloom : NULL;
}

/* ---- the end of an answer ---- */

/* The peer has added the outpoints that it matched to its filter itself (BLOOM_UPDATE_ALL): its
 * answers from now on, until it gets another filter, have the newer version. */
static void raise_version(struct spv_bloom_scan *s, struct spv_bloom_peer *p, uint32_t before)
{
    const uint64_t load = p->batches[0].load;

    if (s->version == before || p->batches[0].version != before)
        return;
    for (unsigned i = 0; i < p->n_batches; i++)
        if (p->batches[i].load == load)
            p->batches[i].version = s->version;
    if (p->load == load)
        p->version = s->version;
    s->is_version_used = true;
}

/* The entry of the height that is being answered; NULL: its block left the chain, or needs no
 * answer any more. */
static struct spv_bloom_height *height_of(struct spv_bloom_scan *s,
                                          const struct spv_bloom_reading *r)
{
    struct spv_bloom_height *h = spv_bloom_find_height(s, r->height);

    return h && spv_blockhash_eq(&h->hash, &r->hash) ? h : NULL;
}

/* All transactions were received. */
static int finish_answer(struct spv_bloom_scan *s, uint64_t id, struct spv_bloom_peer *p)
{
    struct spv_bloom_reading *r = &p->reading;
    struct spv_bloom_height *h = height_of(s, r);
    int rc = 0;

    p->n_false += (unsigned)(r->n - r->found.n);
    s->stats.false_positives += r->n - r->found.n;
    s->stats.blocks++;
    if (h) {
        struct spv_bloom_answer *a = spv_bloom_answer_of(h, id);
        if (!a && (a = spv_bloom_open_answer(s, h, id))) /* it is late */
            a->peer = id;
        if (a && !a->has_come)
            rc = spv_bloom_put_answer(s, h, a, r, p->batches[0].version);
    }
    spv_bloom_close_reading(p);
    return rc;
}

/* ---- merkleblock ---- */

/* The index of a block in the oldest batch; its n: the block was not requested, or is out of order.
 */
static unsigned find_item(const struct spv_bloom_peer *p, const struct spv_blockhash *hash)
{
    const struct spv_bloom_batch *b = &p->batches[0];
    unsigned at = b->next;

    while (at < b->n && !spv_blockhash_eq(&b->items[at].hash, hash))
        at++;
    return at;
}

/* The blocks of the oldest batch before one of it were not answered. */
static void skip_items(struct spv_bloom_scan *s, uint64_t id, struct spv_bloom_peer *p, unsigned to,
                       struct spv_now now)
{
    struct spv_bloom_batch *b = &p->batches[0];

    for (; b->next < to; b->next++)
        if (spv_bloom_cancel_answer(s, b->items[b->next].height, &b->items[b->next].hash, id))
            spv_bloom_set_lacks(p, b->items[b->next].height, now);
}

static int copy_proof(struct spv_bloom_reading *r, const struct spv_msg_merkleblock *msg)
{
    const size_t size = spv_merkle_encoded_size(msg);

    r->proof = malloc(size);
    if (!r->proof)
        return SPV_ERR_NOMEM;
    const int n = spv_merkle_encode(r->proof, size, msg);
    r->n_proof = n < 0 ? 0 : (size_t)n;
    return n < 0 ? n : 0;
}

/* As spv_merkle_verify without checking the proof of work: the header is in the best chain. */
static int verify_proof(struct spv_merkle_match *out, const struct spv_msg_merkleblock *msg)
{
    struct spv_hash256 root;
    const int n = spv_partial_tree_read(out, &root, msg, NULL);

    if (n < 0)
        return n;
    return memcmp(root.b, msg->header.merkle_root.b, sizeof root.b) == 0 ? n : SPV_ERR_MERKLE_ROOT;
}

/* Verifies the proof. Returns 0, an error of the peer, or SPV_ERR_NOMEM. */
static int open_reading(struct spv_bloom_reading *r, const struct spv_msg_merkleblock *msg)
{
    r->matches = malloc((msg->n_hashes + 1) * sizeof *r->matches);
    if (!r->matches)
        return SPV_ERR_NOMEM;
    const int n = verify_proof(r->matches, msg);
    if (n < 0)
        return n;
    r->n = (size_t)n;
    r->is_open = true;
    return n > 0 ? copy_proof(r, msg) : 0;
}

int spv_bloom_scan_merkleblock(struct spv_bloom_scan *s, uint64_t id,
                               const struct spv_msg_merkleblock *msg, struct spv_now now)
{
    struct spv_bloom_peer *p = find_peer(s, id);
    struct spv_blockhash hash;

    if (!p)
        return 0;
    if (p->reading.is_open) { /* transactions of the block before are missing */
        spv_bloom_disconnect_peer(p, SPV_ERR_BLOOM_ANSWER);
        return 1;
    }
    spv_header_hash(&hash, &msg->header);
    const unsigned at = p->n_batches > 0 ? find_item(p, &hash) : 0;
    if (p->n_batches == 0 || at == p->batches[0].n) {
        if (++p->n_unsolicited == SPV_BLOOM_MAX_UNSOLICITED)
            spv_bloom_disconnect_peer(p, SPV_ERR_UNSOLICITED);
        return 1;
    }
    skip_items(s, id, p, at, now);
    p->batches[0].next = at + 1;
    p->last_us = now.mono_us;
    p->reading = (struct spv_bloom_reading){.height = p->batches[0].items[at].height, .hash = hash};
    int rc = open_reading(&p->reading, msg);
    if (rc == 0 && p->reading.n == 0)
        rc = finish_answer(s, id, p);
    else if (rc < 0 && rc != SPV_ERR_NOMEM) {
        spv_bloom_disconnect_peer(p, rc);
        rc = 0;
    }
    return rc < 0 ? rc : 1;
}

/* ---- its transactions ---- */

/* Copies a transaction without its witness, which the proof does not commit to. */
static uint8_t *copy_stripped(const struct spv_tx *tx)
{
    const size_t n = tx->witness_at - tx->inputs_at;
    uint8_t *out = malloc(tx->stripped_size);

    if (!out)
        return NULL;
    memcpy(out, tx->bytes, 4); /* version */
    memcpy(out + 4, tx->bytes + tx->inputs_at, n);
    memcpy(out + 4 + n, tx->bytes + tx->n - 4, 4); /* lock time */
    return out;
}

static int keep_found(struct spv_bloom_reading *r, const struct spv_merkle_match *match,
                      const struct spv_tx *tx, uint32_t version)
{
    struct spv_bloom_found *list =
        spv_array_grow(r->found.list, &r->found.cap, r->found.n + 1, 4, sizeof *list);

    if (!list)
        return SPV_ERR_NOMEM;
    r->found.list = list;
    uint8_t *bytes = copy_stripped(tx);
    if (!bytes)
        return SPV_ERR_NOMEM;
    list[r->found.n++] = (struct spv_bloom_found){.txid = match->txid,
                                                  .bytes = bytes,
                                                  .n = tx->stripped_size,
                                                  .position = match->position,
                                                  .version = version};
    return 0;
}

/* The next transaction of the block. Its outputs to the wallet are watched at once: a later
 * transaction of the block may spend them. */
static int read_tx(struct spv_bloom_scan *s, struct spv_bloom_peer *p, const struct spv_tx *tx)
{
    struct spv_bloom_reading *r = &p->reading;
    const uint32_t before = s->version;
    const struct spv_merkle_match *match = &r->matches[r->next++];
    const uint32_t version = spv_bloom_items_match_tx(&s->items, tx);
    struct spv_msg_merkleblock proof;

    if (version == 0)
        return 0; /* a false positive */
    int rc = spv_merkle_parse(&proof, r->proof, r->n_proof);
    if (rc < 0)
        return rc;
    switch (spv_merkle_depth_by_tx(&proof, match->position, tx)) {
    case SPV_MERKLE_DEPTH_PROVEN:
        break;
    case SPV_MERKLE_DEPTH_NOMEM:
        return SPV_ERR_NOMEM;
    case SPV_MERKLE_DEPTH_NO_TX:
    case SPV_MERKLE_DEPTH_INVALID_PROOF:
    case SPV_MERKLE_DEPTH_NOT_MATCHED:
    case SPV_MERKLE_DEPTH_TX_64_BYTES:
    case SPV_MERKLE_DEPTH_PAIR_IS_TX:
    case SPV_MERKLE_DEPTH_NOT_COINBASE:
    case SPV_MERKLE_DEPTH_OTHER_BLOCK:
    case SPV_MERKLE_DEPTH_OTHER_LEVELS:
        r->wants_whole = true;
        break;
    }
    rc = keep_found(r, match, tx, version);
    if (rc == 0 && height_of(s, r)) {
        rc = spv_bloom_watch_outputs(s, tx, &match->txid, r->height);
        raise_version(s, p, before);
    }
    return rc;
}

int spv_bloom_scan_tx(struct spv_bloom_scan *s, uint64_t id, const struct spv_tx *tx,
                      struct spv_now now)
{
    struct spv_bloom_peer *p = find_peer(s, id);
    struct spv_txid txid;

    if (!p)
        return SPV_BLOOM_TX_NOT_MINE;
    struct spv_bloom_reading *r = &p->reading;
    if (!r->is_open)
        return spv_bloom_unconfirmed_tx(s, p, tx);
    spv_tx_txid(&txid, tx);
    if (memcmp(txid.b, r->matches[r->next].txid.b, sizeof txid.b) != 0) {
        spv_bloom_disconnect_peer(p, SPV_ERR_BLOOM_ANSWER);
        return SPV_BLOOM_TX_OF_BLOCK;
    }
    p->last_us = now.mono_us;
    int rc = read_tx(s, p, tx);
    if (rc == 0 && r->next == r->n)
        rc = finish_answer(s, id, p);
    return rc < 0 ? rc : SPV_BLOOM_TX_OF_BLOCK;
}

/* ---- pong, notfound ---- */

int spv_bloom_scan_pong(struct spv_bloom_scan *s, uint64_t id, const struct spv_msg_ping *msg,
                        struct spv_now now)
{
    struct spv_bloom_peer *p = find_peer(s, id);

    if (!p || p->n_batches == 0 || !msg->has_nonce || msg->nonce != p->batches[0].nonce)
        return 0;
    if (p->reading.is_open) {
        spv_bloom_disconnect_peer(p, SPV_ERR_BLOOM_ANSWER);
        return 1;
    }
    skip_items(s, id, p, p->batches[0].n, now);
    p->last_us = now.mono_us;
    p->n_batches--;
    p->is_late &= p->n_batches > 0; /* batches that were sent since are late, too */
    memmove(&p->batches[0], &p->batches[1], p->n_batches * sizeof p->batches[0]);
    return 1;
}

/* Some nodes send notfound for blocks that they lack, Bitcoin Core only for transactions. */
int spv_bloom_scan_notfound(struct spv_bloom_scan *s, uint64_t id, const struct spv_msg_inv *msg,
                            struct spv_now now)
{
    struct spv_bloom_peer *p = find_peer(s, id);

    if (!p)
        return 0;
    spv_bloom_unconfirmed_notfound(p, msg);
    for (size_t i = 0; i < msg->n && p->n_batches > 0; i++) {
        struct spv_blockhash hash;
        memcpy(hash.b, msg->items[i].hash.b, sizeof hash.b);
        const unsigned at = find_item(p, &hash);
        if (at == p->batches[0].n || p->reading.is_open)
            continue;
        skip_items(s, id, p, at + 1, now);
        p->last_us = now.mono_us;
    }
    return 1;
}
