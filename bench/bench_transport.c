/* The encrypted transport (BIP324): CPU time of a handshake a side, and of headers messages through
 * two machines in memory. Lower bounds of the same run: the curve arithmetic of a handshake (a key,
 * an ECDH product, an encoding and a decoding), and for messages ChaCha20-Poly1305 both ways with
 * decoding. v1's framing (copy and checksum, both sides) is printed for comparison. */
#include <stdlib.h>
#include <string.h>

#include <secp256k1.h>
#include <secp256k1_ecdh.h>

#include "bench.h"
#include "peer/transport/ellswift.h"
#include "peer/transport/transport.h"
#include "spv/error.h"
#include "support/random.h"
#include "util/aead.h"
#include "util/hash.h"
#include "wire/codec.h"

#define HANDSHAKES 1000
#define ROUNDS 9
#define MESSAGES 100 /* a round */

static const struct spv_netid *net;
static struct test_random random_state = {.state = 9};
static struct spv_rng rng;
static struct spv_v2_context *context;

/* CPU time of the process: other programs do not count. */
static uint64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static void must(int rc)
{
    if (rc < 0) {
        fprintf(stderr, "bench_transport: %s\n", spv_strerror(rc));
        exit(1);
    }
}

struct side {
    struct spv_transport_state t;
    struct spv_buffer out;
};

static void side_init(struct side *s, enum spv_direction direction)
{
    const struct spv_transport_config cfg = {.net = net,
                                             .choice = SPV_TRANSPORT_ONLY_V2,
                                             .direction = direction,
                                             .context = context,
                                             .rng = &rng};
    spv_transport_init(&s->t, &cfg);
    spv_buffer_init(&s->out);
    must(spv_transport_start(&s->t, &s->out));
}

static void side_free(struct side *s)
{
    spv_transport_free(&s->t);
    spv_buffer_free(&s->out);
}

/* Moves what `from` has queued; a message that arrives is decoded. */
static void cross(struct side *from, struct side *to)
{
    const uint8_t *payload;
    struct spv_msg msg = {0};
    must(spv_transport_feed(&to->t, from->out.data, from->out.len));
    from->out.len = 0;
    while (spv_transport_header(&to->t, &to->out, SPV_MAX_PAYLOAD) == 1) {
        must(spv_transport_payload(&to->t, &payload));
        msg.command = to->t.frame.command;
        must(spv_msg_decode(&msg, payload, to->t.frame.length, SPV_PROTOCOL_VERSION, &to->t.arena));
    }
}

static void shake_hands(struct side pair[2])
{
    side_init(&pair[0], SPV_OUTBOUND);
    side_init(&pair[1], SPV_INBOUND);
    for (int i = 0; i < 3; i++) {
        cross(&pair[0], &pair[1]);
        cross(&pair[1], &pair[0]);
    }
    if (pair[0].t.kind != SPV_TRANSPORT_V2 || pair[1].t.kind != SPV_TRANSPORT_V2) {
        fputs("bench_transport: no handshake\n", stderr);
        exit(1);
    }
}

/* What a side cannot do without: its key, the product, and the two mappings. */
static double arithmetic_us(void)
{
    secp256k1_context *ctx = secp256k1_context_create(SECP256K1_CONTEXT_NONE);
    struct spv_v2_key key;
    uint8_t point[33], shared[32];
    double best = 1e9;
    must(spv_v2_key_new(&key, context, &rng));
    for (int round = 0; round < ROUNDS; round++) {
        const int calls = HANDSHAKES / 10;
        const uint64_t begun = cpu_ns();
        for (int i = 0; i < calls; i++) {
            secp256k1_pubkey pub;
            size_t n = sizeof point;
            uint8_t encoded[SPV_ELLSWIFT_BYTES], x[32];
            if (!secp256k1_ec_pubkey_create(ctx, &pub, key.secret))
                exit(1);
            (void)secp256k1_ec_pubkey_serialize(ctx, point, &n, &pub, SECP256K1_EC_COMPRESSED);
            spv_ellswift_encode(encoded, point + 1, &rng);
            spv_ellswift_decode(x, encoded);
            if (!secp256k1_ecdh(ctx, shared, &pub, key.secret, NULL, NULL))
                exit(1);
        }
        const double us = (double)(cpu_ns() - begun) / 1e3 / calls;
        best = us < best ? us : best;
    }
    secp256k1_context_destroy(ctx);
    return best;
}

