/* Compact filter requests of a client, through the peer state machine of a server and the answers
 * of src/loop/filter_answers.c, while the chain and what is stored of it change.
 *
 *   steps: op % 7 = 0 getcfilters: type, start 2, stop 2    4 the chain: what, height 2
 *                   1 getcfheaders: type, start 2, stop 2   5 wait: seconds
 *                   2 getcfcheckpt: type, stop 2            6 send filters: how many * 16
 *                   3 a payload: which command, length, bytes
 *
 * Invariants: a request has the result that the rules give; an answer is what is stored, complete
 * and of the best chain; the queue is bounded, filters come in order and within the rate; reads are
 * within a snapshot. */
#include <string.h>

#include "fuzz/fuzz.h"
#include "loop/filter_answers.h"
#include "spv/error.h"
#include "support/random.h"
#include "wire/codec.h"
#include "wire/shared_frame.h"

#define BLOCKS 2300 /* more than any range */
#define MAX_FILTER 60

struct fuzz {
    struct spv_peer *p;
    struct spv_now now;
    int error; /* of the peer: the connection is closed */
    struct spv_filter_answers *answers;
    struct spv_filter_queue queue;
    uint64_t filters; /* sent */
    uint64_t started_us;
};

/* Heights [0, n); a reorganisation changes the branch of those above the fork. */
static struct {
    uint32_t n;
    uint32_t branch[BLOCKS];
    uint32_t kept_first, kept_last; /* filters; first > last: none */
    uint32_t range_first, range_last; /* filter headers and hashes */
    bool no_index, in_snapshot, fails;
} chain;

/* Equal bytes for equal (what, height, branch). */
static void fill(uint8_t out[32], uint8_t what, uint32_t height)
{
    memset(out, what, 32);
    memcpy(out, &height, sizeof height);
    memcpy(out + 4, &chain.branch[height], sizeof chain.branch[height]);
}

static size_t filter_of(uint8_t out[MAX_FILTER], uint32_t height)
{
    memset(out, (int)(chain.branch[height] & 0xff), MAX_FILTER);
    return height * 7 % MAX_FILTER;
}

static int begin_read(void *ctx)
{
    (void)ctx;
    FUZZ_CHECK(!chain.in_snapshot);
    if (chain.fails)
        return SPV_ERR_DB;
    chain.in_snapshot = true;
    return 0;
}

static void end_read(void *ctx)
{
    (void)ctx;
    FUZZ_CHECK(chain.in_snapshot);
    chain.in_snapshot = false;
}

static int by_height(void *ctx, struct spv_chain_header *out, uint32_t height)
{
    (void)ctx;
    FUZZ_CHECK(chain.in_snapshot);
    if (height >= chain.n)
        return 0;
    *out = (struct spv_chain_header){.height = height};
    fill(out->hash.b, 1, height);
    return 1;
}

static int tip(void *ctx, struct spv_chain_header *out)
{
    return by_height(ctx, out, chain.n - 1);
}

static int by_hash(void *ctx, struct spv_chain_header *out, const struct spv_blockhash *hash)
{
    uint32_t height;
    FUZZ_CHECK(chain.in_snapshot);
    memcpy(&height, hash->b, sizeof height);
    if (chain.no_index || by_height(ctx, out, height) != 1)
        return 0;
    return spv_blockhash_eq(&out->hash, hash);
}

static int has_hash_index(void *ctx)
{
    (void)ctx;
    return !chain.no_index;
}

static bool has_header(uint32_t height)
{
    return height >= chain.range_first && height <= chain.range_last && height < chain.n;
}

static int read_headers(void *ctx, struct spv_filter_header *headers,
                        struct spv_filter_hash *hashes, uint32_t from, uint32_t n)
{
    uint32_t got = 0;
    (void)ctx;
    FUZZ_CHECK(chain.in_snapshot && n <= SPV_MAX_CFHEADERS);
    for (; got < n && has_header(from + got); got++) {
        if (headers)
            fill(headers[got].b, 2, from + got);
        if (hashes)
            fill(hashes[got].b, 3, from + got);
    }
    return (int)got;
}

static int read_filter(void *ctx, struct spv_bytes *out, uint32_t height)
{
    static uint8_t bytes[MAX_FILTER];
    (void)ctx;
    FUZZ_CHECK(chain.in_snapshot && height < chain.n);
    *out = (struct spv_bytes){bytes, filter_of(bytes, height)};
    return height >= chain.kept_first && height <= chain.kept_last;
}

