/* Peers, the wallet, and the steps of a source fixture. */
#include "source_fixture.h"

#include "spv/bloom.h"
#include "spv/merkle.h"
#include "util/buffer.h"

/* ---- peers ---- */

struct source_peer *source_peer(struct source_fixture *f, uint64_t id)
{
    for (size_t i = 0; i < SOURCE_PEERS; i++)
        if (f->peers[i].id == id)
            return &f->peers[i];
    return NULL;
}

struct source_peer *source_connect(struct source_fixture *f, uint64_t id, uint64_t services)
{
    struct source_peer *p = source_peer(f, 0);
    struct spv_peer_entry *entry = spv_peer_table_add(&f->table, id);

    if (!p || !entry) {
        fail_msg("no peer can be added");
        return NULL;
    }
    free(p->queue);
    spv_bloom_free(p->filter);
    *p = (struct source_peer){.id = id, .lowest = UINT32_MAX};
    p->queue = calloc(SOURCE_QUEUE, sizeof *p->queue);
    assert_non_null(p->queue);
    entry->services = services;
    entry->group = id;
    entry->start_height = SOURCE_BLOCKS;
    assert_int_equal(spv_block_fetch_add(&f->fetch, id, f->now), 0);
    if (f->bloom)
        assert_int_equal(spv_bloom_scan_add_peer(f->bloom, id), 0);
    return p;
}

void source_disconnect(struct source_fixture *f, uint64_t id)
{
    if (f->bloom)
        spv_bloom_scan_remove_peer(f->bloom, id);
    assert_int_equal(spv_block_fetch_remove(&f->fetch, id, f->now), 0);
    spv_effects_discard_sends(&f->effects, id);
    spv_peer_table_remove(&f->table, id);
    struct source_peer *p = source_peer(f, id);
    if (p)
        p->id = 0;
}

static uint32_t height_of(const struct source_fixture *f, const uint8_t hash[32])
{
    uint32_t h = f->tip;

    while (h > 0 && memcmp(f->blocks[h].hash.b, hash, 32) != 0)
        h--;
    return h; /* 0: a block that is gone */
}

static void send_block(struct source_fixture *f, uint64_t id, uint32_t height)
{
    struct spv_fetched_block out;

    f->n_whole_requests++;
    if (height == 0)
        return;
    const int rc = spv_block_fetch_recv(&f->fetch, &out, id, &f->blocks[height].block, f->now);
    assert_true(rc >= 0);
    if (rc == 1)
        assert_int_equal(f->bloom ? spv_bloom_scan_block(f->bloom, &out)
                                  : spv_block_scan_block(f->whole, &out),
                         0);
}

static void queue_message(struct source_peer *p, struct source_message m)
{
    assert_true(p->n_queued < SOURCE_QUEUE);
    p->queue[(p->first + p->n_queued++) % SOURCE_QUEUE] = m;
}

static void queue_getdata(struct source_fixture *f, struct source_peer *p,
                          const struct spv_msg_inv *inv)
{
    for (size_t i = 0; i < inv->n; i++) {
        const size_t at = p->is_backwards ? inv->n - 1 - i : i;
        const struct spv_inv *item = &inv->items[at];
        struct source_message m = {.kind = SOURCE_FILTERED};
        memcpy(m.hash.b, item->hash.b, 32);
        const uint32_t height = height_of(f, m.hash.b);
        if (item->type == SPV_INV_FILTERED_BLOCK) {
            p->n_filtered++;
            p->lowest = height && height < p->lowest ? height : p->lowest;
            p->highest = height > p->highest ? height : p->highest;
            queue_message(p, m);
        } else if (item->type == (SPV_INV_BLOCK | SPV_INV_WITNESS)) {
            if (!p->is_silent)
                send_block(f, p->id, height);
        } else {
            assert_int_equal(item->type & ~SPV_INV_WITNESS, SPV_INV_TX);
            p->n_tx_requests++;
        }
    }
}

