/* The first findings are kept and all are counted. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "store/verify.h"

/* Ends a text that did not fit at its last whole word; every text begins with words of ours. */
static void end_at_word(char text[SPV_FINDING_TEXT])
{
    static const char more[] = "...";
    char *at = text + SPV_FINDING_TEXT - sizeof more;
    while (at > text && *at != ' ')
        at--;
    memcpy(at, more, sizeof more);
}

__attribute__((format(printf, 3, 0))) static void keep_finding(struct spv_verify *v, int64_t height,
                                                               const char *format, va_list args)
{
    struct spv_verify_report *r = v->report;
    r->total++;
    if (r->n < SPV_FINDINGS) {
        struct spv_finding *f = &r->findings[r->n++];
        f->height = height;
        if (vsnprintf(f->text, sizeof f->text, format, args) >= SPV_FINDING_TEXT)
            end_at_word(f->text);
    }
}

void spv_verify_found(struct spv_verify *v, int64_t height, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    keep_finding(v, height, format, args);
    va_end(args);
}

void spv_verify_bad(struct spv_verify *v, int64_t height, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    keep_finding(v, height, format, args);
    va_end(args);
    if (height < v->bad)
        v->bad = height;
}

int spv_verify_unread(struct spv_verify *v, int code, int64_t height, const char *what)
{
    int rc = spv_db_error(v->s, code, "verify it");
    if (rc == SPV_ERR_INTERRUPTED)
        return rc;
    if (rc != SPV_ERR_DB_DAMAGED)
        return rc;
    v->report->pages_ok = false;
    spv_verify_found(v, height, "%s cannot be read: %s", what, sqlite3_errmsg(v->s->db));
    return 0;
}

int spv_verify_progress(struct spv_verify *v, uint64_t done)
{
    if (v->cfg->progress && done % SPV_VERIFY_STEP == 0 &&
        v->cfg->progress(v->cfg->ctx, done,
                         v->report->tip < 0 ? 0
                                            : (uint64_t)v->report->tip + 1 + v->n_filter_rows) != 0)
        return SPV_ERR_INTERRUPTED;
    return 0;
}
