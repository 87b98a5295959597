#include "descriptor_fixture.h"

#include "private_derivation.h"

int parse_descriptor(struct spv_descriptor **out, struct spv_text_error *why, const char *text,
                     unsigned networks)
{
    memset(why, 0, sizeof *why);
    return spv_descriptor_parse(out, why, text, strlen(text), networks,
                                SPV_DESCRIPTOR_CHECKSUM_OPTIONAL);
}

static size_t token_size(const char *text)
{
    return strspn(text, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
}

/* The path after an extended private key, * taken as the index. Returns its characters. */
static size_t follow_path(struct test_xprv *x, const char *path, uint32_t index)
{
    const char *at = path;
    while (*at == '/') {
        char *end;
        const struct test_xprv parent = *x;
        uint32_t step = index;
        if (at[1] == '*')
            at += 2;
        else {
            step = (uint32_t)strtoul(at + 1, &end, 10);
            at = end;
        }
        if (*at == 'h' || *at == '\'') {
            step |= SPV_HARDENED;
            at++;
        }
        test_xprv_derive(x, &parent, step);
    }
    return (size_t)(at - path);
}

static bool is_xprv(const char *text, size_t n)
{
    return n == 111 && memcmp(text + 1, "prv", 3) == 0;
}

bool public_form(char *out, size_t cap, const char *text, uint32_t index)
{
    bool found = false;
    size_t len = 0;
    while (*text && *text != '#') {
        const size_t n = token_size(text);
        uint8_t key[65];
        size_t key_size = 0;
        assert_true(len + 200 < cap);
        if (is_xprv(text, n)) {
            struct test_xprv x;
            test_xprv_parse(&x, text, n);
            text += n + follow_path(&x, text + n, index);
            memcpy(key, x.pub.key, SPV_PUBLIC_KEY);
            key_size = SPV_PUBLIC_KEY;
        } else if ((n == 51 && *text == '5') || (n == 52 && strchr("KL", *text))) {
            key_size = test_wif_public(key, text, n);
            text += n;
        } else {
            const size_t copied = n > 0 ? n : 1;
            memcpy(out + len, text, copied);
            len += copied;
            text += copied;
            continue;
        }
        spv_hex(out + len, key, key_size);
        len += 2 * key_size;
        found = true;
    }
    out[len] = '\0';
    return found;
}

bool neutered_form(char *out, size_t cap, const char *text)
{
    bool found = false;
    size_t len = 0;
    while (*text && *text != '#') {
        const size_t n = token_size(text), copied = n > 0 ? n : 1;
        assert_true(len + copied + SPV_XPUB_TEXT < cap);
        if (is_xprv(text, n)) {
            struct test_xprv x;
            test_xprv_parse(&x, text, n);
            spv_xpub_text(out + len, &x.pub);
            len += strlen(out + len);
            found = true;
        } else {
            memcpy(out + len, text, copied);
            len += copied;
        }
        text += copied;
    }
    out[len] = '\0';
    return found;
}

void check_scripts(const struct spv_derived_scripts *got, const char *const *hex, size_t n,
                   const char *text)
{
    assert_int_equal(got->n, n);
    for (size_t i = 0; i < n; i++) {
        uint8_t script[20000];
        const size_t len = unhex(script, sizeof script, hex[i]);
        if (got->scripts[i].script.n != len ||
            memcmp(got->scripts[i].script.bytes, script, len) != 0)
            fail_msg("script %zu of %s is not %s", i, text, hex[i]);
    }
}
