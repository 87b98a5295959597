/* SipHash-2-4 after its paper (Aumasson, Bernstein: "SipHash: a fast short-input PRF"): 64-bit
 * words of the input are mixed into a state of four, two rounds each, four rounds at the end. */
#include "util/siphash.h"

#include "util/hash.h"

uint64_t spv_siphash(uint64_t k0, uint64_t k1, const void *in, size_t n)
{
    const uint8_t *p = in;
    struct spv_sip s = spv_sip_start(k0, k1);
    uint64_t m = 0;

    for (size_t i = 0; i < n; i++) {
        m |= (uint64_t)p[i] << (8 * (i % 8));
        if (i % 8 == 7) {
            spv_sip_word(&s, m);
            m = 0;
        }
    }
    spv_sip_word(&s, m | (uint64_t)(n & 0xff) << 56); /* the last word contains the length */
    return spv_sip_finish(s);
}
