/* Checkpoints that a user gives, on the command line or in a file, merged with a network's own. */
#ifndef SPV_CHECKPOINT_LIST_H
#define SPV_CHECKPOINT_LIST_H

#include "cli.h"

#define CHECKPOINTS_GIVEN 4096 /* at most: more than one a period since 2009 */

struct checkpoint_list {
    struct spv_checkpoint *at; /* ascending; from malloc */
    size_t n;
    size_t cap;
    size_t given; /* how many of them the user gave */
};

/* Merges the network's checkpoints (base, n_base) with "HEIGHT:HASH" items and those of a file
 * (NULL: none). The file's lines are HEIGHT:HASH or HEIGHT,HASH[,...], strictly ascending; a header
 * line of CSV, empty lines and those that start with # are skipped. One that contradicts another is
 * refused. Returns CLI_DONE, or the code to exit with after reporting the error. */
int checkpoint_list_make(struct checkpoint_list *out, const struct spv_checkpoint *base,
                         size_t n_base, const struct cli_list *items, const char *file);
void checkpoint_list_free(struct checkpoint_list *list);

/* Parses a date "YYYY-MM-DD" to the unix time at which the day begins (UTC). Returns 0, or -1 when
 * it is not a date. */
int birthday_parse(int64_t *out, const char *text);

#endif
