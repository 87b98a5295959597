/* The insides of a link: link.c moves bytes and messages on the reactor's thread, face.c holds the
 * calls of any thread and the door between the two. */
#ifndef SPV_NET_LINK_H
#define SPV_NET_LINK_H

#include <pthread.h>
#include <stdatomic.h>

#include "net/link_cmd.h"
#include "net/reactor.h"
#include "net/stream.h"
#include "spv/link.h"

enum spv_link_state {
    SPV_LINK_OPEN,
    SPV_LINK_FLUSHING, /* the last bytes are on their way, for a second at most */
    SPV_LINK_DONE, /* on_closed comes next, or came */
};

/* The part that other threads reach; all but the atomics is guarded by lock. */
struct spv_link_mailbox {
    pthread_mutex_t lock;
    pthread_cond_t closed_cond;
    struct spv_link_cmd_queue cmds; /* not yet seen by the reactor's thread */
    size_t n_cmds; /* these and the backlog */
    size_t cmd_bytes;
    bool no_more_cmds; /* no more letters */
    bool close_wanted;
    int close_error;
    bool wakeup_queued; /* post lies in the reactor's inbox, and holds a reference */
    bool closed; /* the final callback has run */
    struct spv_peer_stats stats; /* as of the last wake-up */
    struct spv_task task;
    atomic_bool has_pending; /* something is new in here: saves the lock when not */
    atomic_uint refs;
};

struct spv_link {
    struct spv_handle handle; /* first */
    struct spv_peer *peer;
    struct spv_stream *stream;
    enum spv_link_state state;
    int error; /* why it closed */
    bool ready; /* on_ready was called */
    bool write_dead; /* the carrier takes no more */
    bool read_stopped; /* by spv_link_read_stop */
    bool read_resumed; /* what the machine holds is handed out next */
    struct spv_link_cmd_queue backlog; /* letters that the machine had no room for yet */
    size_t n_pending; /* tags that the machine has not reported yet */
    struct spv_link_completion *failed; /* promises of letters that the machine did not take */
    size_t read_size; /* bytes of one read */
    size_t unsent; /* bytes that were still pending in the end */
    struct event *deferred_event; /* carries what must not happen inside a user's call */
    struct spv_timer *timer;
    struct spv_link_callbacks callbacks;
    struct spv_endpoint endpoint; /* never changes */
    struct spv_task_queue *task_queue;
    struct spv_link_mailbox mailbox;
};

/* link.c, reactor's thread. */
/* Bytes queued that the carrier has not taken yet. */
size_t spv_link_pending(const struct spv_link *link);
/* Sends; a promise, if any, is the link's when this succeeds. */
int spv_link_send_here(struct spv_link *l, const struct spv_msg *msg,
                       struct spv_link_completion *completion);
/* Sends a finished headers message without a copy: spv_peer_send_headers, with done as of
 * spv_link_send_tracked. */
struct spv_shared_frame;
int spv_link_send_headers(struct spv_link *l, struct spv_shared_frame *frame,
                          void (*done)(void *ctx, int error), void *ctx);
/* No message is handed out, and nothing read, from now on until spv_link_read_start; what follows
 * then comes from the loop, in this turn. Reactor's thread; from a callback, too. Deadlines go on,
 * so that a link stays stopped for a short while only, or while the peer does not read. */
void spv_link_read_stop(struct spv_link *l);
void spv_link_read_start(struct spv_link *l);
int spv_link_exec_here(struct spv_link *l,
                       void (*fn)(void *ctx, struct spv_peer *peer, struct spv_now now), void *ctx);
void spv_link_close_here(struct spv_link *l, int error);
/* What came through the door is given to the machine as far as it has room, and the wish to close
 * fulfilled. */
void spv_link_exec_queued(struct spv_link *l);
/* The end of every wake-up: collects, publishes, keeps promises. Only directly from the loop. */
void spv_link_end_of_event(struct spv_link *l);

/* face.c */
int spv_link_mailbox_init(struct spv_link *l); /* one reference: the reactor's */
void spv_link_mailbox_destroy(struct spv_link *l);
/* The statistics of this moment, for other threads. */
void spv_link_update_stats(struct spv_link *l);
/* Takes the new letters into the backlog; the error to close with, or 0. */
int spv_link_mailbox_take(struct spv_link *l);
/* That many letters have left the backlog. */
void spv_link_mailbox_release(struct spv_link *l, size_t n, size_t bytes);
/* No more letters; those that wait go to the backlog. */
void spv_link_mailbox_close(struct spv_link *l);
/* The final callback has run. */
void spv_link_signal_closed(struct spv_link *l);

#endif
