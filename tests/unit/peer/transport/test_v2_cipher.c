/* The packets of BIP324: encoding vectors, new keys after each 224 packets, and what is refused. */
#include "peer/transport/v2_cipher.h"

#include <openssl/crypto.h>

#include "csv_vectors.h"
#include "peer/transport/v2_keys.h"
#include "spv/error.h"
#include "spv/network.h"
#include "support/unit.h"
#include "util/hash.h"
#include "v2_vectors.h"

/* Both directions of a connection between the holder of the keys and its other side. */
struct ends {
    struct spv_v2_cipher seal, open;
};

static void ends_init(struct ends *e, const struct spv_v2_secrets *s, bool initiator)
{
    const uint8_t *length = initiator ? s->initiator_length : s->responder_length;
    const uint8_t *packet = initiator ? s->initiator_packet : s->responder_packet;
    assert_int_equal(spv_v2_cipher_init(&e->seal, SPV_AEAD_SEAL, length, packet), 0);
    assert_int_equal(spv_v2_cipher_init(&e->open, SPV_AEAD_OPEN, length, packet), 0);
}

static void ends_free(struct ends *e)
{
    spv_v2_cipher_free(&e->seal);
    spv_v2_cipher_free(&e->open);
}

static void some_secrets(struct spv_v2_secrets *s)
{
    static const uint8_t shared[32] = {1, 2, 3};
    static const uint8_t magic[4] = {0xf9, 0xbe, 0xb4, 0xd9};
    assert_int_equal(spv_v2_derive(s, shared, magic), 0);
}

/* Seals n bytes 0, 1, 2 ... at *packet, which holds SPV_V2_OVERHEAD more. */
static void seal(struct ends *e, uint8_t *packet, size_t n, uint8_t header)
{
    for (size_t i = 0; i < n; i++)
        packet[SPV_V2_LENGTH + SPV_V2_HEADER + i] = (uint8_t)i;
    assert_int_equal(spv_v2_seal(&e->seal, packet, n, header, NULL, 0), 0);
}

static int open(struct ends *e, uint8_t *packet, size_t n, uint8_t *header)
{
    if (spv_v2_open_length(&e->open, packet) != n)
        return SPV_ERR_LENGTH;
    return spv_v2_open(&e->open, packet + SPV_V2_LENGTH, n, header, NULL, 0);
}

static void fill_zeros(void *ctx, void *out, size_t n)
{
    (void)ctx;
    memset(out, 0, n);
}

static void packets_past_two_changes_of_key_are_the_reference_s(void **state)
{
    const struct spv_rng zeros = {.fill = fill_zeros};
    struct spv_v2_context *keys;
    json_t *all = v2_vectors();
    size_t k, j;
    json_t *r, *hash;
    (void)state;
    if (!all)
        skip();
    assert_int_equal(json_array_size(json_object_get(all, "rekey")), 2);
    assert_int_equal(spv_v2_context_new(&keys, &zeros), 0);
    json_array_foreach(json_object_get(all, "rekey"), k, r)
    {
        for (int initiator = 0; initiator < 2; initiator++) {
            struct spv_v2_secrets s;
            struct ends e;
            json_t *side = json_object_get(r, initiator ? "initiator" : "responder");
            struct spv_v2_key key;
            uint8_t shared[32], magic[4], theirs[SPV_ELLSWIFT_BYTES];
            unhex(magic, sizeof magic, text_of(r, "magic"));
            unhex(key.secret, sizeof key.secret, text_of(r, "initiator_priv"));
            unhex(key.encoded, sizeof key.encoded, text_of(r, "initiator_ellswift"));
            unhex(theirs, sizeof theirs, text_of(r, "responder_ellswift"));
            assert_int_equal(spv_v2_ecdh(shared, keys, &key, theirs, SPV_V2_INITIATOR), 0);
            assert_int_equal(spv_v2_derive(&s, shared, magic), 0);
            ends_init(&e, &s, initiator);
            assert_int_equal(json_array_size(json_object_get(side, "packet_sha256")), 501);
            json_array_foreach(json_object_get(side, "packet_sha256"), j, hash)
            {
                const size_t n = j * 37 % 251;
                uint8_t packet[251 + SPV_V2_OVERHEAD], got[32], want[32], header;
                for (size_t i = 0; i < n; i++)
                    packet[SPV_V2_LENGTH + SPV_V2_HEADER + i] = (uint8_t)(j + i);
                assert_int_equal(
                    spv_v2_seal(&e.seal, packet, n, j % 5 == 4 ? SPV_V2_IGNORE : 0, NULL, 0), 0);
                spv_sha256(got, packet, n + SPV_V2_OVERHEAD);
                unhex(want, sizeof want, json_string_value(hash));
                assert_memory_equal(got, want, sizeof want);
                assert_int_equal(open(&e, packet, n, &header), 0);
                assert_int_equal(header, j % 5 == 4 ? SPV_V2_IGNORE : 0);
            }
            ends_free(&e);
        }
    }
    json_decref(all);
    spv_v2_context_free(keys);
}

