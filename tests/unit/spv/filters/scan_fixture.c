#include "scan_fixture.h"

#include "support/unit.h"

#include "spv/filters/filter_peers.h"
#include "spv/mine.h"

/* ---- the chain ---- */

static struct spv_txid spent_txid(const struct scan_fixture *f, uint32_t height)
{
    struct spv_txid txid = {{0xee}};

    if (height > 10)
        return f->blocks[height - 10].txids[1];
    memcpy(txid.b + 1, &height, sizeof height);
    return txid;
}

static void make_filter(struct fixture_filter *out, const struct fixture_block *block,
                        const struct spv_bytes *items, size_t n,
                        const struct spv_filter_header *before)
{
    struct spv_filter filter;

    assert_int_equal(spv_filter_build(&out->bytes, &out->n, &block->hash, items, n), 0);
    filter = (struct spv_filter){.block = block->hash, .bytes = out->bytes, .n = out->n};
    spv_filter_compute_hash(&out->hash, &filter);
    spv_filter_compute_header(&out->header, &out->hash, before);
}

static void make_true_filter(struct scan_fixture *f, uint32_t height, uint32_t script,
                             uint32_t spent)
{
    uint8_t scripts[3][BLOCK_FIXTURE_SCRIPT];
    struct spv_bytes items[3];

    fixture_script(scripts[0], 1000000 + height);
    fixture_script(scripts[1], script);
    fixture_script(scripts[2], spent);
    for (size_t i = 0; i < 3; i++)
        items[i] = (struct spv_bytes){scripts[i], BLOCK_FIXTURE_SCRIPT};
    make_filter(&f->filters[height], &f->blocks[height], items, height > 10 ? 3 : 2,
                &f->filters[height - 1].header);
}

static void make_block(struct scan_fixture *f, uint32_t height, uint32_t script, uint32_t spent,
                       uint32_t salt)
{
    struct fixture_tx tx = {.prev = spent_txid(f, height), .has_witness = height % 2 != 0};

    fixture_script(tx.script, script);
    fixture_block_make(&f->blocks[height], f->chain, &tx, 1, salt);
    make_true_filter(f, height, script, spent);
}

void scan_fixture_open(struct scan_fixture *f, uint32_t tip)
{
    memset(f, 0, sizeof *f);
    assert_true(tip <= SCAN_FIXTURE_BLOCKS);
    f->random.state = 1;
    f->now = fixture_late;
    f->chain = fixture_chain_new();
    for (uint32_t h = 1; h <= tip; h++)
        make_block(f, h, h, h - 10, 0);
    f->tip = f->available = tip;
    spv_effects_init(&f->effects);
}

void scan_fixture_make_other(struct scan_fixture *f, uint32_t height, uint32_t script)
{
    uint8_t bytes[BLOCK_FIXTURE_SCRIPT];
    const struct spv_bytes item = {bytes, sizeof bytes};

    fixture_script(bytes, script);
    make_filter(&f->other, &f->blocks[height], &item, script ? 1 : 0,
                &f->filters[height - 1].header);
}

void scan_fixture_replace(struct scan_fixture *f, uint32_t height, const uint32_t *scripts,
                          size_t n)
{
    uint8_t bytes[4][BLOCK_FIXTURE_SCRIPT];
    struct spv_bytes items[4];

    assert_true(n <= COUNT(items));
    for (size_t i = 0; i < n; i++) {
        fixture_script(bytes[i], scripts[i]);
        items[i] = (struct spv_bytes){bytes[i], BLOCK_FIXTURE_SCRIPT};
    }
    free(f->filters[height].bytes);
    make_filter(&f->filters[height], &f->blocks[height], items, n, &f->filters[height - 1].header);
    for (uint32_t h = height + 1; h <= f->tip; h++)
        spv_filter_compute_header(&f->filters[h].header, &f->filters[h].hash,
                                  &f->filters[h - 1].header);
}

static void free_block(struct scan_fixture *f, uint32_t height)
{
    fixture_block_free(&f->blocks[height]);
    free(f->filters[height].bytes);
    f->filters[height].bytes = NULL;
}

