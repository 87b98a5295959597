/* Networks that share an address are one line. */
#include "address_print.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define NAMES (SPV_NETWORKS * SPV_NETNAME_MAX)

static const char *network_name(unsigned network)
{
    return spv_params_get((enum spv_network)network)->net.name;
}

/* "testnet3, testnet4, signet" */
static const char *names_of(char out[NAMES], unsigned networks)
{
    size_t n = 0;

    out[0] = '\0';
    for (unsigned i = 0; i < SPV_NETWORKS; i++) {
        if (networks & SPV_NETWORK_BIT(i)) {
            n += (size_t)snprintf(out + n, NAMES - n, "%s%s", n > 0 ? ", " : "", network_name(i));
        }
    }
    return out;
}

static json_t *names_json(unsigned networks)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < SPV_NETWORKS; i++) {
        if (networks & SPV_NETWORK_BIT(i)) {
            (void)json_array_append_new(list, json_string(network_name(i)));
        }
    }
    return list;
}

/* A line of any length; its text has no control characters. */
static void print_line(const char *name, const char *text)
{
    (void)printf("%-14s %s\n", name, text);
}

/* An address and the networks that have it. */
struct shared_address {
    char text[SPV_ADDRESS_TEXT];
    unsigned networks;
};

/* Returns how many different addresses a script has on some networks; 0: it has none. */
static size_t addresses_of(struct shared_address out[SPV_NETWORKS], const uint8_t *script, size_t n,
                           unsigned networks)
{
    size_t found = 0;

    for (unsigned i = 0; i < SPV_NETWORKS; i++) {
        struct shared_address one = {.networks = SPV_NETWORK_BIT(i)};
        size_t at = 0;
        if (!(networks & SPV_NETWORK_BIT(i)) ||
            spv_address_encode(one.text, script, n, (enum spv_network)i) != 0) {
            continue;
        }
        while (at < found && strcmp(out[at].text, one.text) != 0) {
            at++;
        }
        if (at < found) {
            out[at].networks |= one.networks;
        } else {
            out[found++] = one;
        }
    }
    return found;
}

/* addr() or raw() with its checksum; NULL: no memory. */
static char *descriptor_of(const char *function, const char *argument)
{
    const size_t n = strlen(function) + strlen(argument) + 2; /* and the brackets */
    char *text = malloc(n + 1 + SPV_DESCRIPTOR_CHECKSUM_CHARS + 1);

    if (text) {
        (void)snprintf(text, n + 1, "%s(%s)", function, argument);
        text[n] = '#';
        (void)spv_descriptor_checksum(text + n + 1, text, n);
    }
    return text;
}

static json_t *addresses_json(const struct shared_address *addresses, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++) {
        (void)json_array_append_new(list, json_pack("{s:s, s:o}", "address", addresses[i].text,
                                                    "networks", names_json(addresses[i].networks)));
    }
    return list;
}

static void print_addresses(const struct shared_address *addresses, size_t n)
{
    char names[NAMES];

    for (size_t i = 0; i < n; i++) {
        cli_print("%-14s %s", "address", addresses[i].text);
        cli_print("%-14s %s", "  of", names_of(names, addresses[i].networks));
    }
    if (n == 0) {
        cli_print("%-14s none: bare keys, OP_RETURN and nonstandard scripts have none", "address");
    }
}

int address_print_script(const uint8_t *script, size_t n, unsigned networks)
{
    struct shared_address addresses[SPV_NETWORKS];
    struct spv_script_info info;
    const size_t found = addresses_of(addresses, script, n, networks);
    const char *kind = spv_script_kind_name(spv_script_classify(&info, script, n));
    char *hex = cli_hex(script, n);
    char *descriptor = NULL;
    int rc = CLI_DONE;

    if (hex) {
        descriptor =
            found == 1 ? descriptor_of("addr", addresses[0].text) : descriptor_of("raw", hex);
    }
    if (!descriptor) {
        rc = cli_fail(SPV_ERR_NOMEM, "not enough memory.");
    } else if (cli_json_on()) {
        cli_json(json_pack("{s:s, s:s, s:s, s:o, s:s}", "event", "script", "type", kind, "script",
                           hex, "addresses", addresses_json(addresses, found), "descriptor",
                           descriptor));
    } else {
        print_addresses(addresses, found);
        cli_print("%-14s %s", "type", kind);
        print_line("script", hex);
        print_line("descriptor", descriptor);
    }
    free(hex);
    free(descriptor);
    return rc;
}

