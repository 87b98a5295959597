/* A whole network in one thread: header servers and clients (struct spv_node), joined by byte pipes
 * under one virtual clock, all chance from one seed.
 *
 * A world is built (servers, clients, scripted calls), then run until something holds. The same
 * seed gives the same trace, byte for byte. After each step the invariants are checked: best work
 * never falls, what is stored is a valid chain and the node's own, every peer id ends once, queues
 * and memory stay bounded. A broken one stops the run; sim_broken says which.
 *
 *     struct sim *sim = sim_new(&(struct sim_config){.seed = seed});
 *     sim_add_server(sim, &(struct sim_server_config){.chain = &chain});
 *     sim_add_server(sim, &(struct sim_server_config){.chain = &chain, .mute = true});
 *     struct sim_client *client = sim_add_client(sim, &(struct sim_client_config){0});
 *     sim_run(sim, 600 * SPV_SECOND, sim_client_synced, client);
 *
 * Out of memory ends the program: it is a test. */
#ifndef TESTS_SUPPORT_SIM_H
#define TESTS_SUPPORT_SIM_H

#include "spv/node.h"
#include "spv/serve.h"
#include "support/random.h"
#include "util/buffer.h"

#define SIM_UNIX 1700000000 /* what wall clocks say when a world begins */

/* A best chain in memory, genesis first: what a server serves and what a client stores. Where it
 * begins at a later base, the records between genesis and that are zeroes. */
struct sim_store {
    const struct spv_params *params;
    struct spv_chain_header *at;
    size_t n, cap;
    uint32_t base; /* 0: nothing is missing */
};

void sim_store_init(struct sim_store *s, const struct spv_params *params); /* genesis alone */
void sim_store_free(struct sim_store *s);
/* A copy, pruned below a base (0: whole). */
void sim_store_copy(struct sim_store *out, const struct sim_store *from, uint32_t base);
const struct spv_chain_header *sim_store_tip(const struct sim_store *s);
struct spv_header_db sim_store_reader(struct sim_store *s);
/* Applies a change after judging it by itself: links, heights, hashes, proof of work, cumulative
 * work. NULL, or what is wrong with it. */
const char *sim_store_apply(struct sim_store *s, const struct spv_chain_update *change);
/* A chain of its own: base's headers up to fork_height, then n freshly mined ones. */
void sim_store_fork(struct sim_store *out, const struct sim_store *base, uint32_t fork_height,
                    uint32_t n, uint64_t seed);
void sim_store_mine(struct sim_store *out, const struct spv_params *params, uint32_t n,
                    uint64_t seed);
/* n more on its tip, valid, this many seconds apart (0: the network's spacing). */
void sim_store_grow(struct sim_store *s, uint32_t n, uint32_t spacing, uint64_t seed);
/* n more on its tip, by no rule but links and, where the bits allow it, proof of work. Each is made
 * as its parent with the network's spacing and bits as the rules want them, then `spoil` may change
 * it (i is 0 for the first) before it is mined. */
void sim_store_forge(struct sim_store *s, uint32_t n, uint64_t seed,
                     void (*spoil)(void *ctx, struct spv_header *header, uint32_t i), void *ctx);

struct sim_config {
    uint64_t seed;
    const struct spv_params *params; /* NULL: regtest */
    uint64_t latency_min_us, latency_max_us; /* one way; 0, 0: 5 to 150 ms */
    size_t fragment_max; /* bytes delivered at once; 0: 16 KiB */
    unsigned reset_permille; /* chance that a delivery is a reset instead */
    size_t pipe; /* bytes under way in one direction at most; 0: 256 KiB, two socket buffers */
};

struct sim;

struct sim *sim_new(const struct sim_config *cfg);
void sim_free(struct sim *sim);
struct spv_now sim_now(const struct sim *sim);
/* The world's own chance, for scripts: drawing from it is part of the trace's seed. */
struct test_random *sim_random(struct sim *sim);
/* Something that happens at a time from now. */
void sim_after(struct sim *sim, uint64_t us, void (*call)(struct sim *sim, void *ctx), void *ctx);

enum sim_door {
    SIM_OPEN,
    SIM_REFUSE, /* connection refused */
    SIM_DROP, /* the dial is never answered */
    SIM_HANG, /* connects, takes bytes, never says a word */
};

/* A message with any body, such as no server of ours would send. */
struct sim_raw {
    const char *command;
    const void *payload;
    size_t n;
};

