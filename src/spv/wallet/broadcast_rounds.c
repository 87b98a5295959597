/* Packages are announced in rounds. In the first round half of the connections that accept
 * transactions get the inv: the others can return it, which shows that it spreads. Later rounds
 * leave one connection out. While a round has too few recipients, a new connection gets the inv at
 * once. The delay to the next round doubles each time.
 *
 * There is no random delay before an inv: a client that relays nothing for others reveals itself as
 * the origin anyway (private broadcast avoids that).
 *
 * Of a package of two, the first round announces the child only: the peer lacks its parent, asks
 * the same connection for it by txid, and takes both together ("1p1c"), even where the parent's fee
 * alone is too low. Later rounds, and all rounds of larger packages, announce parents as well,
 * which may pay enough by themselves. */
#include "spv/error.h"
#include "spv/wallet/broadcast_state.h"
#include "util/deadline.h"
#include "util/rng.h"

static uint64_t retry_delay(const struct spv_broadcast *b, uint32_t n_rounds)
{
    uint64_t delay = SPV_BROADCAST_RETRY_MIN_S * SPV_SECOND;

    for (uint32_t i = 1; i < n_rounds && delay < SPV_BROADCAST_RETRY_MAX_S * SPV_SECOND; i++)
        delay *= 2;
    if (delay > SPV_BROADCAST_RETRY_MAX_S * SPV_SECOND)
        delay = SPV_BROADCAST_RETRY_MAX_S * SPV_SECOND;
    return spv_rng_jitter(&b->cfg.rng, delay, delay / 4);
}

void spv_broadcast_schedule(struct spv_broadcast *b, uint32_t first, struct spv_now now)
{
    struct spv_broadcast_tx *tx = &b->txs[first];
    int64_t left = 0;

    tx->due_us = now.mono_us;
    if (tx->row.announced_at == 0 || tx->row.n_rounds == 0)
        return;
    const int64_t delay = (int64_t)(retry_delay(b, tx->row.n_rounds) / SPV_SECOND);
    if (tx->row.announced_at > now.unix_s) /* the clock was set back */
        left = delay;
    else if (now.unix_s - tx->row.announced_at < delay)
        left = delay - (now.unix_s - tx->row.announced_at);
    tx->due_us += (uint64_t)left * SPV_SECOND;
}

/* How many transactions of a package are announced in its rounds: 0 when it is private or one is
 * not final. */
static size_t count_active(const struct spv_broadcast *b, uint32_t first)
{
    size_t n = 0;

    for (uint32_t slot = first; slot != SPV_NO_SLOT; slot = b->txs[slot].next) {
        const struct spv_broadcast_tx *tx = &b->txs[slot];
        if (tx->row.state != SPV_BROADCAST_PUBLISHING)
            continue;
        if ((tx->row.flags & SPV_BROADCAST_PRIVATE) != 0 || !spv_broadcast_is_final(b, tx))
            return 0;
        n++;
    }
    return n;
}

/* BIP37: relay 0 in a version message means that no transactions are announced to that peer. */
static size_t count_relay(const struct spv_broadcast *b)
{
    size_t n = 0;

    for (size_t i = 0; i < b->n_conns; i++)
        n += b->conns[i]->info.relay;
    return n;
}

static size_t count_recipients(uint32_t n_rounds, size_t n_relay)
{
    size_t n = n_rounds <= 1 ? (n_relay + 1) / 2 : n_relay - 1;

    if (n == 0)
        n = 1;
    return n < SPV_BROADCAST_RECIPIENTS ? n : SPV_BROADCAST_RECIPIENTS;
}

/* The child, or the last transaction that is still published. */
static uint32_t last_active(const struct spv_broadcast *b, uint32_t first)
{
    uint32_t last = first;

    for (uint32_t slot = first; slot != SPV_NO_SLOT; slot = b->txs[slot].next)
        if (b->txs[slot].row.state == SPV_BROADCAST_PUBLISHING)
            last = slot;
    return last;
}

/* How unsuitable a connection is for a round: 0 when neither it nor its network group was concerned
 * with the transaction and it announces nothing to us, so that the others can announce it back. */
static unsigned conn_score(const struct spv_broadcast *b, const struct spv_broadcast_conn *conn,
                           uint32_t child)
{
    const unsigned bits = conn->bits[child];
    unsigned sum = 0;

    if ((bits & SPV_BROADCAST_BIT_HAS) != 0)
        sum += 16;
    if ((bits & SPV_BROADCAST_BIT_ANNOUNCED) != 0)
        sum += 8;
    if ((bits & SPV_BROADCAST_BIT_FETCHED) != 0)
        sum += 4;
    if ((spv_broadcast_facts(&b->txs[child], conn->info.group) & SPV_BROADCAST_ANNOUNCED) != 0)
        sum += 2;
    if (conn->info.announces)
        sum += 1;
    return sum;
}

/* A random one of the most suitable connections that are not in the round yet. */
static struct spv_broadcast_conn *pick_conn(const struct spv_broadcast *b, uint32_t first)
{
    const uint32_t child = last_active(b, first);
    struct spv_broadcast_conn *best = NULL;
    unsigned best_score = 0;
    size_t n_best = 0;

