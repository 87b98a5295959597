/* What the readers of header files share: the buffer, and one function for each family of formats.
 * Private to this folder. */
#ifndef SPV_SPV_FORMATS_IMPORT_H
#define SPV_SPV_FORMATS_IMPORT_H

#include "spv/formats/neutrino.h"
#include "spv/import.h"

#define SPV_IMPORT_BUFFER 65536 /* bytes read ahead */

/* Fields of a line of text. Those before EVENT are columns of csv; a file of headers has those
 * before BRANCH in this order when it names none. */
enum spv_import_field {
    SPV_FIELD_HEIGHT,
    SPV_FIELD_HASH,
    SPV_FIELD_VERSION,
    SPV_FIELD_PREVIOUS_HASH,
    SPV_FIELD_MERKLE_ROOT,
    SPV_FIELD_TIME,
    SPV_FIELD_BITS,
    SPV_FIELD_NONCE,
    SPV_FIELD_CHAIN_WORK,
    SPV_FIELD_BRANCH,
    SPV_FIELD_BLOCK_HASH, /* of filter headers, after their height */
    SPV_FIELD_FILTER_HEADER,
    SPV_FIELD_EVENT,
    SPV_FIELD_FORK_HEIGHT,
    SPV_FIELD_FORK_HASH,
    SPV_FIELD_REMOVED,
    SPV_FIELDS,
    SPV_FIELD_OTHER = SPV_FIELDS, /* ignored */
};
#define SPV_FIELD_COLUMNS (SPV_FIELD_FILTER_HEADER + 1)

/* The values of a line: NUL-terminated parts of it, NULL where there is none. */
struct spv_import_values {
    const char *text[SPV_FIELDS];
    bool quoted[SPV_FIELDS]; /* jsonl: a string, not a number or word */
};

struct spv_import {
    const struct spv_params *params;
    enum spv_import_format format;
    bool detected; /* the format was detected */
    bool filters; /* a file of filter headers */
    bool started; /* the format is known */
    bool ended;
    int error; /* once set, it stays */
    char error_text[SPV_ERROR_INFO_TEXT];
    uint64_t line; /* of the line being read */
    uint64_t offset; /* of the byte at `at` */
    size_t at, end; /* unread: buffer[at..end) */
    /* binary */
    bool begun; /* the bytes before the headers were read */
    bool has_height; /* `height` is valid: the height of the next header */
    uint64_t height;
    uint32_t gap; /* zero headers read in a row */
    /* csv */
    enum spv_import_field columns[SPV_IMPORT_COLUMNS_MAX];
    size_t n_columns; /* 0: not known yet */
    uint32_t n_reorgs;
    uint8_t buffer[SPV_IMPORT_BUFFER + 1]; /* and a NUL after the last line */
};

/* Stores the text, after the line or the offset, and returns err. */
__attribute__((format(printf, 3, 4))) int spv_import_fail(struct spv_import *im, int err,
                                                          const char *format, ...);
/* The same about the whole file: without a line or an offset. */
__attribute__((format(printf, 3, 4))) int spv_import_fail_whole(struct spv_import *im, int err,
                                                                const char *format, ...);
/* Consumes n unread bytes. */
void spv_import_skip(struct spv_import *im, size_t n);

/* As spv_import_next, for their formats. */
int spv_import_binary(struct spv_import *im, struct spv_import_item *out);
int spv_import_text(struct spv_import *im, struct spv_import_item *out);
/* Binary files of filter headers. */
int spv_import_filters(struct spv_import *im, struct spv_import_item *out);

/* import_binary.c: reads what is before the headers of a file for neutrino; `wanted` is the type of
 * the headers. 1 and im->height, 0 or an error. */
int spv_import_neutrino_head(struct spv_import *im, uint8_t wanted);

/* import_fields.c: an item from the values of a line. 0 or an error. */
enum spv_import_field spv_import_field_by_name(const char *name);
int spv_import_get_values(struct spv_import *im, struct spv_import_item *out,
                          const struct spv_import_values *v);
/* import_json.c: the values of a flat object, in place. 0 or an error. */
int spv_import_json(struct spv_import *im, struct spv_import_values *out, char *line);

#endif
