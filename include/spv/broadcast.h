/* Publishing transactions: the checks before, and a state machine that announces transactions to
 * peers until they are confirmed. It performs no I/O and reads no clock.
 *
 * Progress consists of facts, counted by network groups: to how many groups a transaction was
 * announced, how many fetched it, and how many returned it: announced it to us without having it
 * from us. None of them proves that a miner has it. A reject message is a hint: any peer may send
 * one.
 *
 * A call that changes the object is an operation, as in spv/wallet.h, and collects changes of rows:
 * after an error of class LOCAL, or when the store failed, the object is freed and loaded again
 * from its rows.
 *
 * Thread rule: all calls on one object from one thread at a time; different ones are independent.
 * Amounts are in satoshis, hashes in internal byte order. */
#ifndef SPV_BROADCAST_H
#define SPV_BROADCAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spv/error.h"
#include "spv/export.h"
#include "spv/message.h"
#include "spv/tx.h"
#include "spv/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- checks ---- */

/* Limits of what nodes relay (Bitcoin Core: policy/policy.h, policy/packages.h, node/transaction.h)
 */
#define SPV_BROADCAST_MIN_SIZE 65 /* bytes without witness: MIN_STANDARD_TX_NONWITNESS_SIZE */
#define SPV_BROADCAST_MAX_WEIGHT 400000 /* MAX_STANDARD_TX_WEIGHT */
#define SPV_BROADCAST_MAX_PACKAGE 25 /* transactions: MAX_PACKAGE_COUNT */
#define SPV_BROADCAST_MAX_PACKAGE_WEIGHT 404000 /* MAX_PACKAGE_WEIGHT */
/* satoshis per 1,000 virtual bytes: DEFAULT_MAX_RAW_TX_FEE_RATE, 0.1 BTC */
#define SPV_BROADCAST_MAX_FEE_RATE 10000000
#define SPV_LOCK_TIME_THRESHOLD 500000000 /* consensus: a lock time below it is a height */

/* Reads a raw transaction from a file or from standard input: hexadecimal digits of either case,
 * between which white space is ignored, or binary. It must be well-formed (spv_tx_parse). out, with
 * room for n bytes, gets its bytes and must not overlap `in`. why may be NULL; the positions of its
 * message count characters of the input. Returns 0 and *n_out, SPV_ERR_TX_PSBT for a PSBT (BIP174)
 * as bytes, hexadecimal or base64, SPV_ERR_TEXT_CHARACTER for another character or an odd number of
 * digits, SPV_ERR_TX_NO_INPUTS, SPV_ERR_TX_NO_OUTPUTS, or an error of spv_tx_parse. Any thread. */
SPV_API int spv_broadcast_decode(uint8_t *out, size_t *n_out, struct spv_text_error *why,
                                 const void *in, size_t n);

/* An output that a transaction spends. */
struct spv_broadcast_prevout {
    int64_t value;
    uint32_t height; /* of its block; UINT32_MAX: in no block */
};
struct spv_broadcast_check_config {
    /* Finds an output of our own; false when it is not ours. NULL: none is. The outputs of the
     * package itself need not be found. */
    bool (*find_output)(void *ctx, struct spv_broadcast_prevout *out, const struct spv_txid *txid,
                        uint32_t vout);
    void *ctx;
    bool allow_high_fee; /* the fee rate may exceed SPV_BROADCAST_MAX_FEE_RATE */
};
/* What a check reports of one transaction that it accepts. */
struct spv_broadcast_report {
    struct spv_txid txid;
    int64_t fee; /* -1 unless every output that it spends is ours or of the package */
    /* Warning: inputs with neither scriptSig nor witness: unsigned, unless they spend an output
     * that anyone can spend. */
    size_t n_unsigned;
    size_t first_unsigned; /* number of the first one, from 0 */
    /* Warning: inputs with a relative lock (BIP68) that cannot be checked: it is a time, or the
     * height of the spent output is unknown. */
    size_t n_relative;
    /* It is final, so that peers accept it, when the best chain has this height and its median time
     * past is above this time; 0: at once. */
    uint32_t wait_height;
    int64_t wait_time;
};
/* Checks a transaction, or a package: parents, in an order in which each comes before those that
 * spend it, and last one child that spends all of them. reports has room for n. why may be NULL;
 * its message names the transaction and the input or output, counted from 1.
 *
 * Returns 0, SPV_ERR_TX_SIZE, SPV_ERR_TX_WEIGHT, SPV_ERR_TX_NULL_PREVOUT (a coinbase, too),
 * SPV_ERR_TX_DUPLICATE_INPUT (within one transaction, or two of a package), SPV_ERR_TX_VALUE (an
 * output or their sum is above 21 million BTC or negative, or more is paid than spent),
 * SPV_ERR_TX_FEE_RATE when the fee is known, SPV_ERR_PACKAGE_SIZE, SPV_ERR_PACKAGE_FORM, or
 * SPV_ERR_INVALID for n = 0. Any thread. */
