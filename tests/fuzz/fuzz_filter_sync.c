/* Answers to the requests of filter header sync: the input is a script of steps of 3 bytes,
 * op % 8, a, b.
 *
 *     0, 1 peer a % 5 answers its oldest (1: its b-th) open request from its own view
 *     2    it answers from view b % 4
 *     3    it answers from its view with a changed byte, or with an entry more or less
 *     4    it sends a message that answers no request: b % 3 is its type
 *     5    it disconnects, and another peer of group a % 3 and view b % 4 connects
 *     6    b * 300 ms elapse; the deadlines in between fire
 *     7    the chain grows by a block, or (a > 127) a stored filter is disproved by its block
 * Invariants: no failure; what is stored is joined; a peer that answered from one view only is not
 * banned, unless a block was said to disprove it; requests name blocks that the peer has; the
 * next deadline lies in the future; memory is bounded. */
#include <string.h>

#include "fuzz/fuzz.h"
#include "spv/chain.h"
#include "spv/filter.h"
#include "spv/filters/filter_sync.h"
#include "spv/mine.h"

#define LENGTH 2300
#define FIRST_TIP 2150 /* two checkpoints, and more than one request */
#define PEERS 5
#define VIEWS 4
#define OPEN_MAX 64

static struct spv_header headers[LENGTH + 1];
static struct spv_blockhash blocks[LENGTH + 1];
static struct spv_filter_hash hashes[VIEWS][LENGTH + 1];
static struct spv_filter_header filter_headers[VIEWS][LENGTH + 1];
static const uint32_t differs_at[VIEWS] = {UINT32_MAX, 300, 1700, 2140};

struct request {
    enum spv_command command;
    uint64_t tag;
    uint32_t start, stop;
};

struct fuzz {
    struct spv_effects effects;
    struct spv_peer_table table;
    struct spv_filter_peers filter_peers;
    struct spv_chain *chain;
    struct spv_filter_sync *sync;
    struct spv_now now;
    struct {
        uint64_t id;
        size_t view;
        bool mixed; /* it has answered from another view, or with a changed byte */
        struct request open[OPEN_MAX];
        size_t n;
    } peer[PEERS];
    uint64_t next_id;
    bool disproved;
    struct spv_filter_header stored[LENGTH + 1];
    struct spv_filter_hash stored_hashes[LENGTH + 1];
    uint32_t n_stored;
};

/* A filter that is two bytes long: the number of the view and its height's. */
static void filter_of(uint8_t out[3], size_t view, uint32_t height)
{
    out[0] = differs_at[view] == height ? (uint8_t)view : 0;
    out[1] = (uint8_t)height;
    out[2] = (uint8_t)(height >> 8);
}

static int keep_header(void *ctx, const struct spv_chain_header *h)
{
    (void)ctx;
    headers[h->height] = h->header;
    blocks[h->height] = h->hash;
    return 0;
}

static void make_world(void)
{
    const struct spv_params *params = spv_params_get(SPV_REGTEST);
    const struct spv_chain_config cfg = {.params = params};
    const struct spv_mine_plan plan = {.n = LENGTH, .seed = 1, .on_header = keep_header};
    struct spv_chain *chain;
    FUZZ_CHECK(spv_chain_new(&chain, &cfg) == 0);
    headers[0] = params->genesis;
    spv_header_hash(&blocks[0], &params->genesis);
    FUZZ_CHECK(spv_mine_chain(chain, &plan) == 0);
    spv_chain_free(chain);
    for (size_t v = 0; v < VIEWS; v++) {
        filter_headers[v][0] = params->filter_checkpoints[0].header;
        for (uint32_t i = 1; i <= LENGTH; i++) {
            uint8_t bytes[3];
            filter_of(bytes, v, i);
            const struct spv_filter filter = {.bytes = bytes, .n = sizeof bytes};
            spv_filter_compute_hash(&hashes[v][i], &filter);
            spv_filter_compute_header(&filter_headers[v][i], &hashes[v][i],
                                      &filter_headers[v][i - 1]);
        }
    }
}

/* ---- the database ---- */

static int db_headers(void *ctx, struct spv_filter_header *out, struct spv_filter_hash *out_hashes,
                      uint32_t from, uint32_t n)
{
    const struct fuzz *f = ctx;
    uint32_t got = 0;
    for (; got < n && from + got < f->n_stored; got++) {
        if (out)
            out[got] = f->stored[from + got];
        if (out_hashes)
            out_hashes[got] = f->stored_hashes[from + got];
    }
    return (int)got;
}

