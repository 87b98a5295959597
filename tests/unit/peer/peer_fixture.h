/* A peer machine under test and its scripted other side: say() puts frames into it, hear() takes
 * them out, wait() lets virtual time pass. */
#ifndef SPV_TESTS_UNIT_PEER_PEER_FIXTURE_H
#define SPV_TESTS_UNIT_PEER_PEER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "spv/error.h"
#include "spv/peer.h"
#include "support/random.h"
#include "util/buffer.h"
#include "wire/codec.h"
#include "wire/frame.h"

#define KIT_UNIX 1700000000

struct kit {
    struct spv_peer_config cfg;
    struct spv_peer *p;
    struct test_random random;
    struct spv_now now;
    struct spv_arena arena; /* of heard messages */
    struct spv_buffer last; /* the last frame heard; messages lend from it */
    struct spv_msg got; /* the last message that the machine handed out */
    unsigned n_got;
    uint64_t services; /* of the scripted side's version message */
    uint32_t version; /* what say and hear encode at; 0: SPV_PROTOCOL_VERSION */
};

/* A configuration to change before kit_open, regtest, everything else default. */
void kit_init(struct kit *k);
void kit_open(struct kit *k, enum spv_direction dir);
void kit_close(struct kit *k);

/* A frame of any command and payload, as bytes. */
void kit_frame(struct spv_buffer *b, const char *command, const void *payload, size_t n);
/* The scripted side's messages. Each returns what the machine said to it: 0 or the error. */
int kit_say_bytes(struct kit *k, const void *bytes, size_t n);
int kit_say_raw(struct kit *k, const char *command, const void *payload, size_t n);
int kit_say(struct kit *k, const struct spv_msg *msg);
int kit_say_empty(struct kit *k, enum spv_command command);
int kit_say_version(struct kit *k, uint32_t version);
int kit_say_ping(struct kit *k, enum spv_command command, uint64_t nonce);

/* Takes the next frame out of the machine: its command, SPV_CMD_UNKNOWN when there is none. */
enum spv_command kit_hear(struct kit *k, struct spv_msg *out);
void kit_expect(struct kit *k, enum spv_command command);
void kit_expect_silence(struct kit *k);

/* Handshake to the end at this version, with everything heard. */
void kit_greet(struct kit *k, uint32_t version);
/* Opens and greets. */
void kit_ready(struct kit *k, enum spv_direction dir);

/* Time passes; every deadline on the way is served at its own time. 0 or the error. */
int kit_wait_us(struct kit *k, uint64_t us);
int kit_wait(struct kit *k, unsigned seconds);

/* A header whose previous hash starts with this number. */
struct spv_header kit_header(uint64_t prev);
struct spv_blockhash kit_hash(uint64_t n);

#endif