SPV_API int spv_broadcast_check(struct spv_broadcast_report *reports, struct spv_text_error *why,
                                const struct spv_tx *txs, size_t n,
                                const struct spv_broadcast_check_config *cfg);

/* ---- publishing ---- */

#define SPV_BROADCAST_MAX_TXS 1000 /* ours: ended ones included; 40 per day for 14 days */
#define SPV_BROADCAST_MAX_BYTES 40000000 /* ours: of all transactions; 100 of the largest */
#define SPV_BROADCAST_MAX_PEERS 256 /* ours: connections; more than a node has slots */
/* ours: network groups per transaction whose facts are stored */
#define SPV_BROADCAST_MAX_GROUPS 8
#define SPV_BROADCAST_RECIPIENTS 4 /* ours: connections that a round announces a package on */
/* ours: how often one transaction is sent on one connection; a peer needs it once */
#define SPV_BROADCAST_MAX_SENDS 3
/* connections that announce transactions to us while something is published */
#define SPV_BROADCAST_RELAY_PEERS 2
/* ours: seconds from one round of announcements to the next: the first delay, doubled each time,
 * up to the last one; a quarter more or less. A minute is enough for a peer to fetch; mempools lose
 * a transaction within days. */
#define SPV_BROADCAST_RETRY_MIN_S 60
#define SPV_BROADCAST_RETRY_MAX_S 43200
/* ours: a transaction with this many blocks above its own is forgotten: no reorganisation is that
 * deep */
#define SPV_BROADCAST_FORGET_DEPTH 100
/* a withdrawn transaction is remembered for 14 days, as mempools keep it that long (Bitcoin Core:
 * DEFAULT_MEMPOOL_EXPIRY_HOURS) */
#define SPV_BROADCAST_KEEP_S 1209600

enum spv_broadcast_state {
    SPV_BROADCAST_PUBLISHING = 1, /* it is being announced, or waits to be final */
    SPV_BROADCAST_CONFIRMED = 2,
    SPV_BROADCAST_CONFLICTED = 3, /* a confirmed one spends what it or an ancestor spends */
    SPV_BROADCAST_WITHDRAWN = 4,
};
enum spv_broadcast_flag {
    SPV_BROADCAST_PRIVATE = 1, /* it is only sent on private connections */
};
/* Facts about one transaction and one network group; bits. */
enum spv_broadcast_fact {
    SPV_BROADCAST_ANNOUNCED = 1, /* we announced it to a peer of the group */
    SPV_BROADCAST_FETCHED = 2, /* a peer of the group requested it with getdata */
    /* a peer of the group announced it to us, and no peer of the group had it from us */
    SPV_BROADCAST_RETURNED = 4,
    SPV_BROADCAST_RETURNED_SAME = 8, /* and by its wtxid, so with the same witness */
};

