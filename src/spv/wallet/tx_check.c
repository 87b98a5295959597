/* A transaction that nodes would reject, or that is surely a mistake, is refused before it is
 * announced: nodes reject silently (BIP61 messages were removed). Comments name Bitcoin Core's
 * reject reasons. Scripts are not verified.
 *
 * A message names the transaction (in a package) and its input or output, counted from 1. */
#include <string.h>

#include "spv/broadcast.h"
#include "spv/error.h"
#include "spv/keys/text_error.h"

#define SEQUENCE_FINAL UINT32_MAX
#define SEQUENCE_NO_RELATIVE (UINT32_C(1) << 31) /* BIP68: disables the lock */
#define SEQUENCE_TIME (UINT32_C(1) << 22) /* BIP68: units of 512 seconds, not blocks */
#define SEQUENCE_MASK 0xffff

struct checker {
    const struct spv_broadcast_check_config *cfg;
    const struct spv_tx *txs;
    struct spv_broadcast_report *reports;
    struct spv_text_error *why;
    size_t n;
};

/* The message begins with "transaction 2: " when there are several. */
static int check_fail(const struct checker *c, int code, size_t tx, const char *item, size_t number,
                      const char *problem)
{
    static const char colon[] = ": ";

    if (c->n > 1 && item)
        return spv_text_fail(c->why, code, "transaction %zu, %s %zu%s%s", tx + 1, item, number + 1,
                             colon, problem);
    if (c->n > 1)
        return spv_text_fail(c->why, code, "transaction %zu%s%s", tx + 1, colon, problem);
    if (item)
        return spv_text_fail(c->why, code, "%s %zu%s%s", item, number + 1, colon, problem);
    return spv_text_fail(c->why, code, "%s", problem);
}

static int check_size(const struct checker *c, size_t i)
{
    /* tx-size-small: 64 bytes could be an inner node of a merkle tree (CVE-2017-12842) */
    if (c->txs[i].stripped_size < SPV_BROADCAST_MIN_SIZE)
        return check_fail(c, SPV_ERR_TX_SIZE, i, NULL, 0,
                          "fewer than 65 bytes without witness, which nodes do not relay");
    /* tx-size */
    if (spv_tx_weight(&c->txs[i]) > SPV_BROADCAST_MAX_WEIGHT)
        return check_fail(c, SPV_ERR_TX_WEIGHT, i, NULL, 0,
                          "a weight above 400,000, which nodes do not relay");
    return 0;
}

/* Whether an earlier input, of this transaction or of an earlier one in the package, spends the
 * same output. The weight limits bound the number of inputs to about 2,460. */
static bool is_spent_before(const struct checker *c, size_t i, size_t number,
                            const struct spv_tx_input *input)
{
    for (size_t j = 0; j <= i; j++) {
        struct spv_tx_iter iter = spv_tx_inputs(&c->txs[j]);
        struct spv_tx_input other;
        for (size_t k = 0; (j < i || k < number) && spv_tx_next_input(&iter, &other); k++)
            if (other.index == input->index &&
                memcmp(&other.prev, &input->prev, sizeof other.prev) == 0)
                return true;
    }
    return false;
}

static int check_prevouts(const struct checker *c, size_t i)
{
    static const struct spv_txid none;
    struct spv_tx_iter iter = spv_tx_inputs(&c->txs[i]);
    struct spv_tx_input input;

    for (size_t k = 0; spv_tx_next_input(&iter, &input); k++) {
        /* coinbase, bad-txns-prevout-null */
        if (input.index == UINT32_MAX && memcmp(&input.prev, &none, sizeof none) == 0)
            return check_fail(c, SPV_ERR_TX_NULL_PREVOUT, i, "input", k,
                              "spends the null outpoint, as only a coinbase may");
        /* bad-txns-inputs-duplicate, conflict-in-package */
        if (is_spent_before(c, i, k, &input))
            return check_fail(c, SPV_ERR_TX_DUPLICATE_INPUT, i, "input", k,
                              "spends an output that an input before it spends");
    }
    return 0;
}

