/* The tables of struct spv_broadcast: transactions in slots; connections, each with some bits per
 * slot; and queued messages. Used by the files broadcast*.c.
 *
 * A package's transactions are linked in the order in which they were given; the last one is the
 * child. A transaction alone is a package of one. A package is deleted as a whole. */
#ifndef SPV_WALLET_BROADCAST_STATE_H
#define SPV_WALLET_BROADCAST_STATE_H

#include "spv/broadcast.h"
#include "spv/wallet/probe_table.h"

#define SPV_NO_SLOT UINT32_MAX

struct spv_broadcast_tx {
    struct spv_broadcast_row row; /* id 0: the slot is free; raw is empty */
    uint8_t *raw; /* owned */
    struct spv_tx tx; /* points into raw */
    struct spv_wtxid wtxid;
    uint32_t first; /* slot of the package's first transaction */
    uint32_t next; /* of the package; SPV_NO_SLOT: it is the last */
    uint64_t due_us; /* of the first transaction: time of the package's next round */
    bool changed; /* its row must be written */
    bool stored; /* its row is stored with its bytes */
    bool has_event; /* its progress is to be reported */
};

/* What is known of a transaction on one connection; bits. */
enum spv_broadcast_bit {
    SPV_BROADCAST_BIT_ANNOUNCED = 1, /* we announced it to the peer */
    SPV_BROADCAST_BIT_ROUND = 2, /* of a package's first transaction: announced in this round */
    SPV_BROADCAST_BIT_FETCHED = 4, /* the peer requested it */
    SPV_BROADCAST_BIT_HAS = 8, /* the peer announced it */
    SPV_BROADCAST_BIT_REJECTED = 16,
};
#define SPV_BROADCAST_SENDS_SHIFT 5 /* the bits above: how often it was sent */

struct spv_broadcast_conn {
    struct spv_broadcast_peer info;
    uint8_t bits[SPV_BROADCAST_MAX_TXS]; /* by slot */
};

/* A private connection: it sends one transaction. */
enum spv_private_state {
    SPV_PRIVATE_FREE = 0,
    SPV_PRIVATE_DIALLING = 1,
    SPV_PRIVATE_READY = 2, /* the inv must be sent */
    SPV_PRIVATE_ANNOUNCED = 3,
    SPV_PRIVATE_REQUESTED = 4, /* the peer sent getdata: the transaction must be sent */
    SPV_PRIVATE_SENT = 5, /* the transaction was sent: the ping must be sent */
    SPV_PRIVATE_PINGED = 6,
    SPV_PRIVATE_DONE = 7, /* it must be closed */
};
struct spv_private_conn {
    enum spv_private_state state;
    uint64_t peer;
    uint64_t group;
    uint64_t id; /* of the transaction */
    uint64_t deadline_us;
    uint64_t nonce; /* of the ping */
    bool stripped; /* requested without witness */
    struct spv_inv item; /* the announced one */
};

/* A message that waits to be polled. */
struct spv_broadcast_send {
    uint64_t peer;
    enum spv_command command; /* INV, TX, NOTFOUND */
    struct spv_inv item; /* TX: the item of the getdata */
    uint32_t slot; /* TX */
    uint64_t id; /* TX: id of the transaction; its slot may have been reused */
    struct spv_inv *items; /* INV, NOTFOUND; owned */
    size_t n;
};

struct spv_broadcast {
    struct spv_broadcast_config cfg;
    int error; /* of a failed operation: every later one is refused */
    bool loaded; /* loading has ended */
    uint64_t key[2]; /* of SipHash, for the tables */
    uint64_t next_id;
    uint32_t tip_height;
    int64_t median_time;

    struct spv_broadcast_tx *txs;
    size_t n_txs, cap_txs; /* slots */
    size_t n_used; /* slots that are not free */
    size_t n_bytes; /* of all transactions */
    struct spv_probe_table by_txid;
    struct spv_probe_table by_wtxid;

