/* Publishing transactions: what is refused before, and a state machine that announces them to peers
 * until they are confirmed. It performs no I/O and reads no clock.
 *
 * Progress is facts, counted by network groups: to how many a transaction was announced, how many
 * fetched it, and how many announced it back that did not have it from us. None of them proves that
 * a miner has it. A reject message is a hint: anyone may send one.
 *
 * Every input collects changes, as those of a wallet (spv/wallet.h) do: after an error of class
 * LOCAL, or when the store failed, the machine is freed and loaded again from its rows.
 *
 * Thread rule: all calls on one machine from one thread at a time; different ones are independent.
 * Amounts are in satoshis, hashes in internal byte order. */
#ifndef SPV_BROADCAST_H
#define SPV_BROADCAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spv/error.h"
#include "spv/export.h"
#include "spv/message.h"
#include "spv/tx.h"
#include "spv/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- checks ---- */

/* Limits of what nodes relay (Bitcoin Core: policy/policy.h, policy/packages.h, node/transaction.h)
 */
#define SPV_BROADCAST_MIN_SIZE 65 /* bytes without witness: MIN_STANDARD_TX_NONWITNESS_SIZE */
#define SPV_BROADCAST_MAX_WEIGHT 400000 /* MAX_STANDARD_TX_WEIGHT */
#define SPV_BROADCAST_MAX_PACKAGE 25 /* transactions: MAX_PACKAGE_COUNT */
#define SPV_BROADCAST_MAX_PACKAGE_WEIGHT 404000 /* MAX_PACKAGE_WEIGHT */
/* satoshis per 1,000 virtual bytes: DEFAULT_MAX_RAW_TX_FEE_RATE, 0.1 BTC */
#define SPV_BROADCAST_MAX_FEE_RATE 10000000
#define SPV_LOCK_TIME_THRESHOLD 500000000 /* consensus: a lock time below it is a height */

/* Reads a raw transaction from a file or from standard input: hexadecimal digits of either case,
 * between which white space is ignored, or binary. It is checked for its form (spv_tx_parse). out
 * gets its bytes; it has room for n of them and does not overlap `in`. why may be NULL; the
 * positions of its message count characters of the input. Returns 0 and *n_out, SPV_ERR_TX_PSBT for
 * a PSBT (BIP174) as bytes, hexadecimal or base64, SPV_ERR_TEXT_CHARACTER for another character or
 * an odd number of digits, SPV_ERR_TX_NO_INPUTS, SPV_ERR_TX_NO_OUTPUTS, or an error of
 * spv_tx_parse. Any thread. */
SPV_API int spv_broadcast_decode(uint8_t *out, size_t *n_out, struct spv_text_error *why,
                                 const void *in, size_t n);

/* What is known of an output that a transaction spends. */
struct spv_broadcast_prevout {
    int64_t value;
    uint32_t height; /* of its block; UINT32_MAX: in no block */
};
struct spv_broadcast_check_config {
    /* Finds an output that is ours; false when it is not. NULL: none is. Those of the package
     * itself are found without it. */
    bool (*find_output)(void *ctx, struct spv_broadcast_prevout *out, const struct spv_txid *txid,
                        uint32_t vout);
    void *ctx;
    bool allow_high_fee; /* no limit of the fee rate */
};
/* What a check found in one transaction that is not refused. */
struct spv_broadcast_report {
    struct spv_txid txid;
    int64_t fee; /* -1 unless every output that it spends is ours or of the package */
    /* Warning: inputs with neither scriptSig nor witness, which look unsigned. Rightly so only when
     * they spend an output that anyone can spend. */
    size_t n_unsigned;
    size_t first_unsigned; /* number of the first one, from 0 */
    /* Warning: inputs with a relative lock (BIP68) that is not known to be met: a time, or blocks
     * above an output whose height is unknown. */
    size_t n_relative;
    /* Peers accept it when the best chain has this height, and its median time past is above this
     * time; 0: at once. */
    uint32_t wait_height;
    int64_t wait_time;
};
/* Checks a transaction, or a package: parents, in an order in which each comes before those that
 * spend it, and last one child that spends all of them. reports has room for n. why may be NULL;
 * its message names the transaction and the input or output, counted from 1.
 *
 * Returns 0, SPV_ERR_TX_SIZE, SPV_ERR_TX_WEIGHT, SPV_ERR_TX_NULL_PREVOUT (a coinbase, too),
 * SPV_ERR_TX_DUPLICATE_INPUT (within one transaction, or two of a package), SPV_ERR_TX_VALUE (an
 * output or their sum is above 21 million BTC or negative, or more is paid than spent),
 * SPV_ERR_TX_FEE_RATE when the fee is known, SPV_ERR_PACKAGE_SIZE, SPV_ERR_PACKAGE_FORM, or
 * SPV_ERR_INVALID for n = 0. Any thread. */
SPV_API int spv_broadcast_check(struct spv_broadcast_report *reports, struct spv_text_error *why,
                                const struct spv_tx *txs, size_t n,
                                const struct spv_broadcast_check_config *cfg);

#ifdef __cplusplus
}
#endif

#endif
