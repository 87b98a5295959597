/* The two formats of peer_tool. Output: a message is an object with its command, its one-line
 * summary, and the fields that the tests compare; 64-bit numbers that may exceed JSON's are hex
 * text. Input: words separated by blanks, the first is the command. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "peer_tool.h"

/* --- out --- */

/* Prints and frees the object. One call to stdio, so lines of two threads never mix. */
static void print_event(json_t *object)
{
    char *text = json_dumps(object, JSON_COMPACT);
    if (text) {
        (void)printf("%s\n", text);
        (void)fflush(stdout);
    }
    free(text);
    json_decref(object);
}

static json_t *event_new(const char *event)
{
    return json_pack("{s:s}", "event", event);
}

static void put_u64(json_t *object, const char *key, uint64_t value)
{
    char text[17];
    (void)snprintf(text, sizeof text, "%016" PRIx64, value);
    (void)json_object_set_new(object, key, json_string(text));
}

static void put_int(json_t *object, const char *key, int64_t value)
{
    (void)json_object_set_new(object, key, json_integer(value));
}

static void put_hex(json_t *object, const char *key, const uint8_t *bytes, size_t n)
{
    char *text = malloc(2 * n + 1);
    if (!text)
        return;
    text[0] = '\0';
    for (size_t i = 0; i < n; i++)
        (void)snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    (void)json_object_set_new(object, key, json_string(text));
    free(text);
}

static void put_blockhash(json_t *object, const char *key, const struct spv_blockhash *hash)
{
    char text[SPV_HASH_HEX];
    spv_blockhash_hex(text, hash);
    (void)json_object_set_new(object, key, json_string(text));
}

static void put_ids(json_t *txids, json_t *wtxids, const struct spv_tx *tx)
{
    struct spv_txid txid;
    struct spv_wtxid wtxid;
    char text[SPV_HASH_HEX];
    spv_tx_txid(&txid, tx);
    spv_txid_hex(text, &txid);
    (void)json_array_append_new(txids, json_string(text));
    spv_tx_wtxid(&wtxid, tx);
    spv_wtxid_hex(text, &wtxid);
    (void)json_array_append_new(wtxids, json_string(text));
}

static void put_block(json_t *object, const struct spv_block *block)
{
    struct spv_block_iter walk = spv_block_txs(block);
    struct spv_blockhash hash;
    struct spv_tx tx;
    json_t *txids = json_array();
    json_t *wtxids = json_array();
    spv_header_hash(&hash, &block->header);
    put_blockhash(object, "hash", &hash);
    put_hex(object, "raw", block->bytes, block->n);
    while (spv_block_next(&walk, &tx))
        put_ids(txids, wtxids, &tx);
    (void)json_object_set_new(object, "txids", txids);
    (void)json_object_set_new(object, "wtxids", wtxids);
    put_int(object, "weight", (int64_t)spv_block_weight(block));
}

static void put_tx(json_t *object, const struct spv_tx *tx)
{
    json_t *txids = json_array();
    json_t *wtxids = json_array();
    put_ids(txids, wtxids, tx);
    (void)json_object_set(object, "txid", json_array_get(txids, 0));
    (void)json_object_set(object, "wtxid", json_array_get(wtxids, 0));
    json_decref(txids);
    json_decref(wtxids);
    put_hex(object, "raw", tx->bytes, tx->n);
    put_int(object, "vsize", (int64_t)spv_tx_vsize(tx));
}

static void put_items(json_t *object, const struct spv_msg_inv *inv)
{
    json_t *items = json_array();
    for (size_t i = 0; i < inv->n; i++) {
        char text[SPV_HASH_HEX];
        spv_hash256_hex(text, &inv->items[i].hash);
        (void)json_array_append_new(items,
                                    json_pack("[I,s]", (json_int_t)inv->items[i].type, text));
    }
    (void)json_object_set_new(object, "items", items);
}

static void put_headers(json_t *object, const struct spv_msg_headers *headers)
{
    json_t *hashes = json_array();
    for (size_t i = 0; i < headers->n; i++) {
        struct spv_blockhash hash;
        char text[SPV_HASH_HEX];
        spv_header_hash(&hash, &headers->headers[i]);
        spv_blockhash_hex(text, &hash);
        (void)json_array_append_new(hashes, json_string(text));
    }
    (void)json_object_set_new(object, "hashes", hashes);
}

