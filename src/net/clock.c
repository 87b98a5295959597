/* The system's clocks and random generator: the only place in the library that reads them. */
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
    /* These clocks exist on every system that we build for; the calls cannot fail then. */
    (void)clock_gettime(CLOCK_MONOTONIC, &mono);
    (void)clock_gettime(CLOCK_REALTIME, &real);
    return (struct spv_now){
        .mono_us = (uint64_t)mono.tv_sec * SPV_SECOND + (uint64_t)mono.tv_nsec / 1000,
        .unix_s = real.tv_sec,
    };
}

/* For kernels and sandboxes without getrandom(2). */
static size_t from_device(uint8_t *out, size_t n)
{
    int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t got = read(fd, out, n);
    (void)close(fd);
    return got > 0 ? (size_t)got : 0;
}

/* Cannot fail, as struct spv_rng demands: it never returns before all bytes are unpredictable. */
static void clock_random(void *ctx, void *out, size_t n)
{
    (void)ctx;
    uint8_t *p = out;
    while (n > 0) {
        ssize_t got = getrandom(p, n, 0);
        size_t done = got > 0 ? (size_t)got : 0;
        if (got < 0 && errno != EINTR) {
            done = from_device(p, n);
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
    return (struct spv_rng){.fill = clock_random};
}
