/* BIP37, as Bitcoin Core with -peerbloomfilters: filters of clients, filtered blocks followed by
 * their transactions without witness, mempool, and announcements of transactions. Everything is
 * answered at once, so that pongs keep their place. */
#include <stdlib.h>
#include <string.h>

#include "spv/bloom.h"
#include "spv/merkle.h"
#include "support/sim/blocks.h"
#include "support/sim/internal.h"

static const struct sim_filter_service *service_of(const struct sim *sim,
                                                   const struct sim_conn *conn)
{
    return &sim->host[conn->server].cfg.filters;
}

static void send_msg(struct sim *sim, struct sim_conn *conn, const struct spv_msg *msg)
{
    if (spv_peer_send(conn->end[SIM_SERVER_END].peer, msg, sim_end_now(sim, conn, SIM_SERVER_END)) <
        0)
        sim_break(sim, "a server could not send an answer of BIP37");
}

static void send_tx(struct sim *sim, struct sim_conn *conn, const struct spv_tx *tx, bool stripped)
{
    const uint8_t *end = tx->bytes + tx->n;
    struct spv_msg msg = {.command = SPV_CMD_TX};
    struct spv_buffer b;

    spv_buffer_init(&b);
    if (stripped && tx->has_witness) { /* version, inputs and outputs, lock time */
        spv_buffer_put(&b, tx->bytes, 4);
        spv_buffer_put(&b, tx->bytes + 6, tx->stripped_size - 8);
        spv_buffer_put(&b, end - 4, 4);
    } else {
        spv_buffer_put(&b, tx->bytes, tx->n);
    }
    if (b.error != 0 || spv_tx_parse(&msg.u.tx, b.data, b.len) != 0)
        abort();
    send_msg(sim, conn, &msg);
    spv_buffer_free(&b);
}

/* ---- filtered blocks ---- */

static bool matches(const struct sim_filter_service *service, struct spv_bloom *bloom,
                    const struct spv_tx *tx)
{
    struct spv_msg_filterload load;
    struct spv_bloom *copy;

    if (!service->no_update)
        return spv_bloom_match_tx(bloom, tx);
    spv_bloom_filterload(&load, bloom);
    if (spv_bloom_from_filterload(&copy, &load) != 0)
        abort();
    const bool yes = spv_bloom_match_tx(copy, tx);
    spv_bloom_free(copy);
    return yes;
}

static void send_filtered(struct sim *sim, struct sim_conn *conn, const struct sim_block *block,
                          uint32_t height)
{
    const size_t n = block->parsed.n_txs;
    struct spv_txid *txids = calloc(n, sizeof *txids);
    uint32_t *positions = calloc(n, sizeof *positions), at = 0;
    struct spv_tx *txs = calloc(n, sizeof *txs);
    struct spv_block_iter iter = spv_block_txs(&block->parsed);
    struct spv_merkle_proof *proof;
    const bool omits = service_of(sim, conn)->omits == height;
    size_t n_matched = 0;

    if (!txids || !positions || !txs)
        abort();
    for (; spv_block_next(&iter, &txs[at]); at++) {
        spv_tx_txid(&txids[at], &txs[at]);
        if (!omits && matches(service_of(sim, conn), conn->end[SIM_SERVER_END].bloom, &txs[at]))
            positions[n_matched++] = at;
        if (at + 1 == n)
            break;
    }
    if (spv_merkle_proof_new(&proof, &block->parsed.header, txids, n, positions, n_matched) != 0)
        abort();
    send_msg(sim, conn,
             &(struct spv_msg){.command = SPV_CMD_MERKLEBLOCK,
                               .u.merkleblock = *spv_merkle_proof_message(proof)});
    for (size_t i = 0; i < n_matched; i++)
        send_tx(sim, conn, &txs[positions[i]], true);
    sim->host[conn->server].filter_counts.filtered++;
    sim_note(sim, "server %zu sends %zu transactions of block %lu", conn->server, n_matched,
             (unsigned long)height);
    spv_merkle_proof_free(proof);
    free(txids);
    free(positions);
    free(txs);
}

static void serve_filtered(struct sim *sim, struct sim_conn *conn, const struct spv_inv *item)
{
    const struct sim_filter_service *service = service_of(sim, conn);
    struct spv_blockhash hash;
    uint32_t height;

    memcpy(hash.b, item->hash.b, sizeof hash.b);
    const struct sim_block *block = sim_blocks_find(service->blocks, &height, &hash);
    if (!block && service->stale)
        block = sim_blocks_find(service->stale, &height, &hash);
    if (!conn->end[SIM_SERVER_END].bloom) /* Bitcoin Core sends nothing */
        sim_break(sim, "a client asks for a filtered block without a filter");
    else if (block && (service->mute & SIM_MUTE_BLOCKS) == 0)
        send_filtered(sim, conn, block, height);
}

