/* The commands list and balance. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spv/address.h"
#include "watch_commands.h"
#include "watch_text.h"

/* ---- list ---- */

struct branches {
    struct spv_wallet_branch_row *at; /* by watch and branch; from malloc */
    size_t n, cap;
};

/* Returns 0 or an error. */
static int load_branches(struct branches *out, struct spv_wallet_iter *it)
{
    struct spv_wallet_item item;
    int rc = spv_wallet_iter_list(it, SPV_WALLET_LIST_BRANCHES, NULL);

    *out = (struct branches){.n = 0};
    while (rc == 0 && (rc = spv_wallet_iter_next(it, &item)) == 1) {
        if (out->n == out->cap) {
            const size_t cap = out->cap ? 2 * out->cap : 16;
            struct spv_wallet_branch_row *at = realloc(out->at, cap * sizeof *at);
            if (!at)
                return SPV_ERR_NOMEM;
            out->at = at;
            out->cap = cap;
        }
        out->at[out->n++] = item.of.branch;
        rc = 0;
    }
    return rc;
}

/* What is watched, as text without spaces in it; from malloc. */
static char *name_of(const struct watch_job *j, const struct spv_wallet_watch_row *row)
{
    const struct spv_watch_target *t = &row->watch;
    char text[SPV_ADDRESS_TEXT + SPV_HASH_HEX];

    switch (t->kind) {
    case SPV_WATCH_DESCRIPTOR:
        return strdup(t->descriptor);
    case SPV_WATCH_SCRIPT:
        if (spv_address_encode(text, t->script.bytes, t->script.n, j->params.net.network) == 0)
            return strdup(text);
        return watch_hex(&t->script);
    case SPV_WATCH_OUTPOINT:
        spv_txid_hex(text, &t->txid);
        (void)snprintf(text + 64, sizeof text - 64, ":%" PRIu32, t->vout);
        return strdup(text);
    case SPV_WATCH_TXID:
        break;
    }
    spv_txid_hex(text, &t->txid);
    return strdup(text);
}

static const char *kind_name(enum spv_watch_kind kind)
{
    switch (kind) {
    case SPV_WATCH_DESCRIPTOR:
        return "descriptor";
    case SPV_WATCH_SCRIPT:
        return "script";
    case SPV_WATCH_OUTPOINT:
        return "outpoint";
    case SPV_WATCH_TXID:
        break;
    }
    return "txid";
}

static json_t *branches_json(const struct spv_wallet_branch_row *at, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(
            list, json_pack("{s:I, s:I, s:I, s:I}", "branch", (json_int_t)at[i].branch, "used",
                            (json_int_t)at[i].n_used, "window", (json_int_t)at[i].window,
                            "searched", (json_int_t)at[i].n_scanned));
    return list;
}

static void list_line(const struct watch_job *j, const struct spv_wallet_watch_item *item,
                      const char *name, const struct spv_wallet_branch_row *at, size_t n)
{
    char used[CLI_FIGURE] = "-", since[CLI_FIGURE] = "genesis", what[WATCH_SHORT];
    const struct spv_watch_target *t = &item->row.watch;

    if (t->birthday > 0)
        (void)cli_time(since, t->birthday);
    for (size_t i = 0, k = 0; i < n && k + 12 < sizeof used; i++)
        k += (size_t)snprintf(used + k, sizeof used - k, "%s%" PRIu32, i > 0 ? "+" : "",
                              at[i].n_used);
    if (j->verbose) {
        cli_print("%5" PRIu64 "  %-10.10s  %5" PRIu32 "  %-11s  %s", item->row.id, since, t->gap,
                  used, "");
        cli_status_line_clear();
        (void)printf("       %s\n", name); /* of any length */
    } else {
        cli_print("%5" PRIu64 "  %-10.10s  %5" PRIu32 "  %-11s  %s", item->row.id, since, t->gap,
                  used, watch_short(what, name, 26, 11));
    }
    if (item->tag)
        cli_print("       tag: %s", item->tag);
}

