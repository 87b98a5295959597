/* Calls the observer for every frame and every log line. Nothing is formatted unless a log callback
 * is set at a level that needs it. */
#include <stdio.h>
#include <string.h>

#include "peer/peer_state.h"

#define DUMP_ROW 16 /* bytes of a hex dump's line */
#define LINE_MAX_BYTES (SPV_MSG_FORMAT_MAX + SPV_ENDPOINT_TEXT + 32)

void spv_trace_read(const struct spv_peer *p, size_t bytes, const char *command, int error)
{
    const struct spv_peer_observer *o = &p->cfg.observer;
    if (o->on_any_read)
        o->on_any_read(o->ctx, bytes, command, error);
}

void spv_trace_completed(void *ctx, const struct spv_queued_frame *queued, size_t bytes, int error)
{
    const struct spv_peer *p = ctx;
    const struct spv_peer_observer *o = &p->cfg.observer;
    if (o->on_any_write)
        o->on_any_write(o->ctx, bytes, queued->name, error);
}

static void dump_bytes(const struct spv_peer_observer *o, const uint8_t *body, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    char line[16 + DUMP_ROW * 4];
    size_t shown = n < SPV_LOG_DUMP ? n : SPV_LOG_DUMP;
    for (size_t at = 0; at < shown; at += DUMP_ROW) {
        size_t row = shown - at < DUMP_ROW ? shown - at : DUMP_ROW;
        char *c = line + snprintf(line, sizeof(line), "%08zx ", at);
        for (size_t i = 0; i < DUMP_ROW; i++) {
            *c++ = ' ';
            *c++ = i < row ? digits[body[at + i] >> 4] : ' ';
            *c++ = i < row ? digits[body[at + i] & 15] : ' ';
        }
        *c++ = ' ';
        for (size_t i = 0; i < row; i++) /* the same bytes as text */
            *c++ = body[at + i] >= ' ' && body[at + i] <= '~' ? (char)body[at + i] : '.';
        *c = '\0';
        o->on_log(o->ctx, SPV_LOG_TRACE, line);
    }
    if (shown < n) {
        snprintf(line, sizeof(line), "(%zu more bytes)", n - shown);
        o->on_log(o->ctx, SPV_LOG_TRACE, line);
    }
}

void spv_trace_message(const struct spv_peer *p, enum spv_trace_direction direction,
                       const struct spv_msg *msg, const uint8_t *body, size_t n)
{
    const struct spv_peer_observer *o = &p->cfg.observer;
    if (!o->on_log || o->log_level == SPV_LOG_OFF)
        return;
    char line[LINE_MAX_BYTES], summary[SPV_MSG_FORMAT_MAX], address[SPV_ENDPOINT_TEXT];
    spv_endpoint_text(address, &p->cfg.endpoint);
    spv_msg_format(summary, sizeof(summary), msg);
    if (direction == SPV_TRACE_IN)
        snprintf(line, sizeof(line), "received %s from %s", summary, address);
    else
        snprintf(line, sizeof(line), "sending %s to %s", summary, address);
    o->on_log(o->ctx, SPV_LOG_DEBUG, line);
    if (o->log_level == SPV_LOG_TRACE)
        dump_bytes(o, body, n);
}