    struct spv_broadcast_conn **conns;
    size_t n_conns, cap_conns;

    struct spv_broadcast_send *sends; /* a queue: entries head to n_sends - 1 */
    size_t head, n_sends, cap_sends;
    struct spv_private_conn privates[SPV_PRIVATE_CONNECTIONS];
    struct spv_inv *polled_items; /* items of the last polled message */
    uint8_t *stripped; /* bytes of the last polled transaction, without witness */

    uint64_t *deleted; /* ids whose rows must be deleted */
    size_t n_deleted, cap_deleted;
    struct spv_broadcast_change *update; /* what spv_broadcast_changes returned last */
    size_t cap_update;
};

/* ---- broadcast_table.c ---- */

/* SPV_NO_SLOT: none. */
uint32_t spv_broadcast_find_txid(const struct spv_broadcast *b, const uint8_t txid[32]);
uint32_t spv_broadcast_find_wtxid(const struct spv_broadcast *b, const uint8_t wtxid[32]);
/* Adds a transaction without a package. Returns 0 and its slot, SPV_ERR_TOO_MANY or an error of
 * spv_tx_parse, with nothing changed, or SPV_ERR_NOMEM. */
int spv_broadcast_add_tx(struct spv_broadcast *b, uint32_t *slot, const uint8_t *raw, size_t n);
/* Appends a transaction to the package that begins with `first`; SPV_NO_SLOT: to a new package of
 * its own. */
void spv_broadcast_link(struct spv_broadcast *b, uint32_t slot, uint32_t first);
/* Deletes a package and the rows of its transactions. */
int spv_broadcast_delete(struct spv_broadcast *b, uint32_t first);
/* Marks a transaction whose row and progress have changed. */
void spv_broadcast_mark_changed(struct spv_broadcast_tx *tx);
/* Adds a fact (enum spv_broadcast_fact) about a network group. */
void spv_broadcast_add_fact(struct spv_broadcast_tx *tx, uint64_t group, uint32_t fact);
/* The facts about a network group: bits of enum spv_broadcast_fact. */
uint32_t spv_broadcast_facts(const struct spv_broadcast_tx *tx, uint64_t group);
/* NULL: none. */
struct spv_broadcast_conn *spv_broadcast_conn(const struct spv_broadcast *b, uint64_t id);
/* Whether a transaction is final for the next block (BIP113). */
bool spv_broadcast_is_final(const struct spv_broadcast *b, const struct spv_broadcast_tx *tx);

/* ---- broadcast_queue.c ---- */

/* Queues a message with n items, which are copied. */
int spv_broadcast_queue_items(struct spv_broadcast *b, uint64_t peer, enum spv_command command,
                              const struct spv_inv *items, size_t n);
/* Queues a transaction, as the answer to an item of a getdata. */
int spv_broadcast_queue_tx(struct spv_broadcast *b, uint64_t peer, uint32_t slot,
                           const struct spv_inv *item);
/* Removes the queued messages for a peer. */
void spv_broadcast_drop_sends(struct spv_broadcast *b, uint64_t peer);

/* Serialises a transaction with or without its witness. Returns 0 or SPV_ERR_NOMEM. */
int spv_broadcast_serialise(struct spv_broadcast *b, struct spv_tx *out,
                            const struct spv_broadcast_tx *tx, bool stripped);

/* ---- broadcast_messages.c ---- */

/* Returns 0 or SPV_ERR_NOMEM. */
int spv_broadcast_on_message(struct spv_broadcast *b, struct spv_broadcast_conn *conn,
                             const struct spv_msg *msg);

/* ---- broadcast_rounds.c ---- */

/* Computes the time of a package's next round from that of its last one. */
void spv_broadcast_schedule(struct spv_broadcast *b, uint32_t first, struct spv_now now);
/* After every operation: announces what is due, and forgets packages that ended long ago. */
int spv_broadcast_run(struct spv_broadcast *b, struct spv_now now);

#endif
