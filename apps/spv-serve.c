/* spv-serve: a header server. serve_source.c loads its chain; this file reads the options, passes
 * the chain's header database to the library's servers, and runs them until a signal. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "serve_source.h"
#include "spv/http_server.h"
#include "spv/p2p_server.h"

#define CLIENTS_MAX 10000 /* file descriptors run out before */
#define HTTP_RATE_MAX 1000000 /* more is no limit */
#define HTTP_TIMEOUT_MAX 3600 /* seconds */
#define WATCH_US 200000 /* how often a database's tip is read: a seek of microseconds */

struct serve {
    struct cli_target target;
    struct cli_list files; /* arguments */
    struct cli_log log;
    const char *headers, *listen, *services_text, *http_text, *pid_file;
    uint64_t mine, seed, max_clients, http_rate, http_clients, http_timeout;
    bool quiet, json, verbose;
    enum spv_transport_choice transport;
    uint64_t services;
    struct spv_endpoint endpoint, http;
    struct source source;
};

static const struct service {
    const char *name;
    uint64_t bit;
} services[] = {
    {"network", SPV_NODE_NETWORK},
    {"bloom", SPV_NODE_BLOOM},
    {"witness", SPV_NODE_WITNESS},
    {"compact-filters", SPV_NODE_COMPACT_FILTERS},
    {"network-limited", SPV_NODE_NETWORK_LIMITED},
    {"p2p-v2", SPV_NODE_P2P_V2},
};

/* "network,witness", "9" or "0x9". */
static int read_services(uint64_t *out, const char *text)
{
    char *end;
    size_t i, len;

    *out = 0;
    if (*text >= '0' && *text <= '9') {
        errno = 0;
        *out = strtoull(text, &end, 0);
        if (errno == 0 && *end == '\0')
            return 0;
        return cli_usage("--services: '%s' is not a 64-bit number.", text);
    }
    for (;; text += len + 1) {
        len = strcspn(text, ",");
        for (i = 0; i < sizeof services / sizeof services[0]; i++) {
            if (strlen(services[i].name) == len && memcmp(services[i].name, text, len) == 0)
                break;
        }
        if (i == sizeof services / sizeof services[0])
            return cli_usage(
                "--services: '%.*s' is not a service. Use a number, or any of network, "
                "bloom, witness, compact-filters, network-limited, p2p-v2 with commas "
                "between.",
                (int)len, text);
        *out |= services[i].bit;
        if (text[len] == '\0')
            return 0;
    }
}

/* Serving. */

static void on_client(void *ctx, const struct spv_endpoint *from, bool connected, int error,
                      unsigned clients)
{
    const struct serve *s = ctx;
    char address[SPV_ENDPOINT_TEXT];

    spv_endpoint_text(address, from);
    if (cli_json_on()) {
        if (!s->quiet)
            cli_json(json_pack("{s:s, s:s, s:i, s:s, s:s}", "event",
                               connected ? "connected" : "disconnected", "peer", address, "clients",
                               (int)clients, "code", spv_err_name(error), "text",
                               error != 0 ? spv_strerror(error) : ""));
    } else if (s->verbose && connected) {
        cli_print("%s came (%u clients)", address, clients);
    } else if (s->verbose) {
        cli_print("%s went: %s (%u clients)", address, error != 0 ? spv_strerror(error) : "closed",
                  clients);
    }
}

static void on_ready(void *ctx, const struct spv_endpoint *from, const struct spv_peer_stats *stats)
{
    const struct serve *s = ctx;
    char address[SPV_ENDPOINT_TEXT], transport[CLI_TRANSPORT_TEXT];

    spv_endpoint_text(address, from);
    if (cli_json_on() && !s->quiet) {
        json_t *object = json_pack("{s:s, s:s, s:s}", "event", "ready", "peer", address,
                                   "user_agent", stats->user_agent);
        cli_json_transport(object, stats->transport, stats->session_id);
        cli_json(object);
    } else if (s->verbose) {
        cli_print("%s is ready (%s)", address,
                  cli_transport(transport, stats->transport, stats->session_id));
    }
}

