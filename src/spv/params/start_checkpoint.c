/* A chain that starts at a checkpoint begins with the whole period that ends in it, so that the
 * first retarget and median times are validated like any other. The period links the checkpoint
 * before it to the one at its end: both must exist. */
#include "spv/params.h"
#include "spv/params/interval.h"

/* list[i] ends a period, and the period before ends in a checkpoint. */
static bool is_possible(const struct spv_params *params, const struct spv_checkpoint *list,
                        size_t i)
{
    const uint32_t interval = spv_params_interval(params);
    const uint32_t height = list[i].height;

    if (height % interval != interval - 1 || height < 2 * interval - 1)
        return false;
    for (; i > 0 && list[i - 1].height >= height - interval; i--)
        if (list[i - 1].height == height - interval)
            return true;
    return false;
}

const struct spv_checkpoint *spv_params_start_checkpoint(const struct spv_params *params,
                                                         const struct spv_checkpoint *list,
                                                         size_t n, uint32_t height)
{
    for (size_t i = n; i-- > 0;)
        if (list[i].height <= height && is_possible(params, list, i))
            return &list[i];
    return NULL;
}

const struct spv_checkpoint *spv_params_birthday_checkpoint(const struct spv_params *params,
                                                            const struct spv_checkpoint *list,
                                                            size_t n, int64_t birthday)
{
    for (size_t i = n; i-- > 0;)
        if (list[i].next_time != 0 &&
            (int64_t)list[i].next_time + SPV_BIRTHDAY_MARGIN_S <= birthday &&
            is_possible(params, list, i))
            return &list[i];
    return NULL;
}
