/* The frame's bytes follow its reference count in one allocation. */
#include "wire/shared_frame.h"

#include <stdlib.h>
#include <string.h>

#include "util/hash.h"

struct spv_shared_frame *spv_shared_frame_new(size_t payload)
{
    struct spv_shared_frame *f = malloc(sizeof *f + SPV_FRAME_HEADER + payload);
    if (f)
        *f = (struct spv_shared_frame){.refs = 1, .n = SPV_FRAME_HEADER + payload};
    return f;
}

void spv_shared_frame_seal(struct spv_shared_frame *f, const struct spv_netid *net,
                           enum spv_command command)
{
    const uint32_t length = (uint32_t)(f->n - SPV_FRAME_HEADER);
    const char *name = spv_command_name(command);
    uint8_t *at = f->bytes;
    uint8_t hash[32];

    memcpy(at, net->magic, 4);
    memset(at + 4, 0, SPV_COMMAND_SIZE);
    for (size_t i = 0; i < SPV_COMMAND_SIZE && name[i] != '\0'; i++)
        at[4 + i] = (uint8_t)name[i];
    for (size_t i = 0; i < 4; i++)
        at[4 + SPV_COMMAND_SIZE + i] = (uint8_t)(length >> (8 * i));
    spv_sha256d(hash, at + SPV_FRAME_HEADER, length);
    memcpy(at + SPV_FRAME_HEADER - 4, hash, 4);
}

struct spv_shared_frame *spv_shared_frame_ref(struct spv_shared_frame *f)
{
    f->refs++;
    return f;
}

void spv_shared_frame_unref(struct spv_shared_frame *f)
{
    if (f && --f->refs == 0)
        free(f);
}
