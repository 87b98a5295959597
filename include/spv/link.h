/* A peer machine on a socket: libevent moves the bytes, arms the timers and calls back.
 *
 * A reactor is one thread's event loop with an inbox that other threads can reach. Links, dials,
 * listeners and look-ups live on a reactor; their callbacks run on its thread, one at a time. Its
 * thread is the one that runs its loop; while nobody does, any single one may stand in. Calls
 * marked "any thread" may come from anywhere; all others belong to the reactor's thread. */
#ifndef SPV_LINK_H
#define SPV_LINK_H

#include "spv/endpoint.h"
#include "spv/peer.h"

struct event_base;
struct bufferevent;

struct spv_reactor;

/* A reactor on its own event base (base NULL) or on the caller's, which then is the caller's to run
 * and to free after the reactor. SPV_ERR_NOMEM, SPV_ERR_IO. */
SPV_API int spv_reactor_new(struct spv_reactor **out, struct event_base *base);
/* Ends what still lives on it: links say on_closed (SPV_ERR_INTERRUPTED), dials and look-ups go
 * without a word. Timers and listeners are freed by their owners before. Not from a callback; NULL
 * is fine.
 */
SPV_API void spv_reactor_free(struct spv_reactor *r);
/* Runs until spv_reactor_stop, which is for good. Returns 0; SPV_ERR_IO, or SPV_ERR_STATE from
 * within itself. */
SPV_API int spv_reactor_run(struct spv_reactor *r);
/* Makes run return soon. Any thread; async-signal-safe. */
SPV_API void spv_reactor_stop(struct spv_reactor *r);
/* True once stop was called. Any thread. */
SPV_API bool spv_reactor_stopped(const struct spv_reactor *r);
/* The system's clocks, and a source of randomness, for the machines on this reactor. */
SPV_API struct spv_now spv_system_now(void);
SPV_API struct spv_rng spv_system_rng(void);

/* One timer of the caller's on a reactor: fires once at a monotonic time. */
struct spv_timer;
SPV_API int spv_timer_new(struct spv_timer **out, struct spv_reactor *r, void (*fire)(void *ctx),
                          void *ctx);
SPV_API void spv_timer_set(struct spv_timer *t, uint64_t at_us); /* SPV_NEVER disarms */
SPV_API void spv_timer_free(struct spv_timer *t);

/* A connection with its peer machine. A link belongs to its reactor until on_closed has returned,
 * and can be used until then without a thought; whoever wants it longer, or on another thread,
 * takes a reference first, on the reactor's thread or from one who holds one. Calls on a link that
 * is over do no harm: SPV_ERR_STATE, or the last statistics. */
struct spv_link;

/* Called on the reactor's thread. Every message is handed out, the handshake's too; on_ready comes
 * right after the verack that completes it. on_closed comes exactly once, last (after every
 * completion), and never inside a call on the link; the reactor gives up the link after it. The
 * message is lent for the call. Any may be NULL. */
struct spv_link_callbacks {
    void (*on_ready)(struct spv_link *link, void *ctx);
    void (*on_message)(struct spv_link *link, const struct spv_msg *msg, void *ctx);
    void (*on_closed)(struct spv_link *link, int error, void *ctx);
    void *ctx;
};

/* Takes a connected socket, however it was opened; owns it from now on, also on failure, and makes
 * it non-blocking. */
SPV_API int spv_link_attach(struct spv_link **out, struct spv_reactor *r, int fd,
                            const struct spv_peer_config *cfg, enum spv_direction dir,
                            const struct spv_link_callbacks *callbacks);

/* The same over a bufferevent (TLS, a filter, a pair) on the reactor's event base: SPV_ERR_INVALID
 * when it is on another. Its callbacks and watermarks are the link's from now on, and so is the
 * bufferevent, also on failure. It may still be connecting. (A bufferevent on a socket raises
 * SIGPIPE when the other side has gone: the program ignores it, as with all bufferevents.) */
SPV_API int spv_link_attach_bufferevent(struct spv_link **out, struct spv_reactor *r,
                                        struct bufferevent *bev, const struct spv_peer_config *cfg,
                                        enum spv_direction dir,
                                        const struct spv_link_callbacks *callbacks);

/* One more holder, one less. The last one frees; NULL is fine for unref. Any thread. */
SPV_API struct spv_link *spv_link_ref(struct spv_link *link);
SPV_API void spv_link_unref(struct spv_link *link);

/* Sends; the message is encoded before the call returns. Any thread; each thread's messages keep
 * their order. On the reactor's thread errors are as of spv_peer_send; SPV_ERR_STATE on a closed
 * link. On another thread the message goes through the reactor's inbox: SPV_ERR_QUEUE_FULL when
 * 10,000 messages or 4 MiB of this link's wait there, SPV_ERR_STATE, SPV_ERR_INVALID,
 * SPV_ERR_TOO_LONG, SPV_ERR_NOMEM; what the machine finds wrong with it later (SPV_ERR_UNSUPPORTED,
 * say) only a completion tells. */
SPV_API int spv_link_send(struct spv_link *link, const struct spv_msg *msg);

/* The same, and done says what became of it, exactly once, on the reactor's thread and never inside
 * a call on the link: 0 once the socket has taken its last byte, or the error for which it was not
 * sent, also when the link ends before or in the handshake. Not called when this call fails. */
SPV_API int spv_link_send_tracked(struct spv_link *link, const struct spv_msg *msg,
                                  void (*done)(void *ctx, int error), void *ctx);

