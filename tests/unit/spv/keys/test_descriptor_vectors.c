/* descriptors.json, descriptor-addresses.json, descriptor-invalid.json and BIP341's trees. Cases
 * with private keys must be refused as such; their scripts are those of the public form. */
#include "support/vectors.h"

#include "descriptor_fixture.h"
#include "spv/address.h"
#include "spv/keys/script.h"
#include "spv/keys/taproot.h"
#include "util/hash.h"

#define TEXT 65536

/* Parses the text, or its public form when it has a private key, which must be refused. */
static struct spv_descriptor *parse_public(const char *text, unsigned networks, uint32_t index,
                                           bool *was_private)
{
    static char replaced[TEXT];
    struct spv_descriptor *d = NULL;
    struct spv_text_error why;
    *was_private = public_form(replaced, sizeof replaced, text, index);
    if (*was_private) {
        assert_int_equal(parse_descriptor(&d, &why, text, networks), SPV_ERR_PRIVATE_KEY);
        assert_null(d);
    }
    if (parse_descriptor(&d, &why, *was_private ? replaced : text, networks) != 0)
        fail_msg("%s: %s", text, why.text);
    return d;
}

static void check_valid(const json_t *entry)
{
    const char *text = vector_member(entry, "descriptor");
    const json_t *scripts = json_object_get(entry, "scripts");
    char sum[SPV_DESCRIPTOR_CHECKSUM_CHARS + 1];
    const char *index;
    json_t *want;
    bool was_private = false;
    assert_int_equal(spv_descriptor_checksum(sum, text, strlen(text)), 0);
    assert_string_equal(sum, vector_member(entry, "checksum"));
    if (vector_member(entry, "error")) {
        /* parses, and gives no scripts */
        struct spv_text_error why;
        struct spv_derived_scripts none;
        struct spv_descriptor *d = parse_public(text, SPV_ANY_NETWORK, 0, &was_private);
        assert_int_equal(spv_descriptor_check_derivable(d, &why), SPV_ERR_HARDENED);
        assert_int_equal(why.key, 1);
        assert_int_equal(spv_descriptor_derive(&none, d, 0, 0, 1), SPV_ERR_HARDENED);
        spv_descriptor_free(d);
        return;
    }
    json_object_foreach((json_t *)(uintptr_t)scripts, index, want)
    {
        struct spv_derived_scripts got;
        const char *hex[4];
        const uint32_t i = (uint32_t)strtoul(index, NULL, 10);
        struct spv_descriptor *d = parse_public(text, SPV_ANY_NETWORK, i, &was_private);
        assert_int_equal(spv_descriptor_check_derivable(d, NULL), 0);
        if (!was_private)
            assert_int_equal(spv_descriptor_is_range(d),
                             json_is_true(json_object_get(entry, "range")));
        assert_int_equal(spv_descriptor_derive(&got, d, 0, i, 1), 0);
        for (size_t j = 0; j < json_array_size(want); j++)
            hex[j] = vector_text(want, j);
        check_scripts(&got, hex, json_array_size(want), text);
        assert_int_equal(spv_descriptor_scripts_per_index(d), json_array_size(want));
        spv_derived_scripts_free(&got);
        spv_descriptor_free(d);
    }
}

static void descriptors_of_the_vectors_give_their_scripts(void **state)
{
    json_t *all = vector_json("descriptors.json");
    (void)state;
    if (!all)
        skip();
    const json_t *valid = json_object_get(all, "valid");
    assert_int_equal(json_array_size(valid), 75);
    for (size_t i = 0; i < json_array_size(valid); i++)
        check_valid(json_array_get(valid, i));
    json_decref(all);
}

/* What the library says to the reason that a vector gives. */
struct reason {
    const char *reason; /* a part of it */
    const char *text; /* a part of the descriptor, to tell cases of one reason apart; or NULL */
    int code;
    size_t n; /* cases */
};

/* Private keys come first, whatever else is wrong. */
static bool has_private_key(const char *text)
{
    static const char *const parts[] = {"xprv", "5KYZ", "L4rK", "KzoAz5"};
    for (size_t i = 0; i < COUNT(parts); i++)
        if (strstr(text, parts[i]))
            return true;
    return false;
}

