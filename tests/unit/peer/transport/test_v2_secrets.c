/* Secrets are overwritten where they were, on the stack, too: the linker redirects spv_cleanse and
 * free of the library to this file, which looks at what is overwritten and at what is freed. */
#include "peer/transport/v2.h"

#include "spv/error.h"
#include "util/hmac.h"
#include "v2_fixture.h"

void __real_spv_cleanse(void *p, size_t n);
void __wrap_spv_cleanse(void *p, size_t n);
void __real_free(void *p);
void __wrap_free(void *p);

static uint8_t cleansed[1 << 20]; /* all that was overwritten since the last clear */
static size_t n_cleansed;

static struct {
    const void *block; /* NULL: none */
    size_t cap;
    const char *secret;
    bool freed, held; /* the secret was still in it */
} watched;

static size_t count_in(const void *memory, size_t n, const void *secret, size_t len)
{
    const uint8_t *bytes = memory;
    size_t found = 0;
    for (size_t i = 0; i + len <= n; i++)
        found += memcmp(bytes + i, secret, len) == 0;
    return found;
}

void __wrap_spv_cleanse(void *p, size_t n)
{
    assert_true(n <= sizeof cleansed - n_cleansed);
    memcpy(cleansed + n_cleansed, p, n);
    n_cleansed += n;
    __real_spv_cleanse(p, n);
}

void __wrap_free(void *p)
{
    if (p && p == watched.block) {
        watched.held = count_in(p, watched.cap, watched.secret, strlen(watched.secret)) > 0;
        watched.freed = true;
        watched.block = NULL;
    }
    __real_free(p);
}

/* How often these bytes were overwritten since the last clear. */
static size_t overwritten(const void *secret, size_t n)
{
    return count_in(cleansed, n_cleansed, secret, n);
}

static void clear(void)
{
    memset(cleansed, 0, n_cleansed);
    n_cleansed = 0;
}

static void begin(struct side *s, enum spv_v2_role role)
{
    *s = (struct side){.messages = 0};
    spv_buffer_init(&s->out);
    assert_int_equal(spv_v2_init_random(&s->v, role, regtest, keys, &rng), 0);
}

/* The sides exchange what they have until both are quiet. */
static void join(struct side *a, struct side *b)
{
    assert_int_equal(spv_v2_start(&a->v, &a->out), 0);
    while (a->out.len > 0 || b->out.len > 0) {
        struct spv_buffer x = a->out, y = b->out;
        spv_buffer_init(&a->out);
        spv_buffer_init(&b->out);
        assert_int_equal(receive(b, x.data, x.len, 4096), 0);
        assert_int_equal(receive(a, y.data, y.len, 4096), 0);
        spv_buffer_free(&x);
        spv_buffer_free(&y);
    }
    assert_int_equal(a->v.state, SPV_V2_READY);
    assert_int_equal(b->v.state, SPV_V2_READY);
}

static void fill_pattern(void *ctx, void *out, size_t n)
{
    memset(out, *(const uint8_t *)ctx, n);
}

static void the_seed_of_the_context_is_overwritten(void **state)
{
    uint8_t pattern = 0x5a, seed[32];
    const struct spv_rng fixed = {.fill = fill_pattern, .ctx = &pattern};
    struct spv_v2_context *ctx;
    (void)state;
    memset(seed, pattern, sizeof seed);
    clear();
    assert_int_equal(spv_v2_context_new(&ctx, &fixed), 0);
    assert_int_equal(overwritten(seed, sizeof seed), 1);
    spv_v2_context_free(ctx);
}

static void the_drawn_key_is_overwritten_once_it_is_stored(void **state)
{
    struct side a;
    (void)state;
    clear();
    begin(&a, SPV_V2_INITIATOR);
    assert_int_equal(overwritten(a.v.key.secret, 32), 1);
    side_free(&a);
}