/* Runs fn with the link's machine, for the helpers of spv/push.h and whatever else the machine
 * offers: at once on the reactor's thread, else there in its turn among the sends; what it queues
 * goes out then. Exactly once when this returns 0, with peer NULL when the link is over by then. fn
 * uses the machine only (not spv_peer_send_tagged, whose tags are the link's) and calls nothing on
 * the link. Counts as one message. SPV_ERR_STATE, SPV_ERR_QUEUE_FULL, SPV_ERR_NOMEM. Any thread. */
SPV_API int spv_link_exec(struct spv_link *link,
                          void (*fn)(void *ctx, struct spv_peer *peer, struct spv_now now),
                          void *ctx);

/* spv_peer_push_inventory. 1 taken, 0 left out (known only on the reactor's thread). Any thread. */
SPV_API int spv_link_push_inventory(struct spv_link *link, const struct spv_inv *item,
                                    uint64_t fee_rate);

/* Closes with the given reason (0: SPV_ERR_DISCONNECTED); on_closed follows from the loop, after
 * queued bytes have had up to a second to go out (not when the reason is that the peer is slow or
 * gone). Idempotent: the first reason counts. Any thread. */
SPV_API void spv_link_close(struct spv_link *link, int error);

/* Waits until the link is over: every completion and on_closed have returned. Closes nothing by
 * itself. Any thread that holds a reference, but the reactor's: SPV_ERR_STATE. */
SPV_API int spv_link_wait(struct spv_link *link);

/* On the reactor's thread of this moment; elsewhere as of the link's last wake-up. Any thread. */
SPV_API void spv_link_stats(struct spv_link *link, struct spv_peer_stats *out);
/* Who is at the other end; lives as long as the link. Any thread. */
SPV_API const struct spv_endpoint *spv_link_endpoint(const struct spv_link *link);

/* Dials a name or address: names are looked up in a worker thread, the addresses are tried in turn,
 * all within timeout_us (0: 10 s). done comes exactly once, later, from the loop: with a connected
 * socket that is now the caller's, or -1 and an error. */
struct spv_dial;
SPV_API int spv_dial_start(struct spv_dial **out, struct spv_reactor *r,
                           const struct spv_endpoint *endpoint, uint64_t timeout_us,
                           void (*done)(void *ctx, int fd, int error), void *ctx);
/* The same through a SOCKS5 proxy (RFC 1928, Tor's for one). The proxy resolves the name, nobody
 * here does; a literal address goes as one. A proxy that keeps connections with different user
 * names apart (Tor: IsolateSOCKSAuth, its default) does so for peers when each dial has its own:
 * give one, or let isolate draw one at random. With credentials, authentication is demanded of the
 * proxy. */
struct spv_proxy {
    struct spv_endpoint endpoint;
    const char *user; /* NULL: none; at most 255 bytes, not empty; lent for the call */
    const char *password; /* likewise, NULL together */
    bool isolate; /* when there is no user: random ones for this dial */
};
/* Errors of done: SPV_ERR_PROXY when the proxy cannot be reached, refuses or makes no sense; what
 * it says of the destination (SPV_ERR_REFUSED, SPV_ERR_UNREACHABLE, SPV_ERR_CONNECT_TIMEOUT,
 * SPV_ERR_RESOLVE); SPV_ERR_CONNECT_TIMEOUT when it does not answer. SPV_ERR_INVALID at the call
 * for an endpoint without host or port and for credentials that do not fit. */
SPV_API int spv_dial_proxy_start(struct spv_dial **out, struct spv_reactor *r,
                                 const struct spv_proxy *proxy, const struct spv_endpoint *endpoint,
                                 uint64_t timeout_us, void (*done)(void *ctx, int fd, int error),
                                 void *ctx);

/* Gives up; done is not called. */
SPV_API void spv_dial_cancel(struct spv_dial *d);

/* Looks a name up in a worker thread (getaddrinfo: the system's resolver, with its TCP fallback).
 * done comes exactly once, later, from the loop; addrs is lent for the call. */
#define SPV_RESOLVE_MAX 64 /* addresses handed out per name */
struct spv_resolve;
SPV_API int spv_resolve_start(
    struct spv_resolve **out, struct spv_reactor *r, const char *host, uint16_t port,
    void (*done)(void *ctx, int error, const struct spv_netaddr *addrs, size_t n), void *ctx);
SPV_API void spv_resolve_cancel(struct spv_resolve *l);

/* Accepts connections on host:port (port 0: any free one) and hands the sockets out; each is the
 * callee's from then on. Pauses for a second when the process is out of descriptors. */
struct spv_listener;
SPV_API int spv_listener_new(struct spv_listener **out, struct spv_reactor *r,
                             const struct spv_endpoint *endpoint,
                             void (*accepted)(void *ctx, int fd, const struct spv_endpoint *from),
                             void *ctx, struct spv_error_info *why);
SPV_API uint16_t spv_listener_port(const struct spv_listener *l);
/* At most so many inbound connections at once (0: no limit, as at first): who comes when all slots
 * are taken is closed unheard. Each socket handed out takes a slot until its owner says that it has
 * left: from on_closed, as a rule (NULL is fine: the listener may go first). */
SPV_API void spv_listener_set_max_conns(struct spv_listener *l, unsigned slots);
SPV_API void spv_listener_conn_closed(struct spv_listener *l);
SPV_API unsigned spv_listener_conn_count(const struct spv_listener *l);
SPV_API void spv_listener_free(struct spv_listener *l);

#endif
