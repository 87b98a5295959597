/* The default path of a database, by the XDG base directory rules. */
#include "store/path.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <sqlite3.h>

#include "spv/store.h"

int spv_store_default_path(char *out, size_t cap, const struct spv_netid *net, const char *datadir,
                           const char *file)
{
    int n = 0;
    const char *xdg = getenv("XDG_DATA_HOME");
    const char *home = getenv("HOME");
    if (!out || cap == 0 || (!net && !file))
        return SPV_ERR_INVALID;
    if (file) {
        n = snprintf(out, cap, "%s", file);
    } else if (datadir) {
        n = snprintf(out, cap, "%s/%s/headers.db", datadir, net->name);
    } else if (xdg && xdg[0] == '/') { /* XDG: a relative path is to be ignored */
        n = snprintf(out, cap, "%s/spv/%s/headers.db", xdg, net->name);
    } else if (home && home[0] != '\0') {
        n = snprintf(out, cap, "%s/.local/share/spv/%s/headers.db", home, net->name);
    } else {
        out[0] = '\0';
        return SPV_ERR_NOT_FOUND;
    }
    return n >= 0 && (size_t)n < cap ? 0 : SPV_ERR_TOO_LONG;
}

int spv_path_make_folders(const char *path)
{
    char *folder = sqlite3_mprintf("%s", path);
    if (!folder)
        return SPV_ERR_NOMEM;
    int rc = 0;
    for (char *p = folder + 1; folder[0] != '\0' && !rc; p++) {
        p = strchr(p, '/');
        if (!p)
            break;
        *p = '\0';
        /* On a read-only file system mkdir of a folder that exists may say EROFS: look first. */
        struct stat st;
        if (stat(folder, &st) != 0 && mkdir(folder, 0700) != 0 && errno != EEXIST)
            rc = SPV_ERR_IO;
        *p = '/';
    }
    sqlite3_free(folder);
    return rc;
}
