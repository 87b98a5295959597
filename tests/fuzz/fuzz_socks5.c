/* A SOCKS5 negotiation with an arbitrary proxy: the first byte chooses the target (bits 0, 1) and
 * the credentials (bit 2), the second the size of the chunks, the rest is sent by the proxy.
 * Invariants: no more bytes are requested than accepted, the first error is sticky, the result is
 * "connected" only after a whole successful reply, bytes behind it are not read, and each request
 * is complete. */
#include <stdbool.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "net/socks5.h"
#include "spv/error.h"

static const char *const targets[] = {"peer.example", "203.0.113.9", "2001:db8::7", "x.onion"};

static void drain(struct spv_socks5 *s, size_t cut)
{
    const uint8_t *bytes;
    size_t n;
    while ((n = spv_socks5_pending(s, &bytes)) > 0) {
        FUZZ_CHECK(n <= SPV_SOCKS5_OUT);
        FUZZ_CHECK(spv_socks5_wants(s) == 0);
        spv_socks5_sent(s, n < cut ? n : cut);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct spv_endpoint target = {.port = 8333};
    struct spv_socks5 s;
    const bool secret = (data[0] & 4) != 0;
    const size_t cut = 1 + data[1] % 8;
    memcpy(target.host, targets[data[0] & 3], strlen(targets[data[0] & 3]));
    FUZZ_CHECK(spv_socks5_begin(&s, &target, secret ? "u" : NULL, secret ? "p" : NULL) == 0);
    size_t at = 2;
    int rc = 0;
    drain(&s, cut);
    while (rc == 0 && at < size) {
        size_t n = spv_socks5_wants(&s);
        FUZZ_CHECK(n > 0 && n <= SPV_SOCKS5_IN);
        n = n < cut ? n : cut;
        n = n < size - at ? n : size - at;
        rc = spv_socks5_feed(&s, data + at, n);
        at += n;
        drain(&s, cut);
    }
    if (rc == 1) {
        FUZZ_CHECK(s.state == SPV_SOCKS5_CONNECTED);
        FUZZ_CHECK(at - 2 >= (secret ? 2u + 2 : 2u) + 7); /* the shortest successful replies */
    }
    if (rc != 0) {
        FUZZ_CHECK(spv_socks5_wants(&s) == 0);
        FUZZ_CHECK(spv_socks5_feed(&s, NULL, 0) == rc);
    }
    if (rc < 0)
        FUZZ_CHECK(rc != SPV_ERR_INVALID && spv_err_class_of(rc) != SPV_CLASS_MISBEHAVING);
    return 0;
}
