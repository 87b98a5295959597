/* BIP340: a tagged hash begins with the tag's SHA-256 twice.
 * BIP341: TapLeaf(version || script), TapBranch(smaller || larger), and
 * output = internal + TapTweak(internal || root) G, of the points with even y. */
#include "spv/keys/taproot.h"

#include <secp256k1.h>
#include <string.h>

#include "util/hash.h"

#define LEAF_VERSION 0xc0 /* BIP342: tapscript */

static void tagged_hash(uint8_t out[32], const char *tag, const struct spv_chunk *chunks, size_t n)
{
    uint8_t tag_hash[32];
    struct spv_chunk all[5] = {{tag_hash, 32}, {tag_hash, 32}};
    spv_sha256(tag_hash, tag, strlen(tag));
    for (size_t i = 0; i < n; i++)
        all[2 + i] = chunks[i];
    spv_sha256_chunks(out, all, 2 + n);
}

void spv_tapleaf_hash(uint8_t out[32], const uint8_t *script, size_t n)
{
    /* CompactSize of at most 16 bits: multi_a of 999 keys has 34 kB */
    uint8_t head[4] = {LEAF_VERSION, (uint8_t)n};
    size_t len = 2;
    if (n >= 0xfd) {
        head[1] = 0xfd;
        head[2] = (uint8_t)n;
        head[3] = (uint8_t)(n >> 8);
        len = 4;
    }
    tagged_hash(out, "TapLeaf", (const struct spv_chunk[]){{head, len}, {script, n}}, 2);
}

void spv_taptree_add(struct spv_taptree *tree, const uint8_t leaf[32], unsigned depth)
{
    memcpy(tree->hash[tree->n], leaf, 32);
    tree->depth[tree->n++] = depth;
    /* the last two are the children of one TapBranch when their depths are equal */
    while (tree->n > 1 && tree->depth[tree->n - 1] == tree->depth[tree->n - 2]) {
        const uint8_t *a = tree->hash[tree->n - 2], *b = tree->hash[tree->n - 1];
        const bool is_sorted = memcmp(a, b, 32) < 0;
        const struct spv_chunk halves[] = {{is_sorted ? a : b, 32}, {is_sorted ? b : a, 32}};
        uint8_t branch[32];
        tagged_hash(branch, "TapBranch", halves, 2);
        tree->n--;
        memcpy(tree->hash[tree->n - 1], branch, 32);
        tree->depth[tree->n - 1]--;
    }
}

int spv_taproot_output(uint8_t out[32], const uint8_t internal[32], const uint8_t *root)
{
    uint8_t key[33] = {2}, tweak[32];
    size_t n = sizeof key;
    secp256k1_pubkey point;
    memcpy(key + 1, internal, 32);
    if (!secp256k1_ec_pubkey_parse(secp256k1_context_static, &point, key, sizeof key))
        return SPV_ERR_PUBLIC_KEY;
    tagged_hash(tweak, "TapTweak", (const struct spv_chunk[]){{internal, 32}, {root, 32}},
                root ? 2 : 1);
    if (!secp256k1_ec_pubkey_tweak_add(secp256k1_context_static, &point, tweak))
        return SPV_ERR_NO_CHILD_KEY;
    (void)secp256k1_ec_pubkey_serialize(secp256k1_context_static, key, &n, &point,
                                        SECP256K1_EC_COMPRESSED);
    memcpy(out, key + 1, 32);
    return 0;
}
