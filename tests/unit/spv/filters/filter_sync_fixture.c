/* Requests are queued as they are sent, and answered one after the other, each followed by a run of
 * the machine, as the node does it. */
#include "unit/spv/filters/filter_sync_fixture.h"

#include "support/unit.h"

struct fixture_block sync_blocks[SYNC_LENGTH + 1];
struct fixture_block sync_branch[SYNC_LENGTH + 1];
struct filter_view honest, honest_branch;
static struct filter_view liar;

/* ---- the world ---- */

static bool spends(uint32_t height)
{
    return height % 10 == 5;
}

static const struct fixture_block *block_of(uint32_t fork, uint32_t height)
{
    return fork && height > fork ? &sync_branch[height] : &sync_blocks[height];
}

void filter_view_filter(const struct filter_view *v, uint8_t **bytes, size_t *n, uint32_t height)
{
    uint8_t scripts[3][BLOCK_FIXTURE_SCRIPT];
    struct spv_bytes items[3];
    const enum filter_lie lie = v->lies[height];
    fixture_script(scripts[0], lie == LIE_OUTPUT ? 5000000 + height : 1000000 + height);
    fixture_script(scripts[1], 2000000 + height);
    fixture_script(scripts[2], lie == LIE_PREVOUT ? 4000000 + height : 3000000 + height);
    for (size_t i = 0; i < 3; i++)
        items[i] = (struct spv_bytes){scripts[i], BLOCK_FIXTURE_SCRIPT};
    assert_int_equal(
        spv_filter_build(bytes, n, &block_of(v->fork, height)->hash, items, spends(height) ? 3 : 1),
        0);
}

void filter_view_make(struct filter_view *v)
{
    v->headers[0] = spv_params_get(SPV_REGTEST)->filter_checkpoints[0].header;
    for (uint32_t i = 1; i <= SYNC_LENGTH; i++) {
        struct spv_filter filter;
        uint8_t *bytes;
        const bool is_branch = v->fork && i > v->fork;
        if (is_branch && !block_of(v->fork, i)->bytes.len)
            break;
        if (is_branch && v != &honest_branch && v->lies[i] == LIE_NONE) {
            v->hashes[i] = honest_branch.hashes[i];
        } else if (!is_branch && v != &honest && v->lies[i] == LIE_NONE) {
            v->hashes[i] = honest.hashes[i];
        } else {
            filter_view_filter(v, &bytes, &filter.n, i);
            filter.bytes = bytes;
            spv_filter_compute_hash(&v->hashes[i], &filter);
            free(bytes);
        }
        spv_filter_compute_header(&v->headers[i], &v->hashes[i], &v->headers[i - 1]);
    }
}

struct filter_view *filter_view_lie(uint32_t height, enum filter_lie lie)
{
    memset(&liar, 0, sizeof liar);
    liar.lies[height] = lie;
    filter_view_make(&liar);
    return &liar;
}

#define CACHED 16
static struct {
    enum filter_lie lie;
    struct spv_blockhash block;
    uint8_t *bytes;
    size_t n;
} cache[CACHED];
static size_t next_cached; /* that is replaced when all are used */

/* Filters are built once: in a test of failing allocations this one must not fail. */
static void cached_filter(const struct filter_view *v, struct spv_msg_cfilter *out, uint32_t height)
{
    const enum filter_lie lie = v->lies[height];
    const struct spv_blockhash *block = &block_of(v->fork, height)->hash;
    size_t i = 0;
    while (i < CACHED && cache[i].bytes &&
           (cache[i].lie != lie || !spv_blockhash_eq(&cache[i].block, block)))
        i++;
    if (i == CACHED) {
        i = next_cached++ % CACHED;
        free(cache[i].bytes);
        cache[i].bytes = NULL;
    }
    if (!cache[i].bytes) {
        cache[i].lie = lie;
        cache[i].block = *block;
        filter_view_filter(v, &cache[i].bytes, &cache[i].n, height);
    }
    out->filter = cache[i].bytes;
    out->n = cache[i].n;
}

static void clear_cache(void)
{
    for (size_t i = 0; i < CACHED; i++) {
        free(cache[i].bytes);
        cache[i].bytes = NULL;
    }
}

static struct fixture_tx sync_tx(uint32_t height)
{
    struct fixture_tx tx = {.has_witness = false};
    memcpy(tx.prev.b, &height, sizeof height);
    tx.prev.b[31] = 1;
    fixture_script(tx.script, 2000000 + height);
    return tx;
}

