/* The checks have Bitcoin Core's order and error texts, for compatibility with its clients: first
 * the count, then the hash, last the file extension. As in Bitcoin Core, an unknown extension is
 * treated as part of the text before it. */
#include <stdio.h>
#include <string.h>

#include "spv/serve/rest.h"

struct text { /* part of the target; not terminated */
    const char *at;
    size_t n;
};

static bool is_word(struct text t, const char *word)
{
    return t.n == strlen(word) && memcmp(t.at, word, t.n) == 0;
}

/* Writes the reason and the client's text, with a question mark for each unprintable byte. */
static enum spv_rest_status refuse_request(char *why, enum spv_rest_status status,
                                           const char *reason, struct text quoted)
{
    size_t n = (size_t)snprintf(why, SPV_REST_REASON_SIZE, "%s", reason);

    for (size_t i = 0; i < quoted.n && n < SPV_REST_REASON_SIZE - 1; i++)
        why[n++] = quoted.at[i] >= ' ' && quoted.at[i] <= '~' ? quoted.at[i] : '?';
    why[n] = '\0';
    return status;
}

static bool take_prefix(struct text *t, const char *prefix)
{
    const size_t n = strlen(prefix);

    if (t->n < n || memcmp(t->at, prefix, n) != 0)
        return false;
    t->at += n;
    t->n -= n;
    return true;
}

/* Removes the file extension; false when it is none of the three. */
static bool take_format(struct text *t, enum spv_rest_format *format)
{
    static const char *const names[] = {
        [SPV_REST_BIN] = "bin", [SPV_REST_HEX] = "hex", [SPV_REST_JSON] = "json"};
    size_t dot = t->n;

    while (dot > 0 && t->at[dot - 1] != '.')
        dot--;
    for (size_t i = 0; dot > 0 && i < sizeof names / sizeof names[0]; i++) {
        if (is_word((struct text){t->at + dot, t->n - dot}, names[i])) {
            *format = (enum spv_rest_format)i;
            t->n = dot - 1;
            return true;
        }
    }
    return false;
}

/* Digits only, at most max. */
static bool read_number(uint32_t *out, struct text t, uint32_t max)
{
    uint64_t x = 0;

    for (size_t i = 0; i < t.n; i++) {
        if (t.at[i] < '0' || t.at[i] > '9')
            return false;
        x = x * 10 + (uint64_t)(t.at[i] - '0');
        if (x > max)
            return false;
    }
    *out = (uint32_t)x;
    return t.n > 0;
}

/* The value of a parameter in "a=1&b=2", of its first occurrence. */
static bool find_parameter(struct text *out, struct text query, const char *name)
{
    const size_t len = strlen(name);

    while (query.n > 0) {
        const char *end = memchr(query.at, '&', query.n);
        const size_t n = end ? (size_t)(end - query.at) : query.n;

        if (n > len && memcmp(query.at, name, len) == 0 && query.at[len] == '=') {
            *out = (struct text){query.at + len + 1, n - len - 1};
            return true;
        }
        if (!end)
            break;
        query.at += n + 1;
        query.n -= n + 1;
    }
    return false;
}

static enum spv_rest_status no_format(char *why, const char *available)
{
    return refuse_request(why, SPV_REST_NOT_FOUND, available, (struct text){NULL, 0});
}

static enum spv_rest_status parse_headers(struct spv_rest_request *out, char *why,
                                          struct text param, struct text query)
{
    const bool known = take_format(&param, &out->format);
    const char *slash = memchr(param.at, '/', param.n);
    struct text count = {"5", 1}, hash = param;
    char hex[SPV_HASH_HEX] = "";

    if (slash) { /* the older form */
        count = (struct text){param.at, (size_t)(slash - param.at)};
        hash = (struct text){slash + 1, param.n - count.n - 1};
        if (memchr(hash.at, '/', hash.n))
            return refuse_request(
                why, SPV_REST_BAD_REQUEST,
                "Invalid URI format. Expected /rest/headers/<hash>.<ext>?count=<count>",
                (struct text){NULL, 0});
    } else {
        (void)find_parameter(&count, query, "count");
    }
    if (!read_number(&out->count, count, SPV_REST_MAX_HEADERS) || out->count == 0)
        return refuse_request(
            why, SPV_REST_BAD_REQUEST,
            "Header count is invalid or out of acceptable range (1-2000): ", count);
    if (hash.n == sizeof hex - 1)
        memcpy(hex, hash.at, hash.n);
    if (spv_blockhash_from_hex(&out->hash, hex) < 0)
        return refuse_request(why, SPV_REST_BAD_REQUEST, "Invalid hash: ", hash);
    return known ? SPV_REST_OK
                 : no_format(why, "output format not found (available: .bin, .hex, .json)");
}

static enum spv_rest_status parse_blockhash(struct spv_rest_request *out, char *why,
                                            struct text param)
{
    const bool known = take_format(&param, &out->format);

    if (!read_number(&out->height, param, INT32_MAX))
        return refuse_request(why, SPV_REST_BAD_REQUEST, "Invalid height: ", param);
    return known ? SPV_REST_OK
                 : no_format(why, "output format not found (available: .bin, .hex, .json)");
}

enum spv_rest_status spv_rest_parse(struct spv_rest_request *out, char *why, const char *target)
{
    const struct text nothing = {NULL, 0};
    struct text path = {target, strcspn(target, "?")};
    struct text query = {"", 0};

    *out = (struct spv_rest_request){0};
    why[0] = '\0';
    if (strnlen(target, SPV_REST_MAX_TARGET + 1) > SPV_REST_MAX_TARGET)
        return refuse_request(why, SPV_REST_TOO_LONG, "The target is too long", nothing);
    if (target[path.n] == '?')
        query = (struct text){target + path.n + 1, strlen(target + path.n + 1)};
    if (take_prefix(&path, "/rest/headers/")) {
        out->kind = SPV_REST_HEADERS;
        return parse_headers(out, why, path, query);
    }
    if (take_prefix(&path, "/rest/blockhashbyheight/")) {
        out->kind = SPV_REST_BLOCKHASH;
        return parse_blockhash(out, why, path);
    }
    if (take_prefix(&path, "/rest/chaininfo")) {
        out->kind = SPV_REST_CHAININFO;
        if (take_format(&path, &out->format) && out->format == SPV_REST_JSON && path.n == 0)
            return SPV_REST_OK;
        return no_format(why, "output format not found (available: json)");
    }
    return refuse_request(why, SPV_REST_NOT_FOUND,
                          "Not found. There are /rest/headers/<hash>.<ext>?count=<count>,"
                          " /rest/blockhashbyheight/<height>.<ext> and /rest/chaininfo.json",
                          nothing);
}
