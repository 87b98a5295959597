/* CPU of the server's thread for an answer to a getheaders, over loopback, from a database: from a
 * cached range of 2,000 headers (printed as a kept block), from parts of two cached ranges, from a
 * range that is not cached, and to locators of 101 hashes that are not on the chain. The lower
 * bound of each is a plain thread that reads a request and sends the same bytes; for a range that
 * is not cached also a plain SQL statement for the same columns and the checksum; for a locator a
 * plain SQL statement per hash.
 *
 * bench_serve [HEADERS [FOLDER]] */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sqlite3.h>

#include "bench.h"
#include "spv/spv.h"
#include "util/buffer.h"
#include "util/hash.h"
#include "wire/codec.h"

#define BATCH 2000
#define ROUNDS 2000 /* answers per figure */
#define HOT 50 /* ranges that are requested repeatedly */
#define ANSWER (24 + 3 + 2000 * 81)
#define PATH_LEN 400

static void die(const char *what)
{
    (void)fprintf(stderr, "bench_serve: %s\n", what);
    exit(1);
}

static void must(int rc)
{
    if (rc < 0)
        die(spv_strerror(rc));
}

static double cpu_us(clockid_t clock)
{
    struct timespec t;
    (void)clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* The chain in a database, and its hashes in memory. */

struct store_fill {
    struct spv_store *store;
    struct spv_blockhash *hashes;
    struct spv_chain_header batch[BATCH];
    size_t n;
};

static void flush(struct store_fill *f)
{
    const struct spv_chain_update change = {.kind = SPV_UPDATE_APPEND,
                                            .fork_height = f->batch[0].height - 1,
                                            .headers = f->batch,
                                            .n = f->n};
    if (f->n > 0)
        must(spv_store_apply(f->store, &change));
    f->n = 0;
}

static int keep(void *ctx, const struct spv_chain_header *record)
{
    struct store_fill *f = ctx;
    f->hashes[record->height] = record->hash;
    f->batch[f->n++] = *record;
    if (f->n == BATCH)
        flush(f);
    return 0;
}

static struct spv_blockhash *fill(const char *path, uint32_t n)
{
    static struct store_fill f;
    struct spv_error_info why;
    struct spv_chain *chain;
    const struct spv_params *params = spv_params_get(SPV_REGTEST);
    const struct spv_store_config store = {
        .path = path, .params = params, .mode = SPV_STORE_CREATE};
    const struct spv_chain_config cfg = {.params = params};
    const struct spv_mine_plan plan = {
        .n = n, .spacing = 60, .seed = 1, .on_header = keep, .ctx = &f};

    if (spv_store_open(&f.store, &store, &why) != 0)
        die(why.text);
    f.hashes = calloc((size_t)n + 1, sizeof *f.hashes);
    if (!f.hashes)
        die("no memory");
    must(spv_chain_new(&chain, &cfg));
    f.hashes[0] = spv_chain_tip(chain)->hash;
    must(spv_mine_chain(chain, &plan));
    flush(&f);
    spv_chain_free(chain);
    must(spv_store_flush(f.store));
    must(spv_store_build_index(f.store));
    must(spv_store_close(f.store));
    return f.hashes;
}

/* A client on a plain socket. */

static int dial(uint16_t port)
{
    const int on = 1;
    const struct sockaddr_in in = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&in, sizeof in) != 0)
        die("cannot connect");
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static void read_all(int fd, uint8_t *out, size_t n)
{
    while (n > 0) {
        const ssize_t got = recv(fd, out, n, MSG_WAITALL);
        if (got <= 0)
            die("the server closed the connection");
        out += got;
        n -= (size_t)got;
    }
}

static void write_all(int fd, const uint8_t *bytes, size_t n)
{
    while (n > 0) {
        const ssize_t took = send(fd, bytes, n, MSG_NOSIGNAL);
        if (took <= 0)
            die("cannot write");
        bytes += took;
        n -= (size_t)took;
    }
}

static void send_msg(int fd, const struct spv_msg *msg)
{
    struct spv_buffer b;
    spv_buffer_init(&b);
    must(spv_msg_write(&b, msg, spv_netid_get(SPV_REGTEST), SPV_PROTOCOL_VERSION));
    write_all(fd, b.data, b.len);
    spv_buffer_free(&b);
}

/* Reads until a headers message is complete. Returns its length. */
static size_t read_answer(int fd)
{
    static uint8_t bytes[ANSWER];
    for (;;) {
        uint32_t length = 0;
        read_all(fd, bytes, 24);
        const bool headers = strcmp((const char *)bytes + 4, "headers") == 0;
        for (size_t i = 0; i < 4; i++)
            length |= (uint32_t)bytes[16 + i] << (8 * i);
        if (length > sizeof bytes)
            die("a message that is too long");
        read_all(fd, bytes, length);
        if (headers)
            return length;
    }
}

struct client {
    int fd;
    clockid_t clock; /* of the server's thread */
    const struct spv_blockhash *hashes;
};

