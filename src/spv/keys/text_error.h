/* Filling struct spv_text_error. The format may use names and numbers, never a part of the text
 * that is read, which may contain a private key. */
#ifndef SPV_KEYS_TEXT_ERROR_H
#define SPV_KEYS_TEXT_ERROR_H

#include <stddef.h>

#include "spv/error.h"

#if defined(__GNUC__)
#define SPV_FORMAT(string, first) __attribute__((format(printf, string, first)))
#else
#define SPV_FORMAT(string, first)
#endif

/* All return the code; why may be NULL. The message ends with the position, counted from 1. */
int spv_text_fail(struct spv_text_error *why, int code, const char *format, ...) SPV_FORMAT(3, 4);
#define SPV_TEXT_FAIL_AT(why, code, at, ...) spv_text_fail_key(why, code, at, 0, __VA_ARGS__)
/* With the number of a descriptor's key; 0: none. */
int spv_text_fail_key(struct spv_text_error *why, int code, size_t at, size_t key,
                      const char *format, ...) SPV_FORMAT(5, 6);
/* n_at up to 2; at ascending. */
int spv_text_fail_many(struct spv_text_error *why, int code, const size_t *at, size_t n_at,
                       const char *format, ...) SPV_FORMAT(5, 6);

#endif
