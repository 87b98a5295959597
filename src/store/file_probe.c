/* Reads the 100 bytes of the file format's head: "SQLite format 3", the page size at 16, the number
 * of pages at 28, the application id at 68 (https://www.sqlite.org/fileformat.html). */
#include "store/file_probe.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD 100
#define PAGES_MAX 1000000 /* 4 GB: a header that claims more is damaged, not the file truncated */

static uint32_t read_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

void spv_file_probe(struct spv_file_probe_result *out, const char *path)
{
    uint8_t head[HEAD] = {0};
    struct stat st;
    memset(out, 0, sizeof *out);
    out->kind = SPV_FILE_UNREADABLE;
    int f = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (f < 0)
        return;
    ssize_t n = pread(f, head, sizeof head, 0);
    if (n >= 0 && fstat(f, &st) == 0) {
        int64_t page = head[16] * 256 + head[17]; /* 1 means 65536 */
        out->size = st.st_size;
        out->claimed_size = (page == 1 ? 65536 : page) * (int64_t)read_be32(head + 28);
        out->application_id = read_be32(head + 68);
        out->kind = n < HEAD || memcmp(head, "SQLite format 3", 16) != 0 ? SPV_FILE_FOREIGN
                    : out->claimed_size > out->size && read_be32(head + 28) < PAGES_MAX
                        ? SPV_FILE_TRUNCATED
                        : SPV_FILE_PAGES_DAMAGED;
    }
    (void)close(f);
}