static void on_refused(void *ctx, const struct spv_endpoint *from, int error, unsigned clients)
{
    const struct serve *s = ctx;
    char address[SPV_ENDPOINT_TEXT];

    spv_endpoint_text(address, from);
    if (cli_json_on()) {
        if (!s->quiet)
            cli_json(json_pack("{s:s, s:s, s:i, s:s, s:s}", "event", "refused", "peer", address,
                               "clients", (int)clients, "code", spv_err_name(error), "text",
                               spv_strerror(error)));
    } else if (s->verbose) {
        cli_print("%s was refused: %s (%u clients)", address, spv_strerror(error), clients);
    }
}

/* The tip of a database that another process writes to has moved. */
static void on_tip(void *ctx, const struct spv_chain_header *tip)
{
    const struct serve *s = ctx;
    char hash[SPV_HASH_HEX];

    spv_blockhash_hex(hash, &tip->hash);
    if (cli_json_on()) {
        if (!s->quiet)
            cli_json(json_pack("{s:s, s:I, s:s}", "event", "tip", "height", (json_int_t)tip->height,
                               "hash", hash));
    } else if (s->verbose) {
        cli_print("new tip: height %s, %s", CLI_COUNT(tip->height), hash);
    }
}

static void stop_server(void *ctx)
{
    spv_p2p_server_stop(ctx);
}

static void print_http(const struct serve *s, uint16_t port)
{
    struct spv_endpoint at = s->http;
    char address[SPV_ENDPOINT_TEXT];

    at.port = port;
    spv_endpoint_text(address, &at);
    if (s->quiet)
        return;
    if (cli_json_on())
        cli_json(
            json_pack("{s:s, s:s, s:i}", "event", "http", "address", address, "port", (int)port));
    else
        cli_print("REST on http://%s/rest/chaininfo.json", address);
}

static void print_listening(const struct serve *s, uint16_t port)
{
    struct spv_endpoint at = s->endpoint;
    struct spv_chain_header tip = {.height = 0};
    char address[SPV_ENDPOINT_TEXT], hash[SPV_HASH_HEX];

    at.port = port;
    spv_endpoint_text(address, &at);
    if (s->source.header_db.tip(s->source.header_db.ctx, &tip) == 1)
        spv_blockhash_hex(hash, &tip.hash);
    else
        hash[0] = '\0';
    if (s->quiet)
        return;
    if (cli_json_on())
        cli_json(json_pack("{s:s, s:s, s:i, s:s, s:I, s:s}", "event", "listening", "address",
                           address, "port", (int)port, "network", s->source.params->net.name,
                           "height", (json_int_t)tip.height, "hash", hash));
    else
        cli_print("listening on %s (%s, height %s)", address, s->source.params->net.name,
                  CLI_COUNT(tip.height));
}

static void print_stopped(const struct serve *s, const struct spv_p2p_server *server,
                          const struct spv_http_server *http)
{
    struct spv_p2p_server_stats stats;
    struct spv_http_server_stats web = {0};
    char a[CLI_FIGURE], b[CLI_FIGURE], c[CLI_FIGURE], d[CLI_FIGURE], e[CLI_FIGURE];

    if (s->quiet)
        return;
    spv_p2p_server_get_stats(server, &stats);
    if (http)
        spv_http_server_get_stats(http, &web);
    if (cli_json_on())
        cli_json(json_pack(
            "{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "event", "stopped",
            "accepted", (json_int_t)stats.accepted, "refused", (json_int_t)stats.refused, "evicted",
            (json_int_t)stats.evicted, "requests", (json_int_t)stats.requests, "headers_sent",
            (json_int_t)stats.headers_sent, "filter_requests", (json_int_t)stats.filter_requests,
            "filters_sent", (json_int_t)stats.filters_sent, "http_requests",
            (json_int_t)web.requests, "http_limited", (json_int_t)web.limited, "http_dropped",
            (json_int_t)web.dropped));
    else
        cli_print("stopped: %s clients, %s refused, %s evicted, %s requests, %s headers sent",
                  cli_count(a, stats.accepted), cli_count(b, stats.refused),
                  cli_count(c, stats.evicted), cli_count(d, stats.requests),
                  cli_count(e, stats.headers_sent));
}

