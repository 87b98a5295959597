/* What a shell completes: scripts for bash, zsh and fish, made from the table of options that
 * --help prints. */
#include <stdio.h>
#include <string.h>

#include "cli_options.h"

#define WORDS_MAX 512

/* What may follow an option. */
enum follows {
    FOLLOWS_NOTHING = 0,
    FOLLOWS_WORD = 1, /* one of a list */
    FOLLOWS_FILE = 2,
    FOLLOWS_FOLDER = 3,
    FOLLOWS_TEXT = 4, /* free text: nothing is proposed */
};

static enum follows follows(char words[WORDS_MAX], const struct cli_option *o)
{
    size_t used = 0;

    words[0] = '\0';
    if (!o->value)
        return FOLLOWS_NOTHING;
    if (o->kind == CLI_NETWORK) {
        for (int i = 0; i < SPV_NETWORKS; i++)
            used += (size_t)snprintf(words + used, WORDS_MAX - used, "%s%s", i > 0 ? " " : "",
                                     spv_netid_get((enum spv_network)i)->name);
        return FOLLOWS_WORD;
    }
    if (o->kind == CLI_TRANSPORT || o->choices) {
        (void)snprintf(words, WORDS_MAX, "%s", o->choices ? o->choices : "auto v1 v2");
        return FOLLOWS_WORD;
    }
    if (strcmp(o->value, "FILE") == 0)
        return FOLLOWS_FILE;
    return strcmp(o->value, "DIR") == 0 ? FOLLOWS_FOLDER : FOLLOWS_TEXT;
}

/* The app's options, and then our own; NULL at the end. Begins with NULL. */
static const struct cli_option *next_option(const struct cli_app *app, const struct cli_option *o)
{
    o = o ? o + 1 : app->options;
    while (!o->name && o->group)
        o++;
    if (o->name)
        return o;
    return o < cli_own_options || o > cli_own_options + CLI_OWN_COMPLETION + 1 ? cli_own_options
                                                                               : NULL;
}

/* The first sentence of the help, without what a quoted word of a script cannot hold. */
static void print_sentence(const struct cli_option *o, const char *unsafe)
{
    const char *end = strstr(o->help, ". ");
    const size_t n = end ? (size_t)(end - o->help) : strlen(o->help) - 1;

    for (size_t i = 0; i < n; i++)
        putchar(o->help[i] == '\n' || strchr(unsafe, o->help[i]) ? ' ' : o->help[i]);
}

/* ---- bash ---- */

static void print_function(const struct cli_app *app)
{
    putchar('_');
    for (const char *p = app->name; *p != '\0'; p++)
        putchar(*p == '-' ? '_' : *p);
}

static void print_bash_case(const struct cli_option *o)
{
    static const char *const actions[] = {
        [FOLLOWS_FILE] = "compopt -o filenames; COMPREPLY=($(compgen -f -- \"$cur\"))",
        [FOLLOWS_FOLDER] = "compopt -o filenames; COMPREPLY=($(compgen -d -- \"$cur\"))",
        [FOLLOWS_TEXT] = "COMPREPLY=()",
    };
    char words[WORDS_MAX];
    const enum follows kind = follows(words, o);

    if (kind == FOLLOWS_NOTHING)
        return;
    printf("    --%s", o->name);
    if (o->letter != '\0')
        printf(" | -%c", o->letter);
    if (kind == FOLLOWS_WORD)
        printf(") COMPREPLY=($(compgen -W \"%s\" -- \"$cur\")); return ;;\n", words);
    else
        printf(") %s; return ;;\n", actions[kind]);
}

