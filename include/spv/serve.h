/* Answering getheaders from stored headers; a pure function over a reader. */
#ifndef SPV_SERVE_H
#define SPV_SERVE_H

#include "spv/header.h"
#include "spv/message.h"

/* The headers after the first locator hash that is on the reader's best chain (or after genesis
 * when none is), up to the stop hash (included), at most SPV_MAX_HEADERS. An empty locator asks for
 * the stop hash alone. Returns how many were written to out, which holds SPV_MAX_HEADERS, or
 * negative. */
SPV_API int spv_serve_headers(const struct spv_reader *reader, struct spv_header *out,
                              const struct spv_msg_getheaders *request);

#endif
