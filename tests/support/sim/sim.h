/* A complete network in one thread: header servers and clients (struct spv_node), connected by byte
 * pipes under one virtual clock, with all randomness from one seed.
 *
 * A simulation is built (servers, clients, scripted calls), then run until a condition is true. The
 * same seed gives the same trace, byte for byte. After each step the invariants are checked: best
 * work never decreases, the stored chain is valid and equals the node's own, every peer id ends
 * once, queues and memory stay bounded. A broken invariant stops the run; sim_broken returns which.
 *
 *     struct sim *sim = sim_new(&(struct sim_config){.seed = seed});
 *     sim_add_server(sim, &(struct sim_server_config){.chain = &chain});
 *     sim_add_server(sim, &(struct sim_server_config){.chain = &chain, .mute = true});
 *     struct sim_client *client = sim_add_client(sim, &(struct sim_client_config){0});
 *     sim_run(sim, 600 * SPV_SECOND, sim_client_synced, client);
 *
 * Out of memory ends the program: it is a test. */
#ifndef SPV_TESTS_SUPPORT_SIM_H
#define SPV_TESTS_SUPPORT_SIM_H

#include "spv/node.h"
#include "spv/serve.h"
#include "support/random.h"
#include "support/sim/filter_service.h"
#include "util/buffer.h"

#define SIM_UNIX 1700000000 /* unix time of the wall clocks when a simulation begins */

/* A best chain in memory, genesis first: what a server serves and a client stores. Where it
 * begins at a later base, the records between genesis and the base are zeroes. */
struct sim_store {
    const struct spv_params *params;
    struct spv_chain_header *at;
    size_t n, cap;
    uint32_t base; /* base height; 0: the chain is complete */
};

void sim_store_init(struct sim_store *s, const struct spv_params *params); /* genesis alone */
void sim_store_free(struct sim_store *s);
/* A copy, pruned below a base (0: complete). */
void sim_store_copy(struct sim_store *out, const struct sim_store *from, uint32_t base);
const struct spv_chain_header *sim_store_tip(const struct sim_store *s);
struct spv_header_db sim_store_reader(struct sim_store *s);
/* Applies an update after checking it independently: links, heights, hashes, proof of work,
 * cumulative work. Returns NULL, or what is wrong with the update. */
const char *sim_store_apply(struct sim_store *s, const struct spv_chain_update *change);
/* Creates a fork: base's headers up to fork_height, then n newly mined ones. */
void sim_store_fork(struct sim_store *out, const struct sim_store *base, uint32_t fork_height,
                    uint32_t n, uint64_t seed);
void sim_store_mine(struct sim_store *out, const struct spv_params *params, uint32_t n,
                    uint64_t seed);
/* Mines n valid headers on the tip, this many seconds apart (0: the network's spacing). */
void sim_store_grow(struct sim_store *s, uint32_t n, uint32_t spacing, uint64_t seed);
/* Mines n headers on the tip, checked only for links and, where the bits allow it, proof of
 * work. Each is built on its parent with the network's spacing and the required bits, then
 * `spoil` may change it (i is 0 for the first) before it is mined. */
void sim_store_forge(struct sim_store *s, uint32_t n, uint64_t seed,
                     void (*change)(void *ctx, struct spv_header *header, uint32_t i), void *ctx);

/* Transports of all connections. The environment variable SPV_SIM_TRANSPORT (v1, v2, mixed) sets
 * that of scenarios that choose none; by default v1. */
enum sim_transport {
    SIM_TRANSPORT_DEFAULT = 0,
    SIM_TRANSPORT_V1,
    SIM_TRANSPORT_V2, /* clients dial with v2 only */
    SIM_TRANSPORT_MIXED, /* clients choose automatically; every third server has v1 only */
};

struct sim_config {
    uint64_t seed;
    const struct spv_params *params; /* NULL: regtest */
    uint64_t latency_min_us, latency_max_us; /* one way latency; 0, 0: 5 to 150 ms */
    size_t fragment_max; /* bytes delivered at once; 0: 16 KiB */
    unsigned reset_permille; /* probability that a delivery is a reset instead */
    enum sim_transport transport; /* 0: SPV_SIM_TRANSPORT of the environment */
    size_t pipe; /* limit of bytes in flight in one direction; 0: 256 KiB, two socket buffers */
};

struct sim;

