/* Values of options from the environment and the configuration file. What the command line gives is
 * not looked for; what the environment gives, not in the file; and what the file's section for the
 * network gives, not above its sections. A list comes whole from one of them.
 *
 * The file is shared by all programs: an option that only another program has is passed over, but a
 * name that none has is an error, else a slip of the pen would change nothing, silently. */
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli_options.h"

#define FILE_MAX (1024 * 1024) /* ours: bytes of a configuration file */
#define SEPARATORS ", \t\n" /* of a list in one value */

/* The options of all programs, for names that this one does not have. A test compares them with
 * what --help prints. */
static const char *const all_options[] = {
    "add-peer",
    "allow-bloom",
    "allow-high-fee",
    "backfill",
    "below",
    "birthday",
    "block-file",
    "branch",
    "branches",
    "checkpoint",
    "checkpoint-file",
    "checksum",
    "clear-bans",
    "coinbase-proof",
    "confirm",
    "connect",
    "csv",
    "datadir",
    "db",
    "dry-run",
    "export",
    "filter-headers",
    "filters",
    "follow",
    "force",
    "format",
    "from",
    "full",
    "gap",
    "headers",
    "http",
    "http-clients",
    "http-rate",
    "http-timeout",
    "import",
    "input",
    "json",
    "keep-filters",
    "last",
    "list",
    "listen",
    "log-file",
    "max-clients",
    "min",
    "min-chain-work",
    "mine",
    "network",
    "no-checkpoints",
    "onion",
    "output",
    "peers",
    "pid-file",
    "private",
    "proxy",
    "quiet",
    "range",
    "require-checksum",
    "resume",
    "sat",
    "seed",
    "services",
    "signet-challenge",
    "source",
    "start-height",
    "svg",
    "tag",
    "timeout",
    "timestamps",
    "to",
    "transport",
    "tx",
    "unconfirmed",
    "verbose",
    "watch",
    "withdraw",
    "without-depth",
    NULL,
};

/* ---- values ---- */

/* Reads each item of a list; the text stays. */
static int read_list(const struct cli_option *o, char *text)
{
    char label[CLI_LABEL_MAX], *rest = NULL;
    int rc = CLI_PROCEED;
    const struct cli_list *list = o->into;
    const size_t before = list->n;

    for (char *item = strtok_r(text, SEPARATORS, &rest); item && rc == CLI_PROCEED;
         item = strtok_r(NULL, SEPARATORS, &rest))
        rc = cli_read_option(o, item);
    if (rc == CLI_PROCEED && list->n == before)
        return cli_usage("%s: the value is empty; expected %s.", cli_label(label, o), o->value);
    return rc;
}

/* The options' texts that are no words of the command line: they stay as long as the program. */
struct kept {
    struct kept *next;
    char text[];
};

/* Returns NULL without memory. */
static char *keep(const char *text)
{
    static struct kept *all;
    const size_t n = strlen(text) + 1;
    struct kept *k = malloc(sizeof *k + n);

    if (!k)
        return NULL;
    memcpy(k->text, text, n);
    k->next = all;
    all = k;
    return k->text;
}

/* A value of a file or the environment. */
static int read_value(const struct cli_option *o, const char *text)
{
    char *copy;

    if (o->kind == CLI_FLAG)
        return cli_read_flag(o, text);
    if (o->kind != CLI_TEXT && o->kind != CLI_LIST)
        return cli_read_option(o, text);
    copy = keep(text);
    if (!copy)
        return cli_fail(SPV_ERR_NOMEM, "not enough memory.");
    return o->kind == CLI_LIST ? read_list(o, copy) : cli_read_option(o, copy);
}

/* ---- environment ---- */

static int read_environment(const struct cli_app *app)
{
    char variable[CLI_VARIABLE_MAX];
    int rc = CLI_PROCEED;

    for (const struct cli_option *o = app->options; (o->name || o->group) && rc == CLI_PROCEED;
         o++) {
        const char *text = o->name ? getenv(cli_variable(variable, o->name)) : NULL;

        if (!text || *text == '\0' || cli_origin_of(o).source != CLI_FROM_DEFAULT)
            continue;
        cli_origin_set(o, (struct cli_origin){.source = CLI_FROM_ENVIRONMENT});
        rc = read_value(o, text);
    }
    return rc;
}

/* ---- file ---- */

enum pass {
    PASS_CHECK = 0, /* all names are known; the network, where only the file names it */
    PASS_SECTION = 1, /* the values of the network's section */
    PASS_FILE = 2, /* the values above all sections */
};

