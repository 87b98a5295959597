/* Endpoints, networks and the path of the database, as the options name them. */
#include <stdio.h>
#include <string.h>

#include "cli_options.h"
#include "spv/store.h"

#define CHALLENGE_MAX 10000 /* bytes: consensus limit of a script */

/* True when text, a valid IPv6 address, is also valid as an address followed by a port of four
 * decimal digits. *colon: the colon before that port. */
static bool may_hold_port(const char *text, const char **colon)
{
    struct spv_netaddr addr;
    char host[SPV_HOST_MAX];

    *colon = strrchr(text, ':');
    snprintf(host, sizeof host, "%.*s", (int)(*colon - text), text);
    return strlen(*colon) == 5 && (*colon)[1] != '0' && strspn(*colon + 1, "0123456789") == 4 &&
           spv_netaddr_from_host(&addr, host, 0) == 0;
}

int cli_endpoint(struct spv_endpoint *out, const char *option, const char *text,
                 uint16_t default_port)
{
    const char *colon = strrchr(text, ':');
    const size_t n = strspn(text, "0123456789abcdefABCDEF:.");
    /* two colons, and nothing before a zone that an IPv6 address cannot have: not http://HOST or
     * HOST:1:2 */
    const bool bare = colon && strchr(text, ':') != colon && (text[n] == '\0' || text[n] == '%') &&
                      (strstr(text, "::") || !strchr(text, '.'));

    if (spv_endpoint_parse(out, text, default_port) != 0)
        return bare ? cli_usage("--%s: '%s' is not an IPv6 address. One with a port is written "
                                "[IPv6]:PORT.",
                                option, text)
                    : cli_usage("--%s: '%s' is not HOST, HOST:PORT or [IPv6]:PORT.", option, text);
    if (bare && may_hold_port(text, &colon))
        return cli_usage("--%s: '%s' is ambiguous: it may end in a port. Write [%s] or [%.*s]%s.",
                         option, text, text, (int)(colon - text), text, colon);
    return CLI_DONE;
}

/* Decodes hex digits. Returns the number of bytes, or -1. */
static int read_hex(uint8_t *out, size_t room, const char *text)
{
    static const char digits[] = "0123456789abcdefABCDEF";
    size_t n = strlen(text), i;

    if (n % 2 != 0 || n / 2 > room || strspn(text, digits) != n)
        return -1;
    for (i = 0; i < n; i++) {
        size_t digit = (size_t)(strchr(digits, text[i]) - digits);

        digit = digit > 15 ? digit - 6 : digit;
        out[i / 2] = (uint8_t)(i % 2 == 0 ? digit << 4 : out[i / 2] | digit);
    }
    return (int)(n / 2);
}

int cli_read_challenge(struct spv_params *out, const char *hex)
{
    uint8_t script[CHALLENGE_MAX];
    const int n = read_hex(script, sizeof script, hex);

    return n >= 0 && spv_params_signet(out, script, (size_t)n) == 0 ? CLI_PROCEED : CLI_USAGE;
}

/* A custom signet that was named without its challenge. */
static bool is_only_named(const struct spv_params *network)
{
    static const uint8_t none[sizeof network->challenge_hash];

    return network && strncmp(network->net.name, "signet-", 7) == 0 &&
           memcmp(network->challenge_hash, none, sizeof none) == 0;
}

static int use_challenge(struct cli_target *target)
{
    if (target->network && target->network->net.network != SPV_SIGNET)
        return cli_usage(
            "--signet-challenge: cannot be combined with --network %s. Leave --network out.",
            target->network->net.name);
    if (cli_read_challenge(&target->custom, target->challenge) != CLI_PROCEED)
        return cli_usage("--signet-challenge: '%.40s%s' is not a script of 1 to %d bytes in "
                         "hex digits.",
                         target->challenge, strlen(target->challenge) > 40 ? "..." : "",
                         CHALLENGE_MAX);
    if (is_only_named(target->network) &&
        strcmp(target->network->net.name, target->custom.net.name) != 0)
        return cli_usage("--signet-challenge: is that of %s, not of --network %s.",
                         target->custom.net.name, target->network->net.name);
    target->network = &target->custom;
    return CLI_DONE;
}

static int choose_network(struct cli_target *target)
{
    const int rc = target->challenge ? use_challenge(target) : CLI_DONE;

    target->params = target->network ? target->network : spv_params_get(SPV_MAINNET);
    return rc;
}

int cli_target_network(struct cli_target *target)
{
    const int rc = choose_network(target);

    if (rc == CLI_DONE && is_only_named(target->params))
        return cli_usage("--network: the challenge of %s is not known. Give it with "
                         "--signet-challenge HEX.",
                         target->params->net.name);
    return rc;
}

/* The database of a custom signet knows its parameters. */
static int learn_challenge(struct cli_target *target)
{
    const struct spv_store_config cfg = {
        .path = target->path, .mode = SPV_STORE_READ, .stop = cli_stop()};
    struct spv_error_info why;
    struct spv_store *store;
    bool same;

    if (spv_store_open(&store, &cfg, &why) != 0)
        return cli_usage("--network: the challenge of %s is not known: %s%s Give it with "
                         "--signet-challenge HEX.",
                         target->params->net.name, why.text,
                         why.text[0] != '\0' && why.text[strlen(why.text) - 1] == '.' ? "" : ".");
    same = strcmp(spv_store_params(store)->net.name, target->params->net.name) == 0;
    target->custom = *spv_store_params(store);
    (void)spv_store_close(store);
    if (!same)
        return cli_usage("--network: %s is a database of %s, not of %s.", target->path,
                         target->custom.net.name, target->params->net.name);
    target->network = target->params = &target->custom;
    return CLI_DONE;
}

int cli_target_resolve(struct cli_target *target)
{
    int rc = choose_network(target);

    if (rc != CLI_DONE)
        return rc;
    rc = spv_store_default_path(target->path, sizeof target->path, &target->params->net,
                                target->datadir, target->db);
    if (rc == SPV_ERR_TOO_LONG)
        return cli_usage("%s: the path is longer than %d bytes.", target->db ? "--db" : "--datadir",
                         CLI_PATH_MAX - 1);
    if (rc != 0)
        return cli_usage("no default path for the database: HOME and XDG_DATA_HOME are not set. "
                         "Use --datadir DIR or --db FILE.");
    return is_only_named(target->params) ? learn_challenge(target) : CLI_DONE;
}