struct sim *sim_new(const struct sim_config *cfg);
void sim_free(struct sim *sim);
struct spv_now sim_now(const struct sim *sim);
/* The simulation's random generator, for scripts: each draw changes what follows in the trace. */
struct test_random *sim_random(struct sim *sim);
/* Calls a function after a delay. */
void sim_after(struct sim *sim, uint64_t us, void (*call)(struct sim *sim, void *ctx), void *ctx);

enum sim_listen {
    SIM_OPEN,
    SIM_REFUSE, /* connection refused */
    SIM_DROP, /* the dial is never answered */
    SIM_HANG, /* connects, accepts bytes, sends nothing */
};

/* A message with an arbitrary body, also one that our servers would not send. */
struct sim_raw {
    const char *command;
    const void *payload;
    size_t n;
};

/* How a server behaves; copied. Each field may be changed later through sim_server. */
struct sim_server_config {
    struct sim_store *chain; /* borrowed; valid as long as the simulation; NULL: that of
                                filters.blocks */
    enum sim_listen listen;
    uint64_t services; /* 0: NODE_NETWORK | NODE_WITNESS, with filters NODE_COMPACT_FILTERS */
    int32_t claim; /* start height in version; 0: the chain's */
    const struct spv_netid *net; /* NULL: the simulation's; borrowed */
    int64_t clock_ahead_s; /* its clock minus the simulation's */
    bool mute; /* completes the handshake and sends pongs, but does not answer getheaders */
    bool silent; /* completes the handshake, then neither reads nor sends */
    size_t answer_max; /* headers in an answer; 0: as many as fit */
    const struct sim_raw *raw; /* sent at each getheaders, before the answer; borrowed */
    uint8_t tx_count; /* transaction count after each header: below 253 */
    bool send_twice; /* every answer is sent twice */
    bool empty_first; /* sends an unsolicited empty headers message right after the handshake */
    uint64_t answer_delay_us; /* delay before each answer */
    uint64_t bytes_per_s; /* bandwidth towards the client; 0: no limit */
    unsigned latency_factor; /* multiple of the simulation's latency, both ways; 0: 1 */
    uint64_t reset_after; /* bytes sent to a client before a reset; 0: never */
    const char *name; /* another address, like a DNS seed through a proxy; borrowed */
    const struct spv_addr_entry *gossip; /* its answer to getaddr; NULL: none; borrowed */
    size_t n_gossip;
    bool cut_off; /* partitioned: no bytes pass; those in flight arrive after the partition ends */
    struct sim_filter_service filters; /* and blocks: for a server that has them */
    /* Changes an answer of n headers (capacity SPV_MAX_HEADERS) before it is sent; returns how
     * many to send, or a negative number to send no answer. May be NULL. */
    int (*answer)(void *ctx, struct spv_header *headers, int n,
                  const struct spv_msg_getheaders *request);
    void *ctx;
};

/* Adds a server; returns its number, from 0. */
size_t sim_add_server(struct sim *sim, const struct sim_server_config *cfg);
size_t sim_servers(const struct sim *sim);
/* Its configuration, which may be changed between steps. */
struct sim_server_config *sim_server(struct sim *sim, size_t server);
/* Its address on the network. */
struct spv_endpoint sim_server_endpoint(const struct sim *sim, size_t server);
/* Replaces its chain and announces the tip to its clients: by headers after sendheaders, else by
 * inv. */
void sim_server_announce(struct sim *sim, size_t server, struct sim_store *chain);
/* Sends unsolicited headers to each connected client. */
void sim_server_push(struct sim *sim, size_t server, const struct spv_header *headers, size_t n);
/* How often clients banned it. */
uint64_t sim_server_bans(const struct sim *sim, size_t server);
/* How many connections it has accepted (encrypted ones to a server that has v1 only do not count),
 * how many getheaders it has received, and how many it has answered. */
uint64_t sim_server_connections(const struct sim *sim, size_t server);
uint64_t sim_server_asked(const struct sim *sim, size_t server);
uint64_t sim_server_answered(const struct sim *sim, size_t server);

/* The wallet of a client, and the rows that its store keeps. Functions return NULL, or what is
 * wrong. */
struct sim_wallet {
    void *ctx;
    struct spv_wallet *(*load)(void *ctx); /* at each start; the one before is freed */
    const char *(*store)(void *ctx, const struct spv_wallet_update *update);
    struct spv_point (*stored_point)(void *ctx); /* up to which the stored rows are scanned */
    void (*event)(void *ctx, const struct spv_wallet_event *event);
};

