/* Why SQLite refuses a file, found from its first bytes. */
#ifndef SPV_STORE_FILE_PROBE_H
#define SPV_STORE_FILE_PROBE_H

#include <stddef.h>
#include <stdint.h>

enum spv_file_state {
    SPV_FILE_UNREADABLE, /* the file itself cannot be read */
    SPV_FILE_FOREIGN, /* it does not begin with the header of an SQLite file */
    SPV_FILE_TRUNCATED, /* it is shorter than its header states */
    SPV_FILE_PAGES_DAMAGED, /* its length is right: pages inside it are damaged */
};

struct spv_file_probe_result {
    enum spv_file_state kind;
    int64_t size; /* bytes of the file */
    int64_t claimed_size; /* bytes that its header claims */
    uint32_t application_id;
};

void spv_file_probe(struct spv_file_probe_result *out, const char *path);

#endif
