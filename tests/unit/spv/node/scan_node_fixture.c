/* Requests are read as they are pulled (what they point at is borrowed) and queued. */
#include "unit/spv/node/scan_node_fixture.h"

#include "support/unit.h"

static void note_failure(struct scan_node *s, int rc)
{
    if (rc < 0 && s->error == 0)
        s->error = rc;
}

/* ---- the chain ---- */

static void make_filter(struct scan_node *s, uint32_t h)
{
    uint8_t scripts[3][BLOCK_FIXTURE_SCRIPT];
    struct spv_bytes items[3];
    struct scan_node_filter *f = &s->filters[h];
    struct spv_filter filter = {.block = s->blocks[h].hash};

    fixture_script(scripts[0], 1000000 + h);
    fixture_script(scripts[1], h);
    fixture_script(scripts[2], h - 10);
    for (size_t i = 0; i < COUNT(items); i++)
        items[i] = (struct spv_bytes){scripts[i], BLOCK_FIXTURE_SCRIPT};
    assert_int_equal(spv_filter_build(&f->bytes, &f->n, &filter.block, items, h > 10 ? 3 : 2), 0);
    filter.bytes = f->bytes;
    filter.n = f->n;
    spv_filter_compute_hash(&f->hash, &filter);
    spv_filter_compute_header(&f->header, &f->hash, &s->filters[h - 1].header);
}

static void make_block(struct scan_node *s, uint32_t h, uint32_t salt)
{
    struct spv_chain_header parent = {.height = h - 1, .hash = s->blocks[h - 1].hash};
    struct fixture_tx tx = {.has_witness = true};

    parent.header = h > 1 ? s->blocks[h - 1].block.header : spv_params_get(SPV_REGTEST)->genesis;
    if (h > 10)
        tx.prev = s->blocks[h - 10].txids[1];
    else
        memset(tx.prev.b, 0xee, sizeof tx.prev.b);
    fixture_script(tx.script, h);
    fixture_block_free(&s->blocks[h]);
    free(s->filters[h].bytes);
    fixture_block_make_on(&s->blocks[h], &parent, &tx, 1, salt);
    make_filter(s, h);
}

void scan_node_open(struct scan_node *s, uint32_t tip)
{
    const struct spv_params *params = spv_params_get(SPV_REGTEST);

    memset(s, 0, sizeof *s);
    assert_true(tip <= SCAN_NODE_BLOCKS);
    s->tip = tip;
    s->filters[0].header = params->filter_checkpoints[0].header;
    spv_header_hash(&s->blocks[0].hash, &params->genesis);
    for (uint32_t h = 1; h <= tip; h++)
        make_block(s, h, 0);
}

/* ---- the database ---- */

static int db_headers(void *ctx, struct spv_filter_header *headers, struct spv_filter_hash *hashes,
                      uint32_t from, uint32_t n)
{
    const struct scan_node *s = ctx;
    uint32_t got = 0;

    for (; got < n && from + got < s->n_stored && (!hashes || from + got > 0); got++) {
        if (headers)
            headers[got] = s->stored[from + got];
        if (hashes)
            hashes[got] = s->stored_hashes[from + got];
    }
    return (int)got;
}

static int db_filter(void *ctx, struct spv_bytes *out, uint32_t height)
{
    (void)ctx;
    (void)out;
    (void)height;
    return 0;
}

static int db_range(void *ctx, uint32_t *first, uint32_t *last)
{
    const struct scan_node *s = ctx;

    *first = 0;
    *last = s->n_stored - 1;
    return s->n_stored > 0;
}

static int db_kept(void *ctx, uint32_t *first, uint32_t *last)
{
    (void)ctx;
    (void)first;
    (void)last;
    return 0;
}

static int store_filter_headers(struct scan_node *s, const struct spv_filter_update *u)
{
    if (s->store_error != 0)
        return s->store_error;
    if (s->n_stored == 0) {
        s->stored[0] = s->filters[0].header;
        s->n_stored = 1;
    }
    assert_int_equal(u->first, s->n_stored);
    memcpy(s->stored + u->first, u->headers, u->n * sizeof *u->headers);
    memcpy(s->stored_hashes + u->first, u->hashes, u->n * sizeof *u->hashes);
    s->n_stored += (uint32_t)u->n;
    return 0;
}

/* ---- effects ---- */

static uint32_t height_of(const struct scan_node *s, const void *hash)
{
    for (uint32_t h = 0; h <= s->tip; h++)
        if (memcmp(s->blocks[h].hash.b, hash, 32) == 0)
            return h;
    return UINT32_MAX;
}

