/* Errors and exit codes: one form of message for all programs, on standard error and, in JSON mode,
 * as an object on standard output. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli_options.h"

static const char *program = "spv";

void cli_set_program(const char *name)
{
    program = name;
}

CLI_FORMAT(3, 0)
static void cli_error_line(const char *kind, int err, const char *format, va_list args)
{
    char text[CLI_LINE_MAX], stamp[CLI_FIGURE];

    vsnprintf(text, sizeof text, format, args);
    cli_clean(text);
    cli_status_line_clear();
    fprintf(stderr, "%s%s: %s\n", cli_log_stamp(stamp), program, text);
    if (kind && cli_json_on())
        cli_json(
            json_pack("{s:s, s:s, s:s}", "event", kind, "code", spv_err_name(err), "text", text));
}

int cli_usage(const char *format, ...)
{
    char text[CLI_LINE_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    cli_origin_explain(text, sizeof text);
    return cli_fail_as(CLI_USAGE, SPV_ERR_INVALID, "%s Try '%s --help'.", text, program);
}

int cli_fail(int err, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    cli_error_line("error", err, format, args);
    va_end(args);
    return (int)cli_exit_of(err);
}

int cli_fail_as(enum cli_exit code, int err, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    cli_error_line("error", err, format, args);
    va_end(args);
    return (int)code;
}

int cli_print_error_info(const struct spv_error_info *why)
{
    return cli_fail(why->code, "%s", why->text[0] != '\0' ? why->text : spv_strerror(why->code));
}

void cli_warn(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    cli_error_line("warning", 0, format, args);
    va_end(args);
}

enum cli_exit cli_exit_of(int err)
{
    if (err == 0)
        return CLI_DONE;
    if (err == SPV_ERR_DB_DAMAGED || err == SPV_ERR_DB_NEWER || err == SPV_ERR_DB_NETWORK ||
        err == SPV_ERR_DB_CHECKPOINT)
        return CLI_DATABASE;
    if (err == SPV_ERR_INTERRUPTED)
        return CLI_INTERRUPTED;
    return CLI_FAILED;
}

int cli_finish_output(void)
{
    const int error = cli_output_error();

    if (error == 0 || error == EPIPE) /* a reader that closes its pipe is no failure */
        return CLI_DONE;
    if (error == EIO && cli_stopped()) /* the terminal was closed, with a SIGHUP */
        return CLI_DONE;
    return cli_fail_as(CLI_FAILED, SPV_ERR_IO, "standard output: cannot be written: %s. %s",
                       strerror(error), cli_write_advice(error));
}
