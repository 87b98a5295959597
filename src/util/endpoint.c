/* A single colon separates the port; with several, the text is an IPv6 address, and one with a port
 * needs brackets. A host may be any name of printable characters: the resolver decides whether it
 * exists. */
#include "spv/endpoint.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "spv/error.h"

/* Parses one to five digits up to NUL; -1 when they are no port. */
static int parse_port(const char *text)
{
    uint32_t port = 0;
    size_t i = 0;

    for (; text[i] >= '0' && text[i] <= '9' && i < 5; i++)
        port = port * 10 + (uint32_t)(text[i] - '0');
    return i == 0 || text[i] != '\0' || port > UINT16_MAX ? -1 : (int)port;
}

static bool is_host_char(char c)
{
    return c > ' ' && c < 0x7f && !strchr("[]/@?#\"'\\<>", c);
}

static bool is_ipv6_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == ':' ||
           c == '.';
}

/* Eight groups of at most four digits, or fewer around a "::", the last one possibly an IPv4
 * address, then possibly a zone ("%eth0"). This catches typing errors; the resolver parses the
 * address. */
static bool looks_like_ipv6(const char *host, size_t n)
{
    size_t colons = 0;
    bool gap = false;
    bool dots = false;
    size_t i = 0;
    size_t digits = 0;

    for (; i < n && is_ipv6_char(host[i]); i++) {
        digits = host[i] == ':' || host[i] == '.' ? 0 : digits + 1;
        if (digits > 4)
            return false;
        colons += host[i] == ':';
        gap = gap || (i > 0 && host[i] == ':' && host[i - 1] == ':');
        dots = dots || host[i] == '.';
    }
    if (i < n && (host[i] != '%' || i + 1 == n))
        return false;
    return gap || colons == (dots ? 6 : 7);
}

int spv_endpoint_parse(struct spv_endpoint *out, const char *text, uint16_t default_port)
{
    const char *host = text;
    const char *colon = strchr(text, ':');
    const char *port = NULL;
    size_t n = strlen(text);

    if (text[0] == '[') {
        const char *close = strchr(text, ']');
        if (!close || (close[1] != '\0' && close[1] != ':'))
            return SPV_ERR_MALFORMED;
        host = text + 1;
        n = (size_t)(close - host);
        if (!looks_like_ipv6(host, n))
            return SPV_ERR_MALFORMED;
        if (close[1] == ':')
            port = close + 2;
    } else if (colon && strchr(colon + 1, ':')) {
        const char *zone = strchr(text, '%');
        if (!looks_like_ipv6(host, n) || (zone && strchr(zone, ':'))) /* a port without brackets */
            return SPV_ERR_MALFORMED;
    } else if (colon) {
        n = (size_t)(colon - text);
        port = colon + 1;
    }

    if (n == 0 || n >= SPV_HOST_MAX)
        return SPV_ERR_MALFORMED;
    for (size_t i = 0; i < n; i++)
        if (!is_host_char(host[i]))
            return SPV_ERR_MALFORMED;
    int number = default_port;
    if (port && (number = parse_port(port)) < 0)
        return SPV_ERR_MALFORMED;
    memcpy(out->host, host, n);
    out->host[n] = '\0';
    out->port = (uint16_t)number;
    return 0;
}

void spv_endpoint_text(char *out, const struct spv_endpoint *endpoint)
{
    bool brackets = strchr(endpoint->host, ':') != NULL;

    snprintf(out, SPV_ENDPOINT_TEXT, "%s%s%s:%u", brackets ? "[" : "", endpoint->host,
             brackets ? "]" : "", (unsigned)endpoint->port);
}
