/* Truncated bodies lie at the end of their own allocation, so that a sanitizer sees a read too far.
 */
#include "unit/wire/golden.h"

static size_t body_of(uint8_t *out, const struct golden *golden)
{
    return unhex(out, GOLDEN_MAX, golden->body);
}

void golden_decode_and_encode(const struct golden *golden, size_t n)
{
    struct spv_arena arena = {0};

    for (size_t i = 0; i < n; i++) {
        uint8_t body[GOLDEN_MAX];
        size_t len = body_of(body, &golden[i]);
        struct spv_msg msg = {.command = golden[i].command};
        struct spv_buffer b;

        memset(&msg.u, 0xa5, sizeof msg.u); /* decode must not rely on what was there */
        assert_int_equal(spv_msg_decode(&msg, body, len, golden[i].version, &arena), 0);
        golden[i].check(&msg);
        spv_buffer_init(&b);
        assert_int_equal(spv_msg_size(&msg, golden[i].version), len);
        assert_int_equal(spv_msg_encode(&b, &msg, golden[i].version), 0);
        assert_int_equal(b.len, len);
        if (len > 0)
            assert_memory_equal(b.data, body, len);
        spv_buffer_free(&b);
    }
    spv_arena_free(&arena);
}

void golden_refuse_truncations(const struct golden *golden, size_t n)
{
    struct spv_arena arena = {0};

    for (size_t i = 0; i < n; i++) {
        uint8_t body[GOLDEN_MAX];
        size_t len = body_of(body, &golden[i]);

        for (size_t cut = 0; cut < len; cut++) {
            struct spv_msg msg = {.command = golden[i].command};
            uint8_t *exact = malloc(cut + 1);
            assert_non_null(exact);
            memcpy(exact + 1, body, cut);
            assert_int_equal(spv_msg_decode(&msg, exact + 1, cut, golden[i].version, &arena),
                             SPV_ERR_SHORT);
            free(exact);
        }
    }
    spv_arena_free(&arena);
}

void golden_refuse_trailing(const struct golden *golden, size_t n)
{
    struct spv_arena arena = {0};

    for (size_t i = 0; i < n; i++) {
        uint8_t body[GOLDEN_MAX + 1];
        size_t len = body_of(body, &golden[i]);
        struct spv_msg msg = {.command = golden[i].command};
        /* After a reject's texts, what follows is taken for a hash that ends too early. */
        int expected = golden[i].command == SPV_CMD_REJECT ? SPV_ERR_SHORT : SPV_ERR_TRAILING;

        body[len] = 0;
        assert_int_equal(spv_msg_decode(&msg, body, len + 1, golden[i].version, &arena), expected);
    }
    spv_arena_free(&arena);
}

int decode_hex(struct spv_msg *out, enum spv_command command, const char *hex,
               struct spv_arena *arena)
{
    static uint8_t body[GOLDEN_MAX];
    size_t n = unhex(body, sizeof body, hex);

    *out = (struct spv_msg){.command = command};
    return spv_msg_decode(out, body, n, SPV_PROTOCOL_VERSION, arena);
}
