/* Stop signals: SIGINT, SIGTERM and SIGHUP.
 *
 * The first one is recorded, calls the hook, and starts a timer. A program that polls
 * cli_stopped exits cleanly long before that timer expires. One that is blocked (a write into a
 * pipe that is full, a name look-up, a lock, a slow disk, SQLite at the end of a long statement) is
 * ended by the timer's signal; as after kill -9, nothing committed is lost. */
#include "cli.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "spv/store.h"

/* From the first signal to the forced exit: the documented limit is 2 s. */
#ifndef FORCED_END_MS /* longer under sanitizers (CMakeLists.txt) */
#define FORCED_END_MS 1500
_Static_assert(FORCED_END_MS < 2000, "documented: a signal ends a program within 2 s");
#endif

static volatile sig_atomic_t stop_signal; /* the first; 0: none */
static volatile sig_atomic_t code_of_interrupt = CLI_INTERRUPTED;
static volatile sig_atomic_t code_of_termination = CLI_INTERRUPTED;
static void (*volatile stop_hook)(void *ctx);
static void *volatile stop_ctx;
static const char *volatile forced_note = "";
static struct spv_interrupt *stop_stores; /* for as long as the process lives */
static timer_t forced_end;
static bool have_timer;

enum cli_exit cli_stop_code(void)
{
    return (enum cli_exit)(stop_signal == SIGINT ? code_of_interrupt : code_of_termination);
}

void cli_stop_codes(enum cli_exit on_interrupt, enum cli_exit on_termination)
{
    code_of_interrupt = (sig_atomic_t)on_interrupt;
    code_of_termination = (sig_atomic_t)on_termination;
}

void cli_stop_note(const char *note)
{
    forced_note = note;
}

static void start_timer(void)
{
    const struct itimerspec after = {
        .it_value = {.tv_sec = FORCED_END_MS / 1000, .tv_nsec = FORCED_END_MS % 1000 * 1000000L}};

    if (!have_timer || timer_settime(forced_end, 0, &after, NULL) != 0)
        (void)alarm(1 + FORCED_END_MS / 1000);
}

/* Async-signal-safe, like all that is called from here on. */
static void on_stop(int number)
{
    const int saved = errno;

    if (stop_signal == 0) {
        stop_signal = number;
        start_timer();
        if (stop_stores)
            spv_interrupt_request(stop_stores);
        if (stop_hook)
            stop_hook(stop_ctx);
    }
    errno = saved;
}

/* Standard error may be the pipe that is full: what it cannot take at once is left out. */
static void on_forced_end(int number)
{
    struct pollfd err = {.fd = STDERR_FILENO, .events = POLLOUT};
    const char *note = forced_note;
    ssize_t written = 0;

    (void)number;
    if (note[0] != '\0' && poll(&err, 1, 0) == 1 && (err.revents & POLLOUT) != 0)
        written = write(STDERR_FILENO, note, strlen(note));
    (void)written; /* there is nothing else to write it to */
    _exit((int)cli_stop_code());
}

void cli_catch_signals(void)
{
    static const int stops[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigevent expiry;
    struct sigaction action, before;
    sigset_t alarms;
    size_t i;

    stop_stores = spv_interrupt_new();
    memset(&expiry, 0, sizeof expiry);
    expiry.sigev_notify = SIGEV_SIGNAL;
    expiry.sigev_signo = SIGALRM;
    have_timer = timer_create(CLOCK_MONOTONIC, &expiry, &forced_end) == 0;
    memset(&action, 0, sizeof action);
    sigemptyset(&action.sa_mask);
    action.sa_handler = on_forced_end;
    sigaction(SIGALRM, &action, NULL);
    sigemptyset(&alarms);
    sigaddset(&alarms, SIGALRM);
    sigprocmask(SIG_UNBLOCK, &alarms, NULL); /* a parent may have blocked it */
    action.sa_handler = on_stop;
    action.sa_flags = SA_RESTART;
    for (i = 0; i < sizeof stops / sizeof stops[0]; i++)
        sigaddset(&action.sa_mask, stops[i]);
    for (i = 0; i < sizeof stops / sizeof stops[0]; i++) {
        if (stops[i] == SIGHUP && sigaction(SIGHUP, NULL, &before) == 0 &&
            before.sa_handler == SIG_IGN)
            continue; /* nohup */
        sigaction(stops[i], &action, NULL);
    }
}

void cli_stop_hook(void (*hook)(void *ctx), void *ctx)
{
    stop_hook = NULL;
    stop_ctx = ctx;
    stop_hook = hook;
    if (hook && stop_signal != 0)
        hook(ctx); /* stopping twice is harmless */
}

bool cli_stopped(void)
{
    return stop_signal != 0;
}

struct spv_interrupt *cli_stop(void)
{
    return stop_stores;
}

bool cli_reader_gone(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO, .events = 0};
    struct stat st;

    return poll(&out, 1, 0) == 1 && (out.revents & (POLLERR | POLLHUP)) != 0 &&
           fstat(STDOUT_FILENO, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode));
}
