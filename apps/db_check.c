/* verify and repair. Findings are printed one per line on standard error, then the result. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "db.h"
#include "db_commands.h"

static int on_progress(void *ctx, uint64_t done, uint64_t total)
{
    struct db_job *j = ctx;
    db_progress(j, total == 0 ? "checking pages" : "verified", done, total);
    return cli_stopped();
}

static struct spv_verify_config config(struct db_job *j)
{
    struct spv_verify_config cfg = {
        .path = j->target.path,
        .params = db_params(j),
        .full = j->full,
        .now = {.unix_s = (int64_t)time(NULL)},
        .progress = on_progress,
        .ctx = j,
        .stop = cli_stop(),
    };
    return cfg;
}

/* why: the error that is printed next. As text it replaces an only finding that it has as well. */
static void print_findings(const struct spv_verify_report *r, const struct spv_error_info *why)
{
    cli_status_line_clear();
    if (!cli_json_on() && r->total == 1 && strstr(why->text, r->findings[0].text)) {
        return;
    }
    for (size_t i = 0; i < r->n; i++) {
        const struct spv_finding *f = &r->findings[i];
        if (cli_json_on()) {
            cli_json(json_pack("{s:s, s:o?, s:o?}", "event", "finding", "height",
                               f->height >= 0 ? json_integer((json_int_t)f->height) : json_null(),
                               "text", json_string(f->text)));
        } else {
            cli_warn("%s", f->text);
        }
    }
    if (r->total > r->n && !cli_json_on()) {
        cli_warn("and %s more", CLI_COUNT(r->total - r->n));
    }
}

/* The part of the result about filters. They may end below the tip: a sync without filters adds
 * headers only. */
static void filters_text(char *out, size_t cap, const struct spv_verify_report *r)
{
    char n[CLI_FIGURE];
    char to[CLI_FIGURE];
    char kept[CLI_FIGURE];
    char missing[CLI_FIGURE + 32] = "";
    out[0] = '\0';
    if (r->filter_headers == 0) {
        return;
    }
    if (r->valid_filter_header < r->tip) {
        (void)snprintf(missing, sizeof missing, " (%s below the tip)",
                       CLI_COUNT((uint64_t)(r->tip - r->valid_filter_header)));
    }
    (void)snprintf(out, cap, "; %s filter headers to height %s%s, %s kept filters",
                   cli_count(n, r->filter_headers), cli_count(to, (uint64_t)r->valid_filter_header),
                   missing, cli_count(kept, r->kept_filters));
}

int db_verify(struct db_job *j)
{
    struct spv_error_info why = {.code = 0};
    struct spv_verify_report r;
    char count[CLI_FIGURE];
    char height[CLI_FIGURE];
    const struct spv_verify_config cfg = config(j);
    double start = cli_clock();
    int rc = spv_store_verify(&r, &cfg, &why);
    cli_status_line_clear();
    if (rc == SPV_ERR_DB_DAMAGED || rc == SPV_ERR_HDR_TIME_FUTURE) {
        print_findings(&r, &why);
    }
    if (cli_json_on() && (rc == 0 || rc == SPV_ERR_DB_DAMAGED)) {
        cli_json(
            json_pack("{s:s, s:b, s:b, s:I, s:I, s:I, s:I, s:I, s:o?, s:I, s:b, s:b, s:b, "
                      "s:b, s:b, s:I, s:b, s:I}",
                      "event", "verify", "ok", rc == 0, "full", j->full, "headers",
                      (json_int_t)r.headers, "branch_headers", (json_int_t)r.branch_headers,
                      "height", (json_int_t)r.tip, "good_height", (json_int_t)r.valid_height,
                      "filter_headers", (json_int_t)r.filter_headers, "filter_headers_to",
                      r.valid_filter_header >= 0 ? json_integer((json_int_t)r.valid_filter_header)
                                                 : json_null(),
                      "kept_filters", (json_int_t)r.kept_filters, "hash_index", r.indexed,
                      "pages_ok", r.pages_ok, "branches_ok", r.branches_ok, "addrs_ok", r.addrs_ok,
                      "filters_ok", r.filters_ok, "wallet_rows", (json_int_t)r.wallet_rows,
                      "wallet_ok", r.wallet_ok, "findings", (json_int_t)r.total));
    }
    if (rc == SPV_ERR_INTERRUPTED) {
        return CLI_INTERRUPTED;
    }
    if (rc != 0) {
        return cli_print_error_info(&why);
    }
    if (!j->quiet) {
        char seconds[CLI_FIGURE];
        char filters[4 * CLI_FIGURE + 80];
        filters_text(filters, sizeof filters, &r);
        cli_print("%s: no damage found: %s headers to height %s%s%s, in %s", j->target.path,
                  cli_count(count, r.headers + r.branch_headers),
                  cli_count(height, (uint64_t)r.tip),
                  j->full ? ", validated by all consensus rules"
                          : ", hashes, links and chain work checked",
                  filters, cli_duration(seconds, cli_clock() - start));
    }
    return CLI_DONE;
}

