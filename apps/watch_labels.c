/* The command labels: BIP329 in and out, one JSON object a line. A line that has fields or a type
 * that this library does not know is kept as it is, and exported again. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "read_bytes.h"
#include "watch_commands.h"
#include "watch_text.h"

#define LABELS_MAX 64000000 /* ours: bytes of a file; half a million labels */

struct labels {
    struct spv_label *at;
    json_t **objects; /* that own the texts */
    char **lines; /* not understood */
    size_t n, n_lines, cap;
};

/* ---- import ---- */

static bool is_type(const char *type)
{
    static const char *const types[] = {"tx", "addr", "pubkey", "input", "output", "xpub"};

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(type, types[i]) == 0)
            return true;
    return false;
}

/* Fills in a label. Returns false when something in it is not known here. */
static bool read_label(struct spv_label *out, json_t *object)
{
    const char *key;
    json_t *value;

    *out = (struct spv_label){.spendable = SPV_LABEL_SPENDABLE_UNSET};
    json_object_foreach(object, key, value)
    {
        const char *text = json_string_value(value);
        if (strcmp(key, "spendable") == 0 && json_is_boolean(value))
            out->spendable = json_is_true(value) ? SPV_LABEL_SPENDABLE : SPV_LABEL_NOT_SPENDABLE;
        else if (strcmp(key, "type") == 0 && text)
            out->type = text;
        else if (strcmp(key, "ref") == 0 && text)
            out->ref = text;
        else if (strcmp(key, "label") == 0 && text)
            out->label = text;
        else if (strcmp(key, "origin") == 0 && text)
            out->origin = text;
        else
            return false;
    }
    return out->type && is_type(out->type) && out->ref && out->ref[0] != '\0';
}

static int no_memory(void)
{
    return cli_fail(SPV_ERR_NOMEM, "not enough memory.");
}

static int add_line(struct labels *all, const char *line, size_t n, size_t number)
{
    json_t *object = json_loadb(line, n, JSON_REJECT_DUPLICATES, NULL);

    if (!json_is_object(object)) {
        json_decref(object);
        return cli_fail_as(CLI_FAILED, SPV_ERR_MALFORMED,
                           "labels: line %zu is not a JSON object (BIP329). Nothing was imported.",
                           number);
    }
    if (read_label(&all->at[all->n], object)) {
        all->objects[all->n++] = object;
        return CLI_DONE;
    }
    json_decref(object);
    all->lines[all->n_lines] = strndup(line, n);
    return all->lines[all->n_lines++] ? CLI_DONE : no_memory();
}

static int read_lines(struct labels *all, const struct read_bytes *in)
{
    size_t number = 0;
    int rc = CLI_DONE;

    for (size_t i = 0; i < in->n; i++)
        all->cap += in->at[i] == '\n';
    all->cap++;
    all->at = calloc(all->cap, sizeof *all->at);
    all->objects = calloc(all->cap, sizeof(void *));
    all->lines = calloc(all->cap, sizeof *all->lines);
    if (!all->at || !all->objects || !all->lines)
        return no_memory();
    for (size_t at = 0; rc == CLI_DONE && at < in->n && !cli_stopped();) {
        const char *line = (const char *)in->at + at;
        const char *end = memchr(line, '\n', in->n - at);
        size_t n = end ? (size_t)(end - line) : in->n - at;
        at += n + 1;
        number++;
        while (n > 0 && isspace((unsigned char)line[n - 1]))
            n--;
        rc = n > 0 ? add_line(all, line, n, number) : CLI_DONE;
    }
    return cli_stopped() ? (int)cli_stop_code() : rc;
}

static void free_labels(struct labels *all)
{
    for (size_t i = 0; i < all->n; i++)
        json_decref(all->objects[i]);
    for (size_t i = 0; i < all->n_lines; i++)
        free(all->lines[i]);
    free(all->at);
    free(all->objects);
    free(all->lines);
}

