/* peer_version NETWORK HOST[:PORT]: connects to a peer, prints its version message and exits. The
 * shortest program on libspv-peer's reactor, to start your own from.
 *
 *   cc peer_version.c $(pkg-config --cflags --libs spv-peer) -o peer_version
 */
#include <inttypes.h>
#include <stdio.h>

#include <spv/dial.h>
#include <spv/link.h>

struct app {
    struct spv_reactor *reactor;
    const struct spv_netid *net;
    int error; /* SPV_ERR_STATE until the connection has ended */
};

static void on_ready(struct spv_link *link, void *ctx)
{
    struct app *app = ctx;
    struct spv_peer_stats peer;

    spv_link_stats(link, &peer);
    printf("version %" PRIu32 " services %" PRIx64 " height %" PRId32 " agent %s\n",
           peer.peer_version, peer.services, peer.start_height, peer.user_agent);
    app->error = 0;
    spv_link_close(link, SPV_ERR_DISCONNECTED);
}

/* The last callback of a link, for every reason of its end. */
static void on_closed(struct spv_link *link, int error, void *ctx)
{
    struct app *app = ctx;

    (void)link;
    if (app->error != 0)
        app->error = error;
    spv_reactor_stop(app->reactor);
}

static void on_dialled(void *ctx, int fd, int error)
{
    struct app *app = ctx;
    const struct spv_peer_config config = {.net = app->net, .rng = spv_system_rng()};
    const struct spv_link_callbacks callbacks = {
        .on_ready = on_ready, .on_closed = on_closed, .ctx = app};
    struct spv_link *link;

    if (error == 0) /* from here on the link owns the socket, also after an error */
        error = spv_link_attach(&link, app->reactor, fd, &config, SPV_OUTBOUND, &callbacks);
    if (error < 0) {
        app->error = error;
        spv_reactor_stop(app->reactor);
    }
}

int main(int argc, char **argv)
{
    struct app app = {.error = SPV_ERR_STATE};
    struct spv_endpoint peer;
    struct spv_dial *dial;

    app.net = argc == 3 ? spv_netid_by_name(argv[1]) : NULL;
    if (!app.net || spv_endpoint_parse(&peer, argv[2], app.net->port) < 0) {
        fprintf(stderr, "usage: %s NETWORK HOST[:PORT]\n", argv[0]);
        return 2;
    }
    int rc = spv_reactor_new(&app.reactor, NULL);
    if (rc == 0) {
        rc = spv_dial_start(&dial, app.reactor, &peer, 0, on_dialled, &app);
        if (rc == 0)
            rc = spv_reactor_run(app.reactor);
        spv_reactor_free(app.reactor);
    }
    if (rc == 0)
        rc = app.error;
    if (rc < 0)
        fprintf(stderr, "peer_version: %s: %s\n", argv[2], spv_strerror(rc));
    return rc == 0 ? 0 : 1;
}