/* A row of bip324-packet_encoding.csv, in the order of its fields. */
struct packet_row {
    size_t index; /* packets of no contents that go before */
    struct spv_v2_key ours;
    uint8_t theirs[SPV_ELLSWIFT_BYTES];
    bool initiator; /* our role */
    uint8_t *contents; /* owned: in_contents, repeated */
    size_t n;
    uint8_t *aad; /* owned */
    size_t aad_len;
    bool ignore;
    uint8_t x_ours[32], x_theirs[32], x_shared[32], shared_secret[32];
    struct spv_v2_secrets secrets;
    const char *packet; /* in the row: hexadecimal; empty when only the end is given */
    const char *packet_end;
};

static uint8_t *hex_field(size_t *n, char **row)
{
    const char *hex = csv_field(row);
    *n = strlen(hex) / 2;
    uint8_t *bytes = malloc(*n + 1);
    assert_non_null(bytes);
    unhex(bytes, *n, hex);
    return bytes;
}

static void row_parse(struct packet_row *r, char *at)
{
    size_t n;
    *r = (struct packet_row){.index = strtoul(csv_field(&at), NULL, 10)};
    unhex(r->ours.secret, 32, csv_field(&at));
    unhex(r->ours.encoded, SPV_ELLSWIFT_BYTES, csv_field(&at));
    unhex(r->theirs, SPV_ELLSWIFT_BYTES, csv_field(&at));
    r->initiator = strcmp(csv_field(&at), "1") == 0;
    uint8_t *once = hex_field(&n, &at);
    const size_t times = strtoul(csv_field(&at), NULL, 10);
    r->n = n * times;
    r->contents = malloc(r->n + 1);
    assert_non_null(r->contents);
    for (size_t i = 0; i < r->n; i++)
        r->contents[i] = once[i % n];
    free(once);
    r->aad = hex_field(&r->aad_len, &at);
    r->ignore = strcmp(csv_field(&at), "1") == 0;
    uint8_t *const mid[] = {r->x_ours,
                            r->x_theirs,
                            r->x_shared,
                            r->shared_secret,
                            r->secrets.initiator_length,
                            r->secrets.initiator_packet,
                            r->secrets.responder_length,
                            r->secrets.responder_packet};
    for (size_t i = 0; i < COUNT(mid); i++)
        unhex(mid[i], 32, csv_field(&at));
    uint8_t *a = r->secrets.initiator_terminator, *b = r->secrets.responder_terminator;
    unhex(r->initiator ? a : b, SPV_V2_TERMINATOR, csv_field(&at)); /* sent */
    unhex(r->initiator ? b : a, SPV_V2_TERMINATOR, csv_field(&at)); /* received */
    unhex(r->secrets.session_id, 32, csv_field(&at));
    r->packet = csv_field(&at);
    r->packet_end = csv_field(&at);
}

