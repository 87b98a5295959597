/* peer_tool MODE HOST:PORT [KEY=VALUE...]: one connection of libspv-peer, driven by lines on stdin.
 *
 * MODE is dial, or listen (port 0: any; takes the first that comes). Options: services=, need=,
 * version=, relay=0, tolerant=1. Every event is one line of JSON on stdout: listening, attached,
 * ready, each message with its key facts, sent, refused, stats, and closed with the error's name.
 *
 * The reactor runs on the main thread. The reader thread waits until there is a link and then uses
 * the calls of any thread alone: it sends, asks for statistics, closes and waits. What no sane peer
 * sends goes out by `raw`, on a second descriptor of the same socket. The end of stdin closes. */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "peer_tool.h"
#include "spv/dial.h"
#include "spv/link.h"
#include "spv/listener.h"

struct tool {
    struct spv_reactor *reactor;
    struct spv_listener *listener;
    struct spv_dial *dial;
    struct spv_peer_config config;
    struct spv_self_nonces nonces;
    enum spv_direction direction;
    pthread_mutex_t lock; /* of the following fields, shared with the reader thread */
    pthread_cond_t changed;
    struct spv_link *link; /* owns one reference; NULL: none yet */
    int raw; /* the same socket once more; -1: closed */
    bool failed; /* there will be no link */
};

/* ---- events, on the reactor's thread ---- */

static void on_ready(struct spv_link *link, void *ctx)
{
    (void)ctx;
    tool_print_stats("ready", link);
}

static void on_message(struct spv_link *link, const struct spv_msg *msg, void *ctx)
{
    (void)link;
    (void)ctx;
    tool_print_message(msg);
}

static void on_closed(struct spv_link *link, int error, void *ctx)
{
    struct tool *t = ctx;
    (void)link;
    (void)pthread_mutex_lock(&t->lock);
    (void)shutdown(t->raw, SHUT_RDWR);
    (void)close(t->raw);
    t->raw = -1;
    (void)pthread_mutex_unlock(&t->lock);
    tool_print_error("closed", NULL, error);
}

/* There is a socket, or there never will be one. */
static void attach(struct tool *t, int fd, int error)
{
    const struct spv_link_callbacks callbacks = {
        .on_ready = on_ready, .on_message = on_message, .on_closed = on_closed, .ctx = t};
    struct spv_link *link = NULL;
    const int raw = fd >= 0 ? dup(fd) : -1;
    if (fd >= 0)
        error = spv_link_attach(&link, t->reactor, fd, &t->config, t->direction, &callbacks);
    (void)pthread_mutex_lock(&t->lock);
    if (error < 0) {
        t->failed = true;
        (void)close(raw);
    } else {
        t->link = spv_link_ref(link);
        t->raw = raw;
    }
    (void)pthread_cond_signal(&t->changed);
    (void)pthread_mutex_unlock(&t->lock);
    if (error < 0)
        tool_print_error("closed", NULL, error);
    else
        tool_print("attached");
}

static void on_dialled(void *ctx, int fd, int error)
{
    struct tool *t = ctx;
    t->dial = NULL;
    attach(t, fd, error);
}

static void on_accepted(void *ctx, int fd, const struct spv_endpoint *from)
{
    struct tool *t = ctx;
    if (t->link) {
        (void)close(fd);
        return;
    }
    t->config.endpoint = *from;
    attach(t, fd, 0);
}

/* ---- commands, on the reader thread ---- */

static void on_sent(void *ctx, int error)
{
    tool_print_error("sent", ctx, error);
}

static void send_raw(struct tool *t, const struct tool_line *line)
{
    size_t done = 0;
    (void)pthread_mutex_lock(&t->lock);
    while (t->raw >= 0 && done < line->n_bytes) {
        struct pollfd ready = {.fd = t->raw, .events = POLLOUT};
        ssize_t n = poll(&ready, 1, -1) < 0
                        ? -1
                        : send(t->raw, line->bytes + done, line->n_bytes - done, MSG_NOSIGNAL);
        if (n < 0)
            break;
        done += (size_t)n;
    }
    (void)pthread_mutex_unlock(&t->lock);
    tool_print_error("sent", "raw", done == line->n_bytes ? 0 : SPV_ERR_RESET);
}