/* Checks the code of a case; the first reason that fits counts. seen has as many counts as the
 * table has reasons. Returns whether it has a private key. */
static bool check_code(size_t *seen, const struct reason *table, size_t n, const char *reason,
                       const char *text, int rc)
{
    size_t i = 0;
    if (has_private_key(text)) {
        if (rc != SPV_ERR_PRIVATE_KEY)
            fail_msg("%s: %s", text, spv_err_name(rc));
        return true;
    }
    while (i < n &&
           !(strstr(reason, table[i].reason) && (!table[i].text || strstr(text, table[i].text))))
        i++;
    if (i == n)
        fail_msg("no code for '%s'", reason);
    if (rc != table[i].code)
        fail_msg("%s (%s): %s", text, reason, spv_err_name(rc));
    seen[i]++;
    return false;
}

static void check_counts(const size_t *seen, const struct reason *table, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (seen[i] != table[i].n)
            fail_msg("%zu cases of '%s', not %zu", seen[i], table[i].reason, table[i].n);
}

/* Hardened steps after a public key parse; everything else that is invalid does not. */
static const struct reason reasons[] = {
    {"character not allowed", NULL, SPV_ERR_DESC_SYNTAX, 4}, /* a function in place of a key */
    {"not a script expression", NULL, SPV_ERR_DESC_SYNTAX, 2},
    {"uncompressed key where", NULL, SPV_ERR_DESC_CONTEXT, 4},
    {"not allowed there", NULL, SPV_ERR_DESC_CONTEXT, 10},
    {"threshold not in 1..keys", "multi(a,", SPV_ERR_DESC_SYNTAX, 1},
    {"threshold not in 1..keys", NULL, SPV_ERR_DESC_LIMIT, 2},
    {"not hex", NULL, SPV_ERR_DESC_SYNTAX, 1},
    {"malformed path step", NULL, SPV_ERR_DESC_SYNTAX, 3},
    {"fingerprint is not 8 hex digits", NULL, SPV_ERR_DESC_SYNTAX, 2},
    {"key missing", NULL, SPV_ERR_DESC_SYNTAX, 1},
    {"checksum wrong or malformed", NULL, SPV_ERR_TEXT_CHECKSUM, 3},
    {"wrong checksum", NULL, SPV_ERR_TEXT_CHECKSUM, 1},
    {"hardened", NULL, 0, 2},
    {"index out of range", NULL, SPV_ERR_DESC_SYNTAX, 1},
    {"empty path element", NULL, SPV_ERR_DESC_SYNTAX, 1},
    {"trailing slash", NULL, SPV_ERR_DESC_SYNTAX, 1},
    {"bracket too many", NULL, SPV_ERR_DESC_SYNTAX, 1},
    {"two keys", NULL, SPV_ERR_DESC_SYNTAX, 1},
    {"no key", NULL, SPV_ERR_DESC_SYNTAX, 1},
    {"unknown function", NULL, SPV_ERR_DESC_SYNTAX, 1},
    {"space", NULL, SPV_ERR_DESC_SYNTAX, 1},
    {"upper case", NULL, SPV_ERR_DESC_SYNTAX, 1},
    {"wpkh in wsh", NULL, SPV_ERR_DESC_CONTEXT, 1},
    {"sh in sh", NULL, SPV_ERR_DESC_CONTEXT, 1},
    {"more than 3 keys in a bare multisig", NULL, SPV_ERR_DESC_LIMIT, 1},
    {"threshold", "multi(-1,", SPV_ERR_DESC_SYNTAX, 1},
    {"branch with one leaf", NULL, SPV_ERR_DESC_SYNTAX, 1},
    {"brace missing", NULL, SPV_ERR_DESC_SYNTAX, 1},
    {"wpkh as a leaf", NULL, SPV_ERR_DESC_CONTEXT, 1},
    {"key not on the curve", NULL, SPV_ERR_PUBLIC_KEY, 1},
    {"key too short", NULL, SPV_ERR_DESC_CONTEXT, 1}, /* 64 digits: an x-only key */
    {"address checksum", NULL, SPV_ERR_TEXT_CHECKSUM, 1},
    {"xpub checksum", NULL, SPV_ERR_TEXT_CHECKSUM, 1},
    {"multipath steps of different lengths", NULL, SPV_ERR_DESC_SYNTAX, 1},
    {"empty multipath step", NULL, SPV_ERR_DESC_SYNTAX, 1},
    {"multipath bracket missing", NULL, SPV_ERR_DESC_SYNTAX, 1},
    {"empty index in a multipath step", NULL, SPV_ERR_DESC_SYNTAX, 1},
};

