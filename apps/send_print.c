/* What spv-send prints: a transaction as it would be sent, and its progress. The counts are facts,
 * by network groups; none of them shows that a miner has the transaction. */
#include <stdlib.h>
#include <string.h>

#include "send_state.h"
#include "spv/address.h"

const char *send_amount(char out[SEND_AMOUNT], int64_t satoshis)
{
    (void)snprintf(out, SEND_AMOUNT, "%lld.%08lld BTC", (long long)(satoshis / 100000000),
                   (long long)(satoshis % 100000000));
    return out;
}

static const char *reject_name(uint8_t code)
{
    switch (code) {
    case SPV_REJECT_MALFORMED:
        return "malformed";
    case SPV_REJECT_INVALID:
        return "invalid";
    case SPV_REJECT_OBSOLETE:
        return "obsolete";
    case SPV_REJECT_DUPLICATE:
        return "duplicate";
    case SPV_REJECT_NONSTANDARD:
        return "nonstandard";
    case SPV_REJECT_DUST:
        return "dust";
    case SPV_REJECT_FEE:
        return "fee too low";
    case SPV_REJECT_CHECKPOINT:
        return "checkpoint";
    default:
        return "unknown reason";
    }
}

const char *send_reject(char out[SEND_REJECT], const struct spv_broadcast_progress *p)
{
    out[0] = '\0';
    if (p->n_rejects > 0)
        (void)snprintf(out, SEND_REJECT, ", rejected by %u: %s (a hint)", p->n_rejects,
                       reject_name(p->reject_code));
    return out;
}

static const char *state_name(uint32_t state)
{
    switch (state) {
    case SPV_BROADCAST_PUBLISHING:
        return "publishing";
    case SPV_BROADCAST_CONFIRMED:
        return "confirmed";
    case SPV_BROADCAST_CONFLICTED:
        return "conflicted";
    case SPV_BROADCAST_WITHDRAWN:
        return "withdrawn";
    default:
        return "unknown";
    }
}

/* ---- a transaction ---- */

/* Returns the address of a script, or NULL. */
static const char *address_of(char out[SPV_ADDRESS_TEXT], const struct send *s,
                              const struct spv_tx_output *output)
{
    return spv_address_encode(out, output->script.bytes, output->script.n,
                              s->target.params->net.network) == 0
               ? out
               : NULL;
}

static void print_text(const struct send *s, size_t i)
{
    const struct spv_tx *tx = &s->txs[i].tx;
    struct spv_tx_iter inputs = spv_tx_inputs(tx), outputs = spv_tx_outputs(tx);
    struct spv_tx_input input;
    struct spv_tx_output output;
    char hash[SPV_HASH_HEX], amount[SEND_AMOUNT], address[SPV_ADDRESS_TEXT];

    for (unsigned long n = 1; spv_tx_next_input(&inputs, &input); n++) {
        const struct send_coin *coin = send_coin_of(s, &input);
        spv_txid_hex(hash, &input.prev);
        cli_print("input %-8lu %s:%u%s%s", n, hash, input.index, coin ? "  " : "",
                  coin ? send_amount(amount, coin->value) : "");
    }
    for (unsigned long n = 1; spv_tx_next_output(&outputs, &output); n++) {
        struct spv_script_info info;
        const char *kind =
            spv_script_kind_name(spv_script_classify(&info, output.script.bytes, output.script.n));
        const char *text = address_of(address, s, &output);
        cli_print("output %-7lu %s  %s", n, send_amount(amount, output.value), text ? text : kind);
    }
}

static json_t *script_json(const struct spv_bytes *script)
{
    static const char digits[] = "0123456789abcdef";
    char *text = malloc(2 * script->n + 1);
    json_t *value;

    for (size_t i = 0; text && i < script->n; i++) {
        text[2 * i] = digits[script->bytes[i] >> 4];
        text[2 * i + 1] = digits[script->bytes[i] & 15];
    }
    if (text)
        text[2 * script->n] = '\0';
    value = text ? json_string(text) : NULL;
    free(text);
    return value;
}

