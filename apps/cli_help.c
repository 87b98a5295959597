/* The help text, made from the table of options. */
#include <stdio.h>
#include <string.h>

#include "cli_options.h"

#define HELP_COLUMN 27 /* where explanations start */
#define HELP_WIDTH 80

const struct cli_option cli_own_options[] = {
    [CLI_OWN_HELP] = {.name = "help", .letter = 'h', .help = "Print this and exit."},
    [CLI_OWN_VERSION] = {.name = "version", .letter = 'V', .help = "Print the version and exit."},
    [CLI_OWN_CONFIG] = {.name = "config",
                        .value = "FILE",
                        .help = "The configuration file: 'option = value' lines, those of one "
                                "network below '[NETWORK]'. Default: "
                                "~/.config/spv/spv.conf, if there is one. The environment "
                                "(SPV_OPTION=value) comes before it, the command line before "
                                "both; there --no-FLAG takes back a flag."},
    [CLI_OWN_NO_CONFIG] = {.name = "no-config", .help = "Read no configuration file."},
    [CLI_OWN_PRINT_CONFIG] = {.name = "print-config",
                              .help = "Print all options, their values and where each comes "
                                      "from, and exit."},
    [CLI_OWN_COMPLETION] = {.name = "completion",
                            .value = "SHELL",
                            .help = "Print what completes the options in bash, zsh or fish, and "
                                    "exit."},
    {0},
};

/* Prints text from the help column on, wrapped at the help width. */
static void help_text(const char *text, int column)
{
    while (*text != '\0') {
        int len = (int)strcspn(text, " \n");
        bool broken = text[len] == '\n';

        if (column > HELP_COLUMN && column + 1 + len > HELP_WIDTH) {
            printf("\n%*s", HELP_COLUMN, "");
            column = HELP_COLUMN;
        } else if (column > HELP_COLUMN) {
            putchar(' ');
            column++;
        }
        printf("%.*s", len, text);
        column += len;
        text += len;
        if (broken) {
            printf("\n%*s", HELP_COLUMN, "");
            column = HELP_COLUMN;
        }
        text += strspn(text, " \n");
    }
    putchar('\n');
}

static void help_option(const struct cli_option *o)
{
    char left[HELP_WIDTH];
    char letter[] = "    ";
    int n;

    if (o->letter != '\0') {
        letter[0] = '-';
        letter[1] = o->letter;
        letter[2] = ',';
    }
    n = snprintf(left, sizeof left, "  %s--%s%s%s", letter, o->name, o->value ? " " : "",
                 o->value ? o->value : "");
    fputs(left, stdout);
    if (n + 2 > HELP_COLUMN)
        printf("\n%*s", HELP_COLUMN, "");
    else
        printf("%*s", HELP_COLUMN - n, "");
    help_text(o->help, HELP_COLUMN);
}

static const char *exit_meaning(enum cli_exit code)
{
    switch (code) {
    case CLI_DONE:
        return "done";
    case CLI_FAILED:
        return "failed; may succeed when retried or once the cause is removed";
    case CLI_USAGE:
        return "wrong option or argument; nothing was done";
    case CLI_DATABASE:
        return "the database is damaged, of a newer version or of another network";
    case CLI_NO_PEER:
        return "no usable peer before the timeout";
    case CLI_INTERRUPTED:
        return "interrupted by SIGINT, or by SIGTERM or SIGHUP before it was done or\n"
               "       synced; progress is kept, the same command resumes";
    }
    return "";
}

int cli_help(const struct cli_app *app)
{
    const struct cli_option *o;
    size_t i;

    printf("Usage: %s %s\n\n%s\n", app->name, app->usage, app->summary);
    for (o = app->options; o->name || o->group; o++) {
        if (!o->name)
            printf("\n%s:\n", o->group);
        else
            help_option(o);
        (void)cli_output_error(); /* flush: printf would lose the errno of a full device */
    }
    printf("\nAbout:\n");
    for (o = cli_own_options; o->name; o++)
        help_option(o);
    printf("\nExit codes:\n");
    for (i = 0; i < app->n_exits; i++)
        printf("  %-5d%s\n", (int)app->exits[i], exit_meaning(app->exits[i]));
    if (app->notes)
        printf("\n%s", app->notes);
    return cli_finish_output();
}
