/* Segwit addresses (BIP173, BIP350): version 0 with bech32, later ones with bech32m. When the
 * checksum is wrong, the errors are located under both constants, and a correction is used only
 * when the corrected text is an address: which of the two applies depends on the version, and that
 * may be the wrong character. */
#include <string.h>

#include "spv/keys/bech32.h"
#include "spv/keys/prefixes.h"
#include "spv/keys/script.h"
#include "spv/keys/segwit.h"
#include "spv/keys/text_error.h"

#define MAX_VERSION 16

static char to_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

const struct spv_bech32_prefix *spv_segwit_prefix(const char *text, size_t n)
{
    for (size_t i = 0; i < SPV_BECH32_PREFIXES; i++) {
        const char *hrp = spv_bech32_prefixes[i].hrp;
        const size_t len = strlen(hrp);
        size_t same = 0;
        if (n <= len || text[len] != '1')
            continue;
        while (same < len && to_lower(text[same]) == hrp[same])
            same++;
        if (same == len)
            return &spv_bech32_prefixes[i];
    }
    return NULL;
}

/* The values after the prefix, checksum included. */
struct segwit_text {
    const char *hrp;
    size_t begin; /* offset of the first value in the text */
    uint8_t values[SPV_BECH32_VALUES];
    size_t n;
    size_t bad[2]; /* the first positions outside the charset, where values are 0 */
    size_t n_bad;
};

static uint32_t constant_of(uint8_t version)
{
    return version == 0 ? SPV_BECH32_CONST : SPV_BECH32M_CONST;
}

/* The address of the values. Returns NULL, or what is wrong. */
static const char *segwit_script(struct spv_address *out, const uint8_t *values, size_t n)
{
    uint8_t program[SPV_BECH32_VALUES];
    struct spv_script_info info;
    if (values[0] > MAX_VERSION)
        return "the witness version is above 16";
    const int size = spv_bech32_regroup(program, values + 1, n - 1 - SPV_BECH32_SUM, 5, 8);
    if (size < 0)
        return "the padding of the witness program is not at most four zero bits";
    if (size < SPV_WITNESS_PROGRAM_MIN || size > SPV_WITNESS_PROGRAM_MAX)
        return "the witness program has not 2 to 40 bytes";
    out->n = spv_script_witness(out->script, values[0], program, (size_t)size);
    out->kind = spv_script_classify(&info, out->script, out->n);
    if (out->kind == SPV_SCRIPT_NONSTANDARD)
        return "the program of witness version 0 has neither 20 nor 32 bytes";
    return NULL;
}

/* A correction of a wrong text: the positions of its at most two wrong characters. */
struct correction {
    size_t n;
    size_t at[2];
    bool is_known; /* the corrected address has a known kind of script */
};

/* n becomes 3 when there are more than two. */
static void add_position(struct correction *r, size_t at)
{
    for (size_t i = 0; i < r->n && i < 2; i++)
        if (r->at[i] == at)
            return;
    if (r->n < 2)
        r->at[r->n] = at;
    r->n = r->n < 2 ? r->n + 1 : 3;
}

/* The correction under one constant: false when there is none. */
static bool correct_under(struct correction *out, const struct segwit_text *t, uint32_t constant)
{
    struct spv_bech32_errors errors;
    struct spv_address address;
    uint8_t values[SPV_BECH32_VALUES] = {0};
    const uint32_t remainder = spv_bech32_remainder(t->hrp, t->values, t->n);
    if (spv_bech32_locate(&errors, remainder ^ constant, t->n) != 0)
        return false;
    memcpy(values, t->values, t->n);
    *out = (struct correction){0};
    for (size_t i = 0; i < t->n_bad; i++)
        add_position(out, t->bad[i]);
    for (size_t i = 0; i < errors.n; i++) {
        values[errors.at[i]] ^= errors.change[i];
        add_position(out, errors.at[i]);
    }
    if (out->n > 2 || constant_of(values[0]) != constant || segwit_script(&address, values, t->n))
        return false;
    out->is_known = address.kind != SPV_SCRIPT_WITNESS_UNKNOWN;
    return true;
}

/* Whether a explains the text better than b: fewer errors, then a known kind of script. */
static bool is_better(const struct correction *a, const struct correction *b)
{
    return a->n != b->n ? a->n < b->n : a->is_known && !b->is_known;
}

