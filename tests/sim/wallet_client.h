/* A client with a wallet in the simulator: rows in a row store, requests that were answered, and
 * the comparison with the model at the end. */
#ifndef SPV_TESTS_SIM_WALLET_CLIENT_H
#define SPV_TESTS_SIM_WALLET_CLIENT_H

#include "support/row_store.h"
#include "wallet_chain.h"

#define WALLET_WIDE 64 /* a look-ahead that every payment is within */
#define WALLET_REQUESTS 64 /* of a scenario at most */

struct wallet_client {
    struct sim *sim;
    struct sim_client *client;
    struct wallet_chain *chain; /* its model has the watches */
    struct spv_wallet_config cfg;
    struct spv_wallet *wallet; /* of the last start */
    struct row_store store;
    struct test_random random;
    struct sim_wallet hooks;
    struct spv_point scanned; /* of the last SCANNED event; height 0: none */
    uint64_t starts;
    uint64_t answered; /* requests since the last start */
    /* Requests of this start, in order. */
    struct {
        bool is_reservation;
        uint32_t branch, index;
    } requests[WALLET_REQUESTS + 1];
    uint64_t last_request;
    bool counts_answers_only; /* requests of a test's own are not checked against rows */
    uint32_t
        reserved[2]; /* indexes that were reserved and answered, per branch of the first watch */
    uint64_t changed_revision;
    uint64_t alarms[SPV_WALLET_ALARM_START + 1];
    uint64_t stores; /* updates */
};

/* Fills in the model's watches; those but the third are watched from the start. */
void wallet_client_init(struct wallet_client *c, struct sim *sim, struct wallet_chain *chain,
                        uint32_t lookahead);
/* Adds the client; `cfg` has all but the wallet. */
void wallet_client_start(struct wallet_client *c, const struct sim_client_config *cfg);
void wallet_client_free(struct wallet_client *c);

/* Watches the third watch, unless it does. */
void wallet_client_watch_late(struct wallet_client *c);
/* Reserves an index of a branch of the first watch. */
void wallet_client_reserve_index(struct wallet_client *c, uint32_t branch);

/* For sim_run: everything is scanned up to the tip of the last chain, and answered. */
bool wallet_client_done(struct sim *sim, void *client);
/* Demands that the wallet, and its rows, say what the model says. */
void wallet_client_check(struct wallet_client *c);

#endif
