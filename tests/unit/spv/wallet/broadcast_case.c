#include "broadcast_case.h"

static void new_machine(struct broadcast_case *c)
{
    const struct spv_broadcast_config cfg = {.rng = test_random_rng(&c->random)};

    assert_int_equal(spv_broadcast_new(&c->b, &cfg), 0);
}

int broadcast_setup(void **state)
{
    struct broadcast_case *c = calloc(1, sizeof *c);

    assert_non_null(c);
    c->random.state = 7;
    c->now = (struct spv_now){.mono_us = 1000 * SPV_SECOND, .unix_s = 1800000000};
    new_machine(c);
    *state = c;
    return 0;
}

static void free_rows(struct broadcast_case *c)
{
    for (size_t i = 0; i < c->n_rows; i++)
        free((void *)(uintptr_t)c->rows[i].raw.bytes);
}

int broadcast_teardown(void **state)
{
    struct broadcast_case *c = *state;

    spv_broadcast_free(c->b);
    free_rows(c);
    free(c);
    return 0;
}

void clear_sent(struct broadcast_case *c)
{
    c->n_sent = c->n_events = 0;
}

static size_t find_row(const struct broadcast_case *c, uint64_t id)
{
    size_t i = 0;

    while (i < c->n_rows && c->rows[i].id != id)
        i++;
    return i;
}

static void apply(struct broadcast_case *c, const struct spv_broadcast_change *change)
{
    const size_t i = find_row(c, change->row.id);
    struct spv_bytes raw = {.n = 0};

    if (change->deleted) {
        if (i == c->n_rows)
            return;
        free((void *)(uintptr_t)c->rows[i].raw.bytes);
        memmove(&c->rows[i], &c->rows[i + 1], (c->n_rows - i - 1) * sizeof c->rows[0]);
        c->n_rows--;
        return;
    }
    if (i < c->n_rows) {
        raw = c->rows[i].raw;
        assert_int_equal(change->row.raw.n, 0);
    } else {
        uint8_t *copy = malloc(change->row.raw.n);
        assert_true(change->row.raw.n > 0 && c->n_rows < CASE_ROWS);
        assert_non_null(copy);
        memcpy(copy, change->row.raw.bytes, change->row.raw.n);
        raw = (struct spv_bytes){copy, change->row.raw.n};
        c->n_rows++;
    }
    c->rows[i] = change->row;
    c->rows[i].raw = raw;
}

static void store(struct broadcast_case *c)
{
    struct spv_broadcast_update update;

    assert_int_equal(spv_broadcast_changes(c->b, &update), 0);
    for (size_t i = 0; i < update.n; i++)
        apply(c, &update.changes[i]);
    spv_broadcast_stored(c->b);
    assert_int_equal(spv_broadcast_changes(c->b, &update), 0);
    assert_int_equal(update.n, 0);
}

static void note_sent(struct broadcast_case *c, const struct spv_broadcast_action *action)
{
    struct sent *out = &c->sent[c->n_sent];
    const struct spv_msg *msg = &action->message;

    assert_true(c->n_sent < CASE_SENT);
    c->n_sent++;
    *out = (struct sent){.peer = action->peer, .command = msg->command};
    if (msg->command == SPV_CMD_TX) {
        spv_tx_txid(&out->txid, &msg->u.tx);
        out->n_bytes = msg->u.tx.n;
        out->witness = msg->u.tx.has_witness;
        return;
    }
    assert_true(msg->command == SPV_CMD_INV || msg->command == SPV_CMD_NOTFOUND);
    assert_true(msg->u.inv.n > 0);
    out->n_items = msg->u.inv.n;
    for (size_t i = 0; i < msg->u.inv.n && i < COUNT(out->items); i++)
        out->items[i] = msg->u.inv.items[i];
}

void take(struct broadcast_case *c)
{
    struct spv_broadcast_action action;

    store(c);
    while (spv_broadcast_poll(c->b, &action) == 1) {
        if (action.kind == SPV_BROADCAST_SEND) {
            note_sent(c, &action);
            continue;
        }
        c->event = action.progress;
        c->n_events++;
    }
}

void restart(struct broadcast_case *c)
{
    spv_broadcast_free(c->b);
    new_machine(c);
    for (size_t i = 0; i < c->n_rows; i++)
        assert_int_equal(spv_broadcast_load(c->b, &c->rows[i]), 0);
    assert_int_equal(spv_broadcast_load_end(c->b, c->now), 0);
    take(c);
}

void pass(struct broadcast_case *c, uint64_t seconds)
{
    c->now.mono_us += seconds * SPV_SECOND;
    c->now.unix_s += (int64_t)seconds;
    assert_int_equal(spv_broadcast_timer(c->b, c->now), 0);
    take(c);
}

