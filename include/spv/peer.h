/* One connection's protocol state machine: bytes in, messages up; messages in, bytes out.
 *
 * It frames, checks, negotiates, answers pings, keeps deadlines and counts, and does no I/O: the
 * caller moves the bytes, tells the time and arms one timer. Usable with any event loop (see
 * examples/); spv/link.h is this machine on libevent. A machine belongs to one thread. */
#ifndef SPV_PEER_H
#define SPV_PEER_H

#include "spv/endpoint.h"
#include "spv/error.h"
#include "spv/message.h"
#include "spv/network.h"
#include "spv/types.h"

#ifdef __cplusplus
extern "C" {
#endif

enum spv_direction {
    SPV_OUTBOUND, /* we dialled */
    SPV_INBOUND, /* they dialled */
};

/* The version nonces of a node's open and recent handshakes: how it knows itself. One per node,
 * shared by all its machines, on one thread. Holds the last SPV_SELF_NONCES. */
#define SPV_SELF_NONCES 50 /* more handshakes than are ever in flight at once */
struct spv_self_nonces {
    uint64_t nonce[SPV_SELF_NONCES];
    unsigned next;
};

struct spv_peer_timeouts { /* microseconds; 0 takes the default */
    uint64_t handshake; /* 30 s: whole negotiation */
    uint64_t ping_interval; /* 120 s, jittered by a quarter */
    uint64_t pong; /* 20 min */
    uint64_t idle; /* 5 min without a complete message */
    uint64_t message; /* 5 min for one message from its first byte to its last */
    uint64_t getheaders; /* 90 s a request; from the answer to the one before it, when several are
                            open */
    uint64_t getdata; /* 30 s a request */
    uint64_t trickle; /* 10 s, the mean of a random delay: announcements of transactions */
    uint64_t write; /* 2 min without the peer taking a byte that waits */
};

enum spv_transport {
    SPV_TRANSPORT_V1, /* frames in the clear */
};

enum spv_log_level { /* each includes those before it */
                     SPV_LOG_OFF,
                     SPV_LOG_DEBUG, /* one line a message: "received headers (2000, first ...)
                                       from 1.2.3.4:8333" */
                     SPV_LOG_TRACE, /* and its body in hex, 16 bytes a line, SPV_LOG_DUMP bytes at
                                       most */
};
#define SPV_LOG_DUMP 4096 /* ours: more of one message fills a log and helps nobody */

/* Who watches. Called from within the calls on the machine, for every message: the handshake's,
 * unknown ones, and those that are refused. None may call the machine. Any may be NULL. */
struct spv_peer_observer {
    /* A frame has come: its bytes with the header, its command ("" when that cannot be read), and 0
     * or what was wrong with it. */
    void (*on_any_read)(void *ctx, size_t bytes, const char *command, int error);
    /* The socket has taken a frame (error 0), or never will: how many bytes of it went, and why. */
    void (*on_any_write)(void *ctx, size_t bytes, const char *command, int error);
    /* A line for a log: printable ASCII, no newline. */
    void (*on_log)(void *ctx, enum spv_log_level level, const char *line);
    enum spv_log_level log_level;
    void *ctx;
};

/* How large the payload of one command may be. */
struct spv_payload_cap {
    enum spv_command command;
    uint32_t bytes;
};

/* Everything here is copied, but for what the pointers point at: they must outlive the machine. */
struct spv_peer_config {
    const struct spv_netid *net;
    uint64_t id; /* the caller's number for it; only reported */
    /* Where the peer is, for statistics, logs and tolerate_malformed; a link fills in what its
     * socket says when it is empty. */
    struct spv_endpoint endpoint;
    uint64_t services; /* what we offer */
    uint64_t need_services; /* what the peer must offer, else SPV_ERR_SERVICES */
    uint32_t max_version; /* 0: SPV_PROTOCOL_VERSION */
    bool relay; /* our version's relay byte */
    bool wtxidrelay; /* offer BIP339 */
    const char *user_agent; /* NULL: "/libspv:<version>/"; at most SPV_MAX_USER_AGENT bytes */
    int32_t height; /* our height, for the version message */
    /* Instead of height, when not NULL: asked when the version message is written, so that one
     * configuration serves a listener while the chain grows. Must not call the machine. */
    int32_t (*newest_height)(void *ctx);
    void *newest_ctx;
    struct spv_netaddr remote; /* addr_recv; zeroed network: leave zero (behind a proxy) */
    struct spv_rng rng;
    struct spv_self_nonces *self_nonces; /* may be NULL: no self-connection check */
    struct spv_peer_timeouts timeouts;
    /* On regtest, from 127.0.0.0/8 or ::1 alone: a message with a wrong checksum or a malformed
     * body is counted and skipped instead of closing. For tests that send such on purpose. */
    bool tolerate_malformed;
    struct spv_peer_observer observer;
    size_t max_queue_bytes; /* send queue; 0: SPV_PEER_QUEUE_BYTES */
    size_t max_queue_messages; /* send queue; 0: SPV_PEER_QUEUE_MESSAGES */
    /* What we take from the peer, where that is less than the protocol allows. A payload is no
     * larger than caps says for its command or, for a command that is not there, than max_payload
     * (0: SPV_MAX_PAYLOAD); a larger one is SPV_ERR_LENGTH as soon as its frame header has come. */
    const struct spv_payload_cap *caps; /* may be NULL */
    size_t n_caps;
    uint32_t max_payload;
    uint32_t max_known; /* hashes that the peer is known to have; 0: SPV_PEER_KNOWN */
    /* A burst's receive memory is given back as soon as no whole message is left of it; else two
     * seconds later, for the next burst. For many connections with small messages. */
    bool trim_at_once;
};

#define SPV_PEER_QUEUE_BYTES (8u * 1024 * 1024) /* ours: two messages of the largest size */
#define SPV_PEER_QUEUE_MESSAGES 65536 /* ours: small messages that fill a quarter of the bytes */
#define SPV_PEER_REQUESTS 64 /* ours: getheaders and getdata open at once on one connection */

struct spv_peer_stats {
    uint64_t id; /* as configured */
    struct spv_endpoint endpoint; /* as configured */
    enum spv_direction direction;
    enum spv_transport transport;
    bool ready; /* handshake complete */
    uint32_t version; /* negotiated; 0 before the peer's version message */
    uint32_t peer_version; /* as advertised */
    uint64_t services; /* the peer's */
    char user_agent[SPV_MAX_USER_AGENT + 1]; /* the peer's, made safe to print: ASCII 32..126 */
    int32_t start_height; /* the peer's claim in its version message */
    int32_t last_height; /* the highest it claimed or spv_peer_note_height told; never falls */
    int64_t time_offset_s; /* peer's clock minus ours; never used to move ours */
    bool relay; /* the peer wants transactions announced */
    bool filtered; /* the peer loaded a bloom filter: announce only what matches it */
    bool send_headers; /* the peer asked for headers announcements (BIP130) */
    bool addrv2; /* the peer asked for addrv2 (BIP155) */
    bool wtxidrelay; /* both sides asked for wtxid relay (BIP339) */
    uint64_t fee_filter; /* satoshis per 1,000 virtual bytes that the peer asks at least (BIP133) */
    uint64_t bytes_in, bytes_out;
    uint64_t messages_in, messages_out, unknown_in;
    uint64_t malformed_in; /* tolerated ones */
    uint64_t connected_us, last_in_us, last_out_us; /* monotonic */
    uint64_t ping_sent_us; /* 0: none in flight */
    uint64_t rtt_us, rtt_min_us; /* 0: not measured yet */
    uint64_t answer_us; /* how long the last answer to a getheaders took; 0: none yet */
};

struct spv_peer;

/* A machine for a connection that has just opened. An outbound one has its version message pending
 * at once. SPV_ERR_INVALID on a bad configuration, SPV_ERR_NOMEM. */
SPV_API int spv_peer_new(struct spv_peer **out, const struct spv_peer_config *cfg,
                         enum spv_direction dir, struct spv_now now);

/* Frees the machine; NULL is fine. */
SPV_API void spv_peer_free(struct spv_peer *p);

/* Takes n received bytes, in any chunking. Returns 0, or a negative error when the link must be
 * dropped (bytes that are pending then, such as a last reject, may still be flushed). Call
 * spv_peer_next until it returns 0 before the next feed; bytes not yet parsed are kept. */
SPV_API int spv_peer_feed(struct spv_peer *p, const uint8_t *in, size_t n, struct spv_now now);

/* The next complete message: 1 and *out filled, 0 none, negative: drop the link. What *out points
 * at is lent until the next call on this machine. Pings are answered and negotiation is kept
 * inside, yet every known message is handed out, so the caller sees all; unknown commands come out
 * as SPV_CMD_UNKNOWN with their raw bytes. Never handed out are a second version or verack, which
 * are ignored, and filter and mempool commands when we do not offer SPV_NODE_BLOOM (BIP111) or
 * SPV_NODE_COMPACT_FILTERS (BIP157), which close the connection. Messages before spv_peer_ready are
 * version, verack and whatever a peer sends early: not for a node to act on. The first error
 * sticks. */
SPV_API int spv_peer_next(struct spv_peer *p, struct spv_msg *out, struct spv_now now);

/* Encodes and queues a message. Before the handshake completes it waits its turn and follows our
 * verack; what the version then negotiated does not know is left out. A getheaders or getdata arms
 * its own answer deadline; version 0 in a getheaders or getblocks is filled in. SPV_ERR_QUEUE_FULL
 * (bytes, messages, or SPV_PEER_REQUESTS open), SPV_ERR_INVALID (the negotiation is the machine's
 * own), SPV_ERR_TOO_LONG, SPV_ERR_UNSUPPORTED (the negotiated version does not know it, addrv2
 * unasked, or a bloom command or mempool to a peer that does not offer SPV_NODE_BLOOM and would
 * drop us), SPV_ERR_NOMEM; a machine that has failed returns its error. */
SPV_API int spv_peer_send(struct spv_peer *p, const struct spv_msg *msg, struct spv_now now);

/* The same, with word of what becomes of it: when this returns 0, spv_peer_next_completion reports
 * the tag (any number; the caller's to keep apart) exactly once; on an error it never does. */
SPV_API int spv_peer_send_tagged(struct spv_peer *p, const struct spv_msg *msg, uint64_t tag,
                                 struct spv_now now);

/* A tagged message whose fate is known: 1 and its tag, 0 none. *error is 0 when the socket took its
 * last byte, else why it was not sent: SPV_ERR_UNSUPPORTED for one that waited for the handshake
 * and that the negotiated version does not know, or the error that ended the machine. Tags that are
 * not pulled count as messages of the queue. */
SPV_API int spv_peer_next_completion(struct spv_peer *p, uint64_t *tag, int *error);

/* Ends the machine: nothing is pending any more, and every tag not yet reported waits for
 * spv_peer_next_completion, with the machine's own error if it had failed before, else with this
 * one (not negative: SPV_ERR_DISCONNECTED). Call it when the link is gone, pull, then free.
 * Idempotent. */
SPV_API void spv_peer_close(struct spv_peer *p, int error);

/* Bytes waiting to be written, lent until the next call; 0 none. They are all that wait, or the
 * first piece of them. */
SPV_API size_t spv_peer_pending(const struct spv_peer *p, const uint8_t **bytes);
/* How many wait in all. */
SPV_API size_t spv_peer_queued(const struct spv_peer *p);

/* The first n pending bytes have been taken by the socket. */
SPV_API void spv_peer_sent(struct spv_peer *p, size_t n, struct spv_now now);

/* Time has come: sends pings, checks deadlines. Feed what the socket holds before calling it, so
 * that our own slowness is not the peer's fault. Negative: drop the link. */
SPV_API int spv_peer_timer(struct spv_peer *p, struct spv_now now);

/* The peer has a block of this height: it announced one, and the caller knows its place. */
SPV_API void spv_peer_note_height(struct spv_peer *p, int32_t height);

/* When spv_peer_timer wants to be called next (monotonic us), or SPV_NEVER. */
SPV_API uint64_t spv_peer_deadline(const struct spv_peer *p);

/* True once both sides' version and verack are through. */
SPV_API bool spv_peer_ready(const struct spv_peer *p);

SPV_API void spv_peer_get_stats(const struct spv_peer *p, struct spv_peer_stats *out);

/* One line about a message, for logs: "headers (2000, first 0000...)". Printable ASCII whatever a
 * peer put into it, cut at cap (at least 1) with its NUL. Returns out. Any thread. */
#define SPV_MSG_FORMAT_MAX 512 /* room for every summary */
SPV_API char *spv_msg_format(char *out, size_t cap, const struct spv_msg *msg);

/* Bytes of memory that the machine holds: below 16 KiB two seconds after the last message, beside
 * what it knows the peer to have (8 to 22 bytes a hash, 1 MiB at most each for the newer and the
 * older half, unless max_known says less), transactions that wait to be announced and requests that
 * wait for an answer. */
SPV_API size_t spv_peer_memory(const struct spv_peer *p);

#ifdef __cplusplus
}
#endif

#endif
