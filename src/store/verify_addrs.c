/* The tables of addresses and bans: every row must be readable. Values are checked one by one when
 * they are loaded (addrs.c). */
#include <string.h>

#include "store/verify.h"

static const struct {
    const char *name, *what, *sql;
} tables[] = {
    {"peer_address", "address table",
     "SELECT count(*) FROM (SELECT host, port, services, source, last_seen, last_try, last_success,"
     " attempts, slow, failure, tried, anchor FROM peer_address ORDER BY anchor, tried)"},
    {"peer_ban", "ban table",
     "SELECT count(*) FROM (SELECT address, since, until, code, reason FROM peer_ban"
     " ORDER BY until)"},
};

int spv_verify_addrman(struct spv_verify *v)
{
    int64_t version = 0;
    int rc = spv_db_integer(v->s, &version, "PRAGMA user_version", "verify it");
    if (rc || version < 2)
        return rc;
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        int64_t n = 0;
        rc = spv_db_integer(v->s, &n, tables[i].sql, "verify it");
        if (rc == SPV_ERR_DB_DAMAGED) {
            v->report->addrs_ok = false;
            spv_verify_found(v, -1, "the %s (%s) cannot be read: %s", tables[i].what,
                             tables[i].name, sqlite3_errmsg(v->s->db));
        } else if (rc) {
            return rc;
        }
    }
    return 0;
}
