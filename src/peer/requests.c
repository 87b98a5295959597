/* A bounded list, oldest first. A request stores 8-byte keys (the first bytes of each hash) instead
 * of whole hashes: enough to distinguish answers, and a peer gains nothing by a collision.
 *
 * Which getheaders does a headers message answer? A peer sends the headers after the first locator
 * hash on its chain, so the previous hash of the first header is in the request's locator:
 * 1. the oldest request that has it as its *first* locator hash (with an empty locator: whose stop
 *    hash is that of the first header);
 * 2. else the oldest request whose locator contains it;
 * 3. else, if the message has more headers than an announcement, the oldest request: the peer found
 *    no locator hash and started at genesis;
 * 4. else none: the message is an announcement.
 * An empty message ("no headers after yours") answers the oldest request if that was sent
 * completely; otherwise it is unsolicited.
 *
 * Some peers send an answer twice. The second copy would match the next request by rule 2, because
 * every locator ends in genesis. Two facts identify it: an answer never ends in the first hash of
 * its request; and after a complete answer to one of several requests, the peer has the hashes
 * where the next requests start, so their answers differ. A repeated answer therefore answers none,
 * unless rule 1 applies: the same was requested again. (After an incomplete answer, the peer's
 * chain ends there, and the next requests get the same answer.)
 *
 * A peer answers one request after the other. The deadlines of the remaining getheaders restart
 * with every answer, so that on a slow connection with many requests in flight only missing
 * progress is a timeout.
 *
 * A getdata is answered item by item (block, merkleblock, tx, notfound). Each item restarts the
 * deadline, so that a long list times out only when no item arrives. */
#include "peer/requests.h"

#include <stdlib.h>
#include <string.h>

#include "spv/error.h"
#include "util/deadline.h"

static uint64_t key_of(const uint8_t hash[32])
{
    uint64_t key;
    memcpy(&key, hash, sizeof(key));
    return key != 0 ? key : 1; /* 0 marks an answered item */
}

static void remove_at(struct spv_requests *r, size_t i)
{
    r->keys -= r->list[i].n;
    free(r->list[i].keys);
    r->n--;
    memmove(&r->list[i], &r->list[i + 1], (r->n - i) * sizeof(r->list[0]));
}

void spv_requests_free(struct spv_requests *r)
{
    while (r->n > 0)
        remove_at(r, r->n - 1);
}

int spv_requests_add(struct spv_requests *r, const struct spv_msg *msg, uint64_t timeout)
{
    struct spv_request q = {
        .command = msg->command, .timeout = timeout, .deadline = SPV_NEVER, .end = SPV_NEVER};
    bool data = msg->command == SPV_CMD_GETDATA;
    q.by_stop = !data && msg->u.getheaders.n == 0;
    q.n = data ? msg->u.inv.n : q.by_stop ? 1 : msg->u.getheaders.n;
    q.open = q.n;
    if (!data) {
        q.stop = key_of(msg->u.getheaders.stop.b);
        q.tag = msg->u.getheaders.tag;
    }
    if (q.n == 0)
        return 0; /* an empty getdata requests nothing */
    if (r->n == SPV_PEER_REQUESTS || q.n > SPV_REQUEST_KEYS - r->keys)
        return SPV_ERR_QUEUE_FULL;
    q.keys = malloc(q.n * sizeof(q.keys[0]));
    if (!q.keys)
        return SPV_ERR_NOMEM;
    for (size_t i = 0; i < q.n; i++)
        q.keys[i] = key_of(data        ? msg->u.inv.items[i].hash.b
                           : q.by_stop ? msg->u.getheaders.stop.b
                                       : msg->u.getheaders.locator[i].b);
    r->list[r->n++] = q;
    r->keys += q.n;
    return 1;
}

void spv_requests_undo(struct spv_requests *r)
{
    remove_at(r, r->n - 1);
}

bool spv_requests_is_pending(const struct spv_requests *r, const struct spv_msg_getheaders *msg)
{
    uint64_t stop = key_of(msg->stop.b);
    uint64_t first = msg->n > 0 ? key_of(msg->locator[0].b) : stop;
    for (size_t i = 0; i < r->n; i++) {
        const struct spv_request *q = &r->list[i];
        if (q->command == SPV_CMD_GETHEADERS && q->by_stop == (msg->n == 0) &&
            q->keys[0] == first && q->stop == stop)
            return true;
    }
    return false;
}

void spv_requests_arm(struct spv_requests *r, uint64_t end, uint64_t mono_us)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->list[i].deadline == SPV_NEVER) {
            r->list[i].end = end;
            r->list[i].sent_us = mono_us;
            r->list[i].deadline = mono_us + r->list[i].timeout;
        }
}

/* Returns the index of the getheaders that an empty message answers, or r->n. */
static size_t find_oldest(const struct spv_requests *r, uint64_t sent)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->list[i].command == SPV_CMD_GETHEADERS)
            return r->list[i].end <= sent ? i : r->n;
    return r->n;
}

/* A received headers message. */
struct answer {
    const struct spv_msg_headers *msg;
    uint64_t prev, last; /* keys of its first previous hash and of its last header's hash */
    bool repeated; /* equal to the last answer */
};

static size_t open_getheaders(const struct spv_requests *r)
{
    size_t open = 0;
    for (size_t i = 0; i < r->n; i++)
        open += r->list[i].command == SPV_CMD_GETHEADERS;
    return open;
}

