/* feature (BIP434): an optional feature that the sender supports, by id, with data whose meaning is
 * the feature's. Neither is copied. */
#include "spv/error.h"
#include "wire/commands.h"

static bool is_valid(size_t id_len, size_t n)
{
    return id_len >= SPV_MIN_FEATURE_ID && id_len <= SPV_MAX_FEATURE_ID &&
           n <= SPV_MAX_FEATURE_DATA;
}

static int feature_decode(struct spv_msg *out, struct spv_cursor *c, uint32_t version,
                          struct spv_arena *arena)
{
    struct spv_msg_feature *feature = &out->u.feature;

    (void)version;
    (void)arena;
    feature->id_len = spv_cursor_count(c, SPV_MAX_FEATURE_ID, 1);
    feature->id = spv_cursor_take(c, feature->id_len);
    if (feature->id_len < SPV_MIN_FEATURE_ID)
        spv_cursor_fail(c, SPV_ERR_COUNT);
    feature->n = spv_cursor_count(c, SPV_MAX_FEATURE_DATA, 1);
    feature->data = spv_cursor_take(c, feature->n);
    return 0;
}

static int feature_check(const struct spv_msg *msg, uint32_t version)
{
    (void)version;
    return is_valid(msg->u.feature.id_len, msg->u.feature.n) ? 0 : SPV_ERR_INVALID;
}

static size_t feature_size(const struct spv_msg *msg, uint32_t version)
{
    const struct spv_msg_feature *feature = &msg->u.feature;

    (void)version;
    return spv_compact_size(feature->id_len) + feature->id_len + spv_compact_size(feature->n) +
           feature->n;
}

static void feature_encode(struct spv_buffer *b, const struct spv_msg *msg, uint32_t version)
{
    const struct spv_msg_feature *feature = &msg->u.feature;

    (void)version;
    spv_buffer_compact(b, feature->id_len);
    spv_buffer_put(b, feature->id, feature->id_len);
    spv_buffer_compact(b, feature->n);
    spv_buffer_put(b, feature->data, feature->n);
}

const struct spv_codec spv_codec_feature = {.decode = feature_decode,
                                            .check = feature_check,
                                            .size = feature_size,
                                            .encode = feature_encode};
