/* The commands add, remove and address, which need no network: what they change is stored at once,
 * and the next scan looks for it. All arguments are read before anything is opened to be written,
 * so that a wrong one leaves no trace. No message repeats one: it may be a private key. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint_list.h"
#include "spv/address.h"
#include "spv/descriptor.h"
#include "spv/keys.h"
#include "spv/reactor.h"
#include "watch_commands.h"
#include "watch_text.h"

#define TXID_DIGITS 64

/* ---- what to watch ---- */

struct targets {
    struct spv_descriptor *at[CLI_LIST_MAX];
    size_t n;
    int64_t birthday;
};

static int refuse(const struct spv_text_error *why, const char *what, size_t number)
{
    return cli_fail_as(CLI_USAGE, (int)why->code, "add: argument %zu: %s: %s. Nothing was stored.",
                       number, what, why->text);
}

static int add_descriptor(struct targets *t, const struct watch_job *j, const char *text,
                          const char *what, size_t number)
{
    struct spv_descriptor *descriptor;
    struct spv_text_error why;
    int rc = spv_descriptor_parse(&descriptor, &why, text, strlen(text),
                                  SPV_NETWORK_BIT(j->params.net.network),
                                  SPV_DESCRIPTOR_CHECKSUM_OPTIONAL);

    if (rc == 0)
        rc = spv_descriptor_check_derivable(descriptor, &why);
    if (rc != 0) {
        spv_descriptor_free(descriptor);
        return refuse(&why, what, number);
    }
    t->at[t->n++] = descriptor;
    return CLI_DONE;
}

static int add_as(struct targets *t, const struct watch_job *j, const char *function,
                  const char *argument, const char *what, size_t number)
{
    const size_t n = strlen(function) + strlen(argument) + 3;
    char *text = malloc(n);
    int rc;

    if (!text)
        return cli_fail(SPV_ERR_NOMEM, "not enough memory.");
    (void)snprintf(text, n, "%s(%s)", function, argument);
    rc = add_descriptor(t, j, text, what, number);
    free(text);
    return rc;
}

/* A descriptor has a bracket, a script is hexadecimal; an address is neither. */
static int add_target(struct targets *t, const struct watch_job *j, const char *text, size_t number)
{
    const size_t n = strlen(text);
    struct spv_address address;
    struct spv_text_error why;
    struct spv_xpub xpub;

    if (strchr(text, '('))
        return add_descriptor(t, j, text, "descriptor", number);
    if (n > 0 && strspn(text, "0123456789abcdefABCDEF") == n) {
        if (n != TXID_DIGITS)
            return add_as(t, j, "raw", text, "script", number);
        return cli_fail_as(CLI_USAGE, SPV_ERR_DESC_SYNTAX,
                           "add: argument %zu: 64 hexadecimal digits are the size of a key or of a "
                           "txid, not an output script. Write raw(HEX) for such a script. Nothing "
                           "was stored.",
                           number);
    }
    if (spv_address_decode(&address, &why, text, n, SPV_NETWORK_BIT(j->params.net.network)) == 0)
        return add_as(t, j, "addr", text, "address", number);
    if (n < SPV_ADDRESS_TEXT)
        return refuse(&why, "address", number);
    if (spv_xpub_parse(&xpub, &why, text, n) != 0)
        return refuse(&why, "extended public key", number);
    return cli_fail_as(CLI_USAGE, SPV_ERR_DESC_SYNTAX,
                       "add: argument %zu: an extended public key alone has no addresses. Write a "
                       "descriptor, for native segwit wpkh(KEY/<0;1>/*). Nothing was stored.",
                       number);
}

static int read_birthday(struct targets *t, const struct watch_job *j)
{
    t->birthday = 0;
    if (!j->birthday)
        return CLI_DONE;
    if (birthday_parse(&t->birthday, j->birthday) != 0)
        return cli_usage("--birthday: '%s' is not a date YYYY-MM-DD.", j->birthday);
    if (t->birthday > spv_system_now().unix_s)
        return cli_usage("--birthday: %s is in the future.", j->birthday);
    return CLI_DONE;
}

