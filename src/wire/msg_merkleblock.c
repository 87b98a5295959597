/* merkleblock (BIP37). The hashes and flag bits describe a depth-first traversal of the merkle
 * tree; here their counts are compared with the size of the tree, which bounds the traversal. */
#include "spv/error.h"
#include "wire/commands.h"

_Static_assert(sizeof(struct spv_hash256) == 32, "hashes are used in place");

/* Bytes for a bit of every node of a tree of `total` leaves. */
static size_t max_flag_bytes(uint32_t total)
{
    size_t nodes = 1;

    for (size_t width = total; width > 1; width = (width + 1) / 2)
        nodes += width;
    return (nodes + 7) / 8;
}

static int check_counts(const struct spv_msg_merkleblock *m)
{
    /* An empty tree has no root. */
    if (m->total == 0 || m->n_hashes == 0)
        return SPV_ERR_MALFORMED;
    if (m->total > SPV_MAX_BLOCK_TXS || m->n_hashes > m->total)
        return SPV_ERR_COUNT;
    /* The traversal reads a bit at each node, and a hash only where it reads a bit. */
    if (m->n_flags > max_flag_bytes(m->total))
        return SPV_ERR_COUNT;
    return m->n_flags * 8 < m->n_hashes ? SPV_ERR_MALFORMED : 0;
}

static int merkleblock_decode(struct spv_msg *out, struct spv_cursor *c, uint32_t version,
                              struct spv_arena *arena)
{
    struct spv_msg_merkleblock *m = &out->u.merkleblock;
    uint8_t header[SPV_HEADER_SIZE];

    (void)version;
    (void)arena;
    spv_cursor_copy(c, header, sizeof header);
    spv_header_decode(&m->header, header);
    m->total = spv_cursor_u32(c);
    m->n_hashes = spv_cursor_count(c, SPV_MAX_BLOCK_TXS, sizeof *m->hashes);
    m->hashes = (const struct spv_hash256 *)spv_cursor_take(c, m->n_hashes * sizeof *m->hashes);
    m->n_flags = spv_cursor_count(c, max_flag_bytes(SPV_MAX_BLOCK_TXS), 1);
    m->flags = spv_cursor_take(c, m->n_flags);
    if (c->error == 0)
        spv_cursor_fail(c, check_counts(m));
    return 0;
}

static int merkleblock_check(const struct spv_msg *msg, uint32_t version)
{
    int rc = check_counts(&msg->u.merkleblock);

    (void)version;
    return rc == SPV_ERR_COUNT ? SPV_ERR_TOO_LONG : rc == 0 ? 0 : SPV_ERR_INVALID;
}

static size_t merkleblock_size(const struct spv_msg *msg, uint32_t version)
{
    const struct spv_msg_merkleblock *m = &msg->u.merkleblock;

    (void)version;
    return SPV_HEADER_SIZE + 4 + spv_compact_size(m->n_hashes) + m->n_hashes * sizeof *m->hashes +
           spv_compact_size(m->n_flags) + m->n_flags;
}

static void merkleblock_encode(struct spv_buffer *b, const struct spv_msg *msg, uint32_t version)
{
    const struct spv_msg_merkleblock *m = &msg->u.merkleblock;
    uint8_t header[SPV_HEADER_SIZE];

    (void)version;
    spv_header_encode(header, &m->header);
    spv_buffer_put(b, header, sizeof header);
    spv_buffer_u32(b, m->total);
    spv_buffer_compact(b, m->n_hashes);
    spv_buffer_put(b, m->hashes, m->n_hashes * sizeof *m->hashes);
    spv_buffer_compact(b, m->n_flags);
    spv_buffer_put(b, m->flags, m->n_flags);
}

const struct spv_codec spv_codec_merkleblock = {.decode = merkleblock_decode,
                                                .check = merkleblock_check,
                                                .size = merkleblock_size,
                                                .encode = merkleblock_encode};
