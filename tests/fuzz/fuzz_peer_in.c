/* The peer state machine over v1 (fuzz_transport_v2 has v2): the input is a script of raw bytes,
 * frames with a valid header, waits, messages that we send and writes of the output, in either
 * direction.
 *
 *   first byte: bit 0 the direction, bit 1 start after a handshake, bit 2 wtxidrelay, bit 3 we
 *               offer bloom filters, bit 4 malformed messages are tolerated
 *   then steps: op % 6 = 0 raw: length, bytes             3 send with a tag: which message
 *                        1 frame: command, length 2, body 4 the socket accepts: bytes
 *                        2 wait: seconds * 4              5 push: which helper
 *
 * Invariants: the first error is sticky, every tag completes once, the observers' byte counts are
 * those of the connection, memory is bounded by the received bytes, expired deadlines that were
 * processed are removed, and all output is a sequence of valid frames. */
#include <string.h>

#include "fuzz/fuzz.h"
#include "spv/error.h"
#include "spv/peer.h"
#include "spv/push.h"
#include "support/random.h"
#include "util/hash.h"
#include "wire/codec.h"
#include "wire/frame.h"

struct fuzz {
    struct spv_peer *p;
    const struct spv_netid *net;
    struct spv_now now;
    int error;
    uint64_t fed;
    struct spv_buffer out;
    uint64_t tags, done; /* accepted, completed */
    size_t read, written; /* bytes that the observers counted */
};

static void note_error(struct fuzz *f, int rc)
{
    if (f->error < 0)
        FUZZ_CHECK(rc == f->error);
    else if (rc < 0)
        f->error = rc;
}

static void feed_bytes(struct fuzz *f, const uint8_t *bytes, size_t n)
{
    struct spv_msg msg;
    int rc = spv_peer_feed(f->p, bytes, n, f->now);
    f->fed += n;
    note_error(f, rc);
    while (rc >= 0 && (rc = spv_peer_next(f->p, &msg, f->now)) == 1) {
        FUZZ_CHECK(memchr(msg.name, '\0', sizeof msg.name) != NULL);
        if (msg.command == SPV_CMD_HEADERS)
            FUZZ_CHECK(msg.u.headers.n <= SPV_MAX_HEADERS);
    }
    note_error(f, rc);
    /* Frames and decoded headers: twice the received bytes each; our answers; the peer itself. */
    FUZZ_CHECK(spv_peer_memory(f->p) < 4 * f->fed + (256u << 10));
}

static void feed_frame(struct fuzz *f, const char *command, const uint8_t *body, size_t n)
{
    uint8_t sum[32], name[SPV_COMMAND_SIZE] = {0};
    struct spv_buffer b;
    spv_buffer_init(&b);
    memcpy(name, command, strlen(command));
    spv_sha256d(sum, body, n);
    spv_buffer_put(&b, f->net->magic, 4);
    spv_buffer_put(&b, name, sizeof name);
    spv_buffer_u32(&b, (uint32_t)n);
    spv_buffer_put(&b, sum, 4);
    spv_buffer_put(&b, body, n);
    /* In two chunks, so that the cut moves with the length of the payload. */
    feed_bytes(f, b.data, b.len / 2);
    feed_bytes(f, b.data + b.len / 2, b.len - b.len / 2);
    spv_buffer_free(&b);
}

static void handshake(struct fuzz *f)
{
    struct spv_buffer b;
    struct spv_msg msg = {.command = SPV_CMD_VERSION};
    msg.u.version.version = 70015;
    spv_buffer_init(&b);
    FUZZ_CHECK(spv_msg_encode(&b, &msg, 70015) == 0);
    feed_frame(f, "version", b.data, b.len);
    feed_frame(f, "verack", NULL, 0);
    FUZZ_CHECK(f->error == 0 && spv_peer_ready(f->p));
    spv_buffer_free(&b);
}