static int get_span(uint32_t *first, uint32_t *last, uint32_t from, uint32_t to)
{
    FUZZ_CHECK(chain.in_snapshot);
    if (to >= chain.n)
        to = chain.n - 1;
    *first = from;
    *last = to;
    return from <= to;
}

static int get_range(void *ctx, uint32_t *first, uint32_t *last)
{
    (void)ctx;
    return get_span(first, last, chain.range_first, chain.range_last);
}

static int get_kept(void *ctx, uint32_t *first, uint32_t *last)
{
    (void)ctx;
    return get_span(first, last, chain.kept_first, chain.kept_last);
}

static void change_chain(uint8_t what, uint32_t height)
{
    switch (what % 8) {
    case 0:
        chain.n = height + 1;
        break;
    case 1:
        chain.kept_first = height;
        break;
    case 2:
        chain.kept_last = height;
        break;
    case 3:
        chain.range_first = height;
        break;
    case 4:
        chain.range_last = height;
        break;
    case 5:
        chain.no_index = height % 2 != 0;
        break;
    case 6:
        chain.fails = height % 2 != 0;
        break;
    default:
        for (uint32_t h = height; h < BLOCKS; h++)
            chain.branch[h]++;
    }
}

/* What a request must give, with the height of its stop in *stop. */
static int expected(uint8_t type, uint32_t start, const struct spv_blockhash *hash, uint32_t max,
                    uint32_t *stop)
{
    uint8_t want[32];
    if (chain.fails)
        return SPV_ERR_DB;
    if (type != SPV_FILTER_BASIC)
        return SPV_ERR_FILTER_REQUEST;
    if (chain.no_index)
        return 0;
    memcpy(stop, hash->b, sizeof *stop);
    if (*stop >= chain.n)
        return SPV_ERR_FILTER_REQUEST;
    fill(want, 1, *stop);
    if (memcmp(want, hash->b, 32) != 0 || start > *stop || *stop - start >= max)
        return SPV_ERR_FILTER_REQUEST;
    return 1;
}

static void check_cfheaders(const struct spv_msg_getcfilters *get,
                            const struct spv_msg_cfheaders *out, int rc)
{
    uint32_t stop;
    uint8_t want[32] = {0};
    int expect = expected(get->type, get->start, &get->stop, SPV_MAX_CFHEADERS, &stop);
    if (expect == 1)
        expect = has_header(get->start > 0 ? get->start - 1 : 0) && has_header(get->start) &&
                 has_header(stop);
    FUZZ_CHECK(rc == expect);
    if (rc != 1)
        return;
    FUZZ_CHECK(out->n == stop - get->start + 1);
    if (get->start > 0)
        fill(want, 2, get->start - 1);
    FUZZ_CHECK(memcmp(out->prev.b, want, 32) == 0);
    for (uint32_t i = 0; i < out->n; i++) {
        fill(want, 3, get->start + i);
        FUZZ_CHECK(memcmp(out->hashes[i].b, want, 32) == 0);
    }
}

static void check_cfcheckpt(const struct spv_msg_getcfcheckpt *get,
                            const struct spv_msg_cfcheckpt *out, int rc)
{
    uint32_t stop = 0;
    uint8_t want[32];
    const int expect = expected(get->type, 0, &get->stop, UINT32_MAX, &stop);
    bool stored = true;
    for (uint32_t h = 1000; expect == 1 && h <= stop; h += 1000)
        stored = stored && has_header(h);
    /* checkpoints in memory may outlive their rows */
    FUZZ_CHECK(rc == expect || (!stored && rc == 0));
    if (rc != 1)
        return;
    FUZZ_CHECK(out->n == stop / 1000);
    for (uint32_t i = 0; i < out->n; i++) {
        fill(want, 2, (i + 1) * 1000);
        FUZZ_CHECK(memcmp(out->headers[i].b, want, 32) == 0);
    }
}

static void check_push(struct fuzz *f, const struct spv_msg_getcfilters *get)
{
    uint32_t stop;
    if (f->queue.n == SPV_FILTER_ANSWERS_MAX_QUEUE)
        return; /* not read */
    int expect = expected(get->type, get->start, &get->stop, SPV_MAX_GETCFILTERS, &stop);
    if (expect == 1)
        expect = chain.kept_first <= chain.kept_last && get->start >= chain.kept_first &&
                 stop <= chain.kept_last;
    const unsigned n = f->queue.n;
    FUZZ_CHECK(spv_filter_queue_push(&f->queue, f->answers, get) == expect);
    FUZZ_CHECK(f->queue.n == (expect == 1 ? n + 1 : n));
    if (expect == 1)
        FUZZ_CHECK(f->queue.requests[n].n_left == stop - get->start + 1);
}

