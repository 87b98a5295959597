/* The command coins: every output that no confirmed transaction spends, of one snapshot. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "spv/address.h"
#include "watch_commands.h"
#include "watch_set.h"
#include "watch_text.h"

struct coin_view {
    char txid[SPV_HASH_HEX];
    char address[SPV_ADDRESS_TEXT]; /* empty: it has none */
    const char *descriptor; /* NULL: the watch is no descriptor */
    char *script; /* hex digits, from malloc */
    bool mature;
};

/* As the balance that counts it; else why none does. */
static const char *field_name(const struct spv_wallet_coin *coin)
{
    switch (coin->balance) {
    case SPV_BALANCE_CONFIRMED:
        return "confirmed";
    case SPV_BALANCE_TRUSTED_PENDING:
        return "pending";
    case SPV_BALANCE_UNTRUSTED_PENDING:
        return "untrusted";
    case SPV_BALANCE_IMMATURE:
        return "immature";
    case SPV_BALANCE_NONE:
        break;
    }
    return coin->spent_unconfirmed ? "spending" : "doubtful";
}

static void print_json(const struct spv_wallet_coin *coin, const struct coin_view *v)
{
    cli_json(json_pack("{s:s, s:s, s:I, s:I, s:s, s:s?, s:s?, s:I, s:I, s:o, s:I, s:b, s:b, s:b}",
                       "event", "coin", "txid", v->txid, "vout", (json_int_t)coin->vout, "value",
                       (json_int_t)coin->value, "script", v->script, "address",
                       v->address[0] != '\0' ? v->address : NULL, "descriptor", v->descriptor,
                       "branch", (json_int_t)coin->origin.branch, "index",
                       (json_int_t)coin->origin.index, "height",
                       coin->height != SPV_NO_HEIGHT ? json_integer(coin->height) : json_null(),
                       "confirmations", (json_int_t)coin->confirmations, "coinbase", coin->coinbase,
                       "mature", v->mature, "spent_unconfirmed", coin->spent_unconfirmed));
}

static const char *truth(bool is)
{
    return is ? "true" : "false";
}

static void print_csv(const struct watch_job *j, const struct spv_wallet_coin *coin,
                      const struct coin_view *v)
{
    char value[CLI_FIGURE], height[CLI_FIGURE] = "";

    if (coin->height != SPV_NO_HEIGHT)
        (void)snprintf(height, sizeof height, "%" PRIu32, coin->height);
    (void)printf("%s,%" PRIu32 ",%s,%s,%s,", v->txid, coin->vout,
                 watch_amount(value, coin->value, j->sat), v->script, v->address);
    watch_cell(v->descriptor ? v->descriptor : "", ',');
    (void)printf("%" PRIu32 ",%" PRIu32 ",%s,%" PRIu32 ",%s,%s,%s\n", coin->origin.branch,
                 coin->origin.index, height, coin->confirmations, truth(coin->coinbase),
                 truth(v->mature), truth(coin->spent_unconfirmed));
}

static void print_line(const struct watch_job *j, const struct spv_wallet_coin *coin,
                       const struct coin_view *v)
{
    char value[CLI_FIGURE], depth[CLI_FIGURE], id[WATCH_SHORT], where[WATCH_SHORT];
    char place[WATCH_SHORT + 16];

    (void)snprintf(place, sizeof place, "%s:%" PRIu32,
                   watch_short(id, v->txid, j->verbose ? 64 : 8, 0), coin->vout);
    watch_short(where, v->address[0] != '\0' ? v->address : v->script, j->verbose ? 80 : 12,
                j->verbose ? 0 : 6);
    cli_print("%18s  %9s  %-9s  %-16s  %s", watch_amount(value, coin->value, j->sat),
              cli_count(depth, coin->confirmations), field_name(coin), place, where);
}

static void print_head(const struct watch_job *j)
{
    if (cli_json_on())
        return;
    if (j->csv)
        (void)printf("txid,vout,value,script,address,descriptor,branch,index,height,confirmations,"
                     "coinbase,mature,spent_unconfirmed\n");
    else
        cli_print("%18s  %9s  %-9s  %-16s  %s", j->sat ? "satoshis" : "BTC", "confirmed", "balance",
                  "coin", "address");
}

/* Returns 0 or SPV_ERR_NOMEM. */
static int print_coin(const struct watch_job *j, const struct watch_set *watches,
                      const struct spv_wallet_coin *coin)
{
    struct watch_entry *entry = watch_set_find(watches, coin->origin.watch);
    struct coin_view v = {.script = watch_hex(&coin->script)};

    if (!v.script)
        return SPV_ERR_NOMEM;
    v.descriptor = entry ? watch_set_single(entry, coin->origin.branch) : NULL;
    v.mature = !coin->coinbase || coin->confirmations > SPV_COINBASE_MATURITY;
    spv_txid_hex(v.txid, &coin->txid);
    if (spv_address_encode(v.address, coin->script.bytes, coin->script.n, j->params.net.network) !=
        0)
        v.address[0] = '\0';
    if (cli_json_on())
        print_json(coin, &v);
    else if (j->csv)
        print_csv(j, coin, &v);
    else
        print_line(j, coin, &v);
    free(v.script);
    return 0;
}

static int print_all(const struct watch_job *j, const struct watch_set *watches,
                     struct spv_wallet_iter *it, int64_t min)
{
    struct spv_wallet_item item;
    int rc = spv_wallet_iter_list(it, SPV_WALLET_LIST_COINS, NULL);

    print_head(j);
    while (rc == 0 && watch_goes_on() && (rc = spv_wallet_iter_next(it, &item)) == 1)
        rc = item.of.coin.coin.value < min ? 0 : print_coin(j, watches, &item.of.coin.coin);
    return rc;
}

int watch_coins(struct watch_job *j)
{
    struct spv_wallet_iter *it = NULL;
    struct watch_set watches = {.n = 0};
    int64_t min = 0;
    int rc, err;

    if (j->min && watch_read_amount(&min, j->min, j->sat) != 0)
        return cli_usage(j->sat ? "--min: '%s' is not an amount in satoshis."
                                : "--min: '%s' is not an amount in BTC with at most 8 decimals.",
                         j->min);
    rc = watch_open(j, SPV_STORE_READ);
    if (rc == CLI_DONE)
        rc = watch_snapshot(j, &it);
    if (rc == CLI_DONE) {
        err = watch_set_load(&watches, it);
        if (err == 0)
            err = print_all(j, &watches, it, min);
        rc = err == SPV_ERR_NOMEM ? cli_fail(err, "not enough memory.")
             : err < 0            ? watch_failed(j, err)
             : cli_stopped()      ? (int)cli_stop_code()
                                  : CLI_DONE;
    }
    watch_set_free(&watches);
    spv_wallet_iter_close(it);
    return rc;
}
