/* Descriptor text. The first byte chooses the networks (bits 0 to 5), the second whether a checksum
 * is required and the index. Invariants: an error has a message that is NUL-terminated and at most
 * two positions within the text, and repeats no key; a parsed descriptor's canonical text is its
 * own canonical text and gives the same scripts; hardened ones give none; each path expands. */
#include <stdbool.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "spv/descriptor.h"

static void check_error(const struct spv_text_error *why, int rc, size_t n)
{
    FUZZ_CHECK((int)why->code == rc);
    FUZZ_CHECK(memchr(why->text, '\0', sizeof why->text));
    FUZZ_CHECK(strlen(why->text) > 5);
    FUZZ_CHECK(why->n_at <= 2);
    for (unsigned i = 0; i < why->n_at; i++)
        FUZZ_CHECK(why->at[i] <= n);
    FUZZ_CHECK(why->n_at < 2 || why->at[0] < why->at[1]);
}

static void check_scripts(const struct spv_descriptor *a, const struct spv_descriptor *b,
                          uint32_t index)
{
    struct spv_derived_scripts x, y;
    const int rc = spv_descriptor_derive(&x, a, 0, index, 2);
    FUZZ_CHECK(spv_descriptor_derive(&y, b, 0, index, 2) == rc);
    FUZZ_CHECK((spv_descriptor_check_derivable(a, NULL) == 0) == (rc == 0));
    FUZZ_CHECK(x.n == y.n);
    FUZZ_CHECK(rc != 0 ||
               x.n == spv_descriptor_scripts_per_index(a) * (spv_descriptor_is_range(a) ? 2 : 1));
    for (size_t i = 0; i < x.n; i++) {
        FUZZ_CHECK(x.scripts[i].script.n == y.scripts[i].script.n);
        FUZZ_CHECK(x.scripts[i].script.n == 0 ||
                   memcmp(x.scripts[i].script.bytes, y.scripts[i].script.bytes,
                          x.scripts[i].script.n) == 0);
    }
    spv_derived_scripts_free(&x);
    spv_derived_scripts_free(&y);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    const unsigned networks =
        data[0] & SPV_ANY_NETWORK ? data[0] & SPV_ANY_NETWORK : SPV_ANY_NETWORK;
    const enum spv_descriptor_checksum_rule rule =
        data[1] & 1 ? SPV_DESCRIPTOR_CHECKSUM_REQUIRED : SPV_DESCRIPTOR_CHECKSUM_OPTIONAL;
    const char *text = (const char *)data + 2;
    struct spv_descriptor *d, *again, *single;
    struct spv_text_error why;
    const int rc = spv_descriptor_parse(&d, &why, text, size - 2, networks, rule);
    if (rc != 0) {
        FUZZ_CHECK(!d);
        check_error(&why, rc, size - 2);
        return 0;
    }
    const char *canonical = spv_descriptor_text(d);
    FUZZ_CHECK(spv_descriptor_networks(d) != 0 && (spv_descriptor_networks(d) & ~networks) == 0);
    FUZZ_CHECK(spv_descriptor_parse(&again, &why, canonical, strlen(canonical), networks,
                                    SPV_DESCRIPTOR_CHECKSUM_REQUIRED) == 0);
    FUZZ_CHECK(strcmp(spv_descriptor_text(again), canonical) == 0);
    FUZZ_CHECK(spv_descriptor_n_branches(d) >= 1);
    FUZZ_CHECK(spv_descriptor_expand(&single, d, spv_descriptor_n_branches(d) - 1) == 0);
    FUZZ_CHECK(spv_descriptor_n_branches(single) == 1);
    if (spv_descriptor_n_branches(d) == 1)
        FUZZ_CHECK(strcmp(spv_descriptor_text(single), canonical) == 0);
    check_scripts(d, again, data[1] >> 1);
    spv_descriptor_free(single);
    spv_descriptor_free(again);
    spv_descriptor_free(d);
    return 0;
}