static void wait_for(struct fuzz *f, unsigned seconds)
{
    uint64_t until = f->now.mono_us + seconds * SPV_SECOND;
    while (f->error == 0 && spv_peer_deadline(f->p) <= until) {
        if (spv_peer_deadline(f->p) > f->now.mono_us)
            f->now.mono_us = spv_peer_deadline(f->p);
        note_error(f, spv_peer_timer(f->p, f->now));
        FUZZ_CHECK(spv_peer_deadline(f->p) > f->now.mono_us);
    }
    f->now.mono_us = until;
    note_error(f, spv_peer_timer(f->p, f->now));
}

static void send_message(struct fuzz *f, uint8_t what)
{
    struct spv_blockhash locator[2] = {{{what}}, {{1}}};
    struct spv_inv item = {what, {{what}}};
    struct spv_header header = {.prev = locator[0]};
    struct spv_msg msg = {.command = (enum spv_command)(what % (SPV_CMD_CFCHECKPT + 1))};
    if (msg.command == SPV_CMD_GETHEADERS || msg.command == SPV_CMD_GETBLOCKS)
        msg.u.getheaders =
            (struct spv_msg_getheaders){.locator = locator, .n = what % 3, .stop = locator[0]};
    if (msg.command == SPV_CMD_GETDATA || msg.command == SPV_CMD_INV)
        msg.u.inv = (struct spv_msg_inv){&item, 1};
    if (msg.command == SPV_CMD_HEADERS)
        msg.u.headers = (struct spv_msg_headers){.headers = &header, .n = 1};
    int rc = spv_peer_send_tagged(f->p, &msg, f->tags, f->now);
    FUZZ_CHECK(rc <= 0);
    if (f->error < 0)
        FUZZ_CHECK(rc == f->error);
    else if (rc == 0)
        f->tags++;
}

/* Calls one of the helpers of spv/push.h, which sends a message or none. */
static void push_message(struct fuzz *f, uint8_t what)
{
    struct spv_inv item = {what & 2 ? SPV_INV_TX : SPV_INV_BLOCK, {{what}}};
    struct spv_header headers[2] = {{.prev = {{what}}}, {.nonce = what}};
    struct spv_addr_entry entry = {.addr = {.network = what % 8, .len = 32, .bytes = {what}}};
    struct spv_blockhash locator = {{what}};
    int rc = 0;
    switch (what % 6) {
    case 0:
    case 1:
        rc = spv_peer_push_inventory(f->p, &item, what, f->now);
        break;
    case 2:
        rc = spv_peer_announce(f->p, headers, what & 8 ? 2 : 1, f->now);
        break;
    case 3:
        rc = spv_peer_push_addr(f->p, NULL, &entry, 1, f->now);
        break;
    case 4:
        rc = spv_peer_push_getheaders(f->p, &locator, 1, NULL, f->now);
        break;
    default:
        rc = spv_peer_push_getblocks(f->p, &locator, 1, NULL, f->now);
    }
    FUZZ_CHECK(rc <= 1);
    if (f->error < 0)
        FUZZ_CHECK(rc == f->error);
}

static void pop_completions(struct fuzz *f)
{
    uint64_t tag;
    int error;
    while (spv_peer_next_completion(f->p, &tag, &error) == 1) {
        /* A deferred message that the version does not have may complete before earlier ones. */
        FUZZ_CHECK(error <= 0 && tag < f->tags);
        f->done++;
    }
    FUZZ_CHECK(f->done <= f->tags);
}

static void on_any_read(void *ctx, size_t bytes, const char *command, int error)
{
    struct fuzz *f = ctx;
    FUZZ_CHECK(strlen(command) <= SPV_COMMAND_SIZE && error <= 0);
    f->read += bytes;
    FUZZ_CHECK(f->read <= f->fed);
}

static void on_any_write(void *ctx, size_t bytes, const char *command, int error)
{
    struct fuzz *f = ctx;
    FUZZ_CHECK(strlen(command) > 0 && error <= 0);
    f->written += bytes;
}

static void on_log(void *ctx, enum spv_log_level level, const char *line)
{
    (void)ctx;
    (void)level;
    for (const char *c = line; *c != '\0'; c++)
        FUZZ_CHECK(*c >= ' ' && *c <= '~');
}

