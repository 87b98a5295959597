/* Every named file is tracked: its durable bytes, and the operations since its last sync. A sync
 * makes them durable; a power cut draws from them and writes the outcome into the real file when
 * all files are closed.
 *
 * A created file is durable after the next sync of its directory, which comes with the first
 * sync of a new WAL or journal; a deletion is durable when the delete call asked for a directory
 * sync. */
#include "faultvfs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#define TRACKED_MAX 16 /* database, WAL, journal of a few databases */
#define SECTOR 512
#define PATH_LEN 700

struct operation {
    struct operation *next;
    bool truncation;
    sqlite3_int64 at; /* of a truncation: the new size */
    int n;
    uint8_t bytes[];
};

struct image {
    uint8_t *bytes;
    sqlite3_int64 size;
};

struct tracked {
    char path[PATH_LEN];
    bool durable; /* the name is on the disk, with these bytes */
    struct image image;
    bool exists; /* the name exists now */
    bool syncs_folder; /* a new WAL or journal: its first sync also syncs the directory */
    struct operation *first, **last;
};

struct file {
    sqlite3_file base;
    struct tracked *tracked; /* NULL: a file without a name */
    sqlite3_file *real; /* stored behind this struct in the same block */
};

static struct {
    sqlite3_vfs vfs;
    sqlite3_vfs *real;
    enum fault fault;
    long k, count;
    bool met;
    uint64_t random;
    struct tracked tracked[TRACKED_MAX];
    size_t n_tracked;
} it;

static uint64_t next_random(void)
{
    it.random ^= it.random << 13;
    it.random ^= it.random >> 7;
    it.random ^= it.random << 17;
    return it.random;
}

const char *fault_name(enum fault fault)
{
    static const char *const names[FAULTS] = {"none",      "fails once",   "fails on",
                                              "short",     "full",         "cut drops",
                                              "cut keeps", "cut reorders", "cut tears"};
    return names[fault];
}

static bool is_cut(void)
{
    return it.fault >= FAULT_CUT_DROPS;
}

/* ---- durable state ---- */

static void grow_image(struct image *image, sqlite3_int64 size)
{
    if (size > image->size) {
        image->bytes = realloc(image->bytes, (size_t)size);
        memset(image->bytes + image->size, 0, (size_t)(size - image->size));
    }
    image->size = size;
}

static void write_image(struct image *image, sqlite3_int64 at, const uint8_t *bytes, int n)
{
    if (at + n > image->size) {
        grow_image(image, at + n);
    }
    memcpy(image->bytes + at, bytes, (size_t)n);
}

static void drop_operations(struct tracked *t)
{
    while (t->first) {
        struct operation *op = t->first;
        t->first = op->next;
        free(op);
    }
    t->last = &t->first;
}

static void apply_operation(struct image *image, const struct operation *op)
{
    if (op->truncation) {
        grow_image(image, op->at);
    } else {
        write_image(image, op->at, op->bytes, op->n);
    }
}

static void make_durable(struct tracked *t)
{
    for (const struct operation *op = t->first; op; op = op->next) {
        apply_operation(&t->image, op);
    }
    drop_operations(t);
    for (size_t i = 0; i < it.n_tracked && t->syncs_folder;
         i++) { /* syncs the directory: every name in it */
        it.tracked[i].durable = it.tracked[i].exists;
    }
    t->syncs_folder = false;
}

static void add_operation(struct tracked *t, bool truncation, sqlite3_int64 at, const void *bytes,
                          int n)
{
    if (!t) {
        return;
    }
    struct operation *op = malloc(sizeof *op + (size_t)n);
    *op = (struct operation){.truncation = truncation, .at = at, .n = n};
    if (n > 0) {
        memcpy(op->bytes, bytes, (size_t)n);
    }
    *t->last = op;
    t->last = &op->next;
}

static void read_image(struct image *image, const char *path)
{
    FILE *f = fopen(path, "rb");
    image->size = 0;
    if (f) {
        (void)fseek(f, 0, SEEK_END);
        grow_image(image, ftell(f));
        rewind(f);
        if (image->size > 0 && fread(image->bytes, 1, (size_t)image->size, f) == 0) {
            image->size = 0;
        }
        (void)fclose(f);
    }
}

static struct tracked *track(const char *path)
{
    struct tracked *t = NULL;
    for (size_t i = 0; i < it.n_tracked && !t; i++) {
        t = strcmp(it.tracked[i].path, path) == 0 ? &it.tracked[i] : NULL;
    }
    if (!t && it.n_tracked < TRACKED_MAX) {
        t = &it.tracked[it.n_tracked++];
        memset(t, 0, sizeof *t);
        (void)snprintf(t->path, sizeof t->path, "%s", path);
        t->last = &t->first;
        t->durable = access(path, F_OK) == 0;
        t->exists = t->durable;
        if (t->durable) {
            read_image(&t->image, path);
        }
    }
    return t;
}