static void take_send(struct source_fixture *f, const struct spv_effect *e)
{
    struct source_peer *p = source_peer(f, e->peer);

    assert_non_null(p);
    switch ((int)e->message.command) {
    case SPV_CMD_FILTERLOAD:
        assert_int_equal(e->message.u.filterload.update, SPV_BLOOM_UPDATE_ALL);
        spv_bloom_free(p->filter);
        assert_int_equal(spv_bloom_from_filterload(&p->filter, &e->message.u.filterload), 0);
        p->n_loads++;
        p->tweak = e->message.u.filterload.tweak;
        p->n_bytes = e->message.u.filterload.n;
        break;
    case SPV_CMD_GETDATA:
        p->n_getdata++;
        queue_getdata(f, p, &e->message.u.inv);
        break;
    case SPV_CMD_PING:
        p->n_pings++;
        queue_message(
            p, (struct source_message){.kind = SOURCE_PING, .nonce = e->message.u.ping.nonce});
        break;
    case SPV_CMD_MEMPOOL:
        assert_non_null(p->filter);
        p->n_mempool++;
        break;
    default: /* filteradd, filterclear */
        f->n_forbidden++;
    }
}

/* The matched transactions of a block, as a peer with this filter finds them. */
static size_t match_block(struct source_peer *p, const struct source_block *b,
                          uint32_t positions[SOURCE_TXS])
{
    size_t n = 0;

    for (uint32_t i = 0; i < b->n; i++) {
        struct spv_msg_filterload load;
        struct spv_bloom *copy;
        spv_bloom_filterload(&load, p->filter);
        assert_int_equal(spv_bloom_from_filterload(&copy, &load), 0);
        if (spv_bloom_match_tx(p->no_update ? copy : p->filter, &b->txs[i].built.tx))
            positions[n++] = i;
        spv_bloom_free(copy);
    }
    return n;
}

static void send_txs(struct source_fixture *f, const struct source_peer *p, uint32_t height,
                     const uint32_t *positions, size_t n)
{
    const struct source_block *b = &f->blocks[height];

    for (size_t i = 0; i < n; i++) {
        const size_t at = p->swaps_txs == height ? n - 1 - i : i;
        const struct spv_tx *tx = &b->txs[positions[at]].built.tx;
        if (p->lacks_txs == height && i + 1 == n)
            continue;
        if (p->other_tx == height)
            tx = &f->blocks[height - 1].txs[0].built.tx;
        struct spv_buffer bytes;
        struct spv_tx witness;
        spv_buffer_init(&bytes);
        if (p->adds_witness == height) {
            spv_buffer_put(&bytes, tx->bytes, 4);
            spv_buffer_u16(&bytes, 0x0100);
            spv_buffer_put(&bytes, tx->bytes + 4, tx->n - 8);
            spv_buffer_put(&bytes, (const uint8_t[]){1, 1, 0x51}, 3);
            spv_buffer_put(&bytes, tx->bytes + tx->n - 4, 4);
            assert_int_equal(spv_tx_parse(&witness, bytes.data, bytes.len), 0);
            tx = &witness;
        }
        const int rc = spv_bloom_scan_tx(f->bloom, p->id, tx, f->now);
        if (rc < 0 && !f->failed)
            f->failed = rc;
        spv_buffer_free(&bytes);
    }
}

