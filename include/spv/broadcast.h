/* Publishing transactions: what is refused before, and a state machine that announces them to peers
 * until they are confirmed. It performs no I/O and reads no clock.
 *
 * Progress is facts, counted by network groups: to how many a transaction was announced, how many
 * fetched it, and how many announced it back that did not have it from us. None of them proves that
 * a miner has it. A reject message is a hint: anyone may send one.
 *
 * Every input collects changes, as those of a wallet (spv/wallet.h) do: after an error of class
 * LOCAL, or when the store failed, the machine is freed and loaded again from its rows.
 *
 * Thread rule: all calls on one machine from one thread at a time; different ones are independent.
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
 * between which white space is ignored, or binary. It is checked for its form (spv_tx_parse). out
 * gets its bytes; it has room for n of them and does not overlap `in`. why may be NULL; the
 * positions of its message count characters of the input. Returns 0 and *n_out, SPV_ERR_TX_PSBT for
 * a PSBT (BIP174) as bytes, hexadecimal or base64, SPV_ERR_TEXT_CHARACTER for another character or
 * an odd number of digits, SPV_ERR_TX_NO_INPUTS, SPV_ERR_TX_NO_OUTPUTS, or an error of
 * spv_tx_parse. Any thread. */
SPV_API int spv_broadcast_decode(uint8_t *out, size_t *n_out, struct spv_text_error *why,
                                 const void *in, size_t n);