void scan_fixture_close(struct scan_fixture *f)
{
    if (f->scan && f->has_match)
        scan_fixture_match(f);
    spv_filter_scan_free(f->scan); /* NULL when a test has a fetcher only */
    spv_output_cache_free(f->outputs);
    for (uint32_t h = 1; h <= f->tip; h++)
        free_block(f, h);
    free(f->other.bytes);
    spv_effects_free(&f->effects);
    spv_chain_free(f->chain);
}

/* ---- the database ---- */

static struct spv_filter_header stored_header(const struct scan_fixture *f, uint32_t height)
{
    struct spv_filter_header header = f->filters[0].header;
    uint32_t at = height;

    if (!f->other_is_stored || height < f->conflict_height)
        return f->filters[height].header;
    header = f->other.header;
    for (at = f->conflict_height + 1; at <= height; at++)
        spv_filter_compute_header(&header, &f->filters[at].hash, &header);
    return header;
}

static int read_headers(void *ctx, struct spv_filter_header *headers,
                        struct spv_filter_hash *hashes, uint32_t from, uint32_t n)
{
    const struct scan_fixture *f = ctx;
    uint32_t i = 0;

    if (from < f->first_header)
        return 0;
    for (; i < n && from + i <= f->available; i++) {
        if (headers)
            headers[i] = stored_header(f, from + i);
        if (hashes)
            hashes[i] = f->other_is_stored && from + i == f->conflict_height
                            ? f->other.hash
                            : f->filters[from + i].hash;
    }
    return (int)i;
}

static int read_filter(void *ctx, struct spv_bytes *out, uint32_t height)
{
    const struct scan_fixture *f = ctx;

    if (height < f->kept_first || height > f->kept_last)
        return 0;
    if (height == f->kept_damaged)
        return SPV_ERR_DB_DAMAGED;
    *out = (struct spv_bytes){f->filters[height].bytes, f->filters[height].n};
    return 1;
}

static int read_range(void *ctx, uint32_t *first, uint32_t *last)
{
    const struct scan_fixture *f = ctx;

    *first = f->first_header;
    *last = f->available;
    return 1;
}

static int read_kept(void *ctx, uint32_t *first, uint32_t *last)
{
    const struct scan_fixture *f = ctx;

    *first = f->kept_first;
    *last = f->kept_last;
    return f->kept_last > 0;
}

static size_t alternatives(void *ctx, struct spv_filter_hash *out, uint32_t height)
{
    const struct scan_fixture *f = ctx;

    if (!f->conflict_height || height != f->conflict_height || f->agrees_so_far)
        return 0;
    out[0] = f->other_is_stored ? f->filters[height].hash : f->other.hash;
    return 1;
}

static bool has_committed(void *ctx, uint64_t peer, uint32_t height)
{
    const struct scan_fixture *f = ctx;

    (void)peer;
    (void)height;
    return f->committed;
}

struct spv_filter_db scan_fixture_db(struct scan_fixture *f)
{
    return (struct spv_filter_db){.ctx = f,
                                  .headers = read_headers,
                                  .filter = read_filter,
                                  .range = read_range,
                                  .kept = read_kept};
}

struct spv_filter_knowledge scan_fixture_knowledge(struct scan_fixture *f)
{
    return (struct spv_filter_knowledge){
        .alternatives = alternatives, .has_committed = has_committed, .ctx = f};
}

void scan_fixture_start(struct scan_fixture *f, bool keep)
{
    const struct spv_params *params = spv_params_get(SPV_REGTEST);
    const struct spv_rng rng = test_random_rng(&f->random);

    assert_int_equal(spv_output_cache_new(&f->outputs, &rng), 0);
    const struct spv_filter_scan_config cfg = {.params = params,
                                               .chain = f->chain,
                                               .peers = &f->table,
                                               .effects = &f->effects,
                                               .blocks = &f->fetch,
                                               .filter_db = scan_fixture_db(f),
                                               .knowledge = scan_fixture_knowledge(f),
                                               .outputs = f->outputs,
                                               .rng = rng,
                                               .keep = keep,
                                               .keep_bytes = f->keep_bytes};

    spv_block_fetch_init(&f->fetch, f->chain, params, &f->effects, &f->table, cfg.rng);
    assert_int_equal(spv_filter_scan_new(&f->scan, &cfg), 0);
}

