#include "faults.h"

#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

struct faulty_file {
    sqlite3_file base;
    sqlite3_file *real; /* lies behind this one in the same block */
};

static struct {
    sqlite3_vfs vfs;
    sqlite3_vfs *real;
    long disk_left;
    int disk_code;
    sqlite3_mem_methods memory;
    long memory_left;
    bool memory_sticky;
    bool hit;
} it = {.disk_left = -1, .memory_left = -1};

static sqlite3_file *real_of(sqlite3_file *f)
{
    struct faulty_file *file = (void *)f;
    return file->real;
}

/* 0, or the code to fail with. */
static int disk_operation(void)
{
    if (it.disk_left < 0) {
        return SQLITE_OK;
    }
    if (it.disk_left > 0) {
        it.disk_left--;
        return SQLITE_OK;
    }
    it.hit = true;
    return it.disk_code;
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
    int rc = disk_operation();
    return rc != SQLITE_OK ? rc : real_of(f)->pMethods->xWrite(real_of(f), in, n, at);
}
static int f_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    int rc = disk_operation();
    return rc != SQLITE_OK ? rc : real_of(f)->pMethods->xTruncate(real_of(f), size);
}
/* Counted, but not done: the tests ask what the order of failures does, not the disk. */
static int f_sync(sqlite3_file *f, int flags)
{
    (void)f;
    (void)flags;
    int rc = disk_operation();
    return rc == SQLITE_FULL ? SQLITE_IOERR_FSYNC : rc;
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
    int rc = extend ? disk_operation() : SQLITE_OK;
    if (rc != SQLITE_OK) {
        *out = NULL;
        return rc == SQLITE_FULL ? SQLITE_IOERR_SHMSIZE : rc;
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
    struct faulty_file *file = (void *)f;
    file->base.pMethods = NULL;
    file->real = (void *)(file + 1);
    int rc = it.real->xOpen(it.real, name, file->real, flags, out);
    if (rc == SQLITE_OK) {
        file->base.pMethods = &methods;
    }
    return rc;
}

static void *m_malloc(int n)
{
    if (it.memory_left == 0) {
        it.hit = true;
        it.memory_left = it.memory_sticky ? 0 : -1;
        return NULL;
    }
    if (it.memory_left > 0) {
        it.memory_left--;
    }
    return it.memory.xMalloc(n);
}

static void *m_realloc(void *p, int n)
{
    if (it.memory_left == 0) {
        it.hit = true;
        it.memory_left = it.memory_sticky ? 0 : -1;
        return NULL;
    }
    if (it.memory_left > 0) {
        it.memory_left--;
    }
    return it.memory.xRealloc(p, n);
}

void faults_install(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_GETMALLOC, &it.memory);
    sqlite3_mem_methods hooked = it.memory;
    hooked.xMalloc = m_malloc;
    hooked.xRealloc = m_realloc;
    (void)sqlite3_config(SQLITE_CONFIG_MALLOC, &hooked);
    (void)sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0); /* so that every request is seen */
    (void)sqlite3_initialize();
    it.real = sqlite3_vfs_find(NULL);
    it.vfs = *it.real;
    it.vfs.zName = "faulty";
    it.vfs.szOsFile = it.real->szOsFile + (int)sizeof(struct faulty_file);
    it.vfs.xOpen = f_open;
    (void)sqlite3_vfs_register(&it.vfs, 1);
}

void faults_disk(long k, int code)
{
    it.disk_left = k;
    it.disk_code = code;
    it.hit = false;
}

void faults_memory(long k, bool sticky)
{
    it.memory_left = k;
    it.memory_sticky = sticky;
    it.hit = false;
}

bool faults_hit(void)
{
    return it.hit;
}