/* Returns 0 and the sum of all outputs. */
static int check_outputs(const struct checker *c, size_t i, int64_t *sum)
{
    struct spv_tx_iter iter = spv_tx_outputs(&c->txs[i]);
    struct spv_tx_output output;

    *sum = 0;
    for (size_t k = 0; spv_tx_next_output(&iter, &output); k++) {
        /* bad-txns-vout-negative, bad-txns-vout-toolarge */
        if (output.value < 0 || output.value > (int64_t)SPV_MAX_MONEY)
            return check_fail(c, SPV_ERR_TX_VALUE, i, "output", k,
                              "an amount that is negative or above 21 million BTC");
        *sum += output.value;
        /* bad-txns-txouttotal-toolarge */
        if (*sum > (int64_t)SPV_MAX_MONEY)
            return check_fail(c, SPV_ERR_TX_VALUE, i, "output", k,
                              "with those before it more than 21 million BTC");
    }
    return 0;
}

/* Finds an output of an earlier transaction in the package. */
static bool find_in_package(const struct checker *c, size_t i, struct spv_broadcast_prevout *out,
                            const struct spv_tx_input *input)
{
    for (size_t j = 0; j < i; j++) {
        struct spv_tx_iter iter = spv_tx_outputs(&c->txs[j]);
        struct spv_tx_output output;
        if (memcmp(&c->reports[j].txid, &input->prev, sizeof input->prev) != 0)
            continue;
        for (size_t k = 0; spv_tx_next_output(&iter, &output); k++)
            if (k == input->index) {
                *out = (struct spv_broadcast_prevout){.value = output.value, .height = UINT32_MAX};
                return true;
            }
    }
    return false;
}

static bool find_prevout(const struct checker *c, size_t i, struct spv_broadcast_prevout *out,
                         const struct spv_tx_input *input)
{
    return find_in_package(c, i, out, input) ||
           (c->cfg->find_output &&
            c->cfg->find_output(c->cfg->ctx, out, &input->prev, input->index));
}

/* BIP68: from version 2 on, a sequence without bit 31 is a lock relative to the spent output. */
static void check_relative(struct spv_broadcast_report *report, const struct spv_tx *tx,
                           uint32_t sequence, const struct spv_broadcast_prevout *prevout)
{
    const uint32_t n = sequence & SEQUENCE_MASK;

    if (tx->version < 2 || (sequence & SEQUENCE_NO_RELATIVE) != 0 || n == 0)
        return;
    if ((sequence & SEQUENCE_TIME) != 0 || !prevout || prevout->height == UINT32_MAX) {
        report->n_relative++;
        return;
    }
    /* valid in a block n above that of the output: the tip is one below that block */
    if (report->wait_height < prevout->height + n - 1)
        report->wait_height = prevout->height + n - 1;
}

/* IsFinalTx, with the median time past of the tip (BIP113). */
static void check_lock_time(struct spv_broadcast_report *report, const struct spv_tx *tx,
                            bool all_final)
{
    if (tx->lock_time == 0 || all_final)
        return;
    if (tx->lock_time < SPV_LOCK_TIME_THRESHOLD && report->wait_height < tx->lock_time)
        report->wait_height = tx->lock_time;
    else if (tx->lock_time >= SPV_LOCK_TIME_THRESHOLD)
        report->wait_time = tx->lock_time;
}

static int check_fee(const struct checker *c, size_t i, int64_t spent, int64_t paid)
{
    /* at most 100,000 virtual bytes: no overflow */
    const int64_t limit = (int64_t)(spv_tx_vsize(&c->txs[i]) * SPV_BROADCAST_MAX_FEE_RATE / 1000);

    if (spent < paid) /* bad-txns-in-belowout */
        return check_fail(c, SPV_ERR_TX_VALUE, i, NULL, 0, "pays more than it spends");
    c->reports[i].fee = spent - paid;
    if (!c->cfg->allow_high_fee && spent - paid > limit) /* max-fee-exceeded */
        return check_fail(c, SPV_ERR_TX_FEE_RATE, i, NULL, 0,
                          "a fee rate above 0.1 BTC per 1,000 virtual bytes");
    return 0;
}

