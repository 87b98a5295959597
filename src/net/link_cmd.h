/* Commands that other threads queue for a link: a message to send or a function to call with the
 * peer state machine. */
#ifndef SPV_NET_LINK_CMD_H
#define SPV_NET_LINK_CMD_H

#include "net/link_completion.h"
#include "spv/peer.h"
#include "util/buffer.h"
#include "wire/arena.h"

struct spv_link_cmd {
    struct spv_link_cmd *next;
    void (*exec)(void *ctx, struct spv_peer *peer, struct spv_now now); /* NULL: a message */
    void *ctx;
    struct spv_link_completion *completion; /* of a message; may be NULL */
    enum spv_command command;
    char name[SPV_COMMAND_SIZE + 1];
    struct spv_buffer body; /* encoded at SPV_PROTOCOL_VERSION */
};

struct spv_link_cmd_queue {
    struct spv_link_cmd *head;
    struct spv_link_cmd *tail;
};

/* Encodes a message. Returns 0, SPV_ERR_INVALID for the handshake's messages, which only the peer
 * state machine sends, SPV_ERR_NOMEM, or the errors of spv_msg_encode. */
int spv_link_cmd_encode(struct spv_link_cmd **out, const struct spv_msg *msg);
/* A function to call. Returns 0 or SPV_ERR_NOMEM. */
int spv_link_cmd_new_exec(struct spv_link_cmd **out,
                          void (*exec)(void *ctx, struct spv_peer *peer, struct spv_now now),
                          void *ctx);
/* Executes the command, which stays the caller's: calls the function, or sends the message and
 * returns as spv_peer_send does. arena is the memory to decode into. */
int spv_link_cmd_exec(const struct spv_link_cmd *cmd, struct spv_peer *peer,
                      struct spv_arena *arena, struct spv_now now);
/* Frees a command that will not be executed: its function is called with peer NULL, its completion
 * appended to finished. */
void spv_link_cmd_fail(struct spv_link_cmd *cmd, struct spv_link_completion_list *finished,
                       int error, struct spv_now now);
void spv_link_cmd_free(struct spv_link_cmd *cmd); /* without its completion; NULL is ignored */
/* Bytes that count against the limit of queued bytes. */
size_t spv_link_cmd_size(const struct spv_link_cmd *cmd);

void spv_link_cmd_push(struct spv_link_cmd_queue *queue, struct spv_link_cmd *cmd);
struct spv_link_cmd *spv_link_cmd_pop(struct spv_link_cmd_queue *queue); /* NULL when empty */

#endif
