/* Parsing: first the text is searched for private keys, then the characters and the checksum are
 * checked, then the text before # is parsed. */
#include <stdlib.h>
#include <string.h>

#include "spv/keys/desc_checksum.h"
#include "spv/keys/desc_parser.h"
#include "spv/keys/desc_text.h"
#include "spv/keys/private_key.h"

/* Checks the characters and the checksum; *body is the length of the text before #. */
static int check_sum(size_t *body, struct spv_text_error *why, const char *text, size_t n,
                     enum spv_descriptor_checksum_rule rule)
{
    char want[SPV_DESCRIPTOR_CHECKSUM_CHARS + 1];
    for (size_t i = 0; i < n; i++)
        if (!spv_desc_has_char(text[i]))
            return SPV_TEXT_FAIL_AT(why, SPV_ERR_TEXT_CHARACTER, i,
                                    "a character that descriptors do not use");
    const char *mark = n > 0 ? memchr(text, '#', n) : NULL;
    *body = mark ? (size_t)(mark - text) : n;
    if (!mark && rule == SPV_DESCRIPTOR_CHECKSUM_REQUIRED)
        return spv_text_fail(why, SPV_ERR_TEXT_CHECKSUM, "the checksum (#...) is missing");
    if (!mark)
        return 0;
    const char *given = mark + 1;
    const size_t len = n - *body - 1;
    const char *second = len > 0 ? memchr(given, '#', len) : NULL;
    if (second)
        return SPV_TEXT_FAIL_AT(why, SPV_ERR_DESC_SYNTAX, (size_t)(second - text), "a second #");
    if (len != SPV_DESCRIPTOR_CHECKSUM_CHARS)
        return spv_text_fail(why, SPV_ERR_TEXT_CHECKSUM,
                             "a checksum has 8 characters, the one given has %zu", len);
    (void)spv_descriptor_checksum(want, text, *body);
    if (memcmp(given, want, SPV_DESCRIPTOR_CHECKSUM_CHARS) != 0)
        return spv_text_fail(why, SPV_ERR_TEXT_CHECKSUM,
                             "wrong checksum: #%.8s is given, #%s is expected", given, want);
    return 0;
}

int spv_descriptor_parse(struct spv_descriptor **out, struct spv_text_error *why, const char *text,
                         size_t n, unsigned networks, enum spv_descriptor_checksum_rule rule)
{
    struct spv_desc_parser p = {.text = text, .why = why};
    *out = NULL;
    if (!(networks & SPV_ANY_NETWORK))
        return spv_text_fail(why, SPV_ERR_INVALID, "no network is allowed");
    int rc = spv_private_key_refuse(why, text, n);
    if (rc != 0)
        return rc;
    if (n > SPV_DESCRIPTOR_TEXT_MAX)
        return spv_text_fail(why, SPV_ERR_DESC_LIMIT, "the descriptor is longer than %d characters",
                             SPV_DESCRIPTOR_TEXT_MAX);
    rc = check_sum(&p.n, why, text, n, rule);
    if (rc != 0)
        return rc;
    p.d = calloc(1, sizeof *p.d);
    if (!p.d)
        return spv_desc_nomem(&p);
    p.d->networks = networks & SPV_ANY_NETWORK;
    p.d->n_branches = 1;
    rc = spv_desc_read(&p);
    if (rc != 0)
        goto fail;
    p.d->text = spv_desc_write(p.d, SPV_DESC_ALL_BRANCHES);
    if (!p.d->text) {
        rc = spv_desc_nomem(&p);
        goto fail;
    }
    *out = p.d;
    return 0;
fail:
    spv_descriptor_free(p.d);
    return rc;
}

int spv_descriptor_expand(struct spv_descriptor **out, const struct spv_descriptor *descriptor,
                          size_t branch)
{
    *out = NULL;
    if (branch >= descriptor->n_branches)
        return SPV_ERR_INVALID;
    char *text = spv_desc_write(descriptor, branch);
    if (!text)
        return SPV_ERR_NOMEM;
    const int rc = spv_descriptor_parse(out, NULL, text, strlen(text), descriptor->networks,
                                        SPV_DESCRIPTOR_CHECKSUM_REQUIRED);
    free(text);
    return rc;
}

const char *spv_descriptor_text(const struct spv_descriptor *descriptor)
{
    return descriptor->text;
}

unsigned spv_descriptor_networks(const struct spv_descriptor *descriptor)
{
    return descriptor->networks;
}

bool spv_descriptor_is_range(const struct spv_descriptor *descriptor)
{
    return descriptor->is_range;
}

size_t spv_descriptor_n_branches(const struct spv_descriptor *descriptor)
{
    return descriptor->n_branches;
}
