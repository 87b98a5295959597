/* What is imported, unpacked: a file or standard input, gzip and zstd told by their first bytes.
 * Memory is bounded whatever comes in. Errors are told here; what comes back is an exit code. */
#ifndef SPV_IMPORT_INPUT_H
#define SPV_IMPORT_INPUT_H

#include <stddef.h>
#include <stdint.h>

struct input;

/* NULL or "-" is standard input. CLI_DONE and *out, or the code to exit with. */
int input_open(struct input **out, const char *path);
/* Up to n bytes; *got is 0 at the end. CLI_DONE, CLI_INTERRUPTED, or another code. */
int input_read(struct input *in, uint8_t *bytes, size_t n, size_t *got);
/* The share of the file that was read, 0 to 1, packed as it is; negative when its size is not
 * known. */
double input_done(const struct input *in);
const char *input_name(const struct input *in);
/* "gzip", "zstd" or "none", once something was read. */
const char *input_packing(const struct input *in);
void input_close(struct input *in);

#endif
