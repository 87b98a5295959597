/* The encrypted transport with known keys. Byte 0: bit 0 is our role, bit 1 says who is at the
 * other end. Without it the rest is the stream as it is. With it a machine of ours is there: the
 * rest is a list of steps, each a byte: below 200 a packet of so many bytes, a decoy when odd; else
 * a bit of the next packet is flipped, at the place that the following two bytes give. */
#include "fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "peer/transport/v2.h"

static const uint8_t magic[4] = {0xfa, 0xbf, 0xb5, 0xda};

/* Deterministic: the same input gives the same run. */
static void fill(void *ctx, void *out, size_t n)
{
    uint64_t *state = ctx;
    for (uint8_t *p = out; n-- > 0;) {
        *state = *state * 6364136223846793005u + 1442695040888963407u;
        *p++ = (uint8_t)(*state >> 56);
    }
}

struct end {
    struct spv_v2 v;
    struct spv_buffer out;
    size_t messages;
    int error;
};

static void receive(struct end *e, const uint8_t *bytes, size_t n)
{
    const uint8_t *contents;
    size_t len;
    int rc = 1;
    if (e->error)
        return;
    FUZZ_CHECK(spv_v2_feed(&e->v, bytes, n) == 0);
    while ((rc = spv_v2_next(&e->v, &e->out, &contents, &len)) == 1) {
        FUZZ_CHECK(e->v.state == SPV_V2_READY && len <= SPV_V2_MAX_CONTENTS);
        e->messages++;
    }
    e->error = rc;
}

static void cross(struct end *from, struct end *to)
{
    struct spv_buffer bytes = from->out;
    spv_buffer_init(&from->out);
    if (bytes.len > 0)
        receive(to, bytes.data, bytes.len);
    spv_buffer_free(&bytes);
}

/* Packets from `them` to `us`; whatever was flipped is never delivered, nor anything after it. */
static void run_steps(struct end *us, struct end *them, const uint8_t *data, size_t n)
{
    size_t sent = 0;
    bool intact = true;
    for (int i = 0; i < 4; i++) {
        cross(us, them);
        cross(them, us);
    }
    FUZZ_CHECK(us->v.state == SPV_V2_READY && them->v.state == SPV_V2_READY);
    FUZZ_CHECK(memcmp(us->v.session_id, them->v.session_id, 32) == 0);
    for (size_t i = 0; i < n; i++) {
        const bool flip = data[i] >= 200 && i + 2 < n;
        const size_t start = spv_v2_packet_begin(&them->out);
        FUZZ_CHECK(spv_buffer_extend(&them->out, data[i]) || data[i] == 0);
        memset(them->out.data + start + 4, 0, data[i]);
        const bool decoy = data[i] < 200 && data[i] % 2;
        FUZZ_CHECK(spv_v2_packet_end(&them->out) == 0);
        FUZZ_CHECK(spv_v2_packet_seal(&them->v, &them->out, start, decoy ? SPV_V2_IGNORE : 0) == 0);
        if (flip) {
            const size_t bit = (size_t)(data[i + 1] | data[i + 2] << 8) % (8 * them->out.len);
            them->out.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
            intact = false;
            i += 2;
        }
        sent += intact && !decoy;
        cross(them, us);
        FUZZ_CHECK(us->messages == sent);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct spv_v2_context *keys;
    uint64_t state = 1;
    const struct spv_rng rng = {.fill = fill, .ctx = &state};
    struct end us = {.messages = 0}, them = {.messages = 0};
    if (!keys)
        FUZZ_CHECK(spv_v2_context_new(&keys, &rng) == 0);
    if (size == 0)
        return 0;
    const enum spv_v2_role role = data[0] & 1 ? SPV_V2_INITIATOR : SPV_V2_RESPONDER;
    const enum spv_v2_role other = data[0] & 1 ? SPV_V2_RESPONDER : SPV_V2_INITIATOR;
    state = data[0];
    FUZZ_CHECK(spv_v2_init_random(&us.v, role, magic, keys, &rng) == 0);
    FUZZ_CHECK(spv_v2_init_random(&them.v, other, magic, keys, &rng) == 0);
    spv_buffer_init(&us.out);
    spv_buffer_init(&them.out);
    if (role == SPV_V2_INITIATOR)
        FUZZ_CHECK(spv_v2_start(&us.v, &us.out) == 0);
    else
        FUZZ_CHECK(spv_v2_start(&them.v, &them.out) == 0);
    if (data[0] & 2)
        run_steps(&us, &them, data + 1, size - 1);
    else
        receive(&us, data + 1, size - 1);
    spv_v2_free(&us.v);
    spv_v2_free(&them.v);
    spv_buffer_free(&us.out);
    spv_buffer_free(&them.out);
    return 0;
}
