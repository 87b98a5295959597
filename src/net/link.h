/* The internals of a link. link.c is its state machine on the reactor's thread, link_attach.c
 * creates links, link_api.c has the calls of any thread, and link_shared.c what outlives the
 * connection: references, published statistics and the end of the link. */
#ifndef SPV_NET_LINK_H
#define SPV_NET_LINK_H

#include <pthread.h>
#include <stdatomic.h>

#include "net/link_cmd.h"
#include "net/link_completion.h"
#include "net/mailbox.h"
#include "net/reactor.h"
#include "net/stream.h"
#include "spv/link.h"

enum spv_link_state {
    SPV_LINK_OPEN,
    SPV_LINK_FLUSHING, /* closing: the last bytes are written, for a second at most */
    SPV_LINK_DONE, /* on_closed is called from the loop, or was */
};

/* What any thread may read as long as it has a reference. */
struct spv_link_shared {
    atomic_uint refs;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t closed_cond;
    bool closed; /* on_closed has returned */
    struct spv_peer_stats stats; /* after the last event */
};

struct spv_link {
    struct spv_handle handle; /* first */
    struct spv_peer *peer; /* NULL once on_closed has returned */
    struct spv_stream *stream;
    enum spv_link_state state;
    int error; /* why it closes */
    bool ready; /* on_ready was called */
    bool write_dead; /* the stream accepts no more bytes */
    bool read_stopped; /* by spv_link_read_stop */
    bool read_resumed; /* the messages that the peer state machine has are handled next */
    struct spv_link_cmd_queue backlog; /* taken from the mailbox; the send queue was full */
    size_t n_pending; /* completions that the peer state machine has */
    struct spv_link_completion_list finished; /* completions to call from the loop */
    size_t read_size; /* bytes of one read */
    size_t unsent; /* bytes that were still queued at the end */
    struct event *deferred_event; /* for what must not happen inside a call on the link */
    struct spv_timer *timer;
    struct spv_link_callbacks callbacks;
    struct spv_endpoint endpoint; /* constant */
    struct spv_task_queue *task_queue;
    struct spv_mailbox mailbox;
    struct spv_task wakeup; /* of the mailbox; has a reference while it is queued */
    struct spv_link_shared shared;
};

/* link.c: the reactor's thread only. */

/* Bytes queued that the socket has not accepted. */
size_t spv_link_pending(const struct spv_link *link);
/* Sends a message after the commands that were queued before. Returns as spv_peer_send does, or
 * SPV_ERR_STATE on a closed link; completion (may be NULL) is the link's when this returns 0. */
int spv_link_send_on_reactor(struct spv_link *l, const struct spv_msg *msg,
                             struct spv_link_completion *completion);
/* Sends an encoded headers message without a copy, as spv_peer_send_headers does; done is called as
 * for spv_link_send_tracked. Returns 0, SPV_ERR_STATE, SPV_ERR_NOMEM or SPV_ERR_QUEUE_FULL. */
struct spv_shared_frame;
int spv_link_send_headers(struct spv_link *l, struct spv_shared_frame *frame,
                          void (*done)(void *ctx, int error), void *ctx);
/* Calls fn after the commands that were queued before. Returns 0 or SPV_ERR_STATE. */
int spv_link_exec_on_reactor(struct spv_link *l,
                             void (*fn)(void *ctx, struct spv_peer *peer, struct spv_now now),
                             void *ctx);
void spv_link_close_on_reactor(struct spv_link *l, int error);
/* Stops reading and calling on_message until spv_link_read_start, after which both continue from
 * the loop, in the same turn. May be called from callbacks. Deadlines are not suspended, so a link
 * is stopped for a short while only, or while the peer does not read. */
void spv_link_read_stop(struct spv_link *l);
void spv_link_read_start(struct spv_link *l);
/* Executes queued commands as far as the send queue has space, and a requested close. */
void spv_link_exec_queued(struct spv_link *l);
/* The end of every event: executes queued commands, publishes statistics, calls completions. Called
 * from the loop only. */
void spv_link_end_of_event(struct spv_link *l);
/* After something was queued outside an event: writes, arms the timer, publishes statistics. */
void spv_link_flush(struct spv_link *l);
/* Events of the link. */
void spv_link_on_readable(void *ctx);
void spv_link_on_writable(void *ctx);
void spv_link_on_timer(void *ctx);
void spv_link_on_deferred(int fd, short what, void *ctx);
void spv_link_on_wakeup(struct spv_task *task);
void spv_link_on_handle_close(struct spv_handle *handle);

/* link_shared.c */

/* One reference: the reactor's. Returns 0 or SPV_ERR_NOMEM. */
int spv_link_shared_init(struct spv_link_shared *shared);
void spv_link_shared_destroy(struct spv_link_shared *shared);
/* Publishes the statistics of the peer state machine. */
void spv_link_publish_stats(struct spv_link *l);
/* on_closed has returned: ends spv_link_wait. */
void spv_link_signal_closed(struct spv_link *l);

#endif
