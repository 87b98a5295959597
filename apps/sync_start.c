/* A database that already has headers keeps its first height: the options then only print a
 * warning. */
#include "sync_start.h"

#include "spv/reactor.h"

int start_check(struct start_options *o)
{
    if (!o->birthday)
        return CLI_DONE;
    if (o->height > 0)
        return cli_usage("--start-height, --birthday: cannot be combined.");
    if (birthday_parse(&o->day, o->birthday) != 0)
        return cli_usage("--birthday: '%s' is not a date YYYY-MM-DD.", o->birthday);
    if (o->day > spv_system_now().unix_s)
        return cli_usage("--birthday: %s is in the future.", o->birthday);
    return CLI_DONE;
}

/* Warns that the stored chain keeps its first height. */
static int keep_stored(const struct start_options *o, const char *option, struct spv_store *store,
                       const struct spv_checkpoint *start)
{
    struct spv_chain_start base;
    const uint32_t wanted = start ? start->height : 0;

    spv_store_get_start(store, &base);
    if (o->quiet)
        return CLI_DONE;
    if (base.height > wanted + 1)
        cli_warn(
            "%s: %s begins at height %s already. Add --backfill to download the headers below, or "
            "name another database.",
            option, spv_store_path(store), CLI_COUNT(base.height));
    else
        cli_warn("%s: has no effect, %s already has headers from height %s on.", option,
                 spv_store_path(store), CLI_COUNT(base.height));
    return CLI_DONE;
}

/* Filter headers begin at a built-in one: the headers must reach down to it. */
static uint32_t built_in_below(const struct spv_params *params, uint32_t height)
{
    uint32_t found = 0;
    size_t i;

    for (i = 0; i < params->n_filter_checkpoints; i++)
        if (params->filter_checkpoints[i].height <= height)
            found = params->filter_checkpoints[i].height;
    return found;
}

int start_choose(uint32_t *out, const struct start_options *o, const struct spv_params *params,
                 const struct checkpoint_list *list, struct spv_store *store)
{
    const char *option = o->birthday ? "--birthday" : "--start-height";
    const struct spv_checkpoint *start;
    struct spv_chain_header tip;
    size_t i, timed = 0;
    int rc;

    *out = 0;
    if (!o->birthday && o->height == 0)
        return CLI_DONE;
    for (i = 0; i < list->n; i++)
        timed += list->at[i].next_time != 0;
    if (o->birthday && timed == 0)
        return cli_usage("--birthday: no block times are built in for %s. Use "
                         "--start-height.",
                         params->net.name);
    start = o->birthday
                ? spv_params_birthday_checkpoint(params, list->at, list->n, o->day)
                : spv_params_start_checkpoint(params, list->at, list->n, (uint32_t)o->height);
    if (start && o->filters)
        start = spv_params_start_checkpoint(params, list->at, list->n,
                                            built_in_below(params, start->height));
    rc = spv_store_tip(store, &tip);
    if (rc < 0)
        return cli_fail(rc, "%s", spv_store_last_error(store));
    if (rc > 0 && tip.height > 0)
        return keep_stored(o, option, store, start);
    if (!start && o->filters) {
        if (!o->quiet)
            cli_warn(
                "%s: %s has no built-in filter header and no checkpoint at or below it. Starts "
                "at genesis.",
                option, params->net.name);
        return CLI_DONE;
    }
    if (!start) {
        if (!o->quiet)
            cli_warn(
                "%s: %s has no two checkpoints one retarget period apart at or below it. Starts "
                "at genesis.",
                option, params->net.name);
        return CLI_DONE;
    }
    *out = start->height;
    if (!o->quiet && !cli_json_on())
        cli_print("%s starts at the checkpoint at height %s", params->net.name,
                  CLI_COUNT(start->height));
    return CLI_DONE;
}
