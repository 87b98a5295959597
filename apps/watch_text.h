/* Amounts, identifiers and cells of CSV as spv-watch prints them. */
#ifndef APPS_WATCH_TEXT_H
#define APPS_WATCH_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli.h"
#include "spv/tx.h"

/* Writes an amount in BTC with 8 decimals, or in satoshis, and returns it. */
const char *watch_amount(char out[CLI_FIGURE], int64_t satoshis, bool sat);
/* The same, with a plus sign. */
const char *watch_net(char out[CLI_FIGURE], int64_t satoshis, bool sat);
/* Reads an amount in BTC with at most 8 decimals, or in satoshis. Returns 0, or -1 when it is not
 * one. */
int watch_read_amount(int64_t *out, const char *text, bool sat);

#define WATCH_SHORT 84
/* Writes the text, or its first `head` and last `tail` bytes with ".." between, and returns it. */
const char *watch_short(char out[WATCH_SHORT], const char *text, size_t head, size_t tail);

/* Returns hex digits, which the caller frees; NULL: no memory. */
char *watch_hex(const struct spv_bytes *bytes);

/* Prints a cell of CSV, quoted where it must be (RFC 4180), and a comma or the line's end. */
void watch_cell(const char *text, char after);

/* Whether a list goes on: no stop signal, and someone reads it. */
bool watch_goes_on(void);

#endif
