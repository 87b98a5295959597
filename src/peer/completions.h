/* What became of each queued message. A ticket stands for one frame on its way to the socket; when
 * the frame has gone, or never will, the ticket is settled, and the tag that a caller gave with the
 * message waits to be pulled, exactly once. Room for the tag is taken when the ticket is, so that
 * settling cannot fail. */
#ifndef SPV_PEER_COMPLETIONS_H
#define SPV_PEER_COMPLETIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spv/message.h"

struct spv_queued_frame {
    uint64_t end; /* where its frame ends, counted from the first byte ever queued beside it */
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
    size_t reserved; /* tags of open tickets: room for them is kept */
};

void spv_queued_frames_free(struct spv_queued_frames *t);
size_t spv_queued_frames_count(const struct spv_queued_frames *t);
/* SPV_ERR_NOMEM. */
int spv_queued_frames_push(struct spv_queued_frames *t, const struct spv_queued_frame *queued);
const struct spv_queued_frame *spv_queued_frames_front(
    const struct spv_queued_frames *t); /* NULL: none open */
void spv_queued_frames_pop(struct spv_queued_frames *t);

void spv_completions_free(struct spv_completions *d);
/* One more tag will be added. SPV_ERR_NOMEM. */
int spv_completions_reserve(struct spv_completions *d);
void spv_completions_unreserve(struct spv_completions *d);
void spv_completions_add(struct spv_completions *d, uint64_t tag, int error); /* a promised one */
int spv_completions_pop(struct spv_completions *d, uint64_t *tag, int *error); /* 1, or 0: none */
size_t spv_completions_count(const struct spv_completions *d);

#endif
