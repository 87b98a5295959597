/* Includes all of libspv. The peer library alone: spv/peer.h, spv/push.h, spv/transport.h,
 * spv/reactor.h, spv/link.h, spv/dial.h, spv/listener.h, spv/resolve.h. */
#ifndef SPV_SPV_H
#define SPV_SPV_H

#include "spv/addrman.h"
#include "spv/block.h"
#include "spv/chain.h"
#include "spv/dial.h"
#include "spv/endpoint.h"
#include "spv/error.h"
#include "spv/export_rows.h"
#include "spv/header.h"
#include "spv/header_db.h"
#include "spv/http_server.h"
#include "spv/import.h"
#include "spv/link.h"
#include "spv/listener.h"
#include "spv/loop.h"
#include "spv/merkle.h"
#include "spv/message.h"
#include "spv/mine.h"
#include "spv/netaddr.h"
#include "spv/network.h"
#include "spv/node.h"
#include "spv/p2p_server.h"
#include "spv/params.h"
#include "spv/peer.h"
#include "spv/push.h"
#include "spv/reactor.h"
#include "spv/resolve.h"
#include "spv/serve.h"
#include "spv/store.h"
#include "spv/transport.h"
#include "spv/tx.h"
#include "spv/types.h"
#include "spv/version.h"

#endif
