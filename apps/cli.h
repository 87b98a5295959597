/* What the command-line apps share: options from a table (with the --help text made from it),
 * errors in one form, exit codes, the path of the database, stop signals, the status line on a
 * terminal, JSON lines, and numbers formatted for users. One thread; the state of the process
 * (name, terminal, JSON mode) is kept here. */
#ifndef SPV_CLI_H
#define SPV_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "spv/endpoint.h"
#include "spv/error.h"
#include "spv/params.h"
#include "spv/transport.h"

#if defined(__GNUC__)
#define CLI_FORMAT(text, args) __attribute__((format(printf, text, args)))
#else
#define CLI_FORMAT(text, args)
#endif

enum cli_exit {
    CLI_DONE = 0,
    CLI_FAILED = 1, /* may succeed when retried or once the cause is removed */
    CLI_USAGE = 2, /* wrong option or argument; nothing was done */
    CLI_DATABASE = 3, /* damaged, written by a newer version, or of another network */
    CLI_NO_PEER = 4, /* no usable peer in time */
    CLI_INTERRUPTED = 130, /* by SIGINT, or by SIGTERM or SIGHUP before it was synced; everything
                             so far is kept */
};
#define CLI_PROCEED (-1) /* cli_parse: no exit, go on */

enum cli_kind {
    CLI_FLAG, /* bool */
    CLI_TEXT, /* const char *; NULL when not given; the last one counts */
    CLI_LIST, /* struct cli_list; repeatable */
    CLI_NUMBER, /* uint64_t, decimal, min..max */
    CLI_NETWORK, /* const struct spv_params *, by name */
    CLI_TRANSPORT, /* enum spv_transport_choice, by name */
};

struct cli_option {
    const char *group; /* a row with only this starts a group of the help text */
    const char *name; /* without the dashes */
    char letter; /* short form; 0: none */
    enum cli_kind kind;
    const char *value; /* how the help names the value, e.g. "FILE" */
    const char *help; /* one or two sentences; wrapped by us */
    const char *choices; /* the values, separated by spaces; NULL: not a choice */
    void *into; /* variable of the kind's type */
    uint64_t min, max; /* CLI_NUMBER */
};

#define CLI_LIST_MAX 256 /* as many endpoints as a node takes */
struct cli_list {
    const char *item[CLI_LIST_MAX];
    size_t n;
};

struct cli_app {
    const char *name; /* "spv-sync" */
    const char *summary; /* first lines of the help text */
    const char *usage; /* after the name, e.g. "[OPTION]..." */
    const struct cli_option *options; /* ends with a zeroed row; --help and --version are added */
    const char *notes; /* examples and files, printed as they are */
    const enum cli_exit *exits; /* the exit codes that the help explains, CLI_INTERRUPTED or
                                   CLI_DONE last */
    size_t n_exits;
    struct cli_list *operands; /* arguments that are no options; NULL: none allowed */
    const char *commands; /* the first of them, separated by spaces; NULL: no commands */
};

/* Reads the options' variables from the arguments, the environment and the configuration file, in
 * this order, and ignores SIGPIPE. Returns CLI_PROCEED, or the code to exit with: after --help and
 * the like, or an error. */
int cli_parse(const struct cli_app *app, int argc, char **argv);

/* Network and path of a database: the options --network, --signet-challenge, --datadir and --db,
 * and the result. */
#define CLI_PATH_MAX 4096
struct cli_target {
    const struct spv_params *network; /* NULL: not given; once resolved, a custom signet's too */
    const char *challenge; /* of a signet, hex digits; NULL: not given */
    struct spv_params custom; /* made from it */
    const char *datadir, *db;
    const struct spv_params *params; /* resolved: network, or mainnet */
    char path[CLI_PATH_MAX]; /* resolved */
};
#define CLI_NETWORK_ROW(target)                                                                    \
    {                                                                                              \
        .name = "network", .letter = 'n', .kind = CLI_NETWORK, .value = "NAME",                    \
        .help = "Which chain: mainnet (default), testnet3, testnet4, signet, regtest or simnet; "  \
                "signet-MAGIC: the custom signet of an existing database.",                        \
        .into = &(target).network                                                                  \
    }
#define CLI_CHALLENGE_ROW(target)                                                                  \
    {                                                                                              \
        .name = "signet-challenge", .kind = CLI_TEXT, .value = "HEX",                              \
        .help = "The signet with this challenge script (BIP325), in its own directory: "           \
                "signet-MAGIC.",                                                                   \
        .into = &(target).challenge                                                                \
    }
#define CLI_DATADIR_ROW(target)                                                                    \
    {                                                                                              \
        .name = "datadir", .letter = 'd', .kind = CLI_TEXT, .value = "DIR",                        \
        .help = "Directory of all databases; the path is DIR/NETWORK/headers.db.",                 \
        .into = &(target).datadir                                                                  \
    }
#define CLI_DB_ROW(target)                                                                         \
    {                                                                                              \
        .name = "db", .kind = CLI_TEXT, .value = "FILE",                                           \
        .help = "Path of the database file, instead of --datadir.", .into = &(target).db           \
    }
