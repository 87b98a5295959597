/* Waiting for another program's lock: with --follow to its end or a signal's, with one line for
 * each lock that lasts. */
#include "cli.h"

#define BUSY_LINE_MS 5000 /* what a program without --follow waits before it gives up */

int cli_busy(void *ctx, uint32_t waited_ms)
{
    struct cli_busy *b = ctx;

    if (waited_ms == 0)
        b->reported = false;
    if (waited_ms >= BUSY_LINE_MS && !b->reported) {
        b->reported = true;
        if (!b->quiet)
            cli_warn("%s: another program holds a lock on the database. Waiting until it is "
                     "released.",
                     b->path);
    }
    return !cli_stopped();
}
