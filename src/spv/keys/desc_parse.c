/* Script expressions of descriptors. A table has the contexts (Bitcoin Core's ParseScriptContext)
 * that each function is allowed in; sh and wsh contain one script, so the recursion is at most
 * three deep, and trees of tr are read by a loop over their braces. */
#include <stdlib.h>
#include <string.h>

#include "spv/address.h"
#include "spv/keys/desc_parser.h"
#include "util/hex.h"

#define BARE_KEYS 3 /* Bitcoin Core's standardness: MAX_BARE_MULTISIG_PUBKEYS_NUM */
#define SH_SCRIPT 520 /* consensus: MAX_SCRIPT_ELEMENT_SIZE, which a redeem script is */
#define MULTI_A_KEYS 999 /* BIP387 (MAX_PUBKEYS_PER_MULTI_A) */
#define RAW_BYTES 10000 /* consensus: MAX_SCRIPT_SIZE */

/* Contexts, as bits. */
enum {
    CTX_TOP = 1,
    CTX_SH = 2,
    CTX_WSH = 4,
    CTX_TR = 8,
};

static const struct {
    enum spv_desc_fn fn;
    unsigned contexts;
} contexts[] = {
    {SPV_DESC_PK, CTX_TOP | CTX_SH | CTX_WSH | CTX_TR},
    {SPV_DESC_PKH, CTX_TOP | CTX_SH | CTX_WSH},
    {SPV_DESC_WPKH, CTX_TOP | CTX_SH},
    {SPV_DESC_SH, CTX_TOP},
    {SPV_DESC_WSH, CTX_TOP | CTX_SH},
    {SPV_DESC_COMBO, CTX_TOP},
    {SPV_DESC_MULTI, CTX_TOP | CTX_SH | CTX_WSH},
    {SPV_DESC_SORTEDMULTI, CTX_TOP | CTX_SH | CTX_WSH},
    {SPV_DESC_TR, CTX_TOP},
    {SPV_DESC_RAWTR, CTX_TOP},
    {SPV_DESC_RAW, CTX_TOP},
    {SPV_DESC_ADDR, CTX_TOP},
    {SPV_DESC_MULTI_A, CTX_TR},
    {SPV_DESC_SORTEDMULTI_A, CTX_TR},
};
#define N_FUNCTIONS (sizeof contexts / sizeof *contexts)

/* Fragments of BIP379 that are no descriptor functions. */
static const char *const miniscript[] = {
    "pk_k",  "pk_h",  "older", "after", "sha256", "hash256", "ripemd160", "hash160", "andor",
    "and_v", "and_b", "and_n", "or_b",  "or_c",   "or_d",    "or_i",      "thresh",
};

static const char *context_name(unsigned context)
{
    return context == CTX_SH ? "sh()" : context == CTX_WSH ? "wsh()" : "tr()";
}

static bool is_word(const char *text, size_t n, const char *word)
{
    return strlen(word) == n && memcmp(text, word, n) == 0;
}

/* Refuses a name before a bracket that is no function of the table. */
static int refuse_name(struct spv_desc_parser *p, const char *name, size_t n)
{
    bool is_miniscript = memchr(name, ':', n) != NULL;
    for (size_t i = 0; i < sizeof miniscript / sizeof *miniscript; i++)
        is_miniscript = is_miniscript || is_word(name, n, miniscript[i]);
    if (is_miniscript)
        return SPV_DESC_FAIL(p, SPV_ERR_DESC_UNSUPPORTED, p->at,
                             "miniscript (BIP379) is not supported");
    if (is_word(name, n, "musig"))
        return SPV_DESC_FAIL(p, SPV_ERR_DESC_UNSUPPORTED, p->at,
                             "musig() (BIP390) is not supported");
    if (is_word(name, n, "sp"))
        return SPV_DESC_FAIL(p, SPV_ERR_DESC_UNSUPPORTED, p->at, "sp() (BIP392) is not supported");
    return SPV_DESC_FAIL(p, SPV_ERR_DESC_SYNTAX, p->at, "no known function is");
}

