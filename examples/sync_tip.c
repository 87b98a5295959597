/* sync_tip HOST:PORT DATABASE: downloads the headers of a regtest peer into a database, prints the
 * tip's height and hash, and exits. The shortest complete program on libspv, to start your own
 * from.
 *
 *   cc sync_tip.c $(pkg-config --cflags --libs spv) -o sync_tip
 */
#include <signal.h>
#include <stdio.h>

#include <spv/spv.h>

struct app {
    struct spv_evloop *loop;
    int failed; /* error of the last failed connection */
    int synced;
};

static void on_event(void *ctx, const struct spv_event *event)
{
    struct app *app = ctx;
    switch (event->kind) {
    case SPV_EVENT_SYNCED:
        app->synced = 1;
        spv_evloop_stop(app->loop);
        break;
    case SPV_EVENT_UNRESOLVED:
        fprintf(stderr, "sync_tip: %s: %s\n", event->address, event->text);
        spv_evloop_stop(app->loop);
        break;
    case SPV_EVENT_CONNECT_FAILED:
    case SPV_EVENT_DISCONNECTED:
    case SPV_EVENT_BANNED:
        /* A wallet would wait: the node reconnects by itself. */
        app->failed = event->error;
        fprintf(stderr, "sync_tip: %s: %s\n", event->address, spv_strerror(event->error));
        spv_evloop_stop(app->loop);
        break;
    case SPV_EVENT_CONNECTED:
    case SPV_EVENT_PROGRESS:
    case SPV_EVENT_REORG:
    case SPV_EVENT_BEHIND:
    case SPV_EVENT_BACKFILL_DONE:
    case SPV_EVENT_FILTERS_SYNCED:
    case SPV_EVENT_WARNING:
        break;
    }
}

static struct spv_evloop *interrupted;

static void on_signal(int sig)
{
    (void)sig;
    /* Documented as async-signal-safe; run() then returns with everything stored. */
    spv_evloop_stop(interrupted); /* NOLINT(bugprone-signal-handler) */
}

int main(int argc, char **argv)
{
    const struct spv_params *params = spv_params_get(SPV_REGTEST);
    struct spv_endpoint peer;
    struct spv_error_info why;
    struct spv_store *store;
    struct app app = {0};

    if (argc != 3 || spv_endpoint_parse(&peer, argv[1], params->net.port) < 0) {
        fprintf(stderr, "usage: %s HOST[:PORT] DATABASE\n", argv[0]);
        return 2;
    }
    const struct spv_store_config store_config = {
        .path = argv[2], .params = params, .mode = SPV_STORE_CREATE};
    if (spv_store_open(&store, &store_config, &why) < 0) {
        fprintf(stderr, "sync_tip: %s\n", why.text);
        return 1;
    }
    const struct spv_evloop_config loop_config = {
        .node = {.params = params, .connect = &peer, .n_connect = 1},
        .store = store,
        .on_event = on_event,
        .ctx = &app,
    };
    if (spv_evloop_new(&app.loop, &loop_config, &why) < 0) {
        fprintf(stderr, "sync_tip: %s\n", why.text);
        spv_store_close(store);
        return 1;
    }
    interrupted = app.loop;
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);

    int rc = spv_evloop_run(app.loop);
    struct spv_chain_header tip;
    if (rc < 0)
        fprintf(stderr, "sync_tip: %s\n", spv_store_last_error(store));
    else if (spv_store_tip(store, &tip) == 1) {
        char hash[SPV_HASH_HEX];
        spv_blockhash_hex(hash, &tip.hash);
        printf("%u %s\n", (unsigned)tip.height, hash);
    }
    spv_evloop_free(app.loop);
    if (spv_store_close(store) < 0)
        rc = SPV_ERR_DB;
    return rc == 0 && app.synced ? 0 : 1;
}
