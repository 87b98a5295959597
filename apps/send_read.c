/* The files of the command line: one raw transaction each, and together one package. What nodes
 * would refuse without a word is refused here with its reason. */
#include <stdlib.h>
#include <string.h>

#include "send_state.h"

/* Hexadecimal digits with white space between them; a transaction that is too large is still read,
 * so that its weight is what is refused. */
#define FILE_BYTES (2 * (size_t)SPV_MAX_PAYLOAD + 4096)

static int read_tx(struct send_tx *tx, const char *path)
{
    struct spv_text_error why = {.text = ""};
    struct read_bytes in;
    int rc = read_bytes_file(&in, path, FILE_BYTES);

    if (rc != CLI_DONE)
        return rc;
    tx->name = read_bytes_name(path);
    tx->raw = malloc(in.n);
    if (!tx->raw) {
        free(in.at);
        return cli_fail(SPV_ERR_NOMEM, "%s: not enough memory.", tx->name);
    }
    rc = spv_broadcast_decode(tx->raw, &tx->n, &why, in.at, in.n);
    free(in.at);
    if (rc < 0)
        return cli_fail_as(CLI_FAILED, rc, "%s: %s.", tx->name, why.text);
    return spv_tx_parse(&tx->tx, tx->raw, tx->n) < 0
               ? cli_fail_as(CLI_FAILED, SPV_ERR_MALFORMED, "%s: is no transaction.", tx->name)
               : CLI_DONE;
}

int send_read(struct send *s)
{
    int rc = CLI_DONE;

    if (s->files.n > SPV_BROADCAST_MAX_PACKAGE)
        return cli_fail_as(CLI_FAILED, SPV_ERR_PACKAGE_SIZE,
                           "refused: a package of more than %d transactions.",
                           SPV_BROADCAST_MAX_PACKAGE);
    for (size_t i = 0; i < s->files.n && rc == CLI_DONE; i++) {
        rc = read_tx(&s->txs[i], s->files.item[i]);
        s->views[i] = s->txs[i].tx;
        s->n_txs = i + 1;
    }
    return rc;
}

void send_read_free(struct send *s)
{
    for (size_t i = 0; i < s->n_txs; i++)
        free(s->txs[i].raw);
    free(s->coins);
    free(s->items);
}

static bool find_output(void *ctx, struct spv_broadcast_prevout *out, const struct spv_txid *txid,
                        uint32_t vout)
{
    const struct spv_tx_input input = {.prev = *txid, .index = vout};
    const struct send_coin *coin = send_coin_of(ctx, &input);

    if (coin)
        *out = (struct spv_broadcast_prevout){.value = coin->value, .height = coin->height};
    return coin != NULL;
}

static void print_warnings(const struct send *s, size_t i)
{
    const struct spv_broadcast_report *r = &s->reports[i];
    const char *name = s->txs[i].name;
    char figure[CLI_FIGURE];

    if (r->n_unsigned > 0)
        cli_warn("%s: looks unsigned: %s of its %s inputs have neither scriptSig nor witness, the "
                 "first is input %s. Peers refuse it, unless anyone may spend these outputs.",
                 name, CLI_COUNT(r->n_unsigned), CLI_COUNT(s->txs[i].tx.n_inputs),
                 CLI_COUNT(r->first_unsigned + 1));
    if (r->n_relative > 0)
        cli_warn("%s: %s of its inputs have a relative lock (BIP68) that is not known to be met. "
                 "Peers refuse it until it is.",
                 name, CLI_COUNT(r->n_relative));
    if (r->wait_height > 0)
        cli_warn("%s: is locked: it is announced once the chain has height %s.", name,
                 CLI_COUNT(r->wait_height));
    if (r->wait_time > 0)
        cli_warn("%s: is locked: it is announced once the median time of the chain is above %s.",
                 name, cli_time(figure, r->wait_time));
}

int send_check(struct send *s)
{
    const struct spv_broadcast_check_config cfg = {
        .find_output = find_output, .ctx = s, .allow_high_fee = s->allow_high_fee};
    struct spv_text_error why = {.text = ""};
    int rc;

    if (s->n_txs == 0)
        return CLI_DONE;
    rc = spv_broadcast_check(s->reports, &why, s->views, s->n_txs, &cfg);
    if (rc < 0)
        return cli_fail_as(
            CLI_FAILED, rc, "%s: refused: %s.%s", s->n_txs == 1 ? s->txs[0].name : "package",
            why.text[0] != '\0' ? why.text : spv_strerror(rc),
            rc == SPV_ERR_TX_FEE_RATE ? " --allow-high-fee sends it all the same." : "");
    for (size_t i = 0; i < s->n_txs && !s->quiet; i++)
        print_warnings(s, i);
    if (!s->quiet)
        cli_warn("a transaction does not say of which network it is: it goes to peers of %s "
                 "(--network).",
                 s->target.params->net.name);
    return CLI_DONE;
}