static void put_merkleblock(json_t *object, const struct spv_msg_merkleblock *block)
{
    struct spv_blockhash hash;
    char text[SPV_HASH_HEX];
    json_t *hashes = json_array();
    spv_header_hash(&hash, &block->header);
    put_blockhash(object, "hash", &hash);
    spv_hash256_hex(text, &block->header.merkle_root);
    (void)json_object_set_new(object, "root", json_string(text));
    put_int(object, "total", block->total);
    for (size_t i = 0; i < block->n_hashes; i++) {
        spv_hash256_hex(text, &block->hashes[i]);
        (void)json_array_append_new(hashes, json_string(text));
    }
    (void)json_object_set_new(object, "hashes", hashes);
    put_hex(object, "flags", block->flags, block->n_flags);
}

static void put_addresses(json_t *object, const struct spv_msg_addr *addr)
{
    json_t *list = json_array();
    for (size_t i = 0; i < addr->n; i++) {
        const struct spv_netaddr *a = &addr->entries[i].addr;
        char host[INET6_ADDRSTRLEN] = "?";
        char text[INET6_ADDRSTRLEN + 8];
        const int family = a->network == SPV_ADDR_IPV4 ? AF_INET : AF_INET6;
        if (a->network == SPV_ADDR_IPV4 || a->network == SPV_ADDR_IPV6)
            (void)inet_ntop(family, a->bytes, host, sizeof host);
        (void)snprintf(text, sizeof text, "%s:%u", host, (unsigned)a->port);
        (void)json_array_append_new(list, json_string(text));
    }
    (void)json_object_set_new(object, "addresses", list);
}

static void put_fields(json_t *o, const struct spv_msg *msg)
{
    switch (msg->command) {
    case SPV_CMD_VERSION:
        put_int(o, "version", msg->u.version.version);
        put_int(o, "services", (int64_t)msg->u.version.services);
        put_int(o, "height", msg->u.version.height);
        break;
    case SPV_CMD_ADDR:
    case SPV_CMD_ADDRV2:
        put_addresses(o, &msg->u.addr);
        break;
    case SPV_CMD_INV:
    case SPV_CMD_GETDATA:
    case SPV_CMD_NOTFOUND:
        put_items(o, &msg->u.inv);
        break;
    case SPV_CMD_GETBLOCKS:
    case SPV_CMD_GETHEADERS:
        put_int(o, "locator", (int64_t)msg->u.getheaders.n);
        put_blockhash(o, "stop", &msg->u.getheaders.stop);
        if (msg->u.getheaders.n > 0)
            put_blockhash(o, "first", &msg->u.getheaders.locator[0]);
        break;
    case SPV_CMD_HEADERS:
        put_headers(o, &msg->u.headers);
        break;
    case SPV_CMD_BLOCK:
        put_block(o, &msg->u.block);
        break;
    case SPV_CMD_TX:
        put_tx(o, &msg->u.tx);
        break;
    case SPV_CMD_MERKLEBLOCK:
        put_merkleblock(o, &msg->u.merkleblock);
        break;
    case SPV_CMD_PING:
    case SPV_CMD_PONG:
        put_u64(o, "nonce", msg->u.ping.nonce);
        break;
    case SPV_CMD_REJECT:
        (void)json_object_set_new(o, "of", json_string(msg->u.reject.command));
        put_int(o, "code", msg->u.reject.code);
        (void)json_object_set_new(o, "reason", json_string(msg->u.reject.reason));
        break;
    case SPV_CMD_FEEFILTER:
        put_int(o, "rate", (int64_t)msg->u.feefilter.rate);
        break;
    case SPV_CMD_SENDCMPCT:
        put_int(o, "version", (int64_t)msg->u.sendcmpct.version);
        break;
    case SPV_CMD_UNKNOWN:
        put_hex(o, "raw", msg->u.raw.bytes, msg->u.raw.n);
        break;
    case SPV_CMD_VERACK:
    case SPV_CMD_WTXIDRELAY:
    case SPV_CMD_SENDADDRV2:
    case SPV_CMD_GETADDR:
    case SPV_CMD_MEMPOOL:
    case SPV_CMD_FILTERLOAD:
    case SPV_CMD_FILTERADD:
    case SPV_CMD_FILTERCLEAR:
    case SPV_CMD_SENDHEADERS:
    case SPV_CMD_GETCFILTERS:
    case SPV_CMD_CFILTER:
    case SPV_CMD_GETCFHEADERS:
    case SPV_CMD_CFHEADERS:
    case SPV_CMD_GETCFCHECKPT:
    case SPV_CMD_CFCHECKPT:
    case SPV_CMD_FEATURE:
        break; /* the summary is enough */
    }
}

