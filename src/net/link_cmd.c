/* A message is queued as its encoded body: one copy however deep the message's pointers go. It is
 * decoded again on the reactor's thread, where the peer state machine encodes it for the negotiated
 * version. */
#include "net/link_cmd.h"

#include <stdlib.h>
#include <string.h>

#include "spv/error.h"
#include "wire/codec.h"

/* What spv_peer_send refuses in every state is refused before it is queued. */
static bool is_negotiation(enum spv_command command)
{
    return command == SPV_CMD_VERSION || command == SPV_CMD_VERACK ||
           command == SPV_CMD_SENDADDRV2 || command == SPV_CMD_WTXIDRELAY ||
           command == SPV_CMD_FEATURE;
}

int spv_link_cmd_encode(struct spv_link_cmd **out, const struct spv_msg *msg)
{
    if (is_negotiation(msg->command))
        return SPV_ERR_INVALID;
    struct spv_link_cmd *cmd = calloc(1, sizeof *cmd);
    if (!cmd)
        return SPV_ERR_NOMEM;
    cmd->command = msg->command;
    memcpy(cmd->name, msg->name, sizeof cmd->name);
    spv_buffer_init(&cmd->body);
    int rc = spv_msg_encode(&cmd->body, msg, SPV_PROTOCOL_VERSION);
    if (rc < 0) {
        spv_link_cmd_free(cmd);
        return rc;
    }
    *out = cmd;
    return 0;
}

int spv_link_cmd_new_exec(struct spv_link_cmd **out,
                          void (*exec)(void *ctx, struct spv_peer *peer, struct spv_now now),
                          void *ctx)
{
    struct spv_link_cmd *cmd = calloc(1, sizeof *cmd);
    if (!cmd)
        return SPV_ERR_NOMEM;
    cmd->exec = exec;
    cmd->ctx = ctx;
    *out = cmd;
    return 0;
}

int spv_link_cmd_exec(const struct spv_link_cmd *cmd, struct spv_peer *peer,
                      struct spv_arena *arena, struct spv_now now)
{
    if (cmd->exec) {
        cmd->exec(cmd->ctx, peer, now);
        return 0;
    }
    struct spv_msg msg = {.command = cmd->command};
    memcpy(msg.name, cmd->name, sizeof msg.name);
    int rc = spv_msg_decode(&msg, cmd->body.data, cmd->body.len, SPV_PROTOCOL_VERSION, arena);
    if (rc < 0)
        return rc;
    return spv_link_completion_send(cmd->completion, peer, &msg, now);
}

void spv_link_cmd_fail(struct spv_link_cmd *cmd, struct spv_link_completion_list *finished,
                       int error, struct spv_now now)
{
    if (cmd->exec)
        cmd->exec(cmd->ctx, NULL, now);
    spv_link_completion_push(finished, cmd->completion, error);
    spv_link_cmd_free(cmd);
}

void spv_link_cmd_free(struct spv_link_cmd *cmd)
{
    if (!cmd)
        return;
    spv_buffer_free(&cmd->body);
    free(cmd);
}

size_t spv_link_cmd_size(const struct spv_link_cmd *cmd)
{
    return SPV_FRAME_HEADER + cmd->body.len;
}

void spv_link_cmd_push(struct spv_link_cmd_queue *queue, struct spv_link_cmd *cmd)
{
    cmd->next = NULL;
    if (queue->tail)
        queue->tail->next = cmd;
    else
        queue->head = cmd;
    queue->tail = cmd;
}

struct spv_link_cmd *spv_link_cmd_pop(struct spv_link_cmd_queue *queue)
{
    struct spv_link_cmd *cmd = queue->head;
    if (!cmd)
        return NULL;
    queue->head = cmd->next;
    if (!queue->head)
        queue->tail = NULL;
    return cmd;
}
