/* The packets of BIP324: a 3-byte encrypted length (FSChaCha20), then header byte and contents
 * under FSChaCha20Poly1305, both with a new key after each 224 packets. One cipher per direction.
 * It owns its keys and overwrites each as soon as it is replaced. */
#ifndef SPV_PEER_TRANSPORT_V2_CIPHER_H
#define SPV_PEER_TRANSPORT_V2_CIPHER_H

#include "util/aead.h"

#define SPV_V2_REKEY_INTERVAL 224
#define SPV_V2_LENGTH 3
#define SPV_V2_HEADER 1
/* bytes of an empty packet */
#define SPV_V2_OVERHEAD (SPV_V2_LENGTH + SPV_V2_HEADER + SPV_AEAD_TAG)
#define SPV_V2_TERMINATOR 16
#define SPV_V2_IGNORE 0x80 /* header bit: a decoy; the other bits are ignored */
/* 13 bytes of message type (0, then the name) and a payload of 4,000,000 bytes */
#define SPV_V2_MAX_CONTENTS 4000013

struct spv_v2_cipher {
    struct spv_aead aead;
    /* The length key's stream until the next rekeying, and behind it the next length key. */
    uint8_t length_stream[SPV_V2_REKEY_INTERVAL * SPV_V2_LENGTH + SPV_AEAD_KEY];
    uint32_t packet_counter; /* packets since the last rekeying */
    uint64_t rekey_counter;
};

/* What the two sides derive from their shared secret. The initiator sends with initiator_*. */
struct spv_v2_secrets {
    uint8_t initiator_length[SPV_AEAD_KEY], initiator_packet[SPV_AEAD_KEY];
    uint8_t responder_length[SPV_AEAD_KEY], responder_packet[SPV_AEAD_KEY];
    uint8_t initiator_terminator[SPV_V2_TERMINATOR], responder_terminator[SPV_V2_TERMINATOR];
    uint8_t session_id[32];
};

/* HKDF of the 32-byte shared secret, salted with the network's magic. 0 or SPV_ERR_CRYPTO. */
int spv_v2_derive(struct spv_v2_secrets *out, const uint8_t shared_secret[32],
                  const uint8_t magic[4]);

int spv_v2_cipher_init(struct spv_v2_cipher *c, enum spv_aead_direction direction,
                       const uint8_t length_key[SPV_AEAD_KEY],
                       const uint8_t packet_key[SPV_AEAD_KEY]);
void spv_v2_cipher_free(struct spv_v2_cipher *c);

/* Makes a packet of n bytes of contents, which stand at packet + SPV_V2_LENGTH + SPV_V2_HEADER:
 * fills in SPV_V2_OVERHEAD bytes around them and encrypts in place. n is at most 2^24 - 1. 0 or
 * SPV_ERR_CRYPTO. */
int spv_v2_seal(struct spv_v2_cipher *c, uint8_t *packet, size_t n, uint8_t header,
                const uint8_t *aad, size_t aad_len);
/* Bytes of contents of the next packet, from the 3 bytes that it begins with. Changes nothing:
 * may be called again. */
size_t spv_v2_open_length(const struct spv_v2_cipher *c, const uint8_t bytes[SPV_V2_LENGTH]);
/* Opens the packet of n bytes of contents behind its length: header, contents and tag at text, in
 * place. *header receives the header byte, the contents stand at text + SPV_V2_HEADER.
 * SPV_ERR_CRYPTO when the tag does not match: the connection is over. */
int spv_v2_open(struct spv_v2_cipher *c, uint8_t *text, size_t n, uint8_t *header,
                const uint8_t *aad, size_t aad_len);

#endif