/* Reads "name(" of a function that is allowed in this context. */
static int read_name(struct spv_desc_parser *p, enum spv_desc_fn *fn, unsigned context)
{
    const char *name = p->text + p->at;
    size_t n = 0, i = 0;
    while (p->at + n < p->n && !strchr("(),{}#", name[n]))
        n++;
    if (p->at + n == p->n || name[n] != '(')
        return SPV_DESC_FAIL(p, SPV_ERR_DESC_SYNTAX, p->at,
                             "a function with its bracket is expected");
    while (i < N_FUNCTIONS && !is_word(name, n, spv_desc_fn_name(contexts[i].fn)))
        i++;
    if (i == N_FUNCTIONS)
        return refuse_name(p, name, n);
    *fn = contexts[i].fn;
    if (context == CTX_TR && *fn == SPV_DESC_PKH)
        return SPV_DESC_FAIL(p, SPV_ERR_DESC_UNSUPPORTED, p->at,
                             "pkh() in tr(), which is miniscript (BIP379), is not supported");
    if (!(contexts[i].contexts & context)) {
        if (context == CTX_TOP)
            return SPV_DESC_FAIL(p, SPV_ERR_DESC_CONTEXT, p->at, "%s() stands in tr() only",
                                 spv_desc_fn_name(*fn));
        return SPV_DESC_FAIL(p, SPV_ERR_DESC_CONTEXT, p->at, "%s() is not allowed in %s",
                             spv_desc_fn_name(*fn), context_name(context));
    }
    p->at += n + 1;
    return 0;
}

/* Bytes of OP_m <keys> OP_n OP_CHECKMULTISIG. */
static size_t multi_size(const struct spv_descriptor *d, const struct spv_desc_node *node)
{
    size_t size = 3; /* above 16 a number is a push of one byte */
    size += node->threshold > 16;
    size += node->n_keys > 16;
    for (size_t i = 0; i < node->n_keys; i++) {
        const struct spv_desc_key *key = &d->keys[node->key + i];
        size += 1u + (key->is_extended ? SPV_PUBLIC_KEY : key->pubkey.n);
    }
    return size;
}

static int check_multi(struct spv_desc_parser *p, const struct spv_desc_node *node,
                       unsigned context, size_t at)
{
    const size_t most = context == CTX_TR    ? MULTI_A_KEYS
                        : context == CTX_TOP ? BARE_KEYS
                                             : SPV_MULTISIG_KEYS;
    if (node->n_keys > most)
        return SPV_DESC_FAIL(p, SPV_ERR_DESC_LIMIT, at, "more than %zu keys in the multisig", most);
    if (node->threshold < 1 || node->threshold > node->n_keys)
        return SPV_DESC_FAIL(p, SPV_ERR_DESC_LIMIT, at,
                             "the threshold %u is not 1 to the number of keys, %zu",
                             node->threshold, node->n_keys);
    const size_t size = multi_size(p->d, node);
    if (context == CTX_SH && size > SH_SCRIPT)
        return SPV_DESC_FAIL(p, SPV_ERR_DESC_LIMIT, at,
                             "the script in sh() has %zu bytes, more than 520", size);
    return 0;
}

/* THRESHOLD,KEY,KEY... of a node. */
static int read_multi(struct spv_desc_parser *p, size_t at, unsigned context)
{
    const size_t begin = p->at;
    const enum spv_desc_key_rule rule = context == CTX_TR    ? SPV_DESC_KEY_XONLY
                                        : context == CTX_WSH ? SPV_DESC_KEY_COMPRESSED
                                                             : SPV_DESC_KEY_ANY;
    struct spv_desc_node node = p->d->nodes[at];
    uint32_t threshold = 0;
    int rc = spv_desc_number(p, &threshold, INT32_MAX, "the threshold");
    if (rc != 0)
        return rc;
    node.threshold = threshold;
    if (spv_desc_peek(p) != ',')
        return SPV_DESC_FAIL(p, SPV_ERR_DESC_SYNTAX, p->at, "a comma and a key are expected");
    while (spv_desc_skip(p, ',')) {
        rc = spv_desc_read_key(p, rule);
        if (rc != 0)
            return rc;
        if (++node.n_keys > MULTI_A_KEYS)
            break;
    }
    p->d->nodes[at] = node;
    return check_multi(p, &node, context, begin);
}

