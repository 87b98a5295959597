/* Scenarios: behaviour of peers and networks, each a test of its own, run on many seeds (seeds.h;
 * 20 by default).
 *
 * Each scenario ends with the same checks (scenario_check): the client is synced on the most-work
 * valid chain that an honest server offered, and stays there; its memory is bounded; no server is
 * banned that has not misbehaved. The simulator checks its invariants at every step, and a seed
 * that is run twice leaves the same trace. */
/* clang-format off */
/* scenario                        test
 * -- test_scenarios_rules.c
 * difficulty dropped at an edge   difficulty_dropped_at_a_retarget_is_misbehaving
 * difficulty dropped after start  difficulty_dropped_after_a_checkpoint_start_is_misbehaving
 * bits negative                   negative_bits_are_misbehaving
 * bits zero                       zero_bits_are_misbehaving
 * bits overflowing                overflowing_bits_are_misbehaving
 * bits above the limit            bits_above_the_limit_are_misbehaving
 * time-warp                       a_time_warp_is_misbehaving
 * median-time violation           a_time_not_after_the_median_is_misbehaving
 * far-future times                far_future_headers_are_not_misbehaving_and_accepted_later
 * fork below a checkpoint         a_fork_below_a_checkpoint_is_misbehaving
 * -- test_scenarios_peers.c
 * false start height              a_false_start_height_has_no_effect
 * mute                            mute_peers_do_not_delay_the_sync
 * ping-answering mute             mute_peers_that_answer_pings_do_not_delay_the_sync
 * drip (one header per 20 s)      a_peer_that_sends_one_header_at_a_time_does_not_delay_the_sync
 * empty answers while behind      empty_answers_while_behind_do_not_end_the_sync
 * short answers faking a tip      short_answers_below_the_tip_do_not_end_the_sync
 * malformed messages              malformed_messages_disconnect_without_a_ban
 * repeats and counts              repeats_and_transaction_counts_are_ignored
 * wrong network                   peers_of_another_network_are_disconnected_and_not_banned
 * wrong genesis                   a_chain_from_another_genesis_is_disconnected_and_not_banned
 * -- test_scenarios_chains.c
 * losing-then-winning branch      a_branch_that_wins_after_several_messages_is_one_reorg
 * equal-work flapping             of_branches_with_equal_work_the_first_seen_stays
 * orphan flood                    a_flood_of_orphans_changes_nothing
 * duplicates                      repeated_headers_change_nothing
 * out of order                    headers_out_of_order_are_misbehaving
 * unsolicited floods              a_flood_of_unsolicited_headers_changes_nothing
 * side branch flood               a_flood_of_side_branches_changes_nothing
 * -- test_scenarios_times.c
 * partition and heal              a_longer_chain_wins_after_a_partition_ends
 * all peers lost for an hour      an_hour_without_peers_is_reported_once_and_recovered
 * clock stepping back and forth   a_clock_that_steps_back_and_forth_bans_no_peer
 * most peers' clocks disagree     clocks_that_disagree_are_reported_and_not_followed
 * stale tip, others have more     a_stale_tip_opens_extra_connections_that_have_the_chain
 * stale tip, no peer has more     a_stale_tip_is_reported_at_90_minutes_and_hourly_until_it_advances
 * -- test_outbound.c, peer discovery
 * address flooding, one group     a_flood_of_addresses_from_one_group_changes_nothing
 * -- test_presync.c, low-work DoS protection
 * endless low-work chain          an_endless_low_work_chain_delays_no_other_peer
 * another chain in REDOWNLOAD     another_chain_in_the_redownload_stores_nothing
 */
/* clang-format on */
#ifndef SPV_TESTS_SIM_SCENARIO_FIXTURE_H
#define SPV_TESTS_SIM_SCENARIO_FIXTURE_H

#include "seeds.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MINUTES (60 * SPV_SECOND)
#define SCENARIO_GROWTH                                                                            \
    (8u << 20) /* bytes by which a node's memory may grow, whatever is sent to it */

/* Runs a scenario on every seed, and on the first of every four seeds twice. params NULL:
 * regtest. */
void scenario_run(scenario_fn *scenario, const struct spv_params *params);

/* Runs a scenario on one seed, for a seed that failed before. */
void scenario_run_seed(scenario_fn *scenario, const struct spv_params *params, uint64_t seed);

/* SPV_SIM_TEST selects the tests to run: a name, or a pattern with *. */
void scenario_filter(void);

/* The expected end of a scenario. */
struct scenario_expected {
    struct sim_client *client;
    const struct sim_store *want; /* the most-work valid chain that an honest server offered */
    unsigned misbehaving; /* bit i: server i sent provably invalid data */
    bool all_banned; /* each was queried, so each must be banned */
    uint64_t seconds; /* seconds until the expected end; 0: 1,800 */
};
/* Runs until the expected end, then for the same duration again, and checks everything. */
void scenario_check(struct sim *sim, const struct scenario_expected *e);

/* True when the client's tip is the store's. */
bool scenario_on_tip(const struct sim_client *client, const struct sim_store *store);

/* Adds n servers with this configuration; returns the number of the first. */
size_t scenario_servers(struct sim *sim, size_t n, const struct sim_server_config *cfg);

/* n checkpoints of a chain, at heights each, 2 * each, ... */
void scenario_checkpoints(struct spv_checkpoint *out, size_t n, const struct sim_store *chain,
                          uint32_t each);

/* A number in [from, to]. */
uint32_t scenario_random(struct sim *sim, uint32_t from, uint32_t to);

/* Regtest's limit with mainnet's retargets every 32 blocks; its chains end near SIM_UNIX. With
 * `bip94`, the rules of testnet4. */
#define SCENARIO_INTERVAL 32
#define SCENARIO_LENGTH 400 /* length in headers of a chain that scenario_mine creates */
struct spv_params scenario_params(bool bip94);
/* Mines two fast periods, which raise the difficulty to 16 times the minimum, then one block
 * every ten minutes. */
void scenario_mine(struct sim_store *out, const struct spv_params *params, uint64_t seed);

#endif
