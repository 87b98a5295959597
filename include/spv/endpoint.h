/* Endpoints, a host and a port, as users write them. */
#ifndef SPV_ENDPOINT_H
#define SPV_ENDPOINT_H

#include <stdint.h>

#include "spv/export.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SPV_HOST_MAX 256 /* a DNS name of 253 bytes, NUL-terminated */

/* Where to connect to or listen. */
struct spv_endpoint {
    char host[SPV_HOST_MAX]; /* a name or a literal address without brackets, NUL-terminated */
    uint16_t port; /* host order; 0 lets a listener take any free port */
};

/* Parses "host", "host:port", "1.2.3.4:port", "[::1]:port" or "::1"; default_port (host order) is
 * used when text has no port. Port 0 is accepted.
 * Returns 0 or SPV_ERR_MALFORMED. Any thread. */
SPV_API int spv_endpoint_parse(struct spv_endpoint *out, const char *text, uint16_t default_port);

#define SPV_ENDPOINT_TEXT (SPV_HOST_MAX + 8) /* brackets, colon, 5 digits, NUL */

/* Writes "host:port" into out, SPV_ENDPOINT_TEXT bytes; IPv6 addresses in brackets. Any thread. */
SPV_API void spv_endpoint_text(char *out, const struct spv_endpoint *endpoint);

#ifdef __cplusplus
}
#endif

#endif
