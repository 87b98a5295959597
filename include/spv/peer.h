/* The protocol state machine of one connection: received bytes become messages, messages to send
 * become bytes.
 *
 * It frames and checks messages, performs the version handshake, answers pings, enforces deadlines
 * and counts. It does no I/O and reads no clock: the caller moves the bytes, passes the current
 * time to every call that needs it, and arms one timer. It works with any event loop (see
 * examples/); spv/link.h combines it with libevent.
 *
 * Threads: all calls on one peer are made from one thread at a time, except where "any thread" is
 * noted. Times are microseconds of the monotonic clock unless their name ends in _s. */
#ifndef SPV_PEER_H
#define SPV_PEER_H

#include "spv/endpoint.h"
#include "spv/error.h"
#include "spv/message.h"
#include "spv/network.h"
#include "spv/transport.h"
#include "spv/types.h"

#ifdef __cplusplus
extern "C" {
#endif

enum spv_direction {
    SPV_OUTBOUND = 0, /* we opened the connection and send version first */
    SPV_INBOUND = 1, /* the peer opened it */
};

/* The version nonces of a node's last SPV_SELF_NONCES connections. A received version message that
 * carries one of them comes from the node itself. Starts zeroed; one per node, owned by the caller
 * and used by all its peers, which must therefore be on one thread. */
#define SPV_SELF_NONCES 50 /* ours: more handshakes than are in flight at once */
struct spv_self_nonces {
    uint64_t nonce[SPV_SELF_NONCES];
    unsigned next;
};

struct spv_peer_timeouts { /* microseconds; 0 takes the default */
    uint64_t handshake; /* 30 s: from the start until the handshake is complete */
    uint64_t ping_interval; /* 120 s, randomly up to a quarter shorter or longer */
    uint64_t pong; /* 20 min until the answer to a ping */
    uint64_t idle; /* 5 min without a complete message */
    uint64_t message; /* 5 min for one message from its first byte to its last */
    uint64_t getheaders; /* 90 s until the answer to a request; restarted for the other open
                            ones when one is answered */
    uint64_t getdata; /* 30 s until the next requested item */
    uint64_t trickle; /* 10 s: mean of the random delay before transactions are announced */
    uint64_t write; /* 2 min in which the socket accepts none of the queued bytes */
    uint64_t v2_answer; /* 10 s until the first byte of the peer on an outbound v2 connection */
};

/* Each level includes the previous ones. */
enum spv_log_level {
    SPV_LOG_OFF = 0,
    /* one line per message: "received headers (2000, first ...) from 1.2.3.4:8333" */
    SPV_LOG_DEBUG = 1,
    /* and its payload in hex, 16 bytes per line, at most SPV_LOG_DUMP bytes */
    SPV_LOG_TRACE = 2,
};
#define SPV_LOG_DUMP 4096 /* ours: enough to analyse a message, and a log does not fill up */

/* Callbacks that observe every message, including those of the handshake, unknown and rejected
 * ones. They are called during calls on the peer and may not call the peer. Strings are valid
 * during the callback. Any callback may be NULL. */
struct spv_peer_observer {
    /* A frame was received: its size in bytes, header included, its command ("" when it cannot be
     * read), and 0 or the error for which it is invalid. */
    void (*on_any_read)(void *ctx, size_t bytes, const char *command, int error);
    /* A frame was written whole (error 0), or will not be: the number of its bytes that were
     * written, and the reason. */
    void (*on_any_write)(void *ctx, size_t bytes, const char *command, int error);
    /* A log line: printable ASCII, no newline. */
    void (*on_log)(void *ctx, enum spv_log_level level, const char *line);
    enum spv_log_level log_level;
    void *ctx;
};

/* The largest payload that is accepted for one command. */
struct spv_payload_limit {
    enum spv_command command;
    uint32_t bytes;
};

/* The configuration is copied; what its pointers refer to must outlive the peer. */
struct spv_peer_config {
    const struct spv_netid *net;
    uint64_t id; /* chosen by the caller; only reported */
    /* The peer's address, for statistics, logs and tolerate_malformed. A link fills in its socket's
     * address when this is empty. */
    struct spv_endpoint endpoint;
    uint64_t services; /* service bits that we offer */
    /* Compact filter requests (BIP157) are returned although we do not offer
     * SPV_NODE_COMPACT_FILTERS, which means all filters: for a node that has some of them. */
    bool accept_filter_requests;
    uint64_t need_services; /* bits that the peer must offer, else SPV_ERR_SERVICES */
    uint32_t max_version; /* 0: SPV_PROTOCOL_VERSION, with features SPV_FEATURE_PROTOCOL_VERSION */
    bool relay; /* relay field of our version message (BIP37) */
    bool wtxidrelay; /* offer BIP339 */
    /* For a connection that must not show whose it is (private broadcast): the version message has
     * no services, time, height or addresses and relay 0, whatever is configured above and below,
     * and neither sendaddrv2, wtxidrelay nor a feature is sent. The user agent is the caller's. */
    bool anonymous;
    /* Announced between version and verack to a peer of version 70017 or later (BIP434), which is
     * then our version, too; at most SPV_PEER_FEATURES. Each has a valid id and data. Borrowed:
     * valid until the handshake is complete. */
    const struct spv_msg_feature *features;
    size_t n_features;
    const char *user_agent; /* NULL: "/libspv:<version>/"; at most SPV_MAX_USER_AGENT bytes */
    int32_t height; /* our height, for the version message */
    /* Used instead of height when not NULL: called when the version message is encoded, so that one
     * configuration suits a listener while the chain grows. It may not call the peer. */
    int32_t (*newest_height)(void *ctx);
    void *newest_ctx;
    struct spv_netaddr remote; /* addr_recv of our version message; zeroed behind a proxy */
    struct spv_rng rng;
    struct spv_self_nonces *self_nonces; /* may be NULL: no self-connection check */
    struct spv_peer_timeouts timeouts;
    /* For tests that send invalid messages on purpose: a message with a wrong checksum or a
     * malformed payload is counted and skipped; the connection stays open. Effective only on
     * regtest, from 127.0.0.0/8 or ::1. */
    bool tolerate_malformed;
    struct spv_peer_observer observer;
    size_t max_queue_bytes; /* send queue; 0: SPV_PEER_QUEUE_BYTES */
    size_t max_queue_messages; /* send queue; 0: SPV_PEER_QUEUE_MESSAGES */
    /* Limits of received payloads in bytes, below those of the protocol: payload_limits has those
     * of the commands that it lists, max_payload (0: SPV_MAX_PAYLOAD) is that of all others. A
     * larger payload is SPV_ERR_LENGTH as soon as the frame header has been received. */
    const struct spv_payload_limit *payload_limits; /* may be NULL */
    size_t n_payload_limits;
    uint32_t max_payload;
    /* Inbound: AUTO detects the transport by the first bytes. Outbound: AUTO is v1, because a
     * connection cannot change its transport: the caller chooses v2 for each, and dials once more
     * with v1 when spv_peer_wants_v1 says so. */
    enum spv_transport_choice transport;
    const struct spv_v2_context *v2_context; /* borrowed; NULL: each v2 connection makes its own */
    /* Called before the keys of an inbound v2 connection are made, which cost CPU time; false:
     * the connection ends with SPV_ERR_ADDRESS_LIMIT. NULL: always allowed. May not call the peer.
     */
    bool (*allow_v2)(void *ctx, const struct spv_endpoint *from);
    void *allow_ctx;
    uint32_t max_known; /* remembered hashes that the peer has; 0: SPV_PEER_KNOWN */
    /* Frees the receive buffer of a burst as soon as it contains no whole message. By default it is
     * kept for two seconds for the next burst. For many connections with small messages. */
    bool trim_at_once;
};

#define SPV_PEER_QUEUE_BYTES (8u * 1024 * 1024) /* ours: two messages of the largest size */
#define SPV_PEER_QUEUE_MESSAGES 65536 /* ours: small messages that fill a quarter of the bytes */
#define SPV_PEER_FEATURES 16 /* ours: features of one connection, in each direction */
#define SPV_PEER_REQUESTS 64 /* ours: unanswered getheaders and getdata of one connection */

struct spv_peer_stats {
    uint64_t id; /* as configured */
    struct spv_endpoint endpoint; /* as configured */
    enum spv_direction direction;
    enum spv_transport transport;
    uint8_t session_id[SPV_SESSION_ID]; /* v2: users may compare it with the peer's; v1: zeros */
    bool ready; /* handshake complete */
    uint32_t version; /* negotiated; 0 before the peer's version message */
    uint32_t peer_version; /* as advertised */
    uint64_t services; /* the peer's */
    char user_agent[SPV_MAX_USER_AGENT + 1]; /* the peer's, made safe to print: ASCII 32..126 */
    int32_t start_height; /* of the peer's version message; not verified */
    int32_t last_height; /* the maximum of start_height and spv_peer_note_height */
    int64_t time_offset_s; /* the peer's clock minus ours; our clock is not adjusted */
    bool relay; /* the peer accepts announcements of transactions (BIP37) */
    bool filtered; /* the peer loaded a bloom filter: announce only transactions that match it */
    bool send_headers; /* the peer sent sendheaders (BIP130) */
    bool addrv2; /* the peer sent sendaddrv2 (BIP155) */
    bool wtxidrelay; /* both sides sent wtxidrelay (BIP339) */
    uint64_t fee_filter; /* the peer's minimum, satoshis per 1,000 virtual bytes (BIP133) */
    uint64_t bytes_in, bytes_out;
    uint64_t messages_in, messages_out, unknown_in;
    uint64_t malformed_in; /* skipped because of tolerate_malformed */
    uint64_t connected_us, last_in_us, last_out_us; /* monotonic clock */
    uint64_t ping_sent_us; /* of the ping in flight; 0: none */
    uint64_t rtt_us, rtt_min_us; /* from ping to pong; 0: not measured yet */
    uint64_t answer_us; /* from the last answered getheaders to its answer; 0: none yet */
};

struct spv_peer;

/* Creates the state machine of a connection that was just opened. An outbound peer has its version
 * message pending at once. cfg is copied (see struct spv_peer_config). *out is the caller's; free
 * it with spv_peer_free.
 * Returns 0, SPV_ERR_INVALID (no net or rng, max_version out of range, user_agent too long) or
 * SPV_ERR_NOMEM; *out is NULL after an error. */
SPV_API int spv_peer_new(struct spv_peer **out, const struct spv_peer_config *cfg,
                         enum spv_direction dir, struct spv_now now);

/* Frees the peer. Completions that were not read are lost. NULL is ignored. */
SPV_API void spv_peer_free(struct spv_peer *p);

/* Stores n received bytes, in chunks of any size. The bytes are copied. Call spv_peer_next until it
 * returns 0 before the next feed; an incomplete message stays stored.
 * Returns 0, SPV_ERR_NOMEM, or the peer's earlier error. After an error the connection must be
 * closed; bytes that are pending then, such as a reject, may still be written. */
SPV_API int spv_peer_feed(struct spv_peer *p, const uint8_t *in, size_t n, struct spv_now now);

/* Reads the next complete message into *out. What *out points to is borrowed: valid until the next
 * call on this peer. The peer answers pings and processes the handshake itself, but returns these
 * messages, too. A message with an unknown command is returned as SPV_CMD_UNKNOWN with its raw
 * payload. Messages returned before spv_peer_ready is true are those of the handshake and what the
 * peer sends during it; a node does not act on them.
 *
 * Not returned are a second version or verack, which is ignored, and bloom filter, mempool (BIP111)
 * and compact filter requests (BIP157) when we do not offer SPV_NODE_BLOOM or
 * SPV_NODE_COMPACT_FILTERS (but see accept_filter_requests): these are errors.
 * Returns 1, 0 when there is no complete message, or a negative error, after which the connection
 * must be closed and spv_peer_feed, _next, _send and _timer return the same error: SPV_ERR_MAGIC,
 * _COMMAND, _LENGTH, _CHECKSUM, _SHORT, _TRAILING, _COUNT, _COMPACT_SIZE or _MALFORMED for an
 * invalid message; SPV_ERR_BLOOM_NOT_OFFERED, _FILTERS_NOT_OFFERED; SPV_ERR_NOT_VERSION, _OBSOLETE,
 * _SELF, _SERVICES or _LATE_NEGOTIATION in the handshake; SPV_ERR_NOMEM. */
SPV_API int spv_peer_next(struct spv_peer *p, struct spv_msg *out, struct spv_now now);

/* Encodes and queues a message; msg and its arrays are valid during the call only. A message queued
 * before the handshake is complete is sent after it, or dropped if the negotiated version or the
 * peer's services do not have its command. A getheaders or getdata starts its own answer deadline.
 * Version 0 in a getheaders or getblocks is replaced by ours.
 *
 * Returns 0, or an error and queues nothing: SPV_ERR_QUEUE_FULL when the limit of bytes, messages
 * or unanswered requests is reached; SPV_ERR_TOO_LONG for more entries than the protocol allows;
 * SPV_ERR_INVALID for a field out of range, and for version, verack, sendaddrv2, wtxidrelay and
 * feature, which only the peer itself sends; SPV_ERR_NOMEM; the peer's earlier error; or
 * SPV_ERR_UNSUPPORTED for a command that the negotiated version does not have, for addrv2 before
 * the handshake is complete or to a peer that did not send sendaddrv2 (BIP155), and for a bloom
 * command or mempool to a peer without SPV_NODE_BLOOM, which would disconnect us (BIP111). */
SPV_API int spv_peer_send(struct spv_peer *p, const struct spv_msg *msg, struct spv_now now);

/* Queues a message as spv_peer_send does and reports its outcome: when this returns 0,
 * spv_peer_next_completion returns the tag exactly once. The caller chooses the tag, which may be
 * any number and need not be unique.
 * Returns as spv_peer_send; after an error the tag is not reported. */
SPV_API int spv_peer_send_tagged(struct spv_peer *p, const struct spv_msg *msg, uint64_t tag,
                                 struct spv_now now);

/* Reads the next completion, that of a tagged message which was sent or dropped. *error is 0 when
 * the last byte was written, else the reason why it was not sent: SPV_ERR_UNSUPPORTED for a message
 * that was queued before the handshake was complete and whose command the negotiated version or the
 * peer's services do not have, or the error that ended the connection. Completions that are not
 * read count as queued messages.
 * Returns 1, or 0 when there is none. */
SPV_API int spv_peer_next_completion(struct spv_peer *p, uint64_t *tag, int *error);

/* Ends the peer when its connection is closed: drops all queued bytes and completes every message
 * that was not sent with the peer's earlier error or, if there was none, with this one (a negative
 * enum spv_err; SPV_ERR_DISCONNECTED in place of any other number). Read the completions before
 * spv_peer_free. A second call has no effect. */
SPV_API void spv_peer_close(struct spv_peer *p, int error);

/* Sets *bytes to the next bytes to write and returns how many they are, 0 for none. More may follow
 * (spv_peer_queued). The bytes are borrowed: valid until the next call on the peer. */
SPV_API size_t spv_peer_pending(const struct spv_peer *p, const uint8_t **bytes);
/* Returns the number of all bytes to write, without the messages that wait for the handshake. */
SPV_API size_t spv_peer_queued(const struct spv_peer *p);

/* Removes the first n bytes of those to write (all if there are fewer): the socket has accepted
 * them. */
SPV_API void spv_peer_sent(struct spv_peer *p, size_t n, struct spv_now now);

/* Processes expired deadlines: queues pings and announcements, frees memory, detects timeouts. Read
 * and feed all bytes that the socket has before the call, so that a delay of our own is not taken
 * for one of the peer.
 * Returns 0 or a negative error, after which the connection must be closed:
 * SPV_ERR_HANDSHAKE_TIMEOUT, _MESSAGE_TIMEOUT, _STALL, _WRITE_TIMEOUT, _PONG_TIMEOUT or _IDLE
 * (struct spv_peer_timeouts), SPV_ERR_NOMEM, or the peer's earlier error. */
SPV_API int spv_peer_timer(struct spv_peer *p, struct spv_now now);

/* Raises last_height of the statistics: the peer has announced a block of this height. */
SPV_API void spv_peer_note_height(struct spv_peer *p, int32_t height);

/* Returns the time of the monotonic clock in microseconds at which spv_peer_timer must be called,
 * or SPV_NEVER. Every call on the peer may change it. */
SPV_API uint64_t spv_peer_deadline(const struct spv_peer *p);

/* Returns true once the handshake is complete: version and verack were received. */
SPV_API bool spv_peer_ready(const struct spv_peer *p);

/* Sets *out to the features that the peer has announced, the first SPV_PEER_FEATURES of them, and
 * returns how many. Borrowed: valid until the next call on the peer. */
SPV_API size_t spv_peer_features(const struct spv_peer *p, const struct spv_msg_feature **out);

/* Returns true when an outbound v2 connection has failed such that the peer may know v1 only: it
 * closed or stayed silent before its first byte, or answered with v1. Dial it once more with v1. */
SPV_API bool spv_peer_wants_v1(const struct spv_peer *p);

/* Copies the statistics. */
SPV_API void spv_peer_get_stats(const struct spv_peer *p, struct spv_peer_stats *out);

#define SPV_MSG_FORMAT_MAX 512 /* bytes that every summary of a message fits into */
/* Writes a one-line summary of a message for logs, such as "headers (2000, first 0000...)". Other
 * bytes than printable ASCII are replaced. The text is cut to cap bytes, its NUL included; cap is
 * at least 1. Returns out. Any thread. */
SPV_API char *spv_msg_format(char *out, size_t cap, const struct spv_msg *msg);

/* Returns the bytes of memory that the peer uses. Two seconds after the last message these are less
 * than 16 KiB, plus the hashes that the peer is known to have (8 to 22 bytes each; at most 1 MiB
 * each for the newer and the older half, less with a smaller max_known), the transactions to be
 * announced and the unanswered requests. */
SPV_API size_t spv_peer_memory(const struct spv_peer *p);

#ifdef __cplusplus
}
#endif

#endif