static json_t *inputs_json(const struct send *s, size_t i)
{
    struct spv_tx_iter iter = spv_tx_inputs(&s->txs[i].tx);
    struct spv_tx_input input;
    json_t *list = json_array();

    while (spv_tx_next_input(&iter, &input)) {
        const struct send_coin *coin = send_coin_of(s, &input);
        char hash[SPV_HASH_HEX];
        spv_txid_hex(hash, &input.prev);
        (void)json_array_append_new(
            list, json_pack("{s:s, s:I, s:I, s:o}", "txid", hash, "vout", (json_int_t)input.index,
                            "sequence", (json_int_t)input.sequence, "value",
                            coin ? json_integer((json_int_t)coin->value) : json_null()));
    }
    return list;
}

static json_t *outputs_json(const struct send *s, size_t i)
{
    struct spv_tx_iter iter = spv_tx_outputs(&s->txs[i].tx);
    struct spv_tx_output output;
    json_t *list = json_array();

    while (spv_tx_next_output(&iter, &output)) {
        char address[SPV_ADDRESS_TEXT];
        (void)json_array_append_new(list, json_pack("{s:I, s:o?, s:s?}", "value",
                                                    (json_int_t)output.value, "script",
                                                    script_json(&output.script), "address",
                                                    address_of(address, s, &output)));
    }
    return list;
}

static json_t *number_or_null(int64_t n, bool is_number)
{
    return is_number ? json_integer((json_int_t)n) : json_null();
}

static void print_json(const struct send *s, size_t i)
{
    const struct spv_broadcast_report *r = &s->reports[i];
    const struct spv_tx *tx = &s->txs[i].tx;
    char txid[SPV_HASH_HEX], wtxid[SPV_HASH_HEX];
    struct spv_wtxid id;

    spv_txid_hex(txid, &r->txid);
    spv_tx_wtxid(&id, tx);
    spv_wtxid_hex(wtxid, &id);
    cli_json(json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:o, s:o?, s:o?, s:I, s:I, s:o, "
                       "s:o}",
                       "event", "transaction", "network", s->target.params->net.name, "txid", txid,
                       "wtxid", wtxid, "size", (json_int_t)tx->n, "vsize",
                       (json_int_t)spv_tx_vsize(tx), "weight", (json_int_t)spv_tx_weight(tx),
                       "lock_time", (json_int_t)tx->lock_time, "fee",
                       number_or_null(r->fee, r->fee >= 0), "inputs", inputs_json(s, i), "outputs",
                       outputs_json(s, i), "unsigned_inputs", (json_int_t)r->n_unsigned,
                       "relative_locks", (json_int_t)r->n_relative, "wait_height",
                       number_or_null(r->wait_height, r->wait_height > 0), "wait_time",
                       number_or_null(r->wait_time, r->wait_time > 0)));
}

void send_print_tx(const struct send *s, size_t i, bool all)
{
    const struct spv_broadcast_report *r = &s->reports[i];
    const struct spv_tx *tx = &s->txs[i].tx;
    char hash[SPV_HASH_HEX], amount[SEND_AMOUNT];

    if (cli_json_on()) {
        print_json(s, i);
        return;
    }
    spv_txid_hex(hash, &r->txid);
    cli_print("%-14s %s", "transaction", hash);
    cli_print("%-14s %s bytes, %s vbytes, weight %s", "size", CLI_COUNT(tx->n),
              CLI_COUNT(spv_tx_vsize(tx)), CLI_COUNT(spv_tx_weight(tx)));
    if (all)
        print_text(s, i);
    if (r->fee >= 0)
        cli_print("%-14s %s, %.1f sat/vbyte", "fee", send_amount(amount, r->fee),
                  (double)r->fee / (double)spv_tx_vsize(tx));
    else
        cli_print("%-14s unknown: not all outputs that it spends are the wallet's", "fee");
}

