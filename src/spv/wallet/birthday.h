/* The height from which on blocks concern a wallet of some birthday. */
#ifndef SPV_WALLET_BIRTHDAY_H
#define SPV_WALLET_BIRTHDAY_H

#include <stdbool.h>

#include "spv/chain.h"
#include "spv/header_db.h"

/* consensus: a block's time may be up to two hours ahead of the clock of those who accept it */
#define SPV_WALLET_BIRTHDAY_MARGIN_S 7200

struct spv_birthday {
    uint32_t height; /* at least 1; the one above the tip when no block is as late */
    bool is_below_start; /* blocks below the first stored header may be as late */
};

/* The first height whose maximum time so far is at least the birthday (unix seconds) less
 * SPV_WALLET_BIRTHDAY_MARGIN_S. Stored headers are read in runs. Returns 0, or an error of the
 * header database. */
int spv_birthday_find(struct spv_birthday *out, const struct spv_chain *chain,
                      const struct spv_header_db *db, int64_t birthday);

#endif
