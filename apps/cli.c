/* Options and help texts.
 *
 * A table of options is turned into getopt_long's form; every option gets the code CLI_FIRST plus
 * its row, so one loop serves all apps. getopt's own messages are off: ours name the option and
 * what was expected, and point at the nearest name and at --help. */
#include "cli.h"

#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "spv/store.h"
#include "spv/version.h"

#define CLI_OPTIONS_MAX 40 /* more rows than the longest table has */
#define CLI_FIRST 1000 /* getopt codes of our rows, above every character */
#define CLI_HELP (CLI_FIRST - 1)
#define CLI_VERSION (CLI_FIRST - 2)
#define HELP_COLUMN 27 /* where explanations start */
#define HELP_WIDTH 80
#define NAME_MAX_LEN 31 /* of an option; for the distance table */
#define CHALLENGE_MAX 10000 /* bytes: consensus limit of a script */

/* Help. */

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

static int help(const struct cli_app *app)
{
    static const struct cli_option own[] = {
        {.name = "help", .letter = 'h', .help = "Print this and exit."},
        {.name = "version", .help = "Print the version and exit."},
    };
    size_t i;
    const struct cli_option *o;

    printf("Usage: %s %s\n\n%s\n", app->name, app->usage, app->summary);
    for (o = app->options; o->name || o->group; o++) {
        if (!o->name)
            printf("\n%s:\n", o->group);
        else
            help_option(o);
        (void)cli_output_error(); /* flush: printf would lose the errno of a full device */
    }
    printf("\nAbout:\n");
    for (i = 0; i < sizeof own / sizeof own[0]; i++)
        help_option(&own[i]);
    printf("\nExit codes:\n");
    for (i = 0; i < app->n_exits; i++)
        printf("  %-5d%s\n", (int)app->exits[i], exit_meaning(app->exits[i]));
    if (app->notes)
        printf("\n%s", app->notes);
    return cli_finish_output();
}

/* Parsing. */

/* Edit distance between two short names. */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[NAME_MAX_LEN + 1];
    size_t na = strlen(a), nb = strlen(b), i, j;

    if (na > NAME_MAX_LEN || nb > NAME_MAX_LEN)
        return NAME_MAX_LEN;
    for (j = 0; j <= nb; j++)
        row[j] = (unsigned)j;
    for (i = 1; i <= na; i++) {
        unsigned corner = row[0];

        row[0] = (unsigned)i;
        for (j = 1; j <= nb; j++) {
            unsigned best = corner + (a[i - 1] != b[j - 1]);

            corner = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[nb];
}

static const char *nearest(const struct option *table, const char *wanted)
{
    const char *best = NULL;
    unsigned best_distance = 4; /* further away is no likely slip */

    for (; table->name; table++) {
        unsigned d = distance(wanted, table->name);

        if (strlen(wanted) >= 3 && strncmp(table->name, wanted, strlen(wanted)) == 0)
            d = 1; /* the beginning of several names */
        if (d < best_distance && d < strlen(table->name)) {
            best_distance = d;
            best = table->name;
        }
    }
    return best;
}

static int unknown_option(const struct option *table, const char *arg, int letter)
{
    char name[NAME_MAX_LEN + 1];
    const char *near;

    if (letter != 0 && letter < CLI_VERSION && strncmp(arg, "--", 2) != 0)
        return cli_usage("-%c: unknown option.", letter);
    snprintf(name, sizeof name, "%.*s", (int)strcspn(arg + 2, "="), arg + 2);
    if (letter >= CLI_VERSION) /* the option exists, so it has an unexpected value */
        return cli_usage("--%s: takes no value.", name);
    near = nearest(table, name);
    if (near)
        return cli_usage("--%s: unknown option; did you mean --%s?", name, near);
    return cli_usage("--%s: unknown option.", name);
}

static int read_number(const struct cli_option *o, const char *text)
{
    uint64_t value = 0;
    const char *p;
    bool good = *text != '\0';

    for (p = text; good && *p != '\0'; p++) {
        unsigned digit = (unsigned)(*p - '0');

        good = *p >= '0' && *p <= '9' && value <= (UINT64_MAX - digit) / 10;
        value = value * 10 + digit;
    }
    if (!good || value < o->min || value > o->max)
        return cli_usage("--%s: '%s' is not a number from %llu to %llu.", o->name, text,
                         (unsigned long long)o->min, (unsigned long long)o->max);
    *(uint64_t *)o->into = value;
    return CLI_PROCEED;
}

/* Returns our name of a network that other programs name differently. */
static const char *near_network(const char *text)
{
    static const char *const others[][2] = {
        {"main", "mainnet"},
        {"test", NULL},
        {"testnet", NULL},
        {"reg", "regtest"},
    };
    const char *best = NULL;
    unsigned best_distance = 3; /* further away is no likely slip */
    size_t i;

    for (i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (strcasecmp(text, others[i][0]) == 0)
            return others[i][1] ? others[i][1] : "testnet4 (or testnet3)";
    }
    for (i = 0; i < SPV_NETWORKS; i++) {
        const char *name = spv_netid_get((enum spv_network)i)->name;
        unsigned d = strcasecmp(text, name) == 0 ? 0 : distance(text, name);

        if (d < best_distance) {
            best_distance = d;
            best = name;
        }
    }
    return best;
}

static int read_network(const struct cli_option *o, const char *text)
{
    const struct spv_netid *net = spv_netid_by_name(text);
    char names[SPV_NETWORKS * (SPV_NETNAME_MAX + 2)] = "";
    size_t used = 0;
    const char *near;
    int i;

    if (net) {
        *(const struct spv_params **)o->into = spv_params_get(net->network);
        return CLI_PROCEED;
    }
    for (i = 0; i < SPV_NETWORKS; i++)
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i > 0 ? ", " : "",
                                 spv_netid_get((enum spv_network)i)->name);
    near = near_network(text);
    if (near)
        return cli_usage("--%s: '%s' is not a network; did you mean %s?", o->name, text, near);
    return cli_usage("--%s: '%s' is not a network. Use one of: %s.", o->name, text, names);
}

