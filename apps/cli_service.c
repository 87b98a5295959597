/* What service managers want of a program: sd_notify(3)'s datagrams, a log file, and a file with
 * its process id. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli_options.h"

#define STATUS_MAX 256 /* bytes of one line */

static const char *pid_path; /* NULL: none */
static int pid_fd = -1; /* holds the lock */

/* ---- sd_notify ---- */

/* NOTIFY_SOCKET is a path, or '@' and an abstract name. Whatever fails is no business of ours. */
static void notify(const char *text)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    const size_t n = path ? strlen(path) : 0;
    int fd;

    if (n == 0 || n >= sizeof to.sun_path || (path[0] != '/' && path[0] != '@'))
        return;
    memcpy(to.sun_path, path, n);
    if (path[0] == '@')
        to.sun_path[0] = '\0';
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    (void)sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&to,
                 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
    (void)close(fd);
}

CLI_FORMAT(2, 0)
static void notify_status(const char *before, const char *format, va_list args)
{
    char status[STATUS_MAX], text[STATUS_MAX + 32];

    vsnprintf(status, sizeof status, format, args);
    cli_clean(status); /* a line feed would begin another assignment */
    snprintf(text, sizeof text, "%sSTATUS=%s", before, status);
    notify(text);
}

void cli_service_ready(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    notify_status("READY=1\n", format, args);
    va_end(args);
}

void cli_service_status(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    notify_status("", format, args);
    va_end(args);
}

void cli_service_stopping(void)
{
    notify("STOPPING=1");
}

/* ---- --log-file ---- */

int cli_log_begin(const struct cli_log *log)
{
    const int error = cli_log_open(log);

    if (error == EINVAL)
        return cli_usage("--log-file: %s: is not a file.", log->file);
    return error ? cli_fail_as(CLI_FAILED, SPV_ERR_IO, "--log-file: %s: %s. %s", log->file,
                               strerror(error), cli_write_advice(error))
                 : CLI_DONE;
}

/* ---- --pid-file ---- */

static void remove_pid_file(void)
{
    (void)unlink(pid_path);
    (void)close(pid_fd);
}

static int pid_failed(const char *path, int error)
{
    return cli_fail_as(CLI_FAILED, SPV_ERR_IO, "--pid-file: %s: %s. %s", path, strerror(error),
                       cli_write_advice(error));
}

int cli_pid_file(const char *path)
{
    char text[32];
    struct stat st;
    int fd, n;

    if (!path)
        return CLI_DONE;
    fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
    if (fd < 0)
        return pid_failed(path, errno);
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        (void)close(fd);
        return cli_usage("--pid-file: %s: is not a file.", path);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        (void)close(fd);
        return cli_fail_as(CLI_FAILED, SPV_ERR_DB_BUSY,
                           "--pid-file: %s: belongs to a program that runs. Name another file.",
                           path);
    }
    n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || write(fd, text, (size_t)n) != n) {
        const int error = errno ? errno : EIO;

        (void)unlink(path);
        (void)close(fd);
        return pid_failed(path, error);
    }
    pid_path = path;
    pid_fd = fd;
    (void)atexit(remove_pid_file);
    return CLI_DONE;
}