static int db_range(void *ctx, uint32_t *first, uint32_t *last)
{
    const struct fuzz *f = ctx;
    *first = 0;
    *last = f->n_stored - 1;
    return f->n_stored > 0;
}

static void apply(struct fuzz *f, const struct spv_filter_update *u)
{
    if (!f->n_stored) {
        f->stored[0] = filter_headers[0][0];
        f->n_stored = 1;
    }
    FUZZ_CHECK(u->first == f->n_stored && u->n > 0 && f->n_stored + u->n <= LENGTH + 1);
    for (size_t i = 0; i < u->n; i++) {
        struct spv_filter_header joined;
        spv_filter_compute_header(&joined, &u->hashes[i], &f->stored[f->n_stored - 1]);
        FUZZ_CHECK(memcmp(joined.b, u->headers[i].b, sizeof joined.b) == 0);
        f->stored_hashes[f->n_stored] = u->hashes[i];
        f->stored[f->n_stored++] = joined;
    }
}

/* ---- the machine's effects ---- */

static uint32_t height_of(const struct spv_blockhash *hash)
{
    uint32_t i = 0;
    while (i <= LENGTH && !spv_blockhash_eq(&blocks[i], hash))
        i++;
    FUZZ_CHECK(i <= LENGTH);
    return i;
}

static size_t slot_of(const struct fuzz *f, uint64_t id)
{
    size_t i = 0;
    while (i < PEERS && f->peer[i].id != id)
        i++;
    FUZZ_CHECK(i < PEERS);
    return i;
}

static void note_request(struct fuzz *f, const struct spv_effect *e)
{
    const size_t i = slot_of(f, e->peer);
    struct request r = {.command = e->message.command};
    if (r.command == SPV_CMD_GETHEADERS) {
        r.tag = e->message.u.getheaders.tag;
        r.stop = height_of(&e->message.u.getheaders.stop);
    } else {
        r.start = e->message.u.getcfilters.start;
        r.stop = height_of(r.command == SPV_CMD_GETCFCHECKPT ? &e->message.u.getcfcheckpt.stop
                                                             : &e->message.u.getcfilters.stop);
        FUZZ_CHECK(spv_filter_peer_has_block(spv_peer_table_find(&f->table, e->peer), r.stop));
    }
    if (f->peer[i].n == OPEN_MAX) {
        memmove(f->peer[i].open, f->peer[i].open + 1, (OPEN_MAX - 1) * sizeof r);
        f->peer[i].n--;
    }
    f->peer[i].open[f->peer[i].n++] = r;
}

static void connect(struct fuzz *f, size_t i, uint64_t group, size_t view)
{
    struct spv_peer_entry *p = spv_peer_table_add(&f->table, ++f->next_id);
    const struct spv_msg_headers msg = {.headers = &headers[spv_chain_tip(f->chain)->height],
                                        .n = 1,
                                        .role = SPV_HEADERS_UNSOLICITED};
    FUZZ_CHECK(p);
    memset(&f->peer[i], 0, sizeof f->peer[i]);
    f->peer[i].id = f->next_id;
    f->peer[i].view = view;
    p->group = group;
    p->services = SPV_NODE_NETWORK | SPV_NODE_COMPACT_FILTERS;
    spv_filter_peers_add(&f->filter_peers, p);
    FUZZ_CHECK(spv_filter_peers_headers(&f->filter_peers, p->id, &msg, f->now) == 0);
}

static void disconnect(struct fuzz *f, size_t i)
{
    FUZZ_CHECK(spv_filter_sync_remove(f->sync, f->peer[i].id, f->now) == 0);
    spv_peer_table_remove(&f->table, f->peer[i].id);
    spv_effects_discard_sends(&f->effects, f->peer[i].id);
}

static void drop_peers(struct fuzz *f)
{
    struct spv_disconnect drop;
    while (spv_filter_peers_next_disconnect(&f->filter_peers, &drop)) {
        const size_t i = slot_of(f, drop.id);
        const size_t view = f->peer[i].view;
        FUZZ_CHECK(spv_err_class_of(drop.error) != SPV_CLASS_MISBEHAVING || f->peer[i].mixed ||
                   f->disproved);
        disconnect(f, i);
        connect(f, i, i % 3, view);
    }
}

