/* Lines, and the columns of csv; import_json.c splits the lines of jsonl. A line is split in place:
 * each separator becomes a NUL. */
#include <string.h>

#include "spv/formats/import.h"

/* The next line, NUL-terminated, without its end. 1, 0 or an error. */
static int next_line(struct spv_import *im, char **out, uint64_t *offset)
{
    char *p = (char *)im->buffer + im->at;
    size_t n = im->end - im->at;
    char *nl = n > 0 ? memchr(p, '\n', n) : NULL;
    size_t length = nl ? (size_t)(nl - p) : n;
    if (!nl && !im->ended && n <= SPV_IMPORT_LINE_MAX)
        return 0;
    if (n == 0)
        return 0;
    im->line++;
    if (length > SPV_IMPORT_LINE_MAX)
        return spv_import_fail(im, SPV_ERR_TOO_LONG, "is longer than %d bytes",
                               SPV_IMPORT_LINE_MAX);
    *offset = im->offset;
    spv_import_skip(im, length + (nl != NULL));
    p[length] = '\0';
    if (length > 0 && p[length - 1] == '\r')
        p[--length] = '\0';
    if (memchr(p, '\0', length))
        return spv_import_fail(im, SPV_ERR_MALFORMED, "contains a zero byte");
    if (length == 0)
        return spv_import_fail(im, SPV_ERR_MALFORMED, "is empty");
    *out = p;
    return 1;
}

/* csv */

/* The field up to the next comma, without its quotes; moves *p after it, NULL after the last one.
 */
static const char *next_field(char **p)
{
    char *field = *p;
    char *comma = strchr(field, ',');
    size_t n = comma ? (size_t)(comma - field) : strlen(field);
    field[n] = '\0';
    *p = comma ? comma + 1 : NULL;
    if (n >= 2 && field[0] == '"' && field[n - 1] == '"') {
        field[n - 1] = '\0';
        field++;
    }
    return field;
}

/* A first line of names selects the columns; without one they are the default ones. 1: the line has
 * names; 0: it is a row; or an error. */
static int csv_columns(struct spv_import *im, char *line)
{
    unsigned seen = 0;
    bool row = line[0] >= '0' && line[0] <= '9';
    if (row && im->filters) {
        im->columns[0] = SPV_FIELD_HEIGHT;
        im->columns[1] = SPV_FIELD_BLOCK_HASH;
        im->columns[2] = SPV_FIELD_FILTER_HEADER;
        im->n_columns = 3;
        return 0;
    }
    if (row) {
        for (size_t i = 0; i < SPV_FIELD_BRANCH; i++)
            im->columns[i] = (enum spv_import_field)i;
        im->n_columns = SPV_FIELD_BRANCH;
        return 0;
    }
    for (char *p = line; p;) {
        const char *name = next_field(&p);
        enum spv_import_field field = spv_import_field_by_name(name);
        if (im->n_columns == SPV_IMPORT_COLUMNS_MAX) {
            return spv_import_fail(im, SPV_ERR_TOO_LONG, "has more than %d columns",
                                   SPV_IMPORT_COLUMNS_MAX);
        }
        if (field < SPV_FIELDS && (seen >> field & 1) != 0)
            return spv_import_fail(im, SPV_ERR_MALFORMED, "names the column %s twice", name);
        field = field < SPV_FIELD_COLUMNS ? field : SPV_FIELD_OTHER;
        seen |= 1U << field;
        im->columns[im->n_columns++] = field;
    }
    if ((seen & (1U << SPV_FIELD_HEIGHT)) == 0) {
        return spv_import_fail(im, SPV_ERR_MALFORMED,
                               "neither names columns, the height among them, nor is it a row");
    }
    return 1;
}

static int csv_row(struct spv_import *im, struct spv_import_values *v, char *line)
{
    size_t i = 0;
    for (char *p = line; p; i++) {
        const char *field = next_field(&p);
        if (i < im->n_columns && im->columns[i] < SPV_FIELDS)
            v->text[im->columns[i]] = field;
    }
    return i == im->n_columns ? 0
                              : spv_import_fail(im, SPV_ERR_MALFORMED, "has %zu values, not %zu", i,
                                                im->n_columns);
}

/* "#reorg,FORK_HEIGHT,FORK_HASH,REMOVED" */
static int csv_reorg(struct spv_import *im, struct spv_import_values *v, char *line)
{
    static const enum spv_import_field fields[] = {SPV_FIELD_EVENT, SPV_FIELD_FORK_HEIGHT,
                                                   SPV_FIELD_FORK_HASH, SPV_FIELD_REMOVED};
    size_t i = 0;
    for (char *p = line + 1; p; i++) {
        const char *field = next_field(&p);
        if (i < 4)
            v->text[fields[i]] = field;
    }
    return i == 4 ? 0
                  : spv_import_fail(im, SPV_ERR_MALFORMED, "is not a valid reorganisation line");
}

static int csv_line(struct spv_import *im, struct spv_import_values *v, char *line, bool *skipped)
{
    if (im->n_columns == 0) {
        int rc = csv_columns(im, line);
        *skipped = rc == 1;
        if (rc != 0)
            return rc < 0 ? rc : 0;
    }
    return line[0] == '#' ? csv_reorg(im, v, line) : csv_row(im, v, line);
}

int spv_import_text(struct spv_import *im, struct spv_import_item *out)
{
    bool skipped = true; /* a line without an item: csv's column names */
    while (skipped) {
        struct spv_import_values v = {.text = {NULL}};
        char *line = NULL;
        int rc = next_line(im, &line, &out->offset);
        if (rc <= 0 || !line)
            return rc;
        skipped = false;
        out->line = im->line;
        rc = im->format == SPV_IMPORT_CSV ? csv_line(im, &v, line, &skipped)
                                          : spv_import_json(im, &v, line);
        if (rc == 0 && !skipped)
            rc = spv_import_get_values(im, out, &v);
        if (rc != 0)
            return rc;
    }
    return 1;
}
