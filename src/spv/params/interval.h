/* The retarget interval, used by chain, sync and params. */
#ifndef SPV_SPV_PARAMS_INTERVAL_H
#define SPV_SPV_PARAMS_INTERVAL_H

#include <stdint.h>

#include "spv/params.h"

/* Blocks between retargets: 2016 on every real network. */
static inline uint32_t spv_params_interval(const struct spv_params *params)
{
    return params->target_timespan / params->target_spacing;
}

#endif
