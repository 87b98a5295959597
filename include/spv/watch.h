/* What a wallet watches: descriptors, scripts, outpoints and transaction ids, all without private
 * keys. Used through a wallet (spv/wallet.h).
 *
 * A descriptor with a range is watched a window of indexes at a time, on each of its multipath
 * branches: the window reaches `gap` indexes beyond the highest one that a transaction ever paid
 * or that was handed out, and never shrinks. Some scripts beyond it, the look-ahead, are looked for
 * as well, but count only when the window gets there: then nothing has to be searched again. */
#ifndef SPV_WATCH_H
#define SPV_WATCH_H

#include <stddef.h>
#include <stdint.h>

#include "spv/tx.h"
#include "spv/types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SPV_WATCH_GAP 20 /* when the caller names none: BIP44's gap limit */
/* ours: the most that one receipt can make us derive, a quarter second of key derivation */
#define SPV_WATCH_MAX_GAP 10000
#define SPV_WATCH_LOOKAHEAD 1000 /* ours: scripts a branch beyond the window, 25 ms to derive */
#define SPV_WATCH_MAX_WATCHES                                                                      \
    100000 /* ours: watches of one wallet; addresses of a small exchange */
#define SPV_WATCH_MAX_SCRIPTS 4000000 /* ours: 400 MB; each receipt may extend a window */
#define SPV_WATCH_MAX_SCRIPT_BYTES                                                                 \
    10000 /* bytes; a longer script is unspendable (MAX_SCRIPT_SIZE) */

enum spv_watch_kind {
    SPV_WATCH_DESCRIPTOR = 1,
    SPV_WATCH_SCRIPT = 2, /* every output with this script */
    SPV_WATCH_OUTPOINT = 3, /* one output; filters match by its script, which must be known */
    SPV_WATCH_TXID = 4, /* one transaction, whomever it pays */
};

/* What to watch; zeroes where a kind has no use for a field. */
struct spv_watch_target {
    enum spv_watch_kind kind;
    const char *descriptor; /* DESCRIPTOR: its text; the checksum is optional */
    struct spv_bytes script; /* SCRIPT, OUTPOINT: scriptPubKey */
    struct spv_txid txid; /* OUTPOINT, TXID */
    uint32_t vout; /* OUTPOINT */
    uint32_t gap; /* DESCRIPTOR: indexes a branch; 0: SPV_WATCH_GAP */
    int64_t birthday; /* unix seconds: nothing older is looked for; 0: genesis */
};

/* Scripts whose past was not searched yet: those of indexes first to end - 1 of a branch. */
struct spv_rescan_range {
    uint64_t watch;
    int64_t birthday; /* of the watch, unix seconds */
    uint32_t branch;
    uint32_t first;
    uint32_t end;
};

/* Where a script belongs to. */
struct spv_script_origin {
    uint64_t watch;
    uint32_t branch; /* of a descriptor's multipath step; else 0 */
    uint32_t index; /* of the range; else 0 */
};

#ifdef __cplusplus
}
#endif

#endif