/* What is known of an output that a transaction spends. */
struct spv_broadcast_prevout {
    int64_t value;
    uint32_t height; /* of its block; UINT32_MAX: in no block */
};
struct spv_broadcast_check_config {
    /* Finds an output that is ours; false when it is not. NULL: none is. Those of the package
     * itself are found without it. */
    bool (*find_output)(void *ctx, struct spv_broadcast_prevout *out, const struct spv_txid *txid,
                        uint32_t vout);
    void *ctx;
    bool allow_high_fee; /* no limit of the fee rate */
};
/* What a check found in one transaction that is not refused. */
struct spv_broadcast_report {
    struct spv_txid txid;
    int64_t fee; /* -1 unless every output that it spends is ours or of the package */
    /* Warning: inputs with neither scriptSig nor witness, which look unsigned. Rightly so only when
     * they spend an output that anyone can spend. */
    size_t n_unsigned;
    size_t first_unsigned; /* number of the first one, from 0 */
    /* Warning: inputs with a relative lock (BIP68) that is not known to be met: a time, or blocks
     * above an output whose height is unknown. */
    size_t n_relative;
    /* Peers accept it when the best chain has this height, and its median time past is above this
     * time; 0: at once. */
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

/* ---- the machine ---- */

#define SPV_BROADCAST_MAX_TXS                                                                      \
    1000 /* ours: transactions, ended ones included; 40 a day for 14 days */
#define SPV_BROADCAST_MAX_BYTES 40000000 /* ours: of them together; 100 of the largest */
#define SPV_BROADCAST_MAX_PEERS 256 /* ours: connections; more than a node has slots */
#define SPV_BROADCAST_MAX_GROUPS 8 /* ours: network groups of which facts are kept, of each one */
#define SPV_BROADCAST_RECIPIENTS 4 /* ours: connections that it is announced on at a time */
#define SPV_BROADCAST_MAX_SENDS                                                                    \
    3 /* ours: of one transaction on one connection; a peer needs one                              \
       */
#define SPV_BROADCAST_RELAY_PEERS                                                                  \
    2 /* connections that announce to us while something is published */
/* ours: seconds from one announcement to the next, doubled each time; a quarter more or less. A
 * minute is enough for a peer to fetch; mempools lose a transaction within days. */
#define SPV_BROADCAST_RETRY_MIN_S 60
#define SPV_BROADCAST_RETRY_MAX_S 43200
#define SPV_BROADCAST_FORGET_DEPTH                                                                 \
    100 /* ours: blocks above it, after which a transaction is forgotten                           \
         */
#define SPV_BROADCAST_KEEP_S                                                                       \
    1209600 /* 14 days that a withdrawn one is remembered, as in mempools                          \
             */

enum spv_broadcast_state {
    SPV_BROADCAST_PUBLISHING = 1, /* waiting, or announced again and again */
    SPV_BROADCAST_CONFIRMED = 2,
    SPV_BROADCAST_CONFLICTED = 3, /* a confirmed one spends what it or an ancestor spends */
    SPV_BROADCAST_WITHDRAWN = 4,
};
enum spv_broadcast_flag {
    SPV_BROADCAST_PRIVATE = 1, /* never on an ordinary connection */
};
/* What is known of a network group; bits. */
enum spv_broadcast_fact {
    SPV_BROADCAST_ANNOUNCED = 1, /* by us to a peer of it */
    SPV_BROADCAST_FETCHED = 2, /* a peer of it asked for it */
    SPV_BROADCAST_RETURNED = 4, /* a peer of it announced it, and none had it from us */
    SPV_BROADCAST_RETURNED_SAME = 8, /* and by its wtxid: with our witness */
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
    uint32_t n_rounds; /* how often the package was announced; counted in its first transaction */
    int64_t announced_at; /* the last time, unix seconds; 0: never */
    int64_t ended_at; /* unix seconds; 0 while it is published */
    uint32_t n_rejects; /* reject messages (BIP61): hints, at most one a connection */
    uint32_t reject_code; /* of the last one */
    uint32_t n_groups;
    uint64_t groups[SPV_BROADCAST_MAX_GROUPS]; /* keyed hashes */
    uint32_t facts[SPV_BROADCAST_MAX_GROUPS]; /* enum spv_broadcast_fact, of each group */
    struct spv_bytes raw; /* with witness; empty in a change: as stored */
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

/* Creates an empty machine; the caller frees it with spv_broadcast_free. Returns 0 or
 * SPV_ERR_NOMEM. */
SPV_API int spv_broadcast_new(struct spv_broadcast **out, const struct spv_broadcast_config *cfg);
SPV_API void spv_broadcast_free(struct spv_broadcast *b); /* NULL is allowed */

/* Loads one stored row, by ascending id, into a machine that had no input yet. Returns 0,
 * SPV_ERR_DB_DAMAGED for a row that this library does not write, SPV_ERR_STATE after
 * spv_broadcast_load_end or an input, or SPV_ERR_NOMEM. */
SPV_API int spv_broadcast_load(struct spv_broadcast *b, const struct spv_broadcast_row *row);
/* All rows are loaded. Returns 0, SPV_ERR_DB_DAMAGED for a package with a gap, or SPV_ERR_STATE. */
SPV_API int spv_broadcast_load_end(struct spv_broadcast *b, struct spv_now now);
/* Fills in the changes since the last spv_broadcast_stored; they are valid until the next call on
 * the machine. Returns 0, SPV_ERR_STATE after a failed input, or SPV_ERR_NOMEM. */
SPV_API int spv_broadcast_changes(struct spv_broadcast *b, struct spv_broadcast_update *out);
/* These changes are durable. */
SPV_API void spv_broadcast_stored(struct spv_broadcast *b);

/* The inputs below return 0 or a negative error: SPV_ERR_NOMEM, after which every input and
 * spv_broadcast_changes return SPV_ERR_STATE, and what each lists. */

/* Publishes a transaction, or a package (parents and one child), which spv_broadcast_check has
 * passed; reports are that call's. flags: enum spv_broadcast_flag. The bytes are copied. One that
 * is withdrawn or conflicted is published again, one that is published already goes on. Its rows
 * must be stored before anything is polled, so that it is not forgotten after it was announced. A
 * parent that was published alone becomes one of the package. Returns SPV_ERR_INVALID (n is 0 or
 * above SPV_BROADCAST_MAX_PACKAGE, or a transaction is there twice), SPV_ERR_TX_PRIVATE for one
 * that was published the other way, in private or not, SPV_ERR_PACKAGE_FORM for one of another
 * package, or SPV_ERR_TOO_MANY. */
SPV_API int spv_broadcast_publish(struct spv_broadcast *b, const struct spv_tx *txs,
                                  const struct spv_broadcast_report *reports, size_t n,
                                  unsigned flags, struct spv_now now);
/* Ends the publishing of a transaction and of its package. Who has it keeps it. Returns
 * SPV_ERR_NOT_FOUND for one that is not published. */
SPV_API int spv_broadcast_withdraw(struct spv_broadcast *b, const struct spv_txid *txid,
                                   struct spv_now now);

/* A connection whose handshake is complete. */
struct spv_broadcast_peer {
    uint64_t id; /* never 0, never used again */
    uint64_t group; /* a keyed hash of its network group */
    bool relay; /* its version message had relay 1 (spv_peer_stats): it accepts announcements */
    bool announces; /* ours had relay 1, or it has our filter that matches: it announces to us */
    bool wtxidrelay; /* both sides sent wtxidrelay (BIP339) */
};
/* A new connection, or a known one that has changed. Returns SPV_ERR_TOO_MANY above
 * SPV_BROADCAST_MAX_PEERS. */
SPV_API int spv_broadcast_add_peer(struct spv_broadcast *b, const struct spv_broadcast_peer *peer,
                                   struct spv_now now);
/* It is closed; any id. Returns 0 or an error, as all inputs. */
SPV_API int spv_broadcast_remove_peer(struct spv_broadcast *b, uint64_t id, struct spv_now now);
/* A message of a peer; inv, getdata, tx and reject are of interest. Returns 0 or an error. */
SPV_API int spv_broadcast_recv(struct spv_broadcast *b, uint64_t peer, const struct spv_msg *msg,
                               struct spv_now now);
/* The tip of the best chain and its median time past. Returns 0 or an error. */
SPV_API int spv_broadcast_set_tip(struct spv_broadcast *b, uint32_t height, int64_t median_time,
                                  struct spv_now now);
/* The wallet's word on a transaction: CONFIRMED in a block of this height, CONFLICTED, or
 * PUBLISHING when neither is true any more. Transactions that are not known, or were withdrawn, are
 * ignored. Returns 0 or an error. */
SPV_API int spv_broadcast_set_state(struct spv_broadcast *b, const struct spv_txid *txid,
                                    enum spv_broadcast_state state, uint32_t height,
                                    struct spv_now now);
/* The time has passed spv_broadcast_deadline; earlier calls do no harm. Returns 0 or an error. */
SPV_API int spv_broadcast_timer(struct spv_broadcast *b, struct spv_now now);
/* Returns when spv_broadcast_timer must be called next, in monotonic microseconds, or SPV_NEVER. */
SPV_API uint64_t spv_broadcast_deadline(const struct spv_broadcast *b);

/* How far a transaction is. */
struct spv_broadcast_progress {
    struct spv_txid txid;
    uint64_t package;
    enum spv_broadcast_state state;
    bool is_private;
    bool waits; /* not final: for wait_height and wait_time */
    uint32_t wait_height;
    int64_t wait_time;
    /* network groups, SPV_BROADCAST_MAX_GROUPS at most */
    unsigned announced, fetched, returned;
    unsigned n_rejects; /* hints */
    uint8_t reject_code; /* of the last: SPV_REJECT_* */
};
enum spv_broadcast_action_kind {
    SPV_BROADCAST_SEND = 1, /* `message` to `peer` */
    SPV_BROADCAST_EVENT = 2, /* `progress` has changed */
};
struct spv_broadcast_action {
    enum spv_broadcast_action_kind kind;
    uint64_t peer;
    struct spv_msg message; /* what it points at is valid until the next call on the machine */
    struct spv_broadcast_progress progress;
};
/* The next action. Returns 1, 0 when there is none, or SPV_ERR_NOMEM. */
SPV_API int spv_broadcast_poll(struct spv_broadcast *b, struct spv_broadcast_action *out);

/* Returns how many connections must announce transactions to us, so that something that is being
 * published is announced back: SPV_BROADCAST_RELAY_PEERS, or 0. */
SPV_API unsigned spv_broadcast_relay_wanted(const struct spv_broadcast *b);
/* Returns how many do. */
SPV_API unsigned spv_broadcast_relay_count(const struct spv_broadcast *b);
/* Fills in the progress of a transaction. Returns 0 or SPV_ERR_NOT_FOUND. */
SPV_API int spv_broadcast_find(const struct spv_broadcast *b, struct spv_broadcast_progress *out,
                               const struct spv_txid *txid);
/* All transactions by ascending id. Returns true and the next one's, or false; *next is 0 at
 * first. */
SPV_API bool spv_broadcast_next(const struct spv_broadcast *b, uint64_t *next,
                                struct spv_broadcast_progress *out);
/* Returns the bytes of memory in use. */
SPV_API size_t spv_broadcast_memory(const struct spv_broadcast *b);

/* ---- private connections ---- */

/* The user agent of all of them: that of Bitcoin Core's private broadcast, so that it tells nothing
 * about us. */
#define SPV_PRIVATE_USER_AGENT "/pynode:0.0.1/"
#define SPV_PRIVATE_RECIPIENTS 3 /* of one transaction before anyone is waited for */
#define SPV_PRIVATE_CONNECTIONS 8 /* ours: at a time, of all transactions */
#define SPV_PRIVATE_MAX_S 180 /* seconds from the dial to the end: Tor's circuits are slow */

/* A connection of its own for one private transaction: the version message of struct
 * spv_peer_config.anonymous, the announcement, the transaction, a ping, and its end. It carries
 * nothing else, and only goes to an onion peer or through a proxy that is declared to be Tor, with
 * SOCKS credentials of its own. */
enum spv_private_action_kind {
    SPV_PRIVATE_OPEN = 1, /* a connection is wanted: spv_broadcast_private_opened */
    SPV_PRIVATE_SEND = 2, /* `message` to `peer` */
    SPV_PRIVATE_CLOSE = 3, /* close `peer`; spv_broadcast_private_closed is not called */
};
struct spv_private_action {
    enum spv_private_action_kind kind;
    struct spv_txid txid; /* OPEN: of the transaction */
    uint64_t peer;
    struct spv_msg message; /* what it points at is valid until the next call on the machine */
};
/* The next action for private connections. An OPEN is repeated until it is answered. Returns 1, or
 * 0 when there is none. */
SPV_API int spv_broadcast_private_poll(struct spv_broadcast *b, struct spv_private_action *out,
                                       struct spv_now now);
/* A connection for a transaction is dialled. Returns 0, SPV_ERR_STATE when none is wanted for it,
 * or SPV_ERR_INVALID for a peer whose id is known. */
SPV_API int spv_broadcast_private_opened(struct spv_broadcast *b, const struct spv_txid *txid,
                                         uint64_t peer, uint64_t group, struct spv_now now);
/* No peer can be found for a transaction now: it is tried again a minute later. */
SPV_API void spv_broadcast_private_failed(struct spv_broadcast *b, const struct spv_txid *txid,
                                          struct spv_now now);
/* The handshake is complete; relay: the peer's version had relay 1, else the connection ends.
 * Returns 0 or an error. */
SPV_API int spv_broadcast_private_connected(struct spv_broadcast *b, uint64_t peer, bool relay,
                                            struct spv_now now);
/* A message of the peer. Returns 0 or an error. */
SPV_API int spv_broadcast_private_recv(struct spv_broadcast *b, uint64_t peer,
                                       const struct spv_msg *msg, struct spv_now now);
/* It is closed, or the dial has failed; any id. Returns 0 or an error. */
SPV_API int spv_broadcast_private_closed(struct spv_broadcast *b, uint64_t peer,
                                         struct spv_now now);
/* Returns when spv_broadcast_private_poll must be called next, in monotonic microseconds, or
 * SPV_NEVER. */
SPV_API uint64_t spv_broadcast_private_deadline(const struct spv_broadcast *b);

#ifdef __cplusplus
}
#endif

#endif