int sync_world_make(void **state)
{
    (void)state;
    struct spv_chain *chain = fixture_chain_new();
    sync_blocks[0].hash = spv_chain_tip(chain)->hash;
    for (uint32_t i = 1; i <= SYNC_LENGTH; i++) {
        const struct fixture_tx tx = sync_tx(i);
        fixture_block_make(&sync_blocks[i], chain, &tx, spends(i) ? 1 : 0, 0);
    }
    spv_chain_free(chain);
    filter_view_make(&honest);
    return 0;
}

int sync_world_free(void **state)
{
    (void)state;
    clear_cache();
    for (uint32_t i = 1; i <= SYNC_LENGTH; i++) {
        fixture_block_free(&sync_blocks[i]);
        fixture_block_free(&sync_branch[i]);
    }
    return 0;
}

/* ---- the database ---- */

static int db_headers(void *ctx, struct spv_filter_header *headers, struct spv_filter_hash *hashes,
                      uint32_t from, uint32_t n)
{
    const struct sync_fixture *f = ctx;
    uint32_t got = 0;
    while (got < n && from + got < f->n_stored) {
        if (f->missing && from + got == f->missing)
            break;
        if (hashes && (f->hashes_unknown || from + got == 0))
            break;
        if (headers)
            headers[got] = f->stored[from + got];
        if (hashes)
            hashes[got] = f->stored_hashes[from + got];
        got++;
    }
    return (int)got;
}

static int db_range(void *ctx, uint32_t *first, uint32_t *last)
{
    const struct sync_fixture *f = ctx;
    *first = 0;
    *last = f->n_stored - 1;
    return f->n_stored > 0;
}

static void apply(struct sync_fixture *f, const struct spv_filter_update *u)
{
    if (!f->n_stored) {
        f->stored[0] = honest.headers[0];
        f->n_stored = 1;
    }
    assert_int_equal(u->first, f->n_stored);
    for (size_t i = 0; i < u->n; i++) {
        struct spv_filter_header joined;
        spv_filter_compute_header(&joined, &u->hashes[i], &f->stored[u->first + i - 1]);
        assert_memory_equal(joined.b, u->headers[i].b, sizeof joined.b);
        f->stored[u->first + i] = u->headers[i];
        f->stored_hashes[u->first + i] = u->hashes[i];
    }
    f->n_stored += (uint32_t)u->n;
    /* the update is older than a reorganisation that came while it was held */
    assert_true(spv_blockhash_eq(&u->last_block, &sync_blocks[f->n_stored - 1].hash) ||
                spv_blockhash_eq(&u->last_block, &block_of(f->fork, f->n_stored - 1)->hash));
    f->n_updates++;
}

/* The output that block h spends has the script of number 3,000,000 + h. */
static bool find_output(void *ctx, struct spv_bytes *script, const struct spv_txid *txid,
                        uint32_t index)
{
    static uint8_t bytes[BLOCK_FIXTURE_SCRIPT];
    const struct sync_fixture *f = ctx;
    uint32_t height;

    if (!f->knows_spent || index != 0 || txid->b[31] != 1)
        return false;
    memcpy(&height, txid->b, sizeof height);
    fixture_script(bytes, 3000000 + height);
    *script = (struct spv_bytes){bytes, sizeof bytes};
    return true;
}

/* ---- the machine ---- */

void sync_fixture_start(struct sync_fixture *f)
{
    const struct spv_filter_sync_config cfg = {
        .params = &f->params,
        .effects = &f->effects,
        .chain = f->chain,
        .peers = &f->table,
        .filter_peers = &f->filter_peers,
        .filter_db = {.ctx = f, .headers = db_headers, .range = db_range},
        .known = {.find = find_output, .ctx = f},
        .timeout_us = f->timeout_us};
    assert_int_equal(spv_filter_sync_new(&f->sync, &cfg), 0);
}

void sync_fixture_open(struct sync_fixture *f, uint32_t height)
{
    memset(f, 0, sizeof *f);
    f->params = *spv_params_get(SPV_REGTEST);
    f->now.mono_us = 1000 * SPV_SECOND;
    spv_effects_init(&f->effects);
    f->chain = fixture_chain_new();
    sync_fixture_grow(f, height);
    spv_filter_peers_init(&f->filter_peers, f->chain, &f->effects, &f->table);
    sync_fixture_start(f);
}

void sync_fixture_close(struct sync_fixture *f)
{
    for (uint64_t id = 1; id <= SYNC_PEERS; id++)
        sync_fixture_remove(f, id);
    spv_filter_sync_free(f->sync);
    spv_effects_free(&f->effects);
    spv_chain_free(f->chain);
}

