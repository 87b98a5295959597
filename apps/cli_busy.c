/* Waits for another program's lock: with --follow until it is released or a signal is caught.
 * Prints one line for each lock that is not released soon. */
#include "cli.h"

#define BUSY_LINE_MS 5000 /* the wait of a program without --follow */

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
