/* Each form is written byte by byte: opcode, length of the push, hash. */
#include "util/script_forms.h"

#include <string.h>

size_t spv_script_p2pkh(uint8_t *out, const uint8_t hash[20])
{
    memcpy(out, (const uint8_t[]){OP_DUP, OP_HASH160, 20}, 3);
    memcpy(out + 3, hash, 20);
    out[23] = OP_EQUALVERIFY;
    out[24] = OP_CHECKSIG;
    return 25;
}

size_t spv_script_p2sh(uint8_t *out, const uint8_t hash[20])
{
    out[0] = OP_HASH160;
    out[1] = 20;
    memcpy(out + 2, hash, 20);
    out[22] = OP_EQUAL;
    return 23;
}

size_t spv_script_witness(uint8_t *out, unsigned version, const uint8_t *program, size_t n)
{
    out[0] = version == 0 ? OP_0 : (uint8_t)(OP_1 + version - 1);
    out[1] = (uint8_t)n;
    memcpy(out + 2, program, n);
    return n + 2;
}

bool spv_script_is_witness_program(const uint8_t *script, size_t n)
{
    return n >= 2 + SPV_WITNESS_PROGRAM_MIN && n <= 2 + SPV_WITNESS_PROGRAM_MAX &&
           (script[0] == OP_0 || (script[0] >= OP_1 && script[0] <= OP_16)) && script[1] == n - 2;
}
