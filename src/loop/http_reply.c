/* One line per field. A server that has a clock sends a Date field (RFC 9110, 6.6.1), in English in
 * every locale. */
#include "loop/http_reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define LINE 128 /* more than the longest field below */

static const char *reason_phrase(enum spv_rest_status status)
{
    switch (status) {
    case SPV_REST_OK:
        return "OK";
    case SPV_REST_BAD_REQUEST:
        return "Bad Request";
    case SPV_REST_NOT_FOUND:
        return "Not Found";
    case SPV_REST_METHOD:
        return "Method Not Allowed";
    case SPV_REST_TOO_LARGE:
        return "Content Too Large";
    case SPV_REST_TOO_LONG:
        return "URI Too Long";
    case SPV_REST_TOO_MANY:
        return "Too Many Requests";
    case SPV_REST_INTERNAL:
        return "Internal Server Error";
    case SPV_REST_UNAVAILABLE:
        return "Service Unavailable";
    case SPV_REST_VERSION:
        return "HTTP Version Not Supported";
    }
    return "";
}

__attribute__((format(printf, 2, 3))) static void put_line(struct spv_buffer *out,
                                                           const char *format, ...)
{
    char line[LINE];
    va_list args;

    va_start(args, format);
    const int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (n > 0)
        spv_buffer_put(out, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1);
    spv_buffer_put(out, "\r\n", 2);
}

/* "Date: Sun, 06 Nov 1994 08:49:37 GMT" */
static void put_date(struct spv_buffer *out, int64_t unix_s)
{
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const time_t when = (time_t)unix_s;
    struct tm t;

    if (gmtime_r(&when, &t))
        put_line(out, "Date: %s, %02d %s %04d %02d:%02d:%02d GMT", days[t.tm_wday], t.tm_mday,
                 months[t.tm_mon], t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
}

void spv_http_reply_put_head(struct spv_buffer *out, const struct spv_http_reply_head *head)
{
    put_line(out, "HTTP/1.1 %d %s", (int)head->status, reason_phrase(head->status));
    put_date(out, head->unix_s);
    put_line(out, "Content-Type: %s", head->type);
    put_line(out, "Content-Length: %zu", head->length);
    if (head->status == SPV_REST_METHOD)
        put_line(out, "Allow: GET, HEAD");
    if (head->retry_after > 0)
        put_line(out, "Retry-After: %u", head->retry_after);
    if (!head->keep_alive)
        put_line(out, "Connection: close");
    else if (head->http_1_0)
        put_line(out, "Connection: keep-alive");
    spv_buffer_put(out, "\r\n", 2);
}
