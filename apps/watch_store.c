/* The database and the wallet in it. Commands that need no network load the wallet, change it, and
 * store its changes in one transaction, as a node would: the next scan looks for what is new. */
#include <stdio.h>
#include <string.h>

#include "spv/reactor.h"
#include "watch.h"

static int nothing_watched(const struct watch_job *j)
{
    return cli_fail(SPV_ERR_NOT_FOUND,
                    "%s: nothing is watched yet. Add a descriptor: spv-watch add DESCRIPTOR.",
                    j->target.path);
}

int watch_failed(struct watch_job *j, int err)
{
    if (err == SPV_ERR_INTERRUPTED)
        return (int)cli_stop_code();
    if (err == SPV_ERR_NOT_FOUND)
        return nothing_watched(j);
    return cli_fail(err, "%s", spv_store_last_error(j->store));
}

int watch_learn_network(struct watch_job *j)
{
    const struct spv_store_config cfg = {
        .path = j->target.path, .mode = SPV_STORE_READ, .stop = cli_stop()};
    struct spv_error_info why;
    int rc;

    j->params = *j->target.params;
    if (!j->target.db || j->target.network)
        return CLI_DONE;
    rc = spv_store_open(&j->store, &cfg, &why);
    if (rc == SPV_ERR_DB_NONE)
        return CLI_DONE;
    if (rc != 0)
        return cli_print_error_info(&why);
    j->params = *spv_store_params(j->store);
    (void)spv_store_close(j->store);
    j->store = NULL;
    return CLI_DONE;
}

/* What the store says, and what only a user of this program needs to know. */
static int open_failed(const struct watch_job *j, const struct spv_error_info *why)
{
    if (why->code == SPV_ERR_INTERRUPTED)
        return (int)cli_stop_code();
    if (why->code == SPV_ERR_DB_NONE)
        return cli_fail(why->code,
                        "%s: there is no database, so nothing is watched. Check the path, or add a "
                        "descriptor: spv-watch add DESCRIPTOR.",
                        j->target.path);
    if (why->code == SPV_ERR_DB_BUSY)
        return cli_fail(why->code, "%s spv-watch list, balance, history and coins work meanwhile.",
                        why->text);
    return cli_print_error_info(why);
}

int watch_open(struct watch_job *j, enum spv_store_mode mode)
{
    struct spv_store_config cfg = {
        .path = j->target.path, .params = &j->params, .mode = mode, .stop = cli_stop()};
    struct spv_wallet_info facts;
    struct spv_error_info why;
    int rc = watch_learn_network(j);

    if (rc != CLI_DONE)
        return rc;
    if (spv_store_open(&j->store, &cfg, &why) != 0)
        return open_failed(j, &why);
    if (mode == SPV_STORE_CREATE)
        return CLI_DONE;
    rc = spv_store_wallet_info(j->store, &facts);
    if (rc < 0)
        return watch_failed(j, rc);
    return rc == 0 ? nothing_watched(j) : CLI_DONE;
}

int watch_new_wallet(struct watch_job *j, uint32_t min_groups)
{
    const struct spv_wallet_config cfg = {.rng = spv_system_rng(),
                                          .networks = SPV_NETWORK_BIT(j->params.net.network),
                                          .lookahead = SPV_WATCH_LOOKAHEAD,
                                          .min_groups = min_groups};
    const int rc = spv_wallet_new(&j->wallet, &cfg);

    return rc == 0 ? CLI_DONE : cli_fail(rc, "not enough memory.");
}

int watch_load(struct watch_job *j)
{
    int rc = watch_new_wallet(j, 0);

    if (rc != CLI_DONE)
        return rc;
    rc = spv_store_load_wallet(j->store, j->wallet);
    return rc < 0 ? watch_failed(j, rc) : CLI_DONE;
}

int watch_commit(struct watch_job *j)
{
    struct spv_wallet_update update;
    const struct spv_store_update all = {.wallet = &update};
    int rc = spv_wallet_changes(j->wallet, &update);

    if (rc < 0)
        return cli_fail(rc, "%s: nothing was stored: %s.", j->target.path, spv_strerror(rc));
    rc = spv_store_apply_all(j->store, &all);
    if (rc < 0)
        return watch_failed(j, rc);
    spv_wallet_stored(j->wallet);
    return CLI_DONE;
}

int watch_snapshot(struct watch_job *j, struct spv_wallet_iter **out)
{
    const int rc = spv_wallet_iter_open(out, j->store);

    return rc == 0 ? CLI_DONE : watch_failed(j, rc);
}

int watch_close(struct watch_job *j, int rc)
{
    int closed;

    spv_wallet_free(j->wallet);
    j->wallet = NULL;
    closed = spv_store_close(j->store);
    j->store = NULL;
    if (closed != 0 && (rc == CLI_DONE || rc == CLI_INTERRUPTED))
        return cli_fail(closed,
                        "%s: cannot be closed: %s. What was committed is kept; check the disk.",
                        j->target.path, spv_strerror(closed));
    return rc;
}
