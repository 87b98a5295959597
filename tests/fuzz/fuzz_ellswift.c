/* The ElligatorSwift mapping: any 64 bytes decode to an x on the curve, each of whose preimages for
 * any u decodes to it again; x is encoded with the input as randomness, and decodes to itself. */
#include "fuzz/fuzz.h"

#include <string.h>

#include "peer/transport/ellswift.h"

struct input {
    uint8_t seed[64];
    uint64_t state;
};

static void fill(void *ctx, void *out, size_t n)
{
    struct input *in = ctx;
    for (uint8_t *p = out; n-- > 0; in->state++) {
        const uint64_t mixed = in->state * 0x9e3779b97f4a7c15u;
        *p++ =
            (uint8_t)(in->seed[in->state % sizeof in->seed] ^ (in->state < 64 ? 0 : mixed >> 56));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {.state = 0};
    const struct spv_rng rng = {.fill = fill, .ctx = &in};
    uint8_t x[32], back[32], encoded[SPV_ELLSWIFT_BYTES];
    if (size < sizeof in.seed)
        return 0;
    memcpy(in.seed, data, sizeof in.seed);
    spv_ellswift_decode(x, data);
    const struct spv_fe goal = spv_fe_from_be(x);
    const struct spv_fe u = spv_fe_from_be(size >= 96 ? data + 64 : data);
    for (unsigned which = 0; which < SPV_ELLSWIFT_CASES && !spv_fe_is_zero(&u); which++) {
        struct spv_fe t;
        if (!spv_ellswift_inverse(&t, &goal, &u, which) || spv_fe_is_zero(&t))
            continue;
        spv_fe_to_be(encoded, &u);
        spv_fe_to_be(encoded + 32, &t);
        spv_ellswift_decode(back, encoded);
        FUZZ_CHECK(memcmp(back, x, sizeof x) == 0);
    }
    spv_ellswift_encode(encoded, x, &rng);
    spv_ellswift_decode(back, encoded);
    FUZZ_CHECK(memcmp(back, x, sizeof x) == 0);
    return 0;
}
