/* The command line.
 *
 * A table of options is turned into getopt_long's form; every option gets the code CLI_FIRST plus
 * its row, so one loop serves all apps. getopt's own messages are off: ours name the option and
 * what was expected, and point at the nearest name and at --help. */
#include "cli.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli_options.h"
#include "spv/version.h"

/* getopt codes, above every character */
#define CLI_OWN 600 /* and its row of our own options */
#define CLI_FIRST 1000 /* and its row of the app's options */
#define CLI_NEGATED 2000 /* and the row of a flag that is taken back */
#define NAME_MAX_LEN 40 /* of an option */

/* The options in getopt's form. */
struct table {
    struct option rows[2 * CLI_OPTIONS_MAX + 8];
    char letters[2 * CLI_OPTIONS_MAX + 8];
    char negated[CLI_OPTIONS_MAX][NAME_MAX_LEN]; /* the names of flags that are taken back */
    const char *names[CLI_OPTIONS_MAX + 8]; /* that an error may propose; ends with NULL */
    size_t n, used, n_names, n_negated;
};

static void add_row(struct table *t, const struct cli_option *o, bool value, int code)
{
    t->rows[t->n++] = (struct option){o->name, value ? required_argument : no_argument, NULL, code};
    t->names[t->n_names++] = o->name;
    if (o->letter == '\0')
        return;
    t->letters[t->used++] = o->letter;
    if (value)
        t->letters[t->used++] = ':';
}

static int make_table(struct table *t, const struct cli_app *app)
{
    const struct cli_option *o;

    memset(t, 0, sizeof *t);
    t->letters[t->used++] = ':'; /* first: getopt reports a missing value separately */
    for (o = app->options; o->name || o->group; o++) {
        const int row = (int)(o - app->options);

        if (!o->name)
            continue;
        if (t->n_names == CLI_OPTIONS_MAX || row == CLI_ROWS_MAX)
            return cli_usage("too many options.");
        add_row(t, o, o->kind != CLI_FLAG, CLI_FIRST + row);
        if (o->kind != CLI_FLAG || strncmp(o->name, "no-", 3) == 0)
            continue;
        (void)snprintf(t->negated[t->n_negated], NAME_MAX_LEN, "no-%s", o->name);
        t->rows[t->n++] =
            (struct option){t->negated[t->n_negated++], no_argument, NULL, CLI_NEGATED + row};
    }
    for (o = cli_own_options; o->name; o++)
        add_row(t, o, o->value != NULL, CLI_OWN + (int)(o - cli_own_options));
    return CLI_PROCEED;
}

static int unknown_option(const struct table *t, const char *arg, int letter)
{
    char name[NAME_MAX_LEN];
    const char *near;

    if (letter != 0 && letter < CLI_OWN && strncmp(arg, "--", 2) != 0)
        return cli_usage("-%c: unknown option.", letter);
    (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(arg + 2, "="), arg + 2);
    if (letter >= CLI_OWN) /* the option exists, so it has an unexpected value */
        return cli_usage("--%s: takes no value.", name);
    near = cli_nearest(t->names, name);
    if (near)
        return cli_usage("--%s: unknown option; did you mean --%s?", name, near);
    return cli_usage("--%s: unknown option.", name);
}

/* What the command line says of our own options. */
struct own {
    const char *config, *completion;
    bool no_config, print_config;
};

/* Returns CLI_PROCEED, or the code to exit with. */
static int read_own(struct own *own, const struct cli_app *app, enum cli_own row, const char *value)
{
    switch (row) {
    case CLI_OWN_HELP:
        return cli_help(app);
    case CLI_OWN_VERSION:
        printf("%s (libspv) %s\n", app->name, spv_version());
        return cli_finish_output();
    case CLI_OWN_CONFIG:
        own->config = value;
        return *value != '\0' ? CLI_PROCEED
                              : cli_usage("--config: the value is empty; expected FILE.");
    case CLI_OWN_NO_CONFIG:
        own->no_config = true;
        return CLI_PROCEED;
    case CLI_OWN_PRINT_CONFIG:
        own->print_config = true;
        return CLI_PROCEED;
    case CLI_OWN_COMPLETION:
        own->completion = value;
        return CLI_PROCEED;
    }
    return CLI_PROCEED;
}

static const struct cli_option *of_letter(const struct cli_app *app, int letter)
{
    const struct cli_option *o = app->options;

    while (!o->name || o->letter != letter)
        o++;
    return o;
}

/* One option of the command line. */
static int read_row(const struct cli_app *app, struct own *own, int code, const char *value)
{
    const struct cli_origin here = {.source = CLI_FROM_COMMAND_LINE};

    if (code == 'h' || code == 'V')
        return read_own(own, app, code == 'h' ? CLI_OWN_HELP : CLI_OWN_VERSION, NULL);
    if (code >= CLI_OWN && code < CLI_FIRST)
        return read_own(own, app, (enum cli_own)(code - CLI_OWN), value);
    if (code >= CLI_NEGATED) {
        const struct cli_option *o = &app->options[code - CLI_NEGATED];

        cli_origin_set(o, here);
        *(bool *)o->into = false;
        return CLI_PROCEED;
    }
    const struct cli_option *o =
        code < CLI_FIRST ? of_letter(app, code) : &app->options[code - CLI_FIRST];
    cli_origin_set(o, here);
    return cli_read_option(o, value);
}

static int read_operands(const struct cli_app *app, int argc, char **argv)
{
    for (; app->operands && optind < argc; optind++) {
        if (app->operands->n == CLI_LIST_MAX)
            return cli_usage("more than %d arguments.", CLI_LIST_MAX);
        app->operands->item[app->operands->n++] = argv[optind];
    }
    if (optind < argc)
        return cli_usage("'%s': unexpected argument; %s takes only options.", argv[optind],
                         app->name);
    return CLI_PROCEED;
}

int cli_parse(const struct cli_app *app, int argc, char **argv)
{
    struct table table;
    struct own own = {0};
    int code, at;

    cli_set_program(app->name);
    cli_origin_begin(app);
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error of a write, not the end of a sync */
    signal(SIGXFSZ, SIG_IGN); /* so is a file that may not grow (ulimit -f) */
    code = make_table(&table, app);
    if (code != CLI_PROCEED)
        return code;
    opterr = 0;
    while (at = optind, (code = getopt_long(argc, argv, table.letters, table.rows, NULL)) != -1) {
        if (code == ':') {
            const char *arg = argv[optind - 1];

            if (strncmp(arg, "--", 2) != 0)
                return cli_usage("-%c: a value is missing.", optopt);
            return cli_usage("%s: a value is missing.", arg);
        }
        if (code == '?')
            return unknown_option(&table, argv[optopt != 0 && optopt < CLI_OWN ? at : optind - 1],
                                  optopt);
        code = read_row(app, &own, code, optarg);
        if (code != CLI_PROCEED)
            return code;
    }
    if (own.completion)
        return cli_completion(app, own.completion);
    code = read_operands(app, argc, argv);
    if (code == CLI_PROCEED)
        code = cli_config_read(app, own.config, own.no_config);
    return code == CLI_PROCEED && own.print_config ? cli_print_config(app) : code;
}