static void accept_output(struct fuzz *f, size_t n)
{
    const uint8_t *bytes;
    size_t pending = spv_peer_pending(f->p, &bytes);
    n = n < pending ? n : pending;
    spv_buffer_put(&f->out, bytes, n);
    spv_peer_sent(f->p, n, f->now);
    pop_completions(f);
}

static void check_output(struct fuzz *f)
{
    size_t at = 0;
    accept_output(f, SIZE_MAX);
    while (at < f->out.len) {
        struct spv_frame frame;
        /* After an error, the flush deadline may cut the last frame. */
        if (f->error < 0 && f->out.len - at < SPV_FRAME_HEADER)
            break;
        FUZZ_CHECK(f->out.len - at >= SPV_FRAME_HEADER);
        FUZZ_CHECK(spv_frame_read(&frame, f->out.data + at, f->net, SPV_MAX_PAYLOAD) == 0);
        at += SPV_FRAME_HEADER;
        if (f->error < 0 && f->out.len - at < frame.length)
            break;
        FUZZ_CHECK(f->out.len - at >= frame.length);
        FUZZ_CHECK(spv_frame_check(&frame, f->out.data + at) == 0);
        at += frame.length;
    }
}

static size_t step(struct fuzz *f, const uint8_t *data, size_t size)
{
    size_t n = size > 1 ? data[1] : 0;
    switch (data[0] % 6) {
    case 0:
        if (size < 2)
            return size;
        n = n < size - 2 ? n : size - 2;
        feed_bytes(f, data + 2, n);
        return 2 + n;
    case 1:
        if (size < 4)
            return size;
        n = (size_t)data[2] << 8 | data[3];
        n = n < size - 4 ? n : size - 4;
        enum spv_command command = (enum spv_command)(data[1] % (SPV_CMD_CFCHECKPT + 1));
        feed_frame(f, spv_command_name(command), data + 4, n);
        return 4 + n;
    case 2:
        wait_for(f, (unsigned)n * 4);
        return 2;
    case 3:
        send_message(f, (uint8_t)n);
        return 2;
    case 4:
        accept_output(f, n * n);
        return 2;
    default:
        push_message(f, (uint8_t)n);
        return 2;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct test_random random = {.state = 1};
    struct spv_self_nonces nonces = {0};
    struct fuzz f = {.net = spv_netid_get(SPV_REGTEST),
                     .now = {.mono_us = SPV_SECOND, .unix_s = 1700000000}};
    struct spv_peer_config cfg = {.net = f.net,
                                  .rng = test_random_rng(&random),
                                  .transport = SPV_TRANSPORT_ONLY_V1,
                                  .self_nonces = &nonces,
                                  .max_queue_bytes = 64u << 10,
                                  .wtxidrelay = (data[0] & 4) != 0,
                                  .services = data[0] & 8 ? SPV_NODE_BLOOM : 0,
                                  .tolerate_malformed = (data[0] & 16) != 0,
                                  .endpoint = {.host = "127.0.0.1", .port = 1},
                                  .observer = {.on_any_read = on_any_read,
                                               .on_any_write = on_any_write,
                                               .on_log = on_log,
                                               .log_level = SPV_LOG_TRACE,
                                               .ctx = &f}};
    spv_buffer_init(&f.out);
    FUZZ_CHECK(spv_peer_new(&f.p, &cfg, data[0] & 1 ? SPV_INBOUND : SPV_OUTBOUND, f.now) == 0);
    if (data[0] & 2)
        handshake(&f);
    for (size_t at = 1; at < size;) {
        size_t used = step(&f, data + at, size - at);
        at = used < size - at ? at + used : size;
    }
    check_output(&f);
    spv_peer_close(f.p, SPV_ERR_CLOSED);
    pop_completions(&f);
    FUZZ_CHECK(f.done == f.tags && f.written == f.out.len);
    spv_peer_free(f.p);
    spv_buffer_free(&f.out);
    return 0;
}