/* A file is created again under a deleted name: it has none of the old bytes. */
static void reset_tracked(struct tracked *t, bool log)
{
    drop_operations(t);
    add_operation(t, true, 0, NULL, 0);
    t->exists = true;
    t->syncs_folder = log;
}

/* Computes the disk contents after the power cut. */
static void write_outcome(struct tracked *t)
{
    const bool drops = it.fault == FAULT_CUT_DROPS;
    const bool draws = it.fault == FAULT_CUT_REORDERS || it.fault == FAULT_CUT_TEARS;
    bool exists = drops ? t->durable : t->exists;
    if (draws && t->durable != t->exists) {
        exists = next_random() % 2 == 0;
    }
    for (const struct operation *op = t->first; op && !drops; op = op->next) {
        if (it.fault != FAULT_CUT_TEARS || op->truncation) {
            if (!draws || next_random() % 2 == 0) {
                apply_operation(&t->image, op);
            }
            continue;
        }
        for (int at = 0; at < op->n;) {
            int n = SECTOR - (int)((op->at + at) % SECTOR);
            n = n < op->n - at ? n : op->n - at;
            if (next_random() % 2 == 0) {
                write_image(&t->image, op->at + at, op->bytes + at, n);
            }
            at += n;
        }
    }
    if (!exists) {
        (void)unlink(t->path);
        return;
    }
    FILE *f = fopen(t->path, "wb");
    if (!f || (t->image.size > 0 && fwrite(t->image.bytes, 1, (size_t)t->image.size, f) == 0)) {
        abort();
    }
    (void)fclose(f);
}

/* ---- operations ---- */

enum action { DO_IT, FAIL, HALF, ONLY_IN_PLACE };

static enum action operation(void)
{
    long now = it.count++;
    if (it.fault == FAULT_NONE || now < it.k) {
        return DO_IT;
    }
    bool first = !it.met;
    it.met = true;
    switch (it.fault) {
    case FAULT_NONE:
        return DO_IT;
    case FAULT_FAILS_ONCE:
        return first ? FAIL : DO_IT;
    case FAULT_SHORT:
        return first ? HALF : DO_IT;
    case FAULT_FULL:
        return ONLY_IN_PLACE;
    case FAULT_FAILS_ON:
    case FAULT_CUT_DROPS:
    case FAULT_CUT_KEEPS:
    case FAULT_CUT_REORDERS:
    case FAULT_CUT_TEARS:
        return FAIL;
    }
    return DO_IT;
}

/* Returns whether an operation other than a write fails. */
static bool fails(void)
{
    enum action action = operation();
    return action == FAIL || action == HALF;
}

static sqlite3_file *real_of(sqlite3_file *f)
{
    struct file *file = (void *)f;
    return file->real;
}

static struct tracked *tracked_of(sqlite3_file *f)
{
    struct file *file = (void *)f;
    return it.fault == FAULT_NONE ? NULL : file->tracked;
}

static int f_close(sqlite3_file *f)
{
    return real_of(f)->pMethods->xClose(real_of(f));
}

static int f_read(sqlite3_file *f, void *out, int n, sqlite3_int64 at)
{
    return real_of(f)->pMethods->xRead(real_of(f), out, n, at);
}

static int f_write(sqlite3_file *f, const void *in, int n, sqlite3_int64 at)
{
    enum action action = operation();
    int failure = SQLITE_IOERR_WRITE;
    if (action == FAIL) {
        return failure;
    }
    if (action == ONLY_IN_PLACE) {
        sqlite3_int64 size = 0;
        failure = SQLITE_FULL;
        if (real_of(f)->pMethods->xFileSize(real_of(f), &size) == SQLITE_OK && at + n > size) {
            action = HALF;
        }
    }
    if (action == HALF) {
        n /= 2;
    }
    add_operation(tracked_of(f), false, at, in, n);
    int rc = real_of(f)->pMethods->xWrite(real_of(f), in, n, at);
    return action == HALF ? failure : rc;
}

static int f_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    if (fails()) {
        return SQLITE_IOERR_TRUNCATE;
    }
    add_operation(tracked_of(f), true, size, NULL, 0);
    return real_of(f)->pMethods->xTruncate(real_of(f), size);
}

/* The real sync is skipped: the model decides what is on the disk. */
static int f_sync(sqlite3_file *f, int flags)
{
    (void)flags;
    if (fails()) {
        return SQLITE_IOERR_FSYNC;
    }
    if (tracked_of(f)) {
        make_durable(tracked_of(f));
    }
    return SQLITE_OK;
}

