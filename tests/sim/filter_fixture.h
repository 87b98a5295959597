/* Scenarios of compact filters: honest servers and liars with tables of false filters, one client
 * that syncs filter headers, and the checks at the end that all have in common:
 *
 * - The stored filter headers are the true ones, up to the tip of the best chain.
 * - Servers were banned for proven lies only, and proven liars were.
 * - No request was one that Bitcoin Core closes on.
 * - The client's memory is bounded; the user was told what was to be told, once.
 * - What a scan must find was found, and no more blocks were fetched than match in some filter. */
/* clang-format off */
/* scenario                              test
 * -- test_filters_liars.c
 * lacks an output                       a_filter_that_lacks_an_output_is_a_proven_lie
 * lacks a spent script known for certain a_filter_that_lacks_a_certain_spent_script_is_a_proven_lie
 * too many elements                     a_filter_with_too_many_elements_is_a_proven_lie
 * does not decode                       a_filter_that_does_not_decode_is_a_proven_lie
 * filters of another block              the_filter_of_another_block_is_a_proven_lie
 * lacks a guess                         a_filter_that_lacks_a_guess_proves_nothing
 * a guess points at the honest          a_guess_that_points_at_the_honest_bans_none_of_them
 * differs from its header               a_filter_that_is_not_its_headers_is_a_contradiction
 * header chain forked at a height       filter_headers_without_a_filter_are_a_contradiction
 * checkpoints contradict headers        checkpoints_that_contradict_headers_are_a_lie
 * built-in filter headers               a_contradiction_of_a_built_in_filter_header_is_a_lie
 * all contradict a built-in one         when_all_contradict_a_built_in_filter_header_nobody_is_banned
 * all liars but one                     one_honest_peer_outvotes_all_proven_liars
 * all liars                             different_liars_prove_each_other_false
 * -- test_filters_peers.c
 * too few, too many                     answers_of_another_length_change_nothing
 * twice                                 answers_that_come_twice_change_nothing
 * index lag (silence)                   an_index_that_lags_after_each_block_is_waited_for
 * closing beyond what it knows          no_request_is_one_that_bitcoin_core_closes_on (all scenarios)
 * slow peers                            slow_peers_do_not_delay_the_others
 * silence, closing                      silence_and_closing_are_no_crime
 * reorganisation                        a_reorganisation_replaces_filter_headers
 * -- test_filters_scan.c
 * reorganisation in mid-scan            a_reorganisation_in_mid_scan_drops_what_was_found_above_the_fork
 * false blocks                          a_false_block_is_a_lie
 * blocks that peers lack                blocks_that_peers_lack_are_asked_of_others
 * out of order, too few, too many       filters_in_any_order_are_used
 * scripts added in mid-scan             scripts_that_are_added_in_mid_scan_are_found_below_it_too
 * kept filters                          kept_filters_are_not_requested_again
 * kept filters, less than all           a_scan_for_nothing_keeps_the_highest_filters
 * all liars, then an honest peer        an_honest_peer_after_liars_alone_corrects_what_they_said
 * -- test_filters_evidence.c
 * lacks an output of a fetched block    an_output_of_a_fetched_block_disproves_what_is_stored
 * the same in a dispute                 an_output_of_a_fetched_block_settles_a_dispute
 * an honest peer after the scan         an_honest_peer_after_the_scan_shows_what_was_hidden
 */
/* clang-format on */
#ifndef SPV_TESTS_SIM_FILTER_FIXTURE_H
#define SPV_TESTS_SIM_FILTER_FIXTURE_H

#include "scenario_fixture.h"
#include "support/sim/blocks.h"
#include "support/sim/filter_store.h"
#include "support/sim/scan_log.h"

#define FILTER_CHAIN                                                                               \
    2300 /* blocks: two checkpoints of cfcheckpt, three messages of 1,000 filters */
#define FILTER_TABLES 8

/* The chain of all scenarios, made once. */
extern struct sim_blocks filter_chain;
int filter_chain_make(void **state);
int filter_chain_free(void **state);

struct filter_scenario {
    struct sim *sim;
    struct sim_client *client;
    struct sim_filters table[FILTER_TABLES];
    size_t n_tables;
};

void filter_begin(struct filter_scenario *s, struct sim *sim);
/* A table of filters to lie in; freed by filter_end. */
struct sim_filters *filter_table(struct filter_scenario *s);
/* The same with one false filter, at a random height; *height may be NULL. With `wallet`, it hides
 * a script of the wallet. */
struct sim_filters *filter_lie(struct filter_scenario *s, enum sim_filter_lie lie, bool wallet,
                               uint32_t *height);
/* Adds n servers; returns the number of the first. Without blocks in `service`: filter_chain. */
size_t filter_servers(struct filter_scenario *s, size_t n,
                      const struct sim_filter_service *service);
size_t filter_honest(struct filter_scenario *s, size_t n);
/* Adds the client, which scans for the wallet's scripts unless cfg has others. cfg may be NULL. */
void filter_client(struct filter_scenario *s, const struct sim_client_config *cfg);
/* Bits of n servers from one on. */
unsigned filter_bits(size_t first, size_t n);

struct filter_expected {
    unsigned banned; /* bit i: server i must be banned */
    unsigned may_be_banned; /* it may be: it broke the protocol, whether or not that was seen */
    unsigned or_banned; /* once all of these are, nothing need be stored; 0: it must be */
    enum spv_warning told; /* a warning about filters, which is given once; 0: none */
    unsigned may_be_told; /* bit w: enum spv_warning w may be given once, too */
    const struct sim_blocks *blocks; /* NULL: filter_chain */
    const struct sim_filters *stored; /* NULL: the true filters of blocks */
    const struct sim_filters *or_stored; /* what may be stored as well */
    bool unsynced; /* the filter headers do not reach the tip */
    bool may_miss; /* no honest peer is there: the scan may miss what was hidden */
    unsigned scans; /* that were begun; 0: one */
    uint64_t seconds; /* 0: 600 */
    uint64_t stable_seconds; /* 0: 3,600 */
};
/* Runs to the expected end and checks it; frees the tables. */
void filter_end(struct filter_scenario *s, const struct filter_expected *e);

#endif