static bool pull(struct fuzz *f)
{
    struct spv_effect e;
    bool any = false;
    while (spv_effects_pop(&f->effects, &e) == 1) {
        any = true;
        if (e.kind == SPV_EFFECT_SEND) {
            note_request(f, &e);
        } else if (e.kind == SPV_EFFECT_STORE_FILTER_HEADERS) {
            apply(f, &e.filter_update);
            FUZZ_CHECK(spv_filter_sync_stored(f->sync) == 0);
        } else if (e.kind == SPV_EFFECT_DROP_FILTER_HEADERS) {
            if (e.height < f->n_stored)
                f->n_stored = e.height;
            FUZZ_CHECK(spv_filter_sync_stored(f->sync) == 0);
        }
    }
    return any;
}

static void after_input(struct fuzz *f)
{
    struct spv_blockhash hash;
    uint32_t height;
    FUZZ_CHECK(spv_filter_peers_update(&f->filter_peers, &height) == 0);
    do {
        FUZZ_CHECK(spv_filter_sync_run(f->sync, true, SPV_MORE_PEERS_EXPECTED, f->now) == 0);
        drop_peers(f);
        while (spv_filter_sync_next_block(f->sync, &hash, &height))
            FUZZ_CHECK(height_of(&hash) == height); /* it never comes */
    } while (pull(f));
    FUZZ_CHECK(spv_filter_sync_deadline(f->sync) > f->now.mono_us);
}

static void elapse(struct fuzz *f, uint64_t us)
{
    const uint64_t end = f->now.mono_us + us;
    uint64_t at;
    while ((at = spv_filter_sync_deadline(f->sync)) <= end) {
        f->now.mono_us = at;
        FUZZ_CHECK(spv_filter_sync_timer(f->sync, f->now) == 0);
        after_input(f);
    }
    f->now.mono_us = end;
}

/* ---- answers ---- */

static void recv(struct fuzz *f, size_t i, const struct spv_msg *msg)
{
    const uint64_t id = f->peer[i].id;
    const int rc = spv_filter_sync_recv(f->sync, id, msg, f->now);
    FUZZ_CHECK(rc >= 0);
    if (rc == 0)
        spv_filter_peers_unsolicited(spv_peer_table_find(&f->table, id));
    after_input(f);
}

/* bend: 0: nothing; else what is wrong with the answer. */
static void answer(struct fuzz *f, size_t i, const struct request *r, size_t view, uint8_t bend)
{
    static struct spv_hash256 values[SPV_MAX_CFHEADERS + 2];
    struct spv_msg msg = {.command = SPV_CMD_CFILTER};
    uint8_t bytes[3];
    size_t n = 1;
    if (r->command == SPV_CMD_GETHEADERS) {
        const struct spv_msg_headers show = {.headers = &headers[r->stop],
                                             .n = bend ? 0 : 1,
                                             .role = SPV_HEADERS_ANSWER,
                                             .tag = r->tag};
        FUZZ_CHECK(spv_filter_peers_headers(&f->filter_peers, f->peer[i].id, &show, f->now) == 0);
        after_input(f);
        return;
    }
    if (r->command == SPV_CMD_GETCFHEADERS) {
        n = r->stop - r->start + 1;
        for (size_t k = 0; k < n; k++)
            memcpy(values[k].b, hashes[view][r->start + k].b, 32);
        msg.command = SPV_CMD_CFHEADERS;
        msg.u.cfheaders.stop = blocks[r->stop];
        memcpy(msg.u.cfheaders.prev.b, filter_headers[view][r->start - 1].b, 32);
    } else if (r->command == SPV_CMD_GETCFCHECKPT) {
        n = r->stop / 1000;
        for (size_t k = 0; k < n; k++)
            memcpy(values[k].b, filter_headers[view][(k + 1) * 1000].b, 32);
        msg.command = SPV_CMD_CFCHECKPT;
        msg.u.cfcheckpt.stop = blocks[r->stop];
    } else {
        filter_of(bytes, view, r->stop);
        bytes[2] ^= bend;
        msg.u.cfilter =
            (struct spv_msg_cfilter){.block = blocks[r->stop], .filter = bytes, .n = sizeof bytes};
    }
    if (bend & 1)
        values[bend % n].b[bend % 32] ^= bend;
    else if (bend)
        n = bend & 2 ? n + 1 : n - 1;
    if (msg.command == SPV_CMD_CFHEADERS) {
        msg.u.cfheaders.hashes = values;
        msg.u.cfheaders.n = n;
    } else if (msg.command == SPV_CMD_CFCHECKPT) {
        msg.u.cfcheckpt.headers = values;
        msg.u.cfcheckpt.n = n;
    }
    recv(f, i, &msg);
}

