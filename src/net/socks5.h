/* The SOCKS5 conversation of a client (RFC 1928, RFC 1929) as a pure machine: bytes to send come
 * out, the proxy's bytes go in. It never asks for more bytes than the proxy owes, so what the
 * destination says first stays unread for whoever takes the connection over. */
#ifndef SPV_NET_SOCKS5_H
#define SPV_NET_SOCKS5_H

#include <stddef.h>
#include <stdint.h>

#include "spv/endpoint.h"

#define SPV_SOCKS5_CREDENTIAL 255 /* RFC 1929: bytes of a user name, of a password */
#define SPV_SOCKS5_OUT 520 /* the longest we say at once: user name and password */
#define SPV_SOCKS5_IN 262 /* the longest answer: 4, a name of 1 + 255, port 2 */

enum spv_socks5_state {
    SPV_SOCKS5_METHOD, /* waits for the proxy's choice of method */
    SPV_SOCKS5_AUTH, /* for its verdict on user name and password */
    SPV_SOCKS5_REPLY, /* for its answer to the request */
    SPV_SOCKS5_CONNECTED, /* connected */
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

/* Begins; user and password NULL: none is offered. With them nothing else is offered, because a
 * proxy that ignored them would not isolate streams. SPV_ERR_INVALID: no host, no port, or an empty
 * or endless credential. */
int spv_socks5_begin(struct spv_socks5 *s, const struct spv_endpoint *target, const char *user,
                     const char *password);
/* Bytes to send, and that n of them are sent. */
size_t spv_socks5_pending(const struct spv_socks5 *s, const uint8_t **bytes);
void spv_socks5_sent(struct spv_socks5 *s, size_t n);
/* Bytes that may be read now; 0 when it is our turn, or over. */
size_t spv_socks5_wants(const struct spv_socks5 *s);
/* Takes at most that many. 1: through; 0: go on; else why not: SPV_ERR_PROXY when the proxy refused
 * or makes no sense, or what it says of the destination. The first error sticks. */
int spv_socks5_feed(struct spv_socks5 *s, const uint8_t *bytes, size_t n);
/* What a reply code means: 0 for success. */
int spv_socks5_reply_error(uint8_t code);

#endif
