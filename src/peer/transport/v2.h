/* The encrypted transport (BIP324) as a state machine over bytes: handshake, then packets, in
 * both roles. It owns the keys, the garbage and the bytes received and not yet returned. What it
 * has to send it appends to the caller's buffer. */
#ifndef SPV_PEER_TRANSPORT_V2_H
#define SPV_PEER_TRANSPORT_V2_H

#include "peer/transport/v2_cipher.h"
#include "peer/transport/v2_keys.h"
#include "util/buffer.h"

#define SPV_V2_MAX_GARBAGE 4095 /* BIP324 */
#define SPV_V1_PREFIX 16 /* magic, "version" and five zeros: how a v1 connection begins */

/* What the peer's first bytes show. */
enum spv_v2_first_bytes {
    SPV_FIRST_BYTES_UNDECIDED, /* as v1 so far, fewer than SPV_V1_PREFIX */
    SPV_FIRST_BYTES_V1,
    SPV_FIRST_BYTES_V1_OTHER_NETWORK, /* v1 with another magic */
    SPV_FIRST_BYTES_V2,
};
enum spv_v2_first_bytes spv_v2_classify(const uint8_t *bytes, size_t n, const uint8_t magic[4]);

enum spv_v2_state {
    SPV_V2_RECV_KEY,
    SPV_V2_RECV_GARBAGE,
    SPV_V2_RECV_VERSION, /* decoys and the version packet */
    SPV_V2_READY, /* its version packet was authentic: it has the secret of the key that it sent */
};

struct spv_v2 {
    enum spv_v2_role role;
    enum spv_v2_state state;
    bool key_sent, garbage_sent;
    bool version_by_caller; /* decoys and the version packet are the caller's to send */
    bool can_send; /* both ciphers are set up: packets may be sealed */
    size_t max_contents; /* of a packet, decoys included; at first SPV_V2_MAX_CONTENTS */
    uint8_t magic[4];
    const struct spv_v2_context *ctx; /* borrowed */
    struct spv_v2_key key;
    uint8_t *garbage; /* ours, until the first packet has carried it as AAD */
    size_t n_garbage;
    struct spv_buffer in;
    size_t off; /* processed bytes at the front of `in` */
    size_t n_peer_garbage; /* length of the peer's garbage */
    bool has_aad; /* the garbage is still in front of the first packet */
    uint8_t terminator[SPV_V2_TERMINATOR]; /* theirs */
    struct spv_v2_cipher send, recv;
    uint8_t session_id[32];
};

/* Takes the key and copies the garbage, which the caller draws (spv_v2_key_new). ctx must
 * outlive it. SPV_ERR_NOMEM, SPV_ERR_TOO_LONG. */
int spv_v2_init(struct spv_v2 *v, enum spv_v2_role role, const uint8_t magic[4],
                const struct spv_v2_context *ctx, const struct spv_v2_key *key,
                const uint8_t *garbage, size_t n_garbage);
/* The same with a fresh key and 0 to SPV_V2_MAX_GARBAGE random bytes of garbage. SPV_ERR_CRYPTO,
 * too. */
int spv_v2_init_random(struct spv_v2 *v, enum spv_v2_role role, const uint8_t magic[4],
                       const struct spv_v2_context *ctx, const struct spv_rng *rng);
/* Frees and overwrites all that was secret. */
void spv_v2_free(struct spv_v2 *v);

/* The initiator's key: the connection's first bytes. The garbage follows only once the answer is
 * seen not to be v1. SPV_ERR_NOMEM. */
int spv_v2_start(struct spv_v2 *v, struct spv_buffer *out);

/* Appends n bytes that arrived. Memory grows with what arrives, at most 256 KiB ahead.
 * SPV_ERR_NOMEM. */
int spv_v2_feed(struct spv_v2 *v, const uint8_t *bytes, size_t n);

/* Processes the received bytes; replies are appended to *out. Returns 1 and the contents of one
 * application message (*n may be 0), which stay valid until the next feed or trim; 0 when more
 * bytes are needed; or an error, after which *v is unusable: SPV_ERR_V1_PEER (the peer
 * uses v1), SPV_ERR_MAGIC (v1 on another network), SPV_ERR_V2_GARBAGE (no terminator within
 * 4,095 + 16 bytes after the key), SPV_ERR_LENGTH (a packet longer than max_contents),
 * SPV_ERR_V2_TAG (a packet that is not authentic), SPV_ERR_CRYPTO, SPV_ERR_NOMEM. */
int spv_v2_next(struct spv_v2 *v, struct spv_buffer *out, const uint8_t **contents, size_t *n);

/* Bytes received and not yet returned. */
size_t spv_v2_buffered(const struct spv_v2 *v);
/* True when the buffer is larger than twice these bytes plus SPV_V2_KEEP; trim frees the surplus,
 * and returned contents become invalid. */
#define SPV_V2_KEEP 4096 /* bytes that an idle connection keeps */
bool spv_v2_is_oversized(const struct spv_v2 *v);
void spv_v2_trim(struct spv_v2 *v);

/* A packet is written in four steps: begin, which returns where it starts; the caller appends the
 * contents; end, which appends what the packet needs behind them; seal, which encrypts it in place.
 * Until it is sealed it may be removed again. Sealing only once can_send is true, in the order in
 * which packets are sent. header: 0 or SPV_V2_IGNORE. end: 0 or SPV_ERR_NOMEM; seal: 0 or
 * SPV_ERR_CRYPTO. */
size_t spv_v2_packet_begin(struct spv_buffer *out);
int spv_v2_packet_end(struct spv_buffer *out);
int spv_v2_packet_seal(struct spv_v2 *v, struct spv_buffer *out, size_t start, uint8_t header);

#endif
