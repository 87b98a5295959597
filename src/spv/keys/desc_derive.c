/* The scripts of a descriptor. For each key the fixed part of the path is derived once, so that an
 * index costs one derivation per key; then the nodes are written from the inside out. */
#include <stdlib.h>
#include <string.h>

#include "spv/keys/desc.h"
#include "spv/keys/hd.h"
#include "spv/keys/taproot.h"
#include "spv/keys/text_error.h"
#include "util/hash.h"

struct deriver {
    const struct spv_descriptor *d;
    struct spv_hd_parent *parents; /* of the keys with a range */
    struct spv_desc_pubkey *pubkeys; /* of all keys, at the current index */
    const struct spv_desc_pubkey **sorted; /* buffer for the sorted keys of one multisig */
    struct spv_buffer inner; /* buffer for the script that is hashed */
};

static bool has_hardened(const struct spv_descriptor *d, size_t at, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (d->steps[at + i] >= SPV_HARDENED)
            return true;
    return false;
}

int spv_descriptor_check_derivable(const struct spv_descriptor *d, struct spv_text_error *why)
{
    for (size_t i = 0; i < d->n_keys; i++) {
        const struct spv_desc_key *key = &d->keys[i];
        if (key->range == SPV_DESC_HARDENED_RANGE || has_hardened(d, key->path, key->n_path) ||
            has_hardened(d, key->alternatives, key->n_alternatives))
            return spv_text_fail_key(why, SPV_ERR_HARDENED, key->at, i + 1,
                                     "a hardened step after a public key needs the private key");
    }
    return 0;
}

/* A step of a key's path; at multipath_at it is the branch's alternative of the multipath step. */
static uint32_t path_step(const struct spv_descriptor *d, const struct spv_desc_key *key,
                          size_t branch, size_t i)
{
    if (key->n_alternatives == 0 || i < key->multipath_at)
        return d->steps[key->path + i];
    return i == key->multipath_at ? d->steps[key->alternatives + branch]
                                  : d->steps[key->path + i - 1];
}

/* Derives the fixed steps: the parent of the range, or the key itself. */
static int prepare_key(struct deriver *w, size_t at, size_t branch)
{
    const struct spv_desc_key *key = &w->d->keys[at];
    struct spv_xpub xpub = key->xpub;
    const size_t steps = key->n_path + (key->n_alternatives > 0);
    if (!key->is_extended) {
        w->pubkeys[at] = key->pubkey;
        return 0;
    }
    for (size_t i = 0; i < steps; i++) {
        const int rc = spv_xpub_derive(&xpub, &xpub, path_step(w->d, key, branch, i));
        if (rc != 0)
            return rc;
    }
    if (key->range != SPV_DESC_NO_RANGE)
        return spv_hd_parent_init(&w->parents[at], xpub.key, xpub.chain_code);
    memcpy(w->pubkeys[at].b, xpub.key, SPV_PUBLIC_KEY);
    w->pubkeys[at].n = SPV_PUBLIC_KEY;
    return 0;
}

static int move_to_index(struct deriver *w, uint32_t index)
{
    for (size_t i = 0; i < w->d->n_keys; i++) {
        if (w->d->keys[i].range == SPV_DESC_NO_RANGE)
            continue;
        const int rc = spv_hd_child(w->pubkeys[i].b, NULL, &w->parents[i], index);
        if (rc != 0)
            return rc;
        w->pubkeys[i].n = SPV_PUBLIC_KEY;
    }
    return 0;
}

/* The x coordinate of a compressed or x-only key. */
static const uint8_t *x_only(const struct spv_desc_pubkey *pubkey)
{
    return pubkey->n == 32 ? pubkey->b : pubkey->b + 1;
}

static void put_push(struct spv_buffer *out, const uint8_t *bytes, size_t n)
{
    spv_buffer_u8(out, (uint8_t)n);
    spv_buffer_put(out, bytes, n);
}

/* A number up to 999 as the shortest script number. */
static void put_number(struct spv_buffer *out, unsigned x)
{
    if (x <= 16) {
        spv_buffer_u8(out, (uint8_t)(OP_1 + x - 1));
        return;
    }
    /* the highest bit of the last byte is the sign */
    spv_buffer_u8(out, x < 0x80 ? 1 : 2);
    spv_buffer_u8(out, (uint8_t)x);
    if (x >= 0x80)
        spv_buffer_u8(out, (uint8_t)(x >> 8));
}

static int compare_pubkeys(const void *a, const void *b)
{
    const struct spv_desc_pubkey *x = *(const struct spv_desc_pubkey *const *)a;
    const struct spv_desc_pubkey *y = *(const struct spv_desc_pubkey *const *)b;
    const size_t n = x->n < y->n ? x->n : y->n;
    const int order = memcmp(x->b, y->b, n);
    return order != 0 ? order : (int)x->n - (int)y->n;
}

static int compare_x(const void *a, const void *b)
{
    const struct spv_desc_pubkey *x = *(const struct spv_desc_pubkey *const *)a;
    const struct spv_desc_pubkey *y = *(const struct spv_desc_pubkey *const *)b;
    return memcmp(x_only(x), x_only(y), 32);
}

