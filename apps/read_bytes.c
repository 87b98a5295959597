/* Twice the bytes and some white space are read at most, as the file may be hexadecimal. */
#include "read_bytes.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

#define SPACE 4096 /* bytes of white space that may be between hexadecimal digits */

const char *read_bytes_name(const char *path)
{
    return strcmp(path, "-") == 0 ? "standard input" : path;
}

/* Reads at most cap bytes; a full buffer means that there may be more. */
static ssize_t read_all(int fd, uint8_t *bytes, size_t cap)
{
    size_t n = 0;

    while (n < cap) {
        ssize_t got = cli_read(fd, bytes + n, cap - n);
        if (got < 0) {
            return -1;
        }
        if (got == 0) {
            break;
        }
        n += (size_t)got;
    }
    return (ssize_t)n;
}

static bool is_hex(const uint8_t *bytes, size_t n)
{
    bool digits = false;

    for (size_t i = 0; i < n; i++) {
        if (isxdigit(bytes[i])) {
            digits = true;
        } else if (!isspace(bytes[i])) {
            return false;
        }
    }
    return digits;
}

static unsigned digit(uint8_t c)
{
    return c <= '9' ? (unsigned)c - '0' : ((unsigned)c | 0x20) - 'a' + 10;
}

ssize_t read_bytes_decode(uint8_t *bytes, size_t n)
{
    size_t digits = 0;

    for (size_t i = 0; i < n; i++) {
        if (isspace(bytes[i])) {
            continue;
        }
        const unsigned value = digit(bytes[i]);
        bytes[digits / 2] = (uint8_t)(digits % 2 == 0 ? value << 4 : bytes[digits / 2] | value);
        digits++;
    }
    return digits % 2 == 0 ? (ssize_t)(digits / 2) : -1;
}

/* Opens the file, or takes standard input. Returns CLI_DONE, or the code to exit with. */
static int read_file(struct read_bytes *out, const char *path, size_t cap)
{
    const bool is_stdin = strcmp(path, "-") == 0;
    int rc = CLI_DONE, fd = is_stdin ? STDIN_FILENO : cli_open_input(path);
    ssize_t n = -1;

    *out = (struct read_bytes){0};
    if (fd < 0) {
        return cli_fail(SPV_ERR_IO, "%s: cannot be opened: %s.", path, strerror(errno));
    }
    out->at = malloc(cap);
    if (!out->at) {
        rc = cli_fail(SPV_ERR_NOMEM, "%s: not enough memory.", read_bytes_name(path));
    } else {
        n = read_all(fd, out->at, cap);
    }
    if (rc == CLI_DONE && n < 0) {
        rc = cli_stopped() ? (int)cli_stop_code()
                           : cli_fail(SPV_ERR_IO, "%s: cannot be read: %s.", read_bytes_name(path),
                                      strerror(errno));
    }
    if (!is_stdin) {
        (void)close(fd);
    }
    out->n = n < 0 ? 0 : (size_t)n;
    return rc;
}

static int check_length(const struct read_bytes *in, const char *path, size_t max)
{
    if (in->n == 0) {
        return cli_fail_as(CLI_FAILED, SPV_ERR_SHORT, "%s: is empty.", read_bytes_name(path));
    }
    if (in->n > max) {
        return cli_fail_as(CLI_FAILED, SPV_ERR_TOO_LONG, "%s: is longer than %s bytes.",
                           read_bytes_name(path), CLI_COUNT(max));
    }
    return CLI_DONE;
}

static int decode(struct read_bytes *out, const char *path)
{
    const ssize_t n =
        is_hex(out->at, out->n) ? read_bytes_decode(out->at, out->n) : (ssize_t)out->n;

    if (n < 0) {
        return cli_fail_as(CLI_FAILED, SPV_ERR_SHORT,
                           "%s: has an odd number of hexadecimal digits: it is incomplete.",
                           read_bytes_name(path));
    }
    out->n = (size_t)n;
    return CLI_DONE;
}

/* Frees what was read after an error. */
static int finish(struct read_bytes *out, int rc)
{
    if (rc != CLI_DONE) {
        free(out->at);
        *out = (struct read_bytes){0};
    }
    return rc;
}

int read_bytes_file(struct read_bytes *out, const char *path, size_t max)
{
    int rc = read_file(out, path, max + 1);

    if (rc == CLI_DONE) {
        rc = check_length(out, path, max);
    }
    return finish(out, rc);
}

int read_bytes(struct read_bytes *out, const char *path, size_t max)
{
    int rc = read_file(out, path, 2 * max + SPACE);

    if (rc == CLI_DONE) {
        rc = decode(out, path);
    }
    if (rc == CLI_DONE) {
        rc = check_length(out, path, max);
    }
    return finish(out, rc);
}
