/* A frame is checked by its 24-byte header alone, the cheapest check first, so that the payload of
 * an invalid frame is neither awaited nor stored. */
#include "wire/frame.h"

#include <string.h>

#include "spv/error.h"
#include "util/cursor.h"
#include "util/hash.h"

/* Printable ASCII, then NULs to the end. */
static bool is_command(const uint8_t command[SPV_COMMAND_SIZE])
{
    size_t i = 0;

    while (i < SPV_COMMAND_SIZE && command[i] >= ' ' && command[i] <= '~')
        i++;
    while (i < SPV_COMMAND_SIZE && command[i] == '\0')
        i++;
    return i == SPV_COMMAND_SIZE;
}

int spv_frame_read_name(struct spv_frame *out, const uint8_t name[SPV_COMMAND_SIZE])
{
    if (!is_command(name))
        return SPV_ERR_COMMAND;
    memcpy(out->name, name, SPV_COMMAND_SIZE);
    out->name[SPV_COMMAND_SIZE] = '\0';
    out->command = spv_command_find(out->name);
    return 0;
}

int spv_frame_read(struct spv_frame *out, const uint8_t in[SPV_FRAME_HEADER],
                   const struct spv_netid *net, uint32_t max_payload)
{
    struct spv_cursor c = spv_cursor_over(in, SPV_FRAME_HEADER);
    const uint8_t *magic = spv_cursor_take(&c, sizeof net->magic);
    const uint8_t *command = spv_cursor_take(&c, SPV_COMMAND_SIZE);

    if (memcmp(magic, net->magic, sizeof net->magic) != 0)
        return SPV_ERR_MAGIC;
    if (spv_frame_read_name(out, command) < 0)
        return SPV_ERR_COMMAND;
    out->length = spv_cursor_u32(&c);
    spv_cursor_copy(&c, out->checksum, sizeof out->checksum);
    if (out->length > max_payload || out->length > spv_command_max_payload(out->command))
        return SPV_ERR_LENGTH;
    return 0;
}

int spv_frame_check(const struct spv_frame *frame, const uint8_t *payload)
{
    uint8_t hash[32];

    spv_sha256d(hash, payload, frame->length);
    return memcmp(hash, frame->checksum, sizeof frame->checksum) == 0 ? 0 : SPV_ERR_CHECKSUM;
}