void sync_fixture_grow(struct sync_fixture *f, uint32_t height)
{
    for (uint32_t i = spv_chain_tip(f->chain)->height + 1; i <= height; i++) {
        struct spv_accept_result r;
        assert_int_equal(
            spv_chain_accept(f->chain, &r, &sync_blocks[i].block.header, 1, fixture_late), 0);
        assert_int_equal(r.error, 0);
        spv_chain_stored(f->chain);
    }
}

void sync_fixture_reorganise(struct sync_fixture *f, uint32_t fork, uint32_t n)
{
    struct spv_chain_header parent;

    assert_int_equal(spv_chain_header_at(f->chain, &parent, fork), 1);
    for (uint32_t i = fork + 1; i <= fork + n; i++) {
        const struct fixture_tx tx = sync_tx(i);
        struct spv_accept_result r;
        fixture_block_free(&sync_branch[i]);
        fixture_block_make_on(&sync_branch[i], &parent, &tx, spends(i) ? 1 : 0, 1);
        assert_int_equal(
            spv_chain_accept(f->chain, &r, &sync_branch[i].block.header, 1, fixture_late), 0);
        assert_int_equal(r.error, 0);
        if (r.update.kind != SPV_UPDATE_NONE)
            spv_chain_stored(f->chain);
        parent.header = sync_branch[i].block.header;
        parent.hash = sync_branch[i].hash;
        parent.height = i;
    }
    assert_int_equal(spv_chain_tip(f->chain)->height, fork + n);
    f->fork = fork;
    if (f->n_stored > fork + 1)
        f->n_stored = fork + 1;
    for (uint64_t id = 1; id <= SYNC_PEERS; id++)
        f->peers[id].hides_headers = true;
    memset(&honest_branch, 0, sizeof honest_branch);
    honest_branch.fork = fork;
    filter_view_make(&honest_branch);
}

void sync_fixture_shows(struct sync_fixture *f, uint64_t id, uint32_t height)
{
    const struct spv_msg_headers msg = {.headers = &block_of(f->fork, height)->block.header,
                                        .n = 1,
                                        .role = SPV_HEADERS_UNSOLICITED};
    assert_int_equal(spv_filter_peers_headers(&f->filter_peers, id, &msg, f->now), 0);
}

struct sync_peer *sync_fixture_add(struct sync_fixture *f, uint64_t id, uint64_t group,
                                   const struct filter_view *view)
{
    struct sync_peer *p = &f->peers[id];
    *p = (struct sync_peer){.view = view};
    p->entry = spv_peer_table_add(&f->table, id);
    assert_non_null(p->entry);
    p->entry->group = group;
    p->entry->services = SPV_NODE_NETWORK | SPV_NODE_WITNESS | SPV_NODE_COMPACT_FILTERS;
    spv_filter_peers_add(&f->filter_peers, p->entry);
    if (spv_chain_tip(f->chain)->height)
        sync_fixture_shows(f, id, spv_chain_tip(f->chain)->height);
    return p;
}

void sync_fixture_remove(struct sync_fixture *f, uint64_t id)
{
    if (!f->peers[id].entry)
        return;
    assert_true(spv_filter_sync_remove(f->sync, id, f->now) >= 0 || f->error);
    spv_peer_table_remove(&f->table, id);
    f->peers[id].entry = NULL;
}

/* Requests name blocks of the best chain. */
static uint32_t height_of(const struct sync_fixture *f, const struct spv_blockhash *hash)
{
    for (uint32_t i = SYNC_LENGTH + 1; i-- > 0;)
        if (spv_blockhash_eq(&block_of(f->fork, i)->hash, hash))
            return i;
    fail_msg("a request for an unknown block");
    return 0;
}

static void note_failure(struct sync_fixture *f, int rc)
{
    if (rc < 0 && !f->error)
        f->error = rc;
}

/* ---- answers ---- */

