/* The second half of a round trip: a decoded message encodes to the expected bytes. */
#ifndef SPV_TESTS_SUPPORT_MSG_BYTES_H
#define SPV_TESTS_SUPPORT_MSG_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "wire/codec.h"

/* Whether spv_msg_size() and spv_msg_encode() give these bytes for the negotiated version. */
static inline bool msg_encodes_to(const struct spv_msg *msg, uint32_t version, const void *bytes,
                                  size_t n)
{
    struct spv_buffer b;
    spv_buffer_init(&b);
    const bool same = spv_msg_size(msg, version) == n && spv_msg_encode(&b, msg, version) == 0 &&
                      b.len == n && (n == 0 || memcmp(b.data, bytes, n) == 0);
    spv_buffer_free(&b);
    return same;
}

#endif