/* Sets params. Returns 0, or the code to exit with after reporting the error. */
int cli_target_network(struct cli_target *target);
/* Sets params and path. Returns 0, or the code to exit with after reporting the error. */
int cli_target_resolve(struct cli_target *target);

/* Reads HOST, HOST:PORT or [IPv6]:PORT. An IPv6 address without brackets must not be ambiguous
 * with one that has a port. Returns CLI_DONE, or the code to exit with after reporting the error.
 */
int cli_endpoint(struct spv_endpoint *out, const char *option, const char *text,
                 uint16_t default_port);

/* The output options that the apps have in common, each into a bool. */
#define CLI_JSON_ROW(flag, text)                                                                   \
    {                                                                                              \
        .name = "json", .kind = CLI_FLAG, .help = (text), .into = &(flag)                          \
    }
#define CLI_QUIET_ROW(flag, text)                                                                  \
    {                                                                                              \
        .name = "quiet", .letter = 'q', .kind = CLI_FLAG, .help = (text), .into = &(flag)          \
    }
#define CLI_VERBOSE_ROW(flag, text)                                                                \
    {                                                                                              \
        .name = "verbose", .letter = 'v', .kind = CLI_FLAG, .help = (text), .into = &(flag)        \
    }

/* The transport of the program's connections. */
#define CLI_TRANSPORT_ROW(choice, text)                                                            \
    {                                                                                              \
        .name = "transport", .kind = CLI_TRANSPORT, .value = "auto|v1|v2", .help = (text),         \
        .into = &(choice)                                                                          \
    }
/* Reads a transport's name; an error begins with the label. Returns CLI_PROCEED, or the code to
 * exit with after reporting the error. */
int cli_read_transport(enum spv_transport_choice *out, const char *label, const char *text);
const char *cli_transport_name(enum spv_transport_choice choice); /* static */
#define CLI_TRANSPORT_TEXT 80
/* Writes "v1", or "v2, session HEX" with the session id, into out and returns it. */
const char *cli_transport(char out[CLI_TRANSPORT_TEXT], enum spv_transport transport,
                          const uint8_t session_id[SPV_SESSION_ID]);
/* Adds "transport", and with v2 "session_id", to an object; NULL is ignored. */
void cli_json_transport(json_t *object, enum spv_transport transport,
                        const uint8_t session_id[SPV_SESSION_ID]);

/* Errors: "spv-sync: <what>: <why>. <what to do>" on standard error, and an "error" object on
 * standard output in JSON mode. Each returns the code to exit with. */
int cli_usage(const char *format, ...) CLI_FORMAT(1, 2); /* adds "Try 'spv-sync --help'." */
int cli_fail(int err, const char *format, ...) CLI_FORMAT(2, 3); /* exit by cli_exit_of(err) */
int cli_fail_as(enum cli_exit code, int err, const char *format, ...) CLI_FORMAT(3, 4);
int cli_print_error_info(const struct spv_error_info *why);
void cli_set_program(const char *name); /* before "spv-sync: "; borrowed, static */
enum cli_exit cli_exit_of(int err);
/* Prints a warning in the same form. */
void cli_warn(const char *format, ...) CLI_FORMAT(1, 2);

/* SIGINT, SIGTERM, and SIGHUP unless it was ignored at the start (nohup). The first is remembered
 * and calls the hook from the handler (which must be async-signal-safe); a program that does not
 * end within 1.5 s of it is ended, which loses nothing that was committed. Setting a hook after the
 * signal calls it at once. */
void cli_catch_signals(void);
void cli_stop_hook(void (*hook)(void *ctx), void *ctx); /* NULL: none */
bool cli_stopped(void);
/* The interrupt that the handler requests, for a store. NULL before cli_catch_signals. */
struct spv_interrupt *cli_stop(void);

/* Input files named by the user, which may be pipes: a stop signal ends the wait of both opening
 * and reading. cli_open_input returns a descriptor, or -1 and errno; cli_read returns as read(2),
 * -1 and EINTR after a stop. The stream reads in the same way. */
int cli_open_input(const char *path);
ssize_t cli_read(int fd, void *bytes, size_t n);
FILE *cli_fopen_input(const char *path);
/* What a stop exits with: after SIGINT, and after SIGTERM or SIGHUP. Default: CLI_INTERRUPTED. */
void cli_stop_codes(enum cli_exit on_interrupt, enum cli_exit on_termination);
/* Returns the code for the signal that was caught. */
enum cli_exit cli_stop_code(void);
/* The whole line for standard error when the end had to be forced; borrowed. Default: none. */
void cli_stop_note(const char *note);
/* Returns true when standard output is a pipe or socket that its reader has closed. */
bool cli_reader_gone(void);

/* Text that is safe to print (cli_text.c): '?' stands for every control character (C0, DEL, C1,
 * line separators, bidirectional controls) and for every byte that is not UTF-8. In place.
 * cli_print, cli_status_line, the errors and JSON do so by themselves. */
void cli_clean(char *text);
/* Returns a copy of a JSON text with control characters written as \uXXXX, which the caller frees;
 * NULL: no memory. */
