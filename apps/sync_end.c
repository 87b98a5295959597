/* Each ending is one error with what was tried, the known cause, and what to do. */
#include "sync_end.h"

#include <stdio.h>

#include "sync_report.h"

void sync_end_note(struct sync_end *end, const struct spv_event *e)
{
    if (e->warning == SPV_WARN_LOW_WORK)
        end->low = *e;
    else if (e->warning == SPV_WARN_FUTURE_HEADERS || e->warning == SPV_WARN_TIP_UNKNOWN ||
             e->warning == SPV_WARN_FORK_BELOW_START)
        end->why = *e;
    else if (e->warning == SPV_WARN_FILTERS_BUILT_IN || e->warning == SPV_WARN_FILTERS_START)
        end->filters = *e;
}

static int no_peer(const struct sync_end *e, const struct spv_node_stats *stats)
{
    const char *net = e->params->net.name;
    const char *cause = e->failure[0] != '\0' ? e->failure : "none was found";
    char t[CLI_FIGURE];

    cli_duration(t, (double)e->timeout);
    if (stats->peers > 0)
        return cli_fail_as(
            CLI_NO_PEER, SPV_ERR_STALL,
            "%s: stuck at height %s: no new header and no new peer in %s. Received "
            "headers are kept; run it again, or name another peer with --connect HOST.",
            net, CLI_COUNT(stats->tip.height), t);
    if (e->connect > 0 && e->banned >= e->connect)
        return cli_fail_as(
            CLI_NO_PEER, SPV_ERR_BANNED,
            "%s: every --connect peer is banned for 24 hours: %s. Name another peer, "
            "or remove the bans with --clear-bans.",
            net, cause);
    if (e->proxy->endpoint.host[0] != '\0')
        return cli_fail_as(CLI_NO_PEER, SPV_ERR_UNREACHABLE,
                           "%s: no usable peer in %s: %s. Check that a SOCKS5 proxy with user name "
                           "authentication (Tor "
                           "has it) listens on %s port %u.",
                           net, t, cause, e->proxy->endpoint.host,
                           (unsigned)e->proxy->endpoint.port);
    if (e->option)
        return cli_fail_as(CLI_NO_PEER, SPV_ERR_UNREACHABLE,
                           "%s: no usable peer in %s: %s. Check the %s address and that this "
                           "peer serves %s (--network).",
                           net, t, cause, e->option, net);
    return cli_fail_as(
        CLI_NO_PEER, SPV_ERR_UNREACHABLE,
        "%s: no usable peer in %s: %s. Check the connection to the Internet (port %u "
        "outbound), or name a peer with --connect HOST[:PORT].",
        net, t, cause, (unsigned)e->params->net.port);
}

/* Returns what the user can do. */
static const char *advice(enum spv_warning why)
{
    switch (why) {
    case SPV_WARN_UNMET_CLAIM:
        return "Received headers are kept; run it again later, name another peer with --connect "
               "HOST, or give the work that the chain must have with --min-chain-work";
    case SPV_WARN_FUTURE_HEADERS:
        return "Check this computer's clock, then run it again";
    case SPV_WARN_TIP_UNKNOWN:
        return "If the network was reset, sync into a new database; else name another peer "
               "with --connect HOST";
    case SPV_WARN_FORK_BELOW_START: /* a backfill from their chain could not join ours */
        return "To follow their chain, sync into a new database; to keep this one, name a peer "
               "that has its chain with --connect HOST (--backfill needs such a peer, too)";
    case SPV_WARN_NONE:
    case SPV_WARN_STALE_TIP:
    case SPV_WARN_CLOCK:
    case SPV_WARN_NO_PEERS:
    case SPV_WARN_LOW_WORK:
    case SPV_WARN_V2_BLOCKED:
    case SPV_WARN_FILTERS_ONE_GROUP:
    case SPV_WARN_FILTERS_DISPUTED:
    case SPV_WARN_FILTERS_BUILT_IN:
    case SPV_WARN_FILTERS_START:
        break;
    }
    return "Received headers are kept; run it again later, or name another peer with --connect "
           "HOST";
}

