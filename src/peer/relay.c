/* Transactions wait for a trickle: after a random, memoryless delay up to a thousand of them go out
 * in one message, so that the time of an announcement does not reveal where a transaction
 * originated. Blocks are urgent and public; they are announced at once.
 * is_wanted checks an item twice, when it is queued and when it is sent: meanwhile the peer may
 * have announced it to us or raised its fee filter.
 *
 * A peer that sent sendheaders (BIP130) gets new blocks announced by their headers, as long as
 * these are few and follow a block that the peer has; other peers get an inv with the last hash. */
#include "peer/relay.h"

#include <stdlib.h>
#include <string.h>

#include "peer/peer_state.h"
#include "spv/error.h"
#include "util/array.h"
#include "util/rng.h"

#define INITIAL_CAP 16
#define INV_OVERHEAD (SPV_FRAME_HEADER + 3) /* and a count of up to 1,000 */
#define INV_ITEM 36

void spv_relay_init(struct spv_relay *r, const struct spv_rng *rng, size_t max_known)
{
    *r = (struct spv_relay){0};
    spv_known_inv_init(&r->known_inv, rng, max_known);
}

static void free_tx_queue(struct spv_relay *r)
{
    free(r->items);
    free(r->fees);
    r->items = NULL;
    r->fees = NULL;
    r->head = r->n = r->cap = 0;
}

void spv_relay_free(struct spv_relay *r)
{
    free_tx_queue(r);
    spv_known_inv_free(&r->known_inv);
}

size_t spv_relay_memory(const struct spv_relay *r)
{
    return spv_known_inv_memory(&r->known_inv) +
           r->cap * (sizeof(r->items[0]) + sizeof(r->fees[0]));
}

static void remember_headers(struct spv_relay *r, const struct spv_msg_headers *h)
{
    /* Of a long answer only the last header is stored: the next announcement follows it. */
    size_t from = h->n > SPV_ANNOUNCED_HEADERS ? h->n - 1 : 0;
    for (size_t i = from; i < h->n; i++) {
        struct spv_blockhash hash;
        spv_header_hash(&hash, &h->headers[i]);
        spv_known_inv_add(&r->known_inv, hash.b);
    }
}

static void remember_inv(struct spv_relay *r, const struct spv_msg_inv *inv)
{
    for (size_t i = 0; i < inv->n; i++)
        spv_known_inv_add(&r->known_inv, inv->items[i].hash.b);
}

static void remember_header(struct spv_relay *r, const struct spv_header *header)
{
    struct spv_msg_headers one = {.headers = header, .n = 1};
    remember_headers(r, &one);
}

static void remember_tx(struct spv_relay *r, const struct spv_tx *tx)
{
    struct spv_txid txid;
    struct spv_wtxid wtxid;
    spv_tx_txid(&txid, tx);
    spv_known_inv_add(&r->known_inv, txid.b);
    if (tx->has_witness) {
        spv_tx_wtxid(&wtxid, tx);
        spv_known_inv_add(&r->known_inv, wtxid.b);
    }
}

/* Items that both sides have after the message was sent or received. */
static void remember_item(struct spv_relay *r, const struct spv_msg *msg)
{
    if (msg->command == SPV_CMD_INV)
        remember_inv(r, &msg->u.inv);
    else if (msg->command == SPV_CMD_HEADERS)
        remember_headers(r, &msg->u.headers);
    else if (msg->command == SPV_CMD_BLOCK)
        remember_header(r, &msg->u.block.header);
    else if (msg->command == SPV_CMD_MERKLEBLOCK)
        remember_header(r, &msg->u.merkleblock.header);
    else if (msg->command == SPV_CMD_TX)
        remember_tx(r, &msg->u.tx);
}

void spv_relay_on_received(struct spv_relay *r, const struct spv_msg *msg)
{
    if (msg->command == SPV_CMD_GETHEADERS || msg->command == SPV_CMD_GETBLOCKS)
        for (size_t i = 0; i < msg->u.getheaders.n; i++)
            spv_known_inv_add(&r->known_inv, msg->u.getheaders.locator[i].b);
    remember_item(r, msg);
}

void spv_relay_on_sent(struct spv_relay *r, const struct spv_msg *msg)
{
    remember_item(r, msg);
}

void spv_relay_on_sent_headers(struct spv_relay *r, const uint8_t *payload, size_t n)
{
    const size_t entry = SPV_HEADER_SIZE + 1;
    const size_t headers = n / entry; /* the count before them is shorter than one */
    const uint8_t *at = payload + n % entry;
    for (size_t i = headers > SPV_ANNOUNCED_HEADERS ? headers - 1 : 0; i < headers; i++) {
        struct spv_blockhash hash;
        spv_header_hash_raw(&hash, at + i * entry, 1);
        spv_known_inv_add(&r->known_inv, hash.b);
    }
}

/* Returns -ln(u) of a random u in (0, 1]: a multiple of ln 2 plus a series for the remainder. */
static double random_exponential(const struct spv_rng *rng)
{
    uint64_t r = spv_rng_u64(rng);
    double sum = 0;
    for (; (r & 1) != 0 && sum < 40; r >>= 1)
        sum += 0.6931471805599453; /* ln 2: u is in the lower half of the interval */
    r = spv_rng_u64(rng);
    double u = 1.0 - (double)(r >> 11) * 0x1p-54; /* in (1/2, 1] */
    double x = (1.0 - u) / (1.0 + u), x2 = x * x;
    return sum + 2 * x * (1 + x2 / 3 + x2 * x2 / 5 + x2 * x2 * x2 / 7);
}

