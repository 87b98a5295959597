/* The same work at minimum cost: hashing in one batch, inserting with one prepared statement,
 * indexing by one statement, reading from a socket into a buffer that is reused. */
#define _DEFAULT_SOURCE
#include "lower_bound.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "spv/header.h"
#include "spv/types.h"

#define BATCH 2000 /* rows per transaction: the headers of one message */

static void sql(sqlite3 *db, const char *text)
{
    if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK) {
        fprintf(stderr, "bench: %s: %s\n", text, sqlite3_errmsg(db));
        exit(1);
    }
}

double lower_bound_hashing(const uint8_t *raw, uint32_t n)
{
    struct spv_blockhash *out = malloc((size_t)n * sizeof *out);
    if (!out)
        exit(1);
    const uint64_t start = bench_now_ns();
    spv_header_hash_raw(out, raw, n);
    const double seconds = (double)(bench_now_ns() - start) / 1e9;
    free(out);
    return seconds;
}

static void reversed(uint8_t out[32], const uint8_t *in)
{
    for (int i = 0; i < 32; i++)
        out[i] = in[31 - i];
}

struct row {
    uint8_t hash[32], root[32], work[32];
    struct spv_header header;
};

/* Regtest's work is 2 per block; only its size matters here. */
static struct row *make_rows(const uint8_t *raw, uint32_t n)
{
    struct row *rows = calloc(n, sizeof *rows);
    if (!rows)
        exit(1);
    for (uint32_t i = 0; i < n; i++) {
        struct spv_blockhash hash;
        const uint64_t work = 2 * ((uint64_t)i + 1);
        spv_header_decode(&rows[i].header, raw + (size_t)i * SPV_HEADER_SIZE);
        spv_header_hash(&hash, &rows[i].header);
        reversed(rows[i].hash, hash.b);
        reversed(rows[i].root, rows[i].header.merkle_root.b);
        for (int b = 0; b < 8; b++)
            rows[i].work[31 - b] = (uint8_t)(work >> (8 * b));
    }
    return rows;
}

double lower_bound_inserting(const char *path, const uint8_t *raw, uint32_t n)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *insert = NULL;
    struct row *rows = make_rows(raw, n);
    if (sqlite3_open(path, &db) != SQLITE_OK)
        exit(1);
    sql(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
            "CREATE TABLE header (height INTEGER PRIMARY KEY, hash BLOB NOT NULL,"
            " version INTEGER NOT NULL, merkle_root BLOB NOT NULL, time INTEGER NOT NULL,"
            " bits INTEGER NOT NULL, nonce INTEGER NOT NULL, work BLOB NOT NULL)");
    const uint64_t start = bench_now_ns();
    if (sqlite3_prepare_v2(db, "INSERT INTO header VALUES (?,?,?,?,?,?,?,?)", -1, &insert, NULL) !=
        SQLITE_OK)
        exit(1);
    for (uint32_t i = 0; i < n; i++) {
        if (i % BATCH == 0)
            sql(db, "BEGIN");
        const struct row *r = &rows[i];
        sqlite3_bind_int64(insert, 1, i);
        sqlite3_bind_blob(insert, 2, r->hash, 32, SQLITE_STATIC);
        sqlite3_bind_int64(insert, 3, r->header.version);
        sqlite3_bind_blob(insert, 4, r->root, 32, SQLITE_STATIC);
        sqlite3_bind_int64(insert, 5, r->header.time);
        sqlite3_bind_int64(insert, 6, r->header.bits);
        sqlite3_bind_int64(insert, 7, r->header.nonce);
        sqlite3_bind_blob(insert, 8, r->work, 32, SQLITE_STATIC);
        if (sqlite3_step(insert) != SQLITE_DONE)
            exit(1);
        sqlite3_reset(insert);
        if (i % BATCH == BATCH - 1 || i == n - 1)
            sql(db, "COMMIT");
    }
    sqlite3_finalize(insert);
    sql(db, "PRAGMA wal_checkpoint(TRUNCATE)"); /* checkpoints the WAL and syncs the file */
    sqlite3_close(db);
    const double seconds = (double)(bench_now_ns() - start) / 1e9;
    free(rows);
    return seconds;
}

double lower_bound_indexing(const char *path)
{
    sqlite3 *db = NULL;
    if (sqlite3_open(path, &db) != SQLITE_OK)
        exit(1);
    const uint64_t start = bench_now_ns();
    sql(db, "PRAGMA synchronous = FULL; CREATE INDEX by_hash ON header (substr(hash, 25));"
            "PRAGMA wal_checkpoint(TRUNCATE)");
    sqlite3_close(db);
    return (double)(bench_now_ns() - start) / 1e9;
}

#define MESSAGE (24 + 3 + 81 * BATCH) /* frame header, count, and headers with their zero byte */

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void send_all(int fd, size_t left)
{
    static uint8_t message[MESSAGE];
    while (left > 0) {
        const ssize_t n = write(fd, message, left < sizeof message ? left : sizeof message);
        if (n <= 0)
            die("lower bound: write");
        left -= (size_t)n;
    }
}

double lower_bound_transfer(uint32_t n)
{
    static uint8_t taken[65536];
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    const size_t bytes = (size_t)n * 81 + (n / BATCH + 1) * (size_t)27;
    size_t got = 0;
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&at, sizeof at) != 0 ||
        listen(listener, 1) != 0 || getsockname(listener, (struct sockaddr *)&at, &len) != 0)
        die("lower bound: listen");
    const pid_t pid = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0) {
        const int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            die("lower bound: accept");
        send_all(fd, bytes);
        _exit(0);
    }
    const uint64_t start = bench_now_ns();
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof at) != 0)
        die("lower bound: connect");
    for (ssize_t more; (more = read(fd, taken, sizeof taken)) > 0;)
        got += (size_t)more;
    const double seconds = (double)(bench_now_ns() - start) / 1e9;
    close(fd);
    close(listener);
    int status = 0;
    if (got != bytes || waitpid(pid, &status, 0) != pid || status != 0)
        die("lower bound: transfer");
    return seconds;
}
