/* Writes a parsed descriptor as canonical text: functions outermost first, keys with their origins
 * and steps, leaves of tr as nested braces by their depths, then the checksum. Of one branch of a
 * multipath descriptor only its alternative is written; for all branches <a;b>. */
#include "spv/keys/desc_text.h"

#include <stdio.h>
#include <string.h>

#include "spv/address.h"
#include "util/hex.h"

struct writer {
    struct spv_buffer out;
    const struct spv_descriptor *d;
    size_t branch;
};

static void put_text(struct writer *w, const char *text)
{
    spv_buffer_put(&w->out, text, strlen(text));
}

static void put_hex(struct writer *w, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char digits[3];
        spv_hex(digits, bytes + i, 1);
        put_text(w, digits);
    }
}

static void put_step(struct writer *w, uint32_t step)
{
    char text[16];
    (void)snprintf(text, sizeof text, "%lu%s", (unsigned long)(step & (SPV_HARDENED - 1)),
                   step >= SPV_HARDENED ? "h" : "");
    put_text(w, text);
}

static void put_multipath(struct writer *w, const struct spv_desc_key *key)
{
    const uint32_t *alternatives = w->d->steps + key->alternatives;
    put_text(w, "/");
    if (w->branch != SPV_DESC_ALL_BRANCHES) {
        put_step(w, alternatives[w->branch]);
        return;
    }
    for (size_t i = 0; i < key->n_alternatives; i++) {
        put_text(w, i == 0 ? "<" : ";");
        put_step(w, alternatives[i]);
    }
    put_text(w, ">");
}

static void put_path(struct writer *w, const struct spv_desc_key *key)
{
    for (size_t i = 0; i <= key->n_path; i++) {
        if (key->n_alternatives > 0 && i == key->multipath_at)
            put_multipath(w, key);
        if (i == key->n_path)
            break;
        put_text(w, "/");
        put_step(w, w->d->steps[key->path + i]);
    }
    if (key->range != SPV_DESC_NO_RANGE)
        put_text(w, key->range == SPV_DESC_RANGE ? "/*" : "/*h");
}

static void put_key(struct writer *w, const struct spv_desc_key *key)
{
    char text[SPV_XPUB_TEXT];
    if (key->has_origin) {
        put_text(w, "[");
        put_hex(w, key->fingerprint, SPV_FINGERPRINT);
        for (size_t i = 0; i < key->n_origin; i++) {
            put_text(w, "/");
            put_step(w, w->d->steps[key->origin + i]);
        }
        put_text(w, "]");
    }
    if (!key->is_extended) {
        put_hex(w, key->pubkey.b, key->pubkey.n);
        return;
    }
    spv_xpub_text(text, &key->xpub);
    put_text(w, text);
    put_path(w, key);
}

static void put_address(struct writer *w)
{
    char text[SPV_ADDRESS_TEXT] = "";
    unsigned network = 0;
    while (!(w->d->networks & SPV_NETWORK_BIT(network)))
        network++;
    (void)spv_address_encode(text, w->d->script, w->d->n_script, (enum spv_network)network);
    put_text(w, text);
}

/* A node with its brackets, without the tree of tr and the script of sh and wsh. */
static void put_simple(struct writer *w, const struct spv_desc_node *node)
{
    const bool is_multi = node->threshold > 0;
    if (is_multi) {
        char threshold[16];
        (void)snprintf(threshold, sizeof threshold, "%u", node->threshold);
        put_text(w, threshold);
    }
    for (size_t i = 0; i < node->n_keys; i++) {
        if (is_multi || i > 0)
            put_text(w, ",");
        put_key(w, &w->d->keys[node->key + i]);
    }
    if (node->fn == SPV_DESC_RAW)
        put_hex(w, w->d->script, w->d->n_script);
    if (node->fn == SPV_DESC_ADDR)
        put_address(w);
}

static void put_name(struct writer *w, const struct spv_desc_node *node)
{
    put_text(w, spv_desc_fn_name(node->fn));
    put_text(w, "(");
}

/* The leaves with their depths, as nested braces. */
static void put_tree(struct writer *w)
{
    bool is_second[SPV_TAPTREE_DEPTH + 1] = {false};
    unsigned depth = 0;
    for (size_t i = 0; i < w->d->n_leaves; i++) {
        const struct spv_desc_node *node = &w->d->nodes[w->d->leaves[i].node];
        for (; depth < w->d->leaves[i].depth; is_second[++depth] = false)
            put_text(w, "{");
        put_name(w, node);
        put_simple(w, node);
        put_text(w, ")");
        for (; depth > 0 && is_second[depth]; depth--)
            put_text(w, "}");
        if (depth > 0) {
            put_text(w, ",");
            is_second[depth] = true;
        }
    }
}

char *spv_desc_write(const struct spv_descriptor *d, size_t branch)
{
    struct writer w = {.d = d, .branch = branch};
    char sum[SPV_DESCRIPTOR_CHECKSUM_CHARS + 1];
    const struct spv_desc_node *node = d->nodes;
    size_t open = 1;
    spv_buffer_init(&w.out);
    for (put_name(&w, node); node->fn == SPV_DESC_SH || node->fn == SPV_DESC_WSH; open++) {
        node = &d->nodes[node->child];
        put_name(&w, node);
    }
    put_simple(&w, node);
    if (d->n_leaves > 0) {
        put_text(&w, ",");
        put_tree(&w);
    }
    while (open-- > 0)
        put_text(&w, ")");
    if (w.out.error != 0 ||
        spv_descriptor_checksum(sum, (const char *)w.out.data, w.out.len) != 0) {
        spv_buffer_free(&w.out);
        return NULL;
    }
    put_text(&w, "#");
    spv_buffer_put(&w.out, sum, sizeof sum);
    if (w.out.error != 0) {
        spv_buffer_free(&w.out);
        return NULL;
    }
    return (char *)w.out.data;
}
