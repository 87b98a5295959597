#include "unit/loop/filter_client_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct filters_fixture filter_client_chain;
struct spv_header_db filter_client_headers;
struct spv_filter_db filter_client_filters;

int filter_client_setup(void **state)
{
    filters_fixture_init(&filter_client_chain, FILTER_CLIENT_BLOCKS, 1);
    filters_fixture_fill(&filter_client_chain, 0, 1);
    filter_client_chain.tip_anywhere = true;
    filter_client_headers = filters_fixture_headers(&filter_client_chain);
    filter_client_filters = filters_fixture_filters(&filter_client_chain);
    (void)state;
    return 0;
}

int filter_client_teardown(void **state)
{
    filters_fixture_free(&filter_client_chain);
    (void)state;
    return 0;
}

void filter_client_make_big(uint32_t from, uint32_t to, size_t n)
{
    uint8_t *bytes = calloc(1, n);
    assert_non_null(bytes);
    for (uint32_t h = from; h <= to; h++) {
        memcpy(bytes, &h, sizeof h);
        filters_fixture_set_filter(&filter_client_chain, h, bytes, n);
    }
    free(bytes);
}

const struct spv_blockhash *filter_client_hash(uint32_t height)
{
    return &filter_client_chain.at[height].block.hash;
}

struct spv_msg filter_client_getcfilters(uint32_t start, uint32_t stop)
{
    return (struct spv_msg){.command = SPV_CMD_GETCFILTERS,
                            .u.getcfilters = {.start = start, .stop = *filter_client_hash(stop)}};
}

struct spv_msg filter_client_getcfheaders(uint32_t start, uint32_t stop)
{
    return (struct spv_msg){.command = SPV_CMD_GETCFHEADERS,
                            .u.getcfilters = {.start = start, .stop = *filter_client_hash(stop)}};
}

struct spv_msg filter_client_getcfcheckpt(uint32_t stop)
{
    return (struct spv_msg){.command = SPV_CMD_GETCFCHECKPT,
                            .u.getcfcheckpt = {.stop = *filter_client_hash(stop)}};
}

static void send_requests(struct end *e)
{
    struct filter_client *a = e->ctx;
    const struct spv_msg ping = {.command = SPV_CMD_PING, .u.ping = {true, 7}};
    for (unsigned i = 0; i < a->n_requests; i++)
        assert_int_equal(spv_link_send(e->link, &a->requests[i]), 0);
    assert_int_equal(spv_link_send(e->link, &ping), 0);
}

static void check_answer(struct end *e, const struct spv_msg *msg)
{
    struct filter_client *a = e->ctx;
    if (msg->command == SPV_CMD_CFILTER) {
        const struct filters_fixture_block *block = &filter_client_chain.at[a->from++];
        assert_int_equal(msg->u.cfilter.type, SPV_FILTER_BASIC);
        assert_memory_equal(msg->u.cfilter.block.b, block->block.hash.b, 32);
        assert_int_equal(msg->u.cfilter.n, block->n);
        assert_memory_equal(msg->u.cfilter.filter, block->filter, block->n);
    } else if (msg->command == SPV_CMD_CFHEADERS) {
        a->cfheaders = msg->u.cfheaders.n;
    } else if (msg->command == SPV_CMD_CFCHECKPT) {
        a->cfcheckpts = msg->u.cfcheckpt.n;
    } else if (msg->command == SPV_CMD_HEADERS && e->messages[SPV_CMD_HEADERS] == 1) {
        a->before_headers = e->messages[SPV_CMD_CFILTER];
    }
    if (a->want > 0 ? e->messages[SPV_CMD_CFILTER] == a->want : msg->command == SPV_CMD_PONG)
        net_fixture_stop(e);
}

static void on_dialled(void *ctx, int fd, int error)
{
    struct filter_client *a = ctx;
    assert_int_equal(error, 0);
    net_fixture_attach(a->end.net_fixture, &a->end, fd, SPV_OUTBOUND, &a->cfg);
}

void filter_client_dial(struct filter_client *a, const struct spv_endpoint *at)
{
    struct spv_dial *d;
    void *loop;
    const enum spv_transport_choice transport = a->cfg.transport;
    assert_int_equal(net_fixture_setup(&loop), 0);
    a->loop = loop;
    a->cfg = net_fixture_config();
    a->cfg.transport = transport;
    a->end = (struct end){.net_fixture = a->loop,
                          .ctx = a,
                          .on_ready = send_requests,
                          .on_message = check_answer,
                          .on_closed = net_fixture_stop};
    assert_int_equal(spv_dial_start(&d, a->loop->r, at, 0, on_dialled, a), 0);
}

void filter_client_hang_up(struct filter_client *a)
{
    void *loop = a->loop;
    net_fixture_close(a->loop);
    (void)net_fixture_teardown(&loop);
}

void filter_client_begin(struct filter_client *a)
{
    if (!a->server.header_db) {
        a->server.header_db = &filter_client_headers;
        a->server.filter_db = &filter_client_filters;
    }
    server_fixture_start(&a->server, NULL, 0, 0);
    const struct spv_endpoint at = server_fixture_endpoint(&a->server);
    filter_client_dial(a, &at);
}

void filter_client_ask(struct filter_client *a)
{
    filter_client_begin(a);
    net_fixture_run(a->loop);
}

void filter_client_end(struct filter_client *a)
{
    filter_client_hang_up(a);
    server_fixture_stop(&a->server);
    assert_false(filter_client_chain.in_snapshot);
}
