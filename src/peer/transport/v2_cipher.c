/* A nonce is the number of packets since the last rekeying (4 bytes, little-endian) and the number
 * of rekeyings (8 bytes). The next packet key is the key stream under packet number 0xffffffff; the
 * next length key follows the 224 * 3 bytes of the length key's stream, which are made at once. */
#include "peer/transport/v2_cipher.h"

#include <string.h>

#include "util/hmac.h"

#define SALT "bitcoin_v2_shared_secret"
#define SALT_LEN (sizeof SALT - 1)
#define REKEY_PACKET UINT32_MAX
#define LENGTHS (SPV_V2_REKEY_INTERVAL * SPV_V2_LENGTH)

static void make_nonce(uint8_t nonce[SPV_AEAD_NONCE], uint32_t packet_counter,
                       uint64_t rekey_counter)
{
    for (unsigned i = 0; i < 4; i++)
        nonce[i] = (uint8_t)(packet_counter >> (8 * i));
    for (unsigned i = 0; i < 8; i++)
        nonce[4 + i] = (uint8_t)(rekey_counter >> (8 * i));
}

int spv_v2_derive(struct spv_v2_secrets *out, const uint8_t shared_secret[32],
                  const uint8_t magic[4])
{
    uint8_t salt[SALT_LEN + 4], prk[32], terminators[32];
    memcpy(salt, SALT, SALT_LEN);
    memcpy(salt + SALT_LEN, magic, 4);
    const struct {
        uint8_t *key;
        const char *info;
    } keys[] = {
        {out->initiator_length, "initiator_L"}, {out->initiator_packet, "initiator_P"},
        {out->responder_length, "responder_L"}, {out->responder_packet, "responder_P"},
        {terminators, "garbage_terminators"},   {out->session_id, "session_id"},
    };
    int rc = spv_hkdf_sha256_extract(prk, salt, sizeof salt, shared_secret, 32);
    for (size_t i = 0; !rc && i < sizeof keys / sizeof keys[0]; i++)
        rc = spv_hkdf_sha256_expand(keys[i].key, prk, keys[i].info);
    spv_cleanse(prk, sizeof prk);
    if (rc)
        return rc;
    memcpy(out->initiator_terminator, terminators, SPV_V2_TERMINATOR);
    memcpy(out->responder_terminator, terminators + SPV_V2_TERMINATOR, SPV_V2_TERMINATOR);
    return 0;
}

/* Makes the key stream of *key. It may be the next key, at the end of the stream it replaces. */
static int make_length_stream(struct spv_v2_cipher *c, const uint8_t key[SPV_AEAD_KEY])
{
    uint8_t copy[SPV_AEAD_KEY], nonce[SPV_AEAD_NONCE];
    memcpy(copy, key, sizeof copy);
    make_nonce(nonce, 0, c->rekey_counter);
    const int rc = spv_chacha20_stream(c->length_stream, sizeof c->length_stream, copy, nonce);
    spv_cleanse(copy, sizeof copy);
    return rc;
}

int spv_v2_cipher_init(struct spv_v2_cipher *c, enum spv_aead_direction direction,
                       const uint8_t length_key[SPV_AEAD_KEY],
                       const uint8_t packet_key[SPV_AEAD_KEY])
{
    memset(c, 0, sizeof *c);
    int rc = spv_aead_init(&c->aead, direction, packet_key);
    if (rc)
        return rc;
    rc = make_length_stream(c, length_key);
    if (rc)
        spv_v2_cipher_free(c);
    return rc;
}

void spv_v2_cipher_free(struct spv_v2_cipher *c)
{
    spv_aead_free(&c->aead);
    spv_cleanse(c, sizeof *c);
}

static int cipher_rekey(struct spv_v2_cipher *c)
{
    uint8_t key[SPV_AEAD_KEY], nonce[SPV_AEAD_NONCE];
    make_nonce(nonce, REKEY_PACKET, c->rekey_counter);
    int rc = spv_aead_stream(&c->aead, key, sizeof key, nonce);
    if (!rc)
        rc = spv_aead_set_key(&c->aead, key);
    spv_cleanse(key, sizeof key);
    if (rc)
        return rc;
    c->packet_counter = 0;
    c->rekey_counter++;
    return make_length_stream(c, c->length_stream + LENGTHS);
}

/* Both ciphers are done with the packet: overwrites its part of the length stream. */
static int next_packet(struct spv_v2_cipher *c)
{
    spv_cleanse(c->length_stream + c->packet_counter * SPV_V2_LENGTH, SPV_V2_LENGTH);
    return ++c->packet_counter == SPV_V2_REKEY_INTERVAL ? cipher_rekey(c) : 0;
}

int spv_v2_seal(struct spv_v2_cipher *c, uint8_t *packet, size_t n, uint8_t header,
                const uint8_t *aad, size_t aad_len)
{
    const uint8_t *stream = c->length_stream + c->packet_counter * SPV_V2_LENGTH;
    uint8_t nonce[SPV_AEAD_NONCE];
    for (unsigned i = 0; i < SPV_V2_LENGTH; i++)
        packet[i] = (uint8_t)(n >> (8 * i)) ^ stream[i];
    packet[SPV_V2_LENGTH] = header;
    make_nonce(nonce, c->packet_counter, c->rekey_counter);
    const int rc =
        spv_aead_seal(&c->aead, packet + SPV_V2_LENGTH, SPV_V2_HEADER + n, nonce, aad, aad_len);
    return rc ? rc : next_packet(c);
}

size_t spv_v2_open_length(const struct spv_v2_cipher *c, const uint8_t bytes[SPV_V2_LENGTH])
{
    const uint8_t *stream = c->length_stream + c->packet_counter * SPV_V2_LENGTH;
    size_t n = 0;
    for (unsigned i = 0; i < SPV_V2_LENGTH; i++)
        n |= (size_t)(bytes[i] ^ stream[i]) << (8 * i);
    return n;
}

int spv_v2_open(struct spv_v2_cipher *c, uint8_t *text, size_t n, uint8_t *header,
                const uint8_t *aad, size_t aad_len)
{
    uint8_t nonce[SPV_AEAD_NONCE];
    make_nonce(nonce, c->packet_counter, c->rekey_counter);
    const int rc = spv_aead_open(&c->aead, text, SPV_V2_HEADER + n, nonce, aad, aad_len);
    if (rc)
        return rc;
    *header = text[0];
    return next_packet(c);
}