/* The keys of a multisig, in the order in which its script has them. */
static const struct spv_desc_pubkey **pubkeys_in_order(struct deriver *w,
                                                       const struct spv_desc_node *node)
{
    for (size_t i = 0; i < node->n_keys; i++)
        w->sorted[i] = &w->pubkeys[node->key + i];
    if (node->fn == SPV_DESC_SORTEDMULTI)
        qsort(w->sorted, node->n_keys, sizeof(const struct spv_desc_pubkey *), compare_pubkeys);
    else if (node->fn == SPV_DESC_SORTEDMULTI_A)
        qsort(w->sorted, node->n_keys, sizeof(const struct spv_desc_pubkey *), compare_x);
    return w->sorted;
}

static void put_multi(struct deriver *w, struct spv_buffer *out, const struct spv_desc_node *node)
{
    const struct spv_desc_pubkey **keys = pubkeys_in_order(w, node);
    put_number(out, node->threshold);
    for (size_t i = 0; i < node->n_keys; i++)
        put_push(out, keys[i]->b, keys[i]->n);
    put_number(out, (unsigned)node->n_keys);
    spv_buffer_u8(out, OP_CHECKMULTISIG);
}

/* A script in a leaf of tr: pk, multi_a or sortedmulti_a. */
static void put_leaf(struct deriver *w, struct spv_buffer *out, const struct spv_desc_node *node)
{
    const struct spv_desc_pubkey **keys = pubkeys_in_order(w, node);
    for (size_t i = 0; i < node->n_keys; i++) {
        put_push(out, x_only(keys[i]), 32);
        spv_buffer_u8(out, i == 0 ? OP_CHECKSIG : OP_CHECKSIGADD);
    }
    if (node->threshold == 0)
        return;
    put_number(out, node->threshold);
    spv_buffer_u8(out, OP_NUMEQUAL);
}

static int put_taproot(struct deriver *w, struct spv_buffer *out, const struct spv_desc_node *node)
{
    struct spv_taptree tree = {0};
    uint8_t script[34], key[32];
    for (size_t i = 0; i < w->d->n_leaves; i++) {
        uint8_t hash[32];
        w->inner.len = 0;
        put_leaf(w, &w->inner, &w->d->nodes[w->d->leaves[i].node]);
        if (w->inner.error != 0)
            return w->inner.error;
        spv_tapleaf_hash(hash, w->inner.data, w->inner.len);
        spv_taptree_add(&tree, hash, w->d->leaves[i].depth);
    }
    const int rc = spv_taproot_output(key, x_only(&w->pubkeys[node->key]),
                                      w->d->n_leaves > 0 ? tree.hash[0] : NULL);
    if (rc != 0)
        return rc;
    spv_buffer_put(out, script, spv_script_witness(script, 1, key, sizeof key));
    return out->error;
}

static void put_p2pkh(struct spv_buffer *out, const struct spv_desc_pubkey *pubkey)
{
    uint8_t hash[20], script[25];
    spv_hash160(hash, pubkey->b, pubkey->n);
    spv_buffer_put(out, script, spv_script_p2pkh(script, hash));
}

static void put_p2wpkh(struct spv_buffer *out, const struct spv_desc_pubkey *pubkey)
{
    uint8_t hash[20], script[22];
    spv_hash160(hash, pubkey->b, pubkey->n);
    spv_buffer_put(out, script, spv_script_witness(script, 0, hash, sizeof hash));
}

/* Replaces what out has since an offset by the script that pays to its hash. */
static void wrap_in_hash(struct spv_buffer *out, size_t from, enum spv_desc_fn fn)
{
    uint8_t hash[32], script[34];
    if (out->error != 0)
        return;
    if (fn == SPV_DESC_SH)
        spv_hash160(hash, out->data + from, out->len - from);
    else
        spv_sha256(hash, out->data + from, out->len - from);
    out->len = from;
    const size_t n = fn == SPV_DESC_SH ? spv_script_p2sh(script, hash)
                                       : spv_script_witness(script, 0, hash, sizeof hash);
    spv_buffer_put(out, script, n);
}