struct reading {
    const struct cli_app *app;
    const char *path;
    const char *at; /* the rest of the text */
    unsigned line; /* that was read last */
    enum pass pass;
    const char *network; /* the name of the section */
    int rc; /* the first error; CLI_PROCEED: none */
};

/* A line that begins with '[': inih does not tell of a section without values. */
static int check_section(const struct reading *r, const char *line)
{
    char section[SPV_NETNAME_MAX];
    const char *near;
    const size_t n = strcspn(line, "]\n");

    (void)snprintf(section, sizeof section, "%.*s", (int)n - 1, line + 1);
    if (line[n] != ']') /* inih reports it */
        return CLI_PROCEED;
    if (n - 1 < sizeof section && (spv_netid_by_name(section) || cli_is_signet_name(section)))
        return CLI_PROCEED;
    near = cli_near_network(section);
    return near ? cli_usage("%s, line %u: the section [%s] is not a network; did you mean %s?",
                            r->path, r->line, section, near)
                : cli_usage("%s, line %u: the section [%s] is not a network.", r->path, r->line,
                            section);
}

/* inih reads lines by this; a line that is longer than its buffer comes in parts. */
static char *next_line(char *out, int room, void *ctx)
{
    struct reading *r = ctx;
    const size_t n = strcspn(r->at, "\n") + (r->at[strcspn(r->at, "\n")] == '\n');
    const size_t take = n < (size_t)room - 1 ? n : (size_t)room - 1;

    if (n == 0)
        return NULL;
    if (r->at[-1] == '\n') { /* the text follows a line feed of ours */
        const char *begin = r->at + strspn(r->at, " \t");

        r->line++;
        if (r->pass == PASS_CHECK && *begin == '[')
            r->rc = check_section(r, begin);
        if (r->rc != CLI_PROCEED)
            return NULL;
    }
    memcpy(out, r->at, take);
    out[take] = '\0';
    r->at += take;
    return out;
}

static const struct cli_option *find_option(const struct cli_app *app, const char *name)
{
    for (const struct cli_option *o = app->options; o->name || o->group; o++)
        if (o->name && strcmp(o->name, name) == 0)
            return o;
    return NULL;
}

/* An option that chooses the section, and so is not in one. */
static bool names_network(const char *name)
{
    return strcmp(name, "network") == 0 || strcmp(name, "signet-challenge") == 0;
}

static int check_name(const struct reading *r, const char *section, const char *name)
{
    const char *near;

    if (*section != '\0' && names_network(name))
        return cli_usage("%s, line %u: %s: not below [%s], a section is for one network.", r->path,
                         r->line, name, section);
    for (const char *const *known = all_options; *known; known++)
        if (strcmp(name, *known) == 0)
            return CLI_PROCEED;
    for (const struct cli_option *o = cli_own_options; o->name; o++)
        if (strcmp(name, o->name) == 0)
            return cli_usage("%s, line %u: %s: only on the command line.", r->path, r->line, name);
    near = cli_nearest(all_options, name);
    return near ? cli_usage("%s, line %u: %s: unknown option; did you mean %s?", r->path, r->line,
                            name, near)
                : cli_usage("%s, line %u: %s: unknown option.", r->path, r->line, name);
}

/* Reads the value of an option, when no other place before has given one. */
static int read_line(const struct reading *r, const struct cli_option *o, enum cli_source source,
                     const char *value)
{
    const enum cli_source given = cli_origin_of(o).source;

    if (given != CLI_FROM_DEFAULT && given != source)
        return CLI_PROCEED;
    cli_origin_set(o, (struct cli_origin){.source = source, .line = r->line});
    return read_value(o, value);
}

/* inih's handler: one line. 0 ends the reading. */
static int take_line(void *ctx, const char *section, const char *name, const char *value)
{
    struct reading *r = ctx;
    const struct cli_option *o = find_option(r->app, name);

    switch (r->pass) {
    case PASS_CHECK:
        r->rc = check_name(r, section, name);
        if (r->rc == CLI_PROCEED && o && names_network(name))
            r->rc = read_line(r, o, CLI_FROM_FILE, value);
        break;
    case PASS_SECTION:
        if (o && strcmp(section, r->network) == 0)
            r->rc = read_line(r, o, CLI_FROM_SECTION, value);
        break;
    case PASS_FILE:
        if (o && *section == '\0' && !names_network(name))
            r->rc = read_line(r, o, CLI_FROM_FILE, value);
        break;
    }
    return r->rc == CLI_PROCEED;
}

