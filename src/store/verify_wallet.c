/* The wallet: first each row alone; when all are well-formed, all together. Which unconfirmed
 * transactions are sufficiently announced depends on a setting that is not stored
 * (spv_wallet_config.min_groups), so the tables are valid when they fit one of its values. */
#include "store/schema.h"
#include "store/verify.h"
#include "store/wallet_check.h"

static void report_finding(void *ctx, const char *text)
{
    struct spv_verify *v = ctx;
    v->report->wallet_ok = false;
    spv_verify_found(v, -1, "the wallet's %s", text);
}

static int count_row(void *ctx)
{
    struct spv_verify *v = ctx;
    const struct spv_verify_report *r = v->report;
    v->report->wallet_rows++;
    return spv_verify_progress(v,
                               r->headers + r->filter_headers + r->kept_filters + r->wallet_rows);
}

/* Without a row of metadata there is no wallet, and there must be no other rows. */
static int check_absent(struct spv_verify *v)
{
    if (v->report->wallet_rows > 0)
        report_finding(v, "metadata is missing");
    return 0;
}

static int check_together(struct spv_verify *v, const struct spv_wallet_check *c)
{
    /* the default first */
    static const uint32_t min_groups[] = {2, 1, 3, 4, 5, 6, 7, 8};
    struct spv_wallet *wallet = NULL;
    struct spv_wallet_info info;
    int rc = spv_store_wallet_info(v->s, &info);
    if (rc <= 0)
        return rc < 0 ? rc : check_absent(v);
    for (size_t i = 0; i < sizeof min_groups / sizeof min_groups[0]; i++) {
        spv_wallet_free(wallet);
        wallet = NULL;
        rc = spv_wallet_check_load(&wallet, c, min_groups[i]);
        if (rc <= 0)
            return rc;
        rc = spv_wallet_has_changes(v->s, wallet);
        if (rc <= 0)
            break;
    }
    rc = rc < 0 ? rc : spv_wallet_check_derived(c, wallet);
    spv_wallet_free(wallet);
    return rc;
}

int spv_verify_wallet(struct spv_verify *v)
{
    const struct spv_wallet_check c = {
        .s = v->s, .found = report_finding, .row = count_row, .ctx = v};
    int64_t version = 0;
    int rc = spv_db_integer(v->s, &version, "PRAGMA user_version", "verify it");
    if (rc || version < SPV_SCHEMA_WALLET)
        return rc;
    rc = spv_wallet_check_rows(&c);
    if (!rc && v->report->wallet_ok)
        rc = spv_wallet_check_broadcast(&c);
    if (!rc && v->report->wallet_ok)
        rc = check_together(v, &c);
    if (rc == SPV_ERR_DB_DAMAGED) { /* a page that cannot be read */
        v->report->pages_ok = false;
        report_finding(v, "tables cannot be read");
        rc = 0;
    }
    return rc;
}