static void list_csv(const struct spv_wallet_watch_item *item, const char *name,
                     const struct spv_wallet_branch_row *at, size_t n)
{
    const struct spv_watch_target *t = &item->row.watch;
    char *tag = strdup(item->tag ? item->tag : "");

    (void)printf("%" PRIu64 ",%s,", item->row.id, kind_name(t->kind));
    watch_cell(name, ',');
    (void)printf("%" PRIu32 ",%" PRId64 ",", t->gap, t->birthday);
    for (size_t i = 0; i < n; i++)
        (void)printf("%s%" PRIu32, i > 0 ? "+" : "", at[i].n_used);
    putchar(',');
    if (tag)
        cli_clean(tag);
    watch_cell(tag ? tag : "", '\n');
    free(tag);
}

static void list_json(const struct spv_wallet_watch_item *item, const char *name,
                      const struct spv_wallet_branch_row *at, size_t n)
{
    const struct spv_watch_target *t = &item->row.watch;
    const bool has_txid = t->kind == SPV_WATCH_OUTPOINT || t->kind == SPV_WATCH_TXID;
    char txid[SPV_HASH_HEX], *script = t->script.n > 0 ? watch_hex(&t->script) : NULL;

    spv_txid_hex(txid, &t->txid);
    cli_json(json_pack("{s:s, s:I, s:s, s:s?, s:s?, s:s?, s:o, s:I, s:I, s:s?, s:o}", "event",
                       "watch", "watch", (json_int_t)item->row.id, "kind", kind_name(t->kind),
                       "descriptor", t->kind == SPV_WATCH_DESCRIPTOR ? name : NULL, "script",
                       script, "txid", has_txid ? txid : NULL, "vout",
                       t->kind == SPV_WATCH_OUTPOINT ? json_integer(t->vout) : json_null(), "gap",
                       (json_int_t)t->gap, "birthday", (json_int_t)t->birthday, "tag", item->tag,
                       "branch_list", branches_json(at, n)));
    free(script);
}

static void list_head(const struct watch_job *j)
{
    if (cli_json_on())
        return;
    if (j->csv)
        (void)printf("watch,kind,descriptor,gap,birthday,used,tag\n");
    else
        cli_print("%5s  %-10s  %5s  %-11s  %s", "id", "since", "gap", "used", "watch");
}

/* Returns 0 or SPV_ERR_NOMEM. */
static int list_watch(const struct watch_job *j, const struct branches *all,
                      const struct spv_wallet_watch_item *item)
{
    char *name = name_of(j, &item->row);
    size_t first = 0, n = 0;

    if (!name)
        return SPV_ERR_NOMEM;
    while (first < all->n && all->at[first].watch < item->row.id)
        first++;
    while (first + n < all->n && all->at[first + n].watch == item->row.id)
        n++;
    if (cli_json_on())
        list_json(item, name, all->at ? all->at + first : NULL, n);
    else if (j->csv)
        list_csv(item, name, all->at + first, n);
    else
        list_line(j, item, name, all->at + first, n);
    free(name);
    return 0;
}

static int list_all(const struct watch_job *j, struct spv_wallet_iter *it)
{
    struct branches all;
    struct spv_wallet_item item;
    int rc = load_branches(&all, it);

    if (rc == 0)
        rc = spv_wallet_iter_list(it, SPV_WALLET_LIST_WATCHES, NULL);
    list_head(j);
    while (rc == 0 && watch_goes_on() && (rc = spv_wallet_iter_next(it, &item)) == 1)
        rc = list_watch(j, &all, &item.of.watch);
    free(all.at);
    return rc;
}

/* ---- balance ---- */

/* How far the wallet is behind the stored headers. */
static int print_height(struct watch_job *j, uint32_t scanned)
{
    struct spv_chain_header tip;
    const int rc = spv_store_tip(j->store, &tip);

    if (rc < 0)
        return rc;
    if (scanned == SPV_NO_HEIGHT)
        cli_print("nothing was scanned yet: run spv-watch scan or follow");
    else if (rc == 1 && tip.height > scanned)
        cli_print("as of height %s; %s more blocks are to be scanned: run spv-watch scan",
                  CLI_COUNT(scanned), CLI_COUNT(tip.height - scanned));
    else
        cli_print("as of height %s", CLI_COUNT(scanned));
    return 0;
}

static void balance_line(const struct watch_job *j, const char *name, int64_t amount)
{
    char text[CLI_FIGURE];

    cli_print("%-18s %18s %s", name, watch_amount(text, amount, j->sat), j->sat ? "sat" : "BTC");
}

