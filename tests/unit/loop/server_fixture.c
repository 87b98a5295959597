#include "unit/loop/server_fixture.h"
#include "util/hash.h"
#include "wire/frame.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

static int keep(void *ctx, const struct spv_chain_header *record)
{
    struct mined *m = ctx;
    m->records[record->height] = *record;
    return 0;
}

void mined_new(struct mined *m, uint32_t n, uint64_t seed)
{
    struct spv_chain *chain;
    const struct spv_chain_config cfg = {.params = spv_params_get(SPV_REGTEST)};
    m->n = n;
    m->records = calloc((size_t)n + 1, sizeof *m->records);
    assert_non_null(m->records);
    assert_int_equal(spv_chain_new(&chain, &cfg), 0);
    m->records[0] = *spv_chain_tip(chain);
    const struct spv_mine_plan plan = {.n = n, .seed = seed, .on_header = keep, .ctx = m};
    assert_int_equal(spv_mine_chain(chain, &plan), 0);
    assert_int_equal(spv_chain_tip(chain)->height, n);
    spv_chain_free(chain);
}

void mined_free(struct mined *m)
{
    free(m->records);
}

/* Calls that must return SPV_ERR_STATE in callbacks of the server or of its header database. */
static void expect_busy(const struct server_fixture *s)
{
    assert_int_equal(spv_p2p_server_free(s->server), SPV_ERR_STATE);
    assert_int_equal(spv_p2p_server_run(s->server), SPV_ERR_STATE);
}

static void on_tip(void *ctx, const struct spv_chain_header *tip)
{
    struct server_fixture *s = ctx;
    (void)tip;
    s->n_busy++;
    expect_busy(s);
}

static void on_client(void *ctx, const struct spv_endpoint *from, bool connected, int error,
                      unsigned clients)
{
    struct server_fixture *s = ctx;
    (void)from;
    (void)connected;
    (void)error;
    (void)clients;
    s->n_busy++;
    expect_busy(s);
}

static void note_client(void *ctx, const struct spv_endpoint *from, bool connected, int error,
                        unsigned clients)
{
    struct server_fixture *s = ctx;
    (void)from;
    (void)clients;
    if (!connected)
        s->client_error = error;
}

static int by_height(void *ctx, struct spv_chain_header *out, uint32_t height)
{
    struct server_fixture *s = ctx;
    if (s->frees_http && s->http && height == 0) {
        assert_int_equal(spv_http_server_free(s->http), SPV_ERR_STATE);
        s->n_busy++;
    }
    if (height > s->height)
        return 0;
    *out = s->chain->records[height];
    return 1;
}

static int tip(void *ctx, struct spv_chain_header *out)
{
    struct server_fixture *s = ctx;
    return by_height(ctx, out, s->height);
}

static int by_hash(void *ctx, struct spv_chain_header *out, const struct spv_blockhash *hash)
{
    struct server_fixture *s = ctx;
    for (uint32_t h = s->height + 1; h-- > 0;) {
        if (spv_blockhash_eq(&s->chain->records[h].hash, hash))
            return by_height(ctx, out, h);
    }
    return 0;
}

static int range(void *ctx, struct spv_header *out, uint32_t from, uint32_t n)
{
    struct server_fixture *s = ctx;
    uint32_t got = 0;
    for (; got < n && from + got <= s->height; got++) {
        out[got] = s->chain->records[from + got].header;
        if (s->bad != 0 && from + got == s->bad)
            out[got].bits = 0x1d00ffff; /* not what regtest requires */
    }
    return (int)got;
}

static void *run(void *ctx)
{
    const struct server_fixture *s = ctx;
    assert_int_equal(spv_p2p_server_run(s->server), 0);
    return NULL;
}

void server_fixture_start(struct server_fixture *s, const struct mined *chain, uint32_t height,
                          unsigned max_clients)
{
    struct spv_error_info why = {0};
    s->chain = chain;
    s->height = height;
    const struct spv_header_db own = {
        .ctx = s, .tip = tip, .by_height = by_height, .by_hash = by_hash, .range = range};
    const struct spv_p2p_server_config cfg = {
        .net = spv_netid_get(SPV_REGTEST),
        .header_db = s->header_db ? *s->header_db : own,
        .filter_db = s->filter_db,
        .services = s->services,
        .listen = {.host = "127.0.0.1"},
        .transport = s->transport,
        .max_clients = max_clients,
        .tip_poll_us = s->tip_poll_us,
        .on_tip = s->frees_server ? on_tip : NULL,
        .on_client = s->frees_server ? on_client : note_client,
        .ctx = s,
    };
    assert_int_equal(spv_p2p_server_new(&s->server, &cfg, &why), 0);
    const struct spv_http_server_config web = {
        .params = spv_params_get(SPV_REGTEST), .header_db = cfg.header_db, .listen = cfg.listen};
    if (s->with_http)
        assert_int_equal(
            spv_http_server_new(&s->http, spv_p2p_server_reactor(s->server), &web, &why), 0);
    assert_int_equal(pthread_create(&s->thread, NULL, run, s), 0);
}

struct spv_endpoint server_fixture_endpoint(const struct server_fixture *s)
{
    return (struct spv_endpoint){.host = "127.0.0.1", .port = spv_p2p_server_port(s->server)};
}

struct spv_endpoint server_fixture_http_endpoint(const struct server_fixture *s)
{
    return (struct spv_endpoint){.host = "127.0.0.1", .port = spv_http_server_port(s->http)};
}

void server_fixture_stop(struct server_fixture *s)
{
    spv_p2p_server_stop(s->server);
    assert_int_equal(pthread_join(s->thread, NULL), 0);
    spv_p2p_server_get_stats(s->server, &s->stats);
    assert_int_equal(spv_http_server_free(s->http), 0);
    assert_int_equal(spv_p2p_server_free(s->server), 0);
}

void server_fixture_put_frame(struct spv_buffer *b, const char *command, uint32_t length,
                              const uint8_t *payload, size_t n)
{
    uint8_t name[SPV_COMMAND_SIZE] = {0}, sum[32];
    memcpy(name, command, strlen(command));
    spv_sha256d(sum, payload, n);
    spv_buffer_put(b, spv_netid_get(SPV_REGTEST)->magic, 4);
    spv_buffer_put(b, name, sizeof name);
    spv_buffer_u32(b, length);
    spv_buffer_put(b, sum, 4);
    spv_buffer_put(b, payload, n);
}

size_t server_fixture_read_to_end(int fd)
{
    const struct timeval patience = {.tv_sec = 60};
    static uint8_t bytes[65536];
    size_t all = 0;
    ssize_t got;
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    while ((got = read(fd, bytes, sizeof bytes)) > 0)
        all += (size_t)got;
    assert_true(got == 0 || errno == ECONNRESET); /* not a timeout */
    return all;
}