/* The hex of raw(), up to its closing bracket. */
static int read_raw(struct spv_desc_parser *p)
{
    const char *hex = p->text + p->at;
    size_t n = 0;
    while (p->at + n < p->n && hex[n] != ')')
        n++;
    if (n > 2 * RAW_BYTES)
        return SPV_DESC_FAIL(p, SPV_ERR_DESC_LIMIT, p->at, "a script has at most 10,000 bytes");
    for (size_t i = 0; i < n; i++)
        if (!strchr("0123456789abcdefABCDEF", hex[i]))
            return SPV_DESC_FAIL(p, SPV_ERR_DESC_SYNTAX, p->at + i, "no hex digit is");
    if (n % 2 != 0)
        return SPV_DESC_FAIL(p, SPV_ERR_DESC_SYNTAX, p->at, "the number of hex digits is odd");
    char *digits = malloc(n + 1);
    p->d->script = malloc(n / 2 + 1);
    if (!digits || !p->d->script) {
        free(digits);
        return spv_desc_nomem(p);
    }
    memcpy(digits, hex, n);
    digits[n] = '\0';
    p->d->n_script = n / 2;
    (void)spv_hex_decode(p->d->script, n / 2, digits);
    free(digits);
    p->at += n;
    return 0;
}

static int read_addr(struct spv_desc_parser *p)
{
    struct spv_address address;
    struct spv_text_error why;
    const char *text = p->text + p->at;
    size_t n = 0;
    while (p->at + n < p->n && text[n] != ')')
        n++;
    const int rc = spv_address_decode(&address, &why, text, n, p->d->networks);
    if (rc != 0) {
        if (why.n_at == 0)
            return SPV_DESC_FAIL(p, rc, p->at, "%s, in addr()", why.text);
        for (size_t i = 0; i < why.n_at; i++)
            why.at[i] += p->at;
        return spv_text_fail_many(p->why, rc, why.at, why.n_at, "%s",
                                  rc == SPV_ERR_TEXT_CHECKSUM
                                      ? "wrong checksum of the address: check it"
                                      : "a character that addresses do not use");
    }
    p->d->networks &= address.networks;
    p->d->script = malloc(address.n);
    if (!p->d->script)
        return spv_desc_nomem(p);
    memcpy(p->d->script, address.script, address.n);
    p->d->n_script = address.n;
    p->at += n;
    return 0;
}

static int read_leaf(struct spv_desc_parser *p, unsigned depth);

/* A tree of tr(): a script, or {tree,tree}. */
static int read_tree(struct spv_desc_parser *p)
{
    bool is_second[SPV_TAPTREE_DEPTH + 1] = {false}; /* which child of the branch at a depth */
    unsigned depth = 0;
    for (;;) {
        while (spv_desc_peek(p) == '{') {
            if (depth == SPV_TAPTREE_DEPTH)
                return SPV_DESC_FAIL(p, SPV_ERR_DESC_LIMIT, p->at,
                                     "the tree has more than 128 levels");
            is_second[++depth] = false;
            p->at++;
        }
        const int rc = read_leaf(p, depth);
        if (rc != 0)
            return rc;
        while (depth > 0 && is_second[depth]) {
            if (!spv_desc_skip(p, '}'))
                return SPV_DESC_FAIL(p, SPV_ERR_DESC_SYNTAX, p->at, "} is expected");
            depth--;
        }
        if (depth == 0)
            return 0;
        if (!spv_desc_skip(p, ','))
            return SPV_DESC_FAIL(p, SPV_ERR_DESC_SYNTAX, p->at,
                                 "a comma and the second half of the branch are expected");
        is_second[depth] = true;
    }
}

