/* Heights and sizes in messages, as people read them: 1,234,567. */
#ifndef SPV_STORE_COUNT_TEXT_H
#define SPV_STORE_COUNT_TEXT_H

#include <stdint.h>

#define SPV_COUNT_TEXT_SIZE 28 /* "-9,223,372,036,854,775,808" and its end */
/* Writes the number into out and returns it. */
const char *spv_count_text(char out[SPV_COUNT_TEXT_SIZE], int64_t n);
/* The same in a buffer of its own, for one message. */
#define SPV_COUNT(n) spv_count_text((char[SPV_COUNT_TEXT_SIZE]){""}, (n))

#endif
