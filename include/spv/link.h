/* A connection with its peer state machine (spv/peer.h) on a reactor: libevent moves the bytes and
 * arms the deadlines, messages arrive as callbacks. */
#ifndef SPV_LINK_H
#define SPV_LINK_H

#include <stdint.h>

#include "spv/peer.h"
#include "spv/reactor.h"

#ifdef __cplusplus
extern "C" {
#endif

struct bufferevent;

/* A link. It is valid until on_closed has returned; code that uses it longer, or on another
 * thread, takes a reference (spv_link_ref) before. Calls on a closed link have no effect: they
 * return SPV_ERR_STATE, or the last statistics. */
struct spv_link;

/* Called on the reactor's thread; any may be NULL. The callbacks may call every function on every
 * link, but may not free the reactor. */
struct spv_link_callbacks {
    /* The handshake is complete; called directly after on_message for the verack. */
    void (*on_ready)(struct spv_link *link, void *ctx);
    /* A message, those of the handshake included. msg and its arrays are valid during the call. */
    void (*on_message)(struct spv_link *link, const struct spv_msg *msg, void *ctx);
    /* The connection has ended for the given reason (negative enum spv_err): exactly once, as the
     * last callback, after every completion, and never inside a call on the link. */
    void (*on_closed)(struct spv_link *link, int error, void *ctx);
    void *ctx;
};

/* Starts a link on a connected stream socket, which becomes the link's, also on failure, and
 * non-blocking. callbacks and cfg are copied; what cfg points at must outlive the link. An empty
 * cfg->endpoint is filled in from the socket.
 * Returns 0, SPV_ERR_INVALID as for spv_peer_new, SPV_ERR_NOMEM, or SPV_ERR_STATE while the reactor
 * is being freed. Reactor's thread. */
SPV_API int spv_link_attach(struct spv_link **out, struct spv_reactor *r, int fd,
                            const struct spv_peer_config *cfg, enum spv_direction dir,
                            const struct spv_link_callbacks *callbacks);

/* Starts a link on a bufferevent (TLS, a filter, a pair) of the reactor's event base. The
 * bufferevent, its callbacks and its watermarks become the link's, the bufferevent also on failure.
 * It may still be connecting. A bufferevent on a socket raises SIGPIPE when the peer has
 * disconnected, unless the program ignores that signal.
 * Returns 0, SPV_ERR_INVALID for another event base and as for spv_peer_new, SPV_ERR_NOMEM,
 * SPV_ERR_IO, or SPV_ERR_STATE while the reactor is being freed. Reactor's thread. */
SPV_API int spv_link_attach_bufferevent(struct spv_link **out, struct spv_reactor *r,
                                        struct bufferevent *bev, const struct spv_peer_config *cfg,
                                        enum spv_direction dir,
                                        const struct spv_link_callbacks *callbacks);

/* Adds a reference and returns link. Reactor's thread while the link is valid; any thread that has
 * a reference. */
SPV_API struct spv_link *spv_link_ref(struct spv_link *link);

/* Drops a reference; the last one frees the link. NULL is ignored. Any thread. */
SPV_API void spv_link_unref(struct spv_link *link);

/* Queues a message, which is encoded before the call returns. Messages of one thread keep their
 * order.
 * Returns 0 or an error and queues nothing. On the reactor's thread: the errors of spv_peer_send,
 * or SPV_ERR_STATE on a closed link. On another thread the message is first queued for the
 * reactor's thread: SPV_ERR_QUEUE_FULL when 10,000 messages or 4 MiB of this link wait there,
 * SPV_ERR_STATE, SPV_ERR_INVALID, SPV_ERR_TOO_LONG or SPV_ERR_NOMEM; errors that occur later, in
 * the peer state machine (SPV_ERR_UNSUPPORTED, for example), are reported by the completion only.
 * Any thread. */
SPV_API int spv_link_send(struct spv_link *link, const struct spv_msg *msg);

/* Queues a message as spv_link_send does and reports its outcome. When the call returns 0, done is
 * called exactly once, on the reactor's thread and never inside a call on the link: with 0 when the
 * socket has taken the last byte, else with the error for which the message was not sent, also when
 * the link closes before or during the handshake. When the call fails, done is not called.
 * Returns as spv_link_send. Any thread. */
SPV_API int spv_link_send_tracked(struct spv_link *link, const struct spv_msg *msg,
                                  void (*done)(void *ctx, int error), void *ctx);

/* Calls fn with the link's peer state machine, for spv/push.h and other functions on it: at once on
 * the reactor's thread; from another thread later, in order with that thread's messages; it counts
 * as a message. What fn queues is then sent. When the call returns 0, fn is called exactly once,
 * with peer NULL when the link has closed meanwhile. fn may not use spv_peer_send_tagged, whose
 * tags are the link's, and may call no function on the link or the reactor.
 * Returns 0, SPV_ERR_STATE on a closed link, SPV_ERR_QUEUE_FULL or SPV_ERR_NOMEM. Any thread. */
SPV_API int spv_link_exec(struct spv_link *link,
                          void (*fn)(void *ctx, struct spv_peer *peer, struct spv_now now),
                          void *ctx);

/* Announces a transaction or block as spv_peer_push_inventory does; fee_rate is in satoshis per
 * 1,000 virtual bytes. item is copied.
 * Returns 1 when it is queued, 0 when it was omitted (on the reactor's thread only: elsewhere that
 * is not determined yet), or the errors of spv_link_exec and spv_peer_push_inventory. Any thread.
 */
SPV_API int spv_link_push_inventory(struct spv_link *link, const struct spv_inv *item,
                                    uint64_t fee_rate);

/* Closes the link for the given reason, a negative enum spv_err (0: SPV_ERR_DISCONNECTED).
 * on_closed follows from the loop, after queued bytes had up to a second to be written; they are
 * dropped when the reason is a timeout or a lost connection. On a closing or closed link nothing
 * happens: the first reason counts. Any thread. */
SPV_API void spv_link_close(struct spv_link *link, int error);

/* Blocks until the link has closed: every completion and on_closed have returned. It does not close
 * the link. The caller must have a reference.
 * Returns 0, or SPV_ERR_STATE on the reactor's thread. Any other thread. */
SPV_API int spv_link_wait(struct spv_link *link);

/* Copies the statistics: current ones on the reactor's thread, else those after the last event of
 * the link. Any thread. */
SPV_API void spv_link_stats(struct spv_link *link, struct spv_peer_stats *out);

/* Returns what spv_peer_wants_v1 does for the link's peer; for on_closed. Reactor's thread. */
SPV_API bool spv_link_wants_v1(const struct spv_link *link);

/* Returns the peer's address, "local" with port 0 when it is not an IP address; valid as long as
 * the link. Any thread. */
SPV_API const struct spv_endpoint *spv_link_endpoint(const struct spv_link *link);

#ifdef __cplusplus
}
#endif

#endif