static void send_message(struct fuzz *f, const struct spv_msg *msg)
{
    const uint8_t *bytes;
    const int rc = spv_peer_send(f->p, msg, f->now);
    FUZZ_CHECK(rc == 0);
    spv_peer_sent(f->p, spv_peer_pending(f->p, &bytes), f->now);
}

static void answer(struct fuzz *f, const struct spv_msg *request)
{
    struct spv_msg out;
    if (request->command == SPV_CMD_GETCFILTERS) {
        check_push(f, &request->u.getcfilters);
        return;
    }
    const int rc = spv_filter_answers_reply(f->answers, &out, request);
    if (request->command == SPV_CMD_GETCFHEADERS)
        check_cfheaders(&request->u.getcfilters, &out.u.cfheaders, rc);
    else
        check_cfcheckpt(&request->u.getcfcheckpt, &out.u.cfcheckpt, rc);
    if (rc == 1)
        send_message(f, &out);
}

/* The next filter must be of the oldest request that has not ended. */
static bool send_filter(struct fuzz *f)
{
    const struct spv_filter_queue before = f->queue;
    struct spv_msg msg;
    uint64_t next_us;
    uint8_t want[MAX_FILTER];
    const int rc =
        spv_filter_queue_next(&f->queue, f->answers, &msg, &next_us, NULL, f->now.mono_us);
    FUZZ_CHECK((next_us == SPV_NEVER) == (f->queue.n == 0));
    FUZZ_CHECK(rc == 1 || rc == 0 || (rc == SPV_ERR_DB && chain.fails));
    if (rc != 1)
        return false;
    uint32_t height;
    memcpy(&height, msg.u.cfilter.block.b, sizeof height);
    FUZZ_CHECK(height < chain.n && height >= chain.kept_first && height <= chain.kept_last);
    fill(want, 1, height);
    FUZZ_CHECK(memcmp(want, msg.u.cfilter.block.b, 32) == 0);
    FUZZ_CHECK(msg.u.cfilter.n == filter_of(want, height));
    FUZZ_CHECK(memcmp(want, msg.u.cfilter.filter, msg.u.cfilter.n) == 0);
    bool found = false;
    for (unsigned i = 0; i < before.n && !found; i++)
        found = before.requests[i].stop_height - (before.requests[i].n_left - 1) == height;
    FUZZ_CHECK(found);
    send_message(f, &msg);
    f->filters++;
    FUZZ_CHECK(f->filters <= SPV_FILTER_ANSWERS_BURST + (f->now.mono_us - f->started_us) /
                                                            SPV_SECOND *
                                                            SPV_FILTER_ANSWERS_PER_SECOND);
    return true;
}

static void feed(struct fuzz *f, const uint8_t *bytes, size_t n)
{
    struct spv_msg msg;
    int rc = spv_peer_feed(f->p, bytes, n, f->now);
    while (rc >= 0 && (rc = spv_peer_next(f->p, &msg, f->now)) == 1)
        if (msg.command == SPV_CMD_GETCFILTERS || msg.command == SPV_CMD_GETCFHEADERS ||
            msg.command == SPV_CMD_GETCFCHECKPT)
            answer(f, &msg);
    f->error = rc;
}

static void feed_message(struct fuzz *f, const struct spv_msg *msg)
{
    struct spv_buffer b;
    spv_buffer_init(&b);
    FUZZ_CHECK(spv_msg_write(&b, msg, spv_netid_get(SPV_REGTEST), SPV_PROTOCOL_VERSION) == 0);
    feed(f, b.data, b.len);
    FUZZ_CHECK(f->error == 0);
    spv_buffer_free(&b);
}

static void feed_payload(struct fuzz *f, uint8_t which, const uint8_t *payload, size_t n)
{
    static const enum spv_command commands[] = {SPV_CMD_GETCFILTERS, SPV_CMD_GETCFHEADERS,
                                                SPV_CMD_GETCFCHECKPT};
    struct spv_shared_frame *frame = spv_shared_frame_new(n);
    FUZZ_CHECK(frame != NULL);
    memcpy(frame->bytes + SPV_FRAME_HEADER, payload, n);
    spv_shared_frame_seal(frame, spv_netid_get(SPV_REGTEST), commands[which % 3]);
    feed(f, frame->bytes, frame->n);
    spv_shared_frame_unref(frame);
}

