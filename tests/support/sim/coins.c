/* A key is a hash of its number behind 02, a signature random bytes behind 30 45. */
#include "support/sim/coins.h"

#include <stdlib.h>
#include <string.h>

#include "util/hash.h"
#include "util/script_forms.h"

#define KEY_SIZE 33
#define SIGNATURE_SIZE 71
#define SCHNORR_SIZE 64
#define OP_DROP 0x75
#define OP_2DROP 0x6d

static void put_key(uint8_t out[KEY_SIZE], enum sim_coin_kind kind, uint32_t key)
{
    const uint32_t number[2] = {(uint32_t)kind, key};
    uint8_t seed[8];
    for (unsigned i = 0; i < 8; i++)
        seed[i] = (uint8_t)(number[i / 4] >> 8 * (i % 4));
    out[0] = 2;
    spv_sha256(out + 1, seed, sizeof seed);
}

/* P2WSH's script: a key and OP_CHECKSIG; or a key alone, which looks like one of P2WPKH. */
static size_t put_witness_script(uint8_t *out, enum sim_coin_kind kind, uint32_t key)
{
    if (kind == SIM_FALSE_P2WPKH) {
        put_key(out, kind, key);
        return KEY_SIZE;
    }
    out[0] = KEY_SIZE;
    put_key(out + 1, kind, key);
    out[KEY_SIZE + 1] = OP_CHECKSIG;
    return KEY_SIZE + 2;
}

static size_t put_program(uint8_t *out, enum sim_coin_kind kind, uint32_t key)
{
    uint8_t bytes[KEY_SIZE + 2], hash[32];
    if (kind == SIM_P2WSH || kind == SIM_FALSE_P2WPKH) {
        spv_sha256(hash, bytes, put_witness_script(bytes, kind, key));
        return spv_script_witness(out, 0, hash, 32);
    }
    put_key(bytes, kind, key);
    if (kind == SIM_P2TR)
        return spv_script_witness(out, 1, bytes + 1, 32);
    spv_hash160(hash, bytes, KEY_SIZE);
    return spv_script_witness(out, 0, hash, 20);
}

size_t sim_coin_script(uint8_t *out, enum sim_coin_kind kind, uint32_t key)
{
    uint8_t bytes[KEY_SIZE], hash[20], program[SIM_SCRIPT_MAX];
    put_key(bytes, kind, key);
    spv_hash160(hash, bytes, KEY_SIZE);
    switch (kind) {
    case SIM_P2PKH:
        return spv_script_p2pkh(out, hash);
    case SIM_P2SH_P2WPKH:
        spv_hash160(hash, program, put_program(program, kind, key));
        return spv_script_p2sh(out, hash);
    case SIM_P2WPKH:
    case SIM_P2WSH:
    case SIM_FALSE_P2WPKH:
    case SIM_P2TR:
        return put_program(out, kind, key);
    case SIM_P2PK:
        out[0] = KEY_SIZE;
        memcpy(out + 1, bytes, KEY_SIZE);
        out[KEY_SIZE + 1] = OP_CHECKSIG;
        return KEY_SIZE + 2;
    case SIM_FALSE_P2PKH: /* anyone can spend it with any two items */
        out[0] = sizeof hash;
        memcpy(out + 1, hash, sizeof hash);
        memcpy(out + 1 + sizeof hash, (const uint8_t[]){OP_DROP, OP_2DROP, OP_1}, 3);
        return sizeof hash + 4;
    }
    abort();
}

size_t sim_coin_inferred(uint8_t *out, enum sim_coin_kind kind, uint32_t key)
{
    uint8_t bytes[KEY_SIZE], hash[20];
    put_key(bytes, kind, key);
    spv_hash160(hash, bytes, KEY_SIZE);
    switch (kind) {
    case SIM_P2PKH:
    case SIM_P2SH_P2WPKH:
    case SIM_P2WPKH:
    case SIM_P2WSH:
        return sim_coin_script(out, kind, key);
    case SIM_P2TR:
    case SIM_P2PK:
        return 0;
    case SIM_FALSE_P2PKH:
        return spv_script_p2pkh(out, hash);
    case SIM_FALSE_P2WPKH:
        return spv_script_witness(out, 0, hash, sizeof hash);
    }
    abort();
}

static void put_item(struct spv_buffer *out, const uint8_t *bytes, size_t n)
{
    spv_buffer_compact(out, n); /* below 76 bytes it is a push, too */
    spv_buffer_put(out, bytes, n);
}

static void put_signature(struct spv_buffer *out, size_t n, struct test_random *random)
{
    uint8_t bytes[SIGNATURE_SIZE];
    test_random_fill(random, bytes, n);
    if (n == SIGNATURE_SIZE) {
        bytes[0] = 0x30;
        bytes[1] = 0x45;
    }
    put_item(out, bytes, n);
}

static bool has_witness(enum sim_coin_kind kind)
{
    return kind != SIM_P2PKH && kind != SIM_P2PK && kind != SIM_FALSE_P2PKH;
}

