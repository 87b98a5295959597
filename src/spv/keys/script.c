/* The kinds of output scripts. The rules are those of Bitcoin Core's Solver, so that both classify
 * a script alike: a bare multisig may push its keys in any way, a bare key and the hashes must be
 * pushed minimally. */
#include "spv/keys/script.h"

#include <string.h>

#include "spv/address.h"

struct spv_script_iter spv_script_ops(const uint8_t *script, size_t n)
{
    return (struct spv_script_iter){script, script + n};
}

int spv_script_next_op(struct spv_script_iter *iter, struct spv_script_op *out)
{
    return spv_script_take_op(iter, out);
}

/* Whether the bytes have the length and prefix of a public key; that it is on the curve is not
 * checked. */
static bool has_key_form(const uint8_t *key, size_t n)
{
    if (n == 33)
        return key[0] == 2 || key[0] == 3;
    return n == 65 && (key[0] == 4 || key[0] == 6 || key[0] == 7);
}

/* A number from 1 to 20 as OP_1 to OP_16 or a minimal push of one byte; 0 when it is none. */
static unsigned small_number(const struct spv_script_op *op)
{
    if (op->opcode >= OP_1 && op->opcode <= OP_16)
        return op->opcode - OP_1 + 1u;
    if (op->opcode != 1 || op->data.bytes[0] <= 16 || op->data.bytes[0] > SPV_MULTISIG_KEYS)
        return 0;
    return op->data.bytes[0];
}

static bool is_multisig(struct spv_script_info *out, const uint8_t *script, size_t n)
{
    struct spv_script_iter iter = spv_script_ops(script, n);
    struct spv_script_op op;
    unsigned keys = 0;
    if (n == 0 || script[n - 1] != OP_CHECKMULTISIG || spv_script_next_op(&iter, &op) != 1)
        return false;
    const unsigned threshold = small_number(&op);
    if (threshold == 0)
        return false;
    while (spv_script_next_op(&iter, &op) == 1 && has_key_form(op.data.bytes, op.data.n))
        keys++;
    if (iter.at + 1 != iter.end || small_number(&op) != keys || keys < threshold)
        return false;
    out->threshold = threshold;
    out->n_keys = keys;
    return true;
}

static bool is_push_only(const uint8_t *script, size_t n)
{
    struct spv_script_iter iter = spv_script_ops(script, n);
    struct spv_script_op op;
    int rc;
    while ((rc = spv_script_next_op(&iter, &op)) == 1)
        if (op.opcode > OP_16)
            return false;
    return rc == 0;
}

static enum spv_script_kind witness_kind(unsigned version, const uint8_t *program, size_t n)
{
    if (version == 0)
        return n == 20 ? SPV_SCRIPT_P2WPKH : n == 32 ? SPV_SCRIPT_P2WSH : SPV_SCRIPT_NONSTANDARD;
    if (version == 1 && n == 32)
        return SPV_SCRIPT_P2TR;
    if (version == 1 && n == 2 && program[0] == 0x4e && program[1] == 0x73)
        return SPV_SCRIPT_P2A;
    return SPV_SCRIPT_WITNESS_UNKNOWN;
}

static bool begins_with(const uint8_t *script, const uint8_t *bytes, size_t n)
{
    return memcmp(script, bytes, n) == 0;
}

static enum spv_script_kind script_kind(struct spv_script_info *out, const uint8_t *script,
                                        size_t n)
{
    if (n == 23 && begins_with(script, (const uint8_t[]){OP_HASH160, 20}, 2) &&
        script[22] == OP_EQUAL) {
        out->data = (struct spv_bytes){script + 2, 20};
        return SPV_SCRIPT_P2SH;
    }
    if (spv_script_is_witness_program(script, n)) {
        const unsigned version = script[0] == OP_0 ? 0 : script[0] - OP_1 + 1u;
        const enum spv_script_kind kind = witness_kind(version, script + 2, n - 2);
        if (kind == SPV_SCRIPT_NONSTANDARD)
            return kind;
        out->witness_version = version;
        out->data = (struct spv_bytes){script + 2, n - 2};
        return kind;
    }
    if (n >= 1 && script[0] == OP_RETURN && is_push_only(script + 1, n - 1))
        return SPV_SCRIPT_OP_RETURN;
    if ((n == 35 || n == 67) && script[0] == n - 2 && script[n - 1] == OP_CHECKSIG &&
        has_key_form(script + 1, n - 2)) {
        out->data = (struct spv_bytes){script + 1, n - 2};
        return SPV_SCRIPT_P2PK;
    }
    if (n == 25 && begins_with(script, (const uint8_t[]){OP_DUP, OP_HASH160, 20}, 3) &&
        script[23] == OP_EQUALVERIFY && script[24] == OP_CHECKSIG) {
        out->data = (struct spv_bytes){script + 3, 20};
        return SPV_SCRIPT_P2PKH;
    }
    return is_multisig(out, script, n) ? SPV_SCRIPT_MULTISIG : SPV_SCRIPT_NONSTANDARD;
}

enum spv_script_kind spv_script_classify(struct spv_script_info *out, const uint8_t *script,
                                         size_t n)
{
    *out = (struct spv_script_info){.kind = SPV_SCRIPT_NONSTANDARD};
    out->kind = script_kind(out, script, n);
    return out->kind;
}

const char *spv_script_kind_name(enum spv_script_kind kind)
{
    static const char *const names[SPV_SCRIPT_KINDS] = {
        "nonstandard", "p2pk", "p2pkh",           "p2sh",     "p2wpkh",    "p2wsh",
        "p2tr",        "p2a",  "witness_unknown", "multisig", "op_return",
    };
    return (unsigned)kind < SPV_SCRIPT_KINDS ? names[kind] : "unknown";
}