/* How a server behaves; copied. Each may change later through sim_server. */
struct sim_server_config {
    struct sim_store *chain; /* lent */
    enum sim_door door;
    uint64_t services; /* 0: NODE_NETWORK | NODE_WITNESS */
    int32_t claim; /* height said in version; 0: the chain's */
    const struct spv_netid *net; /* NULL: the world's; lent */
    int64_t clock_ahead_s; /* its clock before the world's */
    bool mute; /* shakes hands and pongs, answers no getheaders */
    bool silent; /* shakes hands, then neither hears nor says anything */
    size_t answer_max; /* headers in an answer; 0: as many as fit */
    const struct sim_raw *raw; /* sent at each getheaders, before it is answered; lent */
    uint8_t tx_count; /* said behind each header: below 253 */
    bool twice; /* every answer is sent twice */
    bool empty_first; /* an empty headers message, unasked, as soon as the handshake is through */
    uint64_t think_us; /* before each answer */
    uint64_t bytes_per_s; /* towards the client; 0: no limit */
    unsigned far; /* times the world's latency, both ways; 0: once */
    uint64_t reset_after; /* bytes sent to a client, then a reset; 0: never */
    const char *name; /* it answers to this one as well, as a seed does through a proxy; lent */
    const struct spv_addr_entry *gossip; /* its answer to getaddr; NULL: none; lent */
    size_t n_gossip;
    bool cut_off; /* partitioned: nothing passes; bytes under way come after the healing */
    /* Changes an answer of n headers (room for SPV_MAX_HEADERS) before it is sent; returns how many
     * to send, or negative for none at all. May be NULL. */
    int (*answer)(void *ctx, struct spv_header *headers, int n,
                  const struct spv_msg_getheaders *request);
    void *ctx;
};

/* Adds a server; returns its number, from 0. */
size_t sim_add_server(struct sim *sim, const struct sim_server_config *cfg);
size_t sim_servers(const struct sim *sim);
/* Its behaviour, to be changed between steps. */
struct sim_server_config *sim_server(struct sim *sim, size_t server);
/* Its name on the network. */
struct spv_endpoint sim_server_endpoint(const struct sim *sim, size_t server);
/* It has another chain now, and tells its clients: by headers if they asked so, else by inv. */
void sim_server_announce(struct sim *sim, size_t server, struct sim_store *chain);
/* Sends headers that nobody asked for to each client that is there. */
void sim_server_push(struct sim *sim, size_t server, const struct spv_header *headers, size_t n);
/* How often a client banned it. */
uint64_t sim_server_bans(const struct sim *sim, size_t server);
/* How many connections it has seen, how many getheaders it was sent, and how many it has answered.
 */
uint64_t sim_server_connections(const struct sim *sim, size_t server);
uint64_t sim_server_asked(const struct sim *sim, size_t server);
uint64_t sim_server_answered(const struct sim *sim, size_t server);

struct sim_client_config {
    unsigned peers; /* 0: all servers */
    const struct spv_u256 *min_work;
    uint64_t request_timeout_us;
    size_t servers; /* dial only the first so many; 0: all that the world has */
    const struct spv_checkpoint *checkpoints; /* NULL: the network's; lent */
    size_t n_checkpoints;
    enum spv_checkpoint_mode checkpoint_mode;
    uint32_t start_height; /* as spv_node_config's */
    bool discover; /* not named: found through a DNS answer that holds all servers */
    bool dns_dead; /* no name is ever resolved */
    const char *hub; /* beside those found: --add-peer; lent */
    bool proxied; /* everything goes through a proxy */
    const struct sim_store *stored; /* it holds this already; copied; NULL: genesis alone */
    uint32_t base; /* of that, nothing between genesis and here; 0: all; a period's first height */
};

struct sim_client;

/* Adds a client that begins at genesis, or with what is stored. Servers are added before it. */
struct sim_client *sim_add_client(struct sim *sim, const struct sim_client_config *cfg);
const struct spv_node *sim_client_node(const struct sim_client *c);
const struct sim_store *sim_client_store(const struct sim_client *c);
/* Events of a kind seen so far. */
uint64_t sim_client_events(const struct sim_client *c, enum spv_event_kind kind);
/* Its address book as stored; lent. How many names it has asked to be looked up. */
const struct spv_addrman_rows *sim_client_book(const struct sim_client *c);
uint64_t sim_client_lookups(const struct sim_client *c);
/* Warnings of a kind seen so far, and the last one of it. */
uint64_t sim_client_warnings(const struct sim_client *c, enum spv_warning warning);
const struct spv_event *sim_client_warned(const struct sim_client *c, enum spv_warning warning);
/* Its wall clock is set forward or, when negative, back; monotonic time goes on. */
void sim_client_step_clock(struct sim *sim, struct sim_client *c, int64_t seconds);
/* The most memory that its node has held so far, beyond what it held at the start. */
size_t sim_client_growth(const struct sim_client *c);
/* Loses every connection and all memory; begins again from what is stored. */
void sim_client_restart(struct sim *sim, struct sim_client *c);
/* For sim_run: the client says that it is synced. */
bool sim_client_synced(struct sim *sim, void *client);

/* Runs until done(sim, ctx) holds (1), the virtual time is over (0), or an invariant broke (-1).
 * done may be NULL. */
int sim_run(struct sim *sim, uint64_t us, bool (*done)(struct sim *sim, void *ctx), void *ctx);
const char *sim_broken(const struct sim *sim); /* NULL: nothing is */
/* A test of its own found something wrong: as an invariant. The first one stays. */
void sim_break(struct sim *sim, const char *what);

/* All that happened, one line an event. */
const struct spv_buffer *sim_trace(const struct sim *sim);

#endif