static const char *name_of(enum spv_repair_outcome done)
{
    switch (done) {
    case SPV_REPAIR_NONE:
        return "nothing";
    case SPV_REPAIR_REWOUND:
        return "rewound";
    case SPV_REPAIR_SALVAGED:
        return "salvaged";
    case SPV_REPAIR_RECREATED:
        return "emptied";
    }
    return "";
}

static void print_repair(struct db_job *j, const struct spv_repair_report *r)
{
    char height[CLI_FIGURE];
    char lost[CLI_FIGURE];
    if (cli_json_on()) {
        /* a file that could not be read may have had any number of headers */
        bool counted = r->outcome != SPV_REPAIR_RECREATED || r->lost > 0;
        cli_json(json_pack("{s:s, s:s, s:I, s:o?, s:o?}", "event", "repair", "done",
                           name_of(r->outcome), "height", (json_int_t)r->height, "lost",
                           counted ? json_integer((json_int_t)r->lost) : json_null(), "copy",
                           r->copy[0] != '\0' ? json_string(r->copy) : json_null()));
        return;
    }
    if (r->outcome == SPV_REPAIR_NONE) {
        if (!j->quiet) {
            cli_print("%s: no damage found up to height %s; nothing was changed", j->target.path,
                      cli_count(height, (uint64_t)(r->height > 0 ? r->height : 0)));
        }
        return;
    }
    if (r->outcome == SPV_REPAIR_RECREATED) {
        cli_print("%s: no header could be read: the database was emptied", j->target.path);
    } else if (r->lost > 0) {
        cli_print("%s: repaired: it now ends at height %s, %s headers must be downloaded again",
                  j->target.path, cli_count(height, (uint64_t)r->height),
                  cli_count(lost, (uint64_t)r->lost));
    } else {
        cli_print("%s: repaired: it ends at height %s, no header was removed", j->target.path,
                  cli_count(height, (uint64_t)r->height));
    }
    cli_print("the damaged file was kept as %s", r->copy);
    cli_print(r->outcome == SPV_REPAIR_RECREATED
                  ? "run spv-sync to download the headers again, or spv-import to import them"
                  : "run spv-sync to resume");
}

int db_repair(struct db_job *j)
{
    struct spv_error_info why = {.code = 0};
    static struct spv_repair_report r; /* 8 KB */
    const struct spv_verify_config cfg = config(j);
    int rc = spv_store_repair(&r, &cfg, &why);
    cli_status_line_clear();
    if (r.found.total > 0) {
        print_findings(&r.found, &why);
    }
    if (rc == SPV_ERR_INTERRUPTED) {
        return CLI_INTERRUPTED;
    }
    if (rc != 0) {
        return cli_print_error_info(&why);
    }
    print_repair(j, &r);
    return CLI_DONE;
}
