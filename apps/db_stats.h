/* Statistics of the whole chain from one pass: by year for the table, and by slices for the plots.
 */
#ifndef SPV_DB_STATS_H
#define SPV_DB_STATS_H

#include <stdint.h>

#define DB_YEARS 140 /* 1970 to 2106: the range of 32-bit times */
#define DB_SLICES 600 /* points of a plot */

struct db_year {
    uint32_t blocks;
    uint64_t seconds; /* between its blocks and their parents; steps back count as none */
    uint32_t longest; /* seconds */
    uint32_t longest_height;
    double first_difficulty, last_difficulty;
};

struct db_slice {
    uint32_t blocks;
    uint32_t height, time; /* of its last block */
    int64_t seconds; /* from the slice before to its last block */
    double difficulty; /* of its last block */
};

struct db_figures {
    const char *network;
    uint32_t from, to; /* heights */
    uint32_t per_slice;
    struct db_year years[DB_YEARS];
    struct db_slice slices[DB_SLICES];
    uint32_t n_slices;
};

struct output_file;
/* Draws difficulty (logarithmic) and block interval over the height. */
void db_svg(struct output_file *o, const struct db_figures *f);

#endif
