/* Each line or option is one height and one hash. They are inserted into a sorted array; two
 * at the same height must be equal. */
#include "checkpoint_list.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES 512 /* longest line of a file, with further columns */

/* Returns NULL, or why the text is not a checkpoint. */
static const char *parse_checkpoint(struct spv_checkpoint *out, const char *text)
{
    char hash[65];
    char *end;
    unsigned long long height;

    memset(out, 0, sizeof *out);
    errno = 0;
    height = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || (*end != ':' && *end != ','))
        return "is not HEIGHT:HASH";
    if (errno != 0 || height >= UINT32_MAX)
        return "has a height out of range";
    if (height == 0)
        return "is at height 0: genesis is fixed";
    out->height = (uint32_t)height;
    const size_t n = strcspn(end + 1, ", \t\r\n");
    const char *rest = end + 1 + n;
    if (n != sizeof hash - 1)
        return "has no hash of 64 hex digits";
    memcpy(hash, end + 1, n);
    hash[n] = '\0';
    if (spv_blockhash_from_hex(&out->hash, hash) != 0)
        return "has no hash of 64 hex digits";
    if (*end == ':' && rest[strspn(rest, " \t\r\n")] != '\0')
        return "has text after its hash";
    return NULL;
}

static int no_memory(void)
{
    return cli_fail(SPV_ERR_NOMEM, "checkpoints: out of memory. Free some memory and try again.");
}

/* Inserts one. Returns 0, 1 if the height has another hash, -1 when out of memory. */
static int put_checkpoint(struct checkpoint_list *list, const struct spv_checkpoint *checkpoint)
{
    size_t low = 0, high = list->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (list->at[middle].height < checkpoint->height)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < list->n && list->at[low].height == checkpoint->height)
        return !spv_blockhash_eq(&list->at[low].hash, &checkpoint->hash);
    if (list->n == list->cap) {
        size_t cap = list->cap == 0 ? 64 : 2 * list->cap;
        struct spv_checkpoint *at = realloc(list->at, cap * sizeof *at);

        if (!at)
            return -1;
        list->at = at;
        list->cap = cap;
    }
    memmove(list->at + low + 1, list->at + low, (list->n - low) * sizeof *list->at);
    list->at[low] = *checkpoint;
    list->n++;
    return 0;
}

/* `where` names the option or the file and line. */
static int add_given(struct checkpoint_list *list, const struct spv_checkpoint *checkpoint,
                     const char *where)
{
    int rc;

    if (++list->given > CHECKPOINTS_GIVEN)
        return cli_usage("%s: more than %d checkpoints.", where, CHECKPOINTS_GIVEN);
    rc = put_checkpoint(list, checkpoint);
    if (rc < 0)
        return no_memory();
    if (rc > 0)
        return cli_usage("%s: contradicts another checkpoint of height %s, given or built in (see "
                         "--no-checkpoints).",
                         where, CLI_COUNT(checkpoint->height));
    return CLI_DONE;
}

static int read_line(struct checkpoint_list *list, const char *line, const char *where,
                     uint32_t *last)
{
    struct spv_checkpoint checkpoint;
    const char *wrong = parse_checkpoint(&checkpoint, line);

    if (wrong)
        return cli_usage("%s: '%.*s' %s.", where, (int)strcspn(line, "\r\n"), line, wrong);
    if (checkpoint.height <= *last)
        return cli_usage("%s: heights must ascend: %s comes after %s.", where,
                         CLI_COUNT(checkpoint.height), CLI_COUNT(*last));
    *last = checkpoint.height;
    return add_given(list, &checkpoint, where);
}

static int unreadable(const char *path)
{
    return cli_fail(SPV_ERR_IO, "%s: cannot be read: %s. Check the path.", path, strerror(errno));
}

static int read_lines(struct checkpoint_list *list, FILE *f, const char *path)
{
    char line[LINE_MAX_BYTES], where[320];
    uint32_t last = 0;
    unsigned long number = 0;

    while (fgets(line, sizeof line, f)) {
        int rc;

        snprintf(where, sizeof where, "%.256s: line %lu", path, ++number);
        if (strlen(line) == sizeof line - 1 && line[sizeof line - 2] != '\n')
            return cli_usage("%s: is longer than %d bytes.", where, LINE_MAX_BYTES - 2);
        if (line[strspn(line, " \t\r\n")] == '\0' || line[0] == '#' ||
            (number == 1 && strncmp(line, "height,", 7) == 0))
            continue;
        rc = read_line(list, line, where, &last);
        if (rc != CLI_DONE)
            return rc;
    }
    if (!ferror(f))
        return CLI_DONE;
    return cli_stopped() ? CLI_INTERRUPTED : unreadable(path);
}

static int read_file(struct checkpoint_list *list, const char *path)
{
    int rc;
    FILE *f = cli_fopen_input(path);

    if (!f)
        return unreadable(path);
    rc = read_lines(list, f, path);
    fclose(f);
    return rc;
}

int checkpoint_list_make(struct checkpoint_list *out, const struct spv_checkpoint *base,
                         size_t n_base, const struct cli_list *items, const char *file)
{
    size_t i;

    *out = (struct checkpoint_list){0};
    for (i = 0; i < n_base; i++)
        if (put_checkpoint(out, &base[i]) < 0)
            return no_memory();
    for (i = 0; i < items->n; i++) {
        struct spv_checkpoint checkpoint;
        const char *wrong = parse_checkpoint(&checkpoint, items->item[i]);
        int rc;

        if (wrong)
            return cli_usage("--checkpoint: '%s' %s.", items->item[i], wrong);
        rc = add_given(out, &checkpoint, "--checkpoint");
        if (rc != CLI_DONE)
            return rc;
    }
    return file ? read_file(out, file) : CLI_DONE;
}

void checkpoint_list_free(struct checkpoint_list *list)
{
    free(list->at);
    *list = (struct checkpoint_list){0};
}

/* Returns the number of n decimal digits, or -1. */
static int digits(const char *text, int n)
{
    int x = 0;

    for (; n > 0; n--, text++) {
        if (*text < '0' || *text > '9')
            return -1;
        x = x * 10 + (*text - '0');
    }
    return x;
}

int birthday_parse(int64_t *out, const char *text)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year, month, day, leap, m;
    int64_t n;

    if (strlen(text) != 10 || text[4] != '-' || text[7] != '-')
        return -1;
    year = digits(text, 4);
    month = digits(text + 5, 2);
    day = digits(text + 8, 2);
    leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (year < 1970 || month < 1 || month > 12 || day < 1 ||
        day > days[month - 1] + (month == 2 && leap))
        return -1;
    /* whole years since 1970, with the leap days among them */
    n = (year - 1970) * INT64_C(365) + (year - 1969) / 4 - (year - 1901) / 100 +
        (year - 1601) / 400;
    for (m = 1; m < month; m++)
        n += days[m - 1] + (m == 2 && leap);
    *out = (n + day - 1) * 86400;
    return 0;
}
