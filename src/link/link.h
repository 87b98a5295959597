/* What the loop needs of a link beyond the public face. */
#ifndef SPV_LINK_LINK_H
#define SPV_LINK_LINK_H

#include <stddef.h>

struct spv_link;

/* Bytes queued that the socket has not taken yet. */
size_t spv_link_pending(const struct spv_link *link);

#endif
