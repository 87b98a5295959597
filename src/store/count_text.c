/* SQLite's printf separates thousands by commas, which C's cannot. */
#include "store/count_text.h"

#include <sqlite3.h>

const char *spv_count_text(char out[SPV_COUNT_TEXT_SIZE], int64_t n)
{
    return sqlite3_snprintf(SPV_COUNT_TEXT_SIZE, out, "%,lld", (sqlite3_int64)n);
}