static int f_size(sqlite3_file *f, sqlite3_int64 *size)
{
    return real_of(f)->pMethods->xFileSize(real_of(f), size);
}
static int f_lock(sqlite3_file *f, int level)
{
    return real_of(f)->pMethods->xLock(real_of(f), level);
}
static int f_unlock(sqlite3_file *f, int level)
{
    return real_of(f)->pMethods->xUnlock(real_of(f), level);
}
static int f_reserved(sqlite3_file *f, int *out)
{
    return real_of(f)->pMethods->xCheckReservedLock(real_of(f), out);
}
static int f_control(sqlite3_file *f, int op, void *arg)
{
    if (op == SQLITE_FCNTL_SIZE_HINT) {
        return SQLITE_OK; /* would change the file's size without the model */
    }
    return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}
static int f_sector(sqlite3_file *f)
{
    return real_of(f)->pMethods->xSectorSize(real_of(f));
}
static int f_device(sqlite3_file *f)
{
    return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}
static int f_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
    if (extend != 0 && operation() != DO_IT) {
        *out = NULL;
        return SQLITE_IOERR_SHMSIZE;
    }
    return real_of(f)->pMethods->xShmMap(real_of(f), page, size, extend, out);
}
static int f_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
    return real_of(f)->pMethods->xShmLock(real_of(f), offset, n, flags);
}
static void f_shm_barrier(sqlite3_file *f)
{
    real_of(f)->pMethods->xShmBarrier(real_of(f));
}
static int f_shm_unmap(sqlite3_file *f, int drop)
{
    return real_of(f)->pMethods->xShmUnmap(real_of(f), drop);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = f_close,
    .xRead = f_read,
    .xWrite = f_write,
    .xTruncate = f_truncate,
    .xSync = f_sync,
    .xFileSize = f_size,
    .xLock = f_lock,
    .xUnlock = f_unlock,
    .xCheckReservedLock = f_reserved,
    .xFileControl = f_control,
    .xSectorSize = f_sector,
    .xDeviceCharacteristics = f_device,
    .xShmMap = f_shm_map,
    .xShmLock = f_shm_lock,
    .xShmBarrier = f_shm_barrier,
    .xShmUnmap = f_shm_unmap,
};

static int f_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out)
{
    (void)vfs;
    struct file *file = (void *)f;
    file->base.pMethods = NULL;
    file->real = (void *)(file + 1);
    file->tracked = NULL;
    const int made = SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL;
    bool named = it.fault != FAULT_NONE && name && (flags & made) != 0;
    bool syncs_folder = named && access(name, F_OK) != 0;
    struct tracked *t = named ? track(name) : NULL;
    int rc = it.real->xOpen(it.real, name, file->real, flags, out);
    if (rc == SQLITE_OK) {
        file->base.pMethods = &methods;
        file->tracked = t;
        if (t && syncs_folder) {
            reset_tracked(t, (flags & SQLITE_OPEN_MAIN_DB) == 0);
        }
    }
    return rc;
}

static int f_delete(sqlite3_vfs *vfs, const char *name, int sync_folder)
{
    (void)vfs;
    if (fails()) {
        return SQLITE_IOERR_DELETE;
    }
    struct tracked *t = it.fault != FAULT_NONE ? track(name) : NULL;
    if (t) {
        t->exists = false;
        t->durable = t->durable && sync_folder == 0;
        drop_operations(t);
    }
    return it.real->xDelete(it.real, name, sync_folder);
}

void faultvfs_install(void)
{
    (void)sqlite3_initialize();
    it.real = sqlite3_vfs_find(NULL);
    it.vfs = *it.real;
    it.vfs.zName = "faultvfs";
    it.vfs.szOsFile = it.real->szOsFile + (int)sizeof(struct file);
    it.vfs.xOpen = f_open;
    it.vfs.xDelete = f_delete;
    (void)sqlite3_vfs_register(&it.vfs, 1);
}

void faultvfs_plan(enum fault fault, long k, uint64_t seed)
{
    it.fault = fault;
    it.k = k;
    it.count = 0;
    it.met = false;
    it.random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

long faultvfs_end(bool *met)
{
    *met = it.met;
    for (size_t i = 0; i < it.n_tracked; i++) {
        struct tracked *t = &it.tracked[i];
        if (is_cut() && it.met) {
            write_outcome(t);
        }
        drop_operations(t);
        free(t->image.bytes);
    }
    it.n_tracked = 0;
    it.fault = FAULT_NONE;
    return it.count;
}
