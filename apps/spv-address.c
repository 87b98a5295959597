/* spv-address: an address, an output script or a public descriptor in, the others out. */
#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "address_print.h"
#include "cli.h"
#include "read_bytes.h"
#include "spv/keys.h"

#define RANGE_MAX 10000 /* indexes of one descriptor */
#define SCRIPT_MAX 100000 /* bytes of a script, as in the largest OP_RETURN that is relayed */
#define INPUT_MAX 4000000 /* bytes of standard input */

static struct {
    const struct spv_params *network; /* NULL: any */
    struct cli_list inputs;
    const char *range;
    bool require_checksum, json;
} job;
static struct address_range range = {0, 4};

/* Reads an index below SPV_HARDENED; NULL: there is none. */
static const char *read_index(uint32_t *out, const char *text)
{
    char *end;
    unsigned long long index;

    if (!isdigit((unsigned char)*text)) {
        return NULL;
    }
    index = strtoull(text, &end, 10);
    *out = (uint32_t)index;
    return index < SPV_HARDENED ? end : NULL;
}

/* Reads "N" or "FROM-TO". */
static int read_range(void)
{
    const char *end;

    if (!job.range) {
        return CLI_DONE;
    }
    end = read_index(&range.first, job.range);
    range.last = range.first;
    if (end && *end == '-') {
        end = read_index(&range.last, end + 1);
    }
    if (!end || *end != '\0' || range.last < range.first) {
        return cli_usage("--range: '%s' is neither an index nor FROM-TO, ascending, below %s.",
                         job.range, CLI_COUNT(SPV_HARDENED));
    }
    if (range.last - range.first >= RANGE_MAX) {
        return cli_usage("--range: '%s' has more than %s indexes.", job.range,
                         CLI_COUNT(RANGE_MAX));
    }
    return CLI_DONE;
}

/* The networks that inputs may belong to. */
static unsigned allowed(void)
{
    return job.network ? SPV_NETWORK_BIT(job.network->net.network) : SPV_ANY_NETWORK;
}

static int refuse(const struct spv_text_error *why, const char *what)
{
    return cli_fail_as(CLI_FAILED, (int)why->code, "%s: %s.", what, why->text);
}

static int read_descriptor(const char *text, size_t n)
{
    struct spv_descriptor *descriptor;
    struct spv_text_error why;
    int rc = spv_descriptor_parse(&descriptor, &why, text, n, allowed(),
                                  job.require_checksum ? SPV_DESCRIPTOR_CHECKSUM_REQUIRED
                                                       : SPV_DESCRIPTOR_CHECKSUM_OPTIONAL);

    if (rc == 0) {
        rc = spv_descriptor_check_derivable(descriptor, &why);
    }
    rc = rc == 0 ? address_print_descriptor(descriptor, range) : refuse(&why, "descriptor");
    spv_descriptor_free(descriptor);
    return rc;
}

static bool is_hex(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!isxdigit((unsigned char)text[i])) {
            return false;
        }
    }
    return true;
}

static int read_script(const char *text, size_t n)
{
    uint8_t *script;
    int rc;

    if (n % 2 != 0) {
        return cli_fail_as(CLI_FAILED, SPV_ERR_SHORT,
                           "script: has an odd number of hexadecimal digits: it is incomplete.");
    }
    if (n / 2 > SCRIPT_MAX) {
        return cli_fail_as(CLI_FAILED, SPV_ERR_TOO_LONG, "script: is longer than %s bytes.",
                           CLI_COUNT(SCRIPT_MAX));
    }
    script = malloc(n);
    if (!script) {
        return cli_fail(SPV_ERR_NOMEM, "not enough memory.");
    }
    memcpy(script, text, n);
    rc = address_print_script(script, (size_t)read_bytes_decode(script, n), allowed());
    free(script);
    return rc;
}

/* A descriptor has a bracket, a script is hexadecimal; an address is neither. */
static int read_input(const char *text, size_t n)
{
    struct spv_address address;
    struct spv_text_error why;
    struct spv_xpub xpub;

    if (memchr(text, '(', n)) {
        return read_descriptor(text, n);
    }
    if (is_hex(text, n)) {
        return read_script(text, n);
    }
    if (spv_address_decode(&address, &why, text, n, allowed()) == 0) {
        return address_print_script(address.script, address.n, address.networks & allowed());
    }
    if (n < SPV_ADDRESS_TEXT) {
        return refuse(&why, "address");
    }
    if (spv_xpub_parse(&xpub, &why, text, n) != 0) { /* too long for an address */
        return refuse(&why, "extended public key");
    }
    return cli_fail_as(CLI_FAILED, SPV_ERR_DESC_SYNTAX,
                       "an extended public key alone has no addresses. Write a descriptor, for "
                       "native segwit wpkh(KEY/<0;1>/*).");
}

