/* The header section ends at the first empty line; only when it is complete are its lines parsed,
 * once each, in order. A bare LF ends a line as CRLF does (RFC 9112, 2.2); a CR or NUL elsewhere, a
 * continued line and a space before a colon are errors, as is anything that makes the length of the
 * request ambiguous. */
#include "loop/http_request.h"

#include <string.h>
#include <strings.h>

struct fields {
    unsigned hosts, lengths, encodings;
    bool length_is_zero;
    bool close, keep_alive; /* options of Connection */
};

/* The bytes before the first line: "a server SHOULD ignore at least one empty line (CRLF) received
 * prior to the request-line". */
static size_t skip_empty_lines(const char *bytes, size_t n)
{
    size_t at = 0;
    while (at < n &&
           (bytes[at] == '\n' || (bytes[at] == '\r' && at + 1 < n && bytes[at + 1] == '\n')))
        at += bytes[at] == '\n' ? 1 : 2;
    return at;
}

/* Returns the length of a header section from `from`, including its empty line; 0: incomplete. */
static size_t head_end(const char *bytes, size_t from, size_t n)
{
    const char *lf = bytes + from;
    while ((lf = memchr(lf, '\n', n - (size_t)(lf - bytes)))) {
        lf++;
        const size_t left = n - (size_t)(lf - bytes);
        if (left >= 1 && lf[0] == '\n')
            return n - left + 1;
        if (left >= 2 && lf[0] == '\r' && lf[1] == '\n')
            return n - left + 2;
    }
    return 0;
}

/* Returns the next line as a string without its line end, NULL when it has a control character. */
static char *next_line(char **at)
{
    char *line = *at;
    char *lf = strchr(line, '\n'); /* a NUL ends the search early */
    if (!lf)
        return NULL;
    *at = lf + 1;
    if (lf > line && lf[-1] == '\r')
        lf--;
    *lf = '\0';
    for (const char *p = line; *p != '\0'; p++)
        if (((unsigned char)*p < 0x20 && *p != '\t') || *p == 0x7f)
            return NULL;
    return line;
}

/* "token = 1*tchar" */
static bool is_token(const char *text)
{
    static const char tchar[] = "!#$%&'*+-.^_`|~0123456789"
                                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    return text[0] != '\0' && text[strspn(text, tchar)] == '\0';
}

/* Returns "/path" of "http://host/path" or "/path", NULL for another form. */
static const char *origin_form(const char *target)
{
    static const char scheme[] = "http://";
    if (target[0] == '/')
        return target;
    if (strncasecmp(target, scheme, sizeof scheme - 1) != 0)
        return NULL;
    return strchr(target + sizeof scheme - 1, '/');
}

/* "method SP request-target SP HTTP-version" */
static enum spv_http_parse read_request_line(struct spv_http_request *out, const char **method,
                                             char *line)
{
    char *target = strchr(line, ' ');
    char *version = target ? strchr(target + 1, ' ') : NULL;
    out->why = "Malformed request line";
    if (!version)
        return SPV_HTTP_BAD_REQUEST;
    *target++ = '\0';
    *version++ = '\0';
    if (!is_token(line) || *target == '\0')
        return SPV_HTTP_BAD_REQUEST;
    if (strncmp(version, "HTTP/", 5) != 0 || strlen(version) != 8 || version[6] != '.' ||
        version[5] < '0' || version[5] > '9' || version[7] < '0' || version[7] > '9')
        return SPV_HTTP_BAD_REQUEST;
    if (version[5] != '1') {
        out->why = "Only HTTP/1.1 and HTTP/1.0";
        return SPV_HTTP_BAD_VERSION;
    }
    out->http_1_0 = version[7] == '0';
    *method = line;
    out->method = strcmp(line, "GET") == 0    ? SPV_HTTP_GET
                  : strcmp(line, "HEAD") == 0 ? SPV_HTTP_HEAD
                                              : SPV_HTTP_OTHER;
    out->target = origin_form(target);
    if (!out->target && out->method != SPV_HTTP_OTHER)
        return SPV_HTTP_BAD_REQUEST;
    return SPV_HTTP_COMPLETE;
}

