/* The scripts are collected once per block, sorted, and duplicates removed: a script keeps its
 * strongest source. One query then finds which of them a filter has. */
#include "spv/filters/block_scripts.h"

#include <stdlib.h>
#include <string.h>

#include "spv/error.h"
#include "spv/filters/gcs.h"
#include "spv/filters/prevout_script.h"
#include "util/array.h"
#include "util/script_forms.h"

/* Why a script is expected in the filter, the strongest reason first. */
enum script_source { FROM_OUTPUT, FROM_KNOWN_PREVOUT, INFERRED_PREVOUT };

struct expected_script {
    struct spv_bytes
        script; /* borrowed from the block or the caller; computed ones are in `owned` */
    uint8_t *owned;
    enum script_source source;
};

struct spv_block_scripts {
    struct spv_filter_query *query; /* the expected scripts, sorted */
    enum script_source *sources;
    size_t n;
    size_t n_of[INFERRED_PREVOUT + 1]; /* expected scripts by source */
    size_t n_inputs; /* without the coinbase's */
};

/* A transaction of the block, to find the outputs that later ones spend. */
struct block_tx {
    struct spv_txid txid;
    struct spv_tx tx;
};

struct collector {
    const struct spv_known_outputs *known;
    bool segwit_active;
    struct block_tx *txs; /* sorted by txid */
    size_t n_txs;
    struct expected_script *expected;
    size_t n, cap;
    size_t n_inputs;
};

static int add_expected(struct collector *c, struct spv_bytes script, enum script_source source)
{
    struct expected_script *grown =
        spv_array_grow(c->expected, &c->cap, c->n + 1, 1024, sizeof *c->expected);

    if (!grown)
        return SPV_ERR_NOMEM;
    c->expected = grown;
    if (script.n > 0) /* BIP158 leaves empty scripts out */
        c->expected[c->n++] = (struct expected_script){.script = script, .source = source};
    return 0;
}

/* Adds a copy of a computed script. */
static int add_computed(struct collector *c, const uint8_t *script, size_t n,
                        enum script_source source)
{
    uint8_t *owned = malloc(n);
    int rc;

    if (!owned)
        return SPV_ERR_NOMEM;
    memcpy(owned, script, n);
    rc = add_expected(c, (struct spv_bytes){owned, n}, source);
    if (rc != 0)
        free(owned);
    else
        c->expected[c->n - 1].owned = owned;
    return rc;
}

static int add_outputs(struct collector *c, const struct spv_tx *tx)
{
    struct spv_tx_iter outputs = spv_tx_outputs(tx);
    struct spv_tx_output output;
    int rc = 0;

    while (rc == 0 && spv_tx_next_output(&outputs, &output))
        if (output.script.n > 0 && output.script.bytes[0] != OP_RETURN)
            rc = add_expected(c, output.script, FROM_OUTPUT);
    return rc;
}

static int txid_cmp(const void *a, const void *b)
{
    return memcmp(((const struct block_tx *)a)->txid.b, ((const struct block_tx *)b)->txid.b, 32);
}

/* Finds the output that an input spends in the same block. */
static bool find_in_block(const struct collector *c, struct spv_bytes *script,
                          const struct spv_tx_input *input)
{
    const struct block_tx key = {.txid = input->prev};
    const struct block_tx *found = bsearch(&key, c->txs, c->n_txs, sizeof key, txid_cmp);
    struct spv_tx_output output;

    if (!found || input->index >= found->tx.n_outputs)
        return false;
    struct spv_tx_iter outputs = spv_tx_outputs(&found->tx);
    for (uint32_t i = 0; i <= input->index; i++)
        (void)spv_tx_next_output(&outputs, &output);
    *script = output.script;
    return true;
}

static int add_prevout(struct collector *c, const struct spv_tx_input *input,
                       const struct spv_witness *witness)
{
    uint8_t computed[SPV_PREVOUT_SCRIPT_MAX];
    struct spv_bytes script;
    size_t n;

    c->n_inputs++;
    if (find_in_block(c, &script, input) ||
        (c->known && c->known->find(c->known->ctx, &script, &input->prev, input->index)))
        return add_expected(c, script, FROM_KNOWN_PREVOUT);
    switch (spv_prevout_script(computed, &n, input, witness, c->segwit_active)) {
    case SPV_PREVOUT_UNKNOWN:
        return 0;
    case SPV_PREVOUT_INFERRED:
        return add_computed(c, computed, n, INFERRED_PREVOUT);
    case SPV_PREVOUT_CERTAIN:
        return add_computed(c, computed, n, FROM_KNOWN_PREVOUT);
    }
    return 0;
}

static int add_inputs(struct collector *c, const struct spv_tx *tx)
{
    struct spv_tx_iter inputs = spv_tx_inputs(tx), witnesses = spv_tx_witnesses(tx);
    struct spv_tx_input input;
    struct spv_witness witness = {0};
    int rc = 0;

    if (spv_tx_is_coinbase(tx))
        return 0;
    while (rc == 0 && spv_tx_next_input(&inputs, &input)) {
        (void)spv_tx_next_witness(&witnesses, &witness);
        rc = add_prevout(c, &input, &witness);
    }
    return rc;
}

static int script_cmp(const struct spv_bytes *a, const struct spv_bytes *b)
{
    if (a->n != b->n)
        return a->n < b->n ? -1 : 1;
    return memcmp(a->bytes, b->bytes, a->n);
}