static void add(struct broadcast_case *c, const struct spv_broadcast_peer *peer)
{
    assert_int_equal(spv_broadcast_add_peer(c->b, peer, c->now), 0);
    take(c);
}

void connect(struct broadcast_case *c, uint64_t id, enum conn_kind kind)
{
    add(c, &(struct spv_broadcast_peer){.id = id,
                                        .group = id,
                                        .relay = kind != CONN_SILENT,
                                        .announces = kind != CONN_SILENT && kind != CONN_MUTE,
                                        .wtxidrelay = kind == CONN_WTXID});
}

void connect_group(struct broadcast_case *c, uint64_t id, uint64_t group)
{
    add(c,
        &(struct spv_broadcast_peer){.id = id, .group = group, .relay = true, .announces = true});
}

void disconnect(struct broadcast_case *c, uint64_t id)
{
    assert_int_equal(spv_broadcast_remove_peer(c->b, id, c->now), 0);
    take(c);
}

int publish_package(struct broadcast_case *c, const struct built_tx *const *txs, size_t n,
                    unsigned flags)
{
    const struct spv_broadcast_check_config cfg = {.find_output = NULL};
    struct spv_broadcast_report reports[SPV_BROADCAST_MAX_PACKAGE];
    struct spv_tx list[SPV_BROADCAST_MAX_PACKAGE];
    int rc;

    for (size_t i = 0; i < n; i++)
        list[i] = txs[i]->tx;
    assert_int_equal(spv_broadcast_check(reports, NULL, list, n, &cfg), 0);
    rc = spv_broadcast_publish(c->b, list, reports, n, flags, c->now);
    take(c);
    return rc;
}

int publish(struct broadcast_case *c, const struct built_tx *tx, unsigned flags)
{
    return publish_package(c, &tx, 1, flags);
}

struct spv_inv item_of(const struct built_tx *tx, uint32_t type)
{
    struct spv_inv item = {.type = type};
    struct spv_wtxid wtxid;

    spv_tx_wtxid(&wtxid, &tx->tx);
    if (type == SPV_INV_WTX)
        memcpy(item.hash.b, wtxid.b, sizeof wtxid.b);
    else
        memcpy(item.hash.b, tx->txid.b, sizeof tx->txid.b);
    return item;
}

static void receive_item(struct broadcast_case *c, uint64_t peer, enum spv_command command,
                         const struct built_tx *tx, uint32_t type)
{
    const struct spv_inv item = item_of(tx, type);
    const struct spv_msg msg = {.command = command, .u.inv = {.items = &item, .n = 1}};

    assert_int_equal(spv_broadcast_recv(c->b, peer, &msg, c->now), 0);
    take(c);
}

void getdata(struct broadcast_case *c, uint64_t peer, const struct built_tx *tx, uint32_t type)
{
    receive_item(c, peer, SPV_CMD_GETDATA, tx, type);
}

void inv(struct broadcast_case *c, uint64_t peer, const struct built_tx *tx, uint32_t type)
{
    receive_item(c, peer, SPV_CMD_INV, tx, type);
}

size_t count_sent(const struct broadcast_case *c, uint64_t peer, enum spv_command command)
{
    size_t n = 0;

    for (size_t i = 0; i < c->n_sent; i++)
        n += (peer == 0 || c->sent[i].peer == peer) && c->sent[i].command == command;
    return n;
}

bool was_announced(const struct broadcast_case *c, uint64_t peer, const struct built_tx *tx)
{
    const struct spv_inv by_txid = item_of(tx, SPV_INV_TX), by_wtxid = item_of(tx, SPV_INV_WTX);

    for (size_t i = 0; i < c->n_sent; i++) {
        const struct sent *s = &c->sent[i];
        for (size_t k = 0; s->peer == peer && s->command == SPV_CMD_INV && k < s->n_items; k++)
            if (memcmp(&s->items[k], &by_txid, sizeof by_txid) == 0 ||
                memcmp(&s->items[k], &by_wtxid, sizeof by_wtxid) == 0)
                return true;
    }
    return false;
}

struct spv_broadcast_progress progress(const struct broadcast_case *c, const struct built_tx *tx)
{
    struct spv_broadcast_progress out;

    assert_int_equal(spv_broadcast_find(c->b, &out, &tx->txid), 0);
    return out;
}

void assert_facts(const struct broadcast_case *c, const struct built_tx *tx, unsigned announced,
                  unsigned fetched, unsigned returned)
{
    const struct spv_broadcast_progress p = progress(c, tx);

    assert_int_equal(p.announced, announced);
    assert_int_equal(p.fetched, fetched);
    assert_int_equal(p.returned, returned);
}