static void invalid_descriptors_of_the_vectors_are_refused_by_the_rule_they_break(void **state)
{
    json_t *all = vector_json("descriptors.json");
    size_t private_ones = 0, seen[COUNT(reasons)] = {0};
    (void)state;
    if (!all)
        skip();
    const json_t *invalid = json_object_get(all, "invalid");
    assert_int_equal(json_array_size(invalid), 74);
    for (size_t i = 0; i < json_array_size(invalid); i++) {
        const json_t *entry = json_array_get(invalid, i);
        const char *text = vector_member(entry, "descriptor");
        struct spv_descriptor *d;
        struct spv_text_error why;
        const int rc = parse_descriptor(&d, &why, text, SPV_ANY_NETWORK);
        private_ones +=
            check_code(seen, reasons, COUNT(reasons), vector_member(entry, "reason"), text, rc);
        if (rc == 0) {
            assert_int_equal(spv_descriptor_check_derivable(d, &why), SPV_ERR_HARDENED);
            spv_descriptor_free(d);
            continue;
        }
        assert_null(d);
        assert_int_equal(why.code, rc);
    }
    assert_int_equal(private_ones, 14);
    check_counts(seen, reasons, COUNT(reasons));
    json_decref(all);
}

static void check_same_scripts(const struct spv_derived_scripts *a,
                               const struct spv_derived_scripts *b)
{
    assert_int_equal(a->n, b->n);
    for (size_t k = 0; k < a->n; k++) {
        assert_int_equal(a->scripts[k].script.n, b->scripts[k].script.n);
        assert_memory_equal(a->scripts[k].script.bytes, b->scripts[k].script.bytes,
                            a->scripts[k].script.n);
    }
}

/* Branch j of a multipath descriptor is the text that the vector expands it to, in text and
 * scripts; those of a text with private keys are scripts of its public form. Returns whether public
 * derivation gives them. */
static bool check_branch(const struct spv_descriptor *d, size_t j, const char *text)
{
    static char neutered[TEXT];
    struct spv_derived_scripts got, want;
    struct spv_descriptor *single, *twin;
    struct spv_text_error why;
    bool was_private = false;
    (void)neutered_form(neutered, sizeof neutered, text);
    assert_int_equal(spv_descriptor_expand(&single, d, j), 0);
    const char *canonical = spv_descriptor_text(single);
    assert_int_equal(strcspn(canonical, "#"), strlen(neutered));
    assert_memory_equal(canonical, neutered, strlen(neutered));

    twin = parse_public(text, SPV_ANY_NETWORK, 5, &was_private);
    assert_int_equal(spv_descriptor_derive(&want, twin, 0, 5, 3), 0);
    assert_int_equal(want.n, spv_descriptor_is_range(d) ? 3 : 1);
    const int rc = spv_descriptor_derive(&got, single, 0, 5, 3);
    assert_int_equal(rc, spv_descriptor_check_derivable(single, &why));
    if (rc == 0) {
        check_same_scripts(&got, &want);
        spv_derived_scripts_free(&got);
    } else {
        assert_int_equal(rc, SPV_ERR_HARDENED);
        assert_true(was_private);
    }
    /* a tuple with a hardened alternative gives no script of any */
    const int whole = spv_descriptor_derive(&got, d, j, 5, 3);
    assert_int_equal(whole, was_private ? SPV_ERR_HARDENED : 0);
    if (whole == 0)
        check_same_scripts(&got, &want);
    spv_derived_scripts_free(&got);
    spv_derived_scripts_free(&want);
    spv_descriptor_free(single);
    spv_descriptor_free(twin);
    return rc == 0;
}