/* BIP324, "Shared secret computation": the x coordinate under the tagged hash. */
static void hash_x(uint8_t out[32], const struct packet_row *r)
{
    static const char tag[] = "bip324_ellswift_xonly_ecdh";
    uint8_t text[64 + 2 * SPV_ELLSWIFT_BYTES + 32];
    const uint8_t *a = r->initiator ? r->ours.encoded : r->theirs;
    const uint8_t *b = r->initiator ? r->theirs : r->ours.encoded;
    spv_sha256(text, tag, sizeof tag - 1);
    memcpy(text + 32, text, 32);
    memcpy(text + 64, a, SPV_ELLSWIFT_BYTES);
    memcpy(text + 64 + SPV_ELLSWIFT_BYTES, b, SPV_ELLSWIFT_BYTES);
    memcpy(text + 64 + 2 * SPV_ELLSWIFT_BYTES, r->x_shared, 32);
    spv_sha256(out, text, sizeof text);
}

static void check_keys(const struct packet_row *r)
{
    const struct spv_rng zeros = {.fill = fill_zeros};
    struct spv_v2_context *keys;
    struct spv_v2_secrets s;
    uint8_t bytes[32];
    spv_ellswift_decode(bytes, r->ours.encoded);
    assert_memory_equal(bytes, r->x_ours, 32);
    spv_ellswift_decode(bytes, r->theirs);
    assert_memory_equal(bytes, r->x_theirs, 32);
    hash_x(bytes, r);
    assert_memory_equal(bytes, r->shared_secret, 32);
    assert_int_equal(spv_v2_context_new(&keys, &zeros), 0);
    assert_int_equal(spv_v2_ecdh(bytes, keys, &r->ours, r->theirs,
                                 r->initiator ? SPV_V2_INITIATOR : SPV_V2_RESPONDER),
                     0);
    spv_v2_context_free(keys);
    assert_memory_equal(bytes, r->shared_secret, 32);
    assert_int_equal(spv_v2_derive(&s, r->shared_secret, spv_netid_get(SPV_MAINNET)->magic), 0);
    assert_memory_equal(&s, &r->secrets, sizeof s);
}

static void check_packet(const struct packet_row *r)
{
    const size_t size = r->n + SPV_V2_OVERHEAD, n_end = strlen(r->packet_end) / 2;
    struct ends e;
    uint8_t empty[SPV_V2_OVERHEAD], header = 0;
    uint8_t *packet = malloc(size), *want = malloc(size);
    assert_true(packet && want);
    ends_init(&e, &r->secrets, r->initiator);
    for (size_t i = 0; i < r->index; i++) {
        seal(&e, empty, 0, 0);
        assert_int_equal(open(&e, empty, 0, &header), 0);
    }
    memcpy(packet + SPV_V2_LENGTH + SPV_V2_HEADER, r->contents, r->n);
    assert_int_equal(
        spv_v2_seal(&e.seal, packet, r->n, r->ignore ? SPV_V2_IGNORE : 0, r->aad, r->aad_len), 0);
    assert_true(*r->packet || *r->packet_end);
    if (*r->packet) {
        assert_int_equal(unhex(want, size, r->packet), size);
        assert_memory_equal(packet, want, size);
    }
    assert_true(n_end <= size);
    unhex(want, size, r->packet_end);
    assert_memory_equal(packet + size - n_end, want, n_end);
    assert_int_equal(spv_v2_open_length(&e.open, packet), r->n);
    assert_int_equal(
        spv_v2_open(&e.open, packet + SPV_V2_LENGTH, r->n, &header, r->aad, r->aad_len), 0);
    assert_int_equal(header, r->ignore ? SPV_V2_IGNORE : 0);
    assert_memory_equal(packet + SPV_V2_LENGTH + SPV_V2_HEADER, r->contents, r->n);
    ends_free(&e);
    free(packet);
    free(want);
}

static void check_row(char *text)
{
    struct packet_row r;
    row_parse(&r, text);
    check_keys(&r);
    check_packet(&r);
    free(r.contents);
    free(r.aad);
}

/* The rows 1 and 2 of the file, one of each role, so that a tree without the shared data checks the
 * shared secret, too: two sides of ours would agree on any. */
