/* A raw transaction from a user's file. Printable characters and white space only: text, which must
 * be hexadecimal. Anything else is binary: a serialised transaction is never all printable, as its
 * version has zero bytes.
 *
 * Wallets also export PSBTs (BIP174), which are not transactions yet: each of their forms is
 * recognised by "The magic bytes" and refused by name. */
#include <string.h>

#include "spv/broadcast.h"
#include "spv/error.h"
#include "spv/keys/text_error.h"
#include "wire/tx.h"

#define PSBT_MAGIC 5

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool is_text(const uint8_t *in, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!is_space(in[i]) && (in[i] < ' ' || in[i] > '~'))
            return false;
    return true;
}

/* BIP174: a PSBT begins with "psbt" and 0xff, in base64 with "cHNidP". */
static bool is_psbt(const uint8_t *in, size_t n)
{
    static const uint8_t magic[PSBT_MAGIC] = {'p', 's', 'b', 't', 0xff};

    return n >= sizeof magic && memcmp(in, magic, sizeof magic) == 0;
}

static bool is_base64_psbt(const uint8_t *in, size_t n)
{
    while (n > 0 && is_space(*in)) {
        in++;
        n--;
    }
    return n >= 6 && memcmp(in, "cHNidP", 6) == 0;
}

static int refuse_psbt(struct spv_text_error *why)
{
    return spv_text_fail(why, SPV_ERR_TX_PSBT,
                         "this is a PSBT, not a transaction: sign and finalise it, then extract "
                         "the transaction (Bitcoin Core: finalizepsbt)");
}

/* Decodes hexadecimal digits. */
static int decode_hex(uint8_t *out, size_t *n_out, struct spv_text_error *why, const uint8_t *in,
                      size_t n)
{
    size_t n_digits = 0;
    uint8_t high = 0;

    for (size_t i = 0; i < n; i++) {
        const int digit = hex_digit(in[i]);
        if (is_space(in[i]))
            continue;
        if (digit < 0)
            return SPV_TEXT_FAIL_AT(why, SPV_ERR_TEXT_CHARACTER, i, "not a hexadecimal digit");
        if (n_digits % 2 == 0)
            high = (uint8_t)(digit << 4);
        else
            out[n_digits / 2] = (uint8_t)(high | digit);
        n_digits++;
    }
    if (n_digits % 2 != 0)
        return spv_text_fail(why, SPV_ERR_TEXT_CHARACTER,
                             "an odd number of hexadecimal digits (%zu): one is missing", n_digits);
    *n_out = n_digits / 2;
    return 0;
}

/* A transaction without inputs: spv_tx_parse takes the input count 0 for the marker of BIP144. Read
 * as the count, the rest must fill the bytes exactly. */
static bool has_no_inputs(const uint8_t *bytes, size_t n)
{
    struct spv_cursor c = spv_cursor_over(bytes, n);
    size_t n_outputs;

    spv_cursor_u32(&c);
    if (spv_cursor_u8(&c) != 0 || c.error != 0)
        return false;
    if (n >= 7 && bytes[5] == 1 && bytes[6] == 0)
        return true; /* marker, flag, and a count of 0 */
    n_outputs = spv_cursor_count(&c, SIZE_MAX, 9);
    for (size_t i = 0; i < n_outputs && c.error == 0; i++) {
        spv_cursor_u64(&c);
        spv_tx_take_bytes(&c);
    }
    spv_cursor_u32(&c);
    return spv_cursor_finish(&c) == 0;
}

/* Fails with an error at a byte of the transaction; of text, the position is that of a character.
 */
static int fail_at_byte(struct spv_text_error *why, int code, size_t at, const uint8_t *text,
                        size_t n)
{
    size_t i = 0;

    if (code == SPV_ERR_SHORT)
        return spv_text_fail(why, code, "the transaction ends too early, after %zu bytes", at);
    for (size_t digits = 0; text && i < n; i++) {
        if (!is_space(text[i]) && digits++ == 2 * at)
            break;
    }
    if (!text)
        i = at;
    return code == SPV_ERR_TRAILING
               ? SPV_TEXT_FAIL_AT(why, code, i, "more bytes follow the transaction, which ends")
               : SPV_TEXT_FAIL_AT(why, code, i, "not a transaction (%s): wrong",
                                  spv_strerror(code));
}

static int check_form(struct spv_text_error *why, const uint8_t *bytes, size_t n,
                      const uint8_t *text, size_t n_text)
{
    struct spv_cursor c = spv_cursor_over(bytes, n);
    struct spv_tx tx;
    int rc;

    spv_tx_read(&tx, &c);
    rc = spv_cursor_finish(&c);
    if (rc == 0)
        return 0;
    /* consensus: bad-txns-vin-empty, bad-txns-vout-empty */
    if (has_no_inputs(bytes, n))
        return spv_text_fail(why, SPV_ERR_TX_NO_INPUTS, "the transaction has no inputs");
    if (c.error == SPV_ERR_MALFORMED && tx.n_inputs > 0 && tx.n_outputs == 0)
        return spv_text_fail(why, SPV_ERR_TX_NO_OUTPUTS, "the transaction has no outputs");
    return fail_at_byte(why, rc, rc == SPV_ERR_SHORT ? n : (size_t)(c.p - bytes), text, n_text);
}

int spv_broadcast_decode(uint8_t *out, size_t *n_out, struct spv_text_error *why, const void *in,
                         size_t n)
{
    const uint8_t *bytes = in;
    const bool text = is_text(bytes, n);
    int rc = 0;

    if (n == 0)
        return spv_text_fail(why, SPV_ERR_SHORT, "there is no transaction: the input is empty");
    if (is_psbt(bytes, n) || (text && is_base64_psbt(bytes, n)))
        return refuse_psbt(why);
    if (!text) {
        memmove(out, bytes, n);
        *n_out = n;
        return check_form(why, out, n, NULL, 0);
    }
    rc = decode_hex(out, n_out, why, bytes, n);
    if (rc < 0)
        return rc;
    if (is_psbt(out, *n_out))
        return refuse_psbt(why);
    return check_form(why, out, *n_out, bytes, n);
}