/* ---- progress ---- */

static void progress_text(char *out, size_t cap, const struct spv_broadcast_progress *p)
{
    char reject[SEND_REJECT], figure[CLI_FIGURE];

    switch (p->state) {
    case SPV_BROADCAST_CONFIRMED:
    case SPV_BROADCAST_WITHDRAWN:
        (void)snprintf(out, cap, "%s", state_name(p->state));
        return;
    case SPV_BROADCAST_CONFLICTED:
        (void)snprintf(out, cap, "conflicted: a confirmed transaction spends the same output");
        return;
    case SPV_BROADCAST_PUBLISHING:
        break;
    }
    if (p->waits && p->wait_time > 0)
        (void)snprintf(out, cap, "waiting until the median time is above %s",
                       cli_time(figure, p->wait_time));
    else if (p->waits)
        (void)snprintf(out, cap, "waiting for height %s", cli_count(figure, p->wait_height));
    else if (p->announced + p->fetched + p->returned == 0)
        (void)snprintf(out, cap, "waiting for peers");
    else
        (void)snprintf(out, cap, "announced to %u, fetched by %u, announced back by %u%s",
                       p->announced, p->fetched, p->returned, send_reject(reject, p));
}

static void progress_json(const struct spv_broadcast_progress *p)
{
    char txid[SPV_HASH_HEX];

    spv_txid_hex(txid, &p->txid);
    cli_json(json_pack(
        "{s:s, s:s, s:s, s:b, s:I, s:I, s:I, s:I, s:s?, s:b, s:o, s:o}", "event", "broadcast",
        "txid", txid, "state", state_name(p->state), "private", (int)p->is_private, "announced",
        (json_int_t)p->announced, "fetched", (json_int_t)p->fetched, "returned",
        (json_int_t)p->returned, "rejects", (json_int_t)p->n_rejects, "reject",
        p->n_rejects > 0 ? reject_name(p->reject_code) : NULL, "waits", (int)p->waits,
        "wait_height", number_or_null(p->wait_height, p->waits && p->wait_height > 0), "wait_time",
        number_or_null(p->wait_time, p->waits && p->wait_time > 0)));
}

void send_print_item(struct send_item *item)
{
    char line[sizeof item->printed], txid[SPV_HASH_HEX];

    progress_text(line, sizeof line, &item->progress);
    if (strcmp(line, item->printed) == 0)
        return;
    (void)snprintf(item->printed, sizeof item->printed, "%s", line);
    spv_txid_hex(txid, &item->txid);
    if (cli_json_on())
        progress_json(&item->progress);
    else
        cli_print("%s: %s", txid, line);
}

void send_print_live(const struct send *s, const struct spv_node_stats *stats)
{
    const struct send_item *item = NULL;
    char line[320], text[CLI_FIGURE];
    const struct spv_broadcast_progress *p;

    for (size_t i = 0; i < s->n_items && !item; i++)
        if (s->items[i].is_child)
            item = &s->items[i];
    if (!item)
        return;
    p = &item->progress;
    if (p->waits || p->announced + p->fetched + p->returned == 0)
        (void)snprintf(line, sizeof line, "waiting  %u %s  height %s  %s", stats->peers,
                       stats->peers == 1 ? "peer" : "peers", CLI_COUNT(stats->tip.height),
                       cli_duration(text, cli_clock() - s->report.started));
    else
        (void)snprintf(line, sizeof line,
                       "announced to %u  fetched by %u  announced back by %u  %u %s  %s",
                       p->announced, p->fetched, p->returned, stats->peers,
                       stats->peers == 1 ? "peer" : "peers",
                       cli_duration(text, cli_clock() - s->report.started));
    cli_status_line(line);
}

