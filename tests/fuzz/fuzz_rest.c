/* The target of an HTTP request, from any bytes, on a chain of three headers.
 *
 * Invariants: a reason is printable and bounded; an accepted request is within its limits, and its
 * canonical target parses to the same request; a reply has a body, or a status that needs none. */
#include <stdio.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "spv/error.h"
#include "spv/serve/rest.h"

#define HEADERS 3

static struct spv_chain_header records[HEADERS];

static void make_chain(void)
{
    const struct spv_params *params = spv_params_get(SPV_REGTEST);
    for (uint32_t h = 0; h < HEADERS; h++) {
        records[h].header = params->genesis;
        records[h].height = h;
        records[h].work.w[0] = 2 * (h + 1);
        if (h > 0)
            records[h].header.prev = records[h - 1].hash;
        spv_header_hash(&records[h].hash, &records[h].header);
    }
}

static int by_height(void *ctx, struct spv_chain_header *out, uint32_t height)
{
    (void)ctx;
    if (height >= HEADERS)
        return 0;
    *out = records[height];
    return 1;
}

static int tip(void *ctx, struct spv_chain_header *out)
{
    return by_height(ctx, out, HEADERS - 1);
}

/* Most hashes map to a header of the chain, so that there is something to answer. */
static int by_hash(void *ctx, struct spv_chain_header *out, const struct spv_blockhash *hash)
{
    return by_height(ctx, out, hash->b[0] % (HEADERS + 1));
}

static int range(void *ctx, struct spv_header *out, uint32_t from, uint32_t n)
{
    uint32_t i = 0;
    (void)ctx;
    for (; i < n && from + i < HEADERS; i++)
        out[i] = records[from + i].header;
    return (int)i;
}

/* The canonical target of a request must parse to the same request. */
static void check_taken(const struct spv_rest_request *r)
{
    static const char *const endings[] = {"bin", "hex", "json"};
    char again[256], why[SPV_REST_REASON_SIZE], hash[SPV_HASH_HEX];
    struct spv_rest_request other;
    FUZZ_CHECK(r->format == SPV_REST_BIN || r->format == SPV_REST_HEX ||
               r->format == SPV_REST_JSON);
    switch (r->kind) {
    case SPV_REST_HEADERS:
        FUZZ_CHECK(r->count >= 1 && r->count <= SPV_REST_MAX_HEADERS);
        spv_blockhash_hex(hash, &r->hash);
        (void)snprintf(again, sizeof again, "/rest/headers/%s.%s?count=%lu", hash,
                       endings[r->format], (unsigned long)r->count);
        break;
    case SPV_REST_BLOCKHASH:
        FUZZ_CHECK(r->height <= INT32_MAX);
        (void)snprintf(again, sizeof again, "/rest/blockhashbyheight/%lu.%s",
                       (unsigned long)r->height, endings[r->format]);
        break;
    case SPV_REST_CHAININFO:
        FUZZ_CHECK(r->format == SPV_REST_JSON);
        (void)snprintf(again, sizeof again, "/rest/chaininfo.json");
        break;
    }
    FUZZ_CHECK(spv_rest_parse(&other, why, again) == SPV_REST_OK);
    FUZZ_CHECK(other.kind == r->kind && other.format == r->format && other.count == r->count &&
               other.height == r->height && spv_blockhash_eq(&other.hash, &r->hash));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char target[2 * SPV_REST_MAX_TARGET];
    const struct spv_header_db reader = {
        .tip = tip, .by_height = by_height, .by_hash = by_hash, .range = range};
    struct spv_rest_request request;
    struct spv_rest_reply reply;
    char why[SPV_REST_REASON_SIZE];
    if (size >= sizeof target)
        size = sizeof target - 1;
    memcpy(target, data, size);
    target[size] = '\0';
    if (records[1].height == 0)
        make_chain();
    const enum spv_rest_status status = spv_rest_parse(&request, why, target);
    if (status == SPV_REST_OK) {
        FUZZ_CHECK(why[0] == '\0');
        check_taken(&request);
    } else {
        FUZZ_CHECK(status == SPV_REST_BAD_REQUEST || status == SPV_REST_NOT_FOUND ||
                   status == SPV_REST_TOO_LONG);
        FUZZ_CHECK(why[0] != '\0' && strnlen(why, sizeof why) < sizeof why);
        for (const char *p = why; *p != '\0'; p++)
            FUZZ_CHECK(*p >= ' ' && *p <= '~');
    }
    FUZZ_CHECK(spv_rest_answer(&reply, &reader, spv_params_get(SPV_REGTEST), target) == 0);
    FUZZ_CHECK(reply.type != NULL);
    if (status != SPV_REST_OK)
        FUZZ_CHECK(reply.status == status && reply.body.len >= 3);
    spv_buffer_free(&reply.body);
    return 0;
}
