/* The script of the output that an input spends, as far as the input reveals it. */
#ifndef SPV_SPV_FILTERS_PREVOUT_SCRIPT_H
#define SPV_SPV_FILTERS_PREVOUT_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spv/tx.h"

#define SPV_PREVOUT_SCRIPT_MAX 34 /* bytes: P2WSH */

enum spv_prevout_kind {
    SPV_PREVOUT_UNKNOWN, /* not revealed: a bare public key, taproot, any bare script */
    SPV_PREVOUT_INFERRED, /* likely, by the shape of the input */
    SPV_PREVOUT_CERTAIN,
};

/* Computes the script into out, SPV_PREVOUT_SCRIPT_MAX bytes, and its length into *n, unless it is
 * unknown. segwit_active: BIP141's rules hold in the input's block. */
enum spv_prevout_kind spv_prevout_script(uint8_t *out, size_t *n, const struct spv_tx_input *input,
                                         const struct spv_witness *witness, bool segwit_active);

#endif