/* ---- peers ---- */

static struct scan_fixture_peer *find_peer(struct scan_fixture *f, uint64_t id)
{
    for (size_t i = 0; i < SCAN_FIXTURE_PEERS; i++)
        if (f->peers[i].id == id)
            return &f->peers[i];
    return NULL;
}

struct scan_fixture_peer *scan_fixture_add(struct scan_fixture *f, uint64_t id)
{
    struct scan_fixture_peer *peer = find_peer(f, 0);
    struct spv_peer_entry *p = spv_peer_table_add(&f->table, id);

    if (!peer || !p)
        abort(); /* a test with too many peers */
    *peer = (struct scan_fixture_peer){.id = id};
    p->group = id;
    p->services = SCAN_FIXTURE_FULL;
    p->start_height = f->tip;
    p->filters = (struct spv_filter_peer){.added = true, .best_known_height = f->tip};
    assert_int_equal(spv_block_fetch_add(&f->fetch, id, f->now), 0);
    assert_int_equal(spv_filter_scan_add_peer(f->scan, id, f->now), 0);
    return peer;
}

void scan_fixture_remove(struct scan_fixture *f, uint64_t id)
{
    struct scan_fixture_peer *peer = find_peer(f, id);

    assert_int_equal(spv_block_fetch_remove(&f->fetch, id, f->now), 0);
    assert_int_equal(spv_filter_scan_remove_peer(f->scan, id, f->now), 0);
    spv_peer_table_remove(&f->table, id);
    if (!peer)
        abort();
    peer->id = 0;
}

static uint32_t height_of(const struct scan_fixture *f, const uint8_t hash[32])
{
    for (uint32_t h = 1; h <= f->tip; h++)
        if (memcmp(f->blocks[h].hash.b, hash, 32) == 0)
            return h;
    return 0;
}

static void send_filter(struct scan_fixture *f, const struct scan_fixture_peer *peer,
                        uint32_t height)
{
    const struct fixture_filter *filter =
        height == peer->false_height ? &f->other : &f->filters[height];
    const struct spv_msg_cfilter msg = {.type = SPV_FILTER_BASIC,
                                        .block = f->blocks[height].hash,
                                        .filter = filter->bytes,
                                        .n = filter->n};

    const int rc = spv_filter_scan_cfilter(f->scan, peer->id, &msg, f->now);
    assert_true(rc >= 0);
    f->n_unsolicited += rc == 0;
}

static void answer_getcfilters(struct scan_fixture *f, const struct scan_fixture_peer *peer,
                               const struct spv_msg_getcfilters *get)
{
    const uint32_t stop = height_of(f, get->stop.b), n = stop - get->start + 1;

    f->n_getcfilters++;
    assert_in_range(get->start, 1, stop); /* Bitcoin Core would close the connection */
    assert_true(n <= SPV_MAX_GETCFILTERS);
    f->filters_requested += n;
    for (uint32_t i = 0; i < n && !peer->is_silent; i++) {
        const uint32_t height = peer->is_backwards ? stop - i : get->start + i;
        for (int twice = 0; twice <= peer->sends_twice; twice++)
            send_filter(f, peer, height);
    }
}

static void send_block(struct scan_fixture *f, uint64_t id, const uint8_t hash[32])
{
    const uint32_t height = height_of(f, hash);
    struct spv_fetched_block out;

    if (!height)
        return; /* it is not on the best chain any more */
    const int rc = spv_block_fetch_recv(&f->fetch, &out, id, &f->blocks[height].block, f->now);
    assert_true(rc >= 0);
    if (rc != 1)
        return;
    assert_int_equal(spv_output_cache_add(f->outputs, &out.block), 0);
    assert_int_equal(spv_filter_scan_block(f->scan, &out), 0);
}

