/* Address text and extended keys; the first byte chooses the networks (bits 0 to 5) and whether the
 * rest is the text or a script (bit 6). Invariants: an error has a message and at most two
 * positions within the text; a decoded address encodes to the same text in lower case on each of
 * its networks; a script with an address is what the address decodes to. */
#include <stdbool.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "spv/address.h"
#include "spv/keys.h"

static void check_error(const struct spv_text_error *why, int rc, size_t n)
{
    FUZZ_CHECK((int)why->code == rc);
    FUZZ_CHECK(memchr(why->text, '\0', sizeof why->text));
    FUZZ_CHECK(strlen(why->text) > 5);
    FUZZ_CHECK(why->n_at <= 2);
    for (unsigned i = 0; i < why->n_at; i++)
        FUZZ_CHECK(why->at[i] < n);
    FUZZ_CHECK(why->n_at < 2 || why->at[0] < why->at[1]);
}

static bool same_text(const char *a, const char *text, size_t n)
{
    if (strlen(a) != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (a[i] != text[i] && a[i] != text[i] - 'A' + 'a')
            return false;
    return true;
}

static void fuzz_script(const uint8_t *script, size_t n)
{
    struct spv_script_info info;
    struct spv_script_iter iter = spv_script_ops(script, n);
    struct spv_script_op op;
    size_t seen = 0;
    (void)spv_script_classify(&info, script, n);
    FUZZ_CHECK(info.data.n <= n && info.threshold <= info.n_keys && info.n_keys <= 20);
    FUZZ_CHECK(strcmp(spv_script_kind_name(info.kind), "unknown") != 0);
    while (spv_script_next_op(&iter, &op) == 1)
        seen += 1 + op.data.n;
    FUZZ_CHECK(seen <= n);
    for (unsigned i = 0; i < SPV_NETWORKS; i++) {
        char text[SPV_ADDRESS_TEXT];
        struct spv_address back;
        if (spv_address_encode(text, script, n, (enum spv_network)i) != 0)
            continue;
        FUZZ_CHECK(spv_address_decode(&back, NULL, text, strlen(text), SPV_NETWORK_BIT(i)) == 0);
        FUZZ_CHECK(back.n == n && memcmp(back.script, script, n) == 0 && back.kind == info.kind);
    }
}

static void fuzz_xpub(const char *text, size_t n)
{
    struct spv_xpub xpub, child;
    struct spv_text_error why;
    char back[SPV_XPUB_TEXT];
    const int rc = spv_xpub_parse(&xpub, &why, text, n);
    if (rc != 0) {
        check_error(&why, rc, n);
        return;
    }
    spv_xpub_text(back, &xpub);
    FUZZ_CHECK(strlen(back) == n && memcmp(back, text, n) == 0);
    FUZZ_CHECK(spv_xpub_networks(&xpub) != 0);
    FUZZ_CHECK(spv_xpub_derive(&child, &xpub, 0) == (xpub.depth == 255 ? SPV_ERR_TOO_LONG : 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct spv_address address;
    struct spv_text_error why;
    if (size < 1)
        return 0;
    const unsigned networks =
        data[0] & SPV_ANY_NETWORK ? data[0] & SPV_ANY_NETWORK : SPV_ANY_NETWORK;
    const char *text = (const char *)data + 1;
    const size_t n = size - 1;
    if (data[0] & 0x40) {
        fuzz_script(data + 1, n);
        return 0;
    }
    fuzz_xpub(text, n);
    const int rc = spv_address_decode(&address, &why, text, n, networks);
    if (rc != 0) {
        check_error(&why, rc, n);
        return 0;
    }
    FUZZ_CHECK(address.networks & networks);
    for (unsigned i = 0; i < SPV_NETWORKS; i++) {
        char back[SPV_ADDRESS_TEXT];
        if (!(address.networks & SPV_NETWORK_BIT(i)))
            continue;
        FUZZ_CHECK(spv_address_encode(back, address.script, address.n, (enum spv_network)i) == 0);
        FUZZ_CHECK(same_text(back, text, n));
    }
    return 0;
}
