/* LD_PRELOAD library: the libc call named by SPV_STALL never returns, as with a DNS server or a
 * disk that does not respond. The call creates the file SPV_STALLED first. Signal handlers run. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void stall_if(const char *call)
{
    const char *wanted = getenv("SPV_STALL");
    const char *sign = getenv("SPV_STALLED");
    if (!wanted || !sign || strcmp(wanted, call) != 0)
        return;
    const int fd = open(sign, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (fd >= 0)
        (void)close(fd);
    for (;;)
        (void)pause();
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **res)
{
    int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    stall_if("getaddrinfo");
    *(void **)&next = dlsym(RTLD_NEXT, "getaddrinfo");
    return next(node, service, hints, res);
}

int fsync(int fd)
{
    int (*next)(int);
    stall_if("fsync");
    *(void **)&next = dlsym(RTLD_NEXT, "fsync");
    return next(fd);
}

int fdatasync(int fd)
{
    int (*next)(int);
    stall_if("fsync");
    *(void **)&next = dlsym(RTLD_NEXT, "fdatasync");
    return next(fd);
}