static int start_http(struct serve *s, struct spv_http_server **http, struct spv_p2p_server *server)
{
    const struct spv_http_server_config cfg = {.params = s->source.params,
                                               .header_db = s->source.header_db,
                                               .listen = s->http,
                                               .max_connections = (unsigned)s->http_clients,
                                               .rate = (unsigned)s->http_rate,
                                               .request_timeout_us = s->http_timeout * SPV_SECOND};
    struct spv_error_info why;
    int rc = spv_http_server_new(http, spv_p2p_server_reactor(server), &cfg, &why);

    if (rc != 0)
        return cli_print_error_info(&why);
    print_http(s, spv_http_server_port(*http));
    return CLI_DONE;
}

static int run_servers(struct serve *s)
{
    struct spv_p2p_server_config cfg = {.net = &s->source.params->net,
                                        .header_db = s->source.header_db,
                                        .filter_db = s->source.store ? &s->source.filter_db : NULL,
                                        .listen = s->endpoint,
                                        .services = s->services,
                                        .max_clients = (unsigned)s->max_clients,
                                        .transport = s->transport,
                                        .on_client = on_client,
                                        .on_ready = on_ready,
                                        .on_refused = on_refused,
                                        .tip_poll_us = s->source.store ? WATCH_US : 0,
                                        .on_tip = on_tip,
                                        .ctx = s};
    struct spv_p2p_server *server = NULL;
    struct spv_http_server *http = NULL;
    struct spv_error_info why;
    int rc = spv_p2p_server_new(&server, &cfg, &why);

    if (rc != 0)
        return cli_print_error_info(&why);
    if (s->http_text) {
        rc = start_http(s, &http, server);
        if (rc != 0)
            goto free_server;
    }
    cli_stop_hook(stop_server, server);
    print_listening(s, spv_p2p_server_port(server));
    cli_service_ready("listening on port %u", (unsigned)spv_p2p_server_port(server));
    rc = cli_stopped() ? 0 : spv_p2p_server_run(server);
    cli_stop_hook(NULL, NULL);
    cli_service_stopping();
    if (rc != 0)
        rc = cli_fail(rc, "server: failed: %s. Start it again.", spv_strerror(rc));
    else
        print_stopped(s, server, http);
    spv_http_server_free(http);
free_server:
    spv_p2p_server_free(server);
    return rc;
}

/* Bitcoin Core serves REST on its RPC port: one below the P2P port. */
static uint16_t http_port(const struct spv_params *params)
{
    return (uint16_t)(params->net.network == SPV_SIMNET ? params->net.port + 1
                                                        : params->net.port - 1);
}

/* The file of headers may be an argument. */
static int name_headers(struct serve *s)
{
    if (s->files.n > 1)
        return cli_usage("'%s': unexpected argument; one file is served.", s->files.item[1]);
    if (s->files.n == 1 && s->headers)
        return cli_usage("--headers: cannot be combined with the argument '%s'.", s->files.item[0]);
    if (s->files.n == 1)
        s->headers = s->files.item[0];
    return CLI_DONE;
}

static int check_options(struct serve *s)
{
    const struct spv_params *p;
    int rc = name_headers(s);

    if (rc != CLI_DONE)
        return rc;
    if (s->quiet && s->verbose)
        return cli_usage("--quiet, --verbose: cannot be combined.");
    if (s->headers && (s->target.db || s->target.datadir))
        return cli_usage("--headers, %s: only one source of headers can be served.",
                         s->target.db ? "--db" : "--datadir");
    if (s->mine > 0 && (s->target.db || s->target.datadir))
        return cli_usage("--mine: never writes to a database. Leave %s out.",
                         s->target.db ? "--db" : "--datadir");
    if (s->headers || s->mine > 0)
        rc = cli_target_network(&s->target);
    else
        rc = cli_target_resolve(&s->target);
    if (rc != CLI_DONE)
        return rc;
    p = s->target.params;
    if (s->mine > 0 && p->net.network != SPV_REGTEST && p->net.network != SPV_SIMNET)
        return cli_usage("--mine: %s is too hard to mine. Add --network regtest or simnet.",
                         p->net.name);
    return s->services_text ? read_services(&s->services, s->services_text) : CLI_DONE;
}