/* The intermediate values of BIP324's key derivation. */
static void a_handshake_overwrites_all_that_it_derives_from(void **state)
{
    static const char salt[] = "bitcoin_v2_shared_secret\xfa\xbf\xb5\xda";
    uint8_t shared[32], prk[32], secret[32], encodings[2 * SPV_ELLSWIFT_BYTES];
    struct spv_v2_secrets s;
    struct side a, b;
    (void)state;
    begin(&a, SPV_V2_INITIATOR);
    begin(&b, SPV_V2_RESPONDER);
    memcpy(secret, a.v.key.secret, sizeof secret);
    memcpy(encodings, a.v.key.encoded, SPV_ELLSWIFT_BYTES);
    memcpy(encodings + SPV_ELLSWIFT_BYTES, b.v.key.encoded, SPV_ELLSWIFT_BYTES);
    assert_int_equal(spv_v2_ecdh(shared, keys, &a.v.key, b.v.key.encoded, SPV_V2_INITIATOR), 0);
    assert_int_equal(spv_hkdf_sha256_extract(prk, salt, sizeof salt - 1, shared, 32), 0);
    assert_int_equal(spv_v2_derive(&s, shared, regtest), 0);
    clear();
    join(&a, &b);
    /* once a side */
    assert_int_equal(overwritten(shared, sizeof shared), 2);
    assert_int_equal(overwritten(prk, sizeof prk), 2);
    assert_int_equal(overwritten(s.initiator_packet, SPV_AEAD_KEY), 2);
    assert_int_equal(overwritten(s.responder_packet, SPV_AEAD_KEY), 2);
    /* and in the copies from which the length streams are made */
    assert_int_equal(overwritten(s.initiator_length, SPV_AEAD_KEY), 4);
    assert_int_equal(overwritten(s.responder_length, SPV_AEAD_KEY), 4);
    assert_int_equal(overwritten(secret, sizeof secret), 1);
#ifndef SPV_HAVE_ELLSWIFT
    assert_int_equal(overwritten(encodings, sizeof encodings), 2); /* before the shared x */
#endif
    side_free(&a);
    side_free(&b);
}

/* After 224 packets both keys are replaced. */
static void a_rekey_overwrites_the_keys_on_their_way(void **state)
{
    static const uint8_t shared[32] = {1, 2, 3};
    static const uint8_t nonce[SPV_AEAD_NONCE] = {0xff, 0xff, 0xff, 0xff};
    uint8_t next_length[SPV_AEAD_KEY], next_packet[SPV_AEAD_KEY], packet[SPV_V2_OVERHEAD];
    struct spv_v2_secrets s;
    struct spv_v2_cipher c;
    struct spv_aead aead;
    (void)state;
    assert_int_equal(spv_v2_derive(&s, shared, regtest), 0);
    assert_int_equal(spv_v2_cipher_init(&c, SPV_AEAD_SEAL, s.initiator_length, s.initiator_packet),
                     0);
    memcpy(next_length, c.length_stream + SPV_V2_REKEY_INTERVAL * SPV_V2_LENGTH, SPV_AEAD_KEY);
    assert_int_equal(spv_aead_init(&aead, SPV_AEAD_SEAL, s.initiator_packet), 0);
    assert_int_equal(spv_aead_stream(&aead, next_packet, sizeof next_packet, nonce), 0);
    spv_aead_free(&aead);
    clear();
    for (int i = 0; i < SPV_V2_REKEY_INTERVAL; i++) {
        assert_int_equal(overwritten(next_packet, SPV_AEAD_KEY), 0);
        assert_int_equal(spv_v2_seal(&c, packet, 0, 0, NULL, 0), 0);
    }
    assert_int_equal(overwritten(next_packet, SPV_AEAD_KEY), 1);
    assert_int_equal(overwritten(next_length, SPV_AEAD_KEY), 1);
    spv_v2_cipher_free(&c);
}

static void received_plaintext_is_overwritten_before_it_is_freed(void **state)
{
    static const char text[] = "a payload that was encrypted on the wire";
    struct side a, b;
    (void)state;
    begin(&a, SPV_V2_INITIATOR);
    begin(&b, SPV_V2_RESPONDER);
    join(&a, &b);
    side_put(&a, text, sizeof text - 1, 0);
    assert_int_equal(receive(&b, a.out.data, a.out.len, a.out.len), 0);
    assert_int_equal(b.messages, 1);
    assert_int_equal(count_in(b.v.in.data, b.v.in.cap, text, sizeof text - 1), 1);
    watched.block = b.v.in.data;
    watched.cap = b.v.in.cap;
    watched.secret = text;
    side_free(&b);
    assert_true(watched.freed);
    assert_false(watched.held);
    side_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_seed_of_the_context_is_overwritten),
        cmocka_unit_test(the_drawn_key_is_overwritten_once_it_is_stored),
        cmocka_unit_test(a_handshake_overwrites_all_that_it_derives_from),
        cmocka_unit_test(a_rekey_overwrites_the_keys_on_their_way),
        cmocka_unit_test(received_plaintext_is_overwritten_before_it_is_freed),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
