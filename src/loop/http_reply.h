/* Writes the header section of an HTTP/1.1 response into a buffer. No I/O; the time is an argument.
 */
#ifndef SPV_LOOP_HTTP_REPLY_H
#define SPV_LOOP_HTTP_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "spv/serve/rest.h"
#include "util/buffer.h"

struct spv_http_reply_head {
    enum spv_rest_status status;
    const char *type; /* of the body */
    size_t length; /* of the body, also when it is left out (HEAD) */
    unsigned retry_after; /* seconds; 0: no Retry-After */
    bool http_1_0; /* the request was */
    bool keep_alive; /* the connection stays open */
    int64_t unix_s; /* Date */
};

void spv_http_reply_put_head(struct spv_buffer *out, const struct spv_http_reply_head *head);

#endif
