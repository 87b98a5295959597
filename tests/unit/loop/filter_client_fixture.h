/* A chain with filters, a server of it, and a client that sends compact filter requests and checks
 * the answers. */
#ifndef SPV_TESTS_UNIT_LOOP_FILTER_CLIENT_FIXTURE_H
#define SPV_TESTS_UNIT_LOOP_FILTER_CLIENT_FIXTURE_H

#include "loop/filter_answers.h"
#include "unit/loop/server_fixture.h"
#include "unit/net/net_fixture.h"
#include "unit/spv/serve/filters_fixture.h"

#define FILTER_CLIENT_BLOCKS 2200

/* What is served; all filters are there at the beginning of a test. */
extern struct filters_fixture filter_client_chain;
extern struct spv_header_db filter_client_headers;
extern struct spv_filter_db filter_client_filters;

int filter_client_setup(void **state);
int filter_client_teardown(void **state);
/* Filters of n bytes for heights [from, to]. */
void filter_client_make_big(uint32_t from, uint32_t to, size_t n);

const struct spv_blockhash *filter_client_hash(uint32_t height);
struct spv_msg filter_client_getcfilters(uint32_t start, uint32_t stop);
struct spv_msg filter_client_getcfheaders(uint32_t start, uint32_t stop);
struct spv_msg filter_client_getcfcheckpt(uint32_t stop);

/* A client that sends its requests at once, and stops its loop after the answer to its ping, which
 * it sends last, or when it is disconnected. */
struct filter_client {
    struct net_fixture *loop;
    struct end end;
    struct server_fixture server;
    struct spv_peer_config cfg;
    struct spv_msg requests[SPV_FILTER_ANSWERS_MAX_QUEUE + 5];
    unsigned n_requests;
    uint32_t from; /* height of the next cfilter */
    unsigned want; /* cfilters to wait for; 0: wait for the pong */
    unsigned before_headers; /* cfilters that came before the first headers */
    size_t cfheaders, cfcheckpts; /* hashes and headers in the last of each */
};
/* Connects; messages are exchanged while the loop runs. */
void filter_client_dial(struct filter_client *c, const struct spv_endpoint *at);
void filter_client_hang_up(struct filter_client *c);
/* Starts a server, of the databases above unless the client's server has others, and connects. */
void filter_client_begin(struct filter_client *c);
/* The same, and runs until the last answer. */
void filter_client_ask(struct filter_client *c);
/* Disconnects and stops the server. */
void filter_client_end(struct filter_client *c);

#endif
