/* The error of an import, and the position that it is about. */
#include <stdarg.h>
#include <stdio.h>

#include "spv/formats/import.h"

/* Adds the text after the first `used` bytes. */
__attribute__((format(printf, 4, 0))) static int fail_with(struct spv_import *d, int used, int err,
                                                           const char *format, va_list args)
{
    (void)vsnprintf(d->error_text + used, sizeof d->error_text - (size_t)used, format, args);
    for (char *c = d->error_text; *c != '\0';
         c++) /* text from the file could contain control sequences */
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    d->error = err;
    return err;
}

int spv_import_fail(struct spv_import *d, int err, const char *format, ...)
{
    va_list args;
    int used = d->line > 0 ? snprintf(d->error_text, sizeof d->error_text,
                                      "line %llu: ", (unsigned long long)d->line)
                           : snprintf(d->error_text, sizeof d->error_text,
                                      "byte %llu: ", (unsigned long long)d->offset);
    va_start(args, format);
    (void)fail_with(d, used, err, format, args);
    va_end(args);
    return err;
}

int spv_import_fail_whole(struct spv_import *d, int err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)fail_with(d, 0, err, format, args);
    va_end(args);
    return err;
}

void spv_import_skip(struct spv_import *d, size_t n)
{
    d->at += n;
    d->offset += n;
}