/* Returns the CPU time of one answer in microseconds; request i has the hash at height
 * start + (i % of) * step as its locator. */
static double ask(const struct client *a, uint32_t rounds, uint32_t start, uint32_t step,
                  uint32_t of)
{
    const double before = cpu_us(a->clock);
    for (uint32_t i = 0; i < rounds; i++) {
        const struct spv_msg msg = {.command = SPV_CMD_GETHEADERS,
                                    .u.getheaders = {.version = SPV_PROTOCOL_VERSION,
                                                     .locator = &a->hashes[start + i % of * step],
                                                     .n = 1}};
        send_msg(a->fd, &msg);
        (void)read_answer(a->fd);
    }
    return (cpu_us(a->clock) - before) / rounds;
}

static void unknown_hash(struct spv_blockhash *out, uint64_t i)
{
    uint8_t seed[8];
    memcpy(seed, &i, sizeof seed);
    spv_sha256d(out->b, seed, sizeof seed);
}

static double ask_unknown(const struct client *a)
{
    static struct spv_blockhash locator[SPV_MAX_LOCATOR];
    const double before = cpu_us(a->clock);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        for (uint64_t k = 0; k < SPV_MAX_LOCATOR; k++)
            unknown_hash(&locator[k], i * SPV_MAX_LOCATOR + k);
        const struct spv_msg msg = {.command = SPV_CMD_GETHEADERS,
                                    .u.getheaders = {.version = SPV_PROTOCOL_VERSION,
                                                     .locator = locator,
                                                     .n = SPV_MAX_LOCATOR}};
        send_msg(a->fd, &msg);
        (void)read_answer(a->fd);
    }
    return (cpu_us(a->clock) - before) / ROUNDS;
}

/* The lower bounds. */

struct raw_server {
    int listener;
    const uint8_t *bytes;
    size_t request, answer;
};

static void *serve_raw(void *ctx)
{
    const struct raw_server *b = ctx;
    static uint8_t in[8192];
    const int on = 1;
    const int fd = accept(b->listener, NULL, NULL);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        read_all(fd, in, b->request);
        write_all(fd, b->bytes, b->answer);
    }
    double *us = malloc(sizeof *us);
    if (us)
        *us = cpu_us(CLOCK_THREAD_CPUTIME_ID) / ROUNDS;
    (void)close(fd);
    return us;
}

/* A thread that only reads a request and sends an answer of that many bytes. */
static double lower_bound_sending(size_t request, size_t answer)
{
    static uint8_t bytes[ANSWER], in[ANSWER];
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    struct raw_server b = {.bytes = bytes, .request = request, .answer = answer};
    pthread_t thread;
    void *us;
    b.listener = socket(AF_INET, SOCK_STREAM, 0);
    if (b.listener < 0 || bind(b.listener, (struct sockaddr *)&at, sizeof at) != 0 ||
        listen(b.listener, 1) != 0 || getsockname(b.listener, (struct sockaddr *)&at, &len) != 0 ||
        pthread_create(&thread, NULL, serve_raw, &b) != 0)
        die("no socket");
    const int fd = dial(ntohs(at.sin_port));
    for (uint32_t i = 0; i < ROUNDS; i++) {
        write_all(fd, in, request);
        read_all(fd, in, answer);
    }
    (void)pthread_join(thread, &us);
    if (!us)
        die("no memory");
    const double result = *(double *)us;
    free(us);
    (void)close(fd);
    (void)close(b.listener);
    return result;
}

static double lower_bound_checksum(size_t n)
{
    static uint8_t bytes[ANSWER];
    uint8_t hash[32];
    const double before = cpu_us(CLOCK_THREAD_CPUTIME_ID);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        spv_sha256d(hash, bytes, n);
        bytes[0] ^= hash[0];
    }
    return (cpu_us(CLOCK_THREAD_CPUTIME_ID) - before) / ROUNDS;
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
        die(sqlite3_errmsg(db));
    return st;
}

/* 2,000 rows per round; every column is read. */
static double lower_bound_rows(sqlite3 *db, uint32_t blocks)
{
    sqlite3_stmt *st = prepare(db, "SELECT hash, version, merkle_root, time, bits, nonce FROM"
                                   " header WHERE height BETWEEN ?1 AND ?1 + 1999");
    int64_t sum = 0;
    const double before = cpu_us(CLOCK_THREAD_CPUTIME_ID);
    for (uint32_t i = 0; i < blocks; i++) {
        (void)sqlite3_bind_int64(st, 1, (int64_t)i * BATCH + 1);
        while (sqlite3_step(st) == SQLITE_ROW) {
            const uint8_t *hash = sqlite3_column_blob(st, 0);
            const uint8_t *root = sqlite3_column_blob(st, 2);
            sum += hash[0] + root[0];
            for (int k = 1; k < 6; k++)
                if (k != 2)
                    sum += sqlite3_column_int64(st, k);
        }
        (void)sqlite3_reset(st);
    }
    (void)sqlite3_finalize(st);
    if (sum == 0)
        die("no rows");
    return (cpu_us(CLOCK_THREAD_CPUTIME_ID) - before) / blocks;
}