static void do_line(struct tool *t, const char *text)
{
    struct tool_line line;
    if (!tool_parse(&line, text)) {
        tool_print_error("refused", "line", SPV_ERR_MALFORMED);
        return;
    }
    switch (line.action) {
    case TOOL_SEND: {
        /* The names are static strings; a completion only reads it. */
        const char *name = spv_command_name(line.msg.command);
        int rc = spv_link_send_tracked(t->link, &line.msg, on_sent, (void *)(uintptr_t)name);
        if (rc < 0)
            tool_print_error("refused", name, rc);
        break;
    }
    case TOOL_RAW:
        send_raw(t, &line);
        break;
    case TOOL_STATS:
        tool_print_stats("stats", t->link);
        break;
    case TOOL_CLOSE:
        spv_link_close(t->link, 0);
        break;
    }
    tool_line_free(&line);
}

static void *read_lines(void *arg)
{
    struct tool *t = arg;
    char *text = NULL;
    size_t cap = 0;

    (void)pthread_mutex_lock(&t->lock);
    while (!t->link && !t->failed)
        (void)pthread_cond_wait(&t->changed, &t->lock);
    (void)pthread_mutex_unlock(&t->lock);

    while (getline(&text, &cap, stdin) >= 0)
        if (t->link)
            do_line(t, text);
    free(text);
    if (t->link) {
        spv_link_close(t->link, 0);
        (void)spv_link_wait(t->link);
        tool_print_stats("over", t->link);
        spv_link_unref(t->link);
    }
    spv_reactor_stop(t->reactor);
    return NULL;
}

/* --- start and end --- */

static bool take_option(struct tool *t, const char *text)
{
    const char *value = strchr(text, '=');
    if (!value)
        return false;
    const size_t n = (size_t)(value++ - text);
    const uint64_t number = strtoull(value, NULL, 0);
    if (n == 8 && strncmp(text, "services", n) == 0)
        t->config.services = number;
    else if (n == 4 && strncmp(text, "need", n) == 0)
        t->config.need_services = number;
    else if (n == 7 && strncmp(text, "version", n) == 0)
        t->config.max_version = (uint32_t)number;
    else if (n == 5 && strncmp(text, "relay", n) == 0)
        t->config.relay = number != 0;
    else if (n == 9 && strncmp(text, "transport", n) == 0)
        t->config.transport = (enum spv_transport_choice)number;
    else if (n == 8 && strncmp(text, "tolerant", n) == 0)
        t->config.tolerate_malformed = number != 0;
    else
        return false;
    return true;
}

static int start(struct tool *t, const char *mode)
{
    struct spv_error_info why;
    int rc;
    if (strcmp(mode, "dial") == 0) {
        t->direction = SPV_OUTBOUND;
        return spv_dial_start(&t->dial, t->reactor, &t->config.endpoint, 0, on_dialled, t);
    }
    t->direction = SPV_INBOUND;
    rc = spv_listener_new(&t->listener, t->reactor, &t->config.endpoint, on_accepted, t, &why);
    if (rc == 0)
        tool_print_port(spv_listener_port(t->listener));
    else
        fprintf(stderr, "peer_tool: %s\n", why.text);
    return rc;
}

int main(int argc, char **argv)
{
    struct tool t = {.raw = -1, .config = {.relay = true, .wtxidrelay = true}};
    pthread_t reader;
    int rc = SPV_ERR_INVALID;

    t.config.net = spv_netid_get(SPV_REGTEST);
    t.config.rng = spv_system_rng();
    t.config.self_nonces = &t.nonces;
    bool good = argc >= 3 && (strcmp(argv[1], "dial") == 0 || strcmp(argv[1], "listen") == 0) &&
                spv_endpoint_parse(&t.config.endpoint, argv[2], t.config.net->port) == 0;
    for (int i = 3; good && i < argc; i++)
        good = take_option(&t, argv[i]);
    if (!good) {
        fprintf(stderr, "usage: %s dial|listen HOST:PORT [KEY=VALUE...]\n", argv[0]);
        return 2;
    }
    if (pthread_mutex_init(&t.lock, NULL) != 0)
        return 1;
    if (pthread_cond_init(&t.changed, NULL) != 0)
        goto err1;
    rc = spv_reactor_new(&t.reactor, NULL);
    if (rc < 0)
        goto err2;
    rc = start(&t, argv[1]);
    if (rc < 0)
        goto err3;
    if (pthread_create(&reader, NULL, read_lines, &t) != 0) {
        rc = SPV_ERR_NOMEM;
        goto err3;
    }
    rc = spv_reactor_run(t.reactor);
    (void)pthread_join(reader, NULL);
err3:
    spv_listener_free(t.listener);
    spv_reactor_free(t.reactor);
err2:
    (void)pthread_cond_destroy(&t.changed);
err1:
    (void)pthread_mutex_destroy(&t.lock);
    if (rc < 0)
        fprintf(stderr, "peer_tool: %s\n", spv_strerror(rc));
    return rc < 0 ? 1 : 0;
}