char *cli_json_escape(const char *json);
/* Returns n bytes as hexadecimal digits, with room for a line feed, which the caller frees; NULL:
 * no memory. */
char *cli_hex(const uint8_t *bytes, size_t n);
/* JSON strings and flat objects as Jansson's of these names make them, but from any bytes; with
 * Jansson's own, one byte that is no UTF-8 makes the whole object NULL. Formats are rows of
 * "s:T" with T one of s, s?, i, I, b, f, o and o?. NULL: no memory. */
json_t *cli_json_string(const char *text);
json_t *cli_json_pack(const char *format, ...);
#define json_string cli_json_string
#define json_pack cli_json_pack

#define CLI_FIGURE 40 /* bytes of a formatted number or time */

/* Where lines go, and whether each begins with its time. */
struct cli_log {
    const char *file; /* NULL: standard output and standard error */
    bool timestamps;
};
#define CLI_LOG_FILE_ROW(log)                                                                      \
    {                                                                                              \
        .name = "log-file", .kind = CLI_TEXT, .value = "FILE",                                     \
        .help = "Append all output and errors to this file, which is opened again at SIGUSR1.",    \
        .into = &(log).file                                                                        \
    }
#define CLI_TIMESTAMPS_ROW(log)                                                                    \
    {                                                                                              \
        .name = "timestamps", .kind = CLI_FLAG,                                                    \
        .help = "Begin each line of text with its time (UTC); JSON objects always have it: at.",   \
        .into = &(log).timestamps                                                                  \
    }
/* Returns CLI_DONE, or the code to exit with after reporting the error. */
int cli_log_begin(const struct cli_log *log);
/* The time that a line begins with, "2026-11-30T12:00:00.123Z "; empty without --timestamps. */
const char *cli_log_stamp(char out[CLI_FIGURE]);

/* Output. In JSON mode only cli_json writes to standard output. */
void cli_json_mode(void);
bool cli_json_on(void);
/* Prints one object on a line, with the time as "at" (unix seconds), flushed, and releases it. NULL
 * (out of memory) counts as a write error, which cli_finish_output reports. */
void cli_json(json_t *object);
/* The most of one line or error that is printed: a path of 4,096 bytes and its message. */
#define CLI_LINE_MAX 8192
/* Prints a line on standard output, above the status line; nothing in JSON mode. */
void cli_print(const char *format, ...) CLI_FORMAT(1, 2);
/* Flushes standard output. Returns CLI_DONE, or CLI_FAILED after reporting a write error. */
int cli_finish_output(void);
/* Flushes standard output. Returns the errno of the first write to it that failed, or 0. */
int cli_output_error(void);
/* Returns one sentence: what to do about an errno of opening or writing a file. */
const char *cli_write_advice(int error);

/* For spv_store_config.busy, with a struct cli_busy: waits for another program's lock until a
 * signal is caught, and prints a warning after 5 seconds. */
struct cli_busy {
    const char *path; /* of the database */
    bool quiet, reported;
};
int cli_busy(void *ctx, uint32_t waited_ms);

/* Returns true when there is a status line: standard output is a terminal that can overwrite it. */
bool cli_live(void);
/* Replaces the status line. Its parts are separated by two spaces; the last ones are left out until
 * the rest fits the terminal. */
void cli_status_line(const char *text);
/* Clears the status line, so that something else can be printed. */
void cli_status_line_clear(void);

/* Services: sd_notify(3) to a service manager that asks for it by NOTIFY_SOCKET; else nothing
 * happens. ready: the program does its work from now on. */
void cli_service_ready(const char *format, ...) CLI_FORMAT(1, 2);
void cli_service_status(const char *format, ...) CLI_FORMAT(1, 2);
void cli_service_stopping(void);
#define CLI_PID_FILE_ROW(path)                                                                     \
    {                                                                                              \
        .name = "pid-file", .kind = CLI_TEXT, .value = "FILE",                                     \
        .help = "File for the process id; locked while the program runs, and removed at its end.", \
        .into = &(path)                                                                            \
    }
/* Writes and locks the file; NULL: none. It is removed when the process exits. Returns CLI_DONE, or
 * the code to exit with after reporting the error. */
int cli_pid_file(const char *path);

/* Formatted numbers. Each writes a NUL-terminated text into out (CLI_FIGURE bytes) and returns it.
 */
const char *cli_count(char *out, uint64_t n); /* 1,234,567 */
#define CLI_COUNT(n) cli_count((char[CLI_FIGURE]){""}, (n)) /* the same, for one message */
const char *cli_rate(char *out, double per_second); /* "1,234/s", "0.7/s" */
const char *cli_duration(char *out,
                         double seconds); /* "0.4 s", "12 s", "3 min 20 s", "1 h 5 min" */
const char *cli_time(char *out, int64_t unix_s); /* "2009-01-03 18:15:05 UTC" */
const char *cli_iso_time(char *out, int64_t unix_s); /* "2009-01-03T18:15:05Z" */
double cli_clock(void); /* monotonic seconds */

#endif