/* 101 look-ups of unknown hashes per round, in one transaction. */
static double lower_bound_seeks(sqlite3 *db)
{
    sqlite3_stmt *st = prepare(db, "SELECT height FROM header INDEXED BY header_by_hash"
                                   " WHERE substr(hash, 25) = substr(?1, 25) AND hash = ?1");
    struct spv_blockhash hash;
    double us = 0;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        (void)sqlite3_exec(db, "BEGIN", NULL, NULL, NULL);
        for (uint64_t k = 0; k < SPV_MAX_LOCATOR; k++) {
            unknown_hash(&hash, (uint64_t)ROUNDS * SPV_MAX_LOCATOR + i * SPV_MAX_LOCATOR + k);
            const double before = cpu_us(CLOCK_THREAD_CPUTIME_ID);
            (void)sqlite3_bind_blob(st, 1, hash.b, 32, SQLITE_STATIC);
            if (sqlite3_step(st) != SQLITE_DONE)
                die("a stranger is found");
            (void)sqlite3_reset(st);
            us += cpu_us(CLOCK_THREAD_CPUTIME_ID) - before;
        }
        (void)sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    }
    (void)sqlite3_finalize(st);
    return us / ROUNDS;
}

static void *run(void *ctx)
{
    must(spv_p2p_server_run(ctx));
    return NULL;
}

static void handshake(int fd)
{
    const struct spv_msg version = {.command = SPV_CMD_VERSION,
                                    .u.version = {.version = SPV_PROTOCOL_VERSION, .nonce = 9}};
    const struct spv_msg verack = {.command = SPV_CMD_VERACK};
    send_msg(fd, &version);
    send_msg(fd, &verack);
}

int main(int argc, char **argv)
{
    const uint32_t n = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1000000;
    char path[PATH_LEN];
    struct spv_error_info why;
    struct spv_store *store;
    struct spv_p2p_server *server;
    pthread_t thread;
    sqlite3 *db = NULL;
    struct client a = {0};

    if (n < (HOT + 1) * BATCH)
        die("too few headers");
    (void)snprintf(path, sizeof path, "%s/bench_serve.db", argc > 2 ? argv[2] : "/tmp");
    (void)unlink(path);
    struct spv_blockhash *hashes = fill(path, n);
    a.hashes = hashes;
    const struct spv_store_config reading = {
        .path = path, .params = spv_params_get(SPV_REGTEST), .mode = SPV_STORE_READ};
    if (spv_store_open(&store, &reading, &why) != 0)
        die(why.text);
    const struct spv_p2p_server_config cfg = {.net = spv_netid_get(SPV_REGTEST),
                                              .header_db = spv_store_header_db(store),
                                              .listen = {.host = "127.0.0.1"}};
    if (spv_p2p_server_new(&server, &cfg, &why) != 0)
        die(why.text);
    if (pthread_create(&thread, NULL, run, server) != 0 ||
        pthread_getcpuclockid(thread, &a.clock) != 0)
        die("no thread");
    a.fd = dial(spv_p2p_server_port(server));
    handshake(a.fd);

    const uint32_t blocks = n / BATCH;
    const double cold = ask(&a, blocks, 0, BATCH, blocks); /* each range once, none is cached */
    (void)ask(&a, HOT, 0, BATCH, HOT);
    const double kept = ask(&a, ROUNDS, 0, BATCH, HOT);
    (void)ask(&a, HOT, 700, BATCH, HOT);
    const double other = ask(&a, ROUNDS, 700, BATCH, HOT);
    const double strange = ask_unknown(&a);
    const double tip = ask(&a, ROUNDS, n, 0, 1);
    (void)close(a.fd);
    spv_p2p_server_stop(server);
    (void)pthread_join(thread, NULL);
    spv_p2p_server_free(server);
    must(spv_store_close(store));

    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        die("cannot open the database");
    const double sending = lower_bound_sending(93, ANSWER);
    const double rows = lower_bound_rows(db, blocks), sum = lower_bound_checksum(ANSWER - 24);
    const double seeks = lower_bound_seeks(db), request = lower_bound_checksum(4 + 1 + 102 * 32);
    const double sending_long = lower_bound_sending(24 + 4 + 1 + 102 * 32, ANSWER);
    printf("CPU of the server's thread, %u headers:\n", (unsigned)n);
    printf("(lower bounds: send %.1f, rows %.1f, checksum %.1f, 101 seeks %.1f us)\n", sending,
           rows, sum, seeks);
    bench_cost("answer of a kept block", kept, sending, "us");
    bench_cost("answer from two kept blocks", other, sending + sum, "us");
    bench_cost("answer of a block not kept", cold, sending + rows + sum, "us");
    bench_cost("answer to 101 unknown hashes", strange, sending_long + seeks + request, "us");
    bench_cost("answer that there is nothing new", tip, lower_bound_sending(93, 25), "us");
    (void)sqlite3_close(db);
    (void)unlink(path);
    free(hashes);
    return 0;
}
