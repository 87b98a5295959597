/* A listening socket on libevent's evconnlistener. Accepting may fail temporarily (no descriptors,
 * no memory): then it pauses, because the kernel would report the same pending connection again in
 * every turn of the loop. */
#include <errno.h>
#include <event2/listener.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/listener.h"
#include "net/reactor.h"
#include "net/sockaddr.h"
#include "spv/listener.h"

#define PAUSE_US SPV_SECOND
#define BACKLOG 128 /* connections not accepted yet */
/* accepts in a row before other sockets have their turn: libevent would go on as long as there are
 * connections */
#define MAX_ACCEPTS 32

struct spv_listener {
    struct spv_handle handle; /* first */
    struct evconnlistener *ev; /* NULL: the reactor was freed */
    struct spv_timer *pause;
    uint16_t port;
    unsigned max_conns; /* 0: no limit */
    unsigned n_conns;
    unsigned accepts; /* since the last pause */
    void (*accepted)(void *ctx, int fd, const struct spv_endpoint *from);
    void *ctx;
};

static void on_accept(struct evconnlistener *ev, evutil_socket_t fd, struct sockaddr *sa, int len,
                      void *ctx)
{
    struct spv_listener *l = ctx;
    (void)len;
    if (++l->accepts >= MAX_ACCEPTS) {
        l->accepts = 0;
        (void)evconnlistener_disable(ev);
        spv_timer_set(l->pause, 0); /* in the next turn of the loop */
    }
    if (l->max_conns > 0 && l->n_conns >= l->max_conns) {
        (void)close(fd); /* at once, so that the client does not wait for a reply */
        return;
    }
    l->n_conns++;
    struct spv_endpoint from;
    spv_sock_to_endpoint(&from, sa);
    struct spv_reactor *r = l->handle.reactor;
    spv_reactor_begin_callback(r);
    l->accepted(l->ctx, fd, &from); /* may free the listener */
    spv_reactor_end_callback(r);
}

static void on_error(struct evconnlistener *ev, void *ctx)
{
    struct spv_listener *l = ctx;
    (void)evconnlistener_disable(ev);
    spv_timer_set(l->pause, spv_system_now().mono_us + PAUSE_US);
}

static void on_pause_over(void *ctx)
{
    struct spv_listener *l = ctx;
    if (evconnlistener_enable(l->ev) != 0)
        spv_timer_set(l->pause, spv_system_now().mono_us + PAUSE_US);
}

static int listen_error_text(struct spv_error_info *why, int code, const struct spv_endpoint *at,
                             const char *reason, const char *advice)
{
    if (!why)
        return code;
    char text[SPV_ENDPOINT_TEXT];
    spv_endpoint_text(text, at);
    why->code = (enum spv_err)code;
    (void)snprintf(why->text, sizeof why->text, "cannot listen on %s: %s; %s", text, reason,
                   advice);
    return code;
}

static int bind_error_text(struct spv_error_info *why, const struct spv_endpoint *at, int errnum)
{
    char reason[128];
    if (strerror_r(errnum, reason, sizeof reason) != 0)
        (void)snprintf(reason, sizeof reason, "error %d", errnum);
    const char *advice = "check the address and the port";
    if (errnum == EADDRINUSE)
        advice = "another program has this port: stop it or choose another port";
    else if (errnum == EADDRNOTAVAIL)
        advice = "choose an address of this machine, 127.0.0.1 or 0.0.0.0";
    else if (errnum == EACCES)
        advice = "choose a port above 1023 or run with the right to use this one";
    else if (errnum == EMFILE || errnum == ENFILE)
        advice = "raise the limit of open files (ulimit -n)";
    return listen_error_text(why, SPV_ERR_IO, at, reason, advice);
}

/* A bound socket on the first of the addresses that can be bound; -1 and *errnum. */
static int bind_first(const struct addrinfo *list, uint16_t port, int *errnum)
{
    for (const struct addrinfo *ai = list; ai; ai = ai->ai_next) {
        struct spv_netaddr addr;
        struct sockaddr_storage sa;
        socklen_t len;
        if (spv_sock_to_netaddr(&addr, ai->ai_addr) < 0)
            continue;
        addr.port = port;
        if (spv_sock_from_netaddr(&sa, &len, &addr) < 0)
            continue;
        int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0) {
            *errnum = errno;
            continue;
        }
        /* After a restart, old connections on this port are in TIME_WAIT. */
        const int on = 1;
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        if (bind(fd, (const struct sockaddr *)&sa, len) == 0 && listen(fd, BACKLOG) == 0)
            return fd;
        *errnum = errno;
        (void)close(fd);
    }
    return -1;
}