static int read_option(const struct cli_option *o, const char *text)
{
    struct cli_list *list;

    if (o->kind != CLI_FLAG && o->kind != CLI_NUMBER && *text == '\0')
        return cli_usage("--%s: the value is empty; expected %s.", o->name, o->value);
    switch (o->kind) {
    case CLI_FLAG:
        *(bool *)o->into = true;
        break;
    case CLI_TEXT:
        *(const char **)o->into = text;
        break;
    case CLI_LIST:
        list = o->into;
        if (list->n == CLI_LIST_MAX)
            return cli_usage("--%s: given more than %d times.", o->name, CLI_LIST_MAX);
        list->item[list->n++] = text;
        break;
    case CLI_NUMBER:
        return read_number(o, text);
    case CLI_NETWORK:
        return read_network(o, text);
    case CLI_TRANSPORT:
        return cli_read_transport(o->into, o->name, text);
    }
    return CLI_PROCEED;
}

int cli_parse(const struct cli_app *app, int argc, char **argv)
{
    struct option table[CLI_OPTIONS_MAX + 3];
    char letters[2 * CLI_OPTIONS_MAX + 3] =
        ":h"; /* ':' first: getopt reports a missing value separately */
    size_t n = 0, used = 2, i;
    int code;

    cli_set_program(app->name);
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error of a write, not the end of a sync */
    signal(SIGXFSZ, SIG_IGN); /* so is a file that may not grow (ulimit -f) */
    memset(table, 0, sizeof table);
    for (i = 0; app->options[i].name || app->options[i].group; i++) {
        const struct cli_option *o = &app->options[i];

        if (!o->name)
            continue;
        if (n == CLI_OPTIONS_MAX)
            return cli_usage("too many options.");
        table[n].name = o->name;
        table[n].has_arg = o->kind == CLI_FLAG ? no_argument : required_argument;
        table[n].val = CLI_FIRST + (int)i;
        n++;
        if (o->letter != '\0') {
            letters[used++] = o->letter;
            if (o->kind != CLI_FLAG)
                letters[used++] = ':';
            letters[used] = '\0';
        }
    }
    table[n++] = (struct option){"help", no_argument, NULL, CLI_HELP};
    table[n] = (struct option){"version", no_argument, NULL, CLI_VERSION};
    opterr = 0;
    for (;;) {
        int at = optind;

        code = getopt_long(argc, argv, letters, table, NULL);
        if (code == -1)
            break;
        if (code == 'h' || code == CLI_HELP)
            return help(app);
        if (code == CLI_VERSION) {
            printf("%s (libspv) %s\n", app->name, spv_version());
            return cli_finish_output();
        }
        if (code == ':') {
            const char *arg = argv[optind - 1];

            if (strncmp(arg, "--", 2) != 0)
                return cli_usage("-%c: a value is missing.", optopt);
            return cli_usage("%s: a value is missing.", arg);
        }
        if (code == '?')
            return unknown_option(
                table, argv[optopt != 0 && optopt < CLI_VERSION ? at : optind - 1], optopt);
        for (i = 0; code < CLI_FIRST; i++) {
            if (app->options[i].name && app->options[i].letter == code)
                code = CLI_FIRST + (int)i;
        }
        code = read_option(&app->options[code - CLI_FIRST], optarg);
        if (code != CLI_PROCEED)
            return code;
    }
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

/* True when text, a valid IPv6 address, is also valid as an address followed by a port of four
 * decimal digits. *colon: the colon before that port. */
static bool may_hold_port(const char *text, const char **colon)
{
    struct spv_netaddr addr;
    char host[SPV_HOST_MAX];

    *colon = strrchr(text, ':');
    snprintf(host, sizeof host, "%.*s", (int)(*colon - text), text);
    return strlen(*colon) == 5 && (*colon)[1] != '0' && strspn(*colon + 1, "0123456789") == 4 &&
           spv_netaddr_from_host(&addr, host, 0) == 0;
}

int cli_endpoint(struct spv_endpoint *out, const char *option, const char *text,
                 uint16_t default_port)
{
    const char *colon = strrchr(text, ':');
    const size_t n = strspn(text, "0123456789abcdefABCDEF:.");
    /* two colons, and nothing before a zone that an IPv6 address cannot have: not http://HOST or
     * HOST:1:2 */
    const bool bare = colon && strchr(text, ':') != colon && (text[n] == '\0' || text[n] == '%') &&
                      (strstr(text, "::") || !strchr(text, '.'));

    if (spv_endpoint_parse(out, text, default_port) != 0)
        return bare ? cli_usage("--%s: '%s' is not an IPv6 address. One with a port is written "
                                "[IPv6]:PORT.",
                                option, text)
                    : cli_usage("--%s: '%s' is not HOST, HOST:PORT or [IPv6]:PORT.", option, text);
    if (bare && may_hold_port(text, &colon))
        return cli_usage("--%s: '%s' is ambiguous: it may end in a port. Write [%s] or [%.*s]%s.",
                         option, text, text, (int)(colon - text), text, colon);
    return CLI_DONE;
}

/* Decodes hex digits. Returns the number of bytes, or -1. */
static int read_hex(uint8_t *out, size_t room, const char *text)
{
    static const char digits[] = "0123456789abcdefABCDEF";
    size_t n = strlen(text), i;

    if (n % 2 != 0 || n / 2 > room || strspn(text, digits) != n)
        return -1;
    for (i = 0; i < n; i++) {
        size_t digit = (size_t)(strchr(digits, text[i]) - digits);

        digit = digit > 15 ? digit - 6 : digit;
        out[i / 2] = (uint8_t)(i % 2 == 0 ? digit << 4 : out[i / 2] | digit);
    }
    return (int)(n / 2);
}

int cli_target_network(struct cli_target *target)
{
    uint8_t script[CHALLENGE_MAX];
    int n;

    if (target->challenge) {
        if (target->network && target->network->net.network != SPV_SIGNET)
            return cli_usage(
                "--signet-challenge: cannot be combined with --network %s. Leave --network out.",
                target->network->net.name);
        n = read_hex(script, sizeof script, target->challenge);
        if (n < 0 || spv_params_signet(&target->custom, script, (size_t)n) != 0)
            return cli_usage("--signet-challenge: '%.40s%s' is not a script of 1 to %d bytes in "
                             "hex digits.",
                             target->challenge, strlen(target->challenge) > 40 ? "..." : "",
                             CHALLENGE_MAX);
        target->network = &target->custom;
    }
    target->params = target->network ? target->network : spv_params_get(SPV_MAINNET);
    return CLI_DONE;
}

int cli_target_resolve(struct cli_target *target)
{
    int rc = cli_target_network(target);

    if (rc != CLI_DONE)
        return rc;
    rc = spv_store_default_path(target->path, sizeof target->path, &target->params->net,
                                target->datadir, target->db);
    if (rc == SPV_ERR_TOO_LONG)
        return cli_usage("%s: the path is longer than %d bytes.", target->db ? "--db" : "--datadir",
                         CLI_PATH_MAX - 1);
    if (rc != 0)
        return cli_usage("no default path for the database: HOME and XDG_DATA_HOME are not set. "
                         "Use --datadir DIR or --db FILE.");
    return 0;
}