static void answer_getdata(struct scan_fixture *f, const struct scan_fixture_peer *peer,
                           const struct spv_msg_inv *inv)
{
    f->n_getdata++;
    assert_int_equal(inv->n, 1);
    if (peer->is_blockless)
        return;
    if (f->holds_blocks) {
        assert_true(f->n_held_blocks < COUNT(f->held_blocks));
        f->held_blocks[f->n_held_blocks].peer = peer->id;
        f->held_blocks[f->n_held_blocks++].hash = inv->items->hash;
        return;
    }
    send_block(f, peer->id, inv->items->hash.b);
}

void scan_fixture_send_blocks(struct scan_fixture *f)
{
    while (f->n_held_blocks > 0) {
        f->n_held_blocks--;
        send_block(f, f->held_blocks[f->n_held_blocks].peer,
                   f->held_blocks[f->n_held_blocks].hash.b);
    }
}

/* ---- effects and events ---- */

void scan_fixture_match(struct scan_fixture *f)
{
    struct spv_filter_matcher *matcher;

    assert_true(f->has_match);
    assert_int_equal(spv_filter_matcher_new(&matcher, f->match.query), 0);
    spv_filter_match_list(matcher, f->match.results, f->match.filters, f->match.n);
    spv_filter_matcher_free(matcher);
    f->has_match = false;
    assert_int_equal(spv_filter_scan_matched(f->scan), 0);
}

static void keep_filters(struct scan_fixture *f, const struct spv_keep_filters_task *keep)
{
    for (size_t i = 0; i < keep->n; i++) {
        const uint32_t height = keep->heights[i];
        assert_int_equal(keep->filters[i].n, f->filters[height].n);
        assert_memory_equal(keep->filters[i].bytes, f->filters[height].bytes, keep->filters[i].n);
        if (!f->lowest_kept || height < f->lowest_kept)
            f->lowest_kept = height;
        f->kept_total += keep->filters[i].n;
    }
    f->n_kept += keep->n;
}

static bool run_effect(struct scan_fixture *f)
{
    struct spv_effect e;

    if (spv_effects_pop(&f->effects, &e) == 0)
        return false;
    if (e.kind == SPV_EFFECT_MATCH_FILTERS) {
        assert_false(f->has_match);
        f->match = e.match;
        f->has_match = true;
        if (!f->holds_matches)
            scan_fixture_match(f);
        return true;
    }
    if (e.kind == SPV_EFFECT_KEEP_FILTERS) {
        keep_filters(f, &e.keep);
        return true;
    }
    assert_int_equal(e.kind, SPV_EFFECT_SEND);
    const struct scan_fixture_peer *peer = find_peer(f, e.peer);
    if (!peer)
        return true;
    if (e.message.command == SPV_CMD_GETCFILTERS)
        answer_getcfilters(f, peer, &e.message.u.getcfilters);
    else if (e.message.command == SPV_CMD_GETDATA)
        answer_getdata(f, peer, &e.message.u.inv);
    else
        fail();
    return true;
}

static void note_event(struct scan_fixture *f, const struct spv_scan_event *event)
{
    assert_true(f->n_events < COUNT(f->events));
    if (event->kind == SPV_SCAN_FOUND) {
        assert_true(spv_blockhash_eq(&event->hash, &f->blocks[event->height].hash));
        assert_int_equal(event->block.n, f->blocks[event->height].block.n);
        assert_true(event->n > 0);
    }
    f->events[f->n_events].kind = event->kind;
    f->events[f->n_events].height = event->height;
    f->events[f->n_events].n = event->n;
    f->events[f->n_events++].position = event->n ? event->positions[0] : 0;
}

