#include "support/vector_json.h"

#include <stdio.h>

char *read_data(const char *name, size_t *n)
{
    const char *folder = getenv("SPV_TEST_DATA");
    char path[512], *text;
    FILE *file = NULL;
    long size;

    if (folder) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, name);
        file = fopen(path, "rb");
    }
    if (!file) {
        printf("skipped: no %s under SPV_TEST_DATA\n", name);
        skip();
    }
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    size = ftell(file);
    assert_true(size >= 0);
    rewind(file);
    text = malloc((size_t)size + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, (size_t)size, file), (size_t)size);
    fclose(file);
    text[size] = '\0';
    *n = (size_t)size;
    return text;
}

json_t *read_json(const char *name)
{
    size_t n;
    char *text = read_data(name, &n);
    json_t *json = json_loadb(text, n, 0, NULL);

    assert_non_null(json);
    free(text);
    return json;
}

const json_t *json_find(const json_t *object, const char *key)
{
    return json_object_get(object, key);
}

const json_t *json_get(const json_t *object, const char *key)
{
    const json_t *member = json_object_get(object, key);

    if (!member)
        fail_msg("no member %s", key);
    return member;
}

const char *json_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_get(object, key));

    assert_non_null(text);
    return text;
}

double json_number(const json_t *object, const char *key)
{
    const json_t *member = json_get(object, key);

    assert_true(json_is_number(member));
    return json_number_value(member);
}

bool json_bool(const json_t *object, const char *key)
{
    const json_t *member = json_get(object, key);

    assert_true(json_is_boolean(member));
    return json_is_true(member);
}

uint8_t *hex_bytes(const char *hex, size_t *n)
{
    uint8_t *out = malloc(strlen(hex) / 2 + 1);

    assert_non_null(out);
    *n = unhex(out, strlen(hex) / 2, hex);
    return out;
}

struct csv_table csv_table_open(const char *name)
{
    struct csv_table t;
    size_t n;
    t.text = read_data(name, &n);
    t.next = strchr(t.text, '\n') + 1;
    return t;
}

bool csv_table_row(struct csv_table *t, char **cells, size_t n)
{
    char *end = strchr(t->next, '\n');
    if (!end)
        return false;
    *end = '\0';
    for (size_t i = 0; i < n; i++) {
        cells[i] = t->next;
        t->next += strcspn(t->next, ",");
        if (*t->next != '\0')
            *t->next++ = '\0';
    }
    t->next = end + 1;
    return true;
}
