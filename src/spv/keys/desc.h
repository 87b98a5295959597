/* A parsed descriptor: arrays of nodes, keys, path steps and leaves that refer to each other by
 * index. */
#ifndef SPV_KEYS_DESC_H
#define SPV_KEYS_DESC_H

#include "spv/descriptor.h"
#include "spv/keys.h"
#include "spv/keys/script.h"
#include "util/buffer.h"

enum spv_desc_fn {
    SPV_DESC_PK,
    SPV_DESC_PKH,
    SPV_DESC_WPKH,
    SPV_DESC_SH,
    SPV_DESC_WSH,
    SPV_DESC_COMBO,
    SPV_DESC_MULTI,
    SPV_DESC_SORTEDMULTI,
    SPV_DESC_TR,
    SPV_DESC_RAWTR,
    SPV_DESC_RAW,
    SPV_DESC_ADDR,
    SPV_DESC_MULTI_A,
    SPV_DESC_SORTEDMULTI_A,
};

/* A public key as in the descriptor's text, and as scripts push it. */
struct spv_desc_pubkey {
    uint8_t b[65];
    uint8_t n; /* 33 compressed, 65 uncompressed, 32 x-only */
};

enum spv_desc_range {
    SPV_DESC_NO_RANGE,
    SPV_DESC_RANGE,
    SPV_DESC_HARDENED_RANGE,
};

/* Path steps are indexes, SPV_HARDENED added to hardened ones. */
struct spv_desc_key {
    bool has_origin;
    bool is_extended;
    uint8_t fingerprint[SPV_FINGERPRINT];
    size_t origin, n_origin; /* a range of `steps` */
    struct spv_desc_pubkey pubkey; /* of a key that is not extended */
    struct spv_xpub xpub;
    size_t path, n_path; /* a range of `steps`, without the multipath step and the final * */
    /* of the multipath step <a;b;...>: first index in `steps` */
    size_t alternatives;
    size_t n_alternatives; /* 0: no multipath step */
    size_t multipath_at; /* the multipath step is before this step of the path */
    enum spv_desc_range range;
    size_t at; /* the key's offset in the text */
};

struct spv_desc_node {
    enum spv_desc_fn fn;
    unsigned threshold; /* multi */
    size_t key, n_keys; /* a range of `keys` */
    size_t child; /* sh, wsh: index in `nodes` */
};

#define SPV_TAPTREE_DEPTH 128 /* BIP341 (TAPROOT_CONTROL_MAX_NODE_COUNT) */
struct spv_desc_leaf {
    size_t node;
    unsigned depth; /* in the tree; 0: it is the only leaf */
};

struct spv_descriptor {
    struct spv_desc_node *nodes; /* the first is the outermost */
    size_t n_nodes, cap_nodes;
    struct spv_desc_key *keys; /* in the order of the text */
    size_t n_keys, cap_keys;
    uint32_t *steps;
    size_t n_steps, cap_steps;
    struct spv_desc_leaf *leaves; /* of tr, in the order of the text */
    size_t n_leaves, cap_leaves;
    uint8_t *script; /* of raw and addr */
    size_t n_script;
    char *text;
    unsigned networks;
    size_t n_branches;
    bool is_range;
};

/* Append an element; *at is its index. Return 0 or SPV_ERR_NOMEM. */
int spv_desc_add_node(struct spv_descriptor *d, size_t *at, enum spv_desc_fn fn);
int spv_desc_add_key(struct spv_descriptor *d, size_t *at);
int spv_desc_add_step(struct spv_descriptor *d, uint32_t step);
int spv_desc_add_leaf(struct spv_descriptor *d, size_t node, unsigned depth);

const char *spv_desc_fn_name(enum spv_desc_fn fn);

#endif
