/* What the writers of header files share. */
#ifndef SPV_SPV_FORMATS_EXPORT_ROWS_H
#define SPV_SPV_FORMATS_EXPORT_ROWS_H

#include <string.h>

#include "spv/export_rows.h"

/* Passes bytes, or a string without its NUL, to the caller's function. Returns its value. */
static inline int spv_export_write(const struct spv_export_rows *e, const void *bytes, size_t n)
{
    return e->write(e->ctx, bytes, n);
}

static inline int spv_export_text(const struct spv_export_rows *e, const char *text)
{
    return spv_export_write(e, text, strlen(text));
}

#endif
