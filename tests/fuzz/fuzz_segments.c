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
static struct spv_checkpoint marks[LENGTH / SPACING];

struct request {
    struct spv_blockhash first, stop;
    uint64_t tag;
};

struct world {
    struct spv_effects effects;
    struct spv_peer_table peers;
    struct spv_segments *f;
    struct spv_now now;
    uint32_t tip;
    struct {
        uint64_t id;
        bool lied; /* has sent a header that is not on the main chain */
        struct request open[OPEN_MAX];
        size_t n;
    } peer[PEERS];
    uint64_t next_id;
};

static int keep(void *ctx, const struct spv_chain_header *record)
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
            .n = LENGTH - same, .seed = which + 1, .sink = keep, .ctx = &which};
        FUZZ_CHECK(spv_mine_chain(c, &plan) == 0);
        spv_chain_free(c);
    }
    for (uint32_t i = 0; i < LENGTH / SPACING; i++)
        marks[i] = (struct spv_checkpoint){.height = (i + 1) * SPACING,
                                           .hash = hashes[0][(i + 1) * SPACING]};
}

static void pull(struct world *w)
{
    struct spv_effect e;
    while (spv_effects_pop(&w->effects, &e) == 1)
        for (size_t i = 0; i < PEERS; i++)
            if (w->peer[i].id == e.peer) {
                FUZZ_CHECK(w->peer[i].n < OPEN_MAX);
                w->peer[i].open[w->peer[i].n++] =
                    (struct request){e.message.u.getheaders.locator[0], e.message.u.getheaders.stop,
                                     e.message.u.getheaders.tag};
            }
}

static void come(struct world *w, size_t i)
{
    w->peer[i].id = ++w->next_id;
    w->peer[i].lied = false;
    w->peer[i].n = 0;
    FUZZ_CHECK(spv_peer_table_add(&w->peers, w->peer[i].id));
    FUZZ_CHECK(spv_segments_add(w->f, w->peer[i].id, w->now) == 0);
    pull(w);
}

static void leave(struct world *w, size_t i)
{
    FUZZ_CHECK(spv_segments_remove(w->f, w->peer[i].id, w->now) == 0);
    spv_peer_table_remove(&w->peers, w->peer[i].id);
}

static void send(struct world *w, size_t i, const struct spv_header *headers, size_t n,
                 uint64_t tag)
{
    const struct spv_msg_headers msg = {.headers = headers, .n = n, .tag = tag};
    const int rc = spv_segments_headers(w->f, w->peer[i].id, &msg, w->now);
    FUZZ_CHECK(rc == 0 || rc == 1);
    pull(w);
}

/* Returns the tag of the peer's oldest request. */
static uint64_t any_tag(const struct world *w, size_t i)
{
    return w->peer[i].n ? w->peer[i].open[0].tag : 0;
}

static void answer(struct world *w, size_t i, size_t at, size_t which)
{
    uint32_t from = 0, to = LENGTH;
    if (!w->peer[i].n)
        return;
    at %= w->peer[i].n;
    const struct request r = w->peer[i].open[at];
    memmove(&w->peer[i].open[at], &w->peer[i].open[at + 1],
            (--w->peer[i].n - at) * sizeof w->peer[i].open[0]);
    for (uint32_t h = 0; h <= LENGTH; h++) {
        if (spv_blockhash_eq(&hashes[which][h], &r.first))
            from = h;
        if (spv_blockhash_eq(&hashes[which][h], &r.stop) && h > from)
            to = h;
    }
    if (to - from > SPV_MAX_HEADERS)
        to = from + SPV_MAX_HEADERS;
    w->peer[i].lied |= which == 1;
    send(w, i, chains[which] + from + 1, to - from, r.tag);
}

static void check(struct world *w)
{
    struct spv_segments_drop drop;
    struct spv_segments_stats stats;
    while (spv_segments_next_drop(w->f, &drop))
        for (size_t i = 0; i < PEERS; i++)
            if (w->peer[i].id == drop.id) {
                FUZZ_CHECK(w->peer[i].lied ||
                           spv_err_class_of(drop.error) != SPV_CLASS_MISBEHAVING);
                leave(w, i);
                come(w, i);
            }
    spv_segments_get_stats(w->f, &stats);
    FUZZ_CHECK(stats.memory < 2u << 20);
    FUZZ_CHECK(stats.in_flight <= PEERS * SPV_SEGMENTS_MAX_OPEN);
}

static void take(struct world *w)
{
    struct spv_segments_batch piece;
    while (spv_segments_next_batch(w->f, &piece, w->now)) {
        FUZZ_CHECK(piece.height == w->tip + 1 && piece.n > 0 && w->tip + piece.n <= LENGTH);
        FUZZ_CHECK(piece.post_checkpoint || memcmp(piece.headers, chains[0] + w->tip + 1,
                                                   piece.n * sizeof *piece.headers) == 0);
        if (!piece.post_checkpoint)
            w->tip += (uint32_t)piece.n;
        FUZZ_CHECK(piece.post_checkpoint || spv_blockhash_eq(&piece.last, &hashes[0][w->tip]));
        FUZZ_CHECK(spv_segments_consume(w->f, w->now) == 0);
        pull(w);
    }
}

static void step(struct world *w, const uint8_t *s)
{
    const size_t i = s[1] % PEERS;
    struct spv_header one;
    switch (s[0] % 8) {
    case 0:
    case 1:
        answer(w, i, s[0] % 8 ? s[2] : 0, 0);
        break;
    case 2:
        answer(w, i, s[2], 1);
        break;
    case 3:
        send(w, i, chains[0] + 1 + s[1] * 30, s[2] * 5u, any_tag(w, i));
        break;
    case 4:
        one = chains[0][1 + s[1]];
        ((uint8_t *)&one)[s[2] % 80] ^= 1;
        w->peer[i].lied = true;
        send(w, i, &one, s[2] ? 1 : 0, any_tag(w, i));
        break;
    case 5:
        leave(w, i);
        come(w, i);
        break;
    case 6:
        w->now.mono_us += s[2] * (SPV_SECOND / 10);
        FUZZ_CHECK(spv_segments_timer(w->f, w->now) == 0);
        pull(w);
        break;
    case 7:
        take(w);
        if (s[1] == 255) {
            const struct spv_checkpoint from = {.height = w->tip, .hash = hashes[0][w->tip]};
            FUZZ_CHECK(spv_segments_begin(w->f, &from, UINT32_MAX, w->now) == 0);
            pull(w);
        }
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world w;
    const struct spv_segments_config cfg = {.peers = &w.peers,
                                            .params = spv_params_get(SPV_REGTEST),
                                            .checkpoints = marks,
                                            .n_checkpoints = LENGTH / SPACING,
                                            .effects = &w.effects,
                                            .post_checkpoint = true};
    if (!marks[0].height)
        mine();
    if (size < 3 || size > 3 * 512)
        return 0;
    memset(&w, 0, sizeof w);
    w.now.mono_us = SPV_SECOND;
    spv_effects_init(&w.effects);
    FUZZ_CHECK(spv_segments_new(&w.f, &cfg) == 0);
    const struct spv_checkpoint from = {.hash = hashes[0][0]};
    FUZZ_CHECK(spv_segments_begin(w.f, &from, UINT32_MAX, w.now) == 0);
    for (size_t i = 0; i < PEERS; i++)
        come(&w, i);
    for (size_t at = 0; at + 3 <= size; at += 3) {
        step(&w, data + at);
        check(&w);
    }
    spv_segments_free(w.f);
    spv_effects_free(&w.effects);
    return 0;
}
