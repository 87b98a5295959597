/* What the database publishes, without a network: --list and --withdraw. */
#include "send_state.h"
#include "spv/reactor.h"

int send_list(struct send *s)
{
    struct spv_wallet_iter *iter = NULL;
    struct spv_wallet_item item;
    size_t n = 0;
    int rc = spv_wallet_iter_open(&iter, s->store);

    if (rc == 0)
        rc = spv_wallet_iter_list(iter, SPV_WALLET_LIST_BROADCASTS, NULL);
    while (rc >= 0 && (rc = spv_wallet_iter_next(iter, &item)) > 0) {
        send_print_row(&item.of.broadcast);
        n++;
    }
    spv_wallet_iter_close(iter);
    if (rc < 0 && rc != SPV_ERR_NOT_FOUND)
        return send_store_failed(s, rc);
    if (n == 0 && !s->quiet)
        cli_print("nothing was published from this database");
    return CLI_DONE;
}

/* Of a package all are withdrawn, in the wallet as well. */
static int withdraw_in_wallet(const struct send *s, const struct spv_txid *txid)
{
    struct spv_broadcast_progress one, p;
    uint64_t next = 0;
    int rc = 0;

    if (!s->wallet || spv_broadcast_find(s->broadcast, &one, txid) != 0)
        return 0;
    while (rc == 0 && spv_broadcast_next(s->broadcast, &next, &p)) {
        if (p.package == one.package)
            rc = spv_wallet_withdraw(s->wallet, &p.txid, spv_system_now());
        rc = rc == SPV_ERR_NOT_FOUND ? 0 : rc;
    }
    return rc;
}

static int withdraw_one(const struct send *s, const char *text)
{
    struct spv_txid txid;
    int rc;

    if (spv_txid_from_hex(&txid, text) != 0)
        return cli_usage("--withdraw: '%s' is not a TXID of 64 hex digits.", text);
    rc = spv_broadcast_withdraw(s->broadcast, &txid, spv_system_now());
    if (rc == SPV_ERR_NOT_FOUND)
        return cli_fail_as(CLI_FAILED, rc,
                           "--withdraw: %s is not published from %s. --list shows what is.", text,
                           s->target.path);
    if (rc == 0)
        rc = withdraw_in_wallet(s, &txid);
    return rc < 0 ? cli_fail(rc, "%s cannot be withdrawn: %s.", text, spv_strerror(rc)) : CLI_DONE;
}

int send_withdraw(struct send *s)
{
    int rc = send_load_machines(s);

    for (size_t i = 0; i < s->withdraw.n && rc == CLI_DONE; i++)
        rc = withdraw_one(s, s->withdraw.item[i]);
    if (rc == CLI_DONE)
        rc = send_store_changes(s);
    for (size_t i = 0; i < s->withdraw.n && rc == CLI_DONE && !s->quiet; i++) {
        struct spv_txid txid;
        (void)spv_txid_from_hex(&txid, s->withdraw.item[i]);
        send_print_withdrawn(&txid);
    }
    return rc;
}
