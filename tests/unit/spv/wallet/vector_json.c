#include "vector_json.h"

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

static char *skip_space(char *at)
{
    return at + strspn(at, " \t\r\n");
}

/* at is behind the opening quote; returns what is behind the closing one, which becomes NUL. */
static char *end_string(char *at)
{
    for (; *at != '"'; at++) {
        if (*at == '\\')
            at++;
        assert_true(*at != '\0');
    }
    *at = '\0';
    return at + 1;
}

static char *parse_value(struct json *out, char *at);

static char *parse_list(struct json *out, char *at, char end)
{
    struct json **tail = &out->child;

    for (at = skip_space(at); *at != end; at = skip_space(at)) {
        struct json *item = calloc(1, sizeof *item);
        assert_non_null(item);
        *tail = item;
        tail = &item->next;
        out->n++;
        if (end == '}') {
            assert_int_equal(*at, '"');
            item->key = ++at;
            at = skip_space(end_string(at));
            assert_int_equal(*at++, ':');
        }
        at = skip_space(parse_value(item, skip_space(at)));
        if (*at == ',')
            at++;
        else
            assert_int_equal(*at, end);
    }
    return at + 1;
}

static char *parse_value(struct json *out, char *at)
{
    if (*at == '{')
        return parse_list(out, at + 1, '}');
    if (*at == '[')
        return parse_list(out, at + 1, ']');
    if (*at == '"') {
        out->text = at + 1;
        return end_string(at + 1);
    }
    out->text = at;
    return at + strcspn(at, ",]} \t\r\n");
}

struct json *json_parse(char *text)
{
    struct json *out = calloc(1, sizeof *out);

    assert_non_null(out);
    assert_int_equal(*skip_space(parse_value(out, skip_space(text))), '\0');
    return out;
}

void json_free(struct json *j)
{
    while (j) {
        struct json *next = j->next;
        json_free(j->child);
        free(j);
        j = next;
    }
}

const struct json *json_find(const struct json *object, const char *key)
{
    for (const struct json *j = object->child; j; j = j->next)
        if (j->key && strcmp(j->key, key) == 0)
            return j;
    return NULL;
}

const struct json *json_get(const struct json *object, const char *key)
{
    const struct json *j = json_find(object, key);

    if (!j)
        fail_msg("no member %s", key);
    return j;
}

const char *json_text(const struct json *object, const char *key)
{
    const struct json *j = json_get(object, key);

    assert_non_null(j->text);
    assert_false(json_is_null(j));
    return j->text;
}

double json_number(const struct json *object, const char *key)
{
    return strtod(json_text(object, key), NULL);
}

bool json_bool(const struct json *object, const char *key)
{
    return strncmp(json_text(object, key), "true", 4) == 0;
}

bool json_is_null(const struct json *j)
{
    return j->text && strncmp(j->text, "null", 4) == 0;
}

uint8_t *hex_bytes(const char *hex, size_t *n)
{
    uint8_t *out = malloc(strlen(hex) / 2 + 1);

    assert_non_null(out);
    *n = unhex(out, strlen(hex) / 2, hex);
    return out;
}
