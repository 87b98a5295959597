/* An onion service is reachable only through Tor: its name without a proxy is a usage error. */
#include "sync_proxy.h"

#include <string.h>
#include <strings.h>

#define TOR_PORT 9050 /* where Tor listens by default */

int sync_proxy_read(struct sync_proxy *p)
{
    const char *text = p->text ? p->text : p->onion ? "127.0.0.1" : NULL;
    int rc;

    if (!text)
        return CLI_DONE;
    rc = cli_endpoint(&p->endpoint, "proxy", text, TOR_PORT);
    if (rc != CLI_DONE)
        return rc;
    if (p->endpoint.port == 0)
        return cli_usage("--proxy: '%s' is not HOST, HOST:PORT or [IPv6]:PORT.", text);
    return CLI_DONE;
}

static bool is_onion(const char *host)
{
    const size_t n = strlen(host);
    return n > 6 && strcasecmp(host + n - 6, ".onion") == 0;
}

int sync_proxy_allows(const struct sync_proxy *p, const char *option,
                      const struct spv_endpoint *peer)
{
    struct spv_netaddr addr;

    if (!is_onion(peer->host))
        return p->onion ? cli_usage("--%s: '%s' is not an onion address; --onion allows no "
                                    "other.",
                                    option, peer->host)
                        : CLI_DONE;
    if (spv_netaddr_from_host(&addr, peer->host, peer->port) != 0)
        return cli_usage("--%s: '%s' is not a valid onion address (56 letters and digits before "
                         ".onion, with a checksum).",
                         option, peer->host);
    if (p->endpoint.host[0] == '\0')
        return cli_usage("--%s: '%s' can be reached only through Tor: add --proxy 127.0.0.1:%d (or "
                         "Tor's other address).",
                         option, peer->host, TOR_PORT);
    return CLI_DONE;
}

void sync_proxy_apply(const struct sync_proxy *p, struct spv_evloop_config *cfg)
{
    if (p->endpoint.host[0] != '\0')
        cfg->proxy = &p->endpoint;
    if (p->onion)
        cfg->node.nets = SPV_NET_ONION;
}
