/* A transaction of a wallet as spv-watch prints it. */
#ifndef APPS_WATCH_TX_H
#define APPS_WATCH_TX_H

#include "watch.h"

/* What is published from here, by txid. */
struct watch_published {
    struct spv_txid txid;
    const char *progress; /* static */
};
struct watch_txs {
    const struct watch_job *job; /* borrowed */
    uint32_t scanned; /* height; SPV_NO_HEIGHT: none */
    struct watch_published *published; /* from malloc */
    size_t n;
};

/* Reads what all transactions of a snapshot need. Free it with watch_txs_free. Returns CLI_DONE, or
 * the code to exit with after reporting the error. */
int watch_txs_load(struct watch_txs *out, struct watch_job *j, struct spv_wallet_iter *it);
void watch_txs_free(struct watch_txs *txs);

/* Prints the head of a table or of CSV; nothing in JSON. */
void watch_txs_head(const struct watch_job *j);
/* Prints a row of it, or an object; net is what counts for the reader. */
void watch_txs_row(const struct watch_txs *txs, const struct spv_wallet_tx_row *row, int64_t net);
/* Prints a line about a change, or an object that has the revision, too. */
void watch_txs_change(const struct watch_txs *txs, const struct spv_wallet_tx_row *row);

#endif
