/* Where a proof's block is in the database. */
#include "cli.h"
#include "find_header.h"
#include "proof.h"

int proof_find_block(struct proof_block *out, struct spv_store *store,
                     const struct spv_blockhash *hash)
{
    struct spv_chain_header tip;
    bool best;
    int rc = find_header(store, &out->header, &best, hash, NULL, NULL);

    if (rc == SPV_ERR_INTERRUPTED) {
        return (int)cli_stop_code();
    }
    out->stored = rc > 0;
    if (rc >= 0) {
        rc = spv_store_tip(store, &tip);
    }
    if (rc <= 0) {
        return cli_fail(rc < 0 ? rc : SPV_ERR_DB_DAMAGED, "%s", spv_store_last_error(store));
    }
    out->tip = tip.height;
    out->confirmations = out->stored && best ? tip.height - out->header.height + 1 : 0;
    return CLI_DONE;
}
