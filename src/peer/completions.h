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

struct spv_ticket {
    uint64_t end; /* where its frame ends, counted from the first byte ever queued beside it */
    uint64_t tag;
    uint8_t command; /* enum spv_command */
    bool tagged;
    char name[SPV_COMMAND_SIZE + 1];
};

struct spv_tickets { /* oldest first */
    struct spv_ticket *list;
    size_t head, n, cap; /* list[head..n) */
};

struct spv_done {
    uint64_t tag;
    int error; /* 0: sent */
};
struct spv_dones {
    struct spv_done *list;
    size_t head, n, cap;
    size_t promised; /* tags of open tickets: room for them is kept */
};

void spv_tickets_free(struct spv_tickets *t);
size_t spv_tickets_open(const struct spv_tickets *t);
/* SPV_ERR_NOMEM. */
int spv_tickets_push(struct spv_tickets *t, const struct spv_ticket *ticket);
const struct spv_ticket *spv_tickets_front(const struct spv_tickets *t); /* NULL: none open */
void spv_tickets_pop(struct spv_tickets *t);

void spv_dones_free(struct spv_dones *d);
/* One more tag will come. SPV_ERR_NOMEM. */
int spv_dones_promise(struct spv_dones *d);
void spv_dones_unpromise(struct spv_dones *d);
void spv_dones_keep(struct spv_dones *d, uint64_t tag, int error); /* a promised one */
int spv_dones_take(struct spv_dones *d, uint64_t *tag, int *error); /* 1, or 0: none */
size_t spv_dones_waiting(const struct spv_dones *d);

#endif