static void push_request(struct scan_node *s, uint64_t peer, enum spv_command command,
                         uint32_t start, uint32_t stop)
{
    assert_true(s->n_requests < SCAN_NODE_REQUESTS);
    s->requests[s->n_requests++] =
        (struct scan_node_request){.peer = peer, .command = command, .start = start, .stop = stop};
}

static void on_send(struct scan_node *s, uint64_t peer, const struct spv_msg *msg)
{
    uint32_t from = UINT32_MAX;

    switch ((int)msg->command) {
    case SPV_CMD_GETHEADERS:
        for (size_t i = 0; i < msg->u.getheaders.n && from == UINT32_MAX; i++)
            from = height_of(s, msg->u.getheaders.locator[i].b);
        push_request(s, peer, msg->command, from + 1, s->tip);
        s->requests[s->n_requests - 1].tag = msg->u.getheaders.tag;
        break;
    case SPV_CMD_GETCFHEADERS:
    case SPV_CMD_GETCFILTERS:
        s->n_getcfilters += msg->command == SPV_CMD_GETCFILTERS;
        push_request(s, peer, msg->command, msg->u.getcfilters.start,
                     height_of(s, msg->u.getcfilters.stop.b));
        break;
    case SPV_CMD_GETDATA:
        for (size_t i = 0; i < msg->u.inv.n; i++) {
            assert_int_equal(msg->u.inv.items[i].type, SPV_INV_BLOCK | SPV_INV_WITNESS);
            s->n_getdata++;
            push_request(s, peer, msg->command, 0, height_of(s, msg->u.inv.items[i].hash.b));
        }
        break;
    default:
        break;
    }
}

void scan_node_match(struct scan_node *s)
{
    struct spv_filter_matcher *matcher;

    assert_true(s->has_match);
    s->has_match = false;
    s->n_matched += s->match.n;
    const int rc = spv_filter_matcher_new(&matcher, s->match.query);
    for (size_t i = 0; i < s->match.n; i++)
        s->match.results[i] = rc;
    if (rc == 0)
        spv_filter_match_list(matcher, s->match.results, s->match.filters, s->match.n);
    spv_filter_matcher_free(matcher);
    note_failure(s, spv_node_filters_matched(s->node, s->now));
}

static void on_scan(struct scan_node *s, const struct spv_scan_event *e)
{
    assert_true(s->n_log < COUNT(s->log));
    s->log[s->n_log].kind = e->kind;
    s->log[s->n_log].height = e->height;
    s->log[s->n_log++].n = e->n;
    if (e->kind == SPV_SCAN_FOUND)
        assert_true(spv_blockhash_eq(&e->hash, &s->blocks[e->height].hash));
}

static void on_close(struct scan_node *s, uint64_t peer, int error)
{
    s->closed = error;
    for (size_t i = 0; i < s->n_peers; i++)
        if (s->peers[i] == peer)
            s->peers[i] = 0;
    note_failure(s, spv_node_closed(s->node, peer, error, s->now));
}

static void connect_peer(struct scan_node *s, uint64_t id)
{
    const uint64_t all = SPV_NODE_NETWORK | SPV_NODE_WITNESS | SPV_NODE_COMPACT_FILTERS;
    const struct spv_peer_stats info = {.ready = true,
                                        .version = 70016,
                                        .services = s->services != 0 ? s->services : all,
                                        .start_height = (int32_t)s->tip};

    if (s->n_peers == SCAN_NODE_PEERS)
        return; /* it is dialled again */
    s->peers[s->n_peers++] = id;
    note_failure(s, spv_node_connected(s->node, id, &info, s->now));
}