static int read_targets(struct targets *t, struct watch_job *j)
{
    int rc = read_birthday(t, j);

    if (rc == CLI_DONE && j->words.n < 2)
        rc = cli_usage("add: a descriptor, an address or a script is missing.");
    if (rc == CLI_DONE && j->tag && strlen(j->tag) > SPV_TAG_MAX)
        rc = cli_usage("--tag: is longer than %d bytes.", SPV_TAG_MAX);
    if (rc == CLI_DONE)
        rc = watch_learn_network(j);
    for (size_t i = 1; rc == CLI_DONE && i < j->words.n; i++)
        rc = add_target(t, j, j->words.item[i], i);
    return rc;
}

/* ---- add ---- */

static int report_added(const struct watch_job *j, const struct spv_descriptor *d, uint64_t id,
                        bool is_new, int64_t birthday)
{
    char since[CLI_FIGURE] = "genesis", from[CLI_FIGURE];

    if (cli_json_on()) {
        cli_json(json_pack("{s:s, s:I, s:b, s:s}", "event", "added", "watch", (json_int_t)id, "new",
                           is_new, "descriptor", spv_descriptor_text(d)));
        return CLI_DONE;
    }
    if (j->quiet)
        return CLI_DONE;
    if (birthday > 0)
        (void)snprintf(since, sizeof since, "%.10s", cli_time(from, birthday));
    if (!is_new)
        cli_print("watch %" PRIu64 " was there already", id);
    else
        cli_print("watch %" PRIu64 " added: %zu %s, to be scanned from %s on", id,
                  spv_descriptor_n_branches(d),
                  spv_descriptor_n_branches(d) == 1 ? "branch" : "branches", since);
    return CLI_DONE;
}

/* Watches everything, in one transaction. */
static int store_targets(struct watch_job *j, const struct targets *t, uint64_t *ids)
{
    int rc = CLI_DONE;

    for (size_t i = 0; i < t->n; i++) {
        const struct spv_watch_target target = {.kind = SPV_WATCH_DESCRIPTOR,
                                                .descriptor = spv_descriptor_text(t->at[i]),
                                                .gap = (uint32_t)j->gap,
                                                .birthday = t->birthday};
        struct spv_text_error why = {.text = ""};
        const int err = spv_wallet_watch(j->wallet, &ids[i], &why, &target);
        if (err < 0)
            return cli_fail(err, "add: argument %zu: %s. Nothing was stored.", i + 1,
                            why.text[0] != '\0' ? why.text : spv_strerror(err));
    }
    rc = watch_commit(j);
    for (size_t i = 0; rc == CLI_DONE && j->tag && i < t->n; i++) {
        const int err = spv_store_set_tag(j->store, ids[i], j->tag);
        if (err < 0)
            rc = watch_failed(j, err);
    }
    return rc;
}

static int add_all(struct watch_job *j, const struct targets *t)
{
    struct spv_wallet_info facts = {.meta.next_watch = 1};
    uint64_t ids[CLI_LIST_MAX];
    int rc = watch_open(j, SPV_STORE_CREATE), err;

    if (rc == CLI_DONE)
        rc = watch_load(j);
    if (rc != CLI_DONE)
        return rc;
    err = spv_store_wallet_info(j->store, &facts);
    if (err < 0)
        return watch_failed(j, err);
    rc = store_targets(j, t, ids);
    for (size_t i = 0; rc == CLI_DONE && i < t->n; i++)
        rc = report_added(j, t->at[i], ids[i], err == 0 || ids[i] >= facts.meta.next_watch,
                          t->birthday);
    return rc;
}

int watch_add(struct watch_job *j)
{
    static struct targets t;
    int rc = read_targets(&t, j);

    if (rc == CLI_DONE)
        rc = add_all(j, &t);
    for (size_t i = 0; i < t.n; i++)
        spv_descriptor_free(t.at[i]);
    t.n = 0;
    return rc;
}

/* ---- remove ---- */

static int no_watch(const struct watch_job *j, uint64_t id)
{
    return cli_fail_as(CLI_FAILED, SPV_ERR_NOT_FOUND,
                       "%s: there is no watch %" PRIu64 ". See spv-watch list.", j->target.path,
                       id);
}

