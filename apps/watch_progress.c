/* What a scan shows. Until the headers and their filter headers are there it is what spv-sync
 * shows; then blocks a second, which with compact filters is filters a second. */
#include <stdio.h>
#include <string.h>

#include "watch_run.h"
#include "watch_text.h"

static const char *const names[] = {[SPV_SOURCE_AUTO] = "auto",
                                    [SPV_SOURCE_FILTERS] = "filters",
                                    [SPV_SOURCE_BLOOM] = "bloom",
                                    [SPV_SOURCE_BLOCKS] = "blocks"};

const char *watch_source_name(enum spv_source source)
{
    return names[source];
}

int watch_source_of(enum spv_source *out, const char *name)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) == 0) {
            *out = (enum spv_source)i;
            return 0;
        }
    }
    return -1;
}

void watch_show_privacy(void)
{
    cli_print("What peers learn of this wallet depends on where its coins are looked for:");
    cli_print("filters  (compact filters) peers see that some blocks are fetched, from several");
    cli_print("         peers and mixed with others; never your addresses. The default.");
    cli_print("bloom    (bloom filters) a peer can learn most of your addresses, and that they");
    cli_print("         belong together; only with --source bloom or --allow-bloom.");
    cli_print("blocks   (whole blocks) peers learn nothing, as every block is fetched; meant");
    cli_print("         for a node of your own.");
}

/* The tip, and how much of the blocks up to it is looked at. */
struct figures {
    struct spv_node_stats stats;
    struct spv_wallet_status status;
    uint32_t tip, height;
    double percent; /* rounded down, so that 100 means complete */
};

static void read_figures(struct figures *f, const struct watch_run *r)
{
    spv_evloop_get_stats(r->loop, &f->stats);
    spv_evloop_wallet_status(r->loop, &f->status);
    f->tip = f->stats.tip.height;
    f->height = f->tip > f->status.left ? f->tip - f->status.left : 0;
    f->percent = f->status.left == 0 ? 100 : (double)(unsigned)(f->status.progress * 999) / 10;
}

static void write_line(char *out, size_t cap, const struct figures *f)
{
    char a[CLI_FIGURE], b[CLI_FIGURE], c[CLI_FIGURE], d[CLI_FIGURE], left[CLI_FIGURE + 16] = "";
    const struct spv_wallet_status *s = &f->status;

    if (s->left_us > 0 && s->left > 0)
        (void)snprintf(left, sizeof left, "  %s left", cli_duration(d, (double)s->left_us / 1e6));
    (void)cli_rate(c, s->rate); /* "12/s" */
    (void)snprintf(out, cap, "scanned %s of %s (%.1f%%)  %.*s %s/s%s  %s %s fetched  %u %s",
                   cli_count(a, f->height), cli_count(b, f->tip), f->percent, (int)strlen(c) - 2, c,
                   s->source == SPV_SOURCE_BLOCKS ? "blocks" : "filters", left,
                   CLI_COUNT(s->fetched), s->fetched == 1 ? "block" : "blocks", f->stats.peers,
                   f->stats.peers == 1 ? "peer" : "peers");
}

static json_t *object_of(const struct watch_run *r, const char *event, const struct figures *f)
{
    const struct spv_wallet_status *s = &f->status;

    return json_pack(
        "{s:s, s:s, s:o, s:I, s:f, s:I, s:f, s:I, s:s?, s:i, s:o}", "event", event, "network",
        r->job->params.net.name, "scanned_height",
        s->scanned.height != SPV_NO_HEIGHT ? json_integer(s->scanned.height) : json_null(),
        "target_height", (json_int_t)f->tip, "percent", f->percent, "left", (json_int_t)s->left,
        "rate", s->rate, "blocks_fetched", (json_int_t)s->fetched, "source",
        s->has_source ? watch_source_name(s->source) : NULL, "peers", (int)f->stats.peers,
        "seconds_left",
        s->left > 0 && s->left_us == 0 ? json_null() : json_real((double)s->left_us / 1e6));
}

/* The source has something to look at. */
static bool is_scanning(const struct watch_run *r, const struct figures *f)
{
    if (!r->synced || !f->status.has_source)
        return false;
    return f->status.source != SPV_SOURCE_FILTERS || f->stats.filter_height > 0;
}

void watch_show_progress(struct watch_run *r)
{
    char line[6 * CLI_FIGURE + 96];
    struct figures f;

    read_figures(&f, r);
    report_sample(&r->report, &f.stats);
    if (!is_scanning(r, &f)) {
        report_progress(&r->report, &f.stats, NULL, 0);
        return;
    }
    if (cli_json_on()) {
        cli_json(object_of(r, "scanning", &f));
        return;
    }
    write_line(line, sizeof line, &f);
    if (cli_live())
        cli_status_line(line);
    else
        cli_print("%s", line);
}

void watch_show_scanned(struct watch_run *r)
{
    char a[CLI_FIGURE], b[CLI_FIGURE], c[CLI_FIGURE], hash[SPV_HASH_HEX];
    struct figures f;
    json_t *object;

    read_figures(&f, r);
    if (cli_json_on()) {
        object = object_of(r, "scanned", &f);
        spv_blockhash_hex(hash, &r->scanned.hash);
        if (object) {
            json_object_set_new(object, "height", json_integer(r->scanned.height));
            json_object_set_new(object, "hash", json_string(hash));
            json_object_set_new(object, "seconds", json_real(cli_clock() - r->started));
        }
        cli_json(object);
        return;
    }
    cli_print("%s scanned up to height %s by %s, %s %s fetched in %s", r->job->params.net.name,
              cli_count(a, r->scanned.height), watch_source_name(f.status.source),
              cli_count(b, f.status.fetched), f.status.fetched == 1 ? "block" : "blocks",
              cli_duration(c, cli_clock() - r->started));
}