static bool run_step(struct scan_fixture *f)
{
    struct spv_scan_event event;
    struct spv_disconnect drop;
    bool did = false;

    assert_int_equal(spv_filter_scan_run(f->scan, f->available, !f->syncs, f->now), 0);
    while (spv_filter_scan_next_disconnect(f->scan, &drop) ||
           spv_block_fetch_next_disconnect(&f->fetch, &drop)) {
        f->dropped = drop.id;
        f->drop_error = drop.error;
        scan_fixture_remove(f, drop.id);
        did = true;
    }
    while (run_effect(f))
        did = true;
    if (!did && spv_filter_scan_next(f->scan, &event) == 1) {
        note_event(f, &event);
        did = true;
    }
    return did;
}

void scan_fixture_run(struct scan_fixture *f)
{
    while (run_step(f))
        ;
}

void scan_fixture_wait(struct scan_fixture *f, uint64_t us)
{
    const uint64_t until = f->now.mono_us + us;

    for (;;) {
        const uint64_t scan = spv_filter_scan_deadline(f->scan),
                       blocks = spv_block_fetch_deadline(&f->fetch),
                       due = scan < blocks ? scan : blocks;
        if (due > until)
            break;
        if (due > f->now.mono_us)
            f->now.mono_us = due;
        assert_int_equal(spv_filter_scan_timer(f->scan, f->now), 0);
        assert_int_equal(spv_block_fetch_timer(&f->fetch, f->now), 0);
        scan_fixture_run(f);
    }
    f->now.mono_us = until;
}

int scan_fixture_begin(struct scan_fixture *f, uint32_t script, uint32_t first, uint32_t last)
{
    uint8_t bytes[BLOCK_FIXTURE_SCRIPT];
    const struct spv_bytes one = {bytes, sizeof bytes};

    fixture_script(bytes, script);
    return spv_filter_scan_begin(f->scan, &one, 1, first, last, f->now);
}

void scan_fixture_watch(struct scan_fixture *f, uint32_t script, uint32_t from)
{
    uint8_t bytes[BLOCK_FIXTURE_SCRIPT];
    const struct spv_bytes one = {bytes, sizeof bytes};

    fixture_script(bytes, script);
    assert_int_equal(spv_filter_scan_add(f->scan, &one, 1, from), 0);
}

void scan_fixture_reorganise(struct scan_fixture *f, uint32_t fork, uint32_t n)
{
    struct spv_chain_header parent;
    const uint32_t old_tip = f->tip;

    assert_true(fork + n > old_tip && fork + n <= SCAN_FIXTURE_BLOCKS);
    for (uint32_t h = fork + 1; h <= old_tip; h++)
        free_block(f, h);
    assert_int_equal(spv_chain_header_at(f->chain, &parent, fork), 1);
    for (uint32_t h = fork + 1; h <= fork + n; h++) {
        struct fixture_tx tx = {.prev = spent_txid(f, h)};
        struct spv_accept_result result;
        fixture_script(tx.script, 2000000 + h);
        fixture_block_make_on(&f->blocks[h], &parent, &tx, 1, 1);
        assert_int_equal(
            spv_chain_accept(f->chain, &result, &f->blocks[h].block.header, 1, fixture_late), 0);
        assert_int_equal(result.error, 0);
        if (result.update.kind != SPV_UPDATE_NONE)
            spv_chain_stored(f->chain);
        parent = (struct spv_chain_header){
            .header = f->blocks[h].block.header, .hash = f->blocks[h].hash, .height = h};
    }
    f->tip = f->available = fork + n;
    for (uint32_t h = fork + 1; h <= f->tip; h++)
        make_true_filter(f, h, 2000000 + h, h - 10 > fork ? 2000000 + h - 10 : h - 10);
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(&f->table, p));)
        p->filters.best_known_height = p->start_height = f->tip;
    spv_filter_scan_rollback(f->scan, fork);
}

size_t scan_fixture_matches(const struct scan_fixture *f, uint32_t height)
{
    size_t n = 0;

    for (size_t i = 0; i < f->n_events; i++)
        n += f->events[i].kind == SPV_SCAN_FOUND && f->events[i].height == height;
    return n;
}
