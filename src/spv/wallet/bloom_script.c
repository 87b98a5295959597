/* A script is a sequence of operations: opcodes up to 0x4b push as many bytes, the next three push
 * with a length of one, two or four bytes, all others have no data. */
#include "spv/wallet/bloom_script.h"

#include "util/cursor.h"

#define OP_PUSHDATA1 0x4c
#define OP_PUSHDATA2 0x4d
#define OP_PUSHDATA4 0x4e
#define OP_1 0x51
#define OP_16 0x60
#define OP_CHECKSIG 0xac
#define OP_CHECKMULTISIG 0xae
#define MAX_MULTISIG_KEYS 20 /* MAX_PUBKEYS_PER_MULTISIG */

bool spv_bloom_script_next(struct spv_bytes *script, struct spv_bloom_op *out)
{
    struct spv_cursor c = spv_cursor_over(script->bytes, script->n);
    struct spv_bloom_op op = {.opcode = spv_cursor_u8(&c)};

    if (op.opcode < OP_PUSHDATA1)
        op.data.n = op.opcode;
    else if (op.opcode == OP_PUSHDATA1)
        op.data.n = spv_cursor_u8(&c);
    else if (op.opcode == OP_PUSHDATA2)
        op.data.n = spv_cursor_u16(&c);
    else if (op.opcode == OP_PUSHDATA4)
        op.data.n = spv_cursor_u32(&c);
    op.data.bytes = spv_cursor_take(&c, op.data.n);
    if (c.error != 0)
        return false;
    *script = (struct spv_bytes){.bytes = c.p, .n = spv_cursor_left(&c)};
    *out = op;
    return true;
}

/* CPubKey::ValidSize */
static bool is_key(const struct spv_bytes *data)
{
    if (data->n == 33)
        return data->bytes[0] == 2 || data->bytes[0] == 3;
    return data->n == 65 &&
           (data->bytes[0] == 4 || data->bytes[0] == 6 || data->bytes[0] == 7); /* 6, 7: hybrid */
}

bool spv_bloom_script_is_pubkey(struct spv_bytes script)
{
    struct spv_bloom_op op;

    /* The push must be direct: OP_PUSHDATA1 is another script, which is not standard. */
    return spv_bloom_script_next(&script, &op) && op.opcode < OP_PUSHDATA1 && is_key(&op.data) &&
           script.n == 1 && script.bytes[0] == OP_CHECKSIG;
}

/* A number of keys or signatures in its shortest form: OP_1..OP_16, or a push of one byte above. 0
 * when it is none or above MAX_MULTISIG_KEYS. */
static size_t key_count(const struct spv_bloom_op *op)
{
    if (op->opcode >= OP_1 && op->opcode <= OP_16)
        return op->opcode - (size_t)OP_1 + 1;
    if (op->opcode == 1 && op->data.bytes[0] > 16 && op->data.bytes[0] <= MAX_MULTISIG_KEYS)
        return op->data.bytes[0];
    return 0;
}

bool spv_bloom_script_is_multisig(struct spv_bytes script)
{
    struct spv_bloom_op op;
    size_t required, keys = 0;

    if (!spv_bloom_script_next(&script, &op))
        return false;
    required = key_count(&op);
    if (required == 0 || !spv_bloom_script_next(&script, &op))
        return false;
    while (is_key(&op.data)) {
        keys++;
        if (!spv_bloom_script_next(&script, &op))
            return false;
    }
    return key_count(&op) == keys && keys >= required && script.n == 1 &&
           script.bytes[0] == OP_CHECKMULTISIG;
}
