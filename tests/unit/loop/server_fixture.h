/* A mined regtest chain in memory, and a server of this chain in a thread of its own. */
#ifndef SPV_TESTS_UNIT_LOOP_SERVER_FIXTURE_H
#define SPV_TESTS_UNIT_LOOP_SERVER_FIXTURE_H

#include <pthread.h>
#include <stdatomic.h>

#include "spv/spv.h"
#include "util/buffer.h"

/* A chain of n headers above genesis; read-only after mined_new. */
struct mined {
    struct spv_chain_header *records; /* by height; n + 1 of them */
    uint32_t n;
};
void mined_new(struct mined *m, uint32_t n, uint64_t seed);
void mined_free(struct mined *m);

struct server_fixture {
    const struct mined *chain;
    atomic_uint height; /* height of the served tip; may grow */
    uint64_t tip_poll_us; /* set before start: how often the server reads tip */
    uint32_t bad; /* serves an invalid header at this height; 0: none */
    enum spv_transport_choice transport; /* set before start */
    bool with_http; /* set before start: also an HTTP server, on the same reactor */
    bool frees_server; /* set before start: the callbacks try to free and to run the server */
    bool frees_http; /* set before start: reading height 0 tries to free the HTTP server */
    atomic_uint n_busy; /* how often they tried to */
    /* Set before start: other databases than the chain's; NULL: the chain's, and no filters. */
    const struct spv_header_db *header_db;
    const struct spv_filter_db *filter_db;
    uint64_t services; /* set before start */
    atomic_int client_error; /* for which the last client was disconnected */
    struct spv_p2p_server *server;
    struct spv_http_server *http;
    pthread_t thread;
    struct spv_p2p_server_stats stats; /* filled by server_fixture_stop */
};
/* Listens on a free port of 127.0.0.1. */
void server_fixture_start(struct server_fixture *s, const struct mined *chain, uint32_t height,
                          unsigned max_clients);
struct spv_endpoint server_fixture_endpoint(const struct server_fixture *s);
struct spv_endpoint server_fixture_http_endpoint(const struct server_fixture *s);
void server_fixture_stop(struct server_fixture *s);

/* Appends a frame of this payload length, with the first n bytes of the payload. */
void server_fixture_put_frame(struct spv_buffer *b, const char *command, uint32_t length,
                              const uint8_t *payload, size_t n);
/* Reads until the connection ends; returns the number of bytes. */
size_t server_fixture_read_to_end(int fd);

#endif