static void relay_arm(struct spv_peer *p, struct spv_now now)
{
    double delay = random_exponential(&p->cfg.rng) * (double)p->cfg.timeouts.trickle;
    p->deadline[SPV_DEADLINE_TRICKLE] = now.mono_us + 1 + (uint64_t)delay;
}

void spv_relay_begin(struct spv_peer *p, struct spv_now now)
{
    if (p->relay.n > p->relay.head)
        relay_arm(p, now);
}

/* True when the peer accepts an announcement of this transaction. */
static bool is_wanted(const struct spv_peer *p, const struct spv_inv *item, uint64_t fee)
{
    const struct spv_peer_stats *s = &p->stats;
    uint32_t type = item->type & ~SPV_INV_WITNESS;
    /* BIP37: no transactions before a filter is loaded. BIP133: none below the fee filter.
     * BIP339: by wtxid if both sides agreed so, else by txid. */
    return s->relay && fee >= s->fee_filter && (type == SPV_INV_WTX) == s->wtxidrelay &&
           !spv_known_inv_has(&p->relay.known_inv, item->hash.b);
}

static int relay_reserve(struct spv_relay *r)
{
    if (r->n < r->cap)
        return 0;
    if (r->head >= r->cap / 2 && r->head > 0) {
        memmove(r->items, r->items + r->head, (r->n - r->head) * sizeof(r->items[0]));
        memmove(r->fees, r->fees + r->head, (r->n - r->head) * sizeof(r->fees[0]));
        r->n -= r->head;
        r->head = 0;
        return 0;
    }
    const size_t cap = spv_array_next_cap(r->cap, r->cap + 1, INITIAL_CAP, SIZE_MAX);
    void *items = realloc(r->items, cap * sizeof(r->items[0]));
    if (!items)
        return SPV_ERR_NOMEM;
    r->items = items;
    void *fees = realloc(r->fees, cap * sizeof(r->fees[0]));
    if (!fees)
        return SPV_ERR_NOMEM;
    r->fees = fees;
    r->cap = cap;
    return 0;
}

int spv_relay_push_tx(struct spv_peer *p, const struct spv_inv *item, uint64_t fee,
                      struct spv_now now)
{
    struct spv_relay *r = &p->relay;
    if (p->ready && !is_wanted(p, item, fee))
        return 0;
    if (r->n - r->head == SPV_PEER_INVENTORY)
        return SPV_ERR_QUEUE_FULL;
    int rc = relay_reserve(r);
    if (rc < 0)
        return rc;
    r->items[r->n] = *item;
    r->fees[r->n++] = fee;
    if (p->ready && p->deadline[SPV_DEADLINE_TRICKLE] == SPV_NEVER)
        relay_arm(p, now);
    return 1;
}

static int send_inv(struct spv_peer *p, const struct spv_inv *items, size_t n, struct spv_now now)
{
    struct spv_msg msg = {.command = SPV_CMD_INV, .u.inv = {items, n}};
    int rc = spv_send_message(p, &msg, NULL, now);
    if (rc < 0)
        return rc;
    spv_relay_on_sent(&p->relay, &msg);
    return 0;
}

/* How many inv items fit into the send queue. */
static size_t free_inv_items(const struct spv_peer *p)
{
    size_t queued = spv_send_queue_bytes(&p->out) + INV_OVERHEAD;
    if (queued >= p->cfg.max_queue_bytes ||
        spv_send_queue_messages(&p->out) >= p->cfg.max_queue_messages)
        return 0;
    size_t items = (p->cfg.max_queue_bytes - queued) / INV_ITEM;
    return items < SPV_PEER_TRICKLE ? items : SPV_PEER_TRICKLE;
}

int spv_relay_trickle(struct spv_peer *p, struct spv_now now)
{
    struct spv_relay *r = &p->relay;
    size_t max = free_inv_items(p), first = r->head, n = 0, at = first;
    p->deadline[SPV_DEADLINE_TRICKLE] = SPV_NEVER;
    for (; at < r->n && n < max; at++)
        if (is_wanted(p, &r->items[at], r->fees[at])) {
            r->items[first + n++] = r->items[at];
            spv_known_inv_add(&r->known_inv,
                              r->items[at].hash.b); /* once, if it was queued twice */
        }
    r->head = at;
    int rc = n > 0 ? send_inv(p, r->items + first, n, now) : 0;
    if (r->head == r->n)
        free_tx_queue(r);
    else
        relay_arm(p, now);
    return rc;
}

bool spv_relay_as_headers(const struct spv_peer *p, const struct spv_header *headers, size_t n)
{
    if (!p->ready || !p->stats.send_headers || n > SPV_ANNOUNCED_HEADERS ||
        !spv_known_inv_has(&p->relay.known_inv, headers[0].prev.b))
        return false;
    for (size_t i = 1; i < n; i++) {
        struct spv_blockhash hash;
        spv_header_hash(&hash, &headers[i - 1]);
        if (!spv_blockhash_eq(&headers[i].prev, &hash))
            return false;
    }
    return true;
}