/* The wrong characters' offsets in the text, ascending. Returns how many are known. */
static size_t locate_errors(size_t at[2], const struct segwit_text *t)
{
    struct correction bech32, bech32m, *best = NULL;
    const bool has_bech32 = correct_under(&bech32, t, SPV_BECH32_CONST);
    const bool has_bech32m = correct_under(&bech32m, t, SPV_BECH32M_CONST);
    if (has_bech32 && (!has_bech32m || is_better(&bech32, &bech32m)))
        best = &bech32;
    else if (has_bech32m && (!has_bech32 || is_better(&bech32m, &bech32)))
        best = &bech32m;
    const size_t *found = best ? best->at : t->bad;
    const size_t n = best ? best->n : t->n_bad;
    for (size_t i = 0; i < n; i++)
        at[i] = t->begin + found[i];
    if (n == 2 && at[0] > at[1]) {
        const size_t first = at[1];
        at[1] = at[0];
        at[0] = first;
    }
    return n;
}

/* The positions of up to two characters whose case differs from that of the other letters. */
static size_t mixed_case(size_t at[2], const char *text, size_t n)
{
    size_t upper = 0, lower = 0, found = 0;
    for (size_t i = 0; i < n; i++) {
        upper += text[i] >= 'A' && text[i] <= 'Z';
        lower += text[i] >= 'a' && text[i] <= 'z';
    }
    if (upper == 0 || lower == 0)
        return 0;
    for (size_t i = 0; i < n && found < 2; i++) {
        const bool is_upper = text[i] >= 'A' && text[i] <= 'Z';
        const bool is_lower = text[i] >= 'a' && text[i] <= 'z';
        if (upper < lower ? is_upper : is_lower)
            at[found++] = i;
    }
    return upper <= 2 || lower <= 2 ? found : 1;
}

int spv_segwit_decode(struct spv_address *out, struct spv_text_error *why, const char *text,
                      size_t n, const struct spv_bech32_prefix *prefix)
{
    struct segwit_text t = {.hrp = prefix->hrp, .begin = strlen(prefix->hrp) + 1};
    size_t at[2], all_bad = 0;
    if (n > SPV_BECH32_TEXT)
        return spv_text_fail(why, SPV_ERR_ADDRESS, "the address is longer than 90 characters");
    if (n < t.begin + 1 + SPV_BECH32_SUM)
        return spv_text_fail(why, SPV_ERR_ADDRESS, "the address is too short");
    for (; t.n < n - t.begin; t.n++) {
        const uint8_t value = spv_bech32_value(text[t.begin + t.n]);
        t.values[t.n] = value == SPV_BECH32_BAD ? 0 : value;
        if (value == SPV_BECH32_BAD && all_bad++ < 2)
            t.bad[t.n_bad++] = t.n;
    }
    const size_t n_case = mixed_case(at, text, n);
    if (all_bad == 0 && n_case > 0)
        return spv_text_fail_many(why, SPV_ERR_TEXT_CHARACTER, at, n_case,
                                  "upper and lower case are mixed");
    if (all_bad > 0) {
        const size_t n_at = all_bad > 2 ? 1 : locate_errors(at, &t);
        if (all_bad > 2)
            at[0] = t.begin + t.bad[0];
        return spv_text_fail_many(why, SPV_ERR_TEXT_CHARACTER, at, n_at,
                                  "a character that bech32 does not use");
    }
    const uint32_t remainder = spv_bech32_remainder(t.hrp, t.values, t.n);
    const bool is_bech32 = remainder == SPV_BECH32_CONST;
    if (is_bech32 || remainder == SPV_BECH32M_CONST) {
        if (constant_of(t.values[0]) != remainder)
            return spv_text_fail(why, SPV_ERR_TEXT_CHECKSUM,
                                 is_bech32 ? "the checksum is bech32, which is for witness version "
                                             "0 only"
                                           : "the checksum is bech32m, which is not for witness "
                                             "version 0");
        const char *wrong = segwit_script(out, t.values, t.n);
        out->networks = prefix->networks;
        return wrong ? spv_text_fail(why, SPV_ERR_ADDRESS, "%s", wrong) : 0;
    }
    const size_t n_at = locate_errors(at, &t);
    return spv_text_fail_many(why, SPV_ERR_TEXT_CHECKSUM, at, n_at,
                              n_at > 0 ? "wrong checksum: check the address"
                                       : "wrong checksum: the wrong characters cannot be located");
}