/* One entry has an xprv with a hardened alternative: refused as private; its twin with the xpub of
 * the same node expands as the vector says, and gives the scripts of the other alternative. */
static void multipath_vectors_expand(void **state)
{
    json_t *all = vector_json("descriptors.json");
    size_t expanded = 0, derived = 0, private_ones = 0;
    (void)state;
    if (!all)
        skip();
    const json_t *multipath = json_object_get(all, "multipath");
    assert_int_equal(json_array_size(multipath), 5);
    for (size_t i = 0; i < json_array_size(multipath); i++) {
        static char neutered[TEXT];
        const json_t *entry = json_array_get(multipath, i);
        const char *text = vector_member(entry, "descriptor");
        const json_t *want = json_object_get(entry, "expands_to");
        struct spv_descriptor *d, *none;
        struct spv_text_error why;
        if (neutered_form(neutered, sizeof neutered, text)) {
            assert_int_equal(parse_descriptor(&d, &why, text, SPV_ANY_NETWORK),
                             SPV_ERR_PRIVATE_KEY);
            private_ones++;
        }
        assert_int_equal(parse_descriptor(&d, &why, neutered, SPV_ANY_NETWORK), 0);
        assert_int_equal(spv_descriptor_n_branches(d), json_array_size(want));
        for (size_t j = 0; j < json_array_size(want); j++, expanded++)
            derived += check_branch(d, j, vector_text(want, j));
        assert_int_equal(spv_descriptor_expand(&none, d, json_array_size(want)), SPV_ERR_INVALID);
        spv_descriptor_free(d);
    }
    assert_int_equal(private_ones, 1);
    assert_int_equal(expanded, 2 + 2 + 2 + 3 + 3);
    assert_int_equal(derived, expanded - 1);
    json_decref(all);
}

static enum spv_network network_of(const json_t *entry)
{
    const char *name = vector_member(entry, "network");
    return !name                          ? SPV_MAINNET
           : strcmp(name, "regtest") == 0 ? SPV_REGTEST
           : strcmp(name, "testnet") == 0 ? SPV_TESTNET3
                                          : SPV_MAINNET;
}

/* The address of a script; the file gives that of the key hash to a bare key. */
static int address_of(char *out, const struct spv_bytes *script, enum spv_network network)
{
    struct spv_script_info info;
    uint8_t hash[20], p2pkh[25];
    if (spv_script_classify(&info, script->bytes, script->n) != SPV_SCRIPT_P2PK)
        return spv_address_encode(out, script->bytes, script->n, network);
    spv_hash160(hash, info.data.bytes, info.data.n);
    return spv_address_encode(out, p2pkh, spv_script_p2pkh(p2pkh, hash), network);
}

/* Entries without a range are taken at index 0. */
static void check_addresses(const json_t *entry)
{
    const char *text = vector_member(entry, "input"), *error = vector_member(entry, "error");
    const json_t *want = json_object_get(entry, "addresses"),
                 *range = json_object_get(entry, "range");
    const enum spv_network network = network_of(entry);
    uint32_t first = (uint32_t)json_integer_value(json_array_get(range, 0));
    const size_t n = json_array_size(want);
    size_t at = 0;
    bool was_private = false;
    if (json_is_integer(range))
        first = 0;
    for (uint32_t i = first; at < n || error; i++) {
        struct spv_derived_scripts got;
        struct spv_descriptor *d = parse_public(text, SPV_NETWORK_BIT(network), i, &was_private);
        const int rc = spv_descriptor_derive(&got, d, 0, i, 1);
        if (error && strstr(error, "hardened"))
            assert_int_equal(rc, SPV_ERR_HARDENED);
        else
            assert_int_equal(rc, 0);
        for (size_t j = 0; j < got.n; j++) {
            char address[SPV_ADDRESS_TEXT];
            const int no = address_of(address, &got.scripts[j].script, network);
            assert_int_equal(no, error ? SPV_ERR_NO_ADDRESS : 0);
            if (!error && at < n && strcmp(address, vector_text(want, at++)) != 0)
                fail_msg("%s at %u: %s", text, i, address);
        }
        spv_derived_scripts_free(&got);
        spv_descriptor_free(d);
        if (error)
            return;
    }
}