struct spv_broadcast_row {
    uint64_t id; /* ascending; never used again */
    uint64_t package; /* id of the first transaction of its package, its own when it is alone */
    uint32_t position; /* in the package, from 0 */
    struct spv_txid txid;
    uint32_t state; /* enum spv_broadcast_state */
    uint32_t flags; /* enum spv_broadcast_flag */
    uint32_t wait_height; /* struct spv_broadcast_report */
    int64_t wait_time;
    uint32_t height; /* CONFIRMED: of its block; else 0 */
    uint32_t n_rounds; /* rounds of announcements; counted in the package's first transaction */
    int64_t announced_at; /* time of the last round, unix seconds; 0: never */
    int64_t ended_at; /* unix seconds; 0 while it is published */
    uint32_t n_rejects; /* reject messages (BIP61): hints, at most one per connection */
    uint32_t reject_code; /* of the last one */
    uint32_t n_groups;
    uint64_t groups[SPV_BROADCAST_MAX_GROUPS]; /* keyed hashes */
    uint32_t facts[SPV_BROADCAST_MAX_GROUPS]; /* enum spv_broadcast_fact, one per group */
    struct spv_bytes raw; /* with witness; empty in a change: the stored bytes stay */
};
/* One row that is written or, by its id, deleted. */
struct spv_broadcast_change {
    bool deleted;
    struct spv_broadcast_row row;
};
/* To be applied in order, in one database transaction. */
struct spv_broadcast_update {
    const struct spv_broadcast_change *changes;
    size_t n;
};

struct spv_broadcast;
struct spv_broadcast_config {
    struct spv_rng rng; /* required */
};

/* Creates an empty object; the caller frees it with spv_broadcast_free. Returns 0 or SPV_ERR_NOMEM.
 */
SPV_API int spv_broadcast_new(struct spv_broadcast **out, const struct spv_broadcast_config *cfg);
SPV_API void spv_broadcast_free(struct spv_broadcast *b); /* NULL is allowed */

/* Loads one stored row, by ascending id, into an object before any operation. Returns 0,
 * SPV_ERR_DB_DAMAGED for a row that this library does not write, SPV_ERR_STATE after
 * spv_broadcast_load_end or an operation, or SPV_ERR_NOMEM. */
SPV_API int spv_broadcast_load(struct spv_broadcast *b, const struct spv_broadcast_row *row);
/* All rows are loaded. Returns 0, SPV_ERR_DB_DAMAGED for a package with a missing position, or
 * SPV_ERR_STATE. */
SPV_API int spv_broadcast_load_end(struct spv_broadcast *b, struct spv_now now);
/* Fills in the changes since the last spv_broadcast_stored; they are valid until the next call on
 * the object. Returns 0, SPV_ERR_STATE after a failed operation, or SPV_ERR_NOMEM. */
SPV_API int spv_broadcast_changes(struct spv_broadcast *b, struct spv_broadcast_update *out);
/* These changes are durable. */
SPV_API void spv_broadcast_stored(struct spv_broadcast *b);

/* The operations below return 0 or a negative error: those that each lists, and SPV_ERR_NOMEM,
 * after which every operation and spv_broadcast_changes return SPV_ERR_STATE. */

/* Publishes a transaction, or a package (parents and one child), which spv_broadcast_check has
 * passed; reports are that call's. flags: enum spv_broadcast_flag. The bytes are copied. A
 * withdrawn or conflicted one is published again; for one that is being published nothing changes.
 * The rows must be stored before anything is polled, so that a transaction that was announced is
 * never forgotten. A parent that was published alone becomes one of the package. Returns
 * SPV_ERR_INVALID (n is 0 or above SPV_BROADCAST_MAX_PACKAGE, or the same transaction twice),
 * SPV_ERR_TX_PRIVATE for one that was published without SPV_BROADCAST_PRIVATE and now with it, or
 * the other way round, SPV_ERR_PACKAGE_FORM for one of another package, or SPV_ERR_TOO_MANY. */
SPV_API int spv_broadcast_publish(struct spv_broadcast *b, const struct spv_tx *txs,
                                  const struct spv_broadcast_report *reports, size_t n,
                                  unsigned flags, struct spv_now now);
/* Ends the publishing of a transaction and of its package. Peers that have it keep it. Returns
 * SPV_ERR_NOT_FOUND for one that is not published. */