static void answer(struct sync_fixture *f, const struct sync_request *r)
{
    struct sync_peer *p = &f->peers[r->peer];
    const struct filter_view *v = p->other ? p->other : p->view;
    static struct spv_hash256 values[SPV_MAX_CFHEADERS + 2];
    struct spv_msg msg = {.command = SPV_CMD_UNKNOWN};
    if (!p->entry)
        return;
    if (r->command == SPV_CMD_GETHEADERS) {
        if (p->hides_headers)
            return;
        const struct spv_msg_headers headers = {.headers =
                                                    &block_of(f->fork, r->stop)->block.header,
                                                .n = 1,
                                                .role = SPV_HEADERS_ANSWER,
                                                .tag = r->tag};
        note_failure(f, spv_filter_peers_headers(&f->filter_peers, r->peer, &headers, f->now));
        return;
    }
    if (p->silent || (p->silent_after_drop && f->n_drops > 0) ||
        (p->lags_above && r->stop > p->lags_above) ||
        (r->command == SPV_CMD_GETCFILTERS && p->gives_no_filters) ||
        (r->command == SPV_CMD_GETCFHEADERS && p->gives_no_cfheaders) ||
        (r->command == SPV_CMD_GETCFCHECKPT && p->gives_no_cfcheckpt))
        return;
    if (r->command == SPV_CMD_GETCFHEADERS) {
        msg.command = SPV_CMD_CFHEADERS;
        msg.u.cfheaders =
            (struct spv_msg_cfheaders){.stop = r->stop_block,
                                       .hashes = values,
                                       .n = (size_t)((int)(r->stop - r->start + 1) + p->extra)};
        memcpy(msg.u.cfheaders.prev.b, v->headers[r->start - 1].b, 32);
        for (uint32_t i = 0; i <= r->stop - r->start; i++)
            memcpy(values[i].b, v->hashes[r->start + i].b, 32);
    } else if (r->command == SPV_CMD_GETCFCHECKPT) {
        msg.command = SPV_CMD_CFCHECKPT;
        msg.u.cfcheckpt =
            (struct spv_msg_cfcheckpt){.stop = r->stop_block,
                                       .headers = values,
                                       .n = (size_t)((int)(r->stop / 1000) + p->extra)};
        for (uint32_t i = 0; i < r->stop / 1000; i++)
            memcpy(values[i].b, p->view->headers[(i + 1) * 1000].b, 32);
    } else {
        msg.command = SPV_CMD_CFILTER;
        msg.u.cfilter.block = r->stop_block;
        cached_filter(v, &msg.u.cfilter, r->stop);
    }
    note_failure(f, spv_filter_sync_recv(f->sync, r->peer, &msg, f->now));
}

static void push_request(struct sync_fixture *f, const struct spv_effect *e)
{
    struct sync_peer *p = &f->peers[e->peer];
    struct sync_request r = {.peer = e->peer, .command = e->message.command};
    switch ((int)r.command) {
    case SPV_CMD_GETHEADERS:
        r.stop = height_of(f, &e->message.u.getheaders.stop);
        r.tag = e->message.u.getheaders.tag;
        p->n_probes++;
        break;
    case SPV_CMD_GETCFCHECKPT:
        r.stop = height_of(f, &e->message.u.getcfcheckpt.stop);
        p->n_checkpoints++;
        break;
    case SPV_CMD_GETCFHEADERS:
    case SPV_CMD_GETCFILTERS:
        r.start = e->message.u.getcfilters.start;
        r.stop = height_of(f, &e->message.u.getcfilters.stop);
        assert_in_range(r.start, 1, r.stop);
        assert_in_range(r.stop - r.start, 0, SPV_MAX_CFHEADERS - 1);
        p->n_headers += r.command == SPV_CMD_GETCFHEADERS;
        p->n_ranges += r.command == SPV_CMD_GETCFHEADERS && r.stop % SPV_CFCHECKPT_INTERVAL == 0;
        p->n_filters += r.command == SPV_CMD_GETCFILTERS;
        break;
    default:
        fail_msg("an unexpected message");
    }
    r.stop_block = block_of(f->fork, r.stop)->hash;
    if (r.command != SPV_CMD_GETHEADERS) {
        /* Bitcoin Core closes on a stop hash that it has not */
        assert_true(p->entry->filters.best_known_height >= r.stop);
        p->last_request_us = f->now.mono_us;
    }
    assert_true(f->n_queue < SYNC_QUEUE);
    f->queue[f->n_queue++] = r;
}

static void note_event(struct sync_fixture *f, const struct spv_event *e)
{
    f->events[e->kind]++;
    if (e->kind != SPV_EVENT_WARNING)
        return;
    f->warnings[e->warning]++;
    f->warned_height = e->given_height;
    assert_non_null(e->text);
}

void sync_fixture_apply(struct sync_fixture *f)
{
    assert_true(f->has_update);
    f->has_update = false;
    apply(f, &f->update);
    if (f->fork && f->n_stored > f->fork + 1 && f->holds_stores)
        f->n_stored = f->fork + 1; /* its blocks are gone: the database has dropped them, too */
    note_failure(f, spv_filter_sync_stored(f->sync));
}

