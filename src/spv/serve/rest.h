/* The header part of Bitcoin Core's REST interface as a pure function: maps the target of an HTTP
 * GET and the stored headers to a status, a content type and a body. HTTP itself is
 * src/loop/http_server.c. (Bitcoin Core: doc/REST-interface.md, src/rest.cpp) */
#ifndef SPV_SPV_SERVE_REST_H
#define SPV_SPV_SERVE_REST_H

#include "spv/header_db.h"
#include "spv/params.h"
#include "util/buffer.h"

#define SPV_REST_MAX_TARGET 1024 /* bytes; ours: the longest valid one has about 90 */
#define SPV_REST_MAX_HEADERS 2000 /* MAX_REST_HEADERS_RESULTS */
#define SPV_REST_COUNT 5 /* headers, when no count is given */
#define SPV_REST_REASON_SIZE (SPV_REST_MAX_TARGET + 128)

enum spv_rest_status {
    SPV_REST_OK = 200,
    SPV_REST_BAD_REQUEST = 400,
    SPV_REST_NOT_FOUND = 404,
    /* METHOD, TOO_LARGE, TOO_MANY and VERSION are used by src/loop/http_server.c */
    SPV_REST_METHOD = 405,
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
    struct spv_blockhash hash; /* HEADERS: of the first header */
    uint32_t count; /* HEADERS: 1..SPV_REST_MAX_HEADERS */
    uint32_t height; /* BLOCKHASH */
};

/* Parses a target: path, and query after a '?'. Returns SPV_REST_OK, or the status of the answer,
 * with the reason in why (SPV_REST_REASON_SIZE bytes), which is printable for any target. */
enum spv_rest_status spv_rest_parse(struct spv_rest_request *out, char *why, const char *target);

struct spv_rest_reply {
    enum spv_rest_status status;
    const char *type; /* static */
    struct spv_buffer body; /* the caller frees it */
};

/* Answers a target from one snapshot of the chain. An error of the database becomes status
 * SPV_REST_INTERNAL. Returns 0, or SPV_ERR_NOMEM with nothing to free. */
int spv_rest_answer(struct spv_rest_reply *out, const struct spv_header_db *db,
                    const struct spv_params *params, const char *target);

#endif
