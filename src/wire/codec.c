/* The steps that all messages share: encoding checks a message, reserves space and then writes;
 * decoding rejects trailing bytes. The frame around a body is written here, too. The codecs
 * themselves are in the rows of commands.c. */
#include "wire/codec.h"

#include <string.h>

#include "spv/error.h"
#include "util/hash.h"
#include "wire/commands.h"

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

/* Everything about encoding that can fail; afterwards b has space for `before` bytes and the body.
 */
static int prepare_encode(struct spv_buffer *b, const struct spv_msg *msg, uint32_t version,
                          size_t before)
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
    if (size > row->max_payload)
        return SPV_ERR_TOO_LONG;
    int rc = spv_buffer_reserve(b, before + size);
    b->error = 0; /* the messages already in b stay valid */
    return rc;
}

int spv_msg_encode(struct spv_buffer *b, const struct spv_msg *msg, uint32_t version)
{
    int rc = prepare_encode(b, msg, version, 0);

    if (rc < 0)
        return rc;
    spv_command_lookup(msg->command)->codec->encode(b, msg, version);
    return 0;
}

int spv_msg_command(uint8_t out[SPV_COMMAND_SIZE], const struct spv_msg *msg)
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

    int rc = spv_msg_command(command, msg);
    if (rc != 0)
        return rc;
    rc = prepare_encode(b, msg, version, SPV_FRAME_HEADER);
    if (rc != 0)
        return rc;

    size_t at = b->len;
    spv_buffer_put(b, net->magic, sizeof net->magic);
    spv_buffer_put(b, command, sizeof command);
    spv_buffer_u32(b, (uint32_t)spv_msg_size(msg, version));
    spv_buffer_u32(b, 0); /* the checksum, once the body is written */
    spv_command_lookup(msg->command)->codec->encode(b, msg, version);
    uint8_t *frame = b->data + at;
    spv_sha256d(hash, frame + SPV_FRAME_HEADER, b->len - at - SPV_FRAME_HEADER);
    memcpy(frame + SPV_FRAME_HEADER - 4, hash, 4);
    return 0;
}
