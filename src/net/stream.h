/* A stream of bytes under a link: a socket, or a bufferevent of the caller's. It is independent of
 * peers: it reads, writes, and calls back when either is possible. Reactor's thread only. */
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
    /* Returns the number of bytes read, 0 when there are none now, or an error when there will be
     * no more: SPV_ERR_CLOSED when the peer has closed the connection. */
    ssize_t (*read)(struct spv_stream *s, uint8_t *out, size_t size);
    /* Returns the number of bytes accepted for good, or 0 when none are accepted now: the same
     * bytes must be written again after on_writable. An error when no more will be accepted. */
    ssize_t (*write)(struct spv_stream *s, const uint8_t *bytes, size_t n);
    /* Returns the number of bytes to read; at least 1, so that a read is tried. */
    size_t (*readable)(const struct spv_stream *s);
    void (*want_write)(struct spv_stream *s, bool on);
    void (*want_read)(struct spv_stream *s, bool on); /* initially on */
    void (*free)(struct spv_stream *s);
};

/* Embedded first in an implementation. */
struct spv_stream {
    const struct spv_stream_ops *ops;
    void (*on_readable)(void *ctx);
    void (*on_writable)(void *ctx);
    void *ctx;
};

/* The callbacks are called from the loop only. fd or bev is the stream's on success. Return 0,
 * SPV_ERR_NOMEM or SPV_ERR_IO. */
int spv_stream_new_socket(struct spv_stream **out, struct spv_reactor *r, int fd,
                          const struct spv_stream *callbacks);
int spv_stream_new_bufferevent(struct spv_stream **out, struct spv_reactor *r,
                               struct bufferevent *bev, const struct spv_stream *callbacks);

/* Returns the error for the errno of an established connection. */
int spv_stream_end_error(int errnum);

#endif
