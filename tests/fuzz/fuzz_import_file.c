/* A complete import of a file as spv-import does it: decompressing, reading, validating, storing in
 * a regtest database. The input is the file.
 *
 * Invariants: the import returns one of the apps' exit codes; the stored headers are a linked chain
 * from genesis whose total work is the tip's; a second import of the file adds nothing. */
#define _GNU_SOURCE /* memfd_create */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli.h"
#include "fuzz/fuzz.h"
#include "import_run.h"

static int import_once(const char *db, const char *path, struct import_counts *counts,
                       uint32_t *height)
{
    const struct spv_params *params = spv_params_get(SPV_REGTEST);
    struct spv_store_config cfg = {.path = db, .params = params, .mode = SPV_STORE_CREATE};
    struct import i = {.store = NULL};
    struct spv_store_iter *walk = NULL;
    struct spv_chain_header r;
    struct spv_chain_header last = {.height = 0};
    FUZZ_CHECK(spv_store_open(&i.store, &cfg, NULL) == 0);
    struct spv_chain_config chain = {.params = params, .header_db = spv_store_header_db(i.store)};
    i.chain_config = chain;
    FUZZ_CHECK(spv_chain_new(&i.chain, &chain) == 0);
    FUZZ_CHECK(spv_import_new(&i.decoder, params, SPV_IMPORT_AUTO) == 0);
    FUZZ_CHECK(input_open(&i.in, path) == CLI_DONE);
    int rc = import_run(&i);
    *counts = i.counts;
    FUZZ_CHECK(spv_store_iter_open(&walk, i.store, 0, UINT32_MAX) == 0);
    while (spv_store_iter_next(walk, &r) == 1) {
        FUZZ_CHECK(r.height == 0 || spv_u256_cmp(&r.work, &last.work) > 0);
        last = r;
    }
    FUZZ_CHECK(spv_store_tip(i.store, &r) == 1);
    FUZZ_CHECK(spv_blockhash_eq(&r.hash, &last.hash));
    FUZZ_CHECK(rc != CLI_DONE || spv_blockhash_eq(&r.hash, &spv_chain_tip(i.chain)->hash));
    *height = last.height;
    spv_store_iter_close(walk);
    input_close(i.in);
    spv_import_free(i.decoder);
    spv_chain_free(i.chain);
    FUZZ_CHECK(spv_store_close(i.store) == 0);
    return rc;
}

static void remove_database(const char *folder, const char *db)
{
    static const char *const tails[] = {"", "-wal", "-shm", "-lock"};
    char name[128];
    for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
        (void)snprintf(name, sizeof name, "%s%s", db, tails[i]);
        (void)unlink(name);
    }
    (void)rmdir(folder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static FILE *quiet;
    struct import_counts first;
    struct import_counts again;
    char folder[64];
    char path[64];
    char db[96];
    uint32_t height = 0;
    uint32_t same = 0;
    if (!quiet) { /* suppresses the apps' messages; sanitizers use the descriptor */
        quiet = stderr = fopen("/dev/null", "w");
    }
    /* on a memory file system if there is one */
    (void)snprintf(folder, sizeof folder, "%s/fuzz-import-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    FUZZ_CHECK(mkdtemp(folder) != NULL);
    (void)snprintf(db, sizeof db, "%s/headers.db", folder);
    int fd = memfd_create("headers", 0);
    FUZZ_CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int rc = import_once(db, path, &first, &height);
    FUZZ_CHECK(rc == CLI_DONE || rc == CLI_FAILED || rc == CLI_USAGE);
    int second = import_once(db, path, &again, &same);
    FUZZ_CHECK(second == rc && again.added == 0 && again.reorgs == 0 && same == height);
    FUZZ_CHECK(rc != CLI_DONE || first.added >= height);
    close(fd);
    remove_database(folder, db);
    return 0;
}
