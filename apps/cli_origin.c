/* Where the values of options come from, so that an error and --print-config can say it. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "cli_options.h"

static const struct cli_app *app;
static const char *file;
static struct cli_origin origins[CLI_ROWS_MAX];

void cli_origin_begin(const struct cli_app *of)
{
    app = of;
    file = NULL;
    memset(origins, 0, sizeof origins);
}

void cli_origin_file(const char *path)
{
    file = path;
}

const char *cli_origin_path(void)
{
    return file;
}

void cli_origin_set(const struct cli_option *o, struct cli_origin origin)
{
    origins[o - app->options] = origin;
}

struct cli_origin cli_origin_of(const struct cli_option *o)
{
    return origins[o - app->options];
}

const char *cli_variable(char out[CLI_VARIABLE_MAX], const char *name)
{
    (void)snprintf(out, CLI_VARIABLE_MAX, "SPV_%s", name);
    for (char *p = out; *p != '\0'; p++)
        *p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
    return out;
}

const char *cli_label(char out[CLI_LABEL_MAX], const struct cli_option *o)
{
    char variable[CLI_VARIABLE_MAX];
    const struct cli_origin origin = cli_origin_of(o);

    switch (origin.source) {
    case CLI_FROM_ENVIRONMENT:
        (void)snprintf(out, CLI_LABEL_MAX, "%s", cli_variable(variable, o->name));
        break;
    case CLI_FROM_SECTION:
    case CLI_FROM_FILE:
        (void)snprintf(out, CLI_LABEL_MAX, "%s, line %u: %s", file, origin.line, o->name);
        break;
    case CLI_FROM_DEFAULT:
    case CLI_FROM_COMMAND_LINE:
        (void)snprintf(out, CLI_LABEL_MAX, "--%s", o->name);
        break;
    }
    return out;
}

static const struct cli_option *find(const char *name, size_t n)
{
    for (const struct cli_option *o = app ? app->options : NULL; o && (o->name || o->group); o++)
        if (o->name && strlen(o->name) == n && memcmp(o->name, name, n) == 0)
            return o;
    return NULL;
}

static void explain(char *text, size_t cap, const struct cli_option *o)
{
    char variable[CLI_VARIABLE_MAX];
    const struct cli_origin origin = cli_origin_of(o);
    const size_t used = strlen(text);

    if (origin.source == CLI_FROM_ENVIRONMENT)
        (void)snprintf(text + used, cap - used, " --%s is set by the environment variable %s.",
                       o->name, cli_variable(variable, o->name));
    else if (origin.source == CLI_FROM_SECTION || origin.source == CLI_FROM_FILE)
        (void)snprintf(text + used, cap - used, " --%s is set in %s, line %u.", o->name, file,
                       origin.line);
}

void cli_origin_explain(char *text, size_t cap)
{
    const struct cli_option *named[4];
    size_t n = 0;

    for (const char *p = text; strncmp(p, "--", 2) == 0 && n < sizeof named / sizeof named[0];) {
        const size_t length = strcspn(p + 2, ",: ");
        named[n] = find(p + 2, length);
        n += named[n] != NULL;
        p += 2 + length;
        p += strspn(p, ", ");
    }
    for (size_t i = 0; i < n; i++)
        explain(text, cap, named[i]);
}