int spv_listen_open(int *out, const struct spv_endpoint *at, struct spv_error_info *why)
{
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *list = NULL;
    int gai = getaddrinfo(at->host, NULL, &hints, &list);
    if (gai != 0)
        return listen_error_text(why, SPV_ERR_RESOLVE, at, gai_strerror(gai),
                                 "give an address of this machine");
    int errnum = EADDRNOTAVAIL;
    *out = bind_first(list, at->port, &errnum);
    freeaddrinfo(list);
    return *out >= 0 ? 0 : bind_error_text(why, at, errnum);
}

uint16_t spv_listen_port(int fd)
{
    struct sockaddr_storage sa = {0};
    socklen_t len = sizeof sa;
    struct spv_netaddr addr = {0};
    if (getsockname(fd, (struct sockaddr *)&sa, &len) == 0)
        (void)spv_sock_to_netaddr(&addr, (const struct sockaddr *)&sa);
    return addr.port;
}

/* Closes the socket; the owner frees the memory. */
static void listener_close(struct spv_handle *handle)
{
    struct spv_listener *l = (struct spv_listener *)handle;
    spv_handle_unregister(handle);
    evconnlistener_free(l->ev);
    l->ev = NULL;
}

int spv_listener_new(struct spv_listener **out, struct spv_reactor *r,
                     const struct spv_endpoint *endpoint,
                     void (*accepted)(void *ctx, int fd, const struct spv_endpoint *from),
                     void *ctx, struct spv_error_info *why)
{
    static const char nomem_advice[] = "close other programs and try again";
    int rc = SPV_ERR_NOMEM;
    int fd = -1;
    struct spv_listener *l = calloc(1, sizeof *l);
    if (!l)
        return listen_error_text(why, rc, endpoint, spv_strerror(rc), nomem_advice);
    l->accepted = accepted;
    l->ctx = ctx;
    rc = spv_listen_open(&fd, endpoint, why);
    if (rc < 0)
        goto err1;
    l->port = spv_listen_port(fd);
    rc = spv_timer_new(&l->pause, r, on_pause_over, l);
    if (rc < 0) {
        (void)listen_error_text(why, rc, endpoint, spv_strerror(rc), nomem_advice);
        goto err2;
    }
    /* Backlog 0: the socket listens already. */
    l->ev = evconnlistener_new(r->base, on_accept, l, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC,
                               0, fd);
    if (!l->ev) {
        rc = listen_error_text(why, SPV_ERR_NOMEM, endpoint, spv_strerror(SPV_ERR_NOMEM),
                               nomem_advice);
        goto err3;
    }
    fd = -1; /* now the evconnlistener's */
    rc = spv_handle_register(r, &l->handle, SPV_HANDLE_OWNED, listener_close);
    if (rc < 0) {
        (void)listen_error_text(why, rc, endpoint, spv_strerror(rc), nomem_advice);
        goto err4;
    }
    evconnlistener_set_error_cb(l->ev, on_error);
    *out = l;
    return 0;
err4:
    evconnlistener_free(l->ev);
err3:
    spv_timer_free(l->pause);
err2:
    if (fd >= 0)
        (void)close(fd);
err1:
    free(l);
    return rc;
}

uint16_t spv_listener_port(const struct spv_listener *l)
{
    return l->port;
}

void spv_listener_set_max_conns(struct spv_listener *l, unsigned max_conns)
{
    l->max_conns = max_conns;
}

void spv_listener_conn_closed(struct spv_listener *l)
{
    if (l && l->n_conns > 0)
        l->n_conns--;
}

unsigned spv_listener_conn_count(const struct spv_listener *l)
{
    return l->n_conns;
}

void spv_listener_free(struct spv_listener *l)
{
    if (!l)
        return;
    if (l->ev)
        listener_close(&l->handle);
    spv_timer_free(l->pause);
    free(l);
}