static void descriptors_of_the_vectors_give_their_addresses(void **state)
{
    json_t *all = vector_json("descriptor-addresses.json");
    const char *kind;
    json_t *list;
    size_t entries = 0;
    (void)state;
    if (!all)
        skip();
    json_object_foreach(all, kind, list) for (size_t i = 0; i < json_array_size(list);
                                              i++, entries++)
        check_addresses(json_array_get(list, i));
    assert_int_equal(entries, 54);
    json_decref(all);
}

/* By the message of the reference implementation. */
static const struct reason errors[] = {
    {"is not a valid descriptor function", NULL, SPV_ERR_DESC_SYNTAX, 2},
    {"No key provided", NULL, SPV_ERR_DESC_SYNTAX, 2},
    {"Decoding failed.", NULL, SPV_ERR_DESC_SYNTAX, 1},
    {"Expected checksum", NULL, SPV_ERR_TEXT_CHECKSUM, 2},
    {"Expected 8 characters checksum", NULL, SPV_ERR_TEXT_CHECKSUM, 2},
    {"Invalid character", NULL, SPV_ERR_TEXT_CHARACTER, 1},
    {"Multisig threshold", NULL, SPV_ERR_DESC_SYNTAX, 1},
    {"Network mismatch for xpubkey.", NULL, SPV_ERR_WRONG_NETWORK, 1},
    {"Network mismatch for base58 address.", NULL, SPV_ERR_ADDRESS, 1}, /* asdf */
    {"Raw script is not hex", NULL, SPV_ERR_DESC_SYNTAX, 1},
    {"Can not have", NULL, SPV_ERR_DESC_CONTEXT, 5},
    {"A valid function is needed", NULL, SPV_ERR_DESC_SYNTAX, 2},
    {"Uncompressed keys are not allowed", NULL, SPV_ERR_DESC_CONTEXT, 2},
    {"Not a valid public key.", NULL, SPV_ERR_DESC_CONTEXT, 1}, /* 64 digits: an x-only key */
    {"Path index is non-numeric.", "/<0;1>/*", 0, 1}, /* written before BIP389 */
    {"Path index is non-numeric.", NULL, SPV_ERR_DESC_SYNTAX, 1},
    {"Key path value", NULL, SPV_ERR_DESC_SYNTAX, 1},
    {"Key origin start expected", NULL, SPV_ERR_PUBLIC_KEY, 1}, /* deadbeef is no key */
    {"At most 3 pubkeys", NULL, SPV_ERR_DESC_LIMIT, 1},
};

static void entries_of_descriptor_invalid_are_refused_by_the_rule_they_break(void **state)
{
    json_t *all = vector_json("descriptor-invalid.json");
    size_t private_ones = 0, seen[COUNT(errors)] = {0};
    (void)state;
    if (!all)
        skip();
    assert_int_equal(json_array_size(all), 40);
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *entry = json_array_get(all, i);
        const char *text = vector_member(entry, "input");
        const enum spv_descriptor_checksum_rule rule =
            json_is_true(json_object_get(entry, "requirechecksum"))
                ? SPV_DESCRIPTOR_CHECKSUM_REQUIRED
                : SPV_DESCRIPTOR_CHECKSUM_OPTIONAL;
        struct spv_descriptor *d;
        struct spv_text_error why;
        const int rc = spv_descriptor_parse(&d, &why, text, strlen(text),
                                            SPV_NETWORK_BIT(network_of(entry)), rule);
        private_ones +=
            check_code(seen, errors, COUNT(errors), vector_member(entry, "error"), text, rc);
        if (rc == 0) {
            assert_int_equal(spv_descriptor_n_branches(d), 2);
            spv_descriptor_free(d);
            continue;
        }
        if (strstr(text, "#qwlqgth7"))
            assert_string_equal(why.text,
                                "wrong checksum: #qwlqgth7 is given, #f0guwvcj is expected");
        if (strstr(text, "#tjq09x4t"))
            assert_string_equal(why.text,
                                "wrong checksum: #tjq09x4t is given, #tjg09x5t is expected");
        if (rc == SPV_ERR_TEXT_CHARACTER) {
            assert_int_equal(why.n_at, 1);
            assert_int_equal(why.at[0], 30);
        }
    }
    assert_int_equal(private_ones, 11);
    check_counts(seen, errors, COUNT(errors));
    json_decref(all);
}

