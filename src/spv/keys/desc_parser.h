/* The state of the descriptor parser, shared by its source files. */
#ifndef SPV_KEYS_DESC_PARSER_H
#define SPV_KEYS_DESC_PARSER_H

#include "spv/keys/desc.h"
#include "spv/keys/text_error.h"

struct spv_desc_parser {
    const char *text;
    size_t n; /* characters, without # and checksum */
    size_t at;
    struct spv_descriptor *d;
    struct spv_text_error *why;
    unsigned networks; /* SPV_NETWORK_BITs of allowed networks */
    size_t key; /* number of the key that is being read, from 1; 0: none */
};

/* The next character; NUL at the end, which no descriptor has. */
static inline char spv_desc_peek(const struct spv_desc_parser *p)
{
    return p->at < p->n ? p->text[p->at] : '\0';
}

/* Reads the next character when it is c. */
static inline bool spv_desc_skip(struct spv_desc_parser *p, char c)
{
    if (spv_desc_peek(p) != c)
        return false;
    p->at++;
    return true;
}

/* Fails at a position; evaluates to the code. */
#define SPV_DESC_FAIL(p, code, at, ...) spv_text_fail_key((p)->why, code, at, (p)->key, __VA_ARGS__)

int spv_desc_nomem(struct spv_desc_parser *p);

/* Reads a number of at most max. Returns 0 or an error; `what` names it. */
int spv_desc_number(struct spv_desc_parser *p, uint32_t *out, uint32_t max, const char *what);

/* Which forms a key may have in a context. */
enum spv_desc_key_rule {
    SPV_DESC_KEY_ANY, /* compressed or uncompressed */
    SPV_DESC_KEY_COMPRESSED,
    SPV_DESC_KEY_XONLY, /* x-only or compressed */
};
/* Reads a key expression into d->keys. */
int spv_desc_read_key(struct spv_desc_parser *p, enum spv_desc_key_rule rule);

/* Reads the whole text. */
int spv_desc_read(struct spv_desc_parser *p);

#endif