static uint32_t height_at(const uint8_t *data)
{
    return ((uint32_t)data[0] | (uint32_t)data[1] << 8) % BLOCKS;
}

/* Most types are the basic one. */
static uint8_t type_at(const uint8_t *data)
{
    return data[0] >= 240 ? (uint8_t)(data[0] - 240) : 0;
}

static size_t step(struct fuzz *f, const uint8_t *data, size_t size)
{
    struct spv_msg msg = {.command = SPV_CMD_GETCFILTERS};
    struct spv_msg_getcfilters *get = &msg.u.getcfilters;
    size_t n;
    if (size < 6)
        return size;
    switch (data[0] % 7) {
    case 0:
    case 1:
        if (data[0] % 7 == 1)
            msg.command = SPV_CMD_GETCFHEADERS;
        get->type = type_at(data + 1);
        get->start = height_at(data + 2);
        fill(get->stop.b, 1, height_at(data + 4));
        feed_message(f, &msg);
        return 6;
    case 2:
        msg = (struct spv_msg){.command = SPV_CMD_GETCFCHECKPT};
        msg.u.getcfcheckpt.type = type_at(data + 1);
        fill(msg.u.getcfcheckpt.stop.b, 1, height_at(data + 2));
        feed_message(f, &msg);
        return 4;
    case 3:
        n = data[2] < size - 3 ? data[2] : size - 3;
        feed_payload(f, data[1], data + 3, n);
        return 3 + n;
    case 4:
        change_chain(data[1], height_at(data + 2));
        return 4;
    case 5:
        f->now.mono_us += data[1] * SPV_SECOND;
        return 2;
    default:
        for (n = 0; n < data[1] * 16u && send_filter(f); n++)
            continue;
        return 2;
    }
}

static void handshake(struct fuzz *f)
{
    const uint8_t *bytes;
    const struct spv_msg version = {.command = SPV_CMD_VERSION,
                                    .u.version = {.version = SPV_PROTOCOL_VERSION}};
    const struct spv_msg verack = {.command = SPV_CMD_VERACK};
    feed_message(f, &version);
    feed_message(f, &verack);
    FUZZ_CHECK(spv_peer_ready(f->p));
    spv_peer_sent(f->p, spv_peer_pending(f->p, &bytes), f->now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct spv_header_db headers = {.tip = tip,
                                          .by_height = by_height,
                                          .by_hash = by_hash,
                                          .begin_read = begin_read,
                                          .end_read = end_read,
                                          .has_hash_index = has_hash_index};
    const struct spv_filter_db filters = {
        .headers = read_headers, .filter = read_filter, .range = get_range, .kept = get_kept};
    struct test_random random = {.state = 1};
    struct fuzz f = {.now = {.mono_us = SPV_SECOND, .unix_s = 1700000000}};
    struct spv_peer_config cfg = {.net = spv_netid_get(SPV_REGTEST),
                                  .rng = test_random_rng(&random),
                                  .transport = SPV_TRANSPORT_ONLY_V1,
                                  .accept_filter_requests = true};
    memset(&chain, 0, sizeof chain);
    chain.n = BLOCKS;
    chain.kept_last = chain.range_last = BLOCKS - 1;
    spv_serve_limits(&cfg);
    FUZZ_CHECK(spv_peer_new(&f.p, &cfg, SPV_INBOUND, f.now) == 0);
    FUZZ_CHECK(spv_filter_answers_new(&f.answers, &headers, &filters) == 0);
    f.started_us = f.now.mono_us;
    spv_filter_queue_init(&f.queue, f.answers, f.now.mono_us);
    handshake(&f);
    for (size_t at = 0; at < size && f.error == 0;) {
        const size_t used = step(&f, data + at, size - at);
        at = used < size - at ? at + used : size;
        FUZZ_CHECK(!chain.in_snapshot && f.queue.n <= SPV_FILTER_ANSWERS_MAX_QUEUE);
    }
    const uint32_t last = chain.n - 1;
    const bool all = !chain.no_index && chain.range_first == 0 && chain.range_last >= last &&
                     chain.kept_first == 0 && chain.kept_last >= last;
    const bool any = chain.range_first <= chain.range_last && chain.range_first <= last;
    const int coverage = all ? SPV_FILTERS_ALL : any ? SPV_FILTERS_SOME : SPV_FILTERS_NONE;
    FUZZ_CHECK(spv_filter_answers_coverage(f.answers) == (chain.fails ? SPV_ERR_DB : coverage));
    spv_filter_answers_free(f.answers);
    spv_peer_free(f.p);
    return 0;
}