static int run_serve(struct serve *s)
{
    int rc = check_options(s);

    if (rc == CLI_DONE)
        rc = cli_pid_file(s->pid_file);
    if (rc != CLI_DONE)
        return rc;
    s->source.params = s->target.params;
    s->source.quiet = s->quiet;
    s->source.verbose = s->verbose;
    if (s->headers || s->mine > 0)
        rc = source_validated(&s->source, s->headers, s->mine, s->seed);
    else /* the file names its network */
        rc = source_database(&s->source, s->target.path,
                             s->target.db ? s->target.network : s->target.params);
    if (rc == CLI_INTERRUPTED)
        return CLI_DONE; /* stopped on request */
    if (rc != CLI_DONE)
        return rc;
    rc = cli_endpoint(&s->endpoint, "listen", s->listen ? s->listen : "127.0.0.1",
                      s->source.params->net.port);
    if (rc != CLI_DONE)
        return rc;
    if (s->http_text) {
        rc = cli_endpoint(&s->http, "http", s->http_text, http_port(s->source.params));
        if (rc != CLI_DONE)
            return rc;
    }
    return run_servers(s);
}

static struct serve state = {
    .max_clients = 256, .seed = 1, .http_rate = 20, .http_clients = 64, .http_timeout = 10};

static const struct cli_option options[] = {
    {.group = "Source of headers (one of)"},
    {.name = "headers",
     .kind = CLI_TEXT,
     .value = "FILE",
     .help =
         "Raw 80-byte headers, genesis first; validated by all consensus rules when loaded. The "
         "file may also be an argument.",
     .into = &state.headers},
    {.name = "mine",
     .letter = 'm',
     .kind = CLI_NUMBER,
     .value = "N",
     .help = "Mine N headers first (regtest and simnet), on top of genesis or of --headers. "
             "Regtest times are 600 s apart, halved until the last is before now; simnet keeps "
             "600 s and its retargets.",
     .into = &state.mine,
     .min = 1,
     .max = UINT32_MAX},
    {.name = "seed",
     .kind = CLI_NUMBER,
     .value = "S",
     .help = "Seed of the mined headers: the same seed produces the same chain. "
             "Default 1.",
     .into = &state.seed,
     .max = UINT64_MAX},
    CLI_DB_ROW(state.target),
    CLI_DATADIR_ROW(state.target),
    CLI_NETWORK_ROW(state.target),
    CLI_CHALLENGE_ROW(state.target),
    {.group = "Server"},
    {.name = "listen",
     .letter = 'l',
     .kind = CLI_TEXT,
     .value = "HOST[:PORT]",
     .help =
         "Address to listen on. Default: 127.0.0.1 and the network's port; 0 picks a free port.",
     .into = &state.listen},
    {.name = "services",
     .kind = CLI_TEXT,
     .value = "BITS",
     .help =
         "Service bits to offer, as a number or names: network, bloom, witness, "
         "compact-filters, network-limited, p2p-v2. Default: only p2p-v2 (see --transport); of "
         "a database, compact-filters is offered while it has all filters, and never otherwise.",
     .into = &state.services_text},
    CLI_TRANSPORT_ROW(
        state.transport,
        "Encryption (BIP324, v2) of clients. auto: as the client chooses, and p2p-v2 is "
        "offered; v1: never; v2: only encrypted clients. Default auto."),
    {.name = "max-clients",
     .kind = CLI_NUMBER,
     .value = "N",
     .help =
         "Maximum number of clients; at most 1/8 of them from one address and 1/4 from one group "
         "(/24, IPv6 /64), except loopback. When all slots are taken, a new client evicts an "
         "inactive or recently connected one. Default 256.",
     .into = &state.max_clients,
     .min = 1,
     .max = CLIENTS_MAX},
    {.group = "REST over HTTP"},
    {.name = "http",
     .kind = CLI_TEXT,
     .value = "HOST[:PORT]",
     .help = "Also serve Bitcoin Core's REST endpoints for headers: "
             "/rest/headers/HASH.json?count=N, /rest/blockhashbyheight/HEIGHT.json (or .bin, "
             ".hex), /rest/chaininfo.json. Default port: one below the network's; 0 picks "
             "a free port.",
     .into = &state.http_text},
    {.name = "http-rate",
     .kind = CLI_NUMBER,
     .value = "N",
     .help = "Requests per second of one client, and four times as many at once. Default 20; 0: no "
             "limit.",
     .into = &state.http_rate,
     .max = HTTP_RATE_MAX},
    {.name = "http-clients",
     .kind = CLI_NUMBER,
     .value = "N",
     .help =
         "Maximum number of connections; the longest idle one is closed for a new one. Default 64.",
     .into = &state.http_clients,
     .min = 1,
     .max = CLIENTS_MAX},
    {.name = "http-timeout",
     .kind = CLI_NUMBER,
     .value = "SECONDS",
     .help = "Time limit for receiving a request. Default 10.",
     .into = &state.http_timeout,
     .min = 1,
     .max = HTTP_TIMEOUT_MAX},
    {.group = "Output"},
    CLI_LOG_FILE_ROW(state.log),
    CLI_TIMESTAMPS_ROW(state.log),
    CLI_PID_FILE_ROW(state.pid_file),
    CLI_JSON_ROW(
        state.json,
        "One JSON object per line: listening, http, tip, connected, ready, disconnected, refused, "
        "error, stopped."),
    CLI_QUIET_ROW(state.quiet, "Print only errors."),
    CLI_VERBOSE_ROW(state.verbose, "Also print each client."),
    {0},
};

