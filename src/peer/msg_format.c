/* One line per message. In text from the peer (user agent, reason, command) every byte outside
 * printable ASCII is replaced. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "spv/message.h"
#include "spv/peer.h"

struct line {
    char *out;
    size_t cap, len;
};

#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
static void
format_text(struct line *l, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(l->out + l->len, l->cap - l->len, format, args);
    va_end(args);
    if (n > 0)
        l->len = (size_t)n < l->cap - l->len ? l->len + (size_t)n : l->cap - 1;
}

static void format_escaped(struct line *l, const char *text, size_t max)
{
    for (size_t i = 0; i < max && text[i] != '\0'; i++)
        format_text(l, "%c", text[i] >= ' ' && text[i] <= '~' ? text[i] : '?');
}

static void format_hash(struct line *l, const char *before, const uint8_t hash[32])
{
    struct spv_hash256 h;
    char hex[SPV_HASH_HEX];
    memcpy(h.b, hash, sizeof(h.b));
    spv_hash256_hex(hex, &h);
    format_text(l, "%s%s", before, hex);
}

static const char *inv_name(uint32_t type)
{
    switch (type & ~SPV_INV_WITNESS) {
    case SPV_INV_TX:
        return "tx ";
    case SPV_INV_BLOCK:
        return "block ";
    case SPV_INV_FILTERED_BLOCK:
        return "filtered block ";
    case SPV_INV_COMPACT_BLOCK:
        return "compact block ";
    case SPV_INV_WTX:
        return "wtx ";
    default:
        return "unknown ";
    }
}

static void format_version(struct line *l, const struct spv_msg_version *v)
{
    format_text(l, " (%lu, ", (unsigned long)v->version);
    format_escaped(l, v->user_agent, v->user_agent_len);
    format_text(l, ", height %ld)", (long)v->height);
}

static void format_inv(struct line *l, const struct spv_msg_inv *inv)
{
    format_text(l, " (%zu", inv->n);
    if (inv->n > 0) {
        format_text(l, ", first %s", inv_name(inv->items[0].type));
        format_hash(l, "", inv->items[0].hash.b);
    }
    format_text(l, ")");
}

static void format_locator(struct line *l, const struct spv_msg_getheaders *g)
{
    format_text(l, " (%zu", g->n);
    if (g->n > 0)
        format_hash(l, ", first ", g->locator[0].b);
    if (!spv_blockhash_is_zero(&g->stop))
        format_hash(l, ", stop ", g->stop.b);
    format_text(l, ")");
}

static void format_headers(struct line *l, const struct spv_msg_headers *h)
{
    format_text(l, " (%zu", h->n);
    if (h->n > 0) {
        struct spv_blockhash hash;
        spv_header_hash(&hash, &h->headers[0]);
        format_hash(l, ", first ", hash.b);
    }
    format_text(l, ")");
}

static void format_reject(struct line *l, const struct spv_msg_reject *r)
{
    format_text(l, " (");
    format_escaped(l, r->command, SPV_COMMAND_SIZE);
    format_text(l, ", 0x%02x, ", r->code);
    format_escaped(l, r->reason, SPV_MAX_REJECT_REASON);
    if (r->has_hash)
        format_hash(l, ", ", r->hash.b);
    format_text(l, ")");
}

static void format_one_header(struct line *l, const struct spv_header *header)
{
    struct spv_blockhash hash;
    spv_header_hash(&hash, header);
    format_hash(l, " (", hash.b);
}

static void format_tx(struct line *l, const struct spv_tx *tx)
{
    struct spv_txid txid;
    spv_tx_txid(&txid, tx);
    format_hash(l, " (", txid.b);
    format_text(l, ", %zu bytes)", tx->n);
}

/* BIP157: how many, up to which block. */
static void format_list(struct line *l, size_t n, const struct spv_blockhash *stop)
{
    format_text(l, " (%zu", n);
    format_hash(l, " to ", stop->b);
    format_text(l, ")");
}

