/* The tables of a watch-only wallet: one for each kind of row of spv/wallet.h and spv/broadcast.h,
 * and for what only the store knows (labels). Hashes are in internal byte order; the views show
 * them as they are usually written. Indexes have the order of each list, so that any page is found
 * by its key. */
#include "store/schema.h"

/* 32 bytes in display order */
/* clang-format off */
#define BYTE(x, i) "hex(substr(" x ", " #i ", 1))"
#define BYTES4(x, a, b, c, d) BYTE(x, a) " || " BYTE(x, b) " || " BYTE(x, c) " || " BYTE(x, d)
#define REVERSED(x)                                                                                \
    "lower(" BYTES4(x, 32, 31, 30, 29) " || " BYTES4(x, 28, 27, 26, 25) " || "                     \
    BYTES4(x, 24, 23, 22, 21) " || " BYTES4(x, 20, 19, 18, 17) " || "                              \
    BYTES4(x, 16, 15, 14, 13) " || " BYTES4(x, 12, 11, 10, 9) " || "                               \
    BYTES4(x, 8, 7, 6, 5) " || " BYTES4(x, 4, 3, 2, 1) ")"
/* clang-format on */
/* satoshis as text with 8 decimals */
#define BTC(x)                                                                                     \
    "CASE WHEN " x " < 0 THEN '-' ELSE '' END || printf('%d.%08d', abs(" x ") / 100000000,"        \
    " abs(" x ") % 100000000)"
#define STATE(x)                                                                                   \
    "CASE " x " WHEN 1 THEN 'unconfirmed' WHEN 2 THEN 'confirmed' WHEN 3 THEN 'replaced'"          \
    " WHEN 4 THEN 'conflicted' WHEN 5 THEN 'orphaned' WHEN 6 THEN 'expired' END"
#define FIELD(x)                                                                                   \
    "CASE " x " WHEN 0 THEN 'none' WHEN 1 THEN 'confirmed' WHEN 2 THEN 'trusted_pending'"          \
    " WHEN 3 THEN 'untrusted_pending' WHEN 4 THEN 'immature' END"
#define SCANNED "(SELECT scanned_height FROM wallet_meta)"
#define CONFIRMATIONS(x) "CASE WHEN " x " <= " SCANNED " THEN " SCANNED " - " x " + 1 ELSE 0 END"

/* What is watched, and the transactions. */
const char spv_schema_wallet_1[] =
    "CREATE TABLE wallet_meta ("
    " id INTEGER PRIMARY KEY," /* 1: there is one row */
    " database_id INTEGER NOT NULL," /* random; with a revision it is a caller's cursor */
    " scanned_height INTEGER," /* NULL: no block was scanned yet */
    " scanned_hash BLOB,"
    " revision INTEGER NOT NULL,"
    " next_tx INTEGER NOT NULL,"
    " next_watch INTEGER NOT NULL,"
    " bloom_tweak INTEGER," /* NULL: no filter was made yet */
    " bloom_size INTEGER) STRICT;"

    "CREATE TABLE wallet_watch ("
    " id INTEGER PRIMARY KEY,"
    " kind INTEGER NOT NULL," /* enum spv_watch_kind */
    " descriptor TEXT,"
    " script BLOB,"
    " txid BLOB,"
    " vout INTEGER NOT NULL,"
    " gap INTEGER NOT NULL,"
    " birthday INTEGER NOT NULL,"
    " tag TEXT) STRICT;"
    "CREATE INDEX wallet_watch_by_script ON wallet_watch (script);"

    "CREATE TABLE wallet_branch ("
    " watch INTEGER NOT NULL,"
    " branch INTEGER NOT NULL,"
    " n_used INTEGER NOT NULL,"
    " \"window\" INTEGER NOT NULL," /* a keyword */
    " n_searched INTEGER NOT NULL,"
    " PRIMARY KEY (watch, branch)) STRICT, WITHOUT ROWID;"

    "CREATE TABLE wallet_script ("
    " watch INTEGER NOT NULL,"
    " branch INTEGER NOT NULL,"
    " position INTEGER NOT NULL," /* the index in the range */
    " number INTEGER NOT NULL," /* among the scripts of one index, in the order of derivation
                                 */
    " script BLOB NOT NULL,"
    " PRIMARY KEY (watch, branch, position, number)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX wallet_script_by_script ON wallet_script (script);"

    "CREATE TABLE wallet_tx ("
    " id INTEGER PRIMARY KEY,"
    " revision INTEGER NOT NULL," /* 0: in no history */
    " txid BLOB NOT NULL,"
    " height INTEGER NOT NULL," /* 4294967295: in no block of the best chain */
    " block_hash BLOB,"
    " position INTEGER NOT NULL,"
    " flags INTEGER NOT NULL," /* enum spv_tx_flag */
    " state INTEGER NOT NULL," /* enum spv_tx_state */
    " groups BLOB NOT NULL," /* 8 bytes each, little-endian */
    " block_time INTEGER NOT NULL,"
    " first_seen INTEGER NOT NULL,"
    " last_seen INTEGER NOT NULL,"
    " conflict BLOB,"
    " received INTEGER NOT NULL,"
    " spent INTEGER NOT NULL,"
    " fee INTEGER) STRICT;" /* NULL: not known */
    "CREATE INDEX wallet_tx_by_chain ON wallet_tx (height, position);"
    "CREATE INDEX wallet_tx_by_revision ON wallet_tx (revision);"
    "CREATE INDEX wallet_tx_by_txid ON wallet_tx (txid);"

    "CREATE TABLE wallet_tx_data ("
    " tx INTEGER PRIMARY KEY,"
    " raw BLOB NOT NULL,"
    " proof BLOB) STRICT;";

