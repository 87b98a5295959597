/* What the sources that read options share. Each calls only those above it:
 *
 *   cli_help.c          the help text
 *   cli_origin.c        where each option's value comes from
 *   cli_target.c        a signet's challenge
 *   cli_values.c        the values of options, by their kind
 *   cli_config.c        values from the environment and the configuration file
 *   cli_print_config.c  all options with their values, and where they come from
 *   cli_completion.c    what a shell completes
 *   cli.c               the command line */
#ifndef SPV_CLI_OPTIONS_H
#define SPV_CLI_OPTIONS_H

#include "cli.h"

#define CLI_OPTIONS_MAX 40 /* more rows than the longest table has, its groups not counted */
#define CLI_ROWS_MAX 60 /* its groups counted */

/* cli_help.c. The options that every program has, which neither a file nor the environment gives;
 * ends with a zeroed row. */
extern const struct cli_option cli_own_options[];
enum cli_own {
    CLI_OWN_HELP = 0,
    CLI_OWN_VERSION = 1,
    CLI_OWN_CONFIG = 2,
    CLI_OWN_NO_CONFIG = 3,
    CLI_OWN_PRINT_CONFIG = 4,
    CLI_OWN_COMPLETION = 5,
};

/* Where a value comes from: the first of these that has one counts. */
enum cli_source {
    CLI_FROM_DEFAULT = 0,
    CLI_FROM_COMMAND_LINE = 1,
    CLI_FROM_ENVIRONMENT = 2,
    CLI_FROM_SECTION = 3, /* of the configuration file, for the network */
    CLI_FROM_FILE = 4, /* above all sections */
};
struct cli_origin {
    enum cli_source source;
    unsigned line; /* of the file, from 1 */
};

/* cli_help.c. Returns the code to exit with. */
int cli_help(const struct cli_app *app);

/* cli_origin.c */
/* Begins: no option of this app has a value. */
void cli_origin_begin(const struct cli_app *of);
/* The configuration file that was read; borrowed. NULL: none. */
void cli_origin_file(const char *path);
const char *cli_origin_path(void);
/* The value that is read next comes from here. */
void cli_origin_set(const struct cli_option *o, struct cli_origin origin);
struct cli_origin cli_origin_of(const struct cli_option *o);
#define CLI_VARIABLE_MAX 48
/* Writes the environment variable of an option, SPV_ADD_PEER of add-peer. */
const char *cli_variable(char out[CLI_VARIABLE_MAX], const char *name);
#define CLI_LABEL_MAX (CLI_PATH_MAX + 80)
/* How an error names the option: "--peers", "SPV_PEERS", "FILE, line 3: peers". */
const char *cli_label(char out[CLI_LABEL_MAX], const struct cli_option *o);
/* Adds to an error's text, which begins with option names, where those come from that the user did
 * not give on the command line. */
void cli_origin_explain(char *text, size_t cap);

/* cli_values.c. Each returns CLI_PROCEED, or the code to exit with after reporting the error. */
int cli_read_option(const struct cli_option *o, const char *text);
/* yes or no, as a file and the environment say it. */
int cli_read_flag(const struct cli_option *o, const char *text);
/* The most similar name of a list that ends with NULL; NULL: none is. */
const char *cli_nearest(const char *const *names, const char *wanted);
/* Our name of a network that is written otherwise; NULL: none is likely. */
const char *cli_near_network(const char *text);
/* "signet-" and eight hex digits: the name of a custom signet. */
bool cli_is_signet_name(const char *text);

/* cli_target.c. The parameters of a signet, by its challenge in hex digits. Returns CLI_PROCEED or
 * CLI_USAGE, and reports nothing. */
int cli_read_challenge(struct spv_params *out, const char *hex);

/* cli_config.c. Reads what the command line did not give from the environment, and then from the
 * configuration file: `config` names it, else SPV_CONFIG, else there may be one in its usual place.
 * Returns CLI_PROCEED, or the code to exit with. */
int cli_config_read(const struct cli_app *app, const char *config, bool no_config);

/* cli_print_config.c. Returns the code to exit with. */
int cli_print_config(const struct cli_app *app);

/* cli_log.c. Returns 0 or an errno; EINVAL: no file. */
int cli_log_open(const struct cli_log *log);

/* cli_completion.c. Prints a script. Returns the code to exit with. */
int cli_completion(const struct cli_app *app, const char *shell);

#endif
