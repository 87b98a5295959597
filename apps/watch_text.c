#include "watch_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COIN 100000000 /* satoshis of a BTC */
#define DECIMALS 8

static const char *write_amount(char out[CLI_FIGURE], const char *sign, int64_t satoshis, bool sat)
{
    const uint64_t n = satoshis < 0 ? 0 - (uint64_t)satoshis : (uint64_t)satoshis;

    if (sat)
        (void)snprintf(out, CLI_FIGURE, "%s%" PRIu64, sign, n);
    else
        (void)snprintf(out, CLI_FIGURE, "%s%" PRIu64 ".%08" PRIu64, sign, n / COIN, n % COIN);
    return out;
}

const char *watch_amount(char out[CLI_FIGURE], int64_t satoshis, bool sat)
{
    return write_amount(out, satoshis < 0 ? "-" : "", satoshis, sat);
}

const char *watch_net(char out[CLI_FIGURE], int64_t satoshis, bool sat)
{
    return write_amount(out, satoshis < 0 ? "-" : "+", satoshis, sat);
}

int watch_read_amount(int64_t *out, const char *text, bool sat)
{
    const size_t whole = strspn(text, "0123456789");
    const char *rest = text + whole;
    int64_t n = 0;
    size_t decimals = 0;

    if (whole == 0 || whole > 16)
        return -1;
    for (size_t i = 0; i < whole; i++)
        n = n * 10 + (text[i] - '0');
    if (!sat && *rest == '.') {
        decimals = strspn(++rest, "0123456789");
        if (decimals == 0 || decimals > DECIMALS)
            return -1;
    }
    if (rest[decimals] != '\0' || (!sat && n > INT64_MAX / COIN - 1))
        return -1;
    for (size_t i = 0; !sat && i < DECIMALS; i++)
        n = n * 10 + (i < decimals ? rest[i] - '0' : 0);
    *out = n;
    return 0;
}

const char *watch_short(char out[WATCH_SHORT], const char *text, size_t head, size_t tail)
{
    const size_t n = strlen(text);

    if (n <= head + 2 + tail)
        (void)snprintf(out, WATCH_SHORT, "%s", text);
    else
        (void)snprintf(out, WATCH_SHORT, "%.*s..%s", (int)head, text, text + n - tail);
    return out;
}

char *watch_hex(const struct spv_bytes *bytes)
{
    static const char digits[] = "0123456789abcdef";
    char *text = malloc(2 * bytes->n + 1);

    for (size_t i = 0; text && i < bytes->n; i++) {
        text[2 * i] = digits[bytes->bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes->bytes[i] & 15];
    }
    if (text)
        text[2 * bytes->n] = '\0';
    return text;
}

void watch_cell(const char *text, char after)
{
    if (!strpbrk(text, ",\"\r\n")) {
        fputs(text, stdout);
    } else {
        putchar('"');
        for (; *text != '\0'; text++) {
            if (*text == '"')
                putchar('"');
            putchar(*text);
        }
        putchar('"');
    }
    putchar(after);
}

bool watch_goes_on(void)
{
    return !cli_stopped() && cli_output_error() == 0;
}
