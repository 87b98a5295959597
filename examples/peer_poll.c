/* peer_poll NETWORK HOST[:PORT]: the peer state machine without libevent, driven by poll(2). It
 * completes the handshake, sends a ping, prints every message and the round-trip time, and exits.
 * It shows all that an event loop of the caller's must do: move bytes, pass the current time, keep
 * one timer.
 *
 *   cc peer_poll.c $(pkg-config --cflags --libs spv-peer) -o peer_poll
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <spv/endpoint.h>
#include <spv/peer.h>
#include <spv/reactor.h> /* only for spv_system_now and spv_system_rng */

#define LONGEST_POLL 60000 /* ms; then the deadline is read again */

/* Returns a connected socket, or -1. This blocks; a real program would not. */
static int dial(const struct spv_endpoint *peer)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    char port[8];
    int fd = -1;

    snprintf(port, sizeof port, "%u", (unsigned)peer->port);
    if (getaddrinfo(peer->host, port, &hints, &list) != 0)
        return -1;
    for (const struct addrinfo *ai = list; ai && fd < 0; ai = ai->ai_next) {
        fd = socket(ai->ai_family, ai->ai_socktype, ai->ai_protocol);
        if (fd >= 0 && connect(fd, ai->ai_addr, ai->ai_addrlen) < 0) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    if (fd >= 0)
        fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static int write_pending(struct spv_peer *p, int fd)
{
    const uint8_t *bytes;
    size_t n;

    while ((n = spv_peer_pending(p, &bytes)) > 0) {
        ssize_t took = send(fd, bytes, n, MSG_NOSIGNAL);
        if (took < 0)
            return errno == EAGAIN || errno == EINTR ? 0 : SPV_ERR_RESET;
        spv_peer_sent(p, (size_t)took, spv_system_now());
    }
    return 0;
}

/* Returns 1 when the pong was received, 0 to continue, or an error. */
static int take_messages(struct spv_peer *p)
{
    const struct spv_msg ping = {.command = SPV_CMD_PING,
                                 .u.ping = {.has_nonce = true, .nonce = 42}};
    struct spv_msg msg;
    char line[SPV_MSG_FORMAT_MAX];
    int rc;

    while ((rc = spv_peer_next(p, &msg, spv_system_now())) == 1) {
        printf("received %s\n", spv_msg_format(line, sizeof line, &msg));
        if (msg.command == SPV_CMD_VERACK)
            rc = spv_peer_send(p, &ping, spv_system_now());
        if (rc < 0)
            return rc;
        if (msg.command == SPV_CMD_PONG && msg.u.ping.nonce == 42)
            return 1;
    }
    return rc;
}

static int read_some(struct spv_peer *p, int fd)
{
    uint8_t bytes[16384];
    ssize_t n = recv(fd, bytes, sizeof bytes, 0);

    if (n == 0)
        return SPV_ERR_CLOSED;
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : SPV_ERR_RESET;
    int rc = spv_peer_feed(p, bytes, (size_t)n, spv_system_now());
    return rc < 0 ? rc : take_messages(p);
}

/* Returns the milliseconds until spv_peer_timer must be called. */
static int wait_ms(const struct spv_peer *p)
{
    uint64_t deadline = spv_peer_deadline(p);
    uint64_t now = spv_system_now().mono_us;

    if (deadline <= now)
        return 0;
    uint64_t ms = (deadline - now) / 1000 + 1;
    return ms < LONGEST_POLL ? (int)ms : LONGEST_POLL;
}

static int drive(struct spv_peer *p, int fd)
{
    const uint8_t *bytes;
    int rc = 0;

    while (rc == 0) {
        rc = write_pending(p, fd);
        if (rc < 0)
            break;
        struct pollfd at = {.fd = fd, .events = POLLIN};
        if (spv_peer_pending(p, &bytes) > 0)
            at.events |= POLLOUT;
        if (poll(&at, 1, wait_ms(p)) < 0 && errno != EINTR)
            return SPV_ERR_IO;
        rc = read_some(p, fd); /* before the timer: bytes that are here arrived in time */
        if (rc == 0)
            rc = spv_peer_timer(p, spv_system_now());
    }
    return rc;
}

int main(int argc, char **argv)
{
    const struct spv_netid *net = argc == 3 ? spv_netid_by_name(argv[1]) : NULL;
    struct spv_endpoint peer;
    struct spv_peer *p;

    if (!net || spv_endpoint_parse(&peer, argv[2], net->port) < 0) {
        fprintf(stderr, "usage: %s NETWORK HOST[:PORT]\n", argv[0]);
        return 2;
    }
    int fd = dial(&peer);
    if (fd < 0) {
        fprintf(stderr, "peer_poll: cannot connect to %s\n", argv[2]);
        return 1;
    }
    const struct spv_peer_config config = {.net = net, .rng = spv_system_rng()};
    int rc = spv_peer_new(&p, &config, SPV_OUTBOUND, spv_system_now());
    if (rc == 0) {
        uint64_t start = spv_system_now().mono_us;
        rc = drive(p, fd);
        if (rc == 1)
            printf("answered within %" PRIu64 " us\n", spv_system_now().mono_us - start);
        spv_peer_free(p);
    }
    close(fd);
    if (rc < 0)
        fprintf(stderr, "peer_poll: %s: %s\n", argv[2], spv_strerror(rc));
    return rc == 1 ? 0 : 1;
}
