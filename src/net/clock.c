/* The system's clocks and random generator. No other file of the library reads them. */
#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "spv/reactor.h"

struct spv_now spv_system_now(void)
{
    struct timespec mono = {0};
    struct timespec real = {0};
    /* Both clocks exist on every supported system, so the calls cannot fail. */
    (void)clock_gettime(CLOCK_MONOTONIC, &mono);
    (void)clock_gettime(CLOCK_REALTIME, &real);
    return (struct spv_now){
        .mono_us = (uint64_t)mono.tv_sec * SPV_SECOND + (uint64_t)mono.tv_nsec / 1000,
        .unix_s = real.tv_sec,
    };
}

/* For kernels and sandboxes without getrandom(2). */
static size_t read_urandom(uint8_t *out, size_t n)
{
    int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t got = read(fd, out, n);
    (void)close(fd);
    return got > 0 ? (size_t)got : 0;
}

/* Does not fail, as struct spv_rng requires: it returns when all bytes are random. */
static void fill_random(void *ctx, void *out, size_t n)
{
    (void)ctx;
    uint8_t *p = out;
    while (n > 0) {
        ssize_t got = getrandom(p, n, 0);
        size_t done = got > 0 ? (size_t)got : 0;
        if (got < 0 && errno != EINTR) {
            done = read_urandom(p, n);
            if (done == 0) {
                const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000}; /* then try again */
                (void)nanosleep(&pause, NULL);
            }
        }
        p += done;
        n -= done;
    }
}

struct spv_rng spv_system_rng(void)
{
    return (struct spv_rng){.fill = fill_random};
}