static void format_body(struct line *l, const struct spv_msg *msg)
{
    switch (msg->command) {
    case SPV_CMD_VERSION:
        format_version(l, &msg->u.version);
        break;
    case SPV_CMD_ADDR:
    case SPV_CMD_ADDRV2:
        format_text(l, " (%zu)", msg->u.addr.n);
        break;
    case SPV_CMD_INV:
    case SPV_CMD_GETDATA:
    case SPV_CMD_NOTFOUND:
        format_inv(l, &msg->u.inv);
        break;
    case SPV_CMD_GETBLOCKS:
    case SPV_CMD_GETHEADERS:
        format_locator(l, &msg->u.getheaders);
        break;
    case SPV_CMD_HEADERS:
        format_headers(l, &msg->u.headers);
        break;
    case SPV_CMD_BLOCK:
        format_one_header(l, &msg->u.block.header);
        format_text(l, ", %zu transactions, %zu bytes)", msg->u.block.n_txs, msg->u.block.n);
        break;
    case SPV_CMD_MERKLEBLOCK:
        format_one_header(l, &msg->u.merkleblock.header);
        format_text(l, ", %zu hashes of %lu)", msg->u.merkleblock.n_hashes,
                    (unsigned long)msg->u.merkleblock.total);
        break;
    case SPV_CMD_TX:
        format_tx(l, &msg->u.tx);
        break;
    case SPV_CMD_PING:
    case SPV_CMD_PONG:
        if (msg->u.ping.has_nonce)
            format_text(l, " (%016llx)", (unsigned long long)msg->u.ping.nonce);
        break;
    case SPV_CMD_REJECT:
        format_reject(l, &msg->u.reject);
        break;
    case SPV_CMD_FILTERLOAD:
        format_text(l, " (%zu bytes, %lu functions)", msg->u.filterload.n,
                    (unsigned long)msg->u.filterload.functions);
        break;
    case SPV_CMD_FILTERADD:
        format_text(l, " (%zu bytes)", msg->u.filteradd.n);
        break;
    case SPV_CMD_FEEFILTER:
        format_text(l, " (%llu)", (unsigned long long)msg->u.feefilter.rate);
        break;
    case SPV_CMD_SENDCMPCT:
        format_text(l, " (%s, version %llu)", msg->u.sendcmpct.announce ? "announce" : "on request",
                    (unsigned long long)msg->u.sendcmpct.version);
        break;
    case SPV_CMD_FEATURE:
        format_text(l, " (");
        for (size_t i = 0; i < msg->u.feature.id_len; i++)
            format_escaped(l, msg->u.feature.id[i] ? (const char *)msg->u.feature.id + i : "?", 1);
        format_text(l, ", %zu bytes)", msg->u.feature.n);
        break;
    case SPV_CMD_GETCFILTERS:
    case SPV_CMD_GETCFHEADERS:
        format_text(l, " (from %lu", (unsigned long)msg->u.getcfilters.start);
        format_hash(l, " to ", msg->u.getcfilters.stop.b);
        format_text(l, ")");
        break;
    case SPV_CMD_CFILTER:
        format_hash(l, " (", msg->u.cfilter.block.b);
        format_text(l, ", %zu bytes)", msg->u.cfilter.n);
        break;
    case SPV_CMD_CFHEADERS:
        format_list(l, msg->u.cfheaders.n, &msg->u.cfheaders.stop);
        break;
    case SPV_CMD_GETCFCHECKPT:
        format_hash(l, " (to ", msg->u.getcfcheckpt.stop.b);
        format_text(l, ")");
        break;
    case SPV_CMD_CFCHECKPT:
        format_list(l, msg->u.cfcheckpt.n, &msg->u.cfcheckpt.stop);
        break;
    case SPV_CMD_VERACK:
    case SPV_CMD_WTXIDRELAY:
    case SPV_CMD_SENDADDRV2:
    case SPV_CMD_GETADDR:
    case SPV_CMD_MEMPOOL:
    case SPV_CMD_FILTERCLEAR:
    case SPV_CMD_SENDHEADERS:
        break;
    case SPV_CMD_UNKNOWN:
        format_text(l, " (%zu bytes)", msg->u.raw.n);
        break;
    }
}

char *spv_msg_format(char *out, size_t cap, const struct spv_msg *msg)
{
    struct line l = {.out = out, .cap = cap};
    out[0] = '\0';
    if (msg->command == SPV_CMD_UNKNOWN)
        format_escaped(&l, msg->name, SPV_COMMAND_SIZE);
    else
        format_text(&l, "%s", spv_command_name(msg->command));
    format_body(&l, msg);
    return out;
}
