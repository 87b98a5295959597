/* SQLite's printf separates thousands by commas, which C's cannot. */
#include "store/row_count.h"

#include <sqlite3.h>

const char *spv_count(char out[SPV_COUNT_TEXT], int64_t n)
{
    return sqlite3_snprintf(SPV_COUNT_TEXT, out, "%,lld", (sqlite3_int64)n);
}