static void bash(const struct cli_app *app)
{
    const struct cli_option *o = NULL;

    printf("# bash completion of %s\n", app->name);
    print_function(app);
    printf("() {\n    local IFS=$' \\t\\n' cur=${COMP_WORDS[COMP_CWORD]} "
           "prev=${COMP_WORDS[COMP_CWORD-1]}\n    case $prev in\n");
    while ((o = next_option(app, o)))
        print_bash_case(o);
    printf("    esac\n    case $cur in\n    -*) COMPREPLY=($(compgen -W \"");
    while ((o = next_option(app, o)))
        printf("--%s ", o->name);
    printf("\" -- \"$cur\")) ;;\n    *) ");
    if (app->commands)
        printf("COMPREPLY=($(compgen -W \"%s\" -- \"$cur\")); [ ${#COMPREPLY[@]} -gt 0 ] || ",
               app->commands);
    printf("%s ;;\n    esac\n}\ncomplete -F ",
           app->operands ? "{ compopt -o filenames; COMPREPLY=($(compgen -f -- \"$cur\")); }"
                         : "COMPREPLY=()");
    print_function(app);
    printf(" %s\n", app->name);
}

/* ---- zsh ---- */

static void print_zsh_option(const struct cli_option *o)
{
    char words[WORDS_MAX];
    const enum follows kind = follows(words, o);

    printf("    ");
    if (o->kind == CLI_LIST && o->value)
        printf("'*'");
    if (o->letter != '\0')
        printf("{-%c,--%s}'[", o->letter, o->name);
    else
        printf("'--%s[", o->name);
    print_sentence(o, "[]:'\\");
    printf("]");
    switch (kind) {
    case FOLLOWS_NOTHING:
        break;
    case FOLLOWS_WORD:
        printf(":%s:(%s)", o->value, words);
        break;
    case FOLLOWS_FILE:
        printf(":file:_files");
        break;
    case FOLLOWS_FOLDER:
        printf(":folder:_files -/");
        break;
    case FOLLOWS_TEXT:
        printf(":value: ");
        break;
    }
    printf("' \\\n");
}

static void zsh(const struct cli_app *app)
{
    const struct cli_option *o = NULL;

    printf("#compdef %s\n# zsh completion of %s\n_arguments -s \\\n", app->name, app->name);
    while ((o = next_option(app, o)))
        print_zsh_option(o);
    if (app->commands)
        printf("    '1:command:(%s)' \\\n", app->commands);
    printf("    '%s'\n", app->operands ? "*:file:_files" : "*: :");
}

/* ---- fish ---- */

static void print_fish_option(const struct cli_app *app, const struct cli_option *o)
{
    static const char *const how[] = {
        [FOLLOWS_NOTHING] = "",    [FOLLOWS_WORD] = " -x -a",
        [FOLLOWS_FILE] = " -r -F", [FOLLOWS_FOLDER] = " -x -a '(__fish_complete_directories)'",
        [FOLLOWS_TEXT] = " -x",
    };
    char words[WORDS_MAX];
    const enum follows kind = follows(words, o);

    printf("complete -c %s", app->name);
    if (o->letter != '\0')
        printf(" -s %c", o->letter);
    printf(" -l %s%s", o->name, how[kind]);
    if (kind == FOLLOWS_WORD)
        printf(" '%s'", words);
    printf(" -d '");
    print_sentence(o, "'\\");
    printf("'\n");
}

static void fish(const struct cli_app *app)
{
    const struct cli_option *o = NULL;

    printf("# fish completion of %s\n", app->name);
    if (app->commands)
        printf("complete -c %s -n __fish_is_first_arg -f -a '%s'\n", app->name, app->commands);
    else if (!app->operands)
        printf("complete -c %s -f\n", app->name);
    while ((o = next_option(app, o)))
        print_fish_option(app, o);
}

int cli_completion(const struct cli_app *app, const char *shell)
{
    if (strcmp(shell, "bash") == 0)
        bash(app);
    else if (strcmp(shell, "zsh") == 0)
        zsh(app);
    else if (strcmp(shell, "fish") == 0)
        fish(app);
    else
        return cli_usage("--completion: '%s' is not bash, zsh or fish.", shell);
    return cli_finish_output();
}
