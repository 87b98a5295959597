/* Internals of the simulator, from the top: sim.c (steps), client.c and server.c (the owners of the
 * two ends of a connection), net.c (connections), queue.c (clock, events, trace). Calls go
 * downwards only; net.c reports to the owners through struct sim_owner. */
#ifndef SPV_TESTS_SUPPORT_SIM_INTERNAL_H
#define SPV_TESTS_SUPPORT_SIM_INTERNAL_H

#include "spv/bloom.h"
#include "support/sim/filter_store.h"
#include "support/sim/scan_log.h"
#include "support/sim/sim.h"

#define SIM_SERVERS 32
#define SIM_CLIENTS 8
#define SIM_START (1000 * SPV_SECOND) /* monotonic time when a simulation begins */
#define SIM_PIPE 262144 /* limit of bytes in flight in one direction: two socket buffers */
#define SIM_QUEUE_MAX (1u << 20) /* bytes; a server sends no more, as Bitcoin Core */
#define SIM_WARNINGS (SPV_WARN_FILTERS_START + 1)
#define SIM_DIAL_TIMEOUT (10 * SPV_SECOND)
#define SIM_NODE_MEMORY (16u << 20) /* limit of a node's memory, far above what it needs */
#define SIM_PEER_MEMORY (16u << 20) /* a queue of 8 MiB, grown by doubling */

enum sim_event_kind {
    SIM_DIALLED, /* a dial has reached the server */
    SIM_UNREACHED, /* a dial has failed */
    SIM_RESOLVED,
    SIM_BYTES,
    SIM_EOF,
    SIM_ANSWER, /* the delay before a server's answer has elapsed */
    SIM_FILTER_ANSWER, /* the same for a compact filter or block request */
    SIM_MATCHED, /* a client has matched filters */
    SIM_CALL,
};

struct sim_event {
    uint64_t at, seq;
    enum sim_event_kind kind;
    uint64_t conn; /* BYTES, EOF, ANSWER, FILTER_ANSWER */
    int end; /* BYTES, EOF: the receiving end */
    int error; /* EOF, UNREACHED */
    uint8_t *bytes; /* BYTES; ANSWER: struct spv_header[n]; FILTER_ANSWER: the job; owned */
    size_t n;
    uint64_t order; /* BYTES: the sequence number of its sender's fragment; ANSWER: answer */
    size_t client, server; /* DIALLED, UNREACHED, RESOLVED, MATCHED */
    uint64_t peer, epoch;
    enum spv_transport transport; /* DIALLED */
    bool relay; /* DIALLED */
    struct spv_endpoint endpoint; /* RESOLVED */
    void (*call)(struct sim *sim, void *ctx);
    void *ctx;
};

#define SIM_CLIENT_END 0
#define SIM_SERVER_END 1

struct sim_end {
    struct spv_peer *peer; /* NULL: SIM_HANG, or freed */
    bool closed; /* closed on this side */
    bool ready_sent; /* client: the node has received the ready event */
    struct test_random random;
    uint64_t last_arrival; /* arrival time of the last fragment that this end sent */
    size_t in_flight; /* bytes that this end sent and that have not arrived */
    uint64_t sent;
    uint64_t fragments, arrived; /* those this end sent: they arrive in order */
    uint64_t answers, answered; /* server: requests are answered in order */
    bool job_unfinished; /* server: an answer waits for room in the send queue */
    struct spv_bloom *bloom; /* server: the client's filter; NULL: none was loaded */
};

struct sim_conn;

/* The owner of an end: creates its peer, and handles its messages and its close. */
struct sim_owner {
    int (*attach)(struct sim *sim, struct sim_conn *conn);
    void (*on_message)(struct sim *sim, struct sim_conn *conn, const struct spv_msg *msg);
    void (*on_closed)(struct sim *sim, size_t client, uint64_t peer, int error); /* may be NULL */
};

struct sim_conn {
    uint64_t id;
    size_t client, server;
    uint64_t peer; /* the node's id */
    enum spv_transport transport; /* of the client */
    bool relay; /* the field of its version message */
    bool is_reset; /* no bytes arrive any more */
    struct sim_end end[2];
};

struct sim_host {
    struct sim_server_config cfg;
    struct spv_self_nonces nonces;
    uint64_t connections, asked, answered, bans;
    struct sim_filter_counts filter_counts;
    uint32_t announced_above; /* the last announcement was of blocks above this height */
    uint64_t announced_us;
};

enum sim_peer_state { SIM_PEER_NONE, SIM_PEER_DIALLING, SIM_PEER_OPEN, SIM_PEER_DONE };

struct sim_client {
    struct sim *sim;
    size_t index;
    uint64_t epoch; /* counts restarts */
    struct sim_client_config cfg;
    struct spv_node *node;
    struct sim_store store;
    struct sim_filter_store filters;
    struct sim_scan_log scan; /* of the scan since the last restart */
    struct spv_filter_matcher *matcher;
    bool crashes; /* it restarts before its next effect */
    struct spv_bloom_params bloom; /* as stored */
    struct spv_addrman_rows addrman_rows; /* as stored */
    uint64_t lookups;
    struct test_random random;
    struct spv_self_nonces nonces;
    enum sim_peer_state *peer; /* by id */
    size_t peers;
    uint64_t events[SPV_EVENT_FILTERS_SYNCED + 1];
    uint64_t warnings[SIM_WARNINGS];
    struct spv_event warned[SIM_WARNINGS];
    size_t memory_first, memory_most; /* of the node */
    int64_t ahead_s; /* its clock minus the simulation's */
    struct spv_u256 work; /* the most work so far */
};

