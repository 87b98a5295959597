/* Opcodes and small scripts. */
#ifndef SPV_KEYS_SCRIPT_H
#define SPV_KEYS_SCRIPT_H

#include <stddef.h>
#include <stdint.h>

#include "spv/address.h"
#include "spv/error.h"

enum {
    OP_0 = 0x00,
    OP_PUSHDATA1 = 0x4c,
    OP_PUSHDATA2 = 0x4d,
    OP_PUSHDATA4 = 0x4e,
    OP_1 = 0x51,
    OP_16 = 0x60,
    OP_RETURN = 0x6a,
    OP_DUP = 0x76,
    OP_EQUAL = 0x87,
    OP_EQUALVERIFY = 0x88,
    OP_NUMEQUAL = 0x9c,
    OP_HASH160 = 0xa9,
    OP_CHECKSIG = 0xac,
    OP_CHECKMULTISIG = 0xae,
    OP_CHECKSIGADD = 0xba,
};

#define SPV_MULTISIG_KEYS 20 /* MAX_PUBKEYS_PER_MULTISIG: consensus of OP_CHECKMULTISIG */
#define SPV_WITNESS_PROGRAM_MIN 2 /* BIP141 */
#define SPV_WITNESS_PROGRAM_MAX 40

/* Write a script into out and return its bytes: P2PKH (25), P2SH (23), a witness program (n + 2).
 */
size_t spv_script_p2pkh(uint8_t *out, const uint8_t hash[20]);
size_t spv_script_p2sh(uint8_t *out, const uint8_t hash[20]);
size_t spv_script_witness(uint8_t *out, unsigned version, const uint8_t *program, size_t n);

/* spv_script_next_op, inline for loops over all scripts of a block. */
static inline int spv_script_take_op(struct spv_script_iter *iter, struct spv_script_op *out)
{
    size_t left = (size_t)(iter->end - iter->at), prefix = 0, size = 0;
    if (left == 0)
        return 0;
    const uint8_t opcode = *iter->at;
    const uint8_t *data = iter->at + 1;
    left--;
    if (opcode < OP_PUSHDATA1) {
        size = opcode;
    } else if (opcode <= OP_PUSHDATA4) {
        prefix = (size_t)1 << (opcode - OP_PUSHDATA1);
        if (left < prefix)
            goto cut;
        for (size_t i = 0; i < prefix; i++)
            size |= (size_t)data[i] << 8 * i;
    }
    if (left - prefix < size)
        goto cut;
    out->opcode = opcode;
    out->data = (struct spv_bytes){data + prefix, size};
    iter->at = data + prefix + size;
    return 1;
cut:
    iter->at = iter->end;
    return SPV_ERR_SHORT;
}

#endif