/* The first network of a set. */
static enum spv_network first_of(unsigned networks)
{
    unsigned i = 0;

    while (!(networks & SPV_NETWORK_BIT(i))) {
        i++;
    }
    return (enum spv_network)i;
}

static int print_derived(const struct spv_derived_script *derived, size_t branch,
                         enum spv_network network, bool is_range)
{
    struct spv_script_info info;
    char address[SPV_ADDRESS_TEXT] = "", place[2 * CLI_FIGURE] = "";
    const struct spv_bytes *script = &derived->script;
    const char *kind = spv_script_kind_name(spv_script_classify(&info, script->bytes, script->n));
    const bool has = spv_address_encode(address, script->bytes, script->n, network) == 0;
    char *hex = cli_hex(script->bytes, script->n);

    if (!hex) {
        return cli_fail(SPV_ERR_NOMEM, "not enough memory.");
    }
    if (cli_json_on()) {
        cli_json(json_pack("{s:s, s:I, s:o?, s:s, s:s, s:s?}", "event", "derived", "branch",
                           (json_int_t)branch, "index",
                           is_range ? json_integer((json_int_t)derived->index) : json_null(),
                           "type", kind, "script", hex, "address", has ? address : NULL));
    } else {
        if (is_range) {
            (void)snprintf(place, sizeof place, "%zu/%lu", branch, (unsigned long)derived->index);
        }
        (void)printf("%-14s %s  %s\n", place, has ? address : kind, hex);
    }
    free(hex);
    return CLI_DONE;
}

static int print_branch(const struct spv_descriptor *descriptor, size_t branch,
                        struct address_range range)
{
    const enum spv_network network = first_of(spv_descriptor_networks(descriptor));
    const bool is_range = spv_descriptor_is_range(descriptor);
    struct spv_derived_scripts scripts;
    int rc = spv_descriptor_derive(&scripts, descriptor, branch, range.first,
                                   range.last - range.first + 1);

    if (rc < 0) {
        return cli_fail_as(CLI_FAILED, rc, "descriptor: %s.", spv_strerror(rc));
    }
    for (size_t i = 0; rc == CLI_DONE && i < scripts.n && !cli_stopped(); i++) {
        rc = print_derived(&scripts.scripts[i], branch, network, is_range);
    }
    spv_derived_scripts_free(&scripts);
    return cli_stopped() ? (int)cli_stop_code() : rc;
}

int address_print_descriptor(const struct spv_descriptor *descriptor, struct address_range range)
{
    const unsigned networks = spv_descriptor_networks(descriptor);
    const size_t n_branches = spv_descriptor_n_branches(descriptor);
    char names[NAMES];
    int rc = CLI_DONE;

    if (cli_json_on()) {
        cli_json(json_pack("{s:s, s:s, s:o, s:b, s:I, s:s}", "event", "descriptor", "descriptor",
                           spv_descriptor_text(descriptor), "networks", names_json(networks),
                           "range", spv_descriptor_is_range(descriptor), "branches",
                           (json_int_t)n_branches, "network", network_name(first_of(networks))));
    } else {
        print_line("descriptor", spv_descriptor_text(descriptor));
        cli_print("%-14s %s", "networks", names_of(names, networks));
        cli_print("%-14s %s", "addresses of", network_name(first_of(networks)));
    }
    for (size_t i = 0; rc == CLI_DONE && i < n_branches; i++) {
        rc = print_branch(descriptor, i, range);
    }
    return rc;
}
