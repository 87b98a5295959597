/* All errors of the library in one table, each with its class and message.
 *
 * Functions return 0 (or a count) on success and a negative enum spv_err otherwise. The class is
 * for decisions (ban, retry, fail), the message for users. */
#ifndef SPV_ERROR_H
#define SPV_ERROR_H

#include <stddef.h>

#include "spv/export.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The cause of an error. */
enum spv_err_class {
    SPV_CLASS_NONE = 0, /* no error */
    SPV_CLASS_MISBEHAVING = 1, /* an invalid header, merkle proof or filter that no honest node
                                  sends: the only class that bans */
    SPV_CLASS_TIMEOUT = 2, /* the peer is too slow: it is deprioritised, never banned */
    SPV_CLASS_CONNECTION = 3, /* the connection is lost or cannot be made: try again or another */
    SPV_CLASS_PEER = 4, /* the peer's data is unusable (malformed message, other network), though
                           it may be honest: it is disconnected and tried again after a back-off */
    SPV_CLASS_LOCAL = 5, /* this system: memory, disk, descriptors, a damaged file */
    SPV_CLASS_CALLER = 6, /* a bug of the caller: invalid argument or state */
};

/* X(name, value, class, message) */
#define SPV_ERRORS(X)                                                                              \
    /* the caller */                                                                               \
    X(INVALID, -1, CALLER, "invalid argument")                                                     \
    X(STATE, -2, CALLER, "not possible in this state")                                             \
    X(TOO_LONG, -3, CALLER, "longer than its limit")                                               \
    X(UNSUPPORTED, -4, CALLER, "not supported by the other side")                                  \
    X(TOO_MANY, -13, CALLER, "more entries than a limit")                                          \
    /* the local system */                                                                         \
    X(NOMEM, -10, LOCAL, "out of memory")                                                          \
    X(CRYPTO, -11, LOCAL, "the crypto library failed")                                             \
    X(IO, -12, LOCAL, "input/output error")                                                        \
    X(DB, -14, LOCAL, "database error")                                                            \
    X(DB_BUSY, -15, LOCAL, "the database is in use by another writer")                             \
    X(DB_DAMAGED, -16, LOCAL, "the database is damaged")                                           \
    X(DB_NEWER, -17, LOCAL, "the database was written by a newer version")                         \
    X(DB_NETWORK, -18, LOCAL, "the database belongs to another network")                           \
    X(DB_FULL, -19, LOCAL, "the disk is full")                                                     \
    X(DB_READONLY, -20, LOCAL, "the database cannot be written")                                   \
    X(DB_NONE, -21, LOCAL, "there is no database")                                                 \
    X(INTERRUPTED, -22, LOCAL, "stopped on request")                                               \
    X(NOT_FOUND, -23, LOCAL, "not found")                                                          \
    X(NO_DESCRIPTOR, -26, LOCAL, "too many open files")                                            \
    X(DB_CHECKPOINT, -25, LOCAL, "the stored chain contradicts a checkpoint")                      \
    X(UNKNOWN_HASH, -24, LOCAL, "no header with this hash is known")                               \
    /* frames and messages */                                                                      \
    X(MAGIC, -40, PEER, "wrong network magic")                                                     \
    X(COMMAND, -41, PEER, "malformed command name")                                                \
    X(LENGTH, -42, PEER, "message longer than its cap")                                            \
    X(CHECKSUM, -43, PEER, "wrong checksum")                                                       \
    X(SHORT, -44, PEER, "message ends too early")                                                  \
    X(TRAILING, -45, PEER, "bytes after the end of the message")                                   \
    X(COUNT, -46, PEER, "more entries than allowed")                                               \
    X(COMPACT_SIZE, -47, PEER, "non-canonical CompactSize")                                        \
    X(MALFORMED, -48, PEER, "malformed field")                                                     \
    /* the connection */                                                                           \
    X(NOT_VERSION, -60, PEER, "first message is not version")                                      \
    X(OBSOLETE, -63, PEER, "protocol version too old")                                             \
    X(SELF, -64, PEER, "connected to ourselves")                                                   \
    X(SERVICES, -65, PEER, "peer lacks services that we need")                                     \
    X(LATE_NEGOTIATION, -66, PEER, "feature negotiation after verack")                             \
    X(HANDSHAKE_TIMEOUT, -67, TIMEOUT, "handshake not finished in time")                           \
    X(PONG_TIMEOUT, -68, TIMEOUT, "no pong in time")                                               \
    X(IDLE, -69, TIMEOUT, "no complete message in time")                                           \
    X(STALL, -70, TIMEOUT, "request not answered in time")                                         \
    X(WRITE_TIMEOUT, -71, TIMEOUT, "peer does not read")                                           \
    X(MESSAGE_TIMEOUT, -72, TIMEOUT, "message not completed in time")                              \
    X(CONNECT_TIMEOUT, -73, TIMEOUT, "connection not opened in time")                              \
    X(REFUSED, -74, CONNECTION, "connection refused")                                              \
    X(RESET, -75, CONNECTION, "connection reset")                                                  \
    X(CLOSED, -76, CONNECTION, "connection closed by the peer")                                    \
    X(UNREACHABLE, -77, CONNECTION, "host unreachable")                                            \
    X(RESOLVE, -78, CONNECTION, "name not resolved")                                               \
    X(DISCONNECTED, -79, CONNECTION, "disconnected by us")                                         \
    X(BLOOM_NOT_OFFERED, -80, PEER, "bloom command, but we do not offer NODE_BLOOM")               \
    X(QUEUE_FULL, -81, LOCAL, "send queue is full")                                                \
    X(PROXY, -82, CONNECTION, "proxy refused or failed")                                           \
    X(EVICTED, -84, CONNECTION, "closed in favour of another client")                              \
    X(SERVER_FULL, -85, LOCAL, "no slot is free and no client can be evicted")                     \
    X(ADDRESS_LIMIT, -86, LOCAL, "too many connections from its address or group")                 \
    X(FILTERS_NOT_OFFERED, -87, PEER, "filter request, but we do not offer NODE_COMPACT_FILTERS")  \
    X(V1_PEER, -88, PEER, "peer speaks the unencrypted transport (v1) only")                       \
    X(V2_GARBAGE, -89, PEER, "no end of the garbage within 4,111 bytes (BIP324)")                  \
    X(V2_TAG, -90, PEER, "encrypted packet is not authentic (BIP324)")                             \
    X(BANNED, -83, PEER, "banned for invalid data within the last 24 hours")                       \
    /* headers */                                                                                  \
    X(HDR_UNCONNECTING, -100, PEER, "header does not connect to a known header")                   \
    X(HDR_NONCONTINUOUS, -101, MISBEHAVING, "headers of one message are not continuous")           \
    X(HDR_BITS_MALFORMED, -102, MISBEHAVING, "bits are negative, zero or overflow")                \
    X(HDR_BITS_LIMIT, -103, MISBEHAVING, "target above the network's limit")                       \
    X(HDR_BITS, -104, MISBEHAVING, "bits are not what the retarget rules require")                 \
    X(HDR_POW, -105, MISBEHAVING, "hash above its target")                                         \
    X(HDR_TIME_OLD, -106, MISBEHAVING, "time not after the median of the previous 11")             \
    X(HDR_TIME_FUTURE, -107, PEER, "time more than two hours ahead of our clock")                  \
    X(HDR_TIME_WARP, -108, MISBEHAVING, "first block of a period is too early (BIP94)")            \
    X(HDR_VERSION, -109, MISBEHAVING, "version below what BIP34, BIP66 or BIP65 require")          \
    X(HDR_CHECKPOINT, -110, MISBEHAVING, "contradicts a checkpoint")                               \
    X(HDR_FORK_DEPTH, -111, MISBEHAVING, "forks below the last checkpoint")                        \
    X(HDR_GENESIS, -112, PEER, "not this network's genesis block")                                 \
    X(LOW_WORK, -113, PEER, "chain has too little work")                                           \
    X(CHAIN_BRANCHES, -114, LOCAL, "too many side branches")                                       \
    X(REDOWNLOAD_MISMATCH, -115, PEER, "redownloaded chain differs from the presynced one")        \
    X(FORK_BELOW_START, -116, PEER, "chain forks below the database's first header")               \
    /* merkle proofs */                                                                            \
    X(MERKLE_ROOT, -140, MISBEHAVING, "merkle proof does not give the header's merkle root")       \
    X(MERKLE_DUPLICATE, -141, MISBEHAVING, "equal siblings in a merkle tree (CVE-2012-2459)")      \
    X(MERKLE_BITS, -142, PEER, "merkle proof with too few or unused flag bits")                    \
    X(MERKLE_HASHES, -143, PEER, "merkle proof with too few or unused hashes")                     \
    X(MERKLE_PADDING, -144, PEER, "merkle proof with padding bits set")                            \
    /* keys, addresses and descriptors as text: the caller's input */                              \
    X(PRIVATE_KEY, -145, CALLER, "private key or seed words: only public keys are accepted")       \
    X(SLIP132, -146, CALLER, "extended public key in a SLIP-132 form")                             \
    X(TEXT_CHECKSUM, -147, CALLER, "wrong checksum in a key, an address or a descriptor")          \
    X(TEXT_CHARACTER, -148, CALLER, "character that is not allowed here")                          \
    X(WRONG_NETWORK, -149, CALLER, "key or address of another network")                            \
    X(ADDRESS, -150, CALLER, "not an address")                                                     \
    X(PUBLIC_KEY, -151, CALLER, "not a valid public key")                                          \
    X(DESC_SYNTAX, -152, CALLER, "syntax error in a descriptor")                                   \
    X(DESC_CONTEXT, -153, CALLER, "not allowed in this context of a descriptor")                   \
    X(DESC_LIMIT, -154, CALLER, "descriptor exceeds a limit")                                      \
    X(DESC_UNSUPPORTED, -155, CALLER, "unsupported kind of descriptor")                            \
    X(HARDENED, -156, CALLER, "hardened derivation needs the private key")                         \
    X(NO_ADDRESS, -157, CALLER, "script without an address")                                       \
    X(NO_CHILD_KEY, -158, CALLER, "no valid child key at this index (BIP32)")                      \
    /* compact block filters */                                                                    \
    X(FILTER_RANGE, -170, PEER, "filter with a value out of range")                                \
    X(FILTER_PADDING, -171, PEER, "filter with padding bits set")                                  \
    X(FILTER_OUTPUT, -172, MISBEHAVING, "filter lacks an output of its block")                     \
    X(FILTER_PREVOUT, -173, MISBEHAVING, "filter lacks the script of a spent output")              \
    X(FILTER_COUNT, -174, MISBEHAVING, "filter with too few or too many elements for its block")   \
    X(FILTER_REQUEST, -175, PEER, "request for filters that breaks a rule of BIP157")              \
    X(FILTER_ANSWER, -176, PEER, "filter headers of another range than was requested")             \
    X(FILTER_HEADERS, -177, PEER, "filter headers that do not lead to the one that is known")      \
    X(FILTER_CONTRADICTION, -178, MISBEHAVING, "filters that contradict the peer's own headers")   \
    X(FILTER_BUILT_IN, -179, MISBEHAVING, "contradicts a built-in filter header")                  \
    X(FILTER_FALSE, -180, MISBEHAVING, "filter header of a filter that its block proves false")    \
    /* blocks */                                                                                   \
    X(BLOCK_COINBASE, -190, MISBEHAVING, "block that does not begin with a coinbase")              \
    X(BLOCK_WEIGHT, -191, MISBEHAVING, "block that weighs more than 4,000,000")                    \
    X(BLOCK_ROOT, -192, MISBEHAVING, "block whose transactions do not give its merkle root")       \
    X(BLOCK_WITNESS, -193, MISBEHAVING, "block whose coinbase does not commit to its witnesses")   \
    X(UNREQUESTED, -194, PEER, "data that was not requested, again and again")                     \
    X(FILTER_HASH, -195, PEER, "filter that is not what its filter header commits to")             \
    /* transactions */                                                                             \
    X(TX_VALUE, -200, PEER, "transaction with an amount that is out of range")                     \
    X(TX_DUPLICATE_INPUT, -201, PEER, "transaction that spends an output twice")                   \
    /* bloom filters of a wallet */                                                                \
    X(BLOOM_SCRIPT, -210, CALLER, "script without a push of 20 bytes or more, for bloom filters")  \
    X(BLOOM_RATE, -211, CALLER, "too much to watch for bloom filters: use compact filters")        \
    X(BLOOM_ANSWER, -212, PEER, "filtered block without its transactions, or with others")         \
    X(BLOOM_OMISSION, -213, PEER, "filtered block that left out what its filter matches")          \
    /* publishing: the caller's input */                                                           \
    X(TX_NO_INPUTS, -220, CALLER, "transaction without inputs")                                    \
    X(TX_NO_OUTPUTS, -221, CALLER, "transaction without outputs")                                  \
    X(TX_NULL_PREVOUT, -222, CALLER, "transaction that spends the null outpoint (a coinbase)")     \
    X(TX_SIZE, -223, CALLER, "transaction below 65 bytes without witness")                         \
    X(TX_WEIGHT, -224, CALLER, "transaction that weighs more than 400,000")                        \
    X(TX_PSBT, -225, CALLER, "a PSBT, not a transaction")                                          \
    X(TX_FEE_RATE, -226, CALLER, "fee rate above 0.1 BTC per 1,000 virtual bytes")                 \
    X(PACKAGE_SIZE, -227, CALLER, "package above 25 transactions or a weight of 404,000")          \
    X(PACKAGE_FORM, -228, CALLER, "package that is not parents and one child in order")            \
    X(TX_PRIVATE, -229, CALLER, "transaction that was published privately")                        \
    X(NO_PRIVATE_PEERS, -230, CALLER, "private broadcast needs onion peers or a Tor proxy")