static int store_labels(struct watch_job *j, const struct labels *all)
{
    int rc = watch_open(j, SPV_STORE_WRITE), err;

    if (rc != CLI_DONE)
        return rc;
    err = spv_store_add_labels(j->store, all->at, all->n, (const char *const *)all->lines,
                               all->n_lines);
    if (err == SPV_ERR_TOO_LONG)
        return cli_fail(err, "labels: a text is longer than %d bytes. Nothing was imported.",
                        SPV_LABEL_MAX);
    if (err < 0)
        return watch_failed(j, err);
    if (cli_json_on())
        cli_json(json_pack("{s:s, s:I, s:I}", "event", "imported", "labels", (json_int_t)all->n,
                           "lines", (json_int_t)all->n_lines));
    else if (!j->quiet)
        cli_print("%s labels imported; %s lines of an unknown kind kept", CLI_COUNT(all->n),
                  CLI_COUNT(all->n_lines));
    return CLI_DONE;
}

static int import_labels(struct watch_job *j)
{
    struct labels all = {.n = 0};
    struct read_bytes in;
    int rc = read_bytes_file(&in, j->import, LABELS_MAX);

    if (rc != CLI_DONE)
        return rc;
    rc = read_lines(&all, &in);
    if (rc == CLI_DONE)
        rc = store_labels(j, &all);
    free_labels(&all);
    free(in.at);
    return rc;
}

/* ---- export ---- */

static void add_text(json_t *object, const char *key, const char *text)
{
    if (text)
        (void)json_object_set_new(object, key, json_string(text));
}

/* BIP329's own form: no event and no time. Returns 0 or SPV_ERR_NOMEM. */
static int print_label(const struct spv_label *label)
{
    json_t *object = json_object();
    char *dump = NULL, *line = NULL;
    int rc = SPV_ERR_NOMEM;

    add_text(object, "type", label->type);
    add_text(object, "ref", label->ref);
    add_text(object, "label", label->label);
    add_text(object, "origin", label->origin);
    if (label->spendable != SPV_LABEL_SPENDABLE_UNSET)
        (void)json_object_set_new(object, "spendable",
                                  json_boolean(label->spendable == SPV_LABEL_SPENDABLE));
    if (object)
        dump = json_dumps(object, JSON_COMPACT | JSON_PRESERVE_ORDER);
    if (dump)
        line = cli_json_escape(dump);
    if (line) {
        (void)puts(line);
        rc = 0;
    }
    free(line);
    free(dump);
    json_decref(object);
    return rc;
}

static int export_all(struct spv_wallet_iter *it)
{
    struct spv_wallet_item item;
    int rc = spv_wallet_iter_list(it, SPV_WALLET_LIST_LABELS, NULL);

    while (rc == 0 && watch_goes_on() && (rc = spv_wallet_iter_next(it, &item)) == 1)
        rc = print_label(&item.of.label);
    if (rc == 0)
        rc = spv_wallet_iter_list(it, SPV_WALLET_LIST_LABEL_LINES, NULL);
    while (rc == 0 && watch_goes_on() && (rc = spv_wallet_iter_next(it, &item)) == 1) {
        char *line = cli_json_escape(item.of.line);
        rc = line ? 0 : SPV_ERR_NOMEM;
        if (line)
            (void)puts(line);
        free(line);
    }
    return rc;
}

static int export_labels(struct watch_job *j)
{
    struct spv_wallet_iter *it = NULL;
    int rc = watch_open(j, SPV_STORE_READ), err;

    if (rc == CLI_DONE)
        rc = watch_snapshot(j, &it);
    if (rc != CLI_DONE)
        return rc;
    err = export_all(it);
    spv_wallet_iter_close(it);
    if (err == SPV_ERR_NOMEM)
        return no_memory();
    if (err < 0)
        return watch_failed(j, err);
    return cli_stopped() ? (int)cli_stop_code() : CLI_DONE;
}

int watch_labels(struct watch_job *j)
{
    if (!j->import == !j->export)
        return cli_usage("labels: either --export or --import FILE.");
    return j->export ? export_labels(j) : import_labels(j);
}
