/* The height from which on blocks are scanned for a wallet with a birthday. */
#ifndef SPV_WALLET_BIRTHDAY_H
#define SPV_WALLET_BIRTHDAY_H

#include <stdbool.h>

#include "spv/chain.h"
#include "spv/header_db.h"

/* seconds; consensus: a block's time may be up to two hours ahead of a node's clock */
#define SPV_WALLET_BIRTHDAY_MARGIN_S 7200

struct spv_birthday {
    uint32_t height; /* at least 1; one above the tip when the birthday is later than all blocks */
    bool is_below_start; /* a block below the first stored header may already reach the birthday */
};

/* The first height whose maximum time so far is at least the birthday (unix seconds) less
 * SPV_WALLET_BIRTHDAY_MARGIN_S. Stored headers are read once. Returns 0, or an error of the header
 * database. */
int spv_birthday_find(struct spv_birthday *out, const struct spv_chain *chain,
                      const struct spv_header_db *db, int64_t birthday);

#endif
