/* A letter is the message's body in wire form: one copy however deep the message's pointers go, and
 * every message that can be sent at all can be one. It is decoded again on the reactor's thread,
 * where the machine gives it the form of the negotiated version. */
#include "net/link_cmd.h"

#include <stdlib.h>
#include <string.h>

#include "spv/error.h"

struct spv_link_completion *spv_link_completion_new(void (*done)(void *ctx, int error), void *ctx)
{
    struct spv_link_completion *p = malloc(sizeof *p);
    if (p)
        *p = (struct spv_link_completion){.done = done, .ctx = ctx};
    return p;
}

void spv_link_completion_fire(struct spv_link_completion *completion, int error)
{
    if (!completion)
        return;
    completion->done(completion->ctx, error);
    free(completion);
}

int spv_link_completion_send(struct spv_link_completion *completion, struct spv_peer *peer,
                             const struct spv_msg *msg, struct spv_now now)
{
    return !completion ? spv_peer_send(peer, msg, now)
                       : spv_peer_send_tagged(peer, msg, (uint64_t)(uintptr_t)completion, now);
}

struct spv_link_completion *spv_link_completion_next(struct spv_peer *peer, int *error)
{
    uint64_t tag;
    return spv_peer_next_completion(peer, &tag, error) == 1 ? (void *)(uintptr_t)tag : NULL;
}

/* What the machine would refuse whatever its state is refused before it is on its way. */
static bool is_negotiation(enum spv_command command)
{
    return command == SPV_CMD_VERSION || command == SPV_CMD_VERACK ||
           command == SPV_CMD_SENDADDRV2 || command == SPV_CMD_WTXIDRELAY;
}

int spv_link_cmd_encode(struct spv_link_cmd **out, const struct spv_msg *msg)
{
    if (is_negotiation(msg->command))
        return SPV_ERR_INVALID;
    struct spv_link_cmd *l = calloc(1, sizeof *l);
    if (!l)
        return SPV_ERR_NOMEM;
    l->command = msg->command;
    memcpy(l->name, msg->name, sizeof l->name);
    spv_buffer_init(&l->body);
    int rc = spv_msg_encode(&l->body, msg, SPV_PROTOCOL_VERSION);
    if (rc < 0) {
        spv_link_cmd_free(l);
        return rc;
    }
    *out = l;
    return 0;
}

int spv_link_cmd_new_run(struct spv_link_cmd **out,
                         void (*call)(void *ctx, struct spv_peer *peer, struct spv_now now),
                         void *ctx)
{
    struct spv_link_cmd *l = calloc(1, sizeof *l);
    if (!l)
        return SPV_ERR_NOMEM;
    l->exec = call;
    l->ctx = ctx;
    *out = l;
    return 0;
}

void spv_link_cmd_fail(struct spv_link_cmd *cmd, int error, struct spv_now now)
{
    struct spv_link_completion *completion = cmd->completion;
    if (cmd->exec)
        cmd->exec(cmd->ctx, NULL, now);
    spv_link_cmd_free(cmd);
    spv_link_completion_fire(completion, error);
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

void spv_link_cmd_push(struct spv_link_cmd_queue *all, struct spv_link_cmd *cmd)
{
    cmd->next = NULL;
    if (all->tail)
        all->tail->next = cmd;
    else
        all->head = cmd;
    all->tail = cmd;
}

struct spv_link_cmd *spv_link_cmd_pop(struct spv_link_cmd_queue *all)
{
    struct spv_link_cmd *l = all->head;
    if (!l)
        return NULL;
    all->head = l->next;
    if (!all->head)
        all->tail = NULL;
    return l;
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
    return rc < 0 ? rc : spv_link_completion_send(cmd->completion, peer, &msg, now);
}