static int print_balance(struct watch_job *j, const int64_t *field, uint32_t scanned)
{
    char a[CLI_FIGURE], b[CLI_FIGURE], c[CLI_FIGURE], d[CLI_FIGURE], height[CLI_FIGURE] = "";

    if (cli_json_on()) {
        cli_json(json_pack("{s:s, s:I, s:I, s:I, s:I, s:o}", "event", "balance", "confirmed",
                           (json_int_t)field[SPV_BALANCE_CONFIRMED], "trusted_pending",
                           (json_int_t)field[SPV_BALANCE_TRUSTED_PENDING], "untrusted_pending",
                           (json_int_t)field[SPV_BALANCE_UNTRUSTED_PENDING], "immature",
                           (json_int_t)field[SPV_BALANCE_IMMATURE], "height",
                           scanned != SPV_NO_HEIGHT ? json_integer(scanned) : json_null()));
        return 0;
    }
    if (j->csv) {
        if (scanned != SPV_NO_HEIGHT)
            (void)snprintf(height, sizeof height, "%" PRIu32, scanned);
        (void)printf("confirmed,trusted_pending,untrusted_pending,immature,height\n"
                     "%s,%s,%s,%s,%s\n",
                     watch_amount(a, field[SPV_BALANCE_CONFIRMED], j->sat),
                     watch_amount(b, field[SPV_BALANCE_TRUSTED_PENDING], j->sat),
                     watch_amount(c, field[SPV_BALANCE_UNTRUSTED_PENDING], j->sat),
                     watch_amount(d, field[SPV_BALANCE_IMMATURE], j->sat), height);
        return 0;
    }
    balance_line(j, "confirmed", field[SPV_BALANCE_CONFIRMED]);
    balance_line(j, "trusted pending", field[SPV_BALANCE_TRUSTED_PENDING]);
    balance_line(j, "untrusted pending", field[SPV_BALANCE_UNTRUSTED_PENDING]);
    balance_line(j, "immature", field[SPV_BALANCE_IMMATURE]);
    return print_height(j, scanned);
}

/* A watch that nothing has paid may have no row. Returns 0 or an error. */
static int find_balance(struct spv_wallet_iter *it, struct spv_wallet_balance_row *out,
                        uint64_t watch)
{
    struct spv_wallet_item item;
    int rc = spv_wallet_iter_list(it, SPV_WALLET_LIST_BALANCES, NULL);

    *out = (struct spv_wallet_balance_row){.watch = watch};
    while (rc == 0 && (rc = spv_wallet_iter_next(it, &item)) == 1) {
        if (item.of.balance.watch == watch)
            *out = item.of.balance;
        rc = 0;
    }
    return rc;
}

static int show_balance(struct watch_job *j, struct spv_wallet_iter *it)
{
    struct spv_wallet_balance_row row;
    int rc = find_balance(it, &row, j->watch == WATCH_NONE ? 0 : j->watch);

    if (rc == 0)
        rc = print_balance(j, row.amount, spv_wallet_iter_info(it)->meta.scanned.height);
    return rc;
}

/* ---- both ---- */

static int end_of(struct watch_job *j, struct spv_wallet_iter *it, int err)
{
    spv_wallet_iter_close(it);
    if (err == SPV_ERR_NOMEM)
        return cli_fail(err, "not enough memory.");
    if (err < 0)
        return watch_failed(j, err);
    return cli_stopped() ? (int)cli_stop_code() : CLI_DONE;
}

int watch_list(struct watch_job *j)
{
    struct spv_wallet_iter *it = NULL;
    int rc = watch_open(j, SPV_STORE_READ);

    if (rc == CLI_DONE)
        rc = watch_snapshot(j, &it);
    return rc == CLI_DONE ? end_of(j, it, list_all(j, it)) : rc;
}

int watch_balance(struct watch_job *j)
{
    struct spv_wallet_iter *it = NULL;
    int rc = watch_open(j, SPV_STORE_READ);

    if (rc == CLI_DONE)
        rc = watch_snapshot(j, &it);
    return rc == CLI_DONE ? end_of(j, it, show_balance(j, it)) : rc;
}