static void send_filtered(struct source_fixture *f, struct source_peer *p, uint32_t height)
{
    const struct source_block *b = &f->blocks[height];
    uint32_t positions[SOURCE_TXS];
    struct spv_merkle_proof *proof;
    const size_t n = p->omits == height ? 0 : match_block(p, b, positions);

    assert_int_equal(spv_merkle_proof_new(&proof, &b->block.header, b->txids, b->n, positions, n),
                     0);
    struct spv_msg_merkleblock msg = *spv_merkle_proof_message(proof);
    struct spv_hash256 hashes[SOURCE_TXS + 1];
    memcpy(hashes, msg.hashes, msg.n_hashes * sizeof hashes[0]);
    if (p->false_root == height) {
        hashes[0].b[5] ^= 1;
        msg.hashes = hashes;
    }
    for (unsigned i = 0; i <= p->unrequested; i++) {
        const int rc = spv_bloom_scan_merkleblock(f->bloom, p->id, &msg, f->now);
        if (rc < 0 && !f->failed)
            f->failed = rc;
    }
    spv_merkle_proof_free(proof);
    send_txs(f, p, height, positions, n);
}

/* True when the peer did something. */
static bool serve(struct source_fixture *f, struct source_peer *p)
{
    if (!p->id || p->is_silent || p->n_queued == 0)
        return false;
    const struct source_message m = p->queue[p->first];
    p->first = (p->first + 1) % SOURCE_QUEUE;
    p->n_queued--;
    if (m.kind == SOURCE_PING) {
        const struct spv_msg_ping pong = {.has_nonce = true, .nonce = m.nonce};
        spv_bloom_scan_pong(f->bloom, p->id, &pong, f->now);
        return true;
    }
    const uint32_t height = height_of(f, m.hash.b);
    if (p->stops_at && height == p->stops_at)
        source_disconnect(f, p->id);
    else if (height > 0 && !p->lacks_all)
        send_filtered(f, p, height);
    return true;
}

/* ---- the wallet ---- */

/* 1: the transaction pays a script of the wallet, or spends a coin of it. */
static bool concerns(struct source_fixture *f, uint32_t height, size_t at, bool found[][SOURCE_TXS],
                     uint32_t *n_scripts)
{
    const struct source_tx *tx = &f->blocks[height].txs[at];
    struct spv_tx_iter inputs = spv_tx_inputs(&tx->built.tx);
    struct spv_tx_input input;
    bool yes = false;

    for (size_t i = 0; i < 2; i++)
        if (tx->scripts[i] && tx->scripts[i] <= *n_scripts) {
            yes = true;
            if (tx->scripts[i] == *n_scripts && *n_scripts < f->script_limit)
                ++*n_scripts;
        }
    while (spv_tx_next_input(&inputs, &input))
        for (uint32_t h = 1; h <= height; h++)
            for (size_t t = 0; t < f->blocks[h].n; t++)
                if (found[h][t] && input.index < 2 && f->blocks[h].txs[t].scripts[input.index] &&
                    f->blocks[h].txs[t].scripts[input.index] <= *n_scripts &&
                    memcmp(f->blocks[h].txs[t].built.txid.b, input.prev.b, 32) == 0)
                    yes = true;
    return yes;
}

static int add_scripts(struct source_fixture *f, uint32_t first, uint32_t last, uint32_t from)
{
    int rc = 0;

    for (uint32_t n = first; rc == 0 && n <= last; n++)
        rc = source_watch(f, n, from);
    return rc;
}

static size_t find_tx(const struct source_fixture *f, uint32_t height, const struct spv_tx *tx)
{
    struct spv_txid txid;
    size_t at = 0;

    spv_tx_txid(&txid, tx);
    while (at < f->blocks[height].n &&
           memcmp(f->blocks[height].txids[at].b, txid.b, sizeof txid.b) != 0)
        at++;
    assert_true(at < f->blocks[height].n);
    return at;
}

static void check_proof(const struct source_fixture *f, uint32_t height, size_t at,
                        const struct spv_proven_tx *tx)
{
    struct spv_merkle_match matches[SOURCE_TXS + 2];
    struct spv_msg_merkleblock msg;
    bool found = false;

    assert_true(tx->stripped);
    assert_true(tx->depth_proven);
    assert_false(tx->tx.has_witness);
    assert_int_equal(tx->position, at);
    assert_int_equal(spv_merkle_parse(&msg, tx->proof.bytes, tx->proof.n), 0);
    const int n = spv_merkle_verify(matches, &msg);
    for (int i = 0; i < n; i++)
        found |= matches[i].position == at;
    assert_true(found);
    assert_memory_equal(msg.header.merkle_root.b, f->blocks[height].block.header.merkle_root.b, 32);
}