/* Checks each input: warnings and locks; then the fee. */
static int check_inputs(const struct checker *c, size_t i, int64_t paid)
{
    struct spv_broadcast_report *report = &c->reports[i];
    struct spv_tx_iter inputs = spv_tx_inputs(&c->txs[i]);
    struct spv_tx_iter witnesses = spv_tx_witnesses(&c->txs[i]);
    struct spv_tx_input input;
    bool all_known = true, all_final = true;
    int64_t spent = 0;

    for (size_t k = 0; spv_tx_next_input(&inputs, &input); k++) {
        struct spv_broadcast_prevout prevout;
        struct spv_witness witness = {.n_items = 0};
        const bool known = find_prevout(c, i, &prevout, &input);
        (void)spv_tx_next_witness(&witnesses, &witness);
        if (input.script.n == 0 && witness.n_items == 0 && report->n_unsigned++ == 0)
            report->first_unsigned = k;
        check_relative(report, &c->txs[i], input.sequence, known ? &prevout : NULL);
        all_final = all_final && input.sequence == SEQUENCE_FINAL;
        all_known = all_known && known;
        spent += known ? prevout.value : 0;
    }
    check_lock_time(report, &c->txs[i], all_final);
    return all_known ? check_fee(c, i, spent, paid) : 0;
}

static bool tx_spends(const struct spv_tx *tx, const struct spv_txid *txid)
{
    struct spv_tx_iter iter = spv_tx_inputs(tx);
    struct spv_tx_input input;

    while (spv_tx_next_input(&iter, &input))
        if (memcmp(&input.prev, txid, sizeof *txid) == 0)
            return true;
    return false;
}

/* package-too-many-transactions, package-too-large, package-contains-duplicates,
 * package-not-sorted, package-not-child-with-parents */
static int check_package(const struct checker *c)
{
    size_t weight = 0;

    if (c->n > SPV_BROADCAST_MAX_PACKAGE)
        return spv_text_fail(c->why, SPV_ERR_PACKAGE_SIZE,
                             "a package of more than 25 transactions");
    for (size_t i = 0; i < c->n; i++) {
        spv_tx_txid(&c->reports[i].txid, &c->txs[i]);
        weight += spv_tx_weight(&c->txs[i]);
    }
    if (c->n > 1 && weight > SPV_BROADCAST_MAX_PACKAGE_WEIGHT)
        return spv_text_fail(c->why, SPV_ERR_PACKAGE_SIZE, "a package with a weight above 404,000");
    for (size_t i = 0; i < c->n; i++)
        for (size_t j = i + 1; j < c->n; j++)
            if (tx_spends(&c->txs[i], &c->reports[j].txid))
                return check_fail(c, SPV_ERR_PACKAGE_FORM, i, NULL, 0,
                                  "spends a later one: parents come before children");
    for (size_t i = 0; i + 1 < c->n; i++)
        if (!tx_spends(&c->txs[c->n - 1], &c->reports[i].txid))
            return check_fail(c, SPV_ERR_PACKAGE_FORM, i, NULL, 0,
                              "the last one, the child, does not spend it");
    return 0;
}

int spv_broadcast_check(struct spv_broadcast_report *reports, struct spv_text_error *why,
                        const struct spv_tx *txs, size_t n,
                        const struct spv_broadcast_check_config *cfg)
{
    const struct checker c = {.cfg = cfg, .txs = txs, .reports = reports, .why = why, .n = n};
    int64_t paid;
    int rc = 0;

    if (n == 0)
        return SPV_ERR_INVALID;
    for (size_t i = 0; i < n && n <= SPV_BROADCAST_MAX_PACKAGE; i++)
        reports[i] = (struct spv_broadcast_report){.fee = -1};
    for (size_t i = 0; rc == 0 && i < n && n <= SPV_BROADCAST_MAX_PACKAGE; i++)
        rc = check_size(&c, i);
    if (rc == 0)
        rc = check_package(&c);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = check_prevouts(&c, i);
        if (rc == 0)
            rc = check_outputs(&c, i, &paid);
        if (rc == 0)
            rc = check_inputs(&c, i, paid);
    }
    return rc;
}
