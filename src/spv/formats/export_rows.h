/* What the writers of header files share. */
#ifndef SPV_SPV_FORMATS_EXPORT_ROWS_H
#define SPV_SPV_FORMATS_EXPORT_ROWS_H

#include <string.h>

#include "spv/export_rows.h"
#include "spv/formats/neutrino.h"

/* Passes bytes, or a string without its NUL, to the caller's function. Returns its value. */
static inline int spv_export_write(const struct spv_export_rows *e, const void *bytes, size_t n)
{
    return e->write(e->ctx, bytes, n);
}

static inline int spv_export_text(const struct spv_export_rows *e, const char *text)
{
    return spv_export_write(e, text, strlen(text));
}

/* The bytes before the headers of a file for neutrino. */
static inline int spv_export_neutrino_head(const struct spv_export_rows *e, uint8_t type)
{
    uint8_t head[SPV_NEUTRINO_HEAD] = {[5] = type};
    memcpy(head, e->params->net.magic, 4);
    for (unsigned i = 0; i < 4; i++)
        head[6 + i] = (uint8_t)(e->from >> (8 * i));
    return spv_export_write(e, head, sizeof head);
}

#endif
