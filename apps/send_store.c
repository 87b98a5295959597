/* What the command line names becomes rows of the database: in the wallet, where there is one, and
 * in what is published, in one transaction. */
#include "send_state.h"
#include "spv/reactor.h"

static int refused(const struct send *s, int rc)
{
    const char *path = s->target.path;

    if (rc == SPV_ERR_NO_PRIVATE_PEERS)
        return cli_fail_as(CLI_FAILED, rc,
                           "--private: this version has no private connections yet. Nothing was "
                           "sent, and nothing was stored.");
    if (rc == SPV_ERR_TX_PRIVATE)
        return cli_fail_as(CLI_FAILED, rc,
                           "refused: it was published privately from %s, and never goes out on an "
                           "ordinary connection.",
                           path);
    if (rc == SPV_ERR_PACKAGE_FORM)
        return cli_fail_as(CLI_FAILED, rc,
                           "refused: one of the transactions is published from %s in another "
                           "package. Give that package, or --withdraw it and wait 14 days.",
                           path);
    if (rc == SPV_ERR_TOO_MANY)
        return cli_fail_as(CLI_FAILED, rc,
                           "refused: %s has %s transactions, ended ones included, or too many "
                           "bytes of them; that is the limit. --withdraw some and wait.",
                           path, CLI_COUNT(SPV_BROADCAST_MAX_TXS));
    return cli_fail(rc, "%s: cannot be published: %s.", path, spv_strerror(rc));
}

/* What can be known before anything is stored or sent. */
static int check_wallet(const struct send *s)
{
    for (size_t i = 0; i < s->n_txs; i++) {
        const struct spv_txid *id = &s->reports[i].txid;
        char txid[SPV_HASH_HEX];
        spv_txid_hex(txid, id);
        if (send_conflicts(s, id))
            return cli_fail_as(CLI_FAILED, SPV_ERR_TX_DUPLICATE_INPUT,
                               "refused: a confirmed transaction spends the same output as %s. "
                               "Nothing was sent.",
                               txid);
        if (s->confirm > 0 && !send_is_watched(s, id))
            return cli_fail_as(CLI_FAILED, SPV_ERR_NOT_FOUND,
                               "--confirm: no watch of a wallet in %s has a part in %s, so its "
                               "confirmation cannot be seen. Nothing was sent.",
                               s->target.path, txid);
    }
    return CLI_DONE;
}

static int publish(struct send *s)
{
    const struct spv_now now = spv_system_now();
    int rc = spv_broadcast_publish(s->broadcast, s->views, s->reports, s->n_txs, 0, now);

    for (size_t i = 0; rc == 0 && s->wallet && i < s->n_txs; i++)
        rc = spv_wallet_publish(s->wallet, &s->views[i], now);
    if (rc < 0)
        return refused(s, rc);
    rc = check_wallet(s);
    return rc == CLI_DONE ? send_store_changes(s) : rc;
}

int send_store(struct send *s)
{
    int rc = CLI_DONE;

    if (s->is_private) /* the node has no private connections: never sent in clear instead */
        return refused(s, SPV_ERR_NO_PRIVATE_PEERS);
    rc = send_load_machines(s);
    if (rc == CLI_DONE)
        rc = publish(s);
    send_free_machines(s); /* the loop loads its own */
    return rc;
}
