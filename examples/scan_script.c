/* scan_script HOST:PORT DATABASE SCRIPT...: finds what pays a script, and what spends that, in the
 * chain of a regtest peer that serves compact block filters (BIP157). The scripts are in hex. The
 * peer does not learn what is looked for. Prints a line for each transaction found: the height of
 * its block and its txid.
 *
 *   cc scan_script.c $(pkg-config --cflags --libs spv) -o scan_script
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <spv/spv.h>

#define MAX_SCRIPTS 1000

struct app {
    struct spv_evloop *loop;
    int done;
};

static void on_event(void *ctx, const struct spv_event *event)
{
    struct app *app = ctx;

    if (event->kind != SPV_EVENT_CONNECT_FAILED && event->kind != SPV_EVENT_DISCONNECTED &&
        event->kind != SPV_EVENT_BANNED)
        return;
    /* A wallet would wait: the node reconnects by itself. */
    fprintf(stderr, "scan_script: %s: %s\n", event->address, spv_strerror(event->error));
    spv_evloop_stop(app->loop);
}

static void print_transactions(const struct spv_scan_event *event)
{
    struct spv_block_iter txs = spv_block_txs(&event->block);
    struct spv_tx tx;
    size_t found = 0;

    for (uint32_t i = 0; found < event->n && spv_block_next(&txs, &tx); i++) {
        struct spv_txid txid;
        char hex[SPV_HASH_HEX];
        if (i != event->positions[found])
            continue;
        spv_tx_txid(&txid, &tx);
        spv_txid_hex(hex, &txid);
        printf("%u %s\n", (unsigned)event->height, hex);
        found++;
    }
}

static void on_scan(void *ctx, const struct spv_scan_event *event)
{
    struct app *app = ctx;

    switch (event->kind) {
    case SPV_SCAN_FOUND:
        print_transactions(event);
        break;
    case SPV_SCAN_ROLLED_BACK:
        printf("undone above %u\n", (unsigned)event->height);
        break;
    case SPV_SCAN_DONE:
        printf("done %u\n", (unsigned)event->height);
        app->done = 1;
        spv_evloop_stop(app->loop);
        break;
    }
}

/* Returns the number of bytes, or 0 when it is no hex. */
static size_t read_hex(uint8_t *out, size_t cap, const char *hex)
{
    const size_t n = strlen(hex) / 2;

    if (n > cap || strlen(hex) % 2 != 0)
        return 0;
    for (size_t i = 0; i < n; i++) {
        char digits[3] = {hex[2 * i], hex[2 * i + 1], '\0'}, *end;
        out[i] = (uint8_t)strtoul(digits, &end, 16);
        if (*end != '\0')
            return 0;
    }
    return n;
}

static int scan(struct app *app, const struct spv_endpoint *peer, struct spv_store *store,
                const struct spv_bytes *scripts, size_t n)
{
    struct spv_error_info why;
    const struct spv_evloop_config config = {
        .node = {.params = spv_params_get(SPV_REGTEST),
                 .connect = peer,
                 .n_connect = 1,
                 .filters = true},
        .store = store,
        .on_event = on_event,
        .on_scan = on_scan,
        .keep_filters = 100000000, /* a later scan needs no network for them */
        .ctx = app,
    };

    if (spv_evloop_new(&app->loop, &config, &why) < 0) {
        fprintf(stderr, "scan_script: %s\n", why.text);
        return 1;
    }
    int rc = spv_evloop_scan(app->loop, scripts, n, 1, UINT32_MAX);
    if (rc == 0)
        rc = spv_evloop_run(app->loop);
    if (rc < 0)
        fprintf(stderr, "scan_script: %s\n", spv_strerror(rc));
    spv_evloop_free(app->loop);
    return rc == 0 && app->done ? 0 : 1;
}

int main(int argc, char **argv)
{
    static uint8_t bytes[MAX_SCRIPTS][100];
    struct spv_bytes scripts[MAX_SCRIPTS];
    const struct spv_params *params = spv_params_get(SPV_REGTEST);
    struct spv_endpoint peer;
    struct spv_error_info why;
    struct spv_store *store;
    struct app app = {0};
    size_t n = 0;

    for (int i = 3; i < argc && n < MAX_SCRIPTS; i++, n++) {
        scripts[n].bytes = bytes[n];
        scripts[n].n = read_hex(bytes[n], sizeof bytes[n], argv[i]);
        if (scripts[n].n == 0)
            argc = 0;
    }
    if (argc < 4 || spv_endpoint_parse(&peer, argv[1], params->net.port) < 0) {
        fprintf(stderr, "usage: scan_script HOST[:PORT] DATABASE SCRIPT...\n");
        return 2;
    }
    const struct spv_store_config config = {
        .path = argv[2], .params = params, .mode = SPV_STORE_CREATE};
    if (spv_store_open(&store, &config, &why) < 0) {
        fprintf(stderr, "scan_script: %s\n", why.text);
        return 1;
    }
    const int failed = scan(&app, &peer, store, scripts, n);
    return spv_store_close(store) < 0 ? 1 : failed;
}
