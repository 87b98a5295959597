/* Memory for the arrays of decoded messages, reused from message to message. */
#ifndef SPV_WIRE_ARENA_H
#define SPV_WIRE_ARENA_H

#include <stddef.h>

/* Initialise with zeros; free with spv_arena_free. */
struct spv_arena {
    void *mem;
    size_t cap;
};

/* Returns memory for n elements of the given size, in place of what was taken before; NULL when out
 * of memory. */
void *spv_arena_take(struct spv_arena *a, size_t n, size_t size);
/* Frees the memory when it is larger than keep bytes. */
void spv_arena_trim(struct spv_arena *a, size_t keep);
void spv_arena_free(struct spv_arena *a);

#endif
