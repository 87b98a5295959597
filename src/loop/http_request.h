/* Parser for the request line and header section of an HTTP/1.x request (RFC 9112); only fields
 * that determine the request's length and the connection's persistence are used. No I/O. It is
 * strict: parsers that disagree on where a request ends allow request smuggling. */
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

/* Result of parsing. All but the first two end the connection. */
enum spv_http_parse {
    SPV_HTTP_COMPLETE,
    SPV_HTTP_INCOMPLETE, /* read more */
    SPV_HTTP_BAD_REQUEST, /* 400 */
    SPV_HTTP_HAS_BODY, /* 413: a body with a method that may have one; bodies are not supported */
    SPV_HTTP_BAD_VERSION, /* 505 */
};

struct spv_http_request {
    enum spv_http_method method;
    const char *target; /* origin form; points into the bytes */
    bool http_1_0;
    bool keep_alive; /* the connection is persistent */
    size_t len; /* bytes of the head, the empty line included */
    const char *why; /* static text: the error */
};

/* Parses the header section at the start of n bytes, and modifies them (lines become strings)
 * unless the result is INCOMPLETE. */
enum spv_http_parse spv_http_request_parse(struct spv_http_request *out, char *bytes, size_t n);

#endif
