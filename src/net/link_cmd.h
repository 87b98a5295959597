/* What a link still owes its senders: letters, which other threads have written and the reactor's
 * thread has not yet given to the peer machine, and promises to say what became of a message. */
#ifndef SPV_NET_LINK_CMD_H
#define SPV_NET_LINK_CMD_H

#include "spv/peer.h"
#include "wire/codec.h"

/* A sender who wants to know. While the message is the machine's, its address is the tag. */
struct spv_link_completion {
    struct spv_link_completion *next; /* in the link's list of those that failed before */
    void (*done)(void *ctx, int error);
    void *ctx;
    int error;
};
/* NULL when out of memory. */
struct spv_link_completion *spv_link_completion_new(void (*done)(void *ctx, int error), void *ctx);
/* Tells the sender and frees the promise; NULL is fine. */
void spv_link_completion_fire(struct spv_link_completion *completion, int error);
/* Sends through the machine, tagged when there is a promise. */
int spv_link_completion_send(struct spv_link_completion *completion, struct spv_peer *peer,
                             const struct spv_msg *msg, struct spv_now now);
/* The next promise of the machine's whose fate is known, with its error; NULL for none. */
struct spv_link_completion *spv_link_completion_next(struct spv_peer *peer, int *error);

/* A message, encoded; the largest form there is (our own version's). Or, instead of one, something
 * to do with the machine. */
struct spv_link_cmd {
    struct spv_link_cmd *next;
    void (*exec)(void *ctx, struct spv_peer *peer, struct spv_now now); /* NULL: a message */
    void *ctx;
    struct spv_link_completion *completion; /* NULL: nobody wants to know */
    enum spv_command command;
    char name[SPV_COMMAND_SIZE + 1];
    struct spv_buffer body;
};
struct spv_link_cmd_queue {
    struct spv_link_cmd *head;
    struct spv_link_cmd *tail;
};
/* SPV_ERR_INVALID for messages that are the machine's own, and what spv_msg_encode says. */
int spv_link_cmd_encode(struct spv_link_cmd **out, const struct spv_msg *msg);
int spv_link_cmd_new_run(struct spv_link_cmd **out,
                         void (*call)(void *ctx, struct spv_peer *peer, struct spv_now now),
                         void *ctx);
/* It will not be sent: tells whoever wants to know, and frees it. */
void spv_link_cmd_fail(struct spv_link_cmd *cmd, int error, struct spv_now now);
void spv_link_cmd_free(struct spv_link_cmd *cmd); /* not its promise */
size_t spv_link_cmd_size(const struct spv_link_cmd *cmd);
void spv_link_cmd_push(struct spv_link_cmd_queue *all, struct spv_link_cmd *cmd);
struct spv_link_cmd *spv_link_cmd_pop(struct spv_link_cmd_queue *all); /* NULL when empty */
/* Gives the letter to the machine; what spv_peer_send says. The arena lends memory for it. */
int spv_link_cmd_exec(const struct spv_link_cmd *cmd, struct spv_peer *peer,
                      struct spv_arena *arena, struct spv_now now);

#endif
