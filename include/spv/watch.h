/* What a wallet watches: descriptors, scripts, outpoints and transaction ids, all without private
 * keys. Used through a wallet (spv/wallet.h).
 *
 * A descriptor with a range has one window of active indexes on each of its branches (the paths of
 * a multipath descriptor, BIP389: receiving, change): it reaches `gap` indexes beyond the highest
 * one that is used (a transaction ever paid it) or reserved, and never shrinks. Blocks are scanned
 * for some scripts beyond it as well, the look-ahead, but payments to these are in history and
 * balances only when the window reaches them: then no block has to be scanned again. */
#ifndef SPV_WATCH_H
#define SPV_WATCH_H

#include <stddef.h>
#include <stdint.h>

#include "spv/tx.h"
#include "spv/types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SPV_WATCH_GAP 20 /* default: BIP44's gap limit */
/* ours: indexes; one incoming payment can make us derive at most this many, a quarter second of key
 * derivation */
#define SPV_WATCH_MAX_GAP 10000
#define SPV_WATCH_LOOKAHEAD 1000 /* ours: indexes per branch beyond the window, 25 ms to derive */
/* ours: watches of one wallet; addresses of a small exchange */
#define SPV_WATCH_MAX_WATCHES 100000
#define SPV_WATCH_MAX_SCRIPTS 4000000 /* ours: 400 MB; payments extend windows */
/* bytes; a longer script is unspendable (MAX_SCRIPT_SIZE) */
#define SPV_WATCH_MAX_SCRIPT_BYTES 10000

enum spv_watch_kind {
    SPV_WATCH_DESCRIPTOR = 1,
    SPV_WATCH_SCRIPT = 2, /* every output with this script */
    SPV_WATCH_OUTPOINT = 3, /* one output; filters match by its script, which must be known */
    SPV_WATCH_TXID = 4, /* one transaction, whatever scripts it pays */
};

/* What to watch; members that a kind does not use are zero. */
struct spv_watch_target {
    enum spv_watch_kind kind;
    const char *descriptor; /* DESCRIPTOR: its text; the checksum is optional */
    struct spv_bytes script; /* SCRIPT, OUTPOINT: scriptPubKey */
    struct spv_txid txid; /* OUTPOINT, TXID */
    uint32_t vout; /* OUTPOINT */
    uint32_t gap; /* DESCRIPTOR: indexes per branch; 0: SPV_WATCH_GAP */
    int64_t birthday; /* unix seconds: blocks that are older are not scanned; 0: genesis */
};

/* Scripts that need a rescan from the birthday up to the scanned height: those of indexes first to
 * end - 1 of a branch. */
struct spv_rescan_range {
    uint64_t watch;
    int64_t birthday; /* of the watch, unix seconds */
    uint32_t branch;
    uint32_t first;
    uint32_t end;
};

/* The index of a watch that a script belongs to. */
struct spv_script_origin {
    uint64_t watch;
    uint32_t branch; /* of a multipath descriptor: 0 is usually receiving, 1 change; else 0 */
    uint32_t index; /* in the descriptor's range; else 0 */
};

#ifdef __cplusplus
}
#endif

#endif
