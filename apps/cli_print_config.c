/* All options with their values, and where each comes from: what --print-config prints can be used
 * as a configuration file. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli_options.h"

/* Whether the option has no value: a default number at its limit stands for none. */
static bool is_none(const struct cli_option *o)
{
    switch (o->kind) {
    case CLI_FLAG:
    case CLI_TRANSPORT:
        return false;
    case CLI_TEXT:
        return !*(const char **)o->into;
    case CLI_LIST:
        return ((const struct cli_list *)o->into)->n == 0;
    case CLI_NETWORK:
        return !*(const struct spv_params **)o->into;
    case CLI_NUMBER:
        return cli_origin_of(o).source == CLI_FROM_DEFAULT && *(uint64_t *)o->into >= o->max;
    }
    return true;
}

static const char *source_text(char out[CLI_LABEL_MAX], const struct cli_option *o)
{
    char variable[CLI_VARIABLE_MAX];
    const struct cli_origin origin = cli_origin_of(o);

    switch (origin.source) {
    case CLI_FROM_DEFAULT:
        return "default";
    case CLI_FROM_COMMAND_LINE:
        return "command line";
    case CLI_FROM_ENVIRONMENT:
        (void)snprintf(out, CLI_LABEL_MAX, "%s", cli_variable(variable, o->name));
        return out;
    case CLI_FROM_SECTION:
    case CLI_FROM_FILE:
        (void)snprintf(out, CLI_LABEL_MAX, "%s, line %u", cli_origin_path(), origin.line);
        return out;
    }
    return "";
}

/* One value; of a list, item i. */
static const char *value_text(char out[CLI_FIGURE], const struct cli_option *o, size_t i)
{
    switch (o->kind) {
    case CLI_FLAG:
        return *(bool *)o->into ? "yes" : "no";
    case CLI_TRANSPORT:
        return cli_transport_name(*(enum spv_transport_choice *)o->into);
    case CLI_TEXT:
        return *(const char **)o->into;
    case CLI_LIST:
        return ((const struct cli_list *)o->into)->item[i];
    case CLI_NETWORK:
        return (*(const struct spv_params **)o->into)->net.name;
    case CLI_NUMBER:
        (void)snprintf(out, CLI_FIGURE, "%" PRIu64, *(uint64_t *)o->into);
        return out;
    }
    return "";
}

/* As cli_print does, but of any length. */
static void print_value(const struct cli_option *o, const char *value)
{
    const bool is_default = cli_origin_of(o).source == CLI_FROM_DEFAULT;
    char source[CLI_LABEL_MAX];
    char *text = strdup(value);

    if (text)
        cli_clean(text);
    printf("%s%s = %s%s", is_default ? "# " : "", o->name, text ? text : "",
           is_default ? "\n" : " # ");
    free(text);
    if (!is_default)
        cli_print("%s", source_text(source, o));
}

static void print_text(const struct cli_option *o)
{
    char number[CLI_FIGURE];
    const size_t n = o->kind == CLI_LIST ? ((const struct cli_list *)o->into)->n : 1;

    if (is_none(o))
        cli_print("# %s =", o->name);
    for (size_t i = 0; i < n && !is_none(o); i++)
        print_value(o, value_text(number, o, i));
}

static json_t *value_json(const struct cli_option *o)
{
    char number[CLI_FIGURE];
    json_t *list;

    if (is_none(o))
        return json_null();
    if (o->kind == CLI_FLAG)
        return json_boolean(*(bool *)o->into);
    if (o->kind == CLI_NUMBER)
        return json_integer((json_int_t) * (uint64_t *)o->into);
    if (o->kind != CLI_LIST)
        return json_string(value_text(number, o, 0));
    list = json_array();
    for (size_t i = 0; list && i < ((const struct cli_list *)o->into)->n; i++)
        json_array_append_new(list, json_string(value_text(number, o, i)));
    return list;
}

static bool wants_json(const struct cli_app *app)
{
    for (const struct cli_option *o = app->options; o->name || o->group; o++)
        if (o->name && strcmp(o->name, "json") == 0)
            return *(bool *)o->into;
    return false;
}

int cli_print_config(const struct cli_app *app)
{
    char source[CLI_LABEL_MAX];
    const bool json = wants_json(app);

    if (json)
        cli_json_mode();
    cli_print("# %s%s%s", app->name,
              cli_origin_path() ? ", with " : ", without a configuration file",
              cli_origin_path() ? cli_origin_path() : "");
    for (const struct cli_option *o = app->options; o->name || o->group; o++) {
        if (!o->name)
            continue;
        if (json)
            cli_json(json_pack("{s:s, s:s, s:o, s:s}", "event", "option", "name", o->name, "value",
                               value_json(o), "from", source_text(source, o)));
        else
            print_text(o);
    }
    return cli_finish_output();
}
