/* Output: the status line, JSON lines, formatted numbers.
 *
 * The status line is redrawn with a carriage return and clear-to-end, never wider than the terminal
 * (its width is read each time, so that a resize needs no signal). Other output clears it first;
 * the next update shows it again. */
#include "cli.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define COLUMNS_DEFAULT 80
#define DAY 86400.0
#define HOUR 3600.0
#define MINUTE 60.0

static bool json_mode;
static bool line_shown;
static int output_error; /* errno of the first failed write to standard output */

static void flush_output(void)
{
    errno = 0;
    if ((fflush(stdout) != 0 || ferror(stdout)) && output_error == 0)
        output_error = errno != 0 ? errno : EIO;
}

void cli_json_mode(void)
{
    json_mode = true;
}

bool cli_json_on(void)
{
    return json_mode;
}

/* The object, which is never empty, with the time at its end. */
static void print_timed(const char *line)
{
    struct timespec now = {0, 0};

    clock_gettime(CLOCK_REALTIME, &now);
    printf("%.*s,\"at\":%lld.%06ld}\n", (int)strlen(line) - 1, line, (long long)now.tv_sec,
           now.tv_nsec / 1000);
}

void cli_json(json_t *object)
{
    const size_t flags = JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(6);
    char *dump = object ? json_dumps(object, flags) : NULL;
    char *line = dump ? cli_json_escape(dump) : NULL;

    if (line) {
        print_timed(line);
        flush_output();
    } else if (output_error == 0) {
        output_error = ENOMEM; /* the only possible cause */
    }
    free(line);
    free(dump);
    json_decref(object);
}

void cli_print(const char *format, ...)
{
    char line[CLI_LINE_MAX], stamp[CLI_FIGURE];
    va_list args;

    if (json_mode)
        return;
    cli_status_line_clear();
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    cli_clean(line);
    fputs(cli_log_stamp(stamp), stdout);
    fputs(line, stdout);
    putchar('\n');
    flush_output();
}

const char *cli_write_advice(int error)
{
    switch (error) { /* errno's codes, not an enum of ours */
    case ENOSPC:
    case EDQUOT:
        return "Free some disk space or choose another path.";
    case EFBIG:
        return "Raise the limit of file sizes (ulimit -f), or choose another path.";
    case ENOENT:
    case ENOTDIR:
    case ELOOP:
    case ENAMETOOLONG:
        return "Check the path.";
    case EACCES:
    case EPERM:
    case EROFS:
        return "Check the permissions, or choose another path.";
    case ENOMEM:
        return "Free some memory and try again.";
    case EMFILE:
    case ENFILE:
        return "Raise the limit of open files (ulimit -n).";
    default:
        return "Choose another path.";
    }
}

int cli_output_error(void)
{
    cli_status_line_clear();
    flush_output();
    return output_error;
}

bool cli_live(void)
{
    const char *term = getenv("TERM");

    return !json_mode && isatty(STDOUT_FILENO) == 1 && (!term || strcmp(term, "dumb") != 0);
}

static int terminal_width(void)
{
    struct winsize size;

    memset(&size, 0, sizeof size);
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return COLUMNS_DEFAULT;
    return size.ws_col;
}

/* Leaves out last parts until the rest fits; in the first one no word is cut, and no number. */
static void fit_columns(char *line, size_t width)
{
    size_t end = strlen(line), cut;

    while (end > width) {
        for (cut = end; cut > 1 && !(line[cut - 1] == ' ' && line[cut - 2] == ' '); cut--)
            ;
        if (cut <= 1) /* a single part */
            for (cut = width + 1; cut > 1 && line[cut - 1] != ' '; cut--)
                ;
        if (cut <= 1)
            cut = 0;
        for (end = cut; end > 0 && line[end - 1] == ' '; end--)
            ;
        line[end] = '\0';
    }
}

void cli_status_line(const char *text)
{
    int width = terminal_width() - 1; /* the last column would wrap on some terminals */
    char line[CLI_LINE_MAX];

    snprintf(line, sizeof line, "%s", text);
    cli_clean(line);
    fit_columns(line, width > 0 ? (size_t)width : 0);
    printf("\r%s\033[K", line);
    line_shown = true;
    flush_output();
}

void cli_status_line_clear(void)
{
    if (!line_shown)
        return;
    fputs("\r\033[K", stdout);
    line_shown = false;
    flush_output();
}

const char *cli_count(char *out, uint64_t n)
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%" PRIu64, n), i;
    char *p = out;

    for (i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            *p++ = ',';
        *p++ = digits[i];
    }
    *p = '\0';
    return out;
}

const char *cli_rate(char *out, double per_second)
{
    char count[CLI_FIGURE];

    if (per_second < 9.95)
        snprintf(out, CLI_FIGURE, "%.1f/s", per_second > 0 ? per_second : 0.0);
    else
        snprintf(out, CLI_FIGURE, "%.36s/s", cli_count(count, (uint64_t)(per_second + 0.5)));
    return out;
}

const char *cli_duration(char *out, double seconds)
{
    uint64_t s = seconds > 0 ? (uint64_t)(seconds + 0.5) : 0;

    if (seconds < 0.995)
        snprintf(out, CLI_FIGURE, "%.2f s", seconds > 0 ? seconds : 0.0);
    else if (seconds < 9.95)
        snprintf(out, CLI_FIGURE, "%.1f s", seconds);
    else if (seconds < MINUTE)
        snprintf(out, CLI_FIGURE, "%" PRIu64 " s", s);
    else if (seconds < HOUR)
        snprintf(out, CLI_FIGURE, "%" PRIu64 " min %" PRIu64 " s", s / 60, s % 60);
    else if (seconds < DAY)
        snprintf(out, CLI_FIGURE, "%" PRIu64 " h %" PRIu64 " min", s / 3600, s % 3600 / 60);
    else
        snprintf(out, CLI_FIGURE, "%" PRIu64 " d %" PRIu64 " h", s / 86400, s % 86400 / 3600);
    return out;
}

const char *cli_time(char *out, int64_t unix_s)
{
    time_t t = (time_t)unix_s;
    struct tm tm;

    if (!gmtime_r(&t, &tm) || strftime(out, CLI_FIGURE, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
        snprintf(out, CLI_FIGURE, "%" PRId64, unix_s);
    return out;
}

const char *cli_iso_time(char *out, int64_t unix_s)
{
    time_t t = (time_t)unix_s;
    struct tm tm;

    if (!gmtime_r(&t, &tm) || strftime(out, CLI_FIGURE, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        snprintf(out, CLI_FIGURE, "%" PRId64, unix_s);
    return out;
}

double cli_clock(void)
{
    struct timespec t = {0, 0};

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}
