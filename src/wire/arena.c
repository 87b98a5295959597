/* One block, which grows to the largest array so far. */
#include "wire/arena.h"

#include <stdint.h>
#include <stdlib.h>

void *spv_arena_take(struct spv_arena *a, size_t n, size_t size)
{
    if (n > SIZE_MAX / size)
        return NULL;
    if (!a->mem || n * size > a->cap) {
        size_t cap = n == 0 ? size : n * size;
        spv_arena_free(a); /* the previous message's; not worth copying */
        a->mem = malloc(cap);
        if (!a->mem)
            return NULL;
        a->cap = cap;
    }
    return a->mem;
}

void spv_arena_trim(struct spv_arena *a, size_t keep)
{
    if (a->cap > keep)
        spv_arena_free(a);
}

void spv_arena_free(struct spv_arena *a)
{
    free(a->mem);
    *a = (struct spv_arena){0};
}