/* The number of a watch. Returns CLI_DONE, or CLI_USAGE. */
static int read_id(uint64_t *out, const char *command, const char *text)
{
    char *end;

    *out = strtoull(text, &end, 10);
    if (isdigit((unsigned char)*text) && *end == '\0' && *out > 0 && *out < INT64_MAX)
        return CLI_DONE;
    return cli_usage("%s: the argument is not the number of a watch: see spv-watch list.", command);
}

int watch_remove(struct watch_job *j)
{
    uint64_t ids[CLI_LIST_MAX];
    size_t n = 0;
    int rc = j->words.n < 2 ? cli_usage("remove: the number of a watch is missing.") : CLI_DONE;

    for (size_t i = 1; rc == CLI_DONE && i < j->words.n; i++)
        rc = read_id(&ids[n++], "remove", j->words.item[i]);
    if (rc == CLI_DONE)
        rc = watch_open(j, SPV_STORE_WRITE);
    if (rc == CLI_DONE)
        rc = watch_load(j);
    for (size_t i = 0; rc == CLI_DONE && i < n; i++) {
        const int err = spv_wallet_unwatch(j->wallet, ids[i]);
        if (err == SPV_ERR_NOT_FOUND)
            rc = no_watch(j, ids[i]);
        else if (err < 0)
            rc = cli_fail(err, "remove: %s. Nothing was removed.", spv_strerror(err));
    }
    if (rc == CLI_DONE)
        rc = watch_commit(j);
    for (size_t i = 0; rc == CLI_DONE && i < n; i++) {
        if (cli_json_on())
            cli_json(json_pack("{s:s, s:I}", "event", "removed", "watch", (json_int_t)ids[i]));
        else if (!j->quiet)
            cli_print("watch %" PRIu64 " removed, with what only it had", ids[i]);
    }
    return rc;
}

/* ---- address ---- */

struct place {
    uint64_t watch;
    struct spv_descriptor *descriptor; /* NULL: not found */
    size_t number; /* of the script that has an address, among those of an index */
};

/* The first of the scripts of an index that has an address. Returns its number, or -1. */
static int find_address(const struct watch_job *j, char address[SPV_ADDRESS_TEXT],
                        const struct spv_derived_scripts *scripts)
{
    for (size_t i = 0; i < scripts->n; i++)
        if (spv_address_encode(address, scripts->scripts[i].script.bytes,
                               scripts->scripts[i].script.n, j->params.net.network) == 0)
            return (int)i;
    return -1;
}

/* The watch that was named, or else the only one with a range. */
static int find_place(struct watch_job *j, struct place *out, uint64_t wanted)
{
    struct spv_wallet_iter *it;
    struct spv_wallet_item item;
    size_t n = 0;
    bool found = false;
    int rc = watch_snapshot(j, &it), err;

    if (rc != CLI_DONE)
        return rc;
    err = spv_wallet_iter_list(it, SPV_WALLET_LIST_WATCHES, NULL);
    while (err == 0 && (err = spv_wallet_iter_next(it, &item)) == 1) {
        const struct spv_wallet_watch_row *row = &item.of.watch.row;
        struct spv_descriptor *d = NULL;
        err = 0;
        if (wanted != 0 && row->id != wanted)
            continue;
        found = true;
        if (row->watch.kind != SPV_WATCH_DESCRIPTOR)
            continue;
        err = spv_descriptor_parse(&d, NULL, row->watch.descriptor, strlen(row->watch.descriptor),
                                   SPV_ANY_NETWORK, SPV_DESCRIPTOR_CHECKSUM_OPTIONAL);
        if (err == 0 && spv_descriptor_is_range(d) && n++ == 0) {
            out->watch = row->id;
            out->descriptor = d;
            d = NULL;
        }
        spv_descriptor_free(d);
    }
    spv_wallet_iter_close(it);
    if (err < 0)
        return watch_failed(j, err);
    if (!found && wanted != 0)
        return no_watch(j, wanted);
    if (n == 0)
        return cli_fail_as(CLI_FAILED, SPV_ERR_UNSUPPORTED,
                           "%s: no watch with a range (*) to take an address from: a single script "
                           "has no next one. Add a descriptor such as wpkh(KEY/<0;1>/*).",
                           j->target.path);
    if (n > 1)
        return cli_usage("address: there are %zu watches with a range: name one by its number, see "
                         "spv-watch list.",
                         n);
    return CLI_DONE;
}

