/* Creates links: the state of a link, then its stream over a socket or a bufferevent. */
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/link.h"
#include "net/sockaddr.h"

/* Bytes of one read where connections are to use little memory (trim_at_once): messages after the
 * one at which reading stops stay in the peer state machine. */
#define SMALL_READ 8192

/* fd is used for the peer's address only. */
static void init_endpoint(struct spv_link *l, int fd)
{
    struct sockaddr_storage sa = {0};
    socklen_t len = sizeof sa;
    (void)getpeername(fd, (struct sockaddr *)&sa, &len);
    spv_sock_to_endpoint(&l->endpoint, (const struct sockaddr *)&sa);
}

/* Everything but the stream. */
static int new_link(struct spv_link **out, struct spv_reactor *r, const struct spv_peer_config *cfg,
                    enum spv_direction dir, const struct spv_link_callbacks *callbacks, int fd)
{
    int rc = SPV_ERR_NOMEM;
    struct spv_link *l = calloc(1, sizeof *l);
    if (!l)
        goto err0;
    l->callbacks = *callbacks;
    l->read_size = cfg->trim_at_once ? SMALL_READ : SPV_SCRATCH;
    l->wakeup.run = spv_link_on_wakeup;
    init_endpoint(l, fd);
    l->task_queue = spv_task_queue_ref(r->task_queue);
    rc = spv_mailbox_init(&l->mailbox);
    if (rc < 0)
        goto err1;
    rc = spv_link_shared_init(&l->shared);
    if (rc < 0)
        goto err2;
    struct spv_peer_config own = *cfg;
    if (own.endpoint.host[0] == '\0')
        own.endpoint = l->endpoint;
    rc = spv_peer_new(&l->peer, &own, dir, spv_system_now());
    if (rc < 0)
        goto err3;
    rc = SPV_ERR_NOMEM;
    l->deferred_event = event_new(r->base, -1, 0, spv_link_on_deferred, l);
    if (!l->deferred_event)
        goto err4;
    rc = spv_timer_new(&l->timer, r, spv_link_on_timer, l);
    if (rc < 0)
        goto err5;
    rc = spv_handle_register(r, &l->handle, SPV_HANDLE_CONNECTION, spv_link_on_handle_close);
    if (rc < 0)
        goto err6;
    *out = l;
    return 0;
err6:
    spv_timer_free(l->timer);
err5:
    event_free(l->deferred_event);
err4:
    spv_peer_free(l->peer);
err3:
    spv_link_shared_destroy(&l->shared);
err2:
    spv_mailbox_destroy(&l->mailbox);
err1:
    spv_task_queue_unref(l->task_queue);
    free(l);
err0:
    return rc;
}

/* Undoes new_link. */
static void drop_link(struct spv_link *l)
{
    spv_handle_unregister(&l->handle);
    spv_timer_free(l->timer);
    event_free(l->deferred_event);
    spv_peer_free(l->peer);
    l->peer = NULL;
    spv_link_unref(l);
}

int spv_link_attach(struct spv_link **out, struct spv_reactor *r, int fd,
                    const struct spv_peer_config *cfg, enum spv_direction dir,
                    const struct spv_link_callbacks *callbacks)
{
    struct spv_link *l;
    r->callbacks++; /* the observer may be called */
    int rc = new_link(&l, r, cfg, dir, callbacks, fd);
    if (rc < 0)
        goto err0;
    const struct spv_stream stream_callbacks = {
        .on_readable = spv_link_on_readable, .on_writable = spv_link_on_writable, .ctx = l};
    rc = spv_stream_new_socket(&l->stream, r, fd, &stream_callbacks);
    if (rc < 0)
        goto err1;
    spv_link_flush(l);
    r->callbacks--;
    *out = l;
    return 0;
err1:
    drop_link(l);
err0:
    r->callbacks--;
    (void)close(fd);
    return rc;
}

int spv_link_attach_bufferevent(struct spv_link **out, struct spv_reactor *r,
                                struct bufferevent *bev, const struct spv_peer_config *cfg,
                                enum spv_direction dir, const struct spv_link_callbacks *callbacks)
{
    struct spv_link *l;
    int rc = SPV_ERR_INVALID;
    r->callbacks++; /* the observer may be called */
    if (bufferevent_get_base(bev) != r->base)
        goto err0;
    rc = new_link(&l, r, cfg, dir, callbacks, bufferevent_getfd(bev));
    if (rc < 0)
        goto err0;
    const struct spv_stream stream_callbacks = {
        .on_readable = spv_link_on_readable, .on_writable = spv_link_on_writable, .ctx = l};
    rc = spv_stream_new_bufferevent(&l->stream, r, bev, &stream_callbacks);
    if (rc < 0)
        goto err1;
    spv_link_flush(l);
    r->callbacks--;
    *out = l;
    return 0;
err1:
    drop_link(l);
err0:
    r->callbacks--;
    bufferevent_free(bev);
    return rc;
}
