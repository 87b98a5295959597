/* Each side sends its key (64 bytes), garbage, the terminator of its garbage, and then packets: the
 * version packet, which authenticates the garbage, and messages. As soon as it
 * has the other side's key it may send all that follows its own.
 *
 *     responder waits for the first byte that is not v1's, then sends its key
 *     initiator sends its key, and its garbage after the first byte that is not v1's
 *     both:     64 bytes: shared secret, keys | garbage up to the terminator | packets
 */
#include "peer/transport/v2.h"

#include <stdlib.h>
#include <string.h>

#include "spv/error.h"
#include "util/hmac.h"

/* ours: limit of memory beyond the received bytes; an announced length allocates nothing */
#define AHEAD (256 * 1024)
#define MAX_GARBAGE_AND_TERMINATOR (SPV_V2_MAX_GARBAGE + SPV_V2_TERMINATOR)

enum spv_v2_first_bytes spv_v2_classify(const uint8_t *bytes, size_t n, const uint8_t magic[4])
{
    uint8_t v1[SPV_V1_PREFIX] = {magic[0], magic[1], magic[2], magic[3], 'v', 'e',
                                 'r',      's',      'i',      'o',      'n'};
    const size_t have = n < sizeof v1 ? n : sizeof v1;
    if (memcmp(bytes, v1, have) == 0)
        return have == sizeof v1 ? SPV_FIRST_BYTES_V1 : SPV_FIRST_BYTES_UNDECIDED;
    if (have == sizeof v1 && memcmp(bytes + 4, v1 + 4, sizeof v1 - 4) == 0)
        return SPV_FIRST_BYTES_V1_OTHER_NETWORK;
    return SPV_FIRST_BYTES_V2;
}

int spv_v2_init(struct spv_v2 *v, enum spv_v2_role role, const uint8_t magic[4],
                const struct spv_v2_context *ctx, const struct spv_v2_key *key,
                const uint8_t *garbage, size_t n_garbage)
{
    memset(v, 0, sizeof *v);
    if (n_garbage > SPV_V2_MAX_GARBAGE)
        return SPV_ERR_TOO_LONG;
    v->garbage = malloc(n_garbage + 1);
    if (!v->garbage)
        return SPV_ERR_NOMEM;
    if (n_garbage > 0)
        memcpy(v->garbage, garbage, n_garbage);
    v->n_garbage = n_garbage;
    v->role = role;
    v->max_contents = SPV_V2_MAX_CONTENTS;
    v->ctx = ctx;
    v->key = *key;
    memcpy(v->magic, magic, sizeof v->magic);
    spv_buffer_init(&v->in);
    return 0;
}

int spv_v2_init_random(struct spv_v2 *v, enum spv_v2_role role, const uint8_t magic[4],
                       const struct spv_v2_context *ctx, const struct spv_rng *rng)
{
    uint8_t garbage[SPV_V2_MAX_GARBAGE];
    struct spv_v2_key key;
    uint16_t n;
    memset(v, 0, sizeof *v);
    int rc = spv_v2_key_new(&key, ctx, rng);
    if (!rc) {
        rng->fill(rng->ctx, &n, sizeof n);
        n %= SPV_V2_MAX_GARBAGE + 1; /* a power of two: uniform */
        rng->fill(rng->ctx, garbage, n);
        rc = spv_v2_init(v, role, magic, ctx, &key, garbage, n);
    }
    spv_cleanse(&key, sizeof key);
    return rc;
}

void spv_v2_free(struct spv_v2 *v)
{
    free(v->garbage);
    if (v->in.data)
        spv_cleanse(v->in.data, v->in.cap);
    spv_buffer_free(&v->in);
    spv_v2_cipher_free(&v->send);
    spv_v2_cipher_free(&v->recv);
    spv_cleanse(v, sizeof *v);
}

int spv_v2_start(struct spv_v2 *v, struct spv_buffer *out)
{
    spv_buffer_put(out, v->key.encoded, sizeof v->key.encoded);
    v->key_sent = true;
    return out->error;
}