    for (size_t i = 0; i < b->n_conns; i++) {
        struct spv_broadcast_conn *conn = b->conns[i];
        if (!conn->info.relay || (conn->bits[first] & SPV_BROADCAST_BIT_ROUND) != 0)
            continue;
        const unsigned its_score = conn_score(b, conn, child);
        if (best && its_score > best_score)
            continue;
        n_best = best && its_score == best_score ? n_best + 1 : 1;
        best_score = its_score;
        if (spv_rng_below(&b->cfg.rng, n_best) == 0)
            best = conn;
    }
    return best;
}

static int announce_package(struct spv_broadcast *b, struct spv_broadcast_conn *conn,
                            uint32_t first, size_t n_active)
{
    const bool child_only = n_active == 2 && b->txs[first].row.n_rounds == 1;
    const uint32_t child = last_active(b, first);
    struct spv_inv items[SPV_BROADCAST_MAX_PACKAGE];
    size_t n = 0;

    conn->bits[first] |= SPV_BROADCAST_BIT_ROUND;
    uint32_t slot = first;
    do {
        struct spv_broadcast_tx *tx = &b->txs[slot];
        if (tx->row.state != SPV_BROADCAST_PUBLISHING || (child_only && slot != child))
            continue;
        /* BIP339: by wtxid when both sides have sent wtxidrelay, else by txid */
        if (conn->info.wtxidrelay) {
            items[n].type = SPV_INV_WTX;
            for (size_t i = 0; i < sizeof tx->wtxid.b; i++)
                items[n].hash.b[i] = tx->wtxid.b[i];
        } else {
            items[n].type = SPV_INV_TX;
            for (size_t i = 0; i < sizeof tx->row.txid.b; i++)
                items[n].hash.b[i] = tx->row.txid.b[i];
        }
        n++;
        conn->bits[slot] |= SPV_BROADCAST_BIT_ANNOUNCED;
        spv_broadcast_add_fact(tx, conn->info.group, SPV_BROADCAST_ANNOUNCED);
    } while ((slot = b->txs[slot].next) != SPV_NO_SLOT);
    return spv_broadcast_queue_items(b, conn->info.id, SPV_CMD_INV, items, n);
}

static void begin_round(struct spv_broadcast *b, uint32_t first, struct spv_now now)
{
    struct spv_broadcast_tx *tx = &b->txs[first];

    for (size_t i = 0; i < b->n_conns; i++)
        b->conns[i]->bits[first] &= (uint8_t)~SPV_BROADCAST_BIT_ROUND;
    if (tx->row.n_rounds < UINT32_MAX)
        tx->row.n_rounds++;
    tx->row.announced_at = now.unix_s;
    tx->changed = true;
    tx->due_us = now.mono_us + retry_delay(b, tx->row.n_rounds);
}

static int run_package(struct spv_broadcast *b, uint32_t first, struct spv_now now)
{
    const size_t n_active = count_active(b, first), n_relay = count_relay(b);
    size_t n_told = 0;
    int rc = 0;

    if (n_active == 0 || n_relay == 0)
        return 0;
    if (now.mono_us >= b->txs[first].due_us)
        begin_round(b, first, now);
    if (b->txs[first].row.n_rounds == 0)
        return 0;
    for (size_t i = 0; i < b->n_conns; i++)
        n_told += (b->conns[i]->bits[first] & SPV_BROADCAST_BIT_ROUND) != 0;
    for (size_t n = count_recipients(b->txs[first].row.n_rounds, n_relay); n_told < n && rc == 0;
         n_told++) {
        struct spv_broadcast_conn *conn = pick_conn(b, first);
        if (!conn)
            break;
        rc = announce_package(b, conn, first, n_active);
    }
    return rc;
}

/* Whether all transactions of a package have ended so long ago that it can be forgotten. */
static bool is_forgettable(const struct spv_broadcast *b, uint32_t first, struct spv_now now)
{
    for (uint32_t slot = first; slot != SPV_NO_SLOT; slot = b->txs[slot].next) {
        const struct spv_broadcast_row *row = &b->txs[slot].row;
        if (row->state == SPV_BROADCAST_PUBLISHING ||
            (row->state == SPV_BROADCAST_CONFIRMED &&
             b->tip_height < (uint64_t)row->height + SPV_BROADCAST_FORGET_DEPTH) ||
            (row->state != SPV_BROADCAST_CONFIRMED &&
             now.unix_s - row->ended_at < SPV_BROADCAST_KEEP_S))
            return false;
    }
    return true;
}

int spv_broadcast_run(struct spv_broadcast *b, struct spv_now now)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < b->n_txs; i++) {
        if (b->txs[i].row.id == 0 || b->txs[i].first != i)
            continue;
        rc = is_forgettable(b, (uint32_t)i, now) ? spv_broadcast_delete(b, (uint32_t)i)
                                                 : run_package(b, (uint32_t)i, now);
    }
    return rc;
}

uint64_t spv_broadcast_deadline(const struct spv_broadcast *b)
{
    uint64_t first = SPV_NEVER;

    if (count_relay(b) == 0)
        return SPV_NEVER;
    for (size_t i = 0; i < b->n_txs; i++)
        if (b->txs[i].row.id != 0 && b->txs[i].first == i && count_active(b, (uint32_t)i) > 0)
            first = spv_min_deadline(first, b->txs[i].due_us);
    return first;
}
