/* The client side of SOCKS5 (RFC 1928, RFC 1929) as a state machine without I/O: it returns bytes
 * to send and is fed with the proxy's bytes. It never reads beyond the proxy's reply, so the first
 * bytes of the destination stay unread for the connection's next owner. */
#ifndef SPV_NET_SOCKS5_H
#define SPV_NET_SOCKS5_H

#include <stddef.h>
#include <stdint.h>

#include "spv/endpoint.h"

#define SPV_SOCKS5_CREDENTIAL 255 /* RFC 1929: bytes of a user name, of a password */
#define SPV_SOCKS5_OUT 520 /* the longest request: user name and password */
#define SPV_SOCKS5_IN 262 /* the longest reply: 4, a name of 1 + 255, port 2 */

enum spv_socks5_state {
    SPV_SOCKS5_METHOD, /* waiting for the proxy's choice of method */
    SPV_SOCKS5_AUTH, /* waiting for its answer to user name and password */
    SPV_SOCKS5_REPLY, /* waiting for its reply to the request */
    SPV_SOCKS5_CONNECTED,
    SPV_SOCKS5_FAILED,
};

struct spv_socks5 {
    enum spv_socks5_state state;
    struct spv_endpoint target;
    char user[SPV_SOCKS5_CREDENTIAL + 1]; /* empty: no authentication */
    char password[SPV_SOCKS5_CREDENTIAL + 1];
    uint8_t out[SPV_SOCKS5_OUT];
    size_t out_len, out_off;
    uint8_t in[SPV_SOCKS5_IN];
    size_t in_len;
    int error; /* why it failed */
};

/* Starts a request for target, which is copied. user and password NULL: authentication is not
 * offered. With them nothing else is offered, because a proxy that ignored them would not isolate
 * streams. Returns 0, or SPV_ERR_INVALID without host or port or for credentials that are not 1 to
 * 255 bytes. */
int spv_socks5_begin(struct spv_socks5 *s, const struct spv_endpoint *target, const char *user,
                     const char *password);
/* Returns the number of bytes to send and sets *bytes, which are valid until the next call. */
size_t spv_socks5_pending(const struct spv_socks5 *s, const uint8_t **bytes);
/* n of the pending bytes were sent. */
void spv_socks5_sent(struct spv_socks5 *s, size_t n);
/* Returns how many bytes to read now; 0 while bytes are pending and at the end. */
size_t spv_socks5_wants(const struct spv_socks5 *s);
/* Feeds n received bytes, at most spv_socks5_wants(). Returns 1 when connected, 0 to continue, or
 * SPV_ERR_PROXY when the proxy refuses or violates the protocol, or the error that it reports about
 * the destination. The first error is sticky. */
int spv_socks5_feed(struct spv_socks5 *s, const uint8_t *bytes, size_t n);
/* Returns the error for a reply code; 0 for success. */
int spv_socks5_reply_error(uint8_t code);

#endif