struct sim {
    struct sim_config cfg;
    struct test_random random;
    struct spv_now now;
    int64_t unix_base;
    uint64_t seq;
    struct sim_event *heap;
    size_t events, events_cap;
    struct sim_host host[SIM_SERVERS];
    size_t hosts;
    struct sim_client *client[SIM_CLIENTS];
    size_t clients;
    struct spv_v2_context *v2_context; /* NULL: v1 */
    const struct sim_owner *owner[2]; /* of the client ends, of the server ends */
    struct sim_conn **conn;
    size_t conns, conns_cap;
    uint64_t next_conn;
    struct spv_blockhash *blocks_sent; /* by all servers, each time */
    size_t n_blocks_sent, blocks_sent_cap;
    struct spv_buffer trace;
    const char *broken;
};

/* addrman.c: an addrman as a database would store it */
void sim_addrman_save(struct spv_addrman_rows *addrman_rows,
                      const struct spv_addrman_changes *changes);
void sim_addrman_free(struct spv_addrman_rows *addrman_rows);

/* queue.c */
void *sim_grow(void *array, size_t *cap, size_t n, size_t each);
struct sim_event *sim_push(struct sim *sim, uint64_t delay_us, enum sim_event_kind kind);
__attribute__((format(printf, 2, 3))) void sim_note(struct sim *sim, const char *format, ...);
uint64_t sim_latency(struct sim *sim);
struct sim_event sim_pop(struct sim *sim);
void sim_move_clock(struct sim *sim, uint64_t at);
struct spv_now sim_client_now(const struct sim *sim, const struct sim_client *c);
/* Pushes the same event again, later. */
void sim_postpone(struct sim *sim, struct sim_event *e, uint64_t us);
size_t sim_pipe(const struct sim *sim);

/* net.c */
/* The time of this end's clock. */
struct spv_now sim_end_now(const struct sim *sim, const struct sim_conn *conn, int end);
void sim_conn_open(struct sim *sim, const struct sim_event *e);
struct sim_conn *sim_conn_find(struct sim *sim, uint64_t id);
struct sim_conn *sim_conn_of(struct sim *sim, size_t client, uint64_t peer);
void sim_conn_flush(struct sim *sim, struct sim_conn *conn, int end);
/* One end closes; the other is notified after the bytes in flight. */
void sim_conn_close(struct sim *sim, struct sim_conn *conn, int end);
void sim_conn_reset(struct sim *sim, struct sim_conn *conn);
void sim_conn_bytes(struct sim *sim, struct sim_event *e);
void sim_conn_eof(struct sim *sim, struct sim_event *e);
void sim_conn_timer(struct sim *sim, struct sim_conn *conn, int end);
void sim_conn_sweep(struct sim *sim);

/* filter_server.c */
void sim_filter_server_message(struct sim *sim, struct sim_conn *conn, const struct spv_msg *msg);
void sim_filter_server_answer(struct sim *sim, struct sim_event *e);

/* bloom_server.c */
void sim_bloom_server_message(struct sim *sim, struct sim_conn *conn, const struct spv_msg *msg);
/* Answers an item of a getdata: true when it is a filtered block or a transaction. */
bool sim_bloom_server_getdata(struct sim *sim, struct sim_conn *conn, const struct spv_inv *item);

/* server.c */
extern const struct sim_owner sim_server_owner;
void sim_server_answer(struct sim *sim, struct sim_event *e);
size_t sim_server_find(const struct sim *sim, const struct spv_endpoint *endpoint);
void sim_server_banned(struct sim *sim, const char *address);

/* client_scan.c */
int sim_client_scan_begin(struct sim *sim, struct sim_client *c); /* as configured */
void sim_client_scan_end(struct sim_client *c); /* before the node is freed */
void sim_client_scan_effect(struct sim *sim, struct sim_client *c, const struct spv_effect *effect);

/* client_wallet.c */
/* A STORE with an update of the wallet, or STORE_WALLET: stores it, and checks what is stored. */
void sim_client_store_wallet(struct sim *sim, struct sim_client *c,
                             const struct spv_wallet_update *update);
void sim_client_store_bloom(struct sim *sim, struct sim_client *c,
                            const struct spv_bloom_params *params);
/* Whether the stored wallet is scanned up to a height or beyond. */
bool sim_client_wallet_is_above(const struct sim_client *c, uint32_t height);

/* client.c */
extern const struct sim_owner sim_client_owner;
void sim_client_dialled(struct sim *sim, const struct sim_event *e);
void sim_client_resolved(struct sim *sim, const struct sim_event *e);
void sim_client_timer(struct sim *sim, struct sim_client *c);
void sim_client_check(struct sim *sim, struct sim_client *c);
void sim_client_match(struct sim *sim, struct sim_event *e);
void sim_client_free(struct sim_client *c);

#endif