/* The section of the network that the options name; a malformed challenge is reported later. */
static const char *section_name(const struct cli_app *app)
{
    static struct spv_params custom;
    const struct cli_option *network = find_option(app, "network");
    const struct cli_option *challenge = find_option(app, "signet-challenge");
    const struct spv_params *const *named = network ? network->into : NULL;
    const char *const *script = challenge ? challenge->into : NULL;

    if (script && *script && cli_read_challenge(&custom, *script) == CLI_PROCEED)
        return custom.net.name;
    return named && *named ? (*named)->net.name : "mainnet";
}

/* text begins with a line feed of ours. */
static int read_text(const struct cli_app *app, const char *path, const char *text)
{
    static char comments[] = ";#";
    struct reading r = {.app = app, .path = path, .rc = CLI_PROCEED};

    ini_allow_multiline = false;
    ini_use_stack = false;
    ini_allow_realloc = true;
    ini_max_line = FILE_MAX + 3;
    ini_stop_on_first_error = true;
    ini_inline_comment_prefixes = comments;
    for (r.pass = PASS_CHECK; r.pass <= PASS_FILE && r.rc == CLI_PROCEED; r.pass++) {
        int bad;

        r.at = text + 1;
        r.line = 0;
        r.network = section_name(app);
        bad = ini_parse_stream(next_line, &r, take_line, &r);
        if (bad == -2)
            return cli_fail(SPV_ERR_NOMEM, "not enough memory.");
        if (bad != 0 && r.rc == CLI_PROCEED)
            return cli_usage("%s, line %d: neither 'option = value' nor '[NETWORK]'.", path, bad);
    }
    return r.rc;
}

/* The usual file is not there for this user: it does not exist, or it lies in the closed folder of
 * another one, whose HOME is still set (sudo -u). */
static bool is_absent(const char *path, int error)
{
    struct stat st;

    return error == ENOENT || error == ENOTDIR ||
           (error == EACCES && stat(path, &st) != 0 && errno == EACCES);
}

/* Reads the file behind a line feed. *out NULL: there is none, and none was required. */
static int load(char **out, const char *path, bool must)
{
    const int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    struct stat st;
    size_t n = 1;
    ssize_t got = 0;
    int error = errno;

    *out = NULL;
    if (fd < 0 && !must && is_absent(path, error))
        return CLI_PROCEED;
    if (fd < 0)
        return cli_usage("--config: %s: %s.", path, strerror(error));
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        (void)close(fd);
        return cli_usage("--config: %s: is not a file.", path);
    }
    *out = malloc(FILE_MAX + 3); /* a line feed, one byte too many, NUL */
    if (*out) {
        (*out)[0] = '\n';
        while (n < FILE_MAX + 2 && (got = read(fd, *out + n, FILE_MAX + 2 - n)) > 0)
            n += (size_t)got;
        (*out)[n] = '\0';
    }
    error = got < 0 ? errno : 0;
    (void)close(fd);
    if (!*out)
        return cli_fail(SPV_ERR_NOMEM, "not enough memory.");
    if (error)
        return cli_fail_as(CLI_FAILED, SPV_ERR_IO, "%s: cannot be read: %s.", path,
                           strerror(error));
    if (n > FILE_MAX + 1)
        return cli_usage("--config: %s: is larger than 1 MB.", path);
    return memchr(*out, '\0', n) ? cli_usage("--config: %s: is not a text file.", path)
                                 : CLI_PROCEED;
}

/* The usual place, by the XDG base directory rules. Returns false when there is none. */
static bool usual_path(char *out, size_t cap)
{
    const char *xdg = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    int n = -1;

    if (xdg && xdg[0] == '/') /* a relative path is to be ignored */
        n = snprintf(out, cap, "%s/spv/spv.conf", xdg);
    else if (home && home[0] != '\0')
        n = snprintf(out, cap, "%s/.config/spv/spv.conf", home);
    return n >= 0 && (size_t)n < cap;
}

int cli_config_read(const struct cli_app *app, const char *config, bool no_config)
{
    static char usual[CLI_PATH_MAX];
    const char *named = getenv("SPV_CONFIG");
    char *text = NULL;
    int rc = read_environment(app);

    if (rc != CLI_PROCEED || no_config)
        return rc;
    if (!config && named && *named != '\0')
        config = named;
    if (!config && !usual_path(usual, sizeof usual))
        return CLI_PROCEED;
    rc = load(&text, config ? config : usual, config != NULL);
    if (rc == CLI_PROCEED && text) {
        cli_origin_file(config ? config : usual);
        rc = read_text(app, config ? config : usual, text);
    }
    free(text);
    return rc;
}