/* Returns true if the option is in a comma-separated list. */
static bool has_option(const char *list, const char *option)
{
    const size_t len = strlen(option);
    while (*list != '\0') {
        list += strspn(list, ", \t");
        const size_t n = strcspn(list, ", \t");
        if (n == len && strncasecmp(list, option, len) == 0)
            return true;
        list += n;
    }
    return false;
}

/* "field-name : OWS field-value OWS". Returns the error text, or NULL. */
static const char *read_field(struct fields *f, char *line)
{
    char *colon = strchr(line, ':');
    if (line[0] == ' ' || line[0] == '\t')
        return "Obsolete line folding in a header field";
    if (!colon)
        return "A header field has no colon";
    *colon = '\0';
    if (!is_token(line))
        return "A header field has an invalid name";
    char *value = colon + 1 + strspn(colon + 1, " \t");
    size_t n = strlen(value);
    while (n > 0 && (value[n - 1] == ' ' || value[n - 1] == '\t'))
        value[--n] = '\0';
    if (strcasecmp(line, "Content-Length") == 0) {
        if (n == 0 || strspn(value, "0123456789") != n)
            return "Content-Length is not a number";
        f->lengths++;
        f->length_is_zero = strspn(value, "0") == n;
    } else if (strcasecmp(line, "Transfer-Encoding") == 0) {
        f->encodings++;
    } else if (strcasecmp(line, "Host") == 0) {
        f->hosts++;
    } else if (strcasecmp(line, "Connection") == 0) {
        f->close = f->close || has_option(value, "close");
        f->keep_alive = f->keep_alive || has_option(value, "keep-alive");
    }
    return NULL;
}

/* Checks the fields that determine the length. */
static enum spv_http_parse check_fields(struct spv_http_request *out, const struct fields *f,
                                        const char *method)
{
    const bool body = f->encodings > 0 || (f->lengths > 0 && !f->length_is_zero);
    if (f->hosts > 1 || (f->hosts == 0 && !out->http_1_0)) {
        out->why = "Exactly one Host field is required";
        return SPV_HTTP_BAD_REQUEST;
    }
    if (f->lengths > 1) {
        out->why = "More than one Content-Length";
        return SPV_HTTP_BAD_REQUEST;
    }
    if (f->encodings > 0 && (f->lengths > 0 || out->http_1_0)) {
        out->why = "Transfer-Encoding together with Content-Length, or in HTTP/1.0";
        return SPV_HTTP_BAD_REQUEST;
    }
    if (body && (out->method != SPV_HTTP_OTHER || strcmp(method, "TRACE") == 0)) {
        out->why = "A request with this method must not have a body";
        return SPV_HTTP_BAD_REQUEST;
    }
    out->why = body ? "Request bodies are not supported" : NULL;
    return body ? SPV_HTTP_HAS_BODY : SPV_HTTP_COMPLETE;
}

enum spv_http_parse spv_http_request_parse(struct spv_http_request *out, char *bytes, size_t n)
{
    *out = (struct spv_http_request){0};
    const size_t from = skip_empty_lines(bytes, n);
    const size_t end = from < n ? head_end(bytes, from, n) : 0;
    if (end == 0 || end > SPV_HTTP_MAX_HEAD) {
        out->why = "The request header section is too large";
        return n < SPV_HTTP_MAX_HEAD ? SPV_HTTP_INCOMPLETE : SPV_HTTP_BAD_REQUEST;
    }
    out->len = end;
    struct fields f = {0};
    const char *method = NULL;
    char *at = bytes + from;
    char *line = next_line(&at);
    out->why = "The request header section contains a control character";
    if (!line)
        return SPV_HTTP_BAD_REQUEST;
    const enum spv_http_parse first = read_request_line(out, &method, line);
    if (first != SPV_HTTP_COMPLETE)
        return first;
    while (at < bytes + end) {
        line = next_line(&at);
        out->why = line && line[0] != '\0' ? read_field(&f, line)
                   : line                  ? NULL
                          : "The request header section contains a control character";
        if (out->why)
            return SPV_HTTP_BAD_REQUEST;
    }
    const enum spv_http_parse parsed = check_fields(out, &f, method);
    out->keep_alive = parsed == SPV_HTTP_COMPLETE && !f.close && (!out->http_1_0 || f.keep_alive);
    return parsed;
}
