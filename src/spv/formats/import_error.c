/* The error of an import, and the position that it is about. */
#include <stdarg.h>
#include <stdio.h>

#include "spv/formats/import.h"

/* Adds the text after the first `used` bytes. */
__attribute__((format(printf, 4, 0))) static int fail_with(struct spv_import *im, int used, int err,
                                                           const char *format, va_list args)
{
    (void)vsnprintf(im->error_text + used, sizeof im->error_text - (size_t)used, format, args);
    for (char *c = im->error_text; *c != '\0';
         c++) /* text from the file could contain control sequences */
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    im->error = err;
    return err;
}

int spv_import_fail(struct spv_import *im, int err, const char *format, ...)
{
    va_list args;
    int used = im->line > 0 ? snprintf(im->error_text, sizeof im->error_text,
                                       "line %llu: ", (unsigned long long)im->line)
                            : snprintf(im->error_text, sizeof im->error_text,
                                       "byte %llu: ", (unsigned long long)im->offset);
    va_start(args, format);
    (void)fail_with(im, used, err, format, args);
    va_end(args);
    return err;
}

int spv_import_fail_whole(struct spv_import *im, int err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)fail_with(im, 0, err, format, args);
    va_end(args);
    return err;
}

void spv_import_skip(struct spv_import *im, size_t n)
{
    im->at += n;
    im->offset += n;
}