static void run_effect(struct scan_node *s, const struct spv_effect *e)
{
    switch (e->kind) {
    case SPV_EFFECT_CONNECT:
        connect_peer(s, e->peer);
        break;
    case SPV_EFFECT_SEND:
        on_send(s, e->peer, &e->message);
        break;
    case SPV_EFFECT_CLOSE:
        on_close(s, e->peer, e->error);
        break;
    case SPV_EFFECT_STORE: /* a reorganisation takes filter headers with it */
        if (e->update.kind == SPV_UPDATE_REORG && s->n_stored > e->update.fork_height + 1)
            s->n_stored = e->update.fork_height + 1;
        note_failure(s, spv_node_stored(s->node, 0, s->now));
        break;
    case SPV_EFFECT_STORE_FILTER_HEADERS:
        note_failure(s,
                     spv_node_stored(s->node, store_filter_headers(s, &e->filter_update), s->now));
        break;
    case SPV_EFFECT_DROP_FILTER_HEADERS:
        s->n_drops++;
        s->dropped_from = e->height;
        if (s->n_stored > e->height)
            s->n_stored = e->height;
        note_failure(s, spv_node_stored(s->node, s->store_error, s->now));
        break;
    case SPV_EFFECT_INDEX:
        note_failure(s, spv_node_indexed(s->node, 0, s->now));
        break;
    case SPV_EFFECT_MATCH_FILTERS:
        assert_false(s->has_match);
        s->match = e->match;
        s->has_match = true;
        if (!s->holds_matches)
            scan_node_match(s);
        break;
    case SPV_EFFECT_KEEP_FILTERS:
        s->n_kept += e->keep.n;
        break;
    case SPV_EFFECT_SCAN:
        on_scan(s, &e->scan);
        break;
    case SPV_EFFECT_EVENT:
        s->events[e->event.kind]++;
        break;
    case SPV_EFFECT_STORE_WALLET:
    case SPV_EFFECT_STORE_BLOOM:
    case SPV_EFFECT_WALLET:
    case SPV_EFFECT_STORE_BROADCAST:
    case SPV_EFFECT_BROADCAST:
    case SPV_EFFECT_RESOLVE:
    case SPV_EFFECT_SAVE_ADDRMAN:
        break;
    }
}

static void pull(struct scan_node *s)
{
    struct spv_effect e;

    while (s->error == 0 && spv_node_poll(s->node, &e) == 1)
        run_effect(s, &e);
}

void scan_node_recv(struct scan_node *s, uint64_t peer, const struct spv_msg *msg)
{
    if (s->error == 0)
        note_failure(s, spv_node_recv(s->node, peer, msg, s->now));
    pull(s);
}

/* ---- answers ---- */

/* r: the request that they answer; NULL: none. */
static void send_headers(struct scan_node *s, uint64_t peer, uint32_t from,
                         const struct scan_node_request *r)
{
    static struct spv_header headers[SCAN_NODE_BLOCKS];
    struct spv_msg msg = {.command = SPV_CMD_HEADERS};
    size_t n = 0;

    for (uint32_t h = from; h <= s->tip; h++)
        headers[n++] = s->blocks[h].block.header;
    msg.u.headers =
        (struct spv_msg_headers){.headers = headers,
                                 .n = n,
                                 .role = r ? SPV_HEADERS_ANSWER : SPV_HEADERS_UNSOLICITED,
                                 .tag = r ? r->tag : 0};
    scan_node_recv(s, peer, &msg);
}

static void send_cfheaders(struct scan_node *s, const struct scan_node_request *r)
{
    static struct spv_hash256 hashes[SCAN_NODE_BLOCKS];
    struct spv_msg msg = {.command = SPV_CMD_CFHEADERS};

    for (uint32_t h = r->start; h <= r->stop; h++)
        memcpy(hashes[h - r->start].b, s->filters[h].hash.b, 32);
    msg.u.cfheaders = (struct spv_msg_cfheaders){
        .stop = s->blocks[r->stop].hash, .hashes = hashes, .n = r->stop - r->start + 1};
    memcpy(msg.u.cfheaders.prev.b, s->filters[r->start - 1].header.b, 32);
    scan_node_recv(s, r->peer, &msg);
}

static void send_filters(struct scan_node *s, const struct scan_node_request *r)
{
    for (uint32_t h = r->start; h <= r->stop; h++) {
        const struct spv_msg msg = {.command = SPV_CMD_CFILTER,
                                    .u.cfilter = {.block = s->blocks[h].hash,
                                                  .filter = s->filters[h].bytes,
                                                  .n = s->filters[h].n}};
        scan_node_recv(s, r->peer, &msg);
    }
}

static void send_block(struct scan_node *s, const struct scan_node_request *r)
{
    struct spv_msg msg = {.command = SPV_CMD_BLOCK, .u.block = s->blocks[r->stop].block};

    if (s->sends_false_blocks) { /* the transactions of another one */
        const struct spv_header header = msg.u.block.header;
        msg.u.block = s->blocks[r->stop > 1 ? r->stop - 1 : 2].block;
        msg.u.block.header = header;
    }
    scan_node_recv(s, r->peer, &msg);
}

static void answer(struct scan_node *s, const struct scan_node_request *r)
{
    bool connected = false;

    for (size_t i = 0; i < s->n_peers; i++)
        connected |= s->peers[i] == r->peer;
    if (!connected || r->stop > s->tip)
        return;
    if (r->command == SPV_CMD_GETHEADERS)
        send_headers(s, r->peer, r->start, r);
    else if (r->command == SPV_CMD_GETCFHEADERS)
        send_cfheaders(s, r);
    else if (r->command == SPV_CMD_GETCFILTERS && !s->sends_no_filters)
        send_filters(s, r);
    else if (r->command == SPV_CMD_GETDATA && !s->sends_no_blocks)
        send_block(s, r);
}

