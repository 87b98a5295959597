#define _GNU_SOURCE /* program_invocation_short_name */
#include "bench_files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "spv/spv.h"

#define PATH_SIZE 512

void bench_die(const char *what)
{
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
    exit(1);
}

static int keep(void *ctx, const struct spv_chain_header *header)
{
    struct bench_headers *headers = ctx;
    spv_header_encode(headers->raw + (size_t)header->height * SPV_HEADER_SIZE, &header->header);
    return 0;
}

struct bench_headers bench_mine(uint32_t n)
{
    const struct spv_params *params = spv_params_get(SPV_REGTEST);
    const struct spv_chain_config cfg = {.params = params};
    struct bench_headers headers = {.raw = malloc(((size_t)n + 1) * SPV_HEADER_SIZE), .n = n + 1};
    const struct spv_mine_plan plan = {
        .n = n, .spacing = 300, .seed = 1, .on_header = keep, .ctx = &headers};
    struct spv_chain *chain = NULL;
    if (!headers.raw || spv_chain_new(&chain, &cfg) < 0 || spv_mine_chain(chain, &plan) < 0)
        bench_die("mining");
    spv_header_encode(headers.raw, &params->genesis);
    spv_chain_free(chain);
    return headers;
}

void bench_write_headers(const char *path, const struct bench_headers *headers)
{
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(headers->raw, SPV_HEADER_SIZE, headers->n, f) != headers->n || fclose(f) != 0)
        bench_die(path);
}

void bench_remove_db(const char *path)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-lock"};
    char name[PATH_SIZE + 8];
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        (void)unlink(name);
    }
}

pid_t bench_serve(const char *bin, const char *headers, uint16_t *port)
{
    char program[PATH_SIZE], line[512];
    int fds[2];
    snprintf(program, sizeof program, "%s/spv-serve", bin);
    if (pipe(fds) != 0)
        bench_die("pipe");
    const pid_t pid = fork();
    if (pid < 0)
        bench_die("fork");
    if (pid == 0) {
        dup2(fds[1], STDOUT_FILENO);
        execl(program, "spv-serve", "--network", "regtest", "--listen", "127.0.0.1:0", "--headers",
              headers, (char *)NULL);
        _exit(127);
    }
    close(fds[1]);
    FILE *out = fdopen(fds[0], "r");
    *port = 0;
    while (out && !*port && fgets(line, sizeof line, out)) {
        const char *at = strstr(line, "127.0.0.1:");
        if (at)
            *port = (uint16_t)strtoul(at + 10, NULL, 10);
    }
    if (!*port)
        bench_die("the server printed no address");
    return pid; /* the pipe stays open, because the server may still write */
}
