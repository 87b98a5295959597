/* Shared by the outbound tests: a node on a public network, and functions to answer it. */
#ifndef SPV_TESTS_UNIT_SPV_NODE_OUTBOUND_FIXTURE_H
#define SPV_TESTS_UNIT_SPV_NODE_OUTBOUND_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node_fixture.h"
#include "spv/node/outbound.h"

#define SERVICES (SPV_NODE_NETWORK | SPV_NODE_WITNESS)

struct spv_netaddr ipv4(uint8_t a, uint8_t b, uint8_t c, uint8_t d);
struct node_fixture *node_on(enum spv_network network, struct spv_node_config *cfg);
void advance_clock(struct node_fixture *s, uint64_t us);
size_t effects(const struct node_fixture *s, enum spv_effect_kind kind);
struct spv_node_stats stats_of(const struct node_fixture *s);
void resolve(struct node_fixture *s, const char *seed, const struct spv_netaddr *addrs, size_t n);
/* n addresses, each of its own network group, each from its own DNS seed. */
void add_known(struct node_fixture *s, unsigned n, uint8_t first);
void gossip(struct node_fixture *s, uint64_t peer, enum spv_command form,
            const struct spv_addr_entry *entries, size_t n);
/* Completes every dial in the log; returns the last id. */
uint64_t connect_all(struct node_fixture *s);
const struct spv_effect *close_effect_of(struct node_fixture *s, uint64_t peer);

#endif