/* What follows from transactions, and what only the store knows. */
const char spv_schema_wallet_2[] =
    "CREATE TABLE wallet_output ("
    " tx INTEGER NOT NULL,"
    " vout INTEGER NOT NULL,"
    " field INTEGER NOT NULL," /* enum spv_balance_kind */
    " value INTEGER NOT NULL,"
    " script BLOB NOT NULL,"
    " spender INTEGER NOT NULL," /* id of a transaction; 0: none */
    " PRIMARY KEY (tx, vout)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX wallet_output_by_field ON wallet_output (field, tx, vout);"
    "CREATE INDEX wallet_output_by_script ON wallet_output (script);"
    "CREATE INDEX wallet_output_by_spender ON wallet_output (spender);"

    "CREATE TABLE wallet_share ("
    " tx INTEGER NOT NULL,"
    " watch INTEGER NOT NULL,"
    " received INTEGER NOT NULL,"
    " spent INTEGER NOT NULL,"
    " PRIMARY KEY (tx, watch)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX wallet_share_by_watch ON wallet_share (watch);"

    "CREATE TABLE wallet_sum ("
    " watch INTEGER PRIMARY KEY," /* 0: of all watches, each coin once */
    " confirmed INTEGER NOT NULL,"
    " trusted_pending INTEGER NOT NULL,"
    " untrusted_pending INTEGER NOT NULL,"
    " immature INTEGER NOT NULL) STRICT;"

    "CREATE TABLE wallet_label ("
    " type TEXT NOT NULL," /* BIP329: tx, addr, pubkey, input, output, xpub */
    " ref TEXT NOT NULL,"
    " origin TEXT NOT NULL," /* empty: none */
    " label TEXT,"
    " spendable INTEGER," /* NULL: unset */
    " PRIMARY KEY (type, ref, origin)) STRICT, WITHOUT ROWID;"

    "CREATE TABLE wallet_label_line ("
    " line TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;" /* of an import, not understood */

    "CREATE TABLE broadcast ("
    " id INTEGER PRIMARY KEY,"
    " package INTEGER NOT NULL," /* id of the first transaction of its package */
    " position INTEGER NOT NULL," /* in the package */
    " txid BLOB NOT NULL,"
    " state INTEGER NOT NULL," /* enum spv_broadcast_state */
    " flags INTEGER NOT NULL," /* enum spv_broadcast_flag */
    " wait_height INTEGER NOT NULL,"
    " wait_time INTEGER NOT NULL,"
    " height INTEGER NOT NULL," /* of the block that confirms it; else 0 */
    " n_rounds INTEGER NOT NULL,"
    " announced_at INTEGER NOT NULL," /* time of the last round; 0: never */
    " ended_at INTEGER NOT NULL," /* 0: it is being published */
    " n_rejects INTEGER NOT NULL,"
    " reject_code INTEGER NOT NULL,"
    " groups BLOB NOT NULL," /* 9 bytes each: a keyed hash, enum spv_broadcast_fact */
    " raw BLOB NOT NULL) STRICT;";

/* For people. */
/* clang-format off */
const char spv_schema_wallet_history[] =
    "CREATE VIEW wallet_history AS SELECT"
    " t.id AS id,"
    " " REVERSED("t.txid") " AS txid,"
    " nullif(t.height, 4294967295) AS height,"
    " CASE WHEN t.block_hash IS NOT NULL THEN " REVERSED("t.block_hash") " END AS block_hash,"
    " " STATE("t.state") " AS state,"
    " " CONFIRMATIONS("t.height") " AS confirmations,"
    " t.received - t.spent AS net,"
    " " BTC("(t.received - t.spent)") " AS net_btc,"
    " t.received AS received,"
    " t.spent AS spent,"
    " t.fee AS fee,"
    " CASE WHEN t.height < 4294967295 THEN t.block_time ELSE t.first_seen END AS time,"
    " datetime(CASE WHEN t.height < 4294967295 THEN t.block_time ELSE t.first_seen END,"
    " 'unixepoch') AS utc,"
    " t.revision AS revision"
    " FROM wallet_tx t WHERE t.revision > 0 ORDER BY t.height, t.position, t.id;";

const char spv_schema_wallet_coin[] =
    "CREATE VIEW wallet_coin AS SELECT"
    " " REVERSED("t.txid") " AS txid,"
    " o.vout AS vout,"
    " o.value AS value,"
    " " BTC("o.value") " AS btc,"
    " " FIELD("o.field") " AS balance,"
    " nullif(t.height, 4294967295) AS height,"
    " " CONFIRMATIONS("t.height") " AS confirmations,"
    " t.flags & 1 AS coinbase,"
    " o.spender > 0 AS spent_unconfirmed,"
    " lower(hex(o.script)) AS script"
    " FROM wallet_output o JOIN wallet_tx t ON t.id = o.tx"
    " LEFT JOIN wallet_tx s ON s.id = o.spender"
    " WHERE t.state IN (1, 2) AND (o.field > 0 OR s.height = 4294967295"
    " OR (s.id IS NULL AND t.state = 1));";

const char spv_schema_wallet_balance[] =
    "CREATE VIEW wallet_balance AS SELECT"
    " b.watch AS watch,"
    " w.tag AS tag,"
    " b.confirmed AS confirmed,"
    " " BTC("b.confirmed") " AS confirmed_btc,"
    " b.trusted_pending AS trusted_pending,"
    " " BTC("b.trusted_pending") " AS trusted_pending_btc,"
    " b.untrusted_pending AS untrusted_pending,"
    " " BTC("b.untrusted_pending") " AS untrusted_pending_btc,"
    " b.immature AS immature,"
    " " BTC("b.immature") " AS immature_btc"
    " FROM wallet_sum b LEFT JOIN wallet_watch w ON w.id = b.watch;";
/* clang-format on */
