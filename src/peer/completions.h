/* Queued frames and their completions. A frame that is sent or dropped leaves the list of queued
 * frames; if the caller gave a tag with its message, a completion with that tag is added and can be
 * popped exactly once. Its memory is reserved when the frame is queued, so that completing a frame
 * cannot fail. */
#ifndef SPV_PEER_COMPLETIONS_H
#define SPV_PEER_COMPLETIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spv/message.h"

struct spv_queued_frame {
    uint64_t end; /* offset of the frame's end, counted from the first byte of its buffer or
                     connection */
    uint64_t tag;
    uint8_t command; /* enum spv_command */
    bool tagged;
    char name[SPV_COMMAND_SIZE + 1];
};

struct spv_queued_frames { /* oldest first */
    struct spv_queued_frame *list;
    size_t head, n, cap; /* list[head..n) */
};

struct spv_completion {
    uint64_t tag;
    int error; /* 0: sent */
};
struct spv_completions {
    struct spv_completion *list;
    size_t head, n, cap;
    size_t reserved; /* tags of queued frames: capacity is reserved for them */
};

void spv_queued_frames_free(struct spv_queued_frames *q);
size_t spv_queued_frames_count(const struct spv_queued_frames *q);
/* SPV_ERR_NOMEM. */
int spv_queued_frames_push(struct spv_queued_frames *q, const struct spv_queued_frame *queued);
const struct spv_queued_frame *spv_queued_frames_front(
    const struct spv_queued_frames *q); /* NULL: the queue is empty */
void spv_queued_frames_pop(struct spv_queued_frames *q);
void spv_queued_frames_pop_newest(struct spv_queued_frames *q);

void spv_completions_free(struct spv_completions *c);
/* Reserves capacity for one more completion. Returns 0, SPV_ERR_NOMEM. */
int spv_completions_reserve(struct spv_completions *c);
void spv_completions_unreserve(struct spv_completions *c);
void spv_completions_add(struct spv_completions *c, uint64_t tag, int error); /* a reserved one */
int spv_completions_pop(struct spv_completions *c, uint64_t *tag, int *error); /* 1, or 0: none */
size_t spv_completions_count(const struct spv_completions *c);

#endif