int main(int argc, char **argv)
{
    static const enum cli_exit exits[] = {CLI_DONE, CLI_FAILED, CLI_USAGE, CLI_DATABASE};
    static const struct cli_app app = {
        .name = "spv-serve",
        .summary = "Serves block headers to Bitcoin peers: from a database of spv-sync, "
                   "from\na file, or newly mined on a test network. Runs until SIGINT,\nSIGTERM "
                   "or SIGHUP.",
        .usage = "[OPTION]... [FILE]",
        .options = options,
        .notes =
            "Examples:\n"
            "  spv-serve --network regtest --mine 1000 --listen 127.0.0.1:0\n"
            "  spv-serve headers.bin --services network\n"
            "  spv-serve --network testnet4    # the database of spv-sync --network testnet4\n"
            "  spv-serve --http 127.0.0.1 &   # curl http://127.0.0.1:8332/rest/chaininfo.json\n"
            "\nOnce ready it prints 'listening on HOST:PORT (NETWORK, height N)'.\n",
        .exits = exits,
        .n_exits = sizeof exits / sizeof exits[0],
        .operands = &state.files,
    };
    int rc = cli_parse(&app, argc, argv), closed, printed;

    if (rc != CLI_PROCEED)
        return rc;
    cli_catch_signals();
    cli_stop_codes(CLI_DONE, CLI_DONE); /* a signal is the normal end of a server */
    if (state.json)
        cli_json_mode();
    rc = cli_log_begin(&state.log);
    if (rc != CLI_DONE)
        return rc;
    rc = run_serve(&state);
    closed = source_close(&state.source);
    if (closed != 0 && rc == CLI_DONE)
        rc = cli_fail(closed, "%s: cannot be closed: %s. Check the disk.", state.target.path,
                      spv_strerror(closed));
    printed = cli_finish_output();
    return rc != CLI_DONE ? rc : printed;
}