/* Scripts are added to the source after the event, as its data is borrowed. */
static void take_match(struct source_fixture *f, const struct spv_source_event *e)
{
    const struct source_block *b = &f->blocks[e->height];
    const uint32_t before = f->n_scripts;
    size_t order[SOURCE_TXS], n = 0;

    assert_true(spv_blockhash_eq(&e->hash, &b->hash));
    if (e->block) {
        assert_int_equal(e->block->n_txs, b->n);
        assert_int_equal(e->n_txs, 0);
        for (; n < b->n; n++)
            order[n] = n;
    }
    for (size_t i = 0; i < e->n_txs; i++) {
        order[n] = find_tx(f, e->height, &e->txs[i].tx);
        check_proof(f, e->height, order[n], &e->txs[i]);
        assert_true(n == 0 || order[n] > order[n - 1]);
        n++;
    }
    struct source_event_row *row = &f->events[f->n_events - 1];
    for (size_t i = 0; i < n; i++) {
        if (!concerns(f, e->height, order[i], f->found, &f->n_scripts))
            continue;
        f->found[e->height][order[i]] = true;
        row->n++;
    }
    assert_int_equal(
        add_scripts(f, before + 1, f->n_scripts, f->scripts_from ? f->scripts_from : e->height), 0);
}

static void take_event(struct source_fixture *f, const struct spv_source_event *e)
{
    assert_true(f->n_events < COUNT(f->events));
    f->events[f->n_events++] =
        (struct source_event_row){.kind = e->kind, .height = e->height, .whole = e->block != NULL};
    if (e->kind == SPV_SOURCE_EVENT_FOUND)
        take_match(f, e);
}

/* ---- going on ---- */

static void take_drops(struct source_fixture *f)
{
    struct spv_disconnect drop;

    while ((f->bloom && spv_bloom_scan_next_disconnect(f->bloom, &drop) == 1) ||
           spv_block_fetch_next_disconnect(&f->fetch, &drop) == 1) {
        f->dropped = drop.id;
        f->drop_error = drop.error;
        if (!f->keeps_dropped)
            source_disconnect(f, drop.id);
    }
}

void source_step(struct source_fixture *f)
{
    struct spv_effect e;
    const int rc = f->bloom ? spv_bloom_scan_run(f->bloom, f->tip, true, f->now)
                            : spv_block_scan_run(f->whole, f->tip, true, f->now);

    if (rc < 0 && !f->failed)
        f->failed = rc;
    while (spv_effects_pop(&f->effects, &e) == 1) {
        assert_int_equal(e.kind, SPV_EFFECT_SEND);
        take_send(f, &e);
    }
    size_t n = 0;
    for (size_t i = 0; i < SOURCE_PEERS; i++)
        n += f->peers[i].n_queued;
    f->max_in_flight = n > f->max_in_flight ? n : f->max_in_flight;
}

void source_run(struct source_fixture *f)
{
    struct spv_source_event e;
    unsigned n = 0;
    bool busy = true;

    while (busy && !f->failed) {
        assert_true(++n < 100000); /* a source that requests the same for ever */
        busy = false;
        source_step(f);
        while ((f->bloom ? spv_bloom_scan_next(f->bloom, &e) : spv_block_scan_next(f->whole, &e)) ==
               1) {
            take_event(f, &e);
            source_step(f);
            busy = true;
        }
        for (size_t i = 0; i < SOURCE_PEERS; i++)
            busy |= serve(f, &f->peers[i]);
        take_drops(f);
    }
}

