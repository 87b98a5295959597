/* The values of options, read by their kind. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cli_options.h"

#define NAME_MAX_LEN 31 /* of an option; for the distance table */

/* Edit distance between two short names. */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[NAME_MAX_LEN + 1];
    size_t na = strlen(a), nb = strlen(b), i, j;

    if (na > NAME_MAX_LEN || nb > NAME_MAX_LEN)
        return NAME_MAX_LEN;
    for (j = 0; j <= nb; j++)
        row[j] = (unsigned)j;
    for (i = 1; i <= na; i++) {
        unsigned corner = row[0];

        row[0] = (unsigned)i;
        for (j = 1; j <= nb; j++) {
            unsigned best = corner + (a[i - 1] != b[j - 1]);

            corner = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[nb];
}

const char *cli_nearest(const char *const *names, const char *wanted)
{
    const char *best = NULL;
    unsigned best_distance = 4; /* further away is no likely slip */

    for (; *names; names++) {
        unsigned d = distance(wanted, *names);

        if (strlen(wanted) >= 3 && strncmp(*names, wanted, strlen(wanted)) == 0)
            d = 1; /* the beginning of several names */
        if (d < best_distance && d < strlen(*names)) {
            best_distance = d;
            best = *names;
        }
    }
    return best;
}

static int read_number(const struct cli_option *o, const char *text)
{
    char label[CLI_LABEL_MAX];
    uint64_t value = 0;
    const char *p;
    bool good = *text != '\0';

    for (p = text; good && *p != '\0'; p++) {
        unsigned digit = (unsigned)(*p - '0');

        good = *p >= '0' && *p <= '9' && value <= (UINT64_MAX - digit) / 10;
        value = value * 10 + digit;
    }
    if (!good || value < o->min || value > o->max)
        return cli_usage("%s: '%s' is not a number from %llu to %llu.", cli_label(label, o), text,
                         (unsigned long long)o->min, (unsigned long long)o->max);
    *(uint64_t *)o->into = value;
    return CLI_PROCEED;
}

/* Returns our name of a network that other programs name differently. */
const char *cli_near_network(const char *text)
{
    static const char *const others[][2] = {
        {"main", "mainnet"},
        {"test", NULL},
        {"testnet", NULL},
        {"reg", "regtest"},
    };
    const char *best = NULL;
    unsigned best_distance = 3; /* further away is no likely slip */
    size_t i;

    for (i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (strcasecmp(text, others[i][0]) == 0)
            return others[i][1] ? others[i][1] : "testnet4 (or testnet3)";
    }
    for (i = 0; i < SPV_NETWORKS; i++) {
        const char *name = spv_netid_get((enum spv_network)i)->name;
        unsigned d = strcasecmp(text, name) == 0 ? 0 : distance(text, name);

        if (d < best_distance) {
            best_distance = d;
            best = name;
        }
    }
    return best;
}

bool cli_is_signet_name(const char *text)
{
    return strncmp(text, "signet-", 7) == 0 && strlen(text) == 15 &&
           strspn(text + 7, "0123456789abcdef") == 8;
}

/* A custom signet of which only the name is known: its challenge is that of its database. */
static const struct spv_params *name_signet(const char *name)
{
    static struct spv_params named;

    named = *spv_params_get(SPV_SIGNET);
    memset(named.challenge_hash, 0, sizeof named.challenge_hash);
    (void)snprintf(named.net.name, sizeof named.net.name, "%s", name);
    return &named;
}

static int read_network(const struct cli_option *o, const char *text)
{
    const struct spv_netid *net = spv_netid_by_name(text);
    char names[SPV_NETWORKS * (SPV_NETNAME_MAX + 2)] = "", label[CLI_LABEL_MAX];
    size_t used = 0;
    const char *near;
    int i;

    if (net) {
        *(const struct spv_params **)o->into = spv_params_get(net->network);
        return CLI_PROCEED;
    }
    if (cli_is_signet_name(text)) {
        *(const struct spv_params **)o->into = name_signet(text);
        return CLI_PROCEED;
    }
    for (i = 0; i < SPV_NETWORKS; i++)
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i > 0 ? ", " : "",
                                 spv_netid_get((enum spv_network)i)->name);
    near = cli_near_network(text);
    if (near)
        return cli_usage("%s: '%s' is not a network; did you mean %s?", cli_label(label, o), text,
                         near);
    return cli_usage("%s: '%s' is not a network. Use one of: %s.", cli_label(label, o), text,
                     names);
}

static int add_to_list(const struct cli_option *o, const char *text)
{
    char label[CLI_LABEL_MAX];
    struct cli_list *list = o->into;

    if (list->n == CLI_LIST_MAX)
        return cli_usage("%s: given more than %d times.", cli_label(label, o), CLI_LIST_MAX);
    list->item[list->n++] = text;
    return CLI_PROCEED;
}

int cli_read_flag(const struct cli_option *o, const char *text)
{
    static const char *const words[2][4] = {{"no", "false", "off", "0"},
                                            {"yes", "true", "on", "1"}};
    char label[CLI_LABEL_MAX];

    for (size_t i = 0; i < 8; i++) {
        if (strcasecmp(text, words[i / 4][i % 4]) == 0) {
            *(bool *)o->into = i / 4 == 1;
            return CLI_PROCEED;
        }
    }
    return cli_usage("%s: '%s' is neither yes nor no.", cli_label(label, o), text);
}

int cli_read_option(const struct cli_option *o, const char *text)
{
    char label[CLI_LABEL_MAX];

    if (o->kind != CLI_FLAG && o->kind != CLI_NUMBER && *text == '\0')
        return cli_usage("%s: the value is empty; expected %s.", cli_label(label, o), o->value);
    switch (o->kind) {
    case CLI_FLAG:
        *(bool *)o->into = true;
        break;
    case CLI_TEXT:
        *(const char **)o->into = text;
        break;
    case CLI_LIST:
        return add_to_list(o, text);
    case CLI_NUMBER:
        return read_number(o, text);
    case CLI_NETWORK:
        return read_network(o, text);
    case CLI_TRANSPORT:
        return cli_read_transport(o->into, cli_label(label, o), text);
    }
    return CLI_PROCEED;
}