/* Each line is an input. Returns the last error's code. */
static int read_lines(void)
{
    struct read_bytes in;
    int last = CLI_DONE;
    int rc = read_bytes_file(&in, "-", INPUT_MAX);

    if (rc != CLI_DONE) {
        return rc;
    }
    for (size_t at = 0; at < in.n && !cli_stopped();) {
        const char *line = (const char *)in.at + at;
        const char *end = memchr(line, '\n', in.n - at);
        size_t n = end ? (size_t)(end - line) : in.n - at;
        at += n + 1;
        while (n > 0 && isspace((unsigned char)line[n - 1])) {
            n--;
        }
        rc = n > 0 ? read_input(line, n) : CLI_DONE;
        last = rc != CLI_DONE ? rc : last;
    }
    free(in.at);
    return cli_stopped() ? (int)cli_stop_code() : last;
}

static int run(void)
{
    int last = read_range();

    if (last != CLI_DONE) {
        return last;
    }
    if (job.inputs.n == 0) {
        return cli_usage("an address, a script or a descriptor is missing; - is standard input.");
    }
    for (size_t i = 0; i < job.inputs.n && !cli_stopped(); i++) {
        const char *text = job.inputs.item[i];
        const int rc = strcmp(text, "-") == 0 ? read_lines()
                       : *text == '\0'        ? cli_usage("an empty argument.")
                                              : read_input(text, strlen(text));
        last = rc != CLI_DONE ? rc : last;
    }
    return cli_stopped() ? (int)cli_stop_code() : last;
}

static const struct cli_option options[] = {
    {.group = "What"},
    {.name = "network",
     .letter = 'n',
     .kind = CLI_NETWORK,
     .value = "NAME",
     .help = "mainnet, testnet3, testnet4, signet, regtest or simnet. Default: every network that "
             "the input may belong to; a descriptor's addresses are those of the first.",
     .into = &job.network},
    {.name = "range",
     .letter = 'r',
     .kind = CLI_TEXT,
     .value = "N|FROM-TO",
     .help = "The indexes of a descriptor with a range (*). Default: 0-4.",
     .into = &job.range},
    {.name = "require-checksum",
     .kind = CLI_FLAG,
     .help = "Refuse a descriptor without a checksum. A wrong one is always refused.",
     .into = &job.require_checksum},
    {.group = "Output"},
    CLI_JSON_ROW(job.json, "JSON objects, one per line, instead of text."),
    {0},
};

int main(int argc, char **argv)
{
    static const enum cli_exit exits[] = {CLI_DONE, CLI_FAILED, CLI_USAGE, CLI_INTERRUPTED};
    static const struct cli_app app = {
        .name = "spv-address",
        .summary =
            "Converts between addresses, output scripts and descriptors, without a network.\n"
            "\n"
            "INPUT is an address, an output script in hexadecimal, or a descriptor (BIP380);\n"
            "- reads one from each line of standard input. Private keys and seed words are\n"
            "refused, but other programs and the shell's history may have seen them already.",
        .usage = "[OPTION]... INPUT...",
        .options = options,
        .notes = "Examples:\n"
                 "  spv-address bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq\n"
                 "  spv-address --network signet 0014e8df018c7e326cc253faac7e46cdc51e68542c42\n"
                 "  spv-address --range 0-19 'wpkh([d34db33f/84h/0h/0h]xpub.../<0;1>/*)'\n",
        .exits = exits,
        .n_exits = sizeof exits / sizeof exits[0],
        .operands = &job.inputs,
    };
    int rc = cli_parse(&app, argc, argv);
    int out;

    if (rc != CLI_PROCEED) {
        return rc;
    }
    if (job.json) {
        cli_json_mode();
    }
    cli_catch_signals();
    cli_stop_note("spv-address: interrupted.\n");
    rc = run();
    out = cli_finish_output();
    return rc == CLI_DONE ? out : rc;
}
