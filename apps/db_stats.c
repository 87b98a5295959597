/* The command stats: one pass in constant memory; a table by calendar year, and plots on request.
 */
#include "db_stats.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "db.h"
#include "db_commands.h"
#include "output_file.h"

#define CHECK_EVERY 1024 /* rows between checks for a stop signal */
#define FIRST_YEAR 1970

static unsigned year_of(uint32_t unix_s)
{
    time_t t = (time_t)unix_s;
    struct tm tm;
    return gmtime_r(&t, &tm) ? (unsigned)(tm.tm_year + 1900 - FIRST_YEAR) : 0;
}

struct stats_pass {
    struct db_figures *f;
    uint32_t last_time; /* of the header before */
    uint32_t slice_time; /* of the slice before's last */
    bool any;
};

static void collect_stats(struct stats_pass *g, const struct spv_chain_header *r)
{
    struct db_figures *f = g->f;
    uint32_t time = r->header.time;
    double difficulty = spv_difficulty_from_bits(r->header.bits);
    struct db_year *y = &f->years[year_of(time) < DB_YEARS ? year_of(time) : DB_YEARS - 1];
    uint32_t gap = g->any && time > g->last_time ? time - g->last_time : 0;
    if (!g->any) {
        g->slice_time = time;
    }
    if (y->blocks++ == 0) {
        y->first_difficulty = difficulty;
    }
    y->last_difficulty = difficulty;
    y->seconds += gap;
    if (gap > y->longest) {
        y->longest = gap;
        y->longest_height = r->height;
    }
    uint32_t at = (r->height - f->from) / f->per_slice;
    struct db_slice *s = &f->slices[at < DB_SLICES ? at : DB_SLICES - 1];
    if (s->blocks++ == 0) {
        g->slice_time = g->any ? g->last_time : time;
        f->n_slices = at + 1;
    }
    s->height = r->height;
    s->time = time;
    s->seconds = (int64_t)time - g->slice_time;
    s->difficulty = difficulty;
    g->last_time = time;
    g->any = true;
}

static int read_stats(struct db_job *j, struct db_figures *f)
{
    struct spv_store_iter *iter = NULL;
    struct spv_chain_header r;
    struct stats_pass g = {.f = f};
    int rc = spv_store_iter_open(&iter, j->store, f->from, f->to);
    while (rc >= 0 && (rc = spv_store_iter_next(iter, &r)) > 0) {
        collect_stats(&g, &r);
        if (r.height % CHECK_EVERY == 0) {
            db_progress(j, "read", r.height - f->from, (uint64_t)f->to - f->from + 1);
            rc = cli_stopped() ? SPV_ERR_INTERRUPTED : rc;
        }
    }
    spv_store_iter_close(iter);
    cli_status_line_clear();
    if (rc == SPV_ERR_INTERRUPTED) {
        return CLI_INTERRUPTED;
    }
    return rc < 0 ? db_failed(j, rc) : CLI_DONE;
}

static void print_year(unsigned year, const struct db_year *y)
{
    char blocks[CLI_FIGURE];
    char mean[CLI_FIGURE];
    char longest[CLI_FIGURE];
    double interval = (double)y->seconds / y->blocks;
    if (cli_json_on()) {
        cli_json(json_pack("{s:s, s:i, s:I, s:f, s:I, s:I, s:f, s:f}", "event", "year", "year",
                           (int)year, "blocks", (json_int_t)y->blocks, "mean_interval", interval,
                           "longest_interval", (json_int_t)y->longest, "longest_height",
                           (json_int_t)y->longest_height, "first_difficulty", y->first_difficulty,
                           "last_difficulty", y->last_difficulty));
        return;
    }
    uint64_t tenths = (uint64_t)(interval * 10 + 0.5);
    (void)snprintf(mean, sizeof mean, "%.24s.%u s", CLI_COUNT(tenths / 10),
                   (unsigned)(tenths % 10));
    cli_print("%-6u %9s %10s %14s at %-10s %14.6g %14.6g", year, cli_count(blocks, y->blocks), mean,
              cli_duration(longest, y->longest), CLI_COUNT(y->longest_height), y->first_difficulty,
              y->last_difficulty);
}

static void print_stats(const struct db_figures *f)
{
    struct db_year all = {.blocks = 0};
    if (!cli_json_on()) {
        cli_print("%s, heights %s to %s (UTC)", f->network, CLI_COUNT(f->from), CLI_COUNT(f->to));
        cli_print("%-6s %9s %10s %14s    %-10s %14s %14s", "year", "blocks", "interval", "longest",
                  "height", "difficulty from", "to");
    }
    for (unsigned i = 0; i < DB_YEARS; i++) {
        const struct db_year *y = &f->years[i];
        if (y->blocks > 0) {
            print_year(FIRST_YEAR + i, y);
            all.blocks += y->blocks;
            all.seconds += y->seconds;
        }
    }
    if (cli_json_on()) {
        cli_json(json_pack("{s:s, s:s, s:I, s:I, s:I, s:f}", "event", "stats", "network",
                           f->network, "from", (json_int_t)f->from, "to", (json_int_t)f->to,
                           "headers", (json_int_t)all.blocks, "mean_interval",
                           (double)all.seconds / (all.blocks > 0 ? all.blocks : 1)));
    }
}

static int draw_svg(struct db_job *j, const struct db_figures *f)
{
    struct output_file s;
    memset(&s, 0, sizeof s);
    s.fd = -1;
    int rc = output_file_open(&s, "svg", j->svg, j->target.path, false);
    if (rc == CLI_DONE) {
        db_svg(&s, f);
        rc = output_file_finish(&s);
    }
    output_file_close(&s);
    return rc;
}

/* The output is SVG; refuses a file name with the extension of another format. */
static int check_svg(const char *name)
{
    static const char *const others[] = {".png", ".jpg", ".jpeg", ".gif",  ".pdf", ".webp",
                                         ".bmp", ".tif", ".tiff", ".avif", ".eps", ".html"};
    const char *dot = name ? strrchr(name, '.') : NULL;
    bool other = dot && compress_unsupported(name);
    for (size_t i = 0; dot && i < sizeof others / sizeof others[0]; i++) {
        other = other || strcasecmp(dot, others[i]) == 0;
    }
    return other
               ? cli_usage(
                     "--svg: %s: the output format is SVG, not %s. Name a file that ends in .svg, "
                     ".svg.gz or .svg.zst.",
                     name, dot)
               : CLI_DONE;
}

int db_stats(struct db_job *j)
{
    static struct db_figures f; /* 30 KB */
    struct spv_chain_header tip;
    struct spv_chain_start base;
    int rc = check_svg(j->svg);
    if (rc != CLI_DONE) {
        return rc;
    }
    rc = db_open(j, SPV_STORE_READ);
    if (rc != CLI_DONE) {
        return rc;
    }
    int found = spv_store_tip(j->store, &tip);
    if (found < 1) {
        return db_failed(j, found < 0 ? found : SPV_ERR_DB_DAMAGED);
    }
    spv_store_get_start(j->store, &base);
    f.network = spv_store_params(j->store)->net.name;
    f.from = base.height;
    f.to = tip.height;
    f.per_slice = (f.to - f.from) / DB_SLICES + 1;
    rc = read_stats(j, &f);
    if (rc != CLI_DONE) {
        return rc;
    }
    print_stats(&f);
    return j->svg ? draw_svg(j, &f) : CLI_DONE;
}
