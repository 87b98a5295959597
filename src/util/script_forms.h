/* Opcodes, and the forms of output scripts that more than one folder of src writes or recognises.
 */
#ifndef SPV_UTIL_SCRIPT_FORMS_H
#define SPV_UTIL_SCRIPT_FORMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

#define SPV_WITNESS_PROGRAM_MIN 2 /* BIP141 */
#define SPV_WITNESS_PROGRAM_MAX 40

/* Write a script into out and return its bytes: P2PKH (25), P2SH (23), a witness program (n + 2).
 */
size_t spv_script_p2pkh(uint8_t *out, const uint8_t hash[20]);
size_t spv_script_p2sh(uint8_t *out, const uint8_t hash[20]);
size_t spv_script_witness(uint8_t *out, unsigned version, const uint8_t *program, size_t n);

/* BIP141: "a 1-byte push opcode (OP_0, OP_1 to OP_16) followed by a direct data push between 2 and
 * 40 bytes" */
bool spv_script_is_witness_program(const uint8_t *script, size_t n);

#endif
