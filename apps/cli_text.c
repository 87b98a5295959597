/* All printed text passes through here, so that no byte of a database, a file, an argument or a
 * peer controls a terminal or breaks a JSON line. A character is dangerous when it moves the
 * cursor, starts an escape sequence, ends a line or changes the direction of the text; so is every
 * byte that is not valid UTF-8. In text each is replaced by '?'. JSON writes dangerous characters
 * as \uXXXX, because they may be part of a path, and replaces only invalid UTF-8. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* Decodes one UTF-8 character (RFC 3629). Returns its length, or 0 when it is invalid. */
static size_t decode(uint32_t *out, const unsigned char *p)
{
    static const uint32_t lowest[] = {0, 0, 0x80, 0x800, 0x10000}; /* by length: else overlong */
    size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    size_t i;

    if (n == 0 || p[0] > 0xf4)
        return 0;
    *out = n == 1 ? p[0] : p[0] & (0x7fU >> n);
    for (i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) /* also at the terminating NUL */
            return 0;
        *out = *out << 6 | (p[i] & 0x3fU);
    }
    return *out < lowest[n] || *out > 0x10ffff || (*out >= 0xd800 && *out <= 0xdfff) ? 0 : n;
}

static bool is_dangerous(uint32_t c)
{
    static const struct {
        uint32_t first, last;
    } ranges[] = {
        {0x0000, 0x001f},   {0x007f, 0x009f}, /* C0, DEL and C1 */
        {0x061c, 0x061c},   {0x200e, 0x200f}, /* marks of direction */
        {0x2028, 0x2029}, /* line and paragraph separator */
        {0x202a, 0x202e},   {0x2066, 0x2069}, /* embeddings, overrides and isolates */
        {0xfff9, 0xfffb}, /* interlinear annotation */
        {0xe0000, 0xe007f}, /* tags: invisible text */
    };
    size_t i;

    for (i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        if (c >= ranges[i].first && c <= ranges[i].last)
            return true;
    }
    return false;
}

/* Writes '?' for bytes that are not UTF-8 and, if asked, for dangerous characters. In place: the
 * text never grows. */
static void replace_unsafe(char *text, bool dangerous)
{
    const char *from = text;
    char *to = text;

    while (*from != '\0') {
        uint32_t c = 0;
        size_t n = decode(&c, (const unsigned char *)from);

        if (n == 0 || (dangerous && is_dangerous(c))) {
            *to++ = '?';
            from += n == 0 ? 1 : n;
            continue;
        }
        memmove(to, from, n);
        to += n;
        from += n;
    }
    *to = '\0';
}

void cli_clean(char *text)
{
    replace_unsafe(text, true);
}

char *cli_json_escape(const char *json)
{
    char *out = malloc(6 * strlen(json) + 1); /* a byte becomes at most \uXXXX */
    char *to = out;

    while (out && *json != '\0') {
        uint32_t c = 0;
        size_t n = decode(&c, (const unsigned char *)json);

        if (n == 0) { /* not from Jansson */
            *to++ = '?';
            n = 1;
        } else if (c > 0xffff && is_dangerous(c)) {
            to += sprintf(to, "\\u%04x\\u%04x", (unsigned)(0xd7c0 + (c >> 10)),
                          (unsigned)(0xdc00 + (c & 0x3ff)));
        } else if (is_dangerous(c)) {
            to += sprintf(to, "\\u%04x", (unsigned)c);
        } else {
            memcpy(to, json, n);
            to += n;
        }
        json += n;
    }
    if (out)
        *to = '\0';
    return out;
}

/* JSON values. */

json_t *cli_json_string(const char *text)
{
    char *copy = text ? strdup(text) : NULL;
    json_t *string;

    if (!copy)
        return NULL;
    replace_unsafe(copy, false);
    string = json_stringn(copy, strlen(copy));
    free(copy);
    return string;
}

/* The value of a type; NULL when there is no memory for it. */
static json_t *next_value(char type, bool optional, va_list *args)
{
    const char *text;
    json_t *value;

    switch (type) {
    case 's':
        text = va_arg(*args, const char *);
        return !text && optional ? json_null() : cli_json_string(text);
    case 'i':
        return json_integer(va_arg(*args, int));
    case 'I':
        return json_integer(va_arg(*args, json_int_t));
    case 'b':
        return json_boolean(va_arg(*args, int));
    case 'f':
        return json_real(va_arg(*args, double));
    case 'o':
        value = va_arg(*args, json_t *);
        return !value && optional ? json_null() : value;
    default: /* a letter of Jansson's, not an enum of ours */
        return NULL;
    }
}

json_t *cli_json_pack(const char *format, ...)
{
    json_t *object = json_object();
    bool failed = !object;
    const char *p = format;
    va_list args;

    va_start(args, format);
    while (*(p += strspn(p, "{, }")) != '\0') {
        const char *key = va_arg(args, const char *);
        char type = strncmp(p, "s:", 2) == 0 ? p[2] : '\0';
        bool optional = type != '\0' && p[3] == '?';
        json_t *value = next_value(type, optional, &args);

        failed = json_object_set_new(object, key, value) != 0 || failed;
        if (type == '\0' || !strchr("siIbfo", type))
            break;
        p += optional ? 4 : 3;
    }
    va_end(args);
    if (!failed)
        return object;
    json_decref(object);
    return NULL;
}

char *cli_hex(const uint8_t *bytes, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    char *text = malloc(2 * n + 2);

    for (size_t i = 0; text && i < n; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    if (text) {
        text[2 * n] = '\0';
    }
    return text;
}
