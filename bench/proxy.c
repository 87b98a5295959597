/* Each direction of a connection is a queue of chunks, each with the time at which it is delivered.
 * With a rate limit, a chunk starts when the previous one has been transmitted, and at most one
 * second of data is queued, as in a router; then the proxy stops reading from the sender. */
#define _GNU_SOURCE /* ppoll */
#include "proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

#define CHUNK 16384
#define MAX_PAIRS 16
#define MAX_QUEUED (64u << 20) /* bytes in one direction without a rate limit */

struct chunk {
    struct chunk *next;
    uint64_t at_ns;
    size_t n, sent;
    char bytes[CHUNK];
};

struct direction {
    struct chunk *head, *tail;
    size_t queued;
    uint64_t free_ns; /* when the queued bytes are transmitted */
    bool eof; /* the sender has closed its side */
    bool shut;
};

struct pair {
    int fd[2]; /* client, server */
    struct direction to[2]; /* to the client, to the server */
    bool used;
};

static int listen_any(uint16_t *port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof in;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&in, sizeof in) != 0 || listen(fd, 16) != 0 ||
        getsockname(fd, (struct sockaddr *)&in, &len) != 0)
        return -1;
    *port = ntohs(in.sin_port);
    return fd;
}

static void set_options(int fd)
{
    const int one = 1;
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static void accept_pair(struct pair *pairs, int listener, uint16_t upstream)
{
    const struct sockaddr_in in = {.sin_family = AF_INET,
                                   .sin_port = htons(upstream),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int client = accept(listener, NULL, NULL);
    const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    size_t i = 0;
    while (i < MAX_PAIRS && pairs[i].used)
        i++;
    if (i == MAX_PAIRS || client < 0 || server < 0 ||
        connect(server, (const struct sockaddr *)&in, sizeof in) != 0) {
        (void)close(client);
        (void)close(server);
        return;
    }
    set_options(client);
    set_options(server);
    pairs[i] = (struct pair){.fd = {client, server}, .used = true};
}

static size_t queue_space(const struct direction *d, double rate)
{
    const size_t most = rate > 0 ? (size_t)rate : MAX_QUEUED;
    return d->queued < most ? most - d->queued : 0;
}

static void read_chunks(struct direction *d, int from, const struct proxy_line *line, double rate)
{
    while (!d->eof && queue_space(d, rate) > 0) {
        struct chunk *p = malloc(sizeof *p);
        if (!p)
            abort();
        const ssize_t n = recv(from, p->bytes, sizeof p->bytes, 0);
        if (n <= 0) {
            d->eof = n == 0 || (errno != EAGAIN && errno != EINTR);
            free(p);
            return;
        }
        const uint64_t now = bench_now_ns();
        if (d->free_ns < now)
            d->free_ns = now;
        if (rate > 0)
            d->free_ns += (uint64_t)((double)n / rate * 1e9);
        p->next = NULL;
        p->n = (size_t)n;
        p->sent = 0;
        p->at_ns = d->free_ns + (uint64_t)line->delay_ms * 1000000;
        if (d->tail)
            d->tail->next = p;
        else
            d->head = p;
        d->tail = p;
        d->queued += p->n;
    }
}

/* Sends the chunks that are due. Returns true when the socket accepted all of them. */
static bool write_chunks(struct direction *d, int to)
{
    while (d->head && d->head->at_ns <= bench_now_ns()) {
        struct chunk *p = d->head;
        const ssize_t n = send(to, p->bytes + p->sent, p->n - p->sent, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            p->sent = p->n; /* the receiver has closed the connection */
            d->eof = true;
        } else if (n < 0) {
            return false;
        } else {
            p->sent += (size_t)n;
        }
        if (p->sent < p->n)
            return false;
        d->queued -= p->n;
        d->head = p->next;
        if (!d->head)
            d->tail = NULL;
        free(p);
    }
    if (!d->head && d->eof && !d->shut) {
        (void)shutdown(to, SHUT_WR);
        d->shut = true;
    }
    return true;
}

static _Noreturn void run(int listener, uint16_t upstream, const struct proxy_line *line)
{
    static struct pair pairs[MAX_PAIRS];
    const double rates[2] = {line->bytes_per_s, 0};
    for (;;) {
        struct pollfd fds[1 + 2 * MAX_PAIRS] = {{.fd = listener, .events = POLLIN}};
        uint64_t first = UINT64_MAX;
        for (size_t i = 0; i < MAX_PAIRS; i++)
            for (size_t side = 0; side < 2; side++) {
                struct pair *p = &pairs[i];
                struct pollfd *f = &fds[1 + 2 * i + side];
                f->fd = p->used ? p->fd[side] : -1;
                if (!p->used)
                    continue;
                const struct direction *out = &p->to[side], *in = &p->to[1 - side];
                if (!in->eof && queue_space(in, rates[1 - side]) > 0)
                    f->events |= POLLIN;
                if (out->head && out->head->at_ns <= bench_now_ns())
                    f->events |= POLLOUT;
                else if (out->head && out->head->at_ns < first)
                    first = out->head->at_ns;
                if (f->events == 0)
                    f->fd = -1; /* poll would report a closed one at once, again and again */
            }
        const uint64_t now = bench_now_ns();
        const struct timespec wait = {.tv_sec = 0,
                                      .tv_nsec = first <= now             ? 0
                                                 : first - now > 50000000 ? 50000000
                                                                          : (long)(first - now)};
        (void)ppoll(fds, 1 + 2 * MAX_PAIRS, &wait, NULL);
        for (size_t i = 0; i < MAX_PAIRS; i++) {
            struct pair *p = &pairs[i];
            for (size_t side = 0; p->used && side < 2; side++) {
                read_chunks(&p->to[1 - side], p->fd[side], line, rates[1 - side]);
                (void)write_chunks(&p->to[side], p->fd[side]);
            }
            if (p->used && p->to[0].shut && p->to[1].shut) {
                (void)close(p->fd[0]);
                (void)close(p->fd[1]);
                p->used = false;
            }
        }
        if (fds[0].revents & POLLIN)
            accept_pair(pairs, listener, upstream);
    }
}

pid_t proxy_start(uint16_t *port, uint16_t upstream, const struct proxy_line *line)
{
    const int listener = listen_any(port);
    const pid_t pid = listener < 0 ? -1 : fork();
    if (pid == 0)
        run(listener, upstream, line);
    if (listener >= 0)
        (void)close(listener);
    return pid;
}
