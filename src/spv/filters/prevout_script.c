/*     scriptSig                witness                  prevout script
 *     one push of a program    any                      P2SH of the program: certain
 *     -                        2 items, a key last      P2WPKH of the key
 *     -                        a script last            P2WSH of the script
 *     signature, key           -                        P2PKH of the key
 *     pushes, a script last    -                        P2SH of the script
 *
 * A last item that may be taproot's control block or annex (BIP341) infers nothing. */
#include "spv/filters/prevout_script.h"

#include "util/hash.h"
#include "util/script_forms.h"

#define COMPRESSED_KEY 33 /* bytes */
#define UNCOMPRESSED_KEY 65 /* bytes */
#define MIN_SIGNATURE 9 /* bytes: DER, with its hash type */
#define MAX_SIGNATURE 73 /* bytes */
#define TAPROOT_ANNEX 0x50

/* The forms that Bitcoin Core relays: no hybrid keys. */
static bool has_key_form(struct spv_bytes item)
{
    if (item.n == COMPRESSED_KEY)
        return item.bytes[0] == 2 || item.bytes[0] == 3;
    return item.n == UNCOMPRESSED_KEY && item.bytes[0] == 4;
}

static bool has_signature_form(struct spv_bytes item)
{
    return item.n >= MIN_SIGNATURE && item.n <= MAX_SIGNATURE && item.bytes[0] == 0x30;
}

/* Removes the next push from a script. Returns false at the end and at anything but a push of up to
 * 520 bytes; *rest is then what is left. */
static bool next_push(struct spv_bytes *rest, struct spv_bytes *out)
{
    size_t prefix = 1, size;

    if (rest->n == 0)
        return false;
    size = rest->bytes[0];
    if (size == OP_PUSHDATA1 && rest->n >= 2) {
        size = rest->bytes[1];
        prefix = 2;
    } else if (size == OP_PUSHDATA2 && rest->n >= 3) {
        size = (size_t)rest->bytes[1] | (size_t)rest->bytes[2] << 8;
        prefix = 3;
    } else if (size >= OP_PUSHDATA1) {
        return false;
    }
    if (rest->n - prefix < size)
        return false;
    *out = (struct spv_bytes){rest->bytes + prefix, size};
    *rest = (struct spv_bytes){rest->bytes + prefix + size, rest->n - prefix - size};
    return true;
}

static size_t put_p2sh(uint8_t *out, struct spv_bytes script)
{
    uint8_t hash[20];

    spv_hash160(hash, script.bytes, script.n);
    return spv_script_p2sh(out, hash);
}

static size_t put_p2pkh(uint8_t *out, struct spv_bytes key)
{
    uint8_t hash[20];

    spv_hash160(hash, key.bytes, key.n);
    return spv_script_p2pkh(out, hash);
}

static size_t put_p2wpkh(uint8_t *out, struct spv_bytes key)
{
    uint8_t hash[20];

    spv_hash160(hash, key.bytes, key.n);
    return spv_script_witness(out, 0, hash, sizeof hash);
}

static size_t put_p2wsh(uint8_t *out, struct spv_bytes script)
{
    uint8_t hash[32];

    spv_sha256(hash, script.bytes, script.n);
    return spv_script_witness(out, 0, hash, sizeof hash);
}

/* BIP341: a control block has 33 + 32k bytes and begins with a leaf version, 0xc0 and above today;
 * an annex begins with 0x50. */
static bool may_be_taproot(struct spv_bytes last)
{
    return (last.n >= 33 && last.n % 32 == 1 && last.bytes[0] >= 0xc0) ||
           (last.n > 0 && last.bytes[0] == TAPROOT_ANNEX);
}

static enum spv_prevout_kind infer_from_witness(uint8_t *out, size_t *n, struct spv_witness witness)
{
    const size_t n_items = witness.n_items;
    struct spv_bytes item = {NULL, 0};

    while (spv_witness_next(&witness, &item))
        ;
    if (n_items == 2 && item.n == COMPRESSED_KEY && has_key_form(item))
        *n = put_p2wpkh(out, item);
    else if (n_items == 1 && (item.n == 64 || item.n == 65))
        return SPV_PREVOUT_UNKNOWN; /* BIP340: a signature, taproot's key path */
    else if (item.n == 0 || may_be_taproot(item))
        return SPV_PREVOUT_UNKNOWN;
    else
        *n = put_p2wsh(out, item);
    return SPV_PREVOUT_INFERRED;
}

static enum spv_prevout_kind infer_from_script_sig(uint8_t *out, size_t *n, struct spv_bytes script)
{
    struct spv_bytes first = {NULL, 0}, last = {NULL, 0};
    size_t n_pushes = 0;

    for (; next_push(&script, &last); n_pushes++)
        if (n_pushes == 0)
            first = last;
    if (script.n > 0 || last.n == 0)
        return SPV_PREVOUT_UNKNOWN;
    if (n_pushes == 2 && has_signature_form(first) && has_key_form(last))
        *n = put_p2pkh(out, last);
    else if (n_pushes == 1 && has_signature_form(last))
        return SPV_PREVOUT_UNKNOWN; /* a bare public key */
    else
        *n = put_p2sh(out, last);
    return SPV_PREVOUT_INFERRED;
}

enum spv_prevout_kind spv_prevout_script(uint8_t *out, size_t *n, const struct spv_tx_input *input,
                                         const struct spv_witness *witness, bool segwit_active)
{
    const struct spv_bytes script = input->script;

    *n = 0;
    if (witness->n_items == 0)
        return infer_from_script_sig(out, n, script);
    if (script.n == 0)
        return infer_from_witness(out, n, *witness);
    /* BIP141: "The scriptSig must be exactly a push of the BIP16 redeemScript or validation fails",
     * and a witness beside any other scriptSig is unexpected. */
    const struct spv_bytes program = {script.bytes + 1, script.n - 1};
    if (!segwit_active || script.bytes[0] != program.n ||
        !spv_script_is_witness_program(program.bytes, program.n))
        return SPV_PREVOUT_UNKNOWN;
    *n = put_p2sh(out, program);
    return SPV_PREVOUT_CERTAIN;
}
