/* Reading the operations of a script. */
#ifndef SPV_KEYS_SCRIPT_H
#define SPV_KEYS_SCRIPT_H

#include <stddef.h>
#include <stdint.h>

#include "spv/address.h"
#include "spv/error.h"
#include "util/script_forms.h"

#define SPV_MULTISIG_KEYS 20 /* MAX_PUBKEYS_PER_MULTISIG: consensus of OP_CHECKMULTISIG */

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
