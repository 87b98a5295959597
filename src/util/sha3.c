/* SHA3-256 (FIPS 202), by OpenSSL. Only onion names need it, a few at a time, so a call that
 * allocates is fast enough. */
#include <openssl/evp.h>

#include "spv/error.h"
#include "util/hash.h"

int spv_sha3_256(uint8_t out[32], const void *in, size_t n)
{
    return EVP_Digest(in, n, out, NULL, EVP_sha3_256(), NULL) == 1 ? 0 : SPV_ERR_CRYPTO;
}