void scan_node_run(struct scan_node *s)
{
    if (!s->node)
        return;
    pull(s);
    while (s->n_requests > 0 && s->error == 0) {
        const struct scan_node_request r = s->requests[0];
        s->n_requests--;
        memmove(s->requests, s->requests + 1, s->n_requests * sizeof r);
        answer(s, &r);
        pull(s);
    }
}

void scan_node_sleep(struct scan_node *s, uint64_t us)
{
    const uint64_t end = s->now.mono_us + us;

    scan_node_run(s);
    for (unsigned turns = 0; s->error == 0; turns++) {
        const uint64_t at = spv_node_deadline(s->node);
        assert_true(turns < 10000);
        if (at > end)
            break;
        if (at > s->now.mono_us)
            s->now.mono_us = at;
        note_failure(s, spv_node_timer(s->node, s->now));
        scan_node_run(s);
    }
    s->now.mono_us = end;
}

/* ---- the node ---- */

void scan_node_start(struct scan_node *s, struct spv_node_config *cfg, size_t n_peers)
{
    static const struct spv_endpoint names[SCAN_NODE_PEERS] = {
        {.host = "a", .port = 1}, {.host = "b", .port = 1}, {.host = "c", .port = 1}};

    s->now = (struct spv_now){.mono_us = SPV_SECOND, .unix_s = 1800000000};
    s->random.state = 7;
    s->error = 0;
    s->n_peers = s->n_requests = s->n_log = 0;
    cfg->params = spv_params_get(SPV_REGTEST);
    cfg->rng = test_random_rng(&s->random);
    cfg->connect = names;
    cfg->n_connect = n_peers;
    cfg->filter_db = (struct spv_filter_db){
        .ctx = s, .headers = db_headers, .filter = db_filter, .range = db_range, .kept = db_kept};
    note_failure(s, spv_node_new(&s->node, cfg, s->now));
    scan_node_run(s);
}

void scan_node_stop(struct scan_node *s)
{
    spv_node_free(s->node);
    s->node = NULL;
}

void scan_node_close(struct scan_node *s)
{
    scan_node_stop(s);
    for (uint32_t h = 1; h <= SCAN_NODE_BLOCKS; h++) {
        fixture_block_free(&s->blocks[h]);
        free(s->filters[h].bytes);
    }
}

int scan_node_begin(struct scan_node *s, uint32_t script, uint32_t first, uint32_t last)
{
    uint8_t bytes[BLOCK_FIXTURE_SCRIPT];
    const struct spv_bytes item = {bytes, sizeof bytes};

    fixture_script(bytes, script);
    const int rc = spv_node_scan(s->node, &item, 1, first, last, s->now);
    if (rc == 0)
        scan_node_run(s);
    return rc;
}

int scan_node_add(struct scan_node *s, uint32_t script, uint32_t from)
{
    uint8_t bytes[BLOCK_FIXTURE_SCRIPT];
    const struct spv_bytes item = {bytes, sizeof bytes};

    fixture_script(bytes, script);
    const int rc = spv_node_scan_add(s->node, &item, 1, from, s->now);
    if (rc == 0)
        scan_node_run(s);
    return rc;
}

static void announce(struct scan_node *s, uint32_t from)
{
    for (size_t i = 0; i < s->n_peers; i++)
        if (s->peers[i])
            send_headers(s, s->peers[i], from, NULL);
    scan_node_run(s);
}

void scan_node_grow(struct scan_node *s)
{
    s->tip++;
    make_block(s, s->tip, 0);
    announce(s, s->tip);
}

void scan_node_reorganise(struct scan_node *s, uint32_t fork, uint32_t n)
{
    assert_true(fork + n <= SCAN_NODE_BLOCKS && fork + n > s->tip);
    s->tip = fork + n;
    for (uint32_t h = fork + 1; h <= s->tip; h++)
        make_block(s, h, 1);
    announce(s, fork + 1);
}

size_t scan_node_matches(const struct scan_node *s, uint32_t height)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n_log; i++)
        n += s->log[i].kind == SPV_SCAN_FOUND && s->log[i].height == height;
    return n;
}

size_t scan_node_count(const struct scan_node *s, enum spv_scan_event_kind kind)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n_log; i++)
        n += s->log[i].kind == kind;
    return n;
}