static void keys_and_a_packet_of_each_role_are_those_of_the_bip(void **state)
{
    static const char *const rows[] = {
        "1,61062ea5071d800bbfd59e2e8b53d47d194b095ae5a4df04936b49772ef0d4d7,ec0adff25"
        "7bbfe500c188c80b4fdd640f6b45a482bbc15fc7cef5931deff0aa186f6eb9bba7b85dc4dcc2"
        "8b28722de1e3d9108b985e2967045668f66098e475b,a4a94dfce69b4a2a0a099313d10f9f7e"
        "7d649d60501c9e1d274c300e0d89aafaffffffffffffffffffffffffffffffffffffffffffff"
        "ffffffffffff8faf88d5,1,8e,1,,0,19e965bc20fc40614e33f2f82d4eeff81b5e7516b12a5"
        "c6c0d6053527eba0923,0c71defa3fafd74cb835102acd81490963f6b72d889495e06561375b"
        "d65f6ffc,4eb2bf85bd00939468ea2abb25b63bc642e3d1eb8b967fb90caa2d89e716050e,c6"
        "992a117f5edbea70c3f511d32d26b9798be4b81a62eaee1a5acaa8459a3592,9a6478b5fbab1"
        "f4dd2f78994b774c03211c78312786e602da75a0d1767fb55cf,7d0c7820ba6a4d29ce40baf2"
        "caa6035e04f1e1cefd59f3e7e59e9e5af84f1f51,17bc726421e4054ac6a1d54915085aaa766"
        "f4d3cf67bbd168e6080eac289d15e,9f0fc1c0e85fd9a8eee07e6fc41dba2ff54c7729068a23"
        "9ac97c37c524cca1c0,faef555dfcdb936425d84aba524758f3,02cb8ff24307a6e27de3b4e7"
        "ea3fa65b,ce72dffb015da62b0d0f5474cab8bc72605225b0cee3f62312ec680ec5f41ba5,75"
        "30d2a18720162ac09c25329a60d75adf36eda3c3,",
        "999,6f312890ec83bbb26798abaadd574684a53e74ccef7953b790fcc29409080246,a8785af"
        "31c029efc82fa9fc677d7118031358d7c6a25b5779a9b900e5ccd94aac97eb36a3c5dbcdb2ca"
        "5843cc4c2fe0aaa46d10eb3d233a81c3dde476da00eef,ffffffffffffffffffffffffffffff"
        "fffffffffffffffffffffffffefffffc2f000000000000000000000000000000000000000000"
        "0000000000000000000000,0,3eb1d4e98035cfd8eeb29bac969ed3824a,1,,0,d4b65faa965"
        "b31fe2d9faaeb806c6449a50fe3679555c3518f7a0885f572457f,edd1fd3e327ce90cc7a354"
        "2614289aee9682003e9cf7dcc9cf2ca9743be5aa0c,13c1bf6a3ca37da9ffc7f45ec1810fa93"
        "5c45454c03dc0144c1a9755bb52f81f,a6f79eb08243b6f65dbe42bfe4a6cf3f131d6963fa5d"
        "06c770a18f7b9c489b78,efc938c88c925459a9c837238716cfadfb1c3016f60d12923933710"
        "b5fcc9b55,91702f3cbd33b3c4a0b29b40548aea1ab01e43582db194afee70637d247aa036,7"
        "f457572e4260c611a6858acc8f325d87a3c8af8a59ce1da26ef6041f35715e8,1fe4d56334f5"
        "b0a5bd3c71ce4e338f40fc7e194925daa7ee6ce98aecf1766d7c,44737108aec5f8b6c1c277b"
        "31bbce9c1,ca29b3a35237f8212bd13ed187a1da2e,b0490e26111cb2d55bbff2ace00f7f644"
        "f64006539abb4e7513f05107bb10608,d78adbcba0eebfb15cfbd8142c84dc729d233d0dc11b"
        "1d851e46a114122b8d5b96b7d59317,",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char row[2048];
        (void)snprintf(row, sizeof row, "%s", rows[i]);
        check_row(row);
    }
}

static void keys_and_packets_are_those_of_the_bip_s_packet_encoding(void **state)
{
    char row[16384];
    size_t rows = 0;
    (void)state;
    FILE *f = csv_vectors("bip324-packet_encoding.csv");
    if (!f)
        skip();
    for (; fgets(row, sizeof row, f); rows++)
        check_row(row);
    (void)fclose(f);
    assert_int_equal(rows, 7);
}

