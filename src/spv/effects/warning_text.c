/* One text per warning, the same for every program. */
#include "spv/effects/warning_text.h"

const char *spv_warning_text(enum spv_warning warning)
{
    switch (warning) {
    case SPV_WARN_NONE:
        break;
    case SPV_WARN_STALE_TIP:
        return "the tip has not moved for long; we or our peers may be cut off from the network";
    case SPV_WARN_CLOCK:
        return "most peers' clocks disagree with this system's clock; please check it";
    case SPV_WARN_NO_PEERS:
        return "every peer is lost; new ones are being tried";
    case SPV_WARN_UNMET_CLAIM:
        return "no peer sent the headers that it claims to have";
    case SPV_WARN_FORK_BELOW_START:
        return "the peer's chain forks from ours below the height at which the database begins";
    case SPV_WARN_FUTURE_HEADERS:
        return "the times of the peer's headers are ahead of this system's clock";
    case SPV_WARN_TIP_UNKNOWN:
        return "no peer has our tip; all their chains end below it with less work";
    case SPV_WARN_LOW_WORK:
        return "the peer's chain has too little work";
    case SPV_WARN_V2_BLOCKED:
        return "encrypted connections fail everywhere: something on the path blocks them; "
               "connecting without encryption";
    case SPV_WARN_FILTERS_ONE_GROUP:
        return "only one group of peers serves filter headers; nothing else confirms them";
    case SPV_WARN_FILTERS_DISPUTED:
        return "peers disagree about a filter, and its block proves neither invalid; both are used";
    case SPV_WARN_FILTERS_BUILT_IN:
        return "every peer contradicts a built-in filter header; no filter headers are synced";
    case SPV_WARN_FILTERS_START:
        return "the database begins above every built-in filter header; no filter headers are "
               "synced before the headers below are there";
    }
    return "";
}
