/* reject (BIP61): why a message was refused. Its texts are for users: a long reason is truncated,
 * and both end at a NUL. The hash of a block or transaction may follow. */
#include <string.h>

#include "spv/error.h"
#include "wire/commands.h"

#define HASH 32

/* A string of at most `max` bytes, truncated to `keep`. */
static void read_text(char *out, struct spv_cursor *c, size_t max, size_t keep)
{
    size_t n = spv_cursor_count(c, max, 1);
    const uint8_t *text = spv_cursor_take(c, n);

    if (!text)
        return;
    for (size_t i = 0; i < n && i < keep && text[i] != '\0'; i++)
        out[i] = (char)text[i];
}

static int reject_decode(struct spv_msg *out, struct spv_cursor *c, uint32_t version,
                         struct spv_arena *arena)
{
    struct spv_msg_reject *reject = &out->u.reject;

    (void)version;
    (void)arena;
    read_text(reject->command, c, SPV_COMMAND_SIZE, SPV_COMMAND_SIZE);
    reject->code = spv_cursor_u8(c);
    read_text(reject->reason, c, SPV_MAX_PAYLOAD, SPV_MAX_REJECT_REASON);
    if (spv_cursor_left(c) > 0) {
        reject->has_hash = true;
        spv_cursor_copy(c, reject->hash.b, HASH);
    }
    return 0;
}

static int reject_check(const struct spv_msg *msg, uint32_t version)
{
    const struct spv_msg_reject *reject = &msg->u.reject;

    (void)version;
    if (!memchr(reject->command, '\0', sizeof reject->command) ||
        !memchr(reject->reason, '\0', sizeof reject->reason))
        return SPV_ERR_TOO_LONG;
    return 0;
}

static size_t reject_size(const struct spv_msg *msg, uint32_t version)
{
    const struct spv_msg_reject *reject = &msg->u.reject;
    size_t command = strlen(reject->command);
    size_t reason = strlen(reject->reason);

    (void)version;
    return spv_compact_size(command) + command + 1 + spv_compact_size(reason) + reason +
           (reject->has_hash ? HASH : 0);
}

static void reject_encode(struct spv_buffer *b, const struct spv_msg *msg, uint32_t version)
{
    const struct spv_msg_reject *reject = &msg->u.reject;
    size_t command = strlen(reject->command);
    size_t reason = strlen(reject->reason);

    (void)version;
    spv_buffer_compact(b, command);
    spv_buffer_put(b, reject->command, command);
    spv_buffer_u8(b, reject->code);
    spv_buffer_compact(b, reason);
    spv_buffer_put(b, reject->reason, reason);
    if (reject->has_hash)
        spv_buffer_put(b, reject->hash.b, HASH);
}

const struct spv_codec spv_codec_reject = {
    .decode = reject_decode, .check = reject_check, .size = reject_size, .encode = reject_encode};
