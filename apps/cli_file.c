/* Input files named by the user. A pipe may have no writer: it is opened without waiting for one,
 * and each read polls for WAIT_MS at a time and checks for a stop signal in between. stdio reads
 * through these functions (fopencookie). */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <unistd.h>

#define WAIT_MS 200 /* between two checks for a stop signal */

int cli_open_input(const char *path)
{
    return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

ssize_t cli_read(int fd, void *bytes, size_t n)
{
    struct pollfd in = {.fd = fd, .events = POLLIN};

    for (;;) {
        ssize_t got;
        int ready = poll(&in, 1, WAIT_MS); /* a pipe without a writer yet is not at its end */

        if (cli_stopped()) {
            errno = EINTR;
            return -1;
        }
        if (ready == 0 || (ready < 0 && errno == EINTR))
            continue;
        got = read(fd, bytes, n);
        if (got >= 0 || (errno != EINTR && errno != EAGAIN))
            return got;
    }
}

static ssize_t cookie_read(void *cookie, char *bytes, size_t n)
{
    return cli_read((int)(intptr_t)cookie, bytes, n);
}

static int cookie_close(void *cookie)
{
    return close((int)(intptr_t)cookie);
}

FILE *cli_fopen_input(const char *path)
{
    static const cookie_io_functions_t functions = {.read = cookie_read, .close = cookie_close};
    int fd = cli_open_input(path);
    FILE *f;

    if (fd < 0)
        return NULL;
    f = fopencookie((void *)(intptr_t)fd, "r", functions);
    if (!f) {
        int saved = errno;

        close(fd);
        errno = saved;
    }
    return f;
}