/* Appends the script of a node; `which` counts those of combo(). */
static int put_script(struct deriver *w, struct spv_buffer *out, const struct spv_desc_node *node,
                      size_t which)
{
    const struct spv_desc_pubkey *pubkey = w->pubkeys + node->key;
    uint8_t script[34];
    switch (node->fn) {
    case SPV_DESC_PK:
        put_push(out, pubkey->b, pubkey->n);
        spv_buffer_u8(out, OP_CHECKSIG);
        break;
    case SPV_DESC_PKH:
        put_p2pkh(out, pubkey);
        break;
    case SPV_DESC_WPKH:
        put_p2wpkh(out, pubkey);
        break;
    case SPV_DESC_COMBO: {
        /* BIP384: P2PK, P2PKH, and of compressed keys P2WPKH and P2SH-P2WPKH */
        static const enum spv_desc_fn kinds[] = {SPV_DESC_PK, SPV_DESC_PKH, SPV_DESC_WPKH,
                                                 SPV_DESC_WPKH};
        struct spv_desc_node part = *node;
        const size_t from = out->len;
        part.fn = kinds[which];
        (void)put_script(w, out, &part, 0);
        if (which == 3)
            wrap_in_hash(out, from, SPV_DESC_SH);
        break;
    }
    case SPV_DESC_MULTI:
    case SPV_DESC_SORTEDMULTI:
        put_multi(w, out, node);
        break;
    case SPV_DESC_SH:
    case SPV_DESC_WSH: {
        const size_t from = out->len;
        const int rc = put_script(w, out, &w->d->nodes[node->child], 0);
        if (rc != 0)
            return rc;
        wrap_in_hash(out, from, node->fn);
        break;
    }
    case SPV_DESC_TR:
        return put_taproot(w, out, node);
    case SPV_DESC_RAWTR:
        spv_buffer_put(out, script, spv_script_witness(script, 1, x_only(pubkey), 32));
        break;
    case SPV_DESC_RAW:
    case SPV_DESC_ADDR:
        spv_buffer_put(out, w->d->script, w->d->n_script);
        break;
    case SPV_DESC_MULTI_A:
    case SPV_DESC_SORTEDMULTI_A:
        put_leaf(w, out, node);
        break;
    }
    return out->error;
}

static void deriver_free(struct deriver *w)
{
    free(w->parents);
    free(w->pubkeys);
    free(w->sorted);
    spv_buffer_free(&w->inner);
}

static int deriver_init(struct deriver *w, const struct spv_descriptor *d, size_t branch)
{
    const size_t n = d->n_keys > 0 ? d->n_keys : 1;
    int rc = 0;
    *w = (struct deriver){.d = d};
    spv_buffer_init(&w->inner);
    w->parents = calloc(n, sizeof *w->parents);
    w->pubkeys = calloc(n, sizeof *w->pubkeys);
    w->sorted = calloc(n, sizeof(const struct spv_desc_pubkey *));
    if (!w->parents || !w->pubkeys || !w->sorted)
        rc = SPV_ERR_NOMEM;
    for (size_t i = 0; rc == 0 && i < d->n_keys; i++)
        rc = prepare_key(w, i, branch);
    if (rc != 0)
        deriver_free(w);
    return rc;
}

size_t spv_descriptor_scripts_per_index(const struct spv_descriptor *d)
{
    if (d->nodes[0].fn != SPV_DESC_COMBO)
        return 1;
    const struct spv_desc_key *key = &d->keys[0];
    return key->is_extended || key->pubkey.n == SPV_PUBLIC_KEY ? 4 : 2;
}

/* Appends the scripts of all indexes; the entries' sizes are set, their pointers not yet. */
static int derive_all(struct spv_derived_scripts *out, struct spv_buffer *bytes, struct deriver *w,
                      uint32_t first, uint32_t count)
{
    const size_t each = spv_descriptor_scripts_per_index(w->d);
    for (uint32_t i = 0; i < count; i++) {
        int rc = move_to_index(w, first + i);
        for (size_t which = 0; rc == 0 && which < each; which++) {
            const size_t from = bytes->len;
            rc = put_script(w, bytes, w->d->nodes, which);
            out->scripts[out->n++] =
                (struct spv_derived_script){first + i, {NULL, bytes->len - from}};
        }
        if (rc != 0)
            return rc;
    }
    return 0;
}

int spv_descriptor_derive(struct spv_derived_scripts *out, const struct spv_descriptor *d,
                          size_t branch, uint32_t first, uint32_t count)
{
    struct deriver w;
    struct spv_buffer bytes;
    *out = (struct spv_derived_scripts){0};
    if (!d->is_range) {
        first = 0;
        count = 1;
    }
    if (branch >= d->n_branches || count > SPV_DESCRIPTOR_DERIVE_MAX)
        return SPV_ERR_INVALID;
    int rc = spv_descriptor_check_derivable(d, NULL);
    if (rc != 0)
        return rc;
    rc = deriver_init(&w, d, branch);
    if (rc != 0)
        return rc;
    spv_buffer_init(&bytes);
    out->scripts =
        calloc(count > 0 ? count * spv_descriptor_scripts_per_index(d) : 1, sizeof *out->scripts);
    rc = out->scripts ? derive_all(out, &bytes, &w, first, count) : SPV_ERR_NOMEM;
    deriver_free(&w);
    out->bytes = bytes.data;
    if (rc != 0) {
        spv_derived_scripts_free(out);
        return rc;
    }
    const uint8_t *script = bytes.data; /* NULL when every script is empty: raw() */
    for (size_t i = 0; i < out->n; i++) {
        out->scripts[i].script.bytes = script;
        if (out->scripts[i].script.n > 0)
            script += out->scripts[i].script.n;
    }
    return 0;
}

void spv_derived_scripts_free(struct spv_derived_scripts *scripts)
{
    free(scripts->scripts);
    free(scripts->bytes);
    *scripts = (struct spv_derived_scripts){0};
}