enum spv_err {
    SPV_OK = 0,
#define SPV_ERR_ENUM(name, value, class, message) SPV_ERR_##name = (value),
    SPV_ERRORS(SPV_ERR_ENUM)
#undef SPV_ERR_ENUM
};

/* An error with a text for users: what was tried, on what, why it failed, what to do. Functions
 * that take one fill it when they return an error; the text is NUL-terminated. */
#define SPV_ERROR_INFO_TEXT 512 /* a path of 255 bytes and two sentences */
struct spv_error_info {
    enum spv_err code;
    char text[SPV_ERROR_INFO_TEXT];
};

/* An error in a text that a user wrote: a key, an address, a descriptor. Functions that take one
 * fill it when they return an error; NULL is allowed. The message has no part of the text but what
 * it names as a wrong or an expected checksum: the text may hold a private key. */
#define SPV_TEXT_ERROR_TEXT 256 /* bytes, NUL included */
struct spv_text_error {
    enum spv_err code;
    unsigned n_at; /* how many wrong characters are located: 0, 1 or 2 */
    size_t at[2]; /* their offsets in bytes from 0, ascending; the message counts from 1 */
    unsigned key; /* descriptors: the number of the key, from 1 in the order of the text; 0: none */
    char text[SPV_TEXT_ERROR_TEXT]; /* NUL-terminated */
};

/* Returns the message of an error code, a static string; "success" for 0, "unknown error" for an
 * unknown code. Any thread. */
SPV_API const char *spv_strerror(int err);

/* Returns the name of an error code without its prefix, a static string, for logs and JSON:
 * "HDR_POW"; "OK" for 0, "UNKNOWN" for an unknown code. Any thread. */
SPV_API const char *spv_err_name(int err);

/* Returns the class of an error code: SPV_CLASS_NONE for 0, SPV_CLASS_CALLER for an unknown code.
 * Any thread. */
SPV_API enum spv_err_class spv_err_class_of(int err);

#ifdef __cplusplus
}
#endif

#endif
