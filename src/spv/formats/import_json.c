/* One flat object a line: known names give values, others are ignored as long as they have plain
 * values too. The strings that are read consist of digits and letters, so escapes are not decoded.
 */
#include <string.h>

#include "spv/formats/import.h"

#define NAME_MAX_LEN 24 /* no known name is longer */

static char *blanks(char *p)
{
    return p + strspn(p, " \t");
}

/* The string that *p begins with: ends it in place, moves *p behind it. NULL: it has no end. */
static char *read_string(char **p)
{
    char *start = *p + 1;
    char *at = start;
    while (*at != '\0' && *at != '"')
        at += *at == '\\' && at[1] != '\0' ? 2 : 1;
    if (*at == '\0')
        return NULL;
    *at = '\0';
    *p = at + 1;
    return start;
}

/* The number or word that *p begins with: moves *p to what follows, which is *stop; the caller ends
 * the word once it has looked at that. */
static char *read_word(char **p)
{
    char *start = *p;
    size_t n = strcspn(start, " \t,}]{[\":");
    *p = start + n;
    return n > 0 ? start : NULL;
}

static int bad(struct spv_import *d, const char *what)
{
    return spv_import_fail(d, SPV_ERR_MALFORMED, "is not an object of plain values: %s", what);
}

/* What follows a value: ',' and another pair, or '}'. 1, 0, or an error. */
static int follows(struct spv_import *d, char *end, char **p)
{
    char *at = blanks(end);
    char c = *at;
    *end = '\0'; /* ends a word; behind a string it already is NUL or blank */
    if (c == ',') {
        *p = blanks(at + 1);
        return 1;
    }
    if (c != '}')
        return bad(d, "',' or '}' is missing");
    *p = blanks(at + 1);
    return **p == '\0' ? 0 : bad(d, "something follows it");
}

static int read_pair(struct spv_import *d, struct spv_import_values *out, char **p)
{
    char *name = **p == '"' ? read_string(p) : NULL;
    if (!name)
        return bad(d, "a name is missing");
    char *at = blanks(*p);
    if (*at != ':')
        return bad(d, "':' is missing");
    at = blanks(at + 1);
    bool quoted = *at == '"';
    char *value = quoted ? read_string(&at) : read_word(&at);
    if (!value)
        return bad(d, "a value is missing or no plain one");
    enum spv_import_field field =
        strlen(name) <= NAME_MAX_LEN ? spv_import_field_by_name(name) : SPV_FIELD_OTHER;
    if (field < SPV_FIELDS) {
        if (out->text[field])
            return spv_import_fail(d, SPV_ERR_MALFORMED, "%s is there twice", name);
        out->text[field] = value;
        out->quoted[field] = quoted;
    }
    return follows(d, at, p);
}

int spv_import_json(struct spv_import *d, struct spv_import_values *out, char *line)
{
    char *p = blanks(line);
    int rc = 1;
    if (*p == '[')
        return bad(d, "an array; one object a line is read");
    if (*p != '{')
        return bad(d, "'{' is missing");
    p = blanks(p + 1);
    while (rc == 1)
        rc = read_pair(d, out, &p);
    return rc;
}
