/* Links on one loop: 1,000 connections over socket pairs, both ends in this process, which complete
 * the handshake and then each send a message; the memory of an idle link without the kernel's
 * socket buffers; and messages from another thread. The lower bound of the last is two copies of
 * the frame and its checksum at both ends. */
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "bench.h"
#include "spv/link.h"
#include "util/hash.h"

#define CONNECTIONS 1000
#define FEW 40 /* descriptors besides those of the connections */
#define SENDS 400000
#define BOUND 16384.0 /* limit of bytes of an idle connection */

struct bench {
    struct spv_reactor *r;
    struct spv_link *links[2 * CONNECTIONS];
    unsigned ready;
    unsigned came;
    unsigned sent;
    struct spv_timer *timer;
};

static const struct spv_msg getaddr = {.command = SPV_CMD_GETADDR};

static void must(int rc)
{
    if (rc < 0) {
        (void)fprintf(stderr, "bench_link: %s\n", spv_strerror(rc));
        exit(1);
    }
}

static void on_ready(struct spv_link *link, void *ctx)
{
    struct bench *b = ctx;
    (void)link;
    if (++b->ready < 2 * CONNECTIONS)
        return;
    for (size_t i = 0; i < 2 * CONNECTIONS; i++)
        must(spv_link_send(b->links[i], &getaddr));
}

static void stop(void *ctx)
{
    const struct bench *b = ctx;
    spv_reactor_stop(b->r);
}

static void on_message(struct spv_link *link, const struct spv_msg *msg, void *ctx)
{
    struct bench *b = ctx;
    (void)link;
    /* After three seconds a connection is idle and has freed its buffers. */
    if (msg->command == SPV_CMD_GETADDR && ++b->came == 2 * CONNECTIONS)
        spv_timer_set(b->timer, spv_system_now().mono_us + 3 * SPV_SECOND);
}

static void attach(struct bench *b, struct spv_link **out, int fd, enum spv_direction dir,
                   void (*message)(struct spv_link *, const struct spv_msg *, void *))
{
    const struct spv_peer_config cfg = {.net = spv_netid_get(SPV_REGTEST), .rng = spv_system_rng()};
    const struct spv_link_callbacks callbacks = {
        .on_ready = on_ready, .on_message = message, .ctx = b};
    must(spv_link_attach(out, b->r, fd, &cfg, dir, &callbacks));
}

static void connect_pair(struct bench *b, size_t i,
                         void (*message)(struct spv_link *, const struct spv_msg *, void *))
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) != 0)
        must(SPV_ERR_IO);
    attach(b, &b->links[2 * i], fds[0], SPV_OUTBOUND, message);
    attach(b, &b->links[2 * i + 1], fds[1], SPV_INBOUND, message);
}

static size_t heap(void)
{
    return mallinfo2().uordblks;
}

static void bench_many(void)
{
    struct bench *b = calloc(1, sizeof *b);
    struct rlimit limit;
    if (!b || getrlimit(RLIMIT_NOFILE, &limit) != 0)
        must(SPV_ERR_NOMEM);
    if (limit.rlim_cur < 2 * CONNECTIONS + FEW) {
        limit.rlim_cur = 2 * CONNECTIONS + FEW;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
            printf("1,000 connections: skipped, the limit of open files is too low\n");
            free(b);
            return;
        }
    }
    must(spv_reactor_new(&b->r, NULL));
    must(spv_timer_new(&b->timer, b->r, stop, b));
    size_t before = heap();
    uint64_t start = bench_now_ns();
    for (size_t i = 0; i < CONNECTIONS; i++)
        connect_pair(b, i, on_message);
    must(spv_reactor_run(b->r));
    double took = (double)(bench_now_ns() - start) / 1e6 - 3000;
    bench_cost("1,000 connections opened and used", took, 0, "ms");
    bench_cost("memory of an idle link", (double)(heap() - before) / (2.0 * CONNECTIONS), BOUND,
               "bytes");
    printf("(the lower bound in that line is its limit, 16 KiB)\n");
    spv_timer_free(b->timer);
    spv_reactor_free(b->r);
    free(b);
}

static void on_counted(struct spv_link *link, const struct spv_msg *msg, void *ctx)
{
    struct bench *b = ctx;
    (void)link;
    if (msg->command == SPV_CMD_GETADDR && ++b->came == SENDS)
        spv_reactor_stop(b->r);
}

static void on_sent(void *ctx, int error)
{
    struct bench *b = ctx;
    must(error);
    b->sent++;
}

static void *sender(void *ctx)
{
    struct bench *b = ctx;
    for (unsigned i = 0; i < SENDS; i++) {
        int rc;
        while ((rc = spv_link_send_tracked(b->links[0], &getaddr, on_sent, b)) ==
               SPV_ERR_QUEUE_FULL)
            (void)sched_yield();
        must(rc);
    }
    spv_link_unref(b->links[0]);
    return NULL;
}

static void bench_threads(void)
{
    struct bench *b = calloc(1, sizeof *b);
    pthread_t thread;
    uint8_t frame[2][SPV_FRAME_HEADER] = {{0}};
    uint8_t hash[32];
    if (!b)
        must(SPV_ERR_NOMEM);
    uint64_t start = bench_now_ns();
    for (unsigned i = 0; i < SENDS; i++) {
        for (int side = 0; side < 2; side++) {
            memcpy(frame[side], &i, sizeof i);
            spv_sha256d(hash, frame[side], 0);
        }
    }
    double bound = (double)(bench_now_ns() - start) / SENDS;
    must(spv_reactor_new(&b->r, NULL));
    connect_pair(b, 0, on_counted);
    (void)spv_link_ref(b->links[0]);
    start = bench_now_ns();
    if (pthread_create(&thread, NULL, sender, b) != 0)
        must(SPV_ERR_NOMEM);
    must(spv_reactor_run(b->r));
    double each = (double)(bench_now_ns() - start) / SENDS;
    (void)pthread_join(thread, NULL);
    bench_cost("message of another thread, sent and completed", each, bound, "ns");
    spv_reactor_free(b->r);
    free(b);
}

int main(void)
{
    bench_many();
    bench_threads();
    return 0;
}
