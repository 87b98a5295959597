/* The head of an HTTP request, from any bytes.
 *
 * Invariants: no byte beyond the input is read; a complete head ends within it and has a target; an
 * error has a reason; and the result does not depend on the chunks: the first prefix that is not
 * incomplete has the same result as the whole input. */
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "loop/http_request.h"

/* The parser modifies its input, so each call gets a copy of exactly that size. */
static enum spv_http_parse parse(struct spv_http_request *out, char **copy, const uint8_t *data,
                                 size_t n)
{
    *copy = malloc(n > 0 ? n : 1);
    FUZZ_CHECK(*copy != NULL);
    if (n > 0)
        memcpy(*copy, data, n);
    return spv_http_request_parse(out, *copy, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct spv_http_request whole, part;
    char *bytes, *prefix;

    if (size > 2 * SPV_HTTP_MAX_HEAD)
        return 0;
    const enum spv_http_parse result = parse(&whole, &bytes, data, size);
    if (result == SPV_HTTP_COMPLETE) {
        FUZZ_CHECK(whole.len > 0 && whole.len <= size && whole.len <= SPV_HTTP_MAX_HEAD);
        if (whole.method != SPV_HTTP_OTHER) {
            FUZZ_CHECK(whole.target >= bytes && whole.target < bytes + whole.len);
            FUZZ_CHECK(whole.target[0] == '/' && strlen(whole.target) < whole.len);
        }
    } else if (result != SPV_HTTP_INCOMPLETE) {
        FUZZ_CHECK(whole.why && !whole.keep_alive);
    }
    for (size_t n = 0; n <= size && size <= 512; n++) {
        const enum spv_http_parse now = parse(&part, &prefix, data, n);
        const bool ended = now != SPV_HTTP_INCOMPLETE;
        if (ended) {
            FUZZ_CHECK(now == result && part.len == whole.len);
            FUZZ_CHECK(part.keep_alive == whole.keep_alive && part.why == whole.why);
        }
        free(prefix);
        if (ended)
            break;
    }
    free(bytes);
    return 0;
}
