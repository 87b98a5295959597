/* What a link still owes its senders: letters, which other threads have written and the reactor's
 * thread has not yet given to the peer machine, and promises to say what became of a message. */
#ifndef SPV_NET_LINK_CMD_H
#define SPV_NET_LINK_CMD_H

#include "spv/peer.h"
#include "wire/codec.h"

/* A sender who wants to know. While the message is the machine's, its address is the tag. */
struct spv_promise {
    struct spv_promise *next; /* in the link's list of those that failed before */
    void (*done)(void *ctx, int error);
    void *ctx;
    int error;
};
/* NULL when out of memory. */
struct spv_promise *spv_promise_new(void (*done)(void *ctx, int error), void *ctx);
/* Tells the sender and frees the promise; NULL is fine. */
void spv_promise_tell(struct spv_promise *promise, int error);
/* Sends through the machine, tagged when there is a promise. */
int spv_promise_send(struct spv_promise *promise, struct spv_peer *peer, const struct spv_msg *msg,
                     struct spv_now now);
/* The next promise of the machine's whose fate is known, with its error; NULL for none. */
struct spv_promise *spv_promise_next(struct spv_peer *peer, int *error);

/* A message, encoded; the largest form there is (our own version's). Or, instead of one, something
 * to do with the machine. */
struct spv_letter {
    struct spv_letter *next;
    void (*call)(void *ctx, struct spv_peer *peer, struct spv_now now); /* NULL: a message */
    void *ctx;
    struct spv_promise *promise; /* NULL: nobody wants to know */
    enum spv_command command;
    char name[SPV_COMMAND_SIZE + 1];
    struct spv_buffer body;
};
struct spv_letters {
    struct spv_letter *head;
    struct spv_letter *tail;
};
/* SPV_ERR_INVALID for messages that are the machine's own, and what spv_msg_encode says. */
int spv_letter_write(struct spv_letter **out, const struct spv_msg *msg);
int spv_letter_call(struct spv_letter **out,
                    void (*call)(void *ctx, struct spv_peer *peer, struct spv_now now), void *ctx);
/* It will not be sent: tells whoever wants to know, and frees it. */
void spv_letter_return(struct spv_letter *letter, int error, struct spv_now now);
void spv_letter_free(struct spv_letter *letter); /* not its promise */
size_t spv_letter_size(const struct spv_letter *letter);
void spv_letters_put(struct spv_letters *all, struct spv_letter *letter);
struct spv_letter *spv_letters_take(struct spv_letters *all); /* NULL when empty */
/* Gives the letter to the machine; what spv_peer_send says. The arena lends memory for it. */
int spv_letter_send(const struct spv_letter *letter, struct spv_peer *peer, struct spv_arena *arena,
                    struct spv_now now);

#endif