static void print_sent(const struct send *s, const struct send_item *item)
{
    const double seconds = cli_clock() - s->report.started;
    const struct spv_broadcast_progress *p = &item->progress;
    char txid[SPV_HASH_HEX], text[CLI_FIGURE];

    spv_txid_hex(txid, &item->txid);
    if (cli_json_on())
        cli_json(json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:f}", "event", "sent", "txid",
                           txid, "state", state_name(p->state), "announced",
                           (json_int_t)p->announced, "fetched", (json_int_t)p->fetched, "returned",
                           (json_int_t)p->returned, "confirmations",
                           (json_int_t)item->confirmations, "seconds", seconds));
    else if (item->confirmations > 0)
        cli_print("%s: confirmed, %s confirmations", txid, CLI_COUNT(item->confirmations));
    else if (p->state == SPV_BROADCAST_CONFIRMED)
        cli_print("%s: confirmed", txid);
    else
        cli_print("sent %s: announced back by %u that did not have it from here, after %s", txid,
                  p->returned, cli_duration(text, seconds));
}

void send_print_all_sent(const struct send *s)
{
    for (size_t i = 0; i < s->n_items && !s->quiet; i++)
        if (s->items[i].is_child)
            print_sent(s, &s->items[i]);
}

/* ---- what is stored ---- */

static unsigned count_facts(const struct spv_broadcast_row *row, uint32_t fact)
{
    unsigned n = 0;

    for (uint32_t i = 0; i < row->n_groups && i < SPV_BROADCAST_MAX_GROUPS; i++)
        n += (row->facts[i] & fact) != 0;
    return n;
}

void send_print_row(const struct spv_broadcast_row *row)
{
    const struct spv_broadcast_progress p = {.announced = count_facts(row, SPV_BROADCAST_ANNOUNCED),
                                             .fetched = count_facts(row, SPV_BROADCAST_FETCHED),
                                             .returned = count_facts(row, SPV_BROADCAST_RETURNED),
                                             .n_rejects = row->n_rejects,
                                             .reject_code = (uint8_t)row->reject_code};
    char txid[SPV_HASH_HEX], reject[SEND_REJECT], when[CLI_FIGURE];

    spv_txid_hex(txid, &row->txid);
    if (cli_json_on()) {
        cli_json(json_pack(
            "{s:s, s:s, s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:s?, s:o, s:o, s:o, s:o, s:o}",
            "event", "broadcast", "txid", txid, "state", state_name(row->state), "private",
            (int)((row->flags & SPV_BROADCAST_PRIVATE) != 0), "package", (json_int_t)row->package,
            "position", (json_int_t)row->position, "announced", (json_int_t)p.announced, "fetched",
            (json_int_t)p.fetched, "returned", (json_int_t)p.returned, "rejects",
            (json_int_t)p.n_rejects, "reject", p.n_rejects > 0 ? reject_name(p.reject_code) : NULL,
            "wait_height", number_or_null(row->wait_height, row->wait_height > 0), "wait_time",
            number_or_null(row->wait_time, row->wait_time > 0), "height",
            number_or_null(row->height, row->state == SPV_BROADCAST_CONFIRMED), "announced_at",
            number_or_null(row->announced_at, row->announced_at > 0), "ended_at",
            number_or_null(row->ended_at, row->ended_at > 0)));
        return;
    }
    cli_print("%s  %s%s%s%s", txid, state_name(row->state),
              (row->flags & SPV_BROADCAST_PRIVATE) != 0 ? ", private" : "",
              row->announced_at > 0 ? ", last announced " : ", never announced",
              row->announced_at > 0 ? cli_time(when, row->announced_at) : "");
    cli_print("  announced to %u, fetched by %u, announced back by %u%s", p.announced, p.fetched,
              p.returned, send_reject(reject, &p));
}

void send_print_withdrawn(const struct spv_txid *txid)
{
    char text[SPV_HASH_HEX];

    spv_txid_hex(text, txid);
    if (cli_json_on())
        cli_json(json_pack("{s:s, s:s}", "event", "withdrawn", "txid", text));
    else
        cli_print("withdrawn %s: it is not announced any more. Who has it keeps it.", text);
}