struct sim_client_config {
    unsigned peers; /* 0: all servers */
    const struct spv_u256 *min_work;
    uint64_t request_timeout_us;
    size_t servers; /* dial only the first n servers; 0: all of the simulation */
    const struct spv_checkpoint *checkpoints; /* NULL: the network's; borrowed */
    size_t n_checkpoints;
    enum spv_checkpoint_mode checkpoint_mode;
    uint32_t start_height; /* as spv_node_config's */
    bool discover; /* servers are not manual peers: a DNS answer has all of them */
    bool dns_dead; /* every DNS lookup fails */
    const char *hub; /* additional peers: --add-peer; borrowed */
    bool proxied; /* all connections use a proxy */
    const struct sim_store *stored; /* its stored chain; copied; NULL: genesis alone */
    uint32_t base; /* pruned below this height; 0: not pruned; the first height of a period */
    bool filters; /* syncs filter headers */
    uint64_t keep_filters; /* bytes of filters that are kept; 0: none */
    /* Begins a scan at each start: for the first n of `scripts`, borrowed. NULL: none. */
    const struct spv_bytes *scripts;
    size_t n_scripts;
    uint32_t scan_first, scan_last; /* 0, 0: from 1 on, and follows the tip */
    uint64_t match_delay_us; /* at most, of matching filters; 0: at once */
    const struct sim_wallet *wallet; /* NULL: none; borrowed. Then `scripts` are not scanned for */
    enum spv_source source;
    bool allow_bloom, bloom_cross_check, fetch_unconfirmed; /* as spv_node_config's */
    int64_t bloom_whole_from;
    unsigned crash_permille; /* probability that a client restarts right after storing something */
};

struct sim_client;

/* Adds a client that starts at genesis, or with the stored chain. Add servers first. */
struct sim_client *sim_add_client(struct sim *sim, const struct sim_client_config *cfg);
const struct spv_node *sim_client_node(const struct sim_client *c);
const struct sim_store *sim_client_store(const struct sim_client *c);
struct sim_filter_store;
struct sim_scan_log;
/* What its scan has reported. */
const struct sim_scan_log *sim_client_scan(const struct sim_client *c);
/* Watches more scripts, from a height on. */
void sim_client_scan_add(struct sim *sim, struct sim_client *c, const struct spv_bytes *scripts,
                         size_t n, uint32_t from);
/* Its filter headers and kept filters, as stored. */
const struct sim_filter_store *sim_client_filters(const struct sim_client *c);
/* Number of events of a kind so far. */
uint64_t sim_client_events(const struct sim_client *c, enum spv_event_kind kind);
/* Its addrman as stored; borrowed. Number of DNS lookups it has requested. */
const struct spv_addrman_rows *sim_client_addrman(const struct sim_client *c);
uint64_t sim_client_lookups(const struct sim_client *c);
/* Number of warnings of a kind so far, and the last one of it. */
uint64_t sim_client_warnings(const struct sim_client *c, enum spv_warning warning);
const struct spv_event *sim_client_warned(const struct sim_client *c, enum spv_warning warning);
/* Steps its wall clock forward or, when negative, back; the monotonic clock is unchanged. */
void sim_client_step_clock(struct sim *sim, struct sim_client *c, int64_t seconds);
/* The peak memory of its node so far, minus its memory at the start. */
size_t sim_client_growth(const struct sim_client *c);
/* Inputs of its wallet. */
int sim_client_watch(struct sim *sim, struct sim_client *c, uint64_t *request, uint64_t *id,
                     const struct spv_watch_target *watch);
int sim_client_reserve_index(struct sim *sim, struct sim_client *c, uint64_t *request,
                             uint32_t *index, uint64_t id, uint32_t branch);
/* Closes every connection, discards all memory and restarts from the store. */
void sim_client_restart(struct sim *sim, struct sim_client *c);
/* For sim_run: true when the client is synced. */
bool sim_client_synced(struct sim *sim, void *client);

/* Runs until done(sim, ctx) is true (1), the virtual time is over (0), or an invariant is broken
 * (-1). done may be NULL. */
int sim_run(struct sim *sim, uint64_t us, bool (*done)(struct sim *sim, void *ctx), void *ctx);
const char *sim_broken(const struct sim *sim); /* The broken invariant; NULL: none */
/* Reports an error that a test found, like a broken invariant. The first one is kept. */
void sim_break(struct sim *sim, const char *what);

/* All events, one line each. */
const struct spv_buffer *sim_trace(const struct sim *sim);

#endif
