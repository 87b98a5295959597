/* What carries a link's bytes: a socket of ours, or a caller's bufferevent. It knows nothing of
 * peers; it reads, writes, and says when either is worth trying. All on the reactor's thread. */
#ifndef SPV_NET_STREAM_H
#define SPV_NET_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct bufferevent;
struct spv_stream;
struct spv_endpoint;
struct spv_reactor;

struct spv_stream_ops {
    /* Bytes read, 0 when there are none now, or why there will be no more (SPV_ERR_CLOSED when the
     * other side has said goodbye). */
    ssize_t (*read)(struct spv_stream *c, uint8_t *out, size_t room);
    /* Bytes that the other side's way has taken for good, 0 when it takes none now: offer the same
     * ones again once on_writable was called. Negative: it will take no more. */
    ssize_t (*write)(struct spv_stream *c, const uint8_t *bytes, size_t n);
    /* How much is waiting to be read; at least 1, so that a read finds out what else there is. */
    size_t (*readable)(const struct spv_stream *c);
    void (*want_write)(struct spv_stream *c, bool on);
    void (*want_read)(struct spv_stream *c, bool on); /* on from the start */
    void (*free)(struct spv_stream *c);
};

/* Embedded first in what implements it. */
struct spv_stream {
    const struct spv_stream_ops *ops;
    void (*on_readable)(void *ctx);
    void (*on_writable)(void *ctx);
    void *ctx;
};

/* The callbacks come from the loop only, from now on. A failure leaves fd or bev to the caller. */
int spv_stream_new_socket(struct spv_stream **out, struct spv_reactor *r, int fd,
                          const struct spv_stream *callbacks);
int spv_stream_new_bufferevent(struct spv_stream **out, struct spv_reactor *r,
                               struct bufferevent *bev, const struct spv_stream *callbacks);

/* The error of a connection that ends in the middle. */
int spv_stream_end_error(int errnum);

#endif
