/* A file of raw headers as spv-serve loads it: the first byte chooses the network, the rest is the
 * file.
 *
 * Invariants: the file is refused with one of the apps' exit codes, or all its headers are served,
 * each by its height and by its hash. */
#define _GNU_SOURCE /* memfd_create */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli.h"
#include "fuzz/fuzz.h"
#include "serve_source.h"
#include "spv/header.h"

static void check_served(const struct source *s, const uint8_t *file, size_t n)
{
    struct spv_chain_header record;
    struct spv_chain_header same;
    uint8_t raw[SPV_HEADER_SIZE];

    FUZZ_CHECK(n % SPV_HEADER_SIZE == 0);
    FUZZ_CHECK(s->header_db.tip(s->header_db.ctx, &record) == 1);
    FUZZ_CHECK(record.height == n / SPV_HEADER_SIZE - 1);
    for (uint32_t h = 0; h < n / SPV_HEADER_SIZE; h++) {
        FUZZ_CHECK(s->header_db.by_height(s->header_db.ctx, &record, h) == 1);
        spv_header_encode(raw, &record.header);
        FUZZ_CHECK(memcmp(raw, file + (size_t)h * SPV_HEADER_SIZE, sizeof raw) == 0);
        FUZZ_CHECK(s->header_db.by_hash(s->header_db.ctx, &same, &record.hash) == 1);
        FUZZ_CHECK(same.height == h);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct source s = {.quiet = true};
    static FILE *quiet;
    char path[64];
    int fd;

    if (size == 0)
        return 0;
    if (!quiet) /* suppresses the apps' messages; sanitizers use the descriptor */
        quiet = stderr = fopen("/dev/null", "w");
    fd = memfd_create("headers", 0);
    FUZZ_CHECK(fd >= 0 && write(fd, data + 1, size - 1) == (ssize_t)(size - 1));
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    s.params = spv_params_get((enum spv_network)(data[0] % SPV_NETWORKS));
    const int rc = source_validated(&s, path, 0, 0);
    FUZZ_CHECK(rc == CLI_DONE || rc == CLI_FAILED || rc == CLI_USAGE || rc == CLI_DATABASE);
    if (rc == CLI_DONE)
        check_served(&s, data + 1, size - 1);
    source_close(&s);
    close(fd);
    return 0;
}