static void put_script_sig(struct spv_buffer *out, const struct sim_coin *coin,
                           struct test_random *random)
{
    struct spv_buffer script;
    uint8_t bytes[SIM_SCRIPT_MAX];
    spv_buffer_init(&script);
    if (!has_witness(coin->kind))
        put_signature(&script, SIGNATURE_SIZE, random);
    if (coin->kind == SIM_P2PKH || coin->kind == SIM_FALSE_P2PKH) {
        put_key(bytes, coin->kind, coin->key);
        put_item(&script, bytes, KEY_SIZE);
    }
    if (coin->kind == SIM_P2SH_P2WPKH)
        put_item(&script, bytes, put_program(bytes, coin->kind, coin->key));
    if (script.error != 0)
        abort();
    put_item(out, script.data, script.len);
    spv_buffer_free(&script);
}

static void put_witness(struct spv_buffer *out, const struct sim_coin *coin,
                        struct test_random *random)
{
    uint8_t bytes[SIM_SCRIPT_MAX];
    if (!has_witness(coin->kind)) {
        spv_buffer_u8(out, 0);
    } else if (coin->kind == SIM_P2TR) {
        spv_buffer_u8(out, 1);
        put_signature(out, SCHNORR_SIZE, random);
    } else {
        spv_buffer_u8(out, 2);
        put_signature(out, SIGNATURE_SIZE, random);
        if (coin->kind == SIM_P2WSH || coin->kind == SIM_FALSE_P2WPKH) {
            put_item(out, bytes, put_witness_script(bytes, coin->kind, coin->key));
        } else {
            put_key(bytes, coin->kind, coin->key);
            put_item(out, bytes, KEY_SIZE);
        }
    }
}

static void put_output(struct spv_buffer *out, const struct sim_output *output)
{
    uint8_t script[SIM_SCRIPT_MAX];
    size_t n;
    spv_buffer_u64(out, output->is_op_return ? 0 : (uint64_t)output->value);
    if (output->is_op_return) {
        script[0] = OP_RETURN;
        script[1] = 4;
        for (unsigned i = 0; i < 4; i++)
            script[2 + i] = (uint8_t)(output->key >> 8 * i);
        n = 6;
    } else {
        n = sim_coin_script(script, output->kind, output->key);
    }
    put_item(out, script, n);
}

void sim_tx_put(struct spv_buffer *out, const struct sim_coin *const *inputs, size_t n_inputs,
                const struct sim_output *outputs, size_t n_outputs, struct test_random *random)
{
    bool witness = false;
    for (size_t i = 0; i < n_inputs; i++)
        witness = witness || has_witness(inputs[i]->kind);
    spv_buffer_u32(out, 2);
    if (witness)
        spv_buffer_u16be(out, 1); /* BIP144: marker 0, flag 1 */
    spv_buffer_compact(out, n_inputs);
    for (size_t i = 0; i < n_inputs; i++) {
        spv_buffer_put(out, inputs[i]->txid.b, sizeof inputs[i]->txid.b);
        spv_buffer_u32(out, inputs[i]->index);
        put_script_sig(out, inputs[i], random);
        spv_buffer_u32(out, 0xfffffffd);
    }
    spv_buffer_compact(out, n_outputs);
    for (size_t i = 0; i < n_outputs; i++)
        put_output(out, &outputs[i]);
    for (size_t i = 0; witness && i < n_inputs; i++)
        put_witness(out, inputs[i], random);
    spv_buffer_u32(out, 0);
}

/* BIP34: "the first item in the coinbase transaction's scriptSig is the serialized block height",
 * as Bitcoin Core pushes it: 1 to 16 by their opcode. */
static void put_height(struct spv_buffer *out, uint32_t height)
{
    uint8_t number[5];
    size_t n = 0;
    if (height <= 16) {
        spv_buffer_u8(out, (uint8_t)(height == 0 ? OP_0 : OP_1 + height - 1));
        return;
    }
    for (uint32_t left = height; left > 0; left >>= 8)
        number[n++] = (uint8_t)left;
    if (number[n - 1] & 0x80)
        number[n++] = 0;
    put_item(out, number, n);
}

void sim_coinbase_put(struct spv_buffer *out, uint32_t height, const struct sim_output *output,
                      const uint8_t *commitment, struct test_random *random)
{
    static const uint8_t zero[32], header[] = {OP_RETURN, 36, 0xaa, 0x21, 0xa9, 0xed};
    struct spv_buffer script;
    spv_buffer_u32(out, 2);
    if (commitment)
        spv_buffer_u16be(out, 1);
    spv_buffer_u8(out, 1);
    spv_buffer_put(out, zero, sizeof zero);
    spv_buffer_u32(out, UINT32_MAX);
    spv_buffer_init(&script);
    put_height(&script, height);
    put_signature(&script, 8, random); /* the extra nonce: no two coinbases are equal */
    if (script.error != 0)
        abort();
    put_item(out, script.data, script.len);
    spv_buffer_free(&script);
    spv_buffer_u32(out, UINT32_MAX);
    spv_buffer_u8(out, commitment ? 2 : 1);
    put_output(out, output);
    if (commitment) {
        spv_buffer_u64(out, 0);
        spv_buffer_compact(out, sizeof header + 32);
        spv_buffer_put(out, header, sizeof header);
        spv_buffer_put(out, commitment, 32);
        spv_buffer_u8(out, 1); /* BIP141: "the coinbase's input's witness must consist of a single
                                  32-byte array for the witness reserved value" */
        put_item(out, zero, sizeof zero);
    }
    spv_buffer_u32(out, 0);
}
