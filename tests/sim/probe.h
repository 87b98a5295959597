/* A client of a simulated server that sends what a test tells it to, and records the answers. The
 * simulation needs one client of the usual kind, whose clock it uses. */
#ifndef SPV_TESTS_SIM_PROBE_H
#define SPV_TESTS_SIM_PROBE_H

#include "spv/message.h"
#include "support/sim/sim.h"

/* A received message, without version, verack, ping and pong. */
struct probe_msg {
    enum spv_command command;
    uint64_t at_us;
    struct spv_blockhash hash; /* of cfilter, block: the block; of cfheaders, cfcheckpt: the stop */
    struct spv_hash256 prev; /* cfheaders */
    uint8_t *bytes; /* cfilter, block: its bytes; else the hashes, 32 bytes each */
    size_t n;
};

struct probe {
    struct sim *sim;
    uint64_t id; /* of the peer */
    struct probe_msg *msgs;
    size_t n, cap;
    bool ready, closed;
};

/* Connects to a server and completes the handshake; breaks the simulation when that fails. One
 * probe a simulation. */
void probe_open(struct probe *probe, struct sim *sim, size_t server);
/* Frees what it has received. */
void probe_clear(struct probe *probe);
/* Sends a message. */
void probe_send(struct probe *probe, const struct spv_msg *msg);
void probe_get_filters(struct probe *probe, enum spv_command command, uint32_t start,
                       const struct spv_blockhash *stop);
void probe_get_block(struct probe *probe, const struct spv_blockhash *hash);
/* Runs the simulation for some seconds. */
void probe_run(struct probe *probe, uint64_t seconds);

#endif
