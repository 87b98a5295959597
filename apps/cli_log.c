/* --log-file and --timestamps. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli_options.h"

#define LINES_MAX                                                                                  \
    (1024 * 1024) /* bytes of a buffered line: written whole, before or after SIGUSR1 */

static const char *file; /* NULL: none */
static bool timestamps;

/* Points standard output and standard error at the file. Async-signal-safe. Returns 0 or an errno.
 */
static int open_file(void)
{
    const int fd =
        open(file, O_WRONLY | O_CREAT | O_APPEND | O_NOCTTY | O_NONBLOCK | O_CLOEXEC, 0644);
    struct stat st;
    int error = 0;

    if (fd < 0)
        return errno;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        error = EINVAL;
    else if (dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
        error = errno;
    (void)close(fd);
    return error;
}

/* SIGUSR1: the file was moved away. One that cannot be opened leaves the old one in use. */
static void reopen(int number)
{
    const int error = errno;

    (void)number;
    (void)open_file();
    errno = error;
}

int cli_log_open(const struct cli_log *log)
{
    static char lines[LINES_MAX];
    struct sigaction action = {.sa_handler = reopen, .sa_flags = SA_RESTART};
    int error;

    timestamps = log->timestamps;
    file = log->file;
    if (!file)
        return 0;
    (void)setvbuf(stdout, lines, _IOFBF, sizeof lines);
    error = open_file();
    (void)sigemptyset(&action.sa_mask);
    if (!error && sigaction(SIGUSR1, &action, NULL) != 0)
        error = errno;
    return error;
}

const char *cli_log_stamp(char out[CLI_FIGURE])
{
    struct timespec now = {0, 0};
    struct tm tm;
    size_t n = 0;

    out[0] = '\0';
    if (!timestamps)
        return out;
    clock_gettime(CLOCK_REALTIME, &now);
    if (gmtime_r(&now.tv_sec, &tm))
        n = strftime(out, CLI_FIGURE, "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(out + n, CLI_FIGURE - n, ".%03ldZ ", now.tv_nsec / 1000000);
    return out;
}