/* By script, the strongest source first. */
static int expected_script_cmp(const void *left, const void *right)
{
    const struct expected_script *a = left, *b = right;
    const int order = script_cmp(&a->script, &b->script);

    return order != 0 ? order : (int)a->source - (int)b->source;
}

static int collect_scripts(struct collector *c, const struct spv_block *block)
{
    struct spv_block_iter iter = spv_block_txs(block);
    struct spv_tx tx;
    int rc = 0;

    c->txs = calloc(block->n_txs, sizeof *c->txs);
    if (!c->txs)
        return SPV_ERR_NOMEM;
    while (spv_block_next(&iter, &tx)) {
        c->txs[c->n_txs].tx = tx;
        spv_tx_txid(&c->txs[c->n_txs++].txid, &tx);
    }
    qsort(c->txs, c->n_txs, sizeof *c->txs, txid_cmp);
    for (size_t i = 0; i < c->n_txs && rc == 0; i++) {
        rc = add_outputs(c, &c->txs[i].tx);
        if (rc == 0)
            rc = add_inputs(c, &c->txs[i].tx);
    }
    return rc;
}

/* Builds the query of all distinct scripts. */
static int build_query(struct spv_block_scripts *b, struct collector *c)
{
    struct spv_bytes *scripts = calloc(c->n + 1, sizeof *scripts);
    int rc;

    b->n_inputs = c->n_inputs;
    b->sources = calloc(c->n + 1, sizeof *b->sources);
    if (!scripts || !b->sources) {
        free(scripts);
        return SPV_ERR_NOMEM;
    }
    if (c->n > 0)
        qsort(c->expected, c->n, sizeof *c->expected, expected_script_cmp);
    for (size_t i = 0; i < c->n; i++) {
        const struct expected_script *e = &c->expected[i];
        if (i > 0 && script_cmp(&e[-1].script, &e->script) == 0)
            continue;
        scripts[b->n] = e->script;
        b->sources[b->n++] = e->source;
        b->n_of[e->source]++;
    }
    rc = spv_filter_query_new(&b->query, scripts, b->n);
    free(scripts);
    return rc;
}

int spv_block_scripts_new(struct spv_block_scripts **out, const struct spv_block *block,
                          bool segwit_active, const struct spv_known_outputs *known)
{
    struct collector c = {.known = known, .segwit_active = segwit_active};
    struct spv_block_scripts *b = calloc(1, sizeof *b);
    int rc = b ? collect_scripts(&c, block) : SPV_ERR_NOMEM;

    *out = NULL;
    if (rc == 0)
        rc = build_query(b, &c);
    for (size_t i = 0; i < c.n; i++)
        free(c.expected[i].owned);
    free(c.expected);
    free(c.txs);
    if (rc != 0) {
        spv_block_scripts_free(b);
        return rc;
    }
    *out = b;
    return 0;
}

void spv_block_scripts_free(struct spv_block_scripts *block_scripts)
{
    if (!block_scripts)
        return;
    spv_filter_query_free(block_scripts->query);
    free(block_scripts->sources);
    free(block_scripts);
}

/* Counts the expected scripts that the filter lacks, by source. */
static void count_missing(size_t missing[INFERRED_PREVOUT + 1], const struct spv_block_scripts *b,
                          const bool *hits)
{
    for (size_t i = 0; i < b->n; i++)
        if (!hits[i])
            missing[b->sources[i]]++;
}

int spv_block_scripts_check_filter(struct spv_filter_check_result *out,
                                   const struct spv_block_scripts *block_scripts,
                                   const struct spv_filter *filter)
{
    const size_t certain =
        block_scripts->n_of[FROM_OUTPUT] + block_scripts->n_of[FROM_KNOWN_PREVOUT];
    size_t missing[INFERRED_PREVOUT + 1] = {0};
    struct spv_filter_matcher *matcher;
    struct spv_gcs set;
    bool *hits;
    int rc;

    *out = (struct spv_filter_check_result){.error = spv_gcs_open(&set, filter->bytes, filter->n)};
    if (out->error != 0)
        return 0;
    hits = calloc(block_scripts->n + 1, sizeof *hits);
    rc = hits ? spv_filter_matcher_new(&matcher, block_scripts->query) : SPV_ERR_NOMEM;
    if (rc != 0) {
        free(hits);
        return rc;
    }
    rc = spv_filter_match_which(matcher, hits, filter);
    spv_filter_matcher_free(matcher);
    if (rc >= 0) {
        count_missing(missing, block_scripts, hits);
        if (missing[FROM_OUTPUT] > 0)
            out->error = SPV_ERR_FILTER_OUTPUT;
        else if (missing[FROM_KNOWN_PREVOUT] > 0)
            out->error = SPV_ERR_FILTER_PREVOUT;
        else if (set.n < certain ||
                 set.n > block_scripts->n_of[FROM_OUTPUT] + block_scripts->n_inputs)
            out->error = SPV_ERR_FILTER_COUNT;
    } else if (rc != SPV_ERR_NOMEM) {
        out->error = rc;
    }
    free(hits);
    if (out->error == 0) {
        out->n_inferred = block_scripts->n_of[INFERRED_PREVOUT];
        out->n_inferred_missing = missing[INFERRED_PREVOUT];
    }
    return rc == SPV_ERR_NOMEM ? rc : 0;
}