SPV_API int spv_broadcast_withdraw(struct spv_broadcast *b, const struct spv_txid *txid,
                                   struct spv_now now);

/* A connection whose handshake is complete. */
struct spv_broadcast_peer {
    uint64_t id; /* never 0, never used again */
    uint64_t group; /* a keyed hash of its network group */
    bool relay; /* its version message had relay 1 (spv_peer_stats): it accepts announcements */
    bool announces; /* it announces transactions to us: our version message had relay 1, or it has a
                       bloom filter of ours that matches what is published */
    bool wtxidrelay; /* both sides sent wtxidrelay (BIP339) */
};
/* A new connection, or a known one that has changed. Returns SPV_ERR_TOO_MANY above
 * SPV_BROADCAST_MAX_PEERS. */
SPV_API int spv_broadcast_add_peer(struct spv_broadcast *b, const struct spv_broadcast_peer *peer,
                                   struct spv_now now);
/* The connection is closed; an unknown id is allowed. Returns 0 or an error. */
SPV_API int spv_broadcast_remove_peer(struct spv_broadcast *b, uint64_t id, struct spv_now now);
/* A message of a peer; kinds other than inv, getdata, tx and reject are ignored. Returns 0 or an
 * error. */
SPV_API int spv_broadcast_recv(struct spv_broadcast *b, uint64_t peer, const struct spv_msg *msg,
                               struct spv_now now);
/* The tip of the best chain and its median time past. Returns 0 or an error. */
SPV_API int spv_broadcast_set_tip(struct spv_broadcast *b, uint32_t height, int64_t median_time,
                                  struct spv_now now);
/* The state of a transaction in the wallet: CONFIRMED in a block of this height, CONFLICTED, or
 * PUBLISHING when neither is true any more. Transactions that are not known, or were withdrawn, are
 * ignored. Returns 0 or an error. */
SPV_API int spv_broadcast_set_state(struct spv_broadcast *b, const struct spv_txid *txid,
                                    enum spv_broadcast_state state, uint32_t height,
                                    struct spv_now now);
/* The time has passed spv_broadcast_deadline; earlier calls do no harm. Returns 0 or an error. */
SPV_API int spv_broadcast_timer(struct spv_broadcast *b, struct spv_now now);
/* Returns when spv_broadcast_timer must be called next, in monotonic microseconds, or SPV_NEVER. */
SPV_API uint64_t spv_broadcast_deadline(const struct spv_broadcast *b);

/* The progress of a transaction. */
struct spv_broadcast_progress {
    struct spv_txid txid;
    uint64_t package;
    enum spv_broadcast_state state;
    bool is_private;
    bool waits; /* it is not final before wait_height and wait_time */
    uint32_t wait_height;
    int64_t wait_time;
    /* numbers of network groups, SPV_BROADCAST_MAX_GROUPS at most */
    unsigned announced, fetched, returned;
    unsigned n_rejects; /* hints */
    uint8_t reject_code; /* of the last: SPV_REJECT_* */
};
enum spv_broadcast_action_kind {
    SPV_BROADCAST_SEND = 1, /* send `message` to `peer` */
    SPV_BROADCAST_EVENT = 2, /* `progress` has changed */
};
struct spv_broadcast_action {
    enum spv_broadcast_action_kind kind;
    uint64_t peer;
    struct spv_msg message; /* what it points at is valid until the next call on the object */
    struct spv_broadcast_progress progress;
};
/* The next action. Returns 1, 0 when there is none, or SPV_ERR_NOMEM. */
SPV_API int spv_broadcast_poll(struct spv_broadcast *b, struct spv_broadcast_action *out);

/* Returns how many connections must announce transactions to us, so that what is being published
 * can return: SPV_BROADCAST_RELAY_PEERS, or 0. */
SPV_API unsigned spv_broadcast_relay_wanted(const struct spv_broadcast *b);
/* Returns how many connections do. */
SPV_API unsigned spv_broadcast_relay_count(const struct spv_broadcast *b);
/* Fills in the progress of a transaction. Returns 0 or SPV_ERR_NOT_FOUND. */
SPV_API int spv_broadcast_find(const struct spv_broadcast *b, struct spv_broadcast_progress *out,
                               const struct spv_txid *txid);
