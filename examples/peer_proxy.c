/* peer_proxy NETWORK LISTEN:PORT UPSTREAM[:PORT] [CLIENTS]: forwards messages between two peers.
 * For each client it opens a connection to the upstream peer. Every message is printed on a line
 * and forwarded to the other side. Both sides perform the handshake with the proxy, not with each
 * other. It exits after CLIENTS disconnects; without CLIENTS it runs until killed. With port 0 the
 * system chooses a free port, which the first printed line contains.
 *
 *   cc peer_proxy.c $(pkg-config --cflags --libs spv-peer) -o peer_proxy
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <spv/dial.h>
#include <spv/link.h>
#include <spv/listener.h>

struct app {
    struct spv_reactor *reactor;
    struct spv_listener *listener;
    const struct spv_netid *net;
    struct spv_endpoint upstream;
    unsigned long left;
    int stopping; /* freeing the reactor ends the dials */
};

enum { CLIENT, UPSTREAM };

struct pair {
    struct app *app;
    struct spv_dial *dial; /* to the upstream peer; NULL once it has ended */
    struct side {
        struct pair *pair;
        struct spv_link *link; /* NULL before the connection and after it */
    } side[2];
};

static void end_pair(struct pair *pair)
{
    struct app *app = pair->app;

    if (pair->side[CLIENT].link || pair->side[UPSTREAM].link)
        return; /* the other side's on_closed follows */
    if (!app->stopping)
        spv_dial_cancel(pair->dial);
    free(pair);
    spv_listener_conn_closed(app->listener);
    if (app->left > 0 && --app->left == 0)
        spv_reactor_stop(app->reactor);
}

/* Handshake, pings and negotiated features concern one connection and are not forwarded. */
static int is_ours(enum spv_command command)
{
    return command == SPV_CMD_VERSION || command == SPV_CMD_VERACK ||
           command == SPV_CMD_WTXIDRELAY || command == SPV_CMD_SENDADDRV2 ||
           command == SPV_CMD_PING || command == SPV_CMD_PONG;
}

static void on_message(struct spv_link *link, const struct spv_msg *msg, void *ctx)
{
    const struct side *from = ctx;
    struct pair *pair = from->pair;
    const int is_client = from == &pair->side[CLIENT];
    struct spv_link *to = pair->side[is_client ? UPSTREAM : CLIENT].link;
    char line[SPV_MSG_FORMAT_MAX];

    printf("%s %s\n", is_client ? "->" : "<-", spv_msg_format(line, sizeof line, msg));
    fflush(stdout);
    if (is_ours(msg->command) || !to)
        return;
    /* Before the other side's handshake is complete, the message waits in its send queue. */
    int rc = spv_link_send(to, msg);
    if (rc < 0 && rc != SPV_ERR_UNSUPPORTED)
        spv_link_close(link, rc);
}

static void on_closed(struct spv_link *link, int error, void *ctx)
{
    struct side *side = ctx;
    struct pair *pair = side->pair;
    const int is_client = side == &pair->side[CLIENT];
    struct spv_link *other = pair->side[is_client ? UPSTREAM : CLIENT].link;

    (void)link;
    printf("%s gone: %s\n", is_client ? "client" : "upstream", spv_strerror(error));
    fflush(stdout);
    side->link = NULL;
    if (other)
        spv_link_close(other, SPV_ERR_DISCONNECTED);
    end_pair(pair);
}

static int attach(struct side *side, int fd, enum spv_direction direction)
{
    struct app *app = side->pair->app;
    const struct spv_peer_config config = {
        .net = app->net, .services = SPV_NODE_NETWORK, .relay = true, .rng = spv_system_rng()};
    const struct spv_link_callbacks callbacks = {
        .on_message = on_message, .on_closed = on_closed, .ctx = side};

    return spv_link_attach(&side->link, app->reactor, fd, &config, direction, &callbacks);
}

/* The client's link starts only now, so that its first messages can be forwarded. */
static void on_dialled(void *ctx, int fd, int error)
{
    struct pair *pair = ctx;

    pair->dial = NULL;
    if (error == 0)
        error = attach(&pair->side[UPSTREAM], fd, SPV_OUTBOUND);
    if (error < 0) {
        printf("upstream: %s\n", spv_strerror(error));
        fflush(stdout);
        if (pair->side[CLIENT].link)
            spv_link_close(pair->side[CLIENT].link, SPV_ERR_DISCONNECTED);
    }
}

static void on_accepted(void *ctx, int fd, const struct spv_endpoint *from)
{
    struct app *app = ctx;
    struct pair *pair = calloc(1, sizeof *pair);

    (void)from;
    if (!pair) {
        close(fd);
        spv_listener_conn_closed(app->listener);
        return;
    }
    pair->app = app;
    pair->side[CLIENT].pair = pair;
    pair->side[UPSTREAM].pair = pair;
    if (spv_dial_start(&pair->dial, app->reactor, &app->upstream, 0, on_dialled, pair) < 0) {
        close(fd);
        end_pair(pair);
        return;
    }
    if (attach(&pair->side[CLIENT], fd, SPV_INBOUND) < 0)
        end_pair(pair);
}

int main(int argc, char **argv)
{
    struct app app = {0};
    struct spv_endpoint at;
    struct spv_error_info why;

    app.net = argc == 4 || argc == 5 ? spv_netid_by_name(argv[1]) : NULL;
    if (!app.net || spv_endpoint_parse(&at, argv[2], app.net->port) < 0 ||
        spv_endpoint_parse(&app.upstream, argv[3], app.net->port) < 0) {
        fprintf(stderr, "usage: %s NETWORK LISTEN:PORT UPSTREAM[:PORT] [CLIENTS]\n", argv[0]);
        return 2;
    }
    if (argc == 5)
        app.left = strtoul(argv[4], NULL, 10);
    if (spv_reactor_new(&app.reactor, NULL) < 0)
        return 1;
    if (spv_listener_new(&app.listener, app.reactor, &at, on_accepted, &app, &why) < 0) {
        fprintf(stderr, "peer_proxy: %s\n", why.text);
        spv_reactor_free(app.reactor);
        return 1;
    }
    printf("listening on port %u\n", (unsigned)spv_listener_port(app.listener));
    fflush(stdout);
    int rc = spv_reactor_run(app.reactor);
    spv_listener_free(app.listener);
    app.listener = NULL;
    app.stopping = 1;
    spv_reactor_free(app.reactor); /* open links call on_closed */
    return rc == 0 ? 0 : 1;
}
