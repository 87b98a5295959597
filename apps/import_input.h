/* The input of an import, decompressed: a file or standard input; gzip and zstd are detected from
 * the first bytes. Memory is bounded for any input. Errors are reported here; the functions return
 * an exit code. */
#ifndef SPV_IMPORT_INPUT_H
#define SPV_IMPORT_INPUT_H

#include <stddef.h>
#include <stdint.h>

struct input;

/* Opens path; NULL or "-" is standard input. Returns CLI_DONE, or the code to exit with. */
int input_open(struct input **out, const char *path);
/* Reads up to n bytes; *got is 0 at the end. Returns CLI_DONE, CLI_INTERRUPTED, or another code. */
int input_read(struct input *in, uint8_t *bytes, size_t n, size_t *got);
/* Returns the fraction of the (compressed) file that was read, 0 to 1; negative if its size is
 * unknown. */
double input_done(const struct input *in);
const char *input_name(const struct input *in);
/* Returns "gzip", "zstd" or "none", after the first read. */
const char *input_compression(const struct input *in);
void input_close(struct input *in);

#endif
