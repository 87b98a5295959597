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

struct peer_fixture {
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
void peer_fixture_init(struct peer_fixture *k);
void peer_fixture_open(struct peer_fixture *k, enum spv_direction dir);
void peer_fixture_close(struct peer_fixture *k);

/* A frame of any command and payload, as bytes. */
void peer_fixture_frame(struct spv_buffer *b, const char *command, const void *payload, size_t n);
/* The scripted side's messages. Each returns what the machine said to it: 0 or the error. */
int peer_fixture_send_bytes(struct peer_fixture *k, const void *bytes, size_t n);
int peer_fixture_send_raw(struct peer_fixture *k, const char *command, const void *payload,
                          size_t n);
int peer_fixture_send(struct peer_fixture *k, const struct spv_msg *msg);
int peer_fixture_send_empty(struct peer_fixture *k, enum spv_command command);
int peer_fixture_send_version(struct peer_fixture *k, uint32_t version);
int peer_fixture_send_ping(struct peer_fixture *k, enum spv_command command, uint64_t nonce);

/* Takes the next frame out of the machine: its command, SPV_CMD_UNKNOWN when there is none. */
enum spv_command peer_fixture_recv(struct peer_fixture *k, struct spv_msg *out);
void peer_fixture_expect(struct peer_fixture *k, enum spv_command command);
void peer_fixture_expect_silence(struct peer_fixture *k);

/* Handshake to the end at this version, with everything heard. */
void peer_fixture_handshake(struct peer_fixture *k, uint32_t version);
/* Opens and greets. */
void peer_fixture_ready(struct peer_fixture *k, enum spv_direction dir);

/* Time passes; every deadline on the way is served at its own time. 0 or the error. */
int peer_fixture_wait_us(struct peer_fixture *k, uint64_t us);
int peer_fixture_wait(struct peer_fixture *k, unsigned seconds);

/* A header whose previous hash starts with this number. */
struct spv_header peer_fixture_header(uint64_t prev);
struct spv_blockhash peer_fixture_hash(uint64_t n);

#endif
