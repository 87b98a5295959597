/* Private derivation (BIP32), which the library does not have: tests compare it with public
 * derivation, and turn the private keys of published vectors into public ones. */
#ifndef SPV_TESTS_PRIVATE_DERIVATION_H
#define SPV_TESTS_PRIVATE_DERIVATION_H

#include "spv/keys.h"
#include "support/unit.h"

struct test_xprv {
    struct spv_xpub pub; /* everything but the secret */
    uint8_t secret[32];
};

void test_xprv_from_seed(struct test_xprv *out, const uint8_t *seed, size_t n);
/* Reads xprv or tprv; fails the test when it is not valid. */
void test_xprv_parse(struct test_xprv *out, const char *text, size_t n);
void test_xprv_text(char out[SPV_XPUB_TEXT], const struct test_xprv *xprv);
void test_xprv_derive(struct test_xprv *out, const struct test_xprv *parent, uint32_t index);
/* The serialised public key of a WIF key: 33 or 65 bytes. */
size_t test_wif_public(uint8_t out[65], const char *text, size_t n);

#endif
