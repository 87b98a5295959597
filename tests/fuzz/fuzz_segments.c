/* Answers to the requests of the segment download: the input is a script of steps of 3 bytes,
 * op % 8, a, b.
 *
 *     0, 1 peer a % 4 answers its oldest (1: its b-th) open request from the main chain
 *     2    it answers from the other chain, which forks at a third of the main chain
 *     3    it sends 5 * b headers of the main chain, starting at 30 * a
 *     4    it sends an empty message, or one header with byte b changed
 *     5    it disconnects, and another peer connects
 *     6    b * 100 ms elapse
 *     7    the downloaded headers are consumed; a = 255: restart from the tip
 * Invariants: the delivered headers up to the last checkpoint are the main chain in order; memory
 * and requests stay bounded; a peer that sent only headers of the main chain is not disconnected
 * for invalid data. */
#include <string.h>

#include "fuzz/fuzz.h"
#include "spv/chain.h"
#include "spv/mine.h"
#include "spv/sync/peer_table.h"
#include "spv/sync/segments.h"

#define LENGTH 9000
#define SPACING 2016 /* between checkpoints: four segments and the headers after the last */
#define PEERS 4
#define OPEN_MAX 64

static struct spv_header chains[2][LENGTH + 1];
static struct spv_blockhash hashes[2][LENGTH + 1];
static struct spv_checkpoint checkpoints[LENGTH / SPACING];

struct request {
    struct spv_blockhash first, stop;
    uint64_t tag;
};

struct fuzz {
    struct spv_effects effects;
    struct spv_peer_table peers;
    struct spv_segments *segments;
    struct spv_now now;
    uint32_t tip;
    struct {
        uint64_t id;
        bool off_main_chain; /* has sent a header that is not on the main chain */
        struct request open[OPEN_MAX];
        size_t n;
    } peer[PEERS];
    uint64_t next_id;
};

static int store_header(void *ctx, const struct spv_chain_header *record)
{
    const size_t which = *(const size_t *)ctx;
    chains[which][record->height] = record->header;
    hashes[which][record->height] = record->hash;
    return 0;
}

static void mine(void)
{
    const struct spv_params *params = spv_params_get(SPV_REGTEST);
    const struct spv_chain_config cfg = {.params = params};
    for (size_t which = 0; which < 2; which++) {
        struct spv_chain *c;
        struct spv_accept_result v;
        FUZZ_CHECK(spv_chain_new(&c, &cfg) == 0);
        chains[which][0] = params->genesis;
        spv_header_hash(&hashes[which][0], &params->genesis);
        const uint32_t same = which ? LENGTH / 3 : 0;
        for (uint32_t i = 1; i <= same; i++) {
            chains[1][i] = chains[0][i];
            hashes[1][i] = hashes[0][i];
            FUZZ_CHECK(spv_chain_accept(c, &v, &chains[0][i], 1,
                                        (struct spv_now){.unix_s = INT64_C(1) << 32}) == 0);
            spv_chain_stored(c);
        }
        const struct spv_mine_plan plan = {
            .n = LENGTH - same, .seed = which + 1, .on_header = store_header, .ctx = &which};
        FUZZ_CHECK(spv_mine_chain(c, &plan) == 0);
        spv_chain_free(c);
    }
    for (uint32_t i = 0; i < LENGTH / SPACING; i++)
        checkpoints[i] = (struct spv_checkpoint){.height = (i + 1) * SPACING,
                                                 .hash = hashes[0][(i + 1) * SPACING]};
}

static void pop_effects(struct fuzz *f)
{
    struct spv_effect e;
    while (spv_effects_pop(&f->effects, &e) == 1)
        for (size_t i = 0; i < PEERS; i++)
            if (f->peer[i].id == e.peer) {
                FUZZ_CHECK(f->peer[i].n < OPEN_MAX);
                f->peer[i].open[f->peer[i].n++] =
                    (struct request){e.message.u.getheaders.locator[0], e.message.u.getheaders.stop,
                                     e.message.u.getheaders.tag};
            }
}

static void connect_peer(struct fuzz *f, size_t i)
{
    f->peer[i].id = ++f->next_id;
    f->peer[i].off_main_chain = false;
    f->peer[i].n = 0;
    FUZZ_CHECK(spv_peer_table_add(&f->peers, f->peer[i].id));
    FUZZ_CHECK(spv_segments_add(f->segments, f->peer[i].id, f->now) == 0);
    pop_effects(f);
}

static void disconnect_peer(struct fuzz *f, size_t i)
{
    FUZZ_CHECK(spv_segments_remove(f->segments, f->peer[i].id, f->now) == 0);
    spv_peer_table_remove(&f->peers, f->peer[i].id);
}

static void send_headers(struct fuzz *f, size_t i, const struct spv_header *headers, size_t n,
                         uint64_t tag)
{
    const struct spv_msg_headers msg = {.headers = headers, .n = n, .tag = tag};
    const int rc = spv_segments_headers(f->segments, f->peer[i].id, &msg, f->now);
    FUZZ_CHECK(rc == 0 || rc == 1);
    pop_effects(f);
}

/* Returns the tag of the peer's oldest request. */
static uint64_t oldest_tag(const struct fuzz *f, size_t i)
{
    return f->peer[i].n ? f->peer[i].open[0].tag : 0;
}

