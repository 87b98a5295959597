/* Latency of other clients while one client sends requests without pause: spv-serve with 20,000
 * headers, one connection that sends requests as fast as its answers are read, a peer that pings
 * and an HTTP client, these two with one request at a time. The limit of the longest wait is 50 ms.
 *
 * bench_wait FOLDER-OF-BINARIES */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "spv/spv.h"
#include "util/buffer.h"
#include "wire/codec.h"

#define ROUNDS 400 /* measurements of each kind */
#define BOUND 50.0 /* ms */
#define HEADERS "20000"

static void die(const char *what)
{
    (void)fprintf(stderr, "bench_wait: %s\n", what);
    exit(1);
}

/* Starts the program under test; reads *port and *http from its first lines. */
static pid_t start_server(const char *folder, uint16_t *port, uint16_t *http)
{
    char path[512], line[512];
    int fds[2];
    (void)snprintf(path, sizeof path, "%s/spv-serve", folder);
    if (pipe(fds) != 0)
        die("no pipe");
    const pid_t pid = fork();
    if (pid == 0) {
        (void)dup2(fds[1], STDOUT_FILENO);
        (void)execl(path, path, "--network", "regtest", "--mine", HEADERS, "--listen",
                    "127.0.0.1:0", "--http", "127.0.0.1:0", "--http-rate", "0", "--json",
                    (char *)NULL);
        _exit(1);
    }
    (void)close(fds[1]);
    FILE *out = fdopen(fds[0], "r");
    while (pid > 0 && out && *port == 0 && fgets(line, sizeof line, out)) {
        const char *at = strstr(line, "\"port\":");
        if (at)
            *(strstr(line, "\"http\"") ? http : port) = (uint16_t)strtoul(at + 7, NULL, 10);
    }
    if (*port == 0 || *http == 0)
        die("the server did not start");
    return pid; /* the pipe stays open, because the server continues to write */
}

static int dial(uint16_t port)
{
    const int on = 1;
    const struct sockaddr_in in = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&in, sizeof in) != 0)
        die("cannot connect");
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static void put(struct spv_buffer *b, const struct spv_msg *msg)
{
    if (spv_msg_write(b, msg, spv_netid_get(SPV_REGTEST), SPV_PROTOCOL_VERSION) < 0)
        die("cannot encode");
}

static void send_all(int fd, const struct spv_buffer *b)
{
    if (send(fd, b->data, b->len, MSG_NOSIGNAL) != (ssize_t)b->len)
        die("cannot send");
}

static int dial_peer(uint16_t port)
{
    const struct spv_msg version = {.command = SPV_CMD_VERSION,
                                    .u.version = {.version = SPV_PROTOCOL_VERSION, .nonce = 9}};
    const struct spv_msg verack = {.command = SPV_CMD_VERACK};
    struct spv_buffer b;
    const int fd = dial(port);
    spv_buffer_init(&b);
    put(&b, &version);
    put(&b, &verack);
    send_all(fd, &b);
    spv_buffer_free(&b);
    return fd;
}

/* The client without pause: one thread sends the same bytes in a loop, another reads the answers.
 */
struct busy_client {
    int fd;
    struct spv_buffer requests;
    pthread_t writer, reader;
};

static void *write_loop(void *ctx)
{
    const struct busy_client *g = ctx;
    while (send(g->fd, g->requests.data, g->requests.len, MSG_NOSIGNAL) > 0)
        continue;
    return NULL;
}

static void *read_loop(void *ctx)
{
    const struct busy_client *g = ctx;
    static uint8_t bytes[1 << 20];
    while (recv(g->fd, bytes, sizeof bytes, 0) > 0)
        continue;
    return NULL;
}

static void start_busy_client(struct busy_client *g, int fd)
{
    g->fd = fd;
    if (pthread_create(&g->writer, NULL, write_loop, g) != 0 ||
        pthread_create(&g->reader, NULL, read_loop, g) != 0)
        die("no thread");
}

static void stop_busy_client(struct busy_client *g)
{
    (void)shutdown(g->fd, SHUT_RDWR);
    (void)pthread_join(g->writer, NULL);
    (void)pthread_join(g->reader, NULL);
    (void)close(g->fd);
    spv_buffer_free(&g->requests);
}

