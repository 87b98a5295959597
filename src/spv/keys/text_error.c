/* A message is formatted into its struct; located characters are appended to it, counted from 1. */
#include "spv/keys/text_error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

SPV_FORMAT(5, 0)
static void text_fill(struct spv_text_error *why, int code, const size_t *at, size_t n_at,
                      const char *format, va_list args)
{
    *why = (struct spv_text_error){.code = (enum spv_err)code, .n_at = (unsigned)n_at};
    for (size_t i = 0; i < n_at; i++)
        why->at[i] = at[i];
    const int n = vsnprintf(why->text, sizeof why->text, format, args);
    const size_t used = n < 0 ? 0 : (size_t)n;
    if (used >= sizeof why->text || n_at == 0)
        return;
    if (n_at == 1)
        (void)snprintf(why->text + used, sizeof why->text - used, " at character %zu", at[0] + 1);
    else
        (void)snprintf(why->text + used, sizeof why->text - used, " at characters %zu and %zu",
                       at[0] + 1, at[1] + 1);
}

int spv_text_fail(struct spv_text_error *why, int code, const char *format, ...)
{
    va_list args;
    if (!why)
        return code;
    va_start(args, format);
    text_fill(why, code, NULL, 0, format, args);
    va_end(args);
    return code;
}

int spv_text_fail_key(struct spv_text_error *why, int code, size_t at, size_t key,
                      const char *format, ...)
{
    va_list args;
    if (!why)
        return code;
    va_start(args, format);
    text_fill(why, code, &at, 1, format, args);
    va_end(args);
    if (key == 0)
        return code;
    why->key = (unsigned)key;
    const size_t used = strlen(why->text);
    (void)snprintf(why->text + used, sizeof why->text - used, " (key %zu)", key);
    return code;
}

int spv_text_fail_many(struct spv_text_error *why, int code, const size_t *at, size_t n_at,
                       const char *format, ...)
{
    va_list args;
    if (!why)
        return code;
    va_start(args, format);
    text_fill(why, code, at, n_at, format, args);
    va_end(args);
    return code;
}
