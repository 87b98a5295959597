/* A line between two sockets on loopback that takes its time: a fixed delay each way, and a limit
 * of bytes a second towards the client. Plain poll, no privileges. */
#ifndef SPV_BENCH_PROXY_H
#define SPV_BENCH_PROXY_H

#include <stdint.h>
#include <sys/types.h>

struct proxy_line {
    unsigned delay_ms; /* each way */
    double bytes_per_s; /* towards the client; 0: no limit */
};

/* Runs a proxy to 127.0.0.1:upstream in a process of its own; *port is where it listens. Ends with
 * a signal. Negative when it cannot. */
pid_t proxy_start(uint16_t *port, uint16_t upstream, const struct proxy_line *line);

#endif
