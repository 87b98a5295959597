/* The peer state machine alone, in memory: small messages between two peers, headers messages into
 * one, and the memory of an idle connection. The lower bound of the headers is one copy of the
 * bytes and one double SHA-256 of them for the frame's checksum. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "spv/error.h"
#include "spv/peer.h"
#include "support/random.h"
#include "util/buffer.h"
#include "util/hash.h"
#include "wire/codec.h"

#define PINGS 1000000
#define BURST 64
#define HEADERS_MESSAGES 500

static const struct spv_now when = {.mono_us = SPV_SECOND, .unix_s = 1700000000};

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void must(int rc)
{
    if (rc < 0) {
        fprintf(stderr, "bench_peer: %s\n", spv_strerror(rc));
        exit(1);
    }
}

/* Moves all pending bytes of `from` to `to`. Returns the number of messages that `to` returned. */
static unsigned pump(struct spv_peer *from, struct spv_peer *to)
{
    const uint8_t *bytes;
    struct spv_msg msg;
    unsigned messages = 0;
    int rc;
    size_t n = spv_peer_pending(from, &bytes);
    must(spv_peer_feed(to, bytes, n, when));
    spv_peer_sent(from, n, when);
    while ((rc = spv_peer_next(to, &msg, when)) == 1)
        messages++;
    must(rc);
    return messages;
}

static void open_pair(struct spv_peer **client, struct spv_peer **server,
                      struct test_random *random)
{
    struct spv_peer_config cfg = {.net = spv_netid_get(SPV_REGTEST),
                                  .rng = test_random_rng(random)};
    must(spv_peer_new(client, &cfg, SPV_OUTBOUND, when));
    must(spv_peer_new(server, &cfg, SPV_INBOUND, when));
    while (pump(*client, *server) + pump(*server, *client) > 0)
        ;
    if (!spv_peer_ready(*client) || !spv_peer_ready(*server))
        must(SPV_ERR_STATE);
}

static void bench_pings(struct spv_peer *client, struct spv_peer *server)
{
    uint64_t messages = 0;
    double start = seconds();
    for (uint64_t i = 0; i < PINGS; i += BURST) {
        for (uint64_t j = 0; j < BURST; j++) {
            struct spv_msg ping = {.command = SPV_CMD_PING, .u.ping = {true, i + j}};
            must(spv_peer_send(client, &ping, when));
        }
        messages += pump(client, server) + pump(server, client);
    }
    double took = seconds() - start;
    uint8_t frame[32] = {0}, hash[32];
    start = seconds();
    for (uint64_t i = 0; i < messages; i++)
        for (int side = 0; side < 2; side++) { /* sender and receiver each hash the body */
            memcpy(frame, &i, sizeof(i));
            spv_sha256d(hash, frame, 8);
        }
    double bound = seconds() - start;
    printf("ping and pong      %10.0f messages/s   lower bound %10.0f (checksums)   x%.2f\n",
           (double)messages / took, (double)messages / bound, took / bound);
}

static void bench_headers(struct spv_peer *client)
{
    static struct spv_header headers[SPV_MAX_HEADERS];
    struct test_random random = {.state = 9};
    struct spv_buffer frame;
    struct spv_msg msg = {.command = SPV_CMD_HEADERS,
                          .u.headers = {.headers = headers, .n = SPV_MAX_HEADERS}};
    for (size_t i = 0; i < SPV_MAX_HEADERS; i++)
        test_random_fill(&random, &headers[i], sizeof(headers[i]));
    spv_buffer_init(&frame);
    must(spv_msg_write(&frame, &msg, spv_netid_get(SPV_REGTEST), SPV_PROTOCOL_VERSION));

    uint64_t decoded = 0;
    double start = seconds();
    for (int i = 0; i < HEADERS_MESSAGES; i++)
        for (size_t at = 0; at < frame.len; at += 16384) {
            size_t n = frame.len - at < 16384 ? frame.len - at : 16384;
            must(spv_peer_feed(client, frame.data + at, n, when));
            int rc = spv_peer_next(client, &msg, when);
            must(rc);
            if (rc == 1)
                decoded += msg.u.headers.n;
        }
    double took = seconds() - start;

    static uint8_t copy[SPV_FRAME_HEADER + 3 + SPV_MAX_HEADERS * (SPV_HEADER_SIZE + 1)];
    uint8_t hash[32];
    start = seconds();
    for (int i = 0; i < HEADERS_MESSAGES; i++) {
        memcpy(copy, frame.data, frame.len);
        spv_sha256d(hash, copy, frame.len);
    }
    double bound = seconds() - start;
    printf("headers decoded    %10.0f headers/s    lower bound %10.0f (copy, hash)   x%.2f\n",
           (double)decoded / took, (double)decoded / bound, took / bound);
    spv_buffer_free(&frame);
}

int main(void)
{
    struct test_random random = {.state = 1};
    struct spv_peer *client, *server;
    open_pair(&client, &server, &random);
    bench_pings(client, server);
    bench_headers(client);
    printf("memory after load  %10zu bytes\n", spv_peer_memory(client));
    must(spv_peer_timer(client, (struct spv_now){when.mono_us + 3 * SPV_SECOND, when.unix_s + 3}));
    printf("memory when idle   %10zu bytes         bound      16384\n", spv_peer_memory(client));
    spv_peer_free(client);
    spv_peer_free(server);
    return 0;
}
