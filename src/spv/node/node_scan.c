/* The inputs of a scan, which the node passes to its state machine (filters/filter_scan.h). An
 * error of the caller is returned, and changes nothing; any other one is a failure, which stops the
 * node.
 */
#include "spv/node/node_state.h"

int spv_node_scan(struct spv_node *n, const struct spv_bytes *scripts, size_t n_scripts,
                  uint32_t first, uint32_t last, struct spv_now now)
{
    if (n->error)
        return n->error;
    if (!n->filters.on)
        return SPV_ERR_INVALID;
    if (n->wallet.sync) /* it is the wallet's */
        return SPV_ERR_STATE;
    const int rc = spv_filter_scan_begin(n->filters.scan, scripts, n_scripts, first, last, now);
    if (rc == SPV_ERR_INVALID || rc == SPV_ERR_STATE || rc == SPV_ERR_TOO_MANY)
        return rc;
    return spv_node_after_input(n, rc, now);
}

int spv_node_scan_add(struct spv_node *n, const struct spv_bytes *scripts, size_t n_scripts,
                      uint32_t from, struct spv_now now)
{
    if (n->error)
        return n->error;
    if (!n->filters.on)
        return SPV_ERR_STATE;
    const int rc = spv_filter_scan_add(n->filters.scan, scripts, n_scripts, from);
    return rc == SPV_ERR_STATE || rc == SPV_ERR_TOO_MANY ? rc : spv_node_after_input(n, rc, now);
}

int spv_node_scan_add_output(struct spv_node *n, const struct spv_txid *txid, uint32_t index,
                             const struct spv_bytes *script, struct spv_now now)
{
    if (n->error)
        return n->error;
    if (!n->filters.on)
        return SPV_ERR_STATE;
    const int rc = spv_filter_scan_add_output(n->filters.scan, txid, index, script);
    return rc == SPV_ERR_STATE || rc == SPV_ERR_TOO_MANY || rc == SPV_ERR_INVALID
               ? rc
               : spv_node_after_input(n, rc, now);
}

int spv_node_scan_stop(struct spv_node *n, struct spv_now now)
{
    if (n->error)
        return n->error;
    if (n->filters.on)
        spv_filter_scan_stop(n->filters.scan);
    return spv_node_after_input(n, 0, now);
}

int spv_node_filters_matched(struct spv_node *n, struct spv_now now)
{
    if (n->error)
        return n->error;
    const int rc = n->filters.on ? spv_filter_scan_matched(n->filters.scan) : SPV_ERR_STATE;
    return rc == SPV_ERR_STATE ? rc : spv_node_after_input(n, rc, now);
}

void spv_node_scan_stats(const struct spv_node *n, struct spv_scan_stats *out)
{
    *out = (struct spv_scan_stats){0};
    if (!n->filters.on)
        return;
    spv_filter_scan_get_stats(n->filters.scan, out);
    out->memory += spv_output_cache_memory(n->filters.outputs);
}
