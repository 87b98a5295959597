/* A truncated body ends where its allocation ends, so that a sanitizer finds a read beyond it. */
#include "support/golden.h"

static size_t body_of(uint8_t *out, const struct golden *golden)
{
    return unhex(out, GOLDEN_MAX, golden->body);
}

void decodes_the_fields_and_encodes_the_bytes(void **list)
{
    const struct golden_list *all = *list;
    const struct golden *golden = all->at;
    struct spv_arena arena = {0};

    for (size_t i = 0; i < all->n; i++) {
        uint8_t body[GOLDEN_MAX];
        size_t len = body_of(body, &golden[i]);
        struct spv_msg msg = {.command = golden[i].command};

        memset(&msg.u, 0xa5, sizeof msg.u); /* decode must not depend on the former contents */
        assert_int_equal(spv_msg_decode(&msg, body, len, golden[i].version, &arena), 0);
        golden[i].check(&msg);
        assert_true(msg_encodes_to(&msg, golden[i].version, body, len));
    }
    spv_arena_free(&arena);
}

void refuses_every_truncation(void **list)
{
    const struct golden_list *all = *list;
    const struct golden *golden = all->at;
    struct spv_arena arena = {0};

    for (size_t i = 0; i < all->n; i++) {
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

void refuses_bytes_after_the_end(void **list)
{
    const struct golden_list *all = *list;
    const struct golden *golden = all->at;
    struct spv_arena arena = {0};

    for (size_t i = 0; i < all->n; i++) {
        uint8_t body[GOLDEN_MAX + 1];
        size_t len = body_of(body, &golden[i]);
        struct spv_msg msg = {.command = golden[i].command};
        /* After a reject's texts, further bytes are read as a hash, which is too short here. */
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