void source_wait(struct source_fixture *f, uint64_t us)
{
    const uint64_t until = f->now.mono_us + us;

    for (;;) {
        uint64_t next = spv_block_fetch_deadline(&f->fetch);
        if (f->bloom && spv_bloom_scan_deadline(f->bloom) < next)
            next = spv_bloom_scan_deadline(f->bloom);
        if (next > until)
            break;
        assert_true(next >= f->now.mono_us);
        f->now.mono_us = next;
        assert_int_equal(spv_block_fetch_timer(&f->fetch, f->now), 0);
        if (f->bloom)
            spv_bloom_scan_timer(f->bloom, f->now);
        take_drops(f);
        source_run(f);
        /* a deadline that stays would be called for ever */
        assert_true(!f->bloom || spv_bloom_scan_deadline(f->bloom) > f->now.mono_us);
    }
    f->now.mono_us = until;
}

void source_start_bloom(struct source_fixture *f, struct spv_bloom_params params, bool cross_check,
                        int64_t whole_from)
{
    const struct spv_bloom_scan_config cfg = {.chain = f->chain,
                                              .peers = &f->table,
                                              .effects = &f->effects,
                                              .blocks = &f->fetch,
                                              .rng = test_random_rng(&f->random),
                                              .params = params,
                                              .cross_check = cross_check,
                                              .whole_from = whole_from};

    assert_int_equal(spv_bloom_scan_new(&f->bloom, &cfg), 0);
}

void source_start_blocks(struct source_fixture *f)
{
    const struct spv_block_scan_config cfg = {.chain = f->chain, .blocks = &f->fetch};

    assert_int_equal(spv_block_scan_new(&f->whole, &cfg), 0);
}

int source_begin(struct source_fixture *f, uint32_t n, uint32_t first, uint32_t last)
{
    uint8_t bytes[64][SOURCE_SCRIPT];
    struct spv_bytes scripts[64];

    assert_true(n <= COUNT(scripts));
    f->n_scripts = n;
    for (uint32_t i = 0; i < n; i++)
        scripts[i] = source_script(bytes[i], i + 1);
    return f->bloom ? spv_bloom_scan_begin(f->bloom, scripts, n, first, last)
                    : spv_block_scan_begin(f->whole, first, last);
}

int source_watch(struct source_fixture *f, uint32_t number, uint32_t from)
{
    uint8_t bytes[SOURCE_SCRIPT];
    const struct spv_bytes script = source_script(bytes, number);

    return f->bloom ? spv_bloom_scan_add(f->bloom, &script, 1, from)
                    : spv_block_scan_add(f->whole, from);
}

size_t source_matches(const struct source_fixture *f, uint32_t height)
{
    size_t n = 0;

    for (size_t i = 0; i < f->n_events; i++)
        n += f->events[i].kind == SPV_SOURCE_EVENT_FOUND && f->events[i].height == height &&
             f->events[i].n > 0;
    return n;
}

void source_check(const struct source_fixture *f, uint32_t first)
{
    static bool found[SOURCE_BLOCKS + 1][SOURCE_TXS];
    uint32_t n = f->n_scripts, before;

    memset(found, 0, sizeof found);
    do {
        before = n;
        for (uint32_t h = first; h <= f->tip; h++)
            for (size_t t = 0; t < f->blocks[h].n; t++) {
                struct source_fixture *any = (struct source_fixture *)(uintptr_t)f;
                found[h][t] |= concerns(any, h, t, found, &n);
            }
    } while (n != before);
    assert_int_equal(n, f->n_scripts);
    for (uint32_t h = first; h <= f->tip; h++)
        for (size_t t = 0; t < f->blocks[h].n; t++)
            if (found[h][t] != f->found[h][t])
                fail_msg("seed %llu, height %u, transaction %zu: found %d, not %d",
                         (unsigned long long)f->seed, h, t, f->found[h][t], found[h][t]);
}
