/* The internals of struct spv_peer, shared by the files of this folder: peer.c (public API,
 * receiving), send.c (sending), handshake.c (version negotiation), timers.c (pings and every
 * deadline), relay.c (announcements), push.c (helpers), command_rules.c (which commands are
 * allowed), trace.c (observer callbacks and logs). */
#ifndef SPV_PEER_PEER_STATE_H
#define SPV_PEER_PEER_STATE_H

#include "peer/command_rules.h"
#include "peer/features.h"
#include "peer/relay.h"
#include "peer/requests.h"
#include "peer/send_queue.h"
#include "peer/transport/transport.h"
#include "spv/peer.h"

/* Every deadline by name; the earliest is what the caller sets its timer for. */
enum spv_peer_deadline_kind {
    SPV_DEADLINE_HANDSHAKE, /* whole negotiation, the v2 handshake included */
    SPV_DEADLINE_V2_ANSWER, /* outbound v2: the first byte of the peer */
    SPV_DEADLINE_MESSAGE, /* the end of an incomplete message */
    SPV_DEADLINE_REQUEST, /* the earliest of the open requests */
    SPV_DEADLINE_WRITE, /* the socket accepts a queued byte */
    SPV_DEADLINE_PONG, /* the answer to our ping */
    SPV_DEADLINE_IDLE, /* the next complete message */
    SPV_DEADLINE_PING, /* not a limit: when to send a ping */
    SPV_DEADLINE_TRICKLE, /* not a limit: when to announce transactions */
    SPV_DEADLINE_TRIM, /* not a limit: when to free the memory of a burst */
    SPV_DEADLINE_FLUSH, /* after an error: limit for writing the queued bytes */
};
#define SPV_PEER_DEADLINES 11

/* ours: time to send a last reject */
#define SPV_PEER_FLUSH_US SPV_SECOND

/* ours: the memory of a burst is kept this long for the next one */
#define SPV_PEER_TRIM_US (2 * SPV_SECOND)
/* ours: limit of queued pong bytes. Pings are triggered by the peer, so one that does not read must
 * not make our queue grow. */
#define SPV_PEER_PONG_BYTES 4096

/* The last getblocks; it counts as unanswered until the time `until`. */
struct spv_last_getblocks {
    struct spv_blockhash first, stop;
    uint64_t until;
};

struct spv_peer {
    struct spv_peer_config cfg;
    char user_agent[SPV_MAX_USER_AGENT + 1]; /* ours */
    enum spv_direction dir;
    int error; /* the first one; sticky */

    bool version_sent, version_received, verack_received, ready;
    bool tolerant; /* tolerate_malformed is effective: regtest, from loopback */
    uint64_t nonce; /* ours, in the version message */

    struct spv_transport_state transport;
    struct spv_send_queue out;
    size_t pong_bytes; /* queued since the queue was last empty */
    struct spv_requests requests;
    struct spv_last_getblocks last_getblocks;
    struct spv_relay relay;
    struct spv_features features; /* the peer's */

    uint64_t deadline[SPV_PEER_DEADLINES]; /* absolute, or SPV_NEVER */
    uint64_t ping_nonce;
    struct spv_peer_stats stats;
};

/* selfnonce.c: returns a random nonce, never 0, and adds it to the set (may be NULL). */
uint64_t spv_self_nonce_draw(struct spv_self_nonces *set, const struct spv_rng *rng);
bool spv_self_nonce_known(const struct spv_self_nonces *set, uint64_t nonce);

/* send.c. None of these updates relay state or the write deadline; peer.c does. */
struct spv_shared_frame;
/* Queues a negotiation message, ping, pong or reject on the wire, without the bound on queued
 * messages: their number is limited by the protocol. Returns 0, SPV_ERR_NOMEM. */
int spv_send_control(struct spv_peer *p, const struct spv_msg *msg, uint32_t version);
/* BIP61: queues a reject with the reason for which the connection is about to be closed, when the
 * negotiated version has reject. Best effort. */
void spv_send_reject_before_close(struct spv_peer *p, const char *command, uint8_t code,
                                  const char *reason);
/* Queues a caller's message, on the wire or, before the handshake is complete, with the deferred
 * ones. Returns 0 or an error as spv_peer_send does; tag may be NULL. */
int spv_send_message(struct spv_peer *p, const struct spv_msg *msg, const uint64_t *tag,
                     struct spv_now now);
int spv_send_headers_frame(struct spv_peer *p, struct spv_shared_frame *frame, const uint64_t *tag);
/* Moves the deferred messages to the wire and starts the deadlines of their requests. Returns 0,
 * SPV_ERR_NOMEM. */
int spv_send_deferred(struct spv_peer *p, struct spv_now now);

/* trace.c */
void spv_trace_read(const struct spv_peer *p, size_t bytes, const char *command, int error);
/* The on_frame_done callback of the send queue; ctx is the struct spv_peer. */
void spv_trace_completed(void *ctx, const struct spv_queued_frame *queued, size_t bytes, int error);
enum spv_trace_direction {
    SPV_TRACE_IN,
    SPV_TRACE_OUT,
};
void spv_trace_message(const struct spv_peer *p, enum spv_trace_direction direction,
                       const struct spv_msg *msg, const uint8_t *body, size_t n);

/* handshake.c */
int spv_handshake_begin(struct spv_peer *p, struct spv_now now);
/* Outbound: queues the version message as soon as the transport can send. Returns 0 or an error. */
int spv_handshake_opened(struct spv_peer *p, struct spv_now now);
/* Returns 1 when the command is allowed in this state, 0 to ignore it, or an error. Called before
 * the payload is decoded. */
int spv_handshake_check(const struct spv_peer *p, enum spv_command command);
/* Acts on a decoded version, verack, wtxidrelay, sendaddrv2 or feature. Returns 1 when the message
 * completed the handshake, 0 otherwise, or an error. */
int spv_handshake_input(struct spv_peer *p, const struct spv_msg *msg, struct spv_now now);

/* relay.c */
void spv_relay_begin(struct spv_peer *p, struct spv_now now); /* the handshake is complete */
/* Queues a transaction for a later trickle. Returns 1 queued, 0 not wanted by the peer,
 * SPV_ERR_QUEUE_FULL, SPV_ERR_NOMEM. */
int spv_relay_push_tx(struct spv_peer *p, const struct spv_inv *item, uint64_t fee,
                      struct spv_now now);
int spv_relay_trickle(struct spv_peer *p, struct spv_now now);
/* True when these blocks are announced to the peer by their headers (BIP130). */
bool spv_relay_as_headers(const struct spv_peer *p, const struct spv_header *headers, size_t n);

/* timers.c */
void spv_peer_timers_start(struct spv_peer *p, struct spv_now now); /* the handshake is complete */
int spv_peer_timers_input(struct spv_peer *p, const struct spv_msg *msg, struct spv_now now);
int spv_peer_timers_expire(struct spv_peer *p, struct spv_now now);
/* Bytes may have been queued on the wire. */
void spv_peer_timers_on_queued(struct spv_peer *p, struct spv_now now);
/* The socket has accepted bytes of the wire. */
void spv_peer_timers_on_sent(struct spv_peer *p, struct spv_now now);
enum spv_read_step { SPV_READ_BYTES, SPV_READ_MESSAGE };
/* Bytes were received, or a message was removed from the receive buffer. */
void spv_peer_timers_on_read(struct spv_peer *p, enum spv_read_step step, struct spv_now now);

#endif
