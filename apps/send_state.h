/* What a run of spv-send consists of: the transactions that were read, and their progress. */
#ifndef APPS_SEND_STATE_H
#define APPS_SEND_STATE_H

#include "cli.h"
#include "peer_options.h"
#include "read_bytes.h"
#include "spv/wallet_db.h"
#include "sync_end.h"
#include "sync_report.h"

/* One transaction of the command line. */
struct send_tx {
    const char *name; /* of its file, for messages; borrowed */
    uint8_t *raw; /* owned */
    size_t n;
    struct spv_tx tx; /* a view of raw */
};

/* An output of the wallet that a transaction spends. */
struct send_coin {
    struct spv_txid txid;
    uint32_t vout;
    int64_t value;
    uint32_t height; /* UINT32_MAX: in no block */
};

/* One transaction that this run publishes. */
struct send_item {
    struct spv_txid txid;
    struct spv_broadcast_progress before; /* when the run began; of earlier runs */
    struct spv_broadcast_progress progress;
    bool is_child; /* its progress decides: it is alone, or the last one of its package */
    uint32_t confirmations;
    char printed[200]; /* its last line */
};

struct send {
    /* options */
    struct cli_target target;
    struct peer_options peers;
    struct cli_list files, withdraw;
    uint64_t timeout, confirm;
    const char *pid_file;
    bool dry_run, list, resume, is_private, allow_high_fee, follow;
    bool json, quiet, verbose;
    struct cli_log log;
    /* what was read */
    struct send_tx txs[SPV_BROADCAST_MAX_PACKAGE];
    struct spv_tx views[SPV_BROADCAST_MAX_PACKAGE]; /* of txs */
    struct spv_broadcast_report reports[SPV_BROADCAST_MAX_PACKAGE];
    size_t n_txs;
    struct send_coin *coins; /* ascending; owned */
    size_t n_coins;
    /* the run */
    struct spv_store *store;
    struct spv_broadcast *broadcast;
    struct spv_wallet *wallet; /* NULL: the database has none */
    struct spv_evloop *loop;
    struct send_item *items; /* owned */
    size_t n_items;
    struct report report;
    struct sync_end end;
    double heard_at; /* cli_clock of the last progress */
    uint64_t received; /* headers at the last tick */
    size_t n_relay; /* connected peers that accept transactions, at the last tick */
    bool tip_moved; /* they are to be counted again */
    bool sent, gave_up, conflicted, reader_gone;
    bool reported; /* that it was sent, in a run that goes on */
    int error; /* of the store */
};

/* send_read.c. Reads and parses the files of the command line. Returns CLI_DONE, or the code to
 * exit with after reporting the error. */
int send_read(struct send *s);
/* Checks them, as one package when there are several, and prints warnings. Returns the same. */
int send_check(struct send *s);
void send_read_free(struct send *s);

/* send_coins.c. Fills in the outputs of the wallet that the transactions spend. Returns CLI_DONE,
 * or the code to exit with after reporting the error. */
int send_find_coins(struct send *s);
/* NULL: the output is not one of the wallet. */
const struct send_coin *send_coin_of(const struct send *s, const struct spv_tx_input *input);
/* Reports an error of the store. Returns the code to exit with. */
int send_store_failed(const struct send *s, int rc);

/* send_wallet.c. Creates the machine that publishes, and the wallet where the database has one, for
 * a loop that loads them. Returns CLI_DONE, or the code to exit with after reporting the error. */
int send_new_machines(struct send *s);
void send_free_machines(struct send *s);
/* Loads them without a loop; and stores what has changed since. Return the same. */
int send_load_machines(struct send *s);
int send_store_changes(const struct send *s);
/* Whether a watch of the wallet has a part in a transaction; after it was published. */
bool send_is_watched(const struct send *s, const struct spv_txid *txid);
/* Whether the wallet has a confirmed transaction that spends the same; likewise. */
bool send_conflicts(const struct send *s, const struct spv_txid *txid);
/* Counts the confirmations of each item. Returns 0 or an error of the store. */
int send_count_confirmations(struct send *s, uint32_t tip);

/* send_store.c. Stores what the command line names, so that the loop publishes it. Returns the
 * same. */
int send_store(struct send *s);

/* send_stored.c. Prints what the database publishes, and ends the publishing of transactions.
 * Return CLI_DONE, or the code to exit with after reporting the error. */
int send_list(struct send *s);
int send_withdraw(struct send *s);

/* send_run.c. Publishes, and waits for what the options name. Returns the code to exit with. */
int send_run(struct send *s);

/* send_end.c. Whether what the options wait for is there. */
bool send_is_done(const struct send *s);
/* A peer has asked for an item, or for the child of its package. */
bool send_was_fetched(const struct send_item *item);
/* How the run ends. The loop still exists. Returns the code to exit with. */
int send_finish(struct send *s, int rc);

/* send_print.c. What is sent, all of it or its size only. */
void send_print_tx(const struct send *s, size_t i, bool all);
/* Progress, when it differs from the last line. */
void send_print_item(struct send_item *item);
void send_print_row(const struct spv_broadcast_row *row);
void send_print_withdrawn(const struct spv_txid *txid);
/* The status line of a terminal. */
void send_print_live(const struct send *s, const struct spv_node_stats *stats);
/* The last lines, unless --quiet. */
void send_print_all_sent(const struct send *s);
#define SEND_AMOUNT 32
/* Writes "0.00001000 BTC" and returns it. */
const char *send_amount(char out[SEND_AMOUNT], int64_t satoshis);
/* Writes ", rejected by 1: fee too low (a hint)" or nothing, and returns it. */
#define SEND_REJECT 80
const char *send_reject(char out[SEND_REJECT], const struct spv_broadcast_progress *p);

#endif