void tool_print(const char *event)
{
    print_event(event_new(event));
}

void tool_print_port(uint16_t port)
{
    json_t *o = event_new("listening");
    put_int(o, "port", port);
    print_event(o);
}

void tool_print_error(const char *event, const char *command, int error)
{
    json_t *o = event_new(event);
    if (command)
        (void)json_object_set_new(o, "command", json_string(command));
    (void)json_object_set_new(o, "error", json_string(error == 0 ? "OK" : spv_err_name(error)));
    print_event(o);
}

void tool_print_stats(const char *event, struct spv_link *link)
{
    struct spv_peer_stats s;
    json_t *o = event_new(event);
    spv_link_stats(link, &s);
    put_int(o, "version", s.version);
    put_int(o, "peer_version", s.peer_version);
    put_int(o, "services", (int64_t)s.services);
    (void)json_object_set_new(o, "user_agent", json_string(s.user_agent));
    put_int(o, "start_height", s.start_height);
    (void)json_object_set_new(o, "ready", json_boolean(s.ready));
    (void)json_object_set_new(o, "relay", json_boolean(s.relay));
    (void)json_object_set_new(o, "send_headers", json_boolean(s.send_headers));
    (void)json_object_set_new(o, "wtxidrelay", json_boolean(s.wtxidrelay));
    (void)json_object_set_new(o, "addrv2", json_boolean(s.addrv2));
    put_int(o, "fee_filter", (int64_t)s.fee_filter);
    put_int(o, "malformed_in", (int64_t)s.malformed_in);
    put_int(o, "unknown_in", (int64_t)s.unknown_in);
    put_int(o, "messages_in", (int64_t)s.messages_in);
    put_int(o, "rtt_us", (int64_t)s.rtt_us);
    print_event(o);
}

void tool_print_message(const struct spv_msg *msg)
{
    char summary[SPV_MSG_FORMAT_MAX];
    json_t *o = event_new("message");
    (void)json_object_set_new(o, "command", json_string(msg->name));
    (void)json_object_set_new(o, "summary",
                              json_string(spv_msg_format(summary, sizeof summary, msg)));
    put_fields(o, msg);
    print_event(o);
}

/* --- in --- */

static const char *next_word(char **rest)
{
    return strtok_r(NULL, " \n", rest);
}

static bool next_number(char **rest, uint64_t *out)
{
    const char *word = next_word(rest);
    if (word)
        *out = strtoull(word, NULL, 0);
    return word != NULL;
}

