/* A letter is the message's body in wire form: one copy however deep the message's pointers go, and
 * every message that can be sent at all can be one. It is decoded again on the reactor's thread,
 * where the machine gives it the form of the negotiated version. */
#include "net/link_cmd.h"

#include <stdlib.h>
#include <string.h>

#include "spv/error.h"

struct spv_promise *spv_promise_new(void (*done)(void *ctx, int error), void *ctx)
{
    struct spv_promise *p = malloc(sizeof *p);
    if (p != NULL)
        *p = (struct spv_promise){.done = done, .ctx = ctx};
    return p;
}

void spv_promise_tell(struct spv_promise *promise, int error)
{
    if (promise == NULL)
        return;
    promise->done(promise->ctx, error);
    free(promise);
}

int spv_promise_send(struct spv_promise *promise, struct spv_peer *peer, const struct spv_msg *msg,
                     struct spv_now now)
{
    return promise == NULL ? spv_peer_send(peer, msg, now)
                           : spv_peer_send_tagged(peer, msg, (uint64_t)(uintptr_t)promise, now);
}

struct spv_promise *spv_promise_next(struct spv_peer *peer, int *error)
{
    uint64_t tag;
    return spv_peer_next_done(peer, &tag, error) == 1 ? (void *)(uintptr_t)tag : NULL;
}

/* What the machine would refuse whatever its state is refused before it is on its way. */
static bool machines_own(enum spv_command command)
{
    return command == SPV_CMD_VERSION || command == SPV_CMD_VERACK ||
           command == SPV_CMD_SENDADDRV2 || command == SPV_CMD_WTXIDRELAY;
}

int spv_letter_write(struct spv_letter **out, const struct spv_msg *msg)
{
    if (machines_own(msg->command))
        return SPV_ERR_INVALID;
    struct spv_letter *l = calloc(1, sizeof *l);
    if (l == NULL)
        return SPV_ERR_NOMEM;
    l->command = msg->command;
    memcpy(l->name, msg->name, sizeof l->name);
    spv_buffer_init(&l->body);
    int rc = spv_msg_encode(&l->body, msg, SPV_PROTOCOL_VERSION);
    if (rc < 0) {
        spv_letter_free(l);
        return rc;
    }
    *out = l;
    return 0;
}

int spv_letter_call(struct spv_letter **out,
                    void (*call)(void *ctx, struct spv_peer *peer, struct spv_now now), void *ctx)
{
    struct spv_letter *l = calloc(1, sizeof *l);
    if (l == NULL)
        return SPV_ERR_NOMEM;
    l->call = call;
    l->ctx = ctx;
    *out = l;
    return 0;
}

void spv_letter_return(struct spv_letter *letter, int error, struct spv_now now)
{
    struct spv_promise *promise = letter->promise;
    if (letter->call != NULL)
        letter->call(letter->ctx, NULL, now);
    spv_letter_free(letter);
    spv_promise_tell(promise, error);
}

void spv_letter_free(struct spv_letter *letter)
{
    if (letter == NULL)
        return;
    spv_buffer_free(&letter->body);
    free(letter);
}

size_t spv_letter_size(const struct spv_letter *letter)
{
    return SPV_FRAME_HEADER + letter->body.len;
}

void spv_letters_put(struct spv_letters *all, struct spv_letter *letter)
{
    letter->next = NULL;
    if (all->tail != NULL)
        all->tail->next = letter;
    else
        all->head = letter;
    all->tail = letter;
}

struct spv_letter *spv_letters_take(struct spv_letters *all)
{
    struct spv_letter *l = all->head;
    if (l == NULL)
        return NULL;
    all->head = l->next;
    if (all->head == NULL)
        all->tail = NULL;
    return l;
}

int spv_letter_send(const struct spv_letter *letter, struct spv_peer *peer, struct spv_arena *arena,
                    struct spv_now now)
{
    if (letter->call != NULL) {
        letter->call(letter->ctx, peer, now);
        return 0;
    }
    struct spv_msg msg = {.command = letter->command};
    memcpy(msg.name, letter->name, sizeof msg.name);
    int rc = spv_msg_decode(&msg, letter->body.data, letter->body.len, SPV_PROTOCOL_VERSION, arena);
    return rc < 0 ? rc : spv_promise_send(letter->promise, peer, &msg, now);
}
