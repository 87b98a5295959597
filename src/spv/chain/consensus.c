/* Each rule is quoted beside the code that enforces it. The interval between retargets is the
 * timespan over the spacing (2016 on every real network), so that tests can mine small networks
 * whose retargets are every few blocks. */
#include "spv/chain/consensus.h"

#include <string.h>

#include "spv/error.h"
#include "spv/params/interval.h"
#include "util/u256.h"

#define CLAMP 4 /* a retarget moves the target by at most this factor each way */
#define LATE_SPACINGS 2 /* a block later by more than this many may have pow_limit_bits */
#define MAX_TIMEWARP_S 600 /* BIP94: seconds that a period may start before its parent */

int spv_consensus_target(const struct spv_params *params, struct spv_u256 *target, uint32_t bits)
{
    /* CheckProofOfWork, "Check range": negative, zero, overflowing, above the limit */
    int rc = spv_target_from_bits(target, bits);

    if (rc < 0)
        return rc;
    if (spv_u256_cmp(target, &params->pow_limit) > 0)
        return SPV_ERR_HDR_BITS_LIMIT;
    return 0;
}

/* floor(x * m / d), or more than any target when it does not fit in 256 bits. */
static struct spv_u256 scale_target(const struct spv_u256 *x, uint32_t m, uint32_t d)
{
    struct spv_u256 quotient = spv_u256_div_u32(x, d);
    const struct spv_u256 whole = spv_u256_mul_u32(&quotient, d);
    struct spv_u256 remainder = spv_u256_sub(x, &whole); /* below d */
    const struct spv_u256 m256 = spv_u256_from_u64(m);

    if (spv_u256_bits(&quotient) + spv_u256_bits(&m256) > 256)
        return (struct spv_u256){{UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}};
    quotient = spv_u256_mul_u32(&quotient, m);
    remainder = spv_u256_mul_u32(&remainder, m);
    remainder = spv_u256_div_u32(&remainder, d);
    return spv_u256_add(&quotient, &remainder);
}

uint32_t spv_consensus_retarget(const struct spv_params *params, uint32_t base_bits,
                                uint32_t first_time, uint32_t last_time)
{
    const int64_t timespan = params->target_timespan;
    /* from a period's first block to its last: 2015 spacings, Bitcoin's off-by-one error */
    int64_t actual = (int64_t)last_time - (int64_t)first_time;
    struct spv_u256 target;

    /* "if (nActualTimespan < params.nPowTargetTimespan/4)", and "> nPowTargetTimespan*4" */
    if (actual < timespan / CLAMP)
        actual = timespan / CLAMP;
    if (actual > timespan * CLAMP)
        actual = timespan * CLAMP;

    if (spv_target_from_bits(&target, base_bits) < 0)
        return params->pow_limit_bits;
    target = scale_target(&target, (uint32_t)actual, params->target_timespan);
    if (spv_u256_cmp(&target, &params->pow_limit) > 0)
        target = params->pow_limit;
    return spv_bits_from_target(&target); /* truncates to the compact form's 23 bits */
}

uint32_t spv_consensus_next_bits(const struct spv_params *params,
                                 const struct spv_consensus_parent *parent, uint32_t time)
{
    const uint32_t interval = spv_params_interval(params);

    if ((parent->height + 1) % interval != 0) {
        /* "If the new block's timestamp is more than 2*10 minutes then allow mining of a
         * min-difficulty block", else "the last non-special-min-difficulty-rules-block" */
        if (params->min_difficulty) {
            const uint64_t late =
                (uint64_t)parent->time + (uint64_t)LATE_SPACINGS * params->target_spacing;
            return time > late ? params->pow_limit_bits : parent->last_non_min_diff_bits;
        }
        return parent->bits;
    }
    if (params->no_retarget)
        return parent->bits;
    /* BIP94: "the base difficulty ... is taken from the first block of the period" rather than the
     * last, which on the other test networks may have the minimum */
    return spv_consensus_retarget(params, params->bip94 ? parent->first_bits : parent->bits,
                                  parent->first_time, parent->time);
}

uint32_t spv_consensus_last_non_min_diff_bits(const struct spv_params *params, uint32_t height,
                                              uint32_t bits, uint32_t parent_bits)
{
    /* "while (pindex->pprev && pindex->nHeight % interval != 0 && pindex->nBits == limit)" */
    if (bits != params->pow_limit_bits || height % spv_params_interval(params) == 0)
        return bits;
    return parent_bits;
}

int spv_consensus_version(const struct spv_params *params, uint32_t height, int32_t version)
{
    /* BIP34, BIP66, BIP65: blocks of version < 2, < 3, < 4 are invalid from their heights on */
    if (version < 2 && height >= params->bip34_height)
        return SPV_ERR_HDR_VERSION;
    if (version < 3 && height >= params->bip66_height)
        return SPV_ERR_HDR_VERSION;
    if (version < 4 && height >= params->bip65_height)
        return SPV_ERR_HDR_VERSION;
    return 0;
}

int spv_consensus_time(const struct spv_params *params, uint32_t height, uint32_t time,
                       uint32_t parent_time, uint32_t median)
{
    /* "time-too-old": must exceed the median of the previous 11 */
    if (time <= median)
        return SPV_ERR_HDR_TIME_OLD;
    /* BIP94: "the first block of each difficulty period must have a timestamp no earlier than 600
     * seconds before its parent's" */
    if (params->bip94 && height % spv_params_interval(params) == 0 &&
        (int64_t)time < (int64_t)parent_time - MAX_TIMEWARP_S)
        return SPV_ERR_HDR_TIME_WARP;
    return 0;
}

int spv_consensus_future(uint32_t time, struct spv_now now)
{
    /* "time-too-new": at most two hours ahead of our clock (MAX_FUTURE_BLOCK_TIME) */
    return (int64_t)time > now.unix_s + SPV_MAX_FUTURE_S ? SPV_ERR_HDR_TIME_FUTURE : 0;
}

void spv_median_push(struct spv_median *m, uint32_t time)
{
    uint32_t i;

    if (m->n == SPV_MEDIAN_SPAN) {
        const uint32_t oldest = m->times[m->at];
        for (i = 0; m->sorted[i] != oldest; i++)
            ;
        memmove(m->sorted + i, m->sorted + i + 1, (SPV_MEDIAN_SPAN - 1 - i) * sizeof *m->sorted);
        m->n--;
    }
    for (i = m->n; i > 0 && m->sorted[i - 1] > time; i--)
        m->sorted[i] = m->sorted[i - 1];
    m->sorted[i] = time;
    m->times[m->at] = time;
    m->at = (m->at + 1) % SPV_MEDIAN_SPAN;
    m->n++;
}

uint32_t spv_median_time(const struct spv_median *m)
{
    return m->n == 0 ? 0 : m->sorted[m->n / 2];
}