static void every_flipped_bit_is_refused(void **state)
{
    struct spv_v2_secrets s;
    uint8_t packet[5 + SPV_V2_OVERHEAD], copy[sizeof packet], header;
    (void)state;
    some_secrets(&s);
    for (size_t bit = 0; bit < 8 * sizeof packet; bit++) {
        struct ends e;
        ends_init(&e, &s, true);
        seal(&e, packet, 5, 0);
        memcpy(copy, packet, sizeof copy);
        copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(open(&e, copy, 5, &header),
                         bit < 8 * SPV_V2_LENGTH ? SPV_ERR_LENGTH : SPV_ERR_CRYPTO);
        ends_free(&e);
    }
}

static void a_replayed_or_reordered_packet_is_refused(void **state)
{
    struct spv_v2_secrets s;
    struct ends e;
    uint8_t first[3 + SPV_V2_OVERHEAD], again[sizeof first], second[sizeof first], header;
    (void)state;
    some_secrets(&s);
    ends_init(&e, &s, true);
    seal(&e, first, 3, 0);
    seal(&e, second, 3, 0);
    memcpy(again, first, sizeof again);
    uint8_t early[sizeof second];
    memcpy(early, second, sizeof early);
    assert_int_equal(spv_v2_open(&e.open, early + SPV_V2_LENGTH, 3, &header, NULL, 0),
                     SPV_ERR_CRYPTO);
    assert_int_equal(open(&e, first, 3, &header), 0);
    assert_int_equal(spv_v2_open(&e.open, again + SPV_V2_LENGTH, 3, &header, NULL, 0),
                     SPV_ERR_CRYPTO);
    ends_free(&e);
}

static void aad_must_be_the_same_on_both_sides(void **state)
{
    static const uint8_t garbage[] = {1, 2, 3, 4};
    struct spv_v2_secrets s;
    uint8_t packet[SPV_V2_OVERHEAD], copy[SPV_V2_OVERHEAD], header;
    (void)state;
    some_secrets(&s);
    for (size_t n = 0; n <= sizeof garbage; n++) {
        struct ends e;
        ends_init(&e, &s, false);
        assert_int_equal(spv_v2_seal(&e.seal, packet, 0, 0, garbage, sizeof garbage), 0);
        memcpy(copy, packet, sizeof copy);
        assert_int_equal(spv_v2_open(&e.open, copy + SPV_V2_LENGTH, 0, &header, garbage, n),
                         n == sizeof garbage ? 0 : SPV_ERR_CRYPTO);
        ends_free(&e);
    }
}

static bool holds(const void *memory, size_t n, const uint8_t *secret, size_t len)
{
    const uint8_t *bytes = memory;
    for (size_t i = 0; i + len <= n; i++)
        if (memcmp(bytes + i, secret, len) == 0)
            return true;
    return false;
}

static void used_key_stream_and_old_keys_are_overwritten(void **state)
{
    struct spv_v2_secrets s;
    struct ends e;
    uint8_t stream[SPV_V2_REKEY_INTERVAL * SPV_V2_LENGTH + SPV_AEAD_KEY], packet[SPV_V2_OVERHEAD];
    (void)state;
    some_secrets(&s);
    ends_init(&e, &s, true);
    assert_false(holds(&e.seal, sizeof e.seal, s.initiator_length, SPV_AEAD_KEY));
    assert_false(holds(&e.seal, sizeof e.seal, s.initiator_packet, SPV_AEAD_KEY));
    memcpy(stream, e.seal.length_stream, sizeof stream);
    for (size_t i = 0; i < SPV_V2_REKEY_INTERVAL - 1; i++) {
        seal(&e, packet, 0, 0);
        assert_false(holds(e.seal.length_stream + i * SPV_V2_LENGTH, SPV_V2_LENGTH,
                           stream + i * SPV_V2_LENGTH, SPV_V2_LENGTH));
    }
    const uint8_t *next = stream + SPV_V2_REKEY_INTERVAL * SPV_V2_LENGTH;
    assert_true(holds(&e.seal, sizeof e.seal, next, SPV_AEAD_KEY));
    seal(&e, packet, 0, 0); /* the 224th: both keys change */
    assert_false(holds(&e.seal, sizeof e.seal, next, SPV_AEAD_KEY));
    ends_free(&e);
    for (size_t i = 0; i < sizeof e.seal; i++)
        assert_int_equal(((const uint8_t *)&e.seal)[i], 0);
    spv_v2_cipher_free(&e.open);
}