/* Checks that the branch is there and has addresses, before an index is used up. */
static int check_place(const struct watch_job *j, struct place *p)
{
    const size_t n = spv_descriptor_n_branches(p->descriptor);
    struct spv_derived_scripts scripts;
    char address[SPV_ADDRESS_TEXT];
    int rc, number;

    if (j->branch >= n)
        return cli_usage("--branch: watch %" PRIu64 " has %zu %s, numbered from 0.", p->watch, n,
                         n == 1 ? "branch" : "branches");
    rc = spv_descriptor_derive(&scripts, p->descriptor, (size_t)j->branch, 0, 1);
    if (rc < 0)
        return cli_fail(rc, "address: %s.", spv_strerror(rc));
    number = find_address(j, address, &scripts);
    spv_derived_scripts_free(&scripts);
    if (number < 0)
        return cli_fail_as(CLI_FAILED, SPV_ERR_NO_ADDRESS,
                           "%s: the scripts of watch %" PRIu64 " have no addresses (bare keys or "
                           "multisig). Nothing was reserved.",
                           j->target.path, p->watch);
    p->number = (size_t)number;
    return CLI_DONE;
}

static int print_address(const struct watch_job *j, const struct place *p, uint32_t index)
{
    struct spv_derived_scripts scripts;
    struct spv_descriptor *single = NULL;
    char address[SPV_ADDRESS_TEXT];
    char *hex = NULL;
    int rc = spv_descriptor_derive(&scripts, p->descriptor, (size_t)j->branch, index, 1);

    if (rc == 0)
        rc = spv_descriptor_expand(&single, p->descriptor, (size_t)j->branch);
    if (rc == 0) {
        (void)find_address(j, address, &scripts);
        hex = watch_hex(&scripts.scripts[p->number].script);
        rc = hex ? 0 : SPV_ERR_NOMEM;
    }
    if (rc < 0)
        rc = cli_fail(rc, "address: index %s is reserved, but: %s.", CLI_COUNT(index),
                      spv_strerror(rc));
    else if (cli_json_on())
        cli_json(json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I}", "event", "address", "address",
                           address, "script", hex, "descriptor", spv_descriptor_text(single),
                           "watch", (json_int_t)p->watch, "branch", (json_int_t)j->branch, "index",
                           (json_int_t)index));
    else
        cli_print("%s", address);
    free(hex);
    spv_descriptor_free(single);
    spv_derived_scripts_free(&scripts);
    return rc;
}

static int reserve(struct watch_job *j, struct place *p)
{
    uint32_t index;
    int rc = watch_load(j), err;

    if (rc != CLI_DONE)
        return rc;
    err = spv_wallet_reserve_index(j->wallet, &index, p->watch, (uint32_t)j->branch);
    if (err < 0)
        return cli_fail(err, "%s: no address of watch %" PRIu64 " was reserved: %s.",
                        j->target.path, p->watch, spv_strerror(err));
    rc = watch_commit(j); /* before it is shown: a crash may waste an index, never reuse one */
    return rc == CLI_DONE ? print_address(j, p, index) : rc;
}

int watch_address(struct watch_job *j)
{
    struct place p = {.descriptor = NULL};
    uint64_t wanted = 0;
    int rc = j->words.n > 2 ? cli_usage("address: takes the number of one watch.") : CLI_DONE;

    if (rc == CLI_DONE && j->words.n == 2)
        rc = read_id(&wanted, "address", j->words.item[1]);
    if (j->branch == WATCH_NONE)
        j->branch = 0;
    if (rc == CLI_DONE)
        rc = watch_open(j, SPV_STORE_WRITE);
    if (rc == CLI_DONE)
        rc = find_place(j, &p, wanted);
    if (rc == CLI_DONE)
        rc = check_place(j, &p);
    if (rc == CLI_DONE)
        rc = reserve(j, &p);
    spv_descriptor_free(p.descriptor);
    return rc;
}
