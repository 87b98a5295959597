/* Shared by the commands of spv-watch: the options, the open database and its wallet. */
#ifndef APPS_WATCH_H
#define APPS_WATCH_H

#include "cli.h"
#include "peer_options.h"
#include "spv/wallet_db.h"
#include "spv/wallet_event.h"

#define WATCH_NONE UINT64_MAX /* a number that was not given */

struct watch_job {
    /* options */
    struct cli_target target;
    struct cli_list words; /* the command and its arguments */
    const char *birthday, *tag, *min, *source_name, *import;
    uint64_t gap, branch, watch, last; /* WATCH_NONE: not given */
    bool export, allow_bloom, sat, json, csv, quiet, verbose;
    bool unconfirmed; /* fetch what is announced */
    struct peer_options peers;
    uint64_t timeout;
    struct cli_log log;
    const char *pid_file;
    /* made from them */
    enum spv_source source;
    /* the run */
    struct spv_params params; /* the database's */
    struct spv_store *store; /* NULL: closed */
    struct spv_wallet *wallet; /* NULL: not loaded */
};

/* watch_store.c. Each returns CLI_DONE, or the code to exit with after reporting the error. */

/* Sets params: of --network, else of the database that --db names, else of mainnet. */
int watch_learn_network(struct watch_job *j);
/* Opens the database; to be read or written it must have a wallet. */
int watch_open(struct watch_job *j, enum spv_store_mode mode);
/* Makes an empty wallet. min_groups: struct spv_wallet_config. */
int watch_new_wallet(struct watch_job *j, uint32_t min_groups);
/* Makes the wallet and loads its rows. */
int watch_load(struct watch_job *j);
/* Stores what has changed in the wallet, in one transaction. */
int watch_commit(struct watch_job *j);
/* Opens a snapshot of the wallet. */
int watch_snapshot(struct watch_job *j, struct spv_wallet_iter **out);
/* Reports an error of the store; SPV_ERR_INTERRUPTED without words. */
int watch_failed(struct watch_job *j, int err);
/* Closes and frees everything. Returns rc, or the code of an error of closing. */
int watch_close(struct watch_job *j, int rc);

#endif
