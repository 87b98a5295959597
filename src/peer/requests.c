/* A bounded list, oldest first. Each request keeps 8-byte keys (the front of each hash) instead of
 * whole hashes: enough to tell answers apart, and a peer gains nothing by a clash.
 *
 * Which request does a headers message answer? A peer replies with what follows the first locator
 * hash it knows, so the answer's first previous-hash is one of the locator's: the request whose
 * *first* locator hash it is comes before one that merely contains it, the older before the newer.
 * An empty message says "nothing after what you have" and settles the oldest whose last byte has
 * left; the peer has sent it of its own accord when there is none. One that fits nothing is an
 * announcement when it is short (it settles none), else the answer of a peer that knows no locator
 * hash and began at genesis: it settles the oldest.
 *
 * Some peers send an answer twice. The second one would fit what was asked next, as every locator
 * ends in genesis. But an answer never ends in the first hash of its request; and a peer whose
 * answer to one of several requests was whole knows where the next ones begin, so it does not
 * answer them with the same: such an answer settles none, unless the same was asked for again. (One
 * that was not whole shows that the peer's chain ends there: it answers the next ones alike.)
 *
 * A peer answers one after the other: what was asked later has waited behind this answer, and its
 * deadline counts from here. So many requests may be under way on a thin line, and it is progress
 * that is judged.
 *
 * getdata is settled item by item (block, merkleblock, tx, notfound), and each item that comes
 * pushes the request's deadline: a long list is judged by progress. */
#include "peer/requests.h"

#include <stdlib.h>
#include <string.h>

#include "spv/error.h"
#include "util/deadline.h"

static uint64_t key_of(const uint8_t hash[32])
{
    uint64_t key;
    memcpy(&key, hash, sizeof(key));
    return key != 0 ? key : 1; /* 0 marks a settled key */
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
        return 0; /* an empty getdata asks for nothing */
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

bool spv_requests_asked(const struct spv_requests *r, const struct spv_msg_getheaders *msg)
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

/* The index of the oldest getheaders that an empty answer may belong to, or r->n. */
static size_t find_oldest(const struct spv_requests *r, uint64_t sent)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->list[i].command == SPV_CMD_GETHEADERS)
            return r->list[i].end <= sent ? i : r->n;
    return r->n;
}

/* What a headers message says of itself. */
struct answer {
    const struct spv_msg_headers *msg;
    uint64_t prev, last; /* keys of the hash that it follows and of its last header */
    bool repeated; /* the last answer was the same */
};

static size_t open_getheaders(const struct spv_requests *r)
{
    size_t open = 0;
    for (size_t i = 0; i < r->n; i++)
        open += r->list[i].command == SPV_CMD_GETHEADERS;
    return open;
}

/* The index of the oldest getheaders that this answer fits, or r->n. It *follows the request's
 * first hash, or a later one of the locator, or none of them. */
static size_t find_answered(const struct spv_requests *r, const struct answer *a, bool *follows)
{
    const bool sole = !r->answer_whole || open_getheaders(r) == 1;
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

/* Settles the item with this hash in the oldest getdata that waits for it. */
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
        msg->role = a.repeated ? SPV_HEADERS_REPEATED : SPV_HEADERS_UNASKED;
        msg->tag = 0;
        return;
    }
    msg->role = SPV_HEADERS_ANSWER;
    msg->tag = r->list[i].tag;
    r->answer_first = follows ? a.prev : 0;
    r->answer_last = follows ? a.last : 0;
    r->answer_whole = msg->n == SPV_MAX_HEADERS || (msg->n > 0 && a.last == r->list[i].stop);
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
        struct spv_wtxid wtxid; /* asked for by either id; without witness both are one */
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
