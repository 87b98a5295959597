/* A stand-in for the module of libsecp256k1 0.4 and later, with its declarations, on top of our own
 * mapping: the code that calls the module is compiled and run where the library lacks it. */
#ifndef SPV_TESTS_SECP256K1_ELLSWIFT_H
#define SPV_TESTS_SECP256K1_ELLSWIFT_H

#include <secp256k1.h>

typedef int (*secp256k1_ellswift_xdh_hash_function)(unsigned char *output, const unsigned char *x32,
                                                    const unsigned char *ell_a64,
                                                    const unsigned char *ell_b64, void *data);

extern const secp256k1_ellswift_xdh_hash_function secp256k1_ellswift_xdh_hash_function_bip324;

int secp256k1_ellswift_create(const secp256k1_context *ctx, unsigned char *ell64,
                              const unsigned char *seckey32, const unsigned char *auxrnd32);
int secp256k1_ellswift_xdh(const secp256k1_context *ctx, unsigned char *output,
                           const unsigned char *ell_a64, const unsigned char *ell_b64,
                           const unsigned char *seckey32, int party,
                           secp256k1_ellswift_xdh_hash_function hashfp, void *data);

#endif