/* Whether the machine runs again. */
static bool pull(struct sync_fixture *f)
{
    struct spv_effect e;
    bool any = false;
    while (!f->error && spv_effects_pop(&f->effects, &e) == 1) {
        any |= !f->only_inputs || e.kind == SPV_EFFECT_STORE_FILTER_HEADERS ||
               e.kind == SPV_EFFECT_DROP_FILTER_HEADERS;
        switch ((int)e.kind) {
        case SPV_EFFECT_SEND:
            push_request(f, &e);
            break;
        case SPV_EFFECT_STORE_FILTER_HEADERS:
            f->update = e.filter_update;
            f->has_update = true;
            if (!f->holds_stores)
                sync_fixture_apply(f);
            break;
        case SPV_EFFECT_DROP_FILTER_HEADERS:
            if (e.height < f->n_stored)
                f->n_stored = e.height;
            f->n_drops++;
            f->dropped_from = e.height;
            note_failure(f, spv_filter_sync_stored(f->sync));
            break;
        case SPV_EFFECT_EVENT:
            note_event(f, &e.event);
            break;
        default:
            fail_msg("an unexpected effect");
        }
    }
    return any;
}

static void after_input(struct sync_fixture *f)
{
    struct spv_disconnect drop;
    struct spv_blockhash hash;
    uint32_t height, fork;
    unsigned turns = 0;
    int rc = spv_filter_peers_update(&f->filter_peers, &fork);
    if (rc > 0)
        rc = spv_filter_sync_reorganised(f->sync, fork);
    note_failure(f, rc);
    do {
        assert_true(++turns < 1000); /* else the machine would never rest */
        if (!f->error)
            note_failure(f, spv_filter_sync_run(f->sync, !f->is_behind, f->more, f->now));
        while (spv_filter_peers_next_disconnect(&f->filter_peers, &drop)) {
            f->peers[drop.id].dropped = drop.error;
            sync_fixture_remove(f, drop.id);
        }
        while (spv_filter_sync_next_block(f->sync, &hash, &height)) {
            f->n_blocks++;
            const struct fixture_block *block = block_of(f->fork, height);
            assert_true(spv_blockhash_eq(&hash, &block->hash));
            if (!f->no_blocks)
                note_failure(f, spv_filter_sync_block(f->sync, height, &block->block));
        }
    } while (pull(f) && !f->error);
}

void sync_fixture_run(struct sync_fixture *f)
{
    after_input(f);
    while (f->n_queue && !f->error) {
        const struct sync_request r = f->queue[0];
        f->n_queue--;
        memmove(f->queue, f->queue + 1, f->n_queue * sizeof f->queue[0]);
        if (f->peers[r.peer].holds && r.command != SPV_CMD_GETHEADERS) {
            assert_true(f->n_held < SYNC_QUEUE);
            f->held[f->n_held++] = r;
            continue;
        }
        answer(f, &r);
        after_input(f);
        if (!f->only_inputs) /* for a block that it fetched, too: that is an input of its own */
            after_input(f);
    }
    if (!f->only_inputs)
        after_input(f);
}

void sync_fixture_release(struct sync_fixture *f, uint64_t id)
{
    const size_t n = f->n_held;
    f->n_held = 0;
    f->peers[id].holds = false;
    for (size_t i = 0; i < n; i++) {
        const struct sync_request r = f->held[i];
        if (r.peer != id) {
            f->held[f->n_held++] = r;
            continue;
        }
        answer(f, &r);
        sync_fixture_run(f);
    }
}

void sync_fixture_sleep(struct sync_fixture *f, uint64_t us)
{
    const uint64_t end = f->now.mono_us + us;
    unsigned turns = 0;
    sync_fixture_run(f);
    for (;;) {
        const uint64_t at = spv_filter_sync_deadline(f->sync);
        assert_true(at == SPV_NEVER || at > f->now.mono_us); /* else the loop would never rest */
        assert_true(++turns < 10000);
        if (at > end || f->error)
            break;
        f->now.mono_us = at;
        note_failure(f, spv_filter_sync_timer(f->sync, f->now));
        sync_fixture_run(f);
    }
    f->now.mono_us = end;
    sync_fixture_run(f);
}

void sync_fixture_assert_stored(const struct sync_fixture *f, const struct filter_view *view,
                                uint32_t height)
{
    uint32_t reached;
    assert_int_equal(f->error, 0);
    assert_int_equal(f->n_stored, height + 1);
    assert_int_equal(spv_filter_sync_height(f->sync, &reached), 1);
    assert_int_equal(reached, height);
    assert_memory_equal(f->stored[height].b, view->headers[height].b, 32);
}