int spv_v2_feed(struct spv_v2 *v, const uint8_t *bytes, size_t n)
{
    struct spv_buffer *in = &v->in;
    spv_buffer_consume(in, v->off);
    v->off = 0;
    if (n > in->cap - in->len) {
        const size_t need = in->len + n;
        const size_t twice = 2 * in->cap;
        const size_t cap = twice > need + AHEAD ? need + AHEAD : twice > need ? twice : need;
        const int rc = spv_buffer_resize(in, cap);
        if (rc)
            return rc;
    }
    spv_buffer_put(in, bytes, n);
    return in->error;
}

size_t spv_v2_buffered(const struct spv_v2 *v)
{
    return v->in.len - v->off;
}

bool spv_v2_is_oversized(const struct spv_v2 *v)
{
    return v->in.cap > 2 * spv_v2_buffered(v) + SPV_V2_KEEP;
}

void spv_v2_trim(struct spv_v2 *v)
{
    if (!spv_v2_is_oversized(v))
        return;
    spv_buffer_consume(&v->in, v->off);
    v->off = 0;
    (void)spv_buffer_resize(&v->in, v->in.len);
    v->in.error = 0; /* when shrinking fails, the buffer stays as it is */
}

size_t spv_v2_packet_begin(struct spv_buffer *out)
{
    const size_t start = out->len;
    (void)spv_buffer_extend(out, SPV_V2_LENGTH + SPV_V2_HEADER);
    return start;
}

int spv_v2_packet_end(struct spv_buffer *out)
{
    (void)spv_buffer_extend(out, SPV_AEAD_TAG);
    return out->error;
}

int spv_v2_packet_seal(struct spv_v2 *v, struct spv_buffer *out, size_t start, uint8_t header)
{
    const size_t n = out->len - start - SPV_V2_OVERHEAD;
    const int rc = spv_v2_seal(&v->send, out->data + start, n, header, v->garbage, v->n_garbage);
    free(v->garbage); /* the first packet has authenticated it */
    v->garbage = NULL;
    v->n_garbage = 0;
    return rc;
}

static void send_garbage(struct spv_v2 *v, struct spv_buffer *out)
{
    if (!v->garbage_sent)
        spv_buffer_put(out, v->garbage, v->n_garbage);
    v->garbage_sent = true;
}

static int make_ciphers(struct spv_v2 *v, const struct spv_v2_secrets *s)
{
    const bool initiator = v->role == SPV_V2_INITIATOR;
    int rc = spv_v2_cipher_init(&v->send, SPV_AEAD_SEAL,
                                initiator ? s->initiator_length : s->responder_length,
                                initiator ? s->initiator_packet : s->responder_packet);
    if (!rc)
        rc = spv_v2_cipher_init(&v->recv, SPV_AEAD_OPEN,
                                initiator ? s->responder_length : s->initiator_length,
                                initiator ? s->responder_packet : s->initiator_packet);
    return rc;
}

static int send_version_packet(struct spv_v2 *v, struct spv_buffer *out)
{
    const size_t start = spv_v2_packet_begin(out);
    const int rc = spv_v2_packet_end(out);
    return rc ? rc : spv_v2_packet_seal(v, out, start, 0);
}

/* The peer's key is complete: derives the keys and sends the rest of our handshake. */
static int on_key(struct spv_v2 *v, struct spv_buffer *out)
{
    const bool initiator = v->role == SPV_V2_INITIATOR;
    struct spv_v2_secrets s = {0};
    uint8_t shared[32];
    int rc = spv_v2_ecdh(shared, v->ctx, &v->key, v->in.data + v->off, v->role);
    if (rc)
        goto out;
    rc = spv_v2_derive(&s, shared, v->magic);
    if (rc)
        goto out;
    rc = make_ciphers(v, &s);
    if (rc)
        goto out;
    memcpy(v->session_id, s.session_id, sizeof v->session_id);
    memcpy(v->terminator, initiator ? s.responder_terminator : s.initiator_terminator,
           sizeof v->terminator);
    send_garbage(v, out);
    spv_buffer_put(out, initiator ? s.initiator_terminator : s.responder_terminator,
                   SPV_V2_TERMINATOR);
    if (!v->version_by_caller)
        rc = send_version_packet(v, out);
out:
    spv_cleanse(shared, sizeof shared);
    spv_cleanse(&s, sizeof s);
    spv_cleanse(v->key.secret, sizeof v->key.secret);
    if (rc)
        return rc;
    v->off += SPV_ELLSWIFT_BYTES;
    v->can_send = true;
    v->state = SPV_V2_RECV_GARBAGE;
    return 1;
}

