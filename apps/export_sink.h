/* Where exported rows go: standard output, a device, or a file that appears complete or not at
 * all. Errors are told here; what comes back is an exit code. */
#ifndef SPV_EXPORT_SINK_H
#define SPV_EXPORT_SINK_H

#include <stdbool.h>
#include <stdio.h>

struct sink {
    FILE *f;
    const char *name; /* for people */
    char *temporary; /* NULL: not a file of ours */
    char *target; /* what the temporary is renamed to; links resolved */
    bool is_file; /* a file of our making: nothing of it goes to standard output */
};

/* Opens it; NULL or "-" is standard output. Refuses the database and the files that belong to it.
 */
int sink_open(struct sink *s, const char *path, const char *database);
/* Everything is written: flushed, on disk, under its own name. */
int sink_finish(struct sink *s);
/* Removes what is not finished. */
void sink_close(struct sink *s);
/* Tells that writing failed with this errno; quiet when the reader of a pipe has gone. */
int sink_failed(const struct sink *s, int error);

#endif
