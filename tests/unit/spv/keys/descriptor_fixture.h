/* Descriptors for tests, and the public form of those that have private keys. */
#ifndef SPV_TESTS_DESCRIPTOR_FIXTURE_H
#define SPV_TESTS_DESCRIPTOR_FIXTURE_H

#include <stdio.h>

#include "spv/descriptor.h"
#include "support/unit.h"

#define XPUB_A                                                                                     \
    "xpub6ERApfZwUNrhLCkDtcHTcxd75RbzS1ed54G1LkBUHQVHQKqhMkhgbmJbZRkrgZw4koxb5JaHWkY4ALHY2grBGRja" \
    "DMz"                                                                                          \
    "QLcgJvLJuZZvRcEL"
#define XPUB_B                                                                                     \
    "xpub68NZiKmJWnxxS6aaHmn81bvJeTESw724CRDs6HbuccFQN9Ku14VQrADWgqbhhTHBaohPX4CjNLf9fq9MYo6oDaPP" \
    "LPx"                                                                                          \
    "Sb7gwQN3ih19Zm4Y"
#define TPUB_A                                                                                     \
    "tpubD6NzVbkrYhZ4WaWSyoBvQwbpLkojyoTZPRsgXELWz3Popb3qkjcJyJUGLnL4qHHoQvao8ESaAstxYSnhyswJ76uZ" \
    "PStJ"                                                                                         \
    "RJCTKvosUCJZL5B"
#define XPRV_A                                                                                     \
    "xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TG" \
    "tRB"                                                                                          \
    "eJgk33yuGBxrMPHi"
#define KEY_A "03a34b99f22c790c4e36b2b3c2c35a36db06226e41c692fc82b8b56ac1c540c5bd"
#define KEY_B "0260b2003c386519fc9eadf2b5cf124dd8eea4c4e68d5e154050a9346ea98ce600"
#define KEY_X "a34b99f22c790c4e36b2b3c2c35a36db06226e41c692fc82b8b56ac1c540c5bd"
#define KEY_LONG                                                                                   \
    "04a34b99f22c790c4e36b2b3c2c35a36db06226e41c692fc82b8b56ac1c540c5bd5b8dec5235a0fa8722476c7709" \
    "c025"                                                                                         \
    "59e3aa73aa03918ba2d492eea75abea235"

/* spv_descriptor_parse of a NUL-terminated text, checksum optional. */
int parse_descriptor(struct spv_descriptor **out, struct spv_text_error *why, const char *text,
                     unsigned networks);

/* The text with each private key replaced by the public key that it derives at an index, in hex;
 * its checksum is removed. Returns whether there was a private key. out has cap bytes. */
bool public_form(char *out, size_t cap, const char *text, uint32_t index);

/* The text with each extended private key replaced by the extended public key of the same node; the
 * paths stay, so one with a hardened step parses and cannot be derived. Its checksum is removed.
 * Returns whether there was one. out has cap bytes. */
bool neutered_form(char *out, size_t cap, const char *text);

/* Checks that scripts are those of hex texts; n of them. */
void check_scripts(const struct spv_derived_scripts *got, const char *const *hex, size_t n,
                   const char *text);

#endif