static void bench_handshake(void)
{
    struct side pair[2];
    const uint64_t begun = cpu_ns();
    for (int i = 0; i < HANDSHAKES; i++) {
        shake_hands(pair);
        side_free(&pair[0]);
        side_free(&pair[1]);
    }
    const double us = (double)(cpu_ns() - begun) / 1e3 / HANDSHAKES / 2;
#ifdef SPV_HAVE_ELLSWIFT
    static const char name[] = "handshake, a side (target 130)";
#else
    static const char name[] = "handshake, a side (target 300)";
#endif
    bench_cost(name, us, arithmetic_us(), "us");
}

static void make_headers(struct spv_msg *msg)
{
    static struct spv_header headers[SPV_MAX_HEADERS];
    test_random_fill(&random_state, headers, sizeof headers);
    *msg = (struct spv_msg){.command = SPV_CMD_HEADERS,
                            .u.headers = {.headers = headers, .n = SPV_MAX_HEADERS}};
}

static double v2_ns(const struct spv_msg *msg, struct side pair[2])
{
    const uint64_t begun = cpu_ns();
    for (int i = 0; i < MESSAGES; i++) {
        size_t start;
        must(spv_transport_put(&pair[0].t, &pair[0].out, msg, SPV_PROTOCOL_VERSION, &start));
        must(spv_transport_seal(&pair[0].t, &pair[0].out, start));
        cross(&pair[0], &pair[1]);
    }
    return (double)(cpu_ns() - begun) / MESSAGES;
}

/* The same bytes: encoded, sealed, copied, opened and decoded, without any packet around them. */
static double bound_ns(const struct spv_msg *msg)
{
    static uint8_t key[SPV_AEAD_KEY];
    struct spv_aead seal, open;
    struct spv_buffer plain;
    struct spv_arena arena = {0};
    must(spv_aead_init(&seal, SPV_AEAD_SEAL, key));
    must(spv_aead_init(&open, SPV_AEAD_OPEN, key));
    spv_buffer_init(&plain);
    uint8_t *copy = malloc(1u << 18);
    const uint64_t begun = cpu_ns();
    for (int i = 0; i < MESSAGES; i++) {
        struct spv_msg got = {.command = SPV_CMD_HEADERS};
        uint8_t nonce[SPV_AEAD_NONCE] = {(uint8_t)i};
        plain.len = 0;
        must(spv_msg_encode(&plain, msg, SPV_PROTOCOL_VERSION));
        const size_t n = plain.len;
        (void)spv_buffer_extend(&plain, SPV_AEAD_TAG);
        must(spv_aead_seal(&seal, plain.data, n, nonce, NULL, 0));
        memcpy(copy, plain.data, plain.len);
        must(spv_aead_open(&open, copy, n, nonce, NULL, 0));
        must(spv_msg_decode(&got, copy, n, SPV_PROTOCOL_VERSION, &arena));
    }
    const double ns = (double)(cpu_ns() - begun) / MESSAGES;
    spv_aead_free(&seal);
    spv_aead_free(&open);
    spv_arena_free(&arena);
    spv_buffer_free(&plain);
    free(copy);
    return ns;
}

static double v1_ns(const struct spv_msg *msg)
{
    struct side pair[2];
    for (int i = 0; i < 2; i++) {
        const struct spv_transport_config cfg = {
            .net = net, .choice = SPV_TRANSPORT_ONLY_V1, .rng = &rng};
        spv_transport_init(&pair[i].t, &cfg);
        spv_buffer_init(&pair[i].out);
    }
    const double ns = v2_ns(msg, pair);
    side_free(&pair[0]);
    side_free(&pair[1]);
    return ns;
}

static void bench_messages(void)
{
    struct spv_msg msg;
    struct side pair[2];
    double v2 = 1e18, bound = 1e18, v1 = 1e18;
    make_headers(&msg);
    shake_hands(pair);
    for (int round = 0; round < ROUNDS; round++) {
        const double a = bound_ns(&msg), b = v2_ns(&msg, pair), c = v1_ns(&msg);
        bound = a < bound ? a : bound;
        v2 = b < v2 ? b : v2;
        v1 = c < v1 ? c : v1;
    }
    side_free(&pair[0]);
    side_free(&pair[1]);
    bench_cost("2,000 headers, sent and received, v2 (1.10 x)", v2 / 1e3, bound / 1e3, "us");
    bench_cost("2,000 headers, sent and received, v1", v1 / 1e3, 0, "us");
}

int main(void)
{
    net = spv_netid_get(SPV_MAINNET);
    rng = test_random_rng(&random_state);
    must(spv_v2_context_new(&context, &rng));
    bench_handshake();
    bench_messages();
    spv_v2_context_free(context);
    return 0;
}