/* Each step below returns 1 when it went on to the next state, 0 when it needs more bytes. */

static int recv_key(struct spv_v2 *v, struct spv_buffer *out)
{
    switch (spv_v2_classify(v->in.data + v->off, spv_v2_buffered(v), v->magic)) {
    case SPV_FIRST_BYTES_UNDECIDED:
        return 0;
    case SPV_FIRST_BYTES_V1:
        return SPV_ERR_V1_PEER;
    case SPV_FIRST_BYTES_V1_OTHER_NETWORK:
        return SPV_ERR_MAGIC;
    case SPV_FIRST_BYTES_V2:
        break;
    }
    if (!v->key_sent && spv_v2_start(v, out) < 0)
        return out->error;
    if (v->role == SPV_V2_INITIATOR)
        send_garbage(v, out);
    return spv_v2_buffered(v) < SPV_ELLSWIFT_BYTES ? 0 : on_key(v, out);
}

static int recv_garbage(struct spv_v2 *v)
{
    const uint8_t *bytes = v->in.data + v->off;
    const size_t have = spv_v2_buffered(v);
    for (; v->n_peer_garbage + SPV_V2_TERMINATOR <= have; v->n_peer_garbage++) {
        if (v->n_peer_garbage > SPV_V2_MAX_GARBAGE)
            return SPV_ERR_V2_GARBAGE;
        if (memcmp(bytes + v->n_peer_garbage, v->terminator, SPV_V2_TERMINATOR) == 0) {
            v->has_aad = true;
            v->state = SPV_V2_RECV_VERSION;
            return 1;
        }
    }
    return have >= MAX_GARBAGE_AND_TERMINATOR ? SPV_ERR_V2_GARBAGE : 0;
}

/* One packet: 1 and its header and contents, 0 when it is not complete. */
static int recv_packet(struct spv_v2 *v, uint8_t *header, uint8_t **contents, size_t *n)
{
    /* The first packet authenticates the garbage, which is kept before it until then. */
    const size_t skip = v->has_aad ? v->n_peer_garbage + SPV_V2_TERMINATOR : 0;
    uint8_t *aad = v->in.data + v->off;
    uint8_t *packet = aad + skip;
    const size_t have = spv_v2_buffered(v) - skip;
    if (have < SPV_V2_LENGTH)
        return 0;
    *n = spv_v2_open_length(&v->recv, packet);
    if (*n > v->max_contents)
        return SPV_ERR_LENGTH;
    if (have < SPV_V2_OVERHEAD + *n)
        return 0;
    const int rc = spv_v2_open(&v->recv, packet + SPV_V2_LENGTH, *n, header, aad,
                               v->has_aad ? v->n_peer_garbage : 0);
    if (rc)
        return SPV_ERR_V2_TAG;
    v->has_aad = false;
    v->off += skip + SPV_V2_OVERHEAD + *n;
    *contents = packet + SPV_V2_LENGTH + SPV_V2_HEADER;
    return 1;
}

int spv_v2_next(struct spv_v2 *v, struct spv_buffer *out, const uint8_t **contents, size_t *n)
{
    int rc = 1;
    if (v->state == SPV_V2_RECV_KEY)
        rc = spv_v2_buffered(v) > 0 ? recv_key(v, out) : 0;
    if (rc == 1 && v->state == SPV_V2_RECV_GARBAGE)
        rc = recv_garbage(v);
    while (rc == 1) {
        uint8_t header = 0;
        uint8_t *text = NULL;
        rc = recv_packet(v, &header, &text, n);
        if (rc != 1)
            break;
        if (header & SPV_V2_IGNORE)
            continue; /* a decoy */
        if (v->state == SPV_V2_RECV_VERSION) {
            v->state = SPV_V2_READY; /* its contents are for later versions of the BIP */
        } else {
            *contents = text;
            return 1;
        }
    }
    return rc;
}
