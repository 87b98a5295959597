/* What is wrong with a file that SQLite refuses, in words of our own. */
#ifndef SPV_STORE_FILE_PROBE_H
#define SPV_STORE_FILE_PROBE_H

#include <stddef.h>
#include <stdint.h>

/* What the first bytes of a file say. */
enum spv_damage {
    SPV_DAMAGE_UNREADABLE, /* the file itself cannot be read */
    SPV_DAMAGE_FOREIGN, /* it does not begin as an SQLite file does */
    SPV_DAMAGE_CUT, /* it is shorter than its head says */
    SPV_DAMAGE_INSIDE, /* it is as long as it should be: pages inside it are damaged */
};

struct spv_damage_look {
    enum spv_damage kind;
    int64_t size; /* bytes there are */
    int64_t whole; /* CUT: bytes there should be */
    uint32_t application_id;
};

void spv_damage_look(struct spv_damage_look *out, const char *path);

#endif
