/* The peer state machine under test and the remote side, which the test scripts: peer_fixture_send
 * feeds frames to the peer, peer_fixture_recv reads the frames that it sends, peer_fixture_wait
 * advances virtual time. */
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

#define PEER_FIXTURE_UNIX 1700000000

struct peer_fixture {
    struct spv_peer_config cfg;
    struct spv_peer *p;
    struct test_random random;
    struct spv_now now;
    struct spv_arena arena; /* of received messages */
    struct spv_buffer last; /* the last received frame; messages refer to it */
    struct spv_msg got; /* the last message that spv_peer_next returned */
    unsigned n_got;
    uint64_t services; /* of the remote side's version message */
    uint32_t version; /* protocol version of send and recv; 0: SPV_PROTOCOL_VERSION */
};

/* Regtest, all else default; the test may change cfg before peer_fixture_open. */
void peer_fixture_init(struct peer_fixture *k);
void peer_fixture_open(struct peer_fixture *k, enum spv_direction dir);
void peer_fixture_close(struct peer_fixture *k);

/* Appends a frame of any command and payload to b. */
void peer_fixture_frame(struct spv_buffer *b, const char *command, const void *payload, size_t n);
/* Messages of the remote side. Each returns the result of spv_peer_feed or spv_peer_next: 0 or an
 * error. */
int peer_fixture_send_bytes(struct peer_fixture *k, const void *bytes, size_t n);
int peer_fixture_send_raw(struct peer_fixture *k, const char *command, const void *payload,
                          size_t n);
int peer_fixture_send(struct peer_fixture *k, const struct spv_msg *msg);
int peer_fixture_send_empty(struct peer_fixture *k, enum spv_command command);
int peer_fixture_send_version(struct peer_fixture *k, uint32_t version);
int peer_fixture_send_ping(struct peer_fixture *k, enum spv_command command, uint64_t nonce);

/* Reads the next frame that the peer sends. Returns its command, SPV_CMD_UNKNOWN for none. */
enum spv_command peer_fixture_recv(struct peer_fixture *k, struct spv_msg *out);
void peer_fixture_expect(struct peer_fixture *k, enum spv_command command);
void peer_fixture_expect_silence(struct peer_fixture *k);

/* Completes the handshake at this version and reads all frames of the peer. */
void peer_fixture_handshake(struct peer_fixture *k, uint32_t version);
/* Opens and completes the handshake. */
void peer_fixture_ready(struct peer_fixture *k, enum spv_direction dir);

/* Advances the time; spv_peer_timer is called at each deadline. Returns 0 or the error. */
int peer_fixture_wait_us(struct peer_fixture *k, uint64_t us);
int peer_fixture_wait(struct peer_fixture *k, unsigned seconds);

/* Returns a header whose previous hash starts with this number. */
struct spv_header peer_fixture_header(uint64_t prev);
struct spv_blockhash peer_fixture_hash(uint64_t n);

#endif
