/* After each commit the writer notes height and hash of the tip after its process id in the lock
 * file, and removes the note when it closes, after the checkpoint. After a kill the note stays, and
 * so does the log. A note without a log means that the log was removed, unless another program has
 * checkpointed it, and then the noted header is in the file.
 *
 * The note is never synced: a commit is on disk before it is noted, so a power cut can leave an
 * older note or none, but no newer one. */
#include "store/wal_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/sidecar.h"

#define NOTE_MAX 120 /* "<pid>\n<height> <hash>\n" */

static int64_t size_beside(const char *path, const char *suffix)
{
    struct stat st;
    char *name = sqlite3_mprintf("%s%s", path, suffix);
    int64_t size = name && stat(name, &st) == 0 ? (int64_t)st.st_size : 0;
    sqlite3_free(name);
    return size;
}

/* The second line: a height, a space, a hash and a line's end. */
static bool read_note(struct spv_wal_note *out, const char *text)
{
    const char *line = strchr(text, '\n');
    char *end = NULL;
    char hex[SPV_HASH_HEX] = "";
    if (!line || line[1] < '0' || line[1] > '9')
        return false;
    errno = 0;
    const unsigned long height = strtoul(line + 1, &end, 10);
    if (errno != 0 || height > UINT32_MAX || *end != ' ' ||
        strcspn(end + 1, "\n") != SPV_HASH_HEX - 1)
        return false;
    memcpy(hex, end + 1, SPV_HASH_HEX - 1);
    out->height = (uint32_t)height;
    return spv_blockhash_from_hex(&out->hash, hex) == 0;
}

void spv_wal_guard_read(struct spv_wal_note *out, struct spv_store *s)
{
    char text[NOTE_MAX] = {0};
    memset(out, 0, sizeof *out);
    const char *path = sqlite3_db_filename(s->db, "main"); /* links resolved */
    char *name = sqlite3_mprintf("%s-lock", path);
    int f = name ? spv_sidecar_open(name, O_RDONLY, 0) : -1;
    sqlite3_free(name);
    if (f < 0)
        return;
    ssize_t n = pread(f, text, sizeof text - 1, 0);
    (void)close(f);
    out->noted = n > 0 && read_note(out, text) && size_beside(path, "-wal") == 0;
}

int spv_wal_guard_check(struct spv_store *s, const struct spv_wal_note *note)
{
    char hex[SPV_HASH_HEX];
    char sql[400];
    int64_t found = 0;
    if (!note->noted || note->height < s->start.height)
        return 0;
    spv_blockhash_hex(hex, &note->hash);
    (void)snprintf(sql, sizeof sql,
                   "SELECT (SELECT count(*) FROM header WHERE height = %u AND hash = x'%s') +"
                   " (SELECT count(*) FROM branch_header WHERE hash = x'%s')",
                   (unsigned)note->height, hex, hex);
    int rc = spv_db_integer(s, &found, sql, "look for the last header");
    if (rc != 0 || found > 0)
        return rc;
    (void)spv_db_fail(
        s, SPV_ERR_DB_DAMAGED,
        "%s: its write-ahead log is missing (%s-wal): the last program that wrote was "
        "killed after it had stored the header of height %s, which is not there. Put "
        "the log back beside it; or sync again.",
        s->path, s->path, SPV_COUNT(note->height));
    return 1;
}

void spv_wal_guard_write(struct spv_store *s)
{
    char text[NOTE_MAX];
    char hex[SPV_HASH_HEX];
    if (s->lock < 0)
        return;
    spv_blockhash_hex(hex, &s->tip.hash);
    int n =
        snprintf(text, sizeof text, "%ld\n%u %s\n", (long)getpid(), (unsigned)s->tip.height, hex);
    if (pwrite(s->lock, text, (size_t)n, 0) != n || ftruncate(s->lock, n) != 0)
        errno = 0; /* without the note a lost log is not detected; the commit itself succeeded */
}

void spv_wal_guard_clear(struct spv_store *s)
{
    char text[NOTE_MAX];
    int n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (s->lock >= 0 && ftruncate(s->lock, n) != 0)
        errno = 0;
}
