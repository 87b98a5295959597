/* peer_listen NETWORK HOST:PORT [CLIENTS]: accepts inbound peers, answers their getheaders and
 * getaddr (it has no headers and no addresses), and prints each connect and disconnect. It exits
 * after CLIENTS disconnects; without CLIENTS it runs until killed. With port 0 the system chooses a
 * free port, which the first printed line contains.
 *
 *   cc peer_listen.c $(pkg-config --cflags --libs spv-peer) -o peer_listen
 */
#include <stdio.h>
#include <stdlib.h>

#include <spv/link.h>
#include <spv/listener.h>

#define SLOTS 100 /* inbound connections at once */

struct app {
    struct spv_reactor *reactor;
    struct spv_listener *listener;
    const struct spv_netid *net;
    struct spv_self_nonces nonces; /* to detect connections to ourselves */
    unsigned long left; /* remaining clients before the exit; 0: no limit */
};

static void on_ready(struct spv_link *link, void *ctx)
{
    struct spv_peer_stats peer;

    (void)ctx;
    spv_link_stats(link, &peer);
    printf("client %s %s\n", spv_link_endpoint(link)->host, peer.user_agent);
    fflush(stdout);
}

static void on_message(struct spv_link *link, const struct spv_msg *msg, void *ctx)
{
    const struct spv_msg headers = {.command = SPV_CMD_HEADERS}; /* none */
    const struct spv_msg addr = {.command = SPV_CMD_ADDR};
    int rc = 0;

    (void)ctx;
    if (msg->command == SPV_CMD_GETHEADERS)
        rc = spv_link_send(link, &headers);
    else if (msg->command == SPV_CMD_GETADDR)
        rc = spv_link_send(link, &addr);
    /* The peer state machine answers pings; all other messages may be ignored. */
    if (rc < 0)
        spv_link_close(link, rc);
}

static void on_closed(struct spv_link *link, int error, void *ctx)
{
    struct app *app = ctx;

    printf("gone %s: %s\n", spv_link_endpoint(link)->host, spv_strerror(error));
    fflush(stdout);
    spv_listener_conn_closed(app->listener); /* its slot is free again */
    if (app->left > 0 && --app->left == 0)
        spv_reactor_stop(app->reactor);
}

static void on_accepted(void *ctx, int fd, const struct spv_endpoint *from)
{
    struct app *app = ctx;
    const struct spv_peer_config config = {.net = app->net,
                                           .services = SPV_NODE_NETWORK,
                                           .rng = spv_system_rng(),
                                           .self_nonces = &app->nonces};
    const struct spv_link_callbacks callbacks = {
        .on_ready = on_ready, .on_message = on_message, .on_closed = on_closed, .ctx = app};
    struct spv_link *link;

    int rc = spv_link_attach(&link, app->reactor, fd, &config, SPV_INBOUND, &callbacks);
    if (rc < 0) {
        fprintf(stderr, "peer_listen: %s: %s\n", from->host, spv_strerror(rc));
        spv_listener_conn_closed(app->listener);
    }
}

int main(int argc, char **argv)
{
    struct app app = {0};
    struct spv_endpoint at;
    struct spv_error_info why;
    int rc;

    app.net = argc == 3 || argc == 4 ? spv_netid_by_name(argv[1]) : NULL;
    if (!app.net || spv_endpoint_parse(&at, argv[2], app.net->port) < 0) {
        fprintf(stderr, "usage: %s NETWORK HOST:PORT [CLIENTS]\n", argv[0]);
        return 2;
    }
    if (argc == 4)
        app.left = strtoul(argv[3], NULL, 10);
    rc = spv_reactor_new(&app.reactor, NULL);
    if (rc < 0) {
        fprintf(stderr, "peer_listen: %s\n", spv_strerror(rc));
        return 1;
    }
    rc = spv_listener_new(&app.listener, app.reactor, &at, on_accepted, &app, &why);
    if (rc < 0) {
        fprintf(stderr, "peer_listen: %s\n", why.text);
        spv_reactor_free(app.reactor);
        return 1;
    }
    spv_listener_set_max_conns(app.listener, SLOTS);
    printf("listening on port %u\n", (unsigned)spv_listener_port(app.listener));
    fflush(stdout);
    rc = spv_reactor_run(app.reactor);
    spv_listener_free(app.listener);
    app.listener = NULL;
    spv_reactor_free(app.reactor); /* open links call on_closed */
    return rc == 0 ? 0 : 1;
}