/* All transactions by ascending id. Returns true and the progress of the next one, or false; *next
 * is 0 at first. */
SPV_API bool spv_broadcast_next(const struct spv_broadcast *b, uint64_t *next,
                                struct spv_broadcast_progress *out);
/* Returns the bytes of memory in use. */
SPV_API size_t spv_broadcast_memory(const struct spv_broadcast *b);

/* ---- private connections ---- */

/* The user agent of all of them: that of Bitcoin Core's private broadcast, so that it reveals
 * nothing about us. */
#define SPV_PRIVATE_USER_AGENT "/pynode:0.0.1/"
/* recipients of one transaction before the first wait for it to return (Bitcoin Core:
 * NUM_PRIVATE_BROADCAST_PER_TX) */
#define SPV_PRIVATE_RECIPIENTS 3
#define SPV_PRIVATE_CONNECTIONS 8 /* ours: open at a time, for all transactions together */
/* seconds from the dial to the end of a connection: Tor's circuits are slow (Bitcoin Core:
 * PRIVATE_BROADCAST_MAX_CONNECTION_LIFETIME) */
#define SPV_PRIVATE_MAX_S 180

/* A connection of its own for one private transaction: the version message of struct
 * spv_peer_config.anonymous, the announcement, the transaction, a ping, and its end. It carries
 * nothing else, and only goes to an onion peer or through a proxy that is declared to be Tor, with
 * SOCKS credentials of its own. */
enum spv_private_action_kind {
    SPV_PRIVATE_OPEN = 1, /* a connection is wanted: spv_broadcast_private_opened */
    SPV_PRIVATE_SEND = 2, /* send `message` to `peer` */
    SPV_PRIVATE_CLOSE = 3, /* close `peer`; spv_broadcast_private_closed is not called */
};
struct spv_private_action {
    enum spv_private_action_kind kind;
    struct spv_txid txid; /* OPEN: the transaction that the connection is for */
    uint64_t peer;
    struct spv_msg message; /* what it points at is valid until the next call on the object */
}; /* The next action for private connections. An OPEN is repeated until it is answered. Returns 1,
    * or 0 when there is none. */
SPV_API int spv_broadcast_private_poll(struct spv_broadcast *b, struct spv_private_action *out,
                                       struct spv_now now);
/* A connection for a transaction is dialled. Returns 0, SPV_ERR_STATE when no connection is wanted
 * for it, or SPV_ERR_INVALID for a peer whose id is in use. */
SPV_API int spv_broadcast_private_opened(struct spv_broadcast *b, const struct spv_txid *txid,
                                         uint64_t peer, uint64_t group, struct spv_now now);
/* No peer can be dialled for a transaction now: an OPEN follows a minute later. */
SPV_API void spv_broadcast_private_failed(struct spv_broadcast *b, const struct spv_txid *txid,
                                          struct spv_now now);
/* The handshake is complete; relay: the peer's version message had relay 1; without it the
 * connection is closed. Returns 0 or an error. */
SPV_API int spv_broadcast_private_connected(struct spv_broadcast *b, uint64_t peer, bool relay,
                                            struct spv_now now);
/* A message of the peer. Returns 0 or an error. */
SPV_API int spv_broadcast_private_recv(struct spv_broadcast *b, uint64_t peer,
                                       const struct spv_msg *msg, struct spv_now now);
/* The connection is closed, or the dial has failed; an unknown id is allowed. Returns 0 or an
 * error. */
SPV_API int spv_broadcast_private_closed(struct spv_broadcast *b, uint64_t peer,
                                         struct spv_now now);
/* Returns when spv_broadcast_private_poll must be called next, in monotonic microseconds, or
 * SPV_NEVER. */
SPV_API uint64_t spv_broadcast_private_deadline(const struct spv_broadcast *b);

#ifdef __cplusplus
}
#endif

#endif