/* ---- unconfirmed transactions ---- */

static void serve_tx(struct sim *sim, struct sim_conn *conn, const struct spv_inv *item)
{
    const struct sim_filter_service *service = service_of(sim, conn);
    struct spv_inv missing = *item;

    sim->host[conn->server].filter_counts.txs++;
    for (size_t i = 0; i < service->n_mempool; i++) {
        struct spv_txid txid;
        spv_tx_txid(&txid, &service->mempool[i]);
        if (memcmp(txid.b, item->hash.b, sizeof txid.b) != 0)
            continue;
        send_tx(sim, conn, &service->mempool[i], (item->type & SPV_INV_WITNESS) == 0);
        return;
    }
    send_msg(sim, conn, &(struct spv_msg){.command = SPV_CMD_NOTFOUND, .u.inv = {&missing, 1}});
}

bool sim_bloom_server_getdata(struct sim *sim, struct sim_conn *conn, const struct spv_inv *item)
{
    const bool is_tx = (item->type & ~SPV_INV_WITNESS) == SPV_INV_TX;

    if (is_tx)
        serve_tx(sim, conn, item);
    else if (item->type == SPV_INV_FILTERED_BLOCK)
        serve_filtered(sim, conn, item);
    else
        return false;
    sim_conn_flush(sim, conn, SIM_SERVER_END);
    return true;
}

/* Announces those that a client wants: all with relay 1, else those that its filter matches. */
static void announce(struct sim *sim, struct sim_conn *conn, bool relay)
{
    const struct sim_filter_service *service = service_of(sim, conn);
    struct sim_end *end = &conn->end[SIM_SERVER_END];

    for (size_t i = 0; i < service->n_mempool; i++) {
        struct spv_inv item = {.type = SPV_INV_TX};
        struct spv_txid txid;
        if (!relay && (!end->bloom || !matches(service, end->bloom, &service->mempool[i])))
            continue;
        spv_tx_txid(&txid, &service->mempool[i]);
        memcpy(item.hash.b, txid.b, sizeof txid.b);
        send_msg(sim, conn, &(struct spv_msg){.command = SPV_CMD_INV, .u.inv = {&item, 1}});
    }
    sim_conn_flush(sim, conn, SIM_SERVER_END);
}

void sim_server_announce_txs(struct sim *sim, size_t server, const struct spv_tx *txs, size_t n)
{
    sim->host[server].cfg.filters.mempool = txs;
    sim->host[server].cfg.filters.n_mempool = n;
    for (size_t i = 0; i < sim->conns; i++) {
        struct sim_conn *conn = sim->conn[i];
        struct sim_end *end = &conn->end[SIM_SERVER_END];
        struct spv_peer_stats stats;
        if (conn->server != server || !end->peer || end->closed || !spv_peer_ready(end->peer))
            continue;
        spv_peer_get_stats(end->peer, &stats);
        announce(sim, conn, stats.relay);
    }
}

/* ---- filters ---- */

static void load(struct sim *sim, struct sim_conn *conn, const struct spv_msg_filterload *msg)
{
    struct sim_end *end = &conn->end[SIM_SERVER_END];

    if (msg->update != SPV_BLOOM_UPDATE_ALL)
        sim_break(sim, "a client loads a filter without the flag ALL");
    spv_bloom_free(end->bloom);
    if (spv_bloom_from_filterload(&end->bloom, msg) != 0)
        abort();
    sim->host[conn->server].filter_counts.filters_loaded++;
}

void sim_bloom_server_message(struct sim *sim, struct sim_conn *conn, const struct spv_msg *msg)
{
    switch ((int)msg->command) {
    case SPV_CMD_FILTERLOAD:
        load(sim, conn, &msg->u.filterload);
        break;
    case SPV_CMD_MEMPOOL:
        sim->host[conn->server].filter_counts.mempools++;
        announce(sim, conn, false);
        break;
    case SPV_CMD_FILTERADD: /* tells the item itself */
    case SPV_CMD_FILTERCLEAR: /* turns the relay of all transactions on */
        sim_break(sim, "a client sends filteradd or filterclear");
        break;
    default:
        break;
    }
}