/* Every peer was asked, and it is unknown whether the chain is complete. */
int sync_end_unresolved(const struct sync_end *e, const struct spv_node_stats *stats)
{
    return cli_fail_as(CLI_NO_PEER, SPV_ERR_STALL,
                       "%s: height %s: cannot tell whether the chain is complete: %s. %s.",
                       e->params->net.name, CLI_COUNT(stats->tip.height), e->why.text,
                       advice(e->why.warning));
}

/* The last peer is on another chain, or still syncing. */
static int low_work(const struct sync_end *e)
{
    char work[SPV_HASH_HEX], wanted[SPV_HASH_HEX], height[CLI_FIGURE], t[CLI_FIGURE];

    spv_u256_hex(work, &e->low.work);
    spv_u256_hex(wanted, &e->low.wanted_work);
    return cli_fail_as(
        CLI_NO_PEER, SPV_ERR_LOW_WORK,
        "%s: no usable peer in %s: the chain of %s has too little work: it ends at "
        "height %s with work %s, and %s is required. That peer may still be syncing: "
        "wait for it, or name another one with --connect HOST.",
        e->params->net.name, cli_duration(t, (double)e->timeout), e->low.address,
        cli_count(height, e->low.given_height), report_work(work), report_work(wanted));
}

int sync_end_gave_up(const struct sync_end *e, const struct spv_node_stats *stats, bool synced)
{
    /* a warning about an earlier tip is out of date */
    if (!synced && e->why.warning != SPV_WARN_NONE &&
        spv_blockhash_eq(&e->why.tip.hash, &stats->tip.hash))
        return sync_end_unresolved(e, stats);
    if (e->low.warning == SPV_WARN_LOW_WORK && stats->headers_added == 0)
        return low_work(e);
    return no_peer(e, stats);
}

int sync_end_filters(const struct sync_end *e, const struct spv_node_stats *stats)
{
    const char *net = e->params->net.name;
    char t[CLI_FIGURE], a[CLI_FIGURE], b[CLI_FIGURE];

    if (e->filters.warning == SPV_WARN_FILTERS_BUILT_IN)
        return cli_fail_as(CLI_FAILED, SPV_ERR_FILTER_BUILT_IN,
                           "%s: headers are synced, filter headers are not: every peer contradicts "
                           "the built-in filter header of height %s. Check for a newer version of "
                           "this program, or name another peer with --connect HOST.",
                           net, cli_count(a, e->filters.given_height));
    if (e->filters.warning == SPV_WARN_FILTERS_START)
        return cli_fail_as(CLI_FAILED, SPV_ERR_FORK_BELOW_START,
                           "%s: headers are synced, filter headers are not: the database begins at "
                           "height %s, above every built-in filter header. Run it with --backfill, "
                           "or sync into a new database.",
                           net, cli_count(a, e->filters.given_height));
    return cli_fail_as(CLI_NO_PEER, SPV_ERR_STALL,
                       "%s: headers are synced up to height %s, filter headers up to %s: no more "
                       "came in %s, from %u peers that serve them. What was received is kept; run "
                       "it again, or name a peer that serves compact filters with --connect HOST.",
                       net, cli_count(a, stats->tip.height), cli_count(b, stats->filter_height),
                       cli_duration(t, (double)e->timeout), stats->filter_peers);
}

int sync_end_failed(struct spv_store *store, int rc)
{
    struct spv_error_info why = {.text = ""};
    struct spv_chain_header tip = {.height = 0};
    char height[CLI_FIGURE];

    /* the store's own message names the file, the cause and what to do */
    if (spv_store_last_error(store))
        snprintf(why.text, sizeof why.text, "%s", spv_store_last_error(store));
    /* the stored height: the last validated headers may have been lost */
    cli_count(height, spv_store_tip(store, &tip) > 0 ? tip.height : 0);
    if (why.text[0] != '\0')
        return cli_fail(rc, "the sync failed; headers up to height %s are kept: %s", height,
                        why.text);
    return cli_fail(rc,
                    "%s: the sync failed; headers up to height %s are kept: %s. Run the same "
                    "command again.",
                    spv_store_path(store), height, spv_strerror(rc));
}