static size_t allocations; /* of OpenSSL */

static void *count_malloc(size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    allocations++;
    return malloc(n);
}

static void *count_realloc(void *p, size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    allocations++;
    return realloc(p, n);
}

static void plain_free(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    free(p);
}

static void packets_between_rekeys_allocate_nothing(void **state)
{
    static const uint8_t aad[] = {1, 2, 3};
    struct spv_v2_secrets s;
    struct ends e;
    uint8_t packet[100 + SPV_V2_OVERHEAD], header;
    (void)state;
    some_secrets(&s);
    ends_init(&e, &s, true);
    assert_true(allocations > 0);
    assert_int_equal(spv_v2_seal(&e.seal, packet, 100, 0, aad, sizeof aad), 0);
    assert_int_equal(spv_v2_open(&e.open, packet + SPV_V2_LENGTH, 100, &header, aad, sizeof aad),
                     0);
    const size_t before = allocations;
    for (int i = 0; i < SPV_V2_REKEY_INTERVAL - 2; i++) {
        seal(&e, packet, 100, 0);
        assert_int_equal(open(&e, packet, 100, &header), 0);
    }
    assert_int_equal(allocations, before);
    ends_free(&e);
}

/* The first handshake of bip324.json ("mainnet plain"), so that a tree without the shared data
 * checks each derived key, too. */
static void keys_are_derived_as_in_the_vector(void **state)
{
    (void)state;
    static const struct {
        size_t offset, n;
        const char *hex;
    } want[] = {
        {offsetof(struct spv_v2_secrets, initiator_length), 32,
         "e39f6e5f81bbc2c36364df2c74dd0ef16418c47d446b3f675712e88201a9e005"},
        {offsetof(struct spv_v2_secrets, responder_packet), 32,
         "96b332ef439ff4abb469b37019806008eda626790c7bf63cec7ad86a83943d9a"},
        {offsetof(struct spv_v2_secrets, initiator_terminator), 16,
         "8ed575f1b68b16cf0142c83a0d42e8e0"},
        {offsetof(struct spv_v2_secrets, responder_terminator), 16,
         "d8a927f14b53cfd2659f17f72f856b49"},
        {offsetof(struct spv_v2_secrets, session_id), 32,
         "6694315db463a3450dfe83d2b887c32e169ffaea4df45e324e6b72ec4da9a1a5"},
    };
    static const uint8_t magic[4] = {0xf9, 0xbe, 0xb4, 0xd9};
    struct spv_v2_secrets s;
    uint8_t shared[32], bytes[32];
    unhex(shared, sizeof shared,
          "671a3a72e1a16c67cf290f4cbab01dcd63ff858dc967e33e5c0b2213a5c2103e");
    assert_int_equal(spv_v2_derive(&s, shared, magic), 0);
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        unhex(bytes, want[i].n, want[i].hex);
        assert_memory_equal((const uint8_t *)&s + want[i].offset, bytes, want[i].n);
    }
}

int main(void)
{
    /* before OpenSSL's first allocation */
    if (CRYPTO_set_mem_functions(count_malloc, count_realloc, plain_free) != 1)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_derived_as_in_the_vector),
        cmocka_unit_test(packets_past_two_changes_of_key_are_the_reference_s),
        cmocka_unit_test(keys_and_a_packet_of_each_role_are_those_of_the_bip),
        cmocka_unit_test(keys_and_packets_are_those_of_the_bip_s_packet_encoding),
        cmocka_unit_test(every_flipped_bit_is_refused),
        cmocka_unit_test(a_replayed_or_reordered_packet_is_refused),
        cmocka_unit_test(aad_must_be_the_same_on_both_sides),
        cmocka_unit_test(packets_between_rekeys_allocate_nothing),
        cmocka_unit_test(used_key_stream_and_old_keys_are_overwritten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
