/* What is common to all messages: the arena, the order check - reserve - encode, the refusal of
 * trailing bytes, and the frame around a body. What differs is in the rows of table.c. */
#include "wire/codec.h"

#include <stdlib.h>
#include <string.h>

#include "spv/error.h"
#include "util/hash.h"
#include "wire/commands.h"

void spv_arena_free(struct spv_arena *a)
{
    free(a->mem);
    *a = (struct spv_arena){0};
}

void spv_arena_trim(struct spv_arena *a, size_t keep)
{
    if (a->cap > keep)
        spv_arena_free(a);
}

void *spv_arena_take(struct spv_arena *a, size_t n, size_t size)
{
    if (n > SIZE_MAX / size)
        return NULL;
    if (!a->mem || n * size > a->cap) {
        size_t cap = n == 0 ? size : n * size;
        spv_arena_free(a); /* the previous message's; not worth copying */
        a->mem = malloc(cap);
        if (!a->mem)
            return NULL;
        a->cap = cap;
    }
    return a->mem;
}

int spv_msg_decode(struct spv_msg *out, const uint8_t *payload, size_t n, uint32_t version,
                   struct spv_arena *arena)
{
    const struct spv_codec *codec = spv_command_lookup(out->command)->codec;
    struct spv_cursor c = spv_cursor_over(payload, n);

    memset(&out->u, 0, sizeof out->u);
    int rc = codec->decode(out, &c, version, arena);
    if (rc != 0)
        return rc;
    rc = spv_cursor_finish(&c);
    return rc == SPV_ERR_TRAILING && codec->open_ended ? 0 : rc;
}

size_t spv_msg_size(const struct spv_msg *msg, uint32_t version)
{
    return spv_command_lookup(msg->command)->codec->size(msg, version);
}

/* Everything that can fail about encoding; afterwards b has room for the body and `before` bytes.
 */
static int prepare(struct spv_buffer *b, const struct spv_msg *msg, uint32_t version, size_t before)
{
    const struct spv_command_row *row = spv_command_lookup(msg->command);

    if (b->error != 0)
        return b->error;
    if (version != 0 && version < row->since)
        return SPV_ERR_UNSUPPORTED;
    if (row->codec->check) {
        int rc = row->codec->check(msg, version);
        if (rc != 0)
            return rc;
    }
    size_t size = row->codec->size(msg, version);
    if (size > row->cap)
        return SPV_ERR_TOO_LONG;
    int rc = spv_buffer_reserve(b, before + size);
    b->error = 0; /* a message that found no room does not spoil those before it */
    return rc;
}

int spv_msg_encode(struct spv_buffer *b, const struct spv_msg *msg, uint32_t version)
{
    int rc = prepare(b, msg, version, 0);

    if (rc == 0)
        spv_command_lookup(msg->command)->codec->encode(b, msg, version);
    return rc;
}

/* The 12 bytes of a command: the table's name, or the caller's for one that we do not know. */
static int command_bytes(uint8_t out[SPV_COMMAND_SIZE], const struct spv_msg *msg)
{
    const char *name = msg->command == SPV_CMD_UNKNOWN ? msg->name : spv_command_name(msg->command);
    const char *end = memchr(name, '\0', SPV_COMMAND_SIZE + 1);

    if (!end || end == name)
        return SPV_ERR_INVALID;
    memset(out, 0, SPV_COMMAND_SIZE);
    for (size_t i = 0; i < (size_t)(end - name); i++) {
        if (name[i] < ' ' || name[i] > '~')
            return SPV_ERR_INVALID;
        out[i] = (uint8_t)name[i];
    }
    return 0;
}

int spv_msg_write(struct spv_buffer *b, const struct spv_msg *msg, const struct spv_netid *net,
                  uint32_t version)
{
    uint8_t command[SPV_COMMAND_SIZE];
    uint8_t hash[32];

    int rc = command_bytes(command, msg);
    if (rc != 0)
        return rc;
    rc = prepare(b, msg, version, SPV_FRAME_HEADER);
    if (rc != 0)
        return rc;

    size_t at = b->len;
    spv_buffer_put(b, net->magic, sizeof net->magic);
    spv_buffer_put(b, command, sizeof command);
    spv_buffer_u32(b, (uint32_t)spv_msg_size(msg, version));
    spv_buffer_u32(b, 0); /* checksum, when the body is there */
    spv_command_lookup(msg->command)->codec->encode(b, msg, version);
    uint8_t *frame = b->data + at;
    spv_sha256d(hash, frame + SPV_FRAME_HEADER, b->len - at - SPV_FRAME_HEADER);
    memcpy(frame + SPV_FRAME_HEADER - 4, hash, 4);
    return 0;
}
