/* What is wrong with a file that SQLite refuses, in words of our own. */
#ifndef SPV_STORE_FILE_PROBE_H
#define SPV_STORE_FILE_PROBE_H

#include <stddef.h>
#include <stdint.h>

/* What the first bytes of a file say. */
enum spv_file_state {
    SPV_FILE_UNREADABLE, /* the file itself cannot be read */
    SPV_FILE_FOREIGN, /* it does not begin as an SQLite file does */
    SPV_FILE_TRUNCATED, /* it is shorter than its head says */
    SPV_FILE_PAGES_DAMAGED, /* it is as long as it should be: pages inside it are damaged */
};

struct spv_file_probe_result {
    enum spv_file_state kind;
    int64_t size; /* bytes there are */
    int64_t whole; /* CUT: bytes there should be */
    uint32_t application_id;
};

void spv_file_probe(struct spv_file_probe_result *out, const char *path);

#endif
