/* Growing arrays: capacity doubles, so that n appends cost O(n). */
#ifndef SPV_UTIL_ARRAY_H
#define SPV_UTIL_ARRAY_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* The next capacity for at least `need` elements: `first` or twice `cap`, or `need` when that is
 * more, but at most `max`. 0 when need > max. For arrays that share one capacity. */
static inline size_t spv_array_next_cap(size_t cap, size_t need, size_t first, size_t max)
{
    size_t next = first;

    if (need > max)
        return 0;
    if (cap > 0)
        next = cap > max / 2 ? max : 2 * cap;
    if (next < need)
        next = need;
    return next < max ? next : max;
}

/* The array, moved if it must be, with at least `need` elements of `size` bytes; *cap is updated.
 * NULL when out of memory, or when the size overflows: array and *cap are then unchanged. */
static inline void *spv_array_grow(void *array, size_t *cap, size_t need, size_t first, size_t size)
{
    const size_t next = spv_array_next_cap(*cap, need, first, SIZE_MAX / size);
    void *grown;

    if (need <= *cap && array)
        return array;
    grown = next > 0 ? realloc(array, next * size) : NULL;
    if (grown)
        *cap = next;
    return grown;
}

#endif
