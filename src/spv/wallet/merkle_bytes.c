/* Bitcoin Core serialises a CMerkleBlock alike in the message and in gettxoutproof, so the codec of
 * the message is that of proof files. */
#include <string.h>

#include "spv/error.h"
#include "spv/merkle.h"
#include "wire/codec.h"

static struct spv_msg to_message(const struct spv_msg_merkleblock *proof)
{
    return (struct spv_msg){.command = SPV_CMD_MERKLEBLOCK, .u.merkleblock = *proof};
}

int spv_merkle_parse(struct spv_msg_merkleblock *out, const uint8_t *bytes, size_t n)
{
    struct spv_msg msg = {.command = SPV_CMD_MERKLEBLOCK};
    struct spv_arena arena = {0}; /* unused: hashes and flags stay in place */
    int rc = spv_msg_decode(&msg, bytes, n, 0, &arena);

    if (rc < 0)
        return rc;
    *out = msg.u.merkleblock;
    return 0;
}

size_t spv_merkle_encoded_size(const struct spv_msg_merkleblock *proof)
{
    const struct spv_msg msg = to_message(proof);

    return spv_msg_size(&msg, 0);
}

int spv_merkle_encode(uint8_t *out, size_t cap, const struct spv_msg_merkleblock *proof)
{
    const struct spv_msg msg = to_message(proof);
    struct spv_buffer b;
    int rc;

    spv_buffer_init(&b);
    rc = spv_msg_encode(&b, &msg, 0);
    if (rc != 0)
        goto out;
    if (b.len > cap) {
        rc = SPV_ERR_TOO_LONG;
        goto out;
    }
    memcpy(out, b.data, b.len);
    rc = (int)b.len;
out:
    spv_buffer_free(&b);
    return rc;
}
