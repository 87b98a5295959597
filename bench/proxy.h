/* A TCP proxy on loopback with a fixed delay each way and a limit of bytes per second towards the
 * client. Uses only poll(2), no privileges. */
#ifndef SPV_BENCH_PROXY_H
#define SPV_BENCH_PROXY_H

#include <stdint.h>
#include <sys/types.h>

struct proxy_line {
    unsigned delay_ms; /* each way */
    double bytes_per_s; /* towards the client; 0: no limit */
};

/* Starts a proxy to 127.0.0.1:upstream in a process of its own, which listens on *port and runs
 * until a signal. Returns its process id, or a negative number on failure. */
pid_t proxy_start(uint16_t *port, uint16_t upstream, const struct proxy_line *line);

#endif
