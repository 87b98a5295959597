/* The head of an HTTP/1.x request (RFC 9112): request line and fields, of which only those count
 * that say how long the request is and whether the connection stays. No I/O; strict, for two
 * readers that disagree on where a request ends can be played off against each other (request
 * smuggling). */
#ifndef SPV_LOOP_HTTP_REQUEST_H
#define SPV_LOOP_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#define SPV_HTTP_MAX_HEAD 8192 /* bytes of a request's head; MAX_HEADERS_SIZE of Bitcoin Core */

enum spv_http_method {
    SPV_HTTP_GET,
    SPV_HTTP_HEAD,
    SPV_HTTP_OTHER,
};

/* What a head is good for. All but the first two end the connection. */
enum spv_http_parse {
    SPV_HTTP_COMPLETE,
    SPV_HTTP_INCOMPLETE, /* read on */
    SPV_HTTP_BAD_REQUEST, /* 400 */
    SPV_HTTP_HAS_BODY, /* 413: of a method that may have one; none is read here */
    SPV_HTTP_BAD_VERSION, /* 505 */
};

struct spv_http_request {
    enum spv_http_method method;
    const char *target; /* origin form; lies in the bytes */
    bool http_1_0;
    bool keep_alive; /* the client takes further answers on this connection */
    size_t len; /* bytes of the head, the empty line included */
    const char *why; /* static text: what is wrong */
};

/* Reads the head at the start of n bytes, which it changes (lines become strings) unless it is
 * INCOMPLETE. */
enum spv_http_parse spv_http_request_parse(struct spv_http_request *out, char *bytes, size_t n);

#endif