static void answer(struct fuzz *f, size_t i, size_t at, size_t which)
{
    uint32_t from = 0, to = LENGTH;
    if (!f->peer[i].n)
        return;
    at %= f->peer[i].n;
    const struct request r = f->peer[i].open[at];
    memmove(&f->peer[i].open[at], &f->peer[i].open[at + 1],
            (--f->peer[i].n - at) * sizeof f->peer[i].open[0]);
    for (uint32_t h = 0; h <= LENGTH; h++) {
        if (spv_blockhash_eq(&hashes[which][h], &r.first))
            from = h;
        if (spv_blockhash_eq(&hashes[which][h], &r.stop) && h > from)
            to = h;
    }
    if (to - from > SPV_MAX_HEADERS)
        to = from + SPV_MAX_HEADERS;
    f->peer[i].off_main_chain |= which == 1;
    send_headers(f, i, chains[which] + from + 1, to - from, r.tag);
}

static void check(struct fuzz *f)
{
    struct spv_disconnect drop;
    struct spv_segments_stats stats;
    while (spv_segments_next_disconnect(f->segments, &drop))
        for (size_t i = 0; i < PEERS; i++)
            if (f->peer[i].id == drop.id) {
                FUZZ_CHECK(f->peer[i].off_main_chain ||
                           spv_err_class_of(drop.error) != SPV_CLASS_MISBEHAVING);
                disconnect_peer(f, i);
                connect_peer(f, i);
            }
    spv_segments_get_stats(f->segments, &stats);
    FUZZ_CHECK(stats.memory < 2u << 20);
    FUZZ_CHECK(stats.in_flight <= PEERS * SPV_SEGMENTS_MAX_OPEN);
}

static void consume_batches(struct fuzz *f)
{
    struct spv_segments_batch batch;
    while (spv_segments_next_batch(f->segments, &batch, f->now)) {
        FUZZ_CHECK(batch.height == f->tip + 1 && batch.n > 0 && f->tip + batch.n <= LENGTH);
        FUZZ_CHECK(batch.post_checkpoint || memcmp(batch.headers, chains[0] + f->tip + 1,
                                                   batch.n * sizeof *batch.headers) == 0);
        if (!batch.post_checkpoint)
            f->tip += (uint32_t)batch.n;
        FUZZ_CHECK(batch.post_checkpoint || spv_blockhash_eq(&batch.last, &hashes[0][f->tip]));
        FUZZ_CHECK(spv_segments_consume(f->segments, f->now) == 0);
        pop_effects(f);
    }
}

static void step(struct fuzz *f, const uint8_t *s)
{
    const size_t i = s[1] % PEERS;
    struct spv_header one;
    switch (s[0] % 8) {
    case 0:
    case 1:
        answer(f, i, s[0] % 8 ? s[2] : 0, 0);
        break;
    case 2:
        answer(f, i, s[2], 1);
        break;
    case 3:
        send_headers(f, i, chains[0] + 1 + s[1] * 30, s[2] * 5u, oldest_tag(f, i));
        break;
    case 4:
        one = chains[0][1 + s[1]];
        ((uint8_t *)&one)[s[2] % 80] ^= 1;
        f->peer[i].off_main_chain = true;
        send_headers(f, i, &one, s[2] ? 1 : 0, oldest_tag(f, i));
        break;
    case 5:
        disconnect_peer(f, i);
        connect_peer(f, i);
        break;
    case 6:
        f->now.mono_us += s[2] * (SPV_SECOND / 10);
        FUZZ_CHECK(spv_segments_timer(f->segments, f->now) == 0);
        pop_effects(f);
        break;
    case 7:
        consume_batches(f);
        if (s[1] == 255) {
            const struct spv_checkpoint from = {.height = f->tip, .hash = hashes[0][f->tip]};
            FUZZ_CHECK(spv_segments_begin(f->segments, &from, UINT32_MAX, f->now) == 0);
            pop_effects(f);
        }
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fuzz f;
    const struct spv_segments_config cfg = {.ops = &spv_segments_header_ops,
                                            .peers = &f.peers,
                                            .params = spv_params_get(SPV_REGTEST),
                                            .checkpoints = checkpoints,
                                            .n_checkpoints = LENGTH / SPACING,
                                            .effects = &f.effects,
                                            .post_checkpoint = true};
    if (!checkpoints[0].height)
        mine();
    if (size < 3 || size > 3 * 512)
        return 0;
    memset(&f, 0, sizeof f);
    f.now.mono_us = SPV_SECOND;
    spv_effects_init(&f.effects);
    FUZZ_CHECK(spv_segments_new(&f.segments, &cfg) == 0);
    const struct spv_checkpoint from = {.hash = hashes[0][0]};
    FUZZ_CHECK(spv_segments_begin(f.segments, &from, UINT32_MAX, f.now) == 0);
    for (size_t i = 0; i < PEERS; i++)
        connect_peer(&f, i);
    for (size_t at = 0; at + 3 <= size; at += 3) {
        step(&f, data + at);
        check(&f);
    }
    spv_segments_free(f.segments);
    spv_effects_free(&f.effects);
    return 0;
}
