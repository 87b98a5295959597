/* One flat object per line: fields with known names are read, others are ignored; all must have
 * plain values. The strings that are read consist of digits and letters, so escapes are not
 * decoded. */
#include <string.h>

#include "spv/formats/import.h"

#define NAME_MAX_LEN 24 /* no known name is longer */

static char *skip_blanks(char *p)
{
    return p + strspn(p, " \t");
}

/* The string that *p begins with: ends it in place, moves *p after it. NULL: it has no end. */
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

/* The number or word that *p begins with: moves *p to what follows. The caller terminates the word
 * after it has read the next character. */
static char *read_word(char **p)
{
    char *start = *p;
    size_t n = strcspn(start, " \t,}]{[\":");
    *p = start + n;
    return n > 0 ? start : NULL;
}

static int json_error(struct spv_import *im, const char *what)
{
    return spv_import_fail(im, SPV_ERR_MALFORMED, "is not an object of plain values: %s", what);
}

/* What follows a value: ',' and another pair, or '}'. 1, 0, or an error. */
static int read_separator(struct spv_import *im, char *end, char **p)
{
    char *at = skip_blanks(end);
    char c = *at;
    *end = '\0'; /* ends a word; after a string it already is NUL or blank */
    if (c == ',') {
        *p = skip_blanks(at + 1);
        return 1;
    }
    if (c != '}')
        return json_error(im, "',' or '}' is missing");
    *p = skip_blanks(at + 1);
    return **p == '\0' ? 0 : json_error(im, "something follows it");
}

static int read_pair(struct spv_import *im, struct spv_import_values *out, char **p)
{
    char *name = **p == '"' ? read_string(p) : NULL;
    if (!name)
        return json_error(im, "a name is missing");
    char *at = skip_blanks(*p);
    if (*at != ':')
        return json_error(im, "':' is missing");
    at = skip_blanks(at + 1);
    bool quoted = *at == '"';
    char *value = quoted ? read_string(&at) : read_word(&at);
    if (!value)
        return json_error(im, "a value is missing or not a plain one");
    enum spv_import_field field =
        strlen(name) <= NAME_MAX_LEN ? spv_import_field_by_name(name) : SPV_FIELD_OTHER;
    if (field < SPV_FIELDS) {
        if (out->text[field])
            return spv_import_fail(im, SPV_ERR_MALFORMED, "%s occurs twice", name);
        out->text[field] = value;
        out->quoted[field] = quoted;
    }
    return read_separator(im, at, p);
}

int spv_import_json(struct spv_import *im, struct spv_import_values *out, char *line)
{
    char *p = skip_blanks(line);
    int rc = 1;
    if (*p == '[')
        return json_error(im, "an array; one object a line is read");
    if (*p != '{')
        return json_error(im, "'{' is missing");
    p = skip_blanks(p + 1);
    while (rc == 1)
        rc = read_pair(im, out, &p);
    return rc;
}
