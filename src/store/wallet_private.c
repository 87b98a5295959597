/* A wallet's watch set is private. SQLite gives files beside the database its mode. */
#include "store/wallet_private.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

static void make_file_private(const char *path, const char *suffix)
{
    char *name = sqlite3_mprintf("%s%s", path, suffix);
    struct stat st;
    /* regular files only; links are never followed, sidecar.c refuses them */
    if (name && lstat(name, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 077) != 0)
        (void)chmod(name, st.st_mode & 0700);
    sqlite3_free(name);
}

/* Whether all names in a folder begin with this one. */
static bool has_only(const char *folder, const char *name)
{
    DIR *d = opendir(folder);
    bool only = d != NULL;
    const struct dirent *entry;
    while (only && (entry = readdir(d)))
        only = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
               strncmp(entry->d_name, name, strlen(name)) == 0;
    if (d)
        (void)closedir(d);
    return only;
}

void spv_wallet_make_private(struct spv_store *s)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-lock"};
    /* absolute, with links resolved */
    const char *path = sqlite3_db_filename(s->db, "main");
    char *folder = path ? sqlite3_mprintf("%s", path) : NULL;
    char *slash = folder ? strrchr(folder, '/') : NULL;
    struct stat st;
    for (size_t i = 0; path && i < sizeof suffixes / sizeof suffixes[0]; i++)
        make_file_private(path, suffixes[i]);
    if (slash && slash != folder) {
        *slash = '\0';
        if (has_only(folder, slash + 1) && stat(folder, &st) == 0 && (st.st_mode & 077) != 0)
            (void)chmod(folder, 0700);
    }
    sqlite3_free(folder);
}
