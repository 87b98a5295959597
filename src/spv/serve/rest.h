/* The header part of the reference node's REST interface as a pure function: the target of an HTTP
 * GET and a reader go in, a status, a content type and a body come out. Owns nothing; HTTP itself
 * is src/loop/http_server.c. (Bitcoin Core: doc/REST-interface.md, src/rest.cpp) */
#ifndef SPV_SPV_SERVE_REST_H
#define SPV_SPV_SERVE_REST_H

#include "spv/header_db.h"
#include "spv/params.h"
#include "util/buffer.h"

#define SPV_REST_MAX_TARGET 1024 /* ours: the longest that makes sense is some 90 bytes */
#define SPV_REST_MAX_HEADERS 2000 /* MAX_REST_HEADERS_RESULTS */
#define SPV_REST_COUNT 5 /* headers, when no count is given */
#define SPV_REST_WHY (SPV_REST_MAX_TARGET + 128)

enum spv_rest_status {
    SPV_REST_OK = 200,
    SPV_REST_BAD_REQUEST = 400,
    SPV_REST_NOT_FOUND = 404,
    SPV_REST_METHOD =
        405, /* this, TOO_LARGE, TOO_MANY and VERSION are said by src/loop/http_server.c */
    SPV_REST_TOO_LARGE = 413,
    SPV_REST_TOO_LONG = 414,
    SPV_REST_TOO_MANY = 429,
    SPV_REST_INTERNAL = 500,
    SPV_REST_UNAVAILABLE = 503,
    SPV_REST_VERSION = 505,
};

enum spv_rest_kind {
    SPV_REST_HEADERS,
    SPV_REST_BLOCKHASH,
    SPV_REST_CHAININFO,
};

enum spv_rest_format {
    SPV_REST_BIN,
    SPV_REST_HEX,
    SPV_REST_JSON,
};

struct spv_rest_request {
    enum spv_rest_kind kind;
    enum spv_rest_format format;
    struct spv_blockhash hash; /* HEADERS: the first */
    uint32_t count; /* HEADERS: 1..SPV_REST_MAX_HEADERS */
    uint32_t height; /* BLOCKHASH */
};

/* Reads a target: path, and query after a '?'. SPV_REST_OK, or the status to answer with and the
 * reason in why (SPV_REST_WHY bytes), printable whatever the target holds. */
enum spv_rest_status spv_rest_parse(struct spv_rest_request *out, char *why, const char *target);

struct spv_rest_reply {
    enum spv_rest_status status;
    const char *type; /* static */
    struct spv_buffer body; /* the caller's to free */
};

/* Answers a target from one state of the reader's chain. An error of the reader is a status, too;
 * only a body that found no memory is an error: SPV_ERR_NOMEM, nothing to free. */
int spv_rest_answer(struct spv_rest_reply *out, const struct spv_header_db *reader,
                    const struct spv_params *params, const char *target);

#endif