static void answer_one(struct fuzz *f, size_t i, size_t at, size_t view, uint8_t bend)
{
    if (!f->peer[i].n)
        return;
    at %= f->peer[i].n;
    const struct request r = f->peer[i].open[at];
    memmove(f->peer[i].open + at, f->peer[i].open + at + 1,
            (f->peer[i].n - at - 1) * sizeof f->peer[i].open[0]);
    f->peer[i].n--;
    f->peer[i].mixed |= bend || view != f->peer[i].view;
    answer(f, i, &r, view, bend);
}

static void send_unasked(struct fuzz *f, size_t i, uint8_t b)
{
    static const enum spv_command commands[] = {SPV_CMD_GETCFHEADERS, SPV_CMD_GETCFCHECKPT,
                                                SPV_CMD_GETCFILTERS};
    const uint32_t stop = 1 + b * 8u;
    const uint32_t start = stop > SPV_MAX_CFHEADERS ? stop - SPV_MAX_CFHEADERS + 1 : 1;
    const struct request r = {.command = commands[b % 3], .start = start, .stop = stop};
    f->peer[i].mixed = true; /* it may be the answer to a request after all */
    answer(f, i, &r, f->peer[i].view, 0);
}

static void grow(struct fuzz *f)
{
    const uint32_t height = spv_chain_tip(f->chain)->height + 1;
    const struct spv_now late = {.unix_s = INT64_C(1) << 32};
    struct spv_accept_result v;
    if (height > LENGTH)
        return;
    FUZZ_CHECK(spv_chain_accept(f->chain, &v, &headers[height], 1, late) == 0 && !v.error);
    spv_chain_stored(f->chain);
}

static void step(struct fuzz *f, const uint8_t *s)
{
    const size_t i = s[1] % PEERS;
    struct spv_filter_sync_stats stats;
    switch (s[0] % 8) {
    case 0:
    case 1:
        answer_one(f, i, s[0] % 8 ? s[2] : 0, f->peer[i].view, 0);
        break;
    case 2:
        answer_one(f, i, 0, s[2] % VIEWS, 0);
        break;
    case 3:
        answer_one(f, i, 0, f->peer[i].view, s[2]);
        break;
    case 4:
        send_unasked(f, i, s[2]);
        break;
    case 5:
        disconnect(f, i);
        connect(f, i, s[1] % 3, s[2] % VIEWS);
        break;
    case 6:
        elapse(f, s[2] * (SPV_SECOND * 3 / 10));
        break;
    default:
        if (s[1] > 127) {
            f->disproved = true;
            FUZZ_CHECK(spv_filter_sync_on_invalid(f->sync, s[2] * 9u) == 0);
        } else {
            grow(f);
        }
        break;
    }
    after_input(f);
    spv_filter_sync_get_stats(f->sync, &stats);
    FUZZ_CHECK(stats.memory < 8u * 1024 * 1024);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool made;
    static struct fuzz f;
    const struct spv_chain_config chain = {.params = spv_params_get(SPV_REGTEST)};
    if (!made)
        make_world();
    made = true;
    memset(&f, 0, sizeof f);
    f.now.mono_us = 1000 * SPV_SECOND;
    spv_effects_init(&f.effects);
    FUZZ_CHECK(spv_chain_new(&f.chain, &chain) == 0);
    while (spv_chain_tip(f.chain)->height < FIRST_TIP)
        grow(&f);
    spv_filter_peers_init(&f.filter_peers, f.chain, &f.effects, &f.table);
    const struct spv_filter_sync_config cfg = {
        .params = chain.params,
        .effects = &f.effects,
        .chain = f.chain,
        .peers = &f.table,
        .filter_peers = &f.filter_peers,
        .filter_db = {.ctx = &f, .headers = db_headers, .range = db_range}};
    FUZZ_CHECK(spv_filter_sync_new(&f.sync, &cfg) == 0);
    for (size_t i = 0; i < PEERS; i++)
        connect(&f, i, i % 3, i == 4 ? 1 : 0);
    after_input(&f);
    for (size_t at = 0; at + 3 <= size && at < 3 * 400; at += 3)
        step(&f, data + at);
    for (size_t i = 0; i < PEERS; i++)
        disconnect(&f, i);
    spv_filter_sync_free(f.sync);
    spv_effects_free(&f.effects);
    spv_chain_free(f.chain);
    return 0;
}