static int read_tr(struct spv_desc_parser *p)
{
    const int rc = spv_desc_read_key(p, SPV_DESC_KEY_XONLY);
    return rc == 0 && spv_desc_skip(p, ',') ? read_tree(p) : rc;
}

/* The forms that a single key may have. */
static enum spv_desc_key_rule key_rule(enum spv_desc_fn fn, unsigned context)
{
    if (context == CTX_TR || fn == SPV_DESC_RAWTR)
        return SPV_DESC_KEY_XONLY;
    return context == CTX_WSH || fn == SPV_DESC_WPKH ? SPV_DESC_KEY_COMPRESSED : SPV_DESC_KEY_ANY;
}

static int close_bracket(struct spv_desc_parser *p)
{
    if (!spv_desc_skip(p, ')'))
        return SPV_DESC_FAIL(p, SPV_ERR_DESC_SYNTAX, p->at, ") is expected");
    return 0;
}

/* Reads a function that contains no other script and no tree, after its opening bracket. */
static int read_simple(struct spv_desc_parser *p, size_t at, unsigned context)
{
    const enum spv_desc_fn fn = p->d->nodes[at].fn;
    p->d->nodes[at].key = p->d->n_keys;
    switch (fn) {
    case SPV_DESC_PK:
    case SPV_DESC_PKH:
    case SPV_DESC_WPKH:
    case SPV_DESC_COMBO:
    case SPV_DESC_RAWTR:
        p->d->nodes[at].n_keys = 1;
        return spv_desc_read_key(p, key_rule(fn, context));
    case SPV_DESC_MULTI:
    case SPV_DESC_SORTEDMULTI:
    case SPV_DESC_MULTI_A:
    case SPV_DESC_SORTEDMULTI_A:
        return read_multi(p, at, context);
    case SPV_DESC_TR:
        p->d->nodes[at].n_keys = 1;
        return read_tr(p);
    case SPV_DESC_RAW:
        return read_raw(p);
    case SPV_DESC_ADDR:
        return read_addr(p);
    case SPV_DESC_SH:
    case SPV_DESC_WSH:
        break;
    }
    return SPV_ERR_INVALID;
}

static int open_node(struct spv_desc_parser *p, size_t *at, unsigned context)
{
    enum spv_desc_fn fn = SPV_DESC_PK;
    const int rc = read_name(p, &fn, context);
    if (rc != 0)
        return rc;
    return spv_desc_add_node(p->d, at, fn) == 0 ? 0 : spv_desc_nomem(p);
}

static int read_leaf(struct spv_desc_parser *p, unsigned depth)
{
    size_t at = 0;
    int rc = open_node(p, &at, CTX_TR);
    if (rc != 0)
        return rc;
    rc = read_simple(p, at, CTX_TR);
    if (rc != 0)
        return rc;
    rc = close_bracket(p);
    if (rc != 0)
        return rc;
    return spv_desc_add_leaf(p->d, at, depth) == 0 ? 0 : spv_desc_nomem(p);
}

int spv_desc_read(struct spv_desc_parser *p)
{
    unsigned context = CTX_TOP;
    size_t at = 0, open = 0;
    int rc = open_node(p, &at, context);
    if (rc != 0)
        return rc;
    while (p->d->nodes[at].fn == SPV_DESC_SH || p->d->nodes[at].fn == SPV_DESC_WSH) {
        size_t child = 0;
        context = p->d->nodes[at].fn == SPV_DESC_SH ? CTX_SH : CTX_WSH;
        open++;
        rc = open_node(p, &child, context);
        if (rc != 0)
            return rc;
        p->d->nodes[at].child = child;
        at = child;
    }
    rc = read_simple(p, at, context);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i <= open; i++) {
        rc = close_bracket(p);
        if (rc != 0)
            return rc;
    }
    if (p->at < p->n)
        return SPV_DESC_FAIL(p, SPV_ERR_DESC_SYNTAX, p->at, "text after the end of the descriptor");
    return 0;
}