/* A tree of bip341_wallet_vectors.json: null, a leaf, or two trees. The hash of a leaf of another
 * version than 192, which no descriptor has, is the vector's. Returns the number of leaves whose
 * hash is our own. */
static size_t add_tree(struct spv_taptree *tree, const json_t *node, const json_t *hashes,
                       unsigned depth)
{
    uint8_t script[4096], leaf[32], want[32];
    if (json_is_array(node))
        return add_tree(tree, json_array_get(node, 0), hashes, depth + 1) +
               add_tree(tree, json_array_get(node, 1), hashes, depth + 1);
    const size_t n = unhex(script, sizeof script, vector_member(node, "script"));
    const size_t id = (size_t)json_integer_value(json_object_get(node, "id"));
    const bool is_ours = json_integer_value(json_object_get(node, "leafVersion")) == 192;
    assert_int_equal(unhex(want, sizeof want, vector_text(hashes, id)), sizeof want);
    spv_tapleaf_hash(leaf, script, n);
    assert_int_equal(memcmp(leaf, want, sizeof leaf) == 0, is_ours);
    spv_taptree_add(tree, want, depth);
    return is_ours;
}

static void bip341_trees_give_their_output_keys(void **state)
{
    json_t *all = vector_json("bip341_wallet_vectors.json");
    size_t trees = 0, leaves = 0;
    (void)state;
    if (!all)
        skip();
    const json_t *outputs = json_object_get(all, "scriptPubKey");
    assert_int_equal(json_array_size(outputs), 7);
    for (size_t i = 0; i < json_array_size(outputs); i++) {
        const json_t *entry = json_array_get(outputs, i), *given = json_object_get(entry, "given");
        const json_t *script_tree = json_object_get(given, "scriptTree");
        const json_t *inter = json_object_get(entry, "intermediary");
        const bool has_tree = !json_is_null(script_tree);
        struct spv_taptree tree = {0};
        uint8_t internal[32], want[32], got[32];
        (void)unhex(internal, 32, vector_member(given, "internalPubkey"));
        (void)unhex(want, 32, vector_member(inter, "tweakedPubkey"));
        if (has_tree) {
            uint8_t root[32];
            leaves += add_tree(&tree, script_tree, json_object_get(inter, "leafHashes"), 0);
            assert_int_equal(tree.n, 1);
            (void)unhex(root, 32, vector_member(inter, "merkleRoot"));
            assert_memory_equal(tree.hash[0], root, 32);
            trees++;
        }
        assert_int_equal(spv_taproot_output(got, internal, has_tree ? tree.hash[0] : NULL), 0);
        assert_memory_equal(got, want, 32);
    }
    assert_int_equal(trees, 6);
    assert_int_equal(leaves, 1 + 1 + 1 + 2 + 3 + 3); /* the third tree has one of version 250 */
    json_decref(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(descriptors_of_the_vectors_give_their_scripts),
        cmocka_unit_test(invalid_descriptors_of_the_vectors_are_refused_by_the_rule_they_break),
        cmocka_unit_test(multipath_vectors_expand),
        cmocka_unit_test(descriptors_of_the_vectors_give_their_addresses),
        cmocka_unit_test(entries_of_descriptor_invalid_are_refused_by_the_rule_they_break),
        cmocka_unit_test(bip341_trees_give_their_output_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