/* Returns the index of the getheaders that a non-empty message answers, or r->n. *follows: its
 * first header follows the request's first locator hash. */
static size_t find_answered(const struct spv_requests *r, const struct answer *a, bool *follows)
{
    const bool sole = !r->answer_complete || open_getheaders(r) == 1;
    size_t oldest = r->n, contains = r->n;
    *follows = false;
    for (size_t i = 0; i < r->n; i++) {
        const struct spv_request *q = &r->list[i];
        if (q->command != SPV_CMD_GETHEADERS)
            continue;
        if (q->by_stop) {
            struct spv_blockhash hash;
            spv_header_hash(&hash, &a->msg->headers[0]);
            if (q->keys[0] == key_of(hash.b))
                return i;
        } else if (q->keys[0] == a->prev) {
            *follows = true;
            return i;
        }
        if (a->repeated && (!sole || q->keys[0] == a->last))
            continue;
        if (oldest == r->n)
            oldest = i;
        for (size_t k = 1; !q->by_stop && k < q->n && contains == r->n; k++)
            if (q->keys[k] == a->prev)
                contains = i;
    }
    if (contains < r->n)
        return contains;
    return a->msg->n > SPV_ANNOUNCED_HEADERS ? oldest : r->n;
}

/* Marks the item with this hash as answered in the oldest getdata that requests it. */
static bool answer_item(struct spv_requests *r, const uint8_t hash[32], uint64_t mono_us)
{
    uint64_t key = key_of(hash);
    for (size_t i = 0; i < r->n; i++) {
        struct spv_request *q = &r->list[i];
        if (q->command != SPV_CMD_GETDATA)
            continue;
        for (size_t k = q->head; k < q->n; k++) {
            if (q->keys[k] != key)
                continue;
            q->keys[k] = 0;
            while (q->head < q->n && q->keys[q->head] == 0)
                q->head++;
            q->deadline = mono_us + q->timeout;
            if (--q->open == 0)
                remove_at(r, i);
            return true;
        }
    }
    return false;
}

static bool waits_for_data(const struct spv_requests *r)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->list[i].command == SPV_CMD_GETDATA)
            return true;
    return false;
}

void spv_requests_headers(struct spv_requests *r, struct spv_msg_headers *msg, uint64_t sent,
                          uint64_t mono_us)
{
    struct answer a = {.msg = msg};
    bool follows = false;
    size_t i;
    if (msg->n > 0) {
        struct spv_blockhash hash;
        spv_header_hash(&hash, &msg->headers[msg->n - 1]);
        a.prev = key_of(msg->headers[0].prev.b);
        a.last = key_of(hash.b);
        a.repeated = a.prev == r->answer_first && a.last == r->answer_last;
        i = find_answered(r, &a, &follows);
    } else {
        i = find_oldest(r, sent);
    }
    if (i == r->n) {
        msg->role = a.repeated ? SPV_HEADERS_REPEATED : SPV_HEADERS_UNSOLICITED;
        msg->tag = 0;
        return;
    }
    msg->role = SPV_HEADERS_ANSWER;
    msg->tag = r->list[i].tag;
    r->answer_first = follows ? a.prev : 0;
    r->answer_last = follows ? a.last : 0;
    r->answer_complete = msg->n == SPV_MAX_HEADERS || (msg->n > 0 && a.last == r->list[i].stop);
    if (r->list[i].deadline != SPV_NEVER)
        r->answer_us = mono_us - r->list[i].sent_us;
    remove_at(r, i);
    for (; i < r->n; i++)
        if (r->list[i].command == SPV_CMD_GETHEADERS && r->list[i].deadline != SPV_NEVER)
            r->list[i].deadline = mono_us + r->list[i].timeout;
}

void spv_requests_complete(struct spv_requests *r, const struct spv_msg *msg, uint64_t mono_us)
{
    if (!waits_for_data(r))
        return;
    if (msg->command == SPV_CMD_BLOCK || msg->command == SPV_CMD_MERKLEBLOCK) {
        struct spv_blockhash hash;
        spv_header_hash(&hash, msg->command == SPV_CMD_BLOCK ? &msg->u.block.header
                                                             : &msg->u.merkleblock.header);
        answer_item(r, hash.b, mono_us);
    } else if (msg->command == SPV_CMD_TX) {
        struct spv_wtxid wtxid; /* requested by either id; equal without a witness */
        struct spv_txid txid;
        spv_tx_wtxid(&wtxid, &msg->u.tx);
        if (answer_item(r, wtxid.b, mono_us) || !msg->u.tx.has_witness)
            return;
        spv_tx_txid(&txid, &msg->u.tx);
        answer_item(r, txid.b, mono_us);
    } else if (msg->command == SPV_CMD_NOTFOUND) {
        for (size_t i = 0; i < msg->u.inv.n; i++)
            answer_item(r, msg->u.inv.items[i].hash.b, mono_us);
    }
}

uint64_t spv_requests_deadline(const struct spv_requests *r)
{
    uint64_t earliest = SPV_NEVER;
    for (size_t i = 0; i < r->n; i++)
        earliest = spv_min_deadline(earliest, r->list[i].deadline);
    return earliest;
}

size_t spv_requests_memory(const struct spv_requests *r)
{
    return r->keys * sizeof(uint64_t);
}