/* Sends a request and reads until the last bytes of its answer. Returns milliseconds. */
static double wait_for(int fd, const struct spv_buffer *request, const char *ending, size_t n)
{
    char bytes[65536];
    size_t got = 0;
    const uint64_t before = bench_now_ns();
    send_all(fd, request);
    do {
        const ssize_t more = recv(fd, bytes + got, sizeof bytes - got, 0);
        if (more <= 0)
            die("the server closed the connection");
        got += (size_t)more;
    } while (got < n || memcmp(bytes + got - n, ending, n) != 0);
    return (double)(bench_now_ns() - before) / 1e6;
}

static void measure(const char *what, const char *who, int fd, const struct spv_buffer *request,
                    const char *ending, size_t n)
{
    char label[96];
    double sum = 0, longest = 0;
    (void)wait_for(fd, request, ending, n); /* completes the handshake */
    for (int i = 0; i < ROUNDS; i++) {
        const double ms = wait_for(fd, request, ending, n);
        sum += ms;
        longest = ms > longest ? ms : longest;
    }
    (void)snprintf(label, sizeof label, "%s behind %s, mean", who, what);
    bench_cost(label, sum / ROUNDS, 0, "ms");
    (void)snprintf(label, sizeof label, "%s behind %s, longest", who, what);
    bench_cost(label, longest, BOUND, "ms");
}

static void measure_both(const char *what, uint16_t port, uint16_t http)
{
    static const char get[] = "GET /rest/blockhashbyheight/5.hex HTTP/1.1\r\nHost: a\r\n\r\n";
    const struct spv_msg ping = {.command = SPV_CMD_PING,
                                 .u.ping = {.nonce = 77, .has_nonce = true}};
    const char nonce[8] = {77};
    struct spv_buffer b;
    int fd = dial_peer(port);
    spv_buffer_init(&b);
    put(&b, &ping);
    measure(what, "ping", fd, &b, nonce, sizeof nonce);
    spv_buffer_free(&b);
    (void)close(fd);
    fd = dial(http);
    spv_buffer_put(&b, get, sizeof get - 1);
    measure(what, "HTTP", fd, &b, "\n", 1); /* 64 hex digits and a newline arrive together */
    spv_buffer_free(&b);
    (void)close(fd);
}

int main(int argc, char **argv)
{
    static struct spv_blockhash locator[SPV_MAX_LOCATOR];
    uint16_t port = 0, http = 0;
    struct busy_client g = {0};
    if (argc < 2)
        die("name the folder of spv-serve");
    const pid_t pid = start_server(argv[1], &port, &http);
    struct spv_msg ask = {
        .command = SPV_CMD_GETHEADERS,
        .u.getheaders = {.version = SPV_PROTOCOL_VERSION, .locator = locator, .n = 1}};
    const struct spv_msg ping = {.command = SPV_CMD_PING,
                                 .u.ping = {.nonce = 1, .has_nonce = true}};
    static const char big[] = "GET /rest/headers/"
                              "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206"
                              ".json?count=2000 HTTP/1.1\r\nHost: a\r\n\r\n";

    measure_both("nothing", port, http);
    spv_header_hash(&locator[0], &spv_params_get(SPV_REGTEST)->genesis);
    put(&g.requests, &ask);
    start_busy_client(&g, dial_peer(port));
    measure_both("getheaders", port, http);
    stop_busy_client(&g);
    for (size_t i = 0; i < SPV_MAX_LOCATOR; i++)
        memset(locator[i].b, (int)i + 1, 32);
    ask.u.getheaders.n = SPV_MAX_LOCATOR;
    put(&g.requests, &ask);
    start_busy_client(&g, dial_peer(port));
    measure_both("101 unknown hashes", port, http);
    stop_busy_client(&g);
    for (int i = 0; i < 1000; i++)
        put(&g.requests, &ping);
    start_busy_client(&g, dial_peer(port));
    measure_both("pings", port, http);
    stop_busy_client(&g);
    for (int i = 0; i < 50; i++)
        spv_buffer_put(&g.requests, big, sizeof big - 1);
    start_busy_client(&g, dial(http));
    measure_both("HTTP requests", port, http);
    stop_busy_client(&g);
    printf("(the lower bound of the longest waits is their limit, 50 ms)\n");
    (void)kill(pid, SIGTERM);
    (void)waitpid(pid, NULL, 0);
    return 0;
}