static bool next_bytes(char **rest, struct tool_line *out)
{
    const char *word = next_word(rest);
    if (!word)
        return false;
    out->n_bytes = strlen(word) / 2;
    out->bytes = malloc(out->n_bytes + 1);
    if (!out->bytes)
        return false;
    for (size_t i = 0; i < out->n_bytes; i++) {
        const char pair[3] = {word[2 * i], word[2 * i + 1], '\0'};
        out->bytes[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return true;
}

/* The hashes to the end of the line: how many, or SPV_ERR_MALFORMED. */
static int read_hashes(char **rest, struct spv_blockhash *out)
{
    const char *word;
    int n = 0;
    while ((word = next_word(rest))) {
        if (n == TOOL_ITEMS || spv_blockhash_from_hex(&out[n], word) < 0)
            return SPV_ERR_MALFORMED;
        n++;
    }
    return n;
}

static bool read_items(char **rest, struct tool_line *out)
{
    uint64_t type;
    if (!next_number(rest, &type))
        return false;
    const int n = read_hashes(rest, out->locator);
    for (int i = 0; i < n; i++) {
        out->items[i].type = (uint32_t)type;
        memcpy(out->items[i].hash.b, out->locator[i].b, sizeof out->items[i].hash.b);
    }
    out->msg.u.inv = (struct spv_msg_inv){out->items, n > 0 ? (size_t)n : 0};
    return n > 0;
}

static bool read_address(char **rest, struct tool_line *out)
{
    struct spv_addr_entry *entry = &out->address;
    uint64_t port;
    const char *host = next_word(rest);
    if (!host || inet_pton(AF_INET, host, entry->addr.bytes) != 1 || !next_number(rest, &port) ||
        !next_number(rest, &entry->services))
        return false;
    entry->addr.network = SPV_ADDR_IPV4;
    entry->addr.len = 4;
    entry->addr.port = (uint16_t)port;
    out->msg.u.addr = (struct spv_msg_addr){entry, 1};
    return true;
}

static bool read_filter(char **rest, struct tool_line *out)
{
    uint64_t functions;
    uint64_t tweak;
    uint64_t update;
    if (!next_number(rest, &functions) || !next_number(rest, &tweak) ||
        !next_number(rest, &update) || !next_bytes(rest, out))
        return false;
    out->msg.u.filterload = (struct spv_msg_filterload){
        out->bytes, out->n_bytes, (uint32_t)functions, (uint32_t)tweak, (uint8_t)update};
    return true;
}

static bool read_ping(char **rest, struct tool_line *out)
{
    out->msg.u.ping.has_nonce = true;
    return next_number(rest, &out->msg.u.ping.nonce);
}

static bool read_rate(char **rest, struct tool_line *out)
{
    return next_number(rest, &out->msg.u.feefilter.rate);
}

static bool read_locator(char **rest, struct tool_line *out)
{
    const int n = read_hashes(rest, out->locator);
    out->msg.u.getheaders.locator = out->locator;
    out->msg.u.getheaders.n = n > 0 ? (size_t)n : 0;
    return n > 0;
}

static bool read_tx(char **rest, struct tool_line *out)
{
    return next_bytes(rest, out) && spv_tx_parse(&out->msg.u.tx, out->bytes, out->n_bytes) == 0;
}

static bool read_element(char **rest, struct tool_line *out)
{
    if (!next_bytes(rest, out))
        return false;
    out->msg.u.filteradd = (struct spv_msg_filteradd){out->bytes, out->n_bytes};
    return true;
}

bool tool_parse(struct tool_line *out, const char *text)
{
    static const struct {
        const char *word;
        enum tool_action action;
        enum spv_command command;
        bool (*read)(char **rest, struct tool_line *out);
    } words[] = {
        {"raw", TOOL_RAW, SPV_CMD_UNKNOWN, next_bytes},
        {"stats", TOOL_STATS, SPV_CMD_UNKNOWN, NULL},
        {"close", TOOL_CLOSE, SPV_CMD_UNKNOWN, NULL},
        {"getaddr", TOOL_SEND, SPV_CMD_GETADDR, NULL},
        {"mempool", TOOL_SEND, SPV_CMD_MEMPOOL, NULL},
        {"sendheaders", TOOL_SEND, SPV_CMD_SENDHEADERS, NULL},
        {"filterclear", TOOL_SEND, SPV_CMD_FILTERCLEAR, NULL},
        {"ping", TOOL_SEND, SPV_CMD_PING, read_ping},
        {"feefilter", TOOL_SEND, SPV_CMD_FEEFILTER, read_rate},
        {"addr", TOOL_SEND, SPV_CMD_ADDR, read_address},
        {"inv", TOOL_SEND, SPV_CMD_INV, read_items},
        {"getdata", TOOL_SEND, SPV_CMD_GETDATA, read_items},
        {"getheaders", TOOL_SEND, SPV_CMD_GETHEADERS, read_locator},
        {"tx", TOOL_SEND, SPV_CMD_TX, read_tx},
        {"filteradd", TOOL_SEND, SPV_CMD_FILTERADD, read_element},
        {"filterload", TOOL_SEND, SPV_CMD_FILTERLOAD, read_filter},
    };
    char *copy = strdup(text);
    char *rest = NULL;
    const char *word = !copy ? NULL : strtok_r(copy, " \n", &rest);
    bool good = false;

    memset(out, 0, sizeof *out);
    for (size_t i = 0; word && i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(word, words[i].word) != 0)
            continue;
        out->action = words[i].action;
        out->msg.command = words[i].command;
        good = !words[i].read || words[i].read(&rest, out);
        break;
    }
    free(copy);
    if (!good)
        tool_line_free(out);
    return good;
}

void tool_line_free(struct tool_line *line)
{
    free(line->bytes);
    line->bytes = NULL;
}
