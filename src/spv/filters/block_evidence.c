/* All scripts are collected once a block, sorted, and freed of duplicates: a script keeps its
 * strongest ground. One query then tells which of them a filter has. */
#include "spv/filters/block_evidence.h"

#include <stdlib.h>
#include <string.h>

#include "spv/error.h"
#include "spv/filters/gcs.h"
#include "spv/filters/spent_script.h"
#include "util/array.h"

#define OP_RETURN 0x6a

/* Why a script should be in the filter, the strongest ground first. */
enum ground { OUTPUT, CERTAIN, GUESS };

struct fact {
    struct spv_bytes script; /* in the block, of the caller, or computed: then owned is set */
    uint8_t *owned;
    enum ground ground;
};

struct spv_block_evidence {
    struct spv_filter_query *query; /* the facts' scripts, in their order */
    enum ground *grounds;
    size_t n;
    size_t n_of[GUESS + 1]; /* facts by ground */
    size_t n_inputs; /* but the coinbase's */
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
    struct fact *facts;
    size_t n, cap;
    size_t n_inputs;
};

static int add_fact(struct collector *c, struct spv_bytes script, enum ground ground)
{
    struct fact *grown = spv_array_grow(c->facts, &c->cap, c->n + 1, 1024, sizeof *c->facts);

    if (!grown)
        return SPV_ERR_NOMEM;
    c->facts = grown;
    if (script.n > 0) /* "empty ones" are no elements */
        c->facts[c->n++] = (struct fact){.script = script, .ground = ground};
    return 0;
}

/* Adds a copy of a computed script. */
static int add_computed(struct collector *c, const uint8_t *script, size_t n, enum ground ground)
{
    uint8_t *owned = malloc(n);
    int rc;

    if (!owned)
        return SPV_ERR_NOMEM;
    memcpy(owned, script, n);
    rc = add_fact(c, (struct spv_bytes){owned, n}, ground);
    if (rc != 0)
        free(owned);
    else
        c->facts[c->n - 1].owned = owned;
    return rc;
}

static int add_outputs(struct collector *c, const struct spv_tx *tx)
{
    struct spv_tx_iter outputs = spv_tx_outputs(tx);
    struct spv_tx_output output;
    int rc = 0;

    while (rc == 0 && spv_tx_next_output(&outputs, &output))
        if (output.script.n > 0 && output.script.bytes[0] != OP_RETURN)
            rc = add_fact(c, output.script, OUTPUT);
    return rc;
}

static int txid_cmp(const void *a, const void *b)
{
    return memcmp(((const struct block_tx *)a)->txid.b, ((const struct block_tx *)b)->txid.b, 32);
}

/* An output of the same block. */
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

static int add_spent(struct collector *c, const struct spv_tx_input *input,
                     const struct spv_witness *witness)
{
    uint8_t computed[SPV_SPENT_SCRIPT_MAX];
    struct spv_bytes script;
    size_t n;

    c->n_inputs++;
    if (find_in_block(c, &script, input) ||
        (c->known && c->known->find(c->known->ctx, &script, &input->prev, input->index)))
        return add_fact(c, script, CERTAIN);
    switch (spv_spent_script(computed, &n, input, witness, c->segwit_active)) {
    case SPV_SPENT_UNKNOWN:
        return 0;
    case SPV_SPENT_GUESS:
        return add_computed(c, computed, n, GUESS);
    case SPV_SPENT_CERTAIN:
        return add_computed(c, computed, n, CERTAIN);
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
        rc = add_spent(c, &input, &witness);
    }
    return rc;
}

static int script_cmp(const struct spv_bytes *a, const struct spv_bytes *b)
{
    if (a->n != b->n)
        return a->n < b->n ? -1 : 1;
    return memcmp(a->bytes, b->bytes, a->n);
}

/* By script, the strongest ground first. */
static int fact_cmp(const void *left, const void *right)
{
    const struct fact *a = left, *b = right;
    const int order = script_cmp(&a->script, &b->script);

    return order != 0 ? order : (int)a->ground - (int)b->ground;
}

static int collect(struct collector *c, const struct spv_block *block)
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

/* Makes the query of all different scripts. */
static int conclude(struct spv_block_evidence *e, struct collector *c)
{
    struct spv_bytes *scripts = calloc(c->n + 1, sizeof *scripts);
    int rc;

    e->n_inputs = c->n_inputs;
    e->grounds = calloc(c->n + 1, sizeof *e->grounds);
    if (!scripts || !e->grounds) {
        free(scripts);
        return SPV_ERR_NOMEM;
    }
    if (c->n > 0)
        qsort(c->facts, c->n, sizeof *c->facts, fact_cmp);
    for (size_t i = 0; i < c->n; i++) {
        const struct fact *fact = &c->facts[i];
        if (i > 0 && script_cmp(&fact[-1].script, &fact->script) == 0)
            continue;
        scripts[e->n] = fact->script;
        e->grounds[e->n++] = fact->ground;
        e->n_of[fact->ground]++;
    }
    rc = spv_filter_query_new(&e->query, scripts, e->n);
    free(scripts);
    return rc;
}

int spv_block_evidence_new(struct spv_block_evidence **out, const struct spv_block *block,
                           bool segwit_active, const struct spv_known_outputs *known)
{
    struct collector c = {.known = known, .segwit_active = segwit_active};
    struct spv_block_evidence *e = calloc(1, sizeof *e);
    int rc = e ? collect(&c, block) : SPV_ERR_NOMEM;

    *out = NULL;
    if (rc == 0)
        rc = conclude(e, &c);
    for (size_t i = 0; i < c.n; i++)
        free(c.facts[i].owned);
    free(c.facts);
    free(c.txs);
    if (rc != 0) {
        spv_block_evidence_free(e);
        return rc;
    }
    *out = e;
    return 0;
}

void spv_block_evidence_free(struct spv_block_evidence *evidence)
{
    if (!evidence)
        return;
    spv_filter_query_free(evidence->query);
    free(evidence->grounds);
    free(evidence);
}

/* Counts the facts that the filter lacks, by ground. */
static void count_missing(size_t missing[GUESS + 1], const struct spv_block_evidence *e,
                          const bool *hits)
{
    for (size_t i = 0; i < e->n; i++)
        if (!hits[i])
            missing[e->grounds[i]]++;
}

int spv_block_evidence_judge(struct spv_filter_verdict *out,
                             const struct spv_block_evidence *evidence,
                             const struct spv_filter *filter)
{
    const size_t sure = evidence->n_of[OUTPUT] + evidence->n_of[CERTAIN];
    size_t missing[GUESS + 1] = {0};
    struct spv_filter_matcher *matcher;
    struct spv_gcs set;
    bool *hits;
    int rc;

    *out = (struct spv_filter_verdict){.error = spv_gcs_open(&set, filter->bytes, filter->n)};
    if (out->error != 0)
        return 0;
    hits = calloc(evidence->n + 1, sizeof *hits);
    rc = hits ? spv_filter_matcher_new(&matcher, evidence->query) : SPV_ERR_NOMEM;
    if (rc != 0) {
        free(hits);
        return rc;
    }
    rc = spv_filter_match_which(matcher, hits, filter);
    spv_filter_matcher_free(matcher);
    if (rc >= 0) {
        count_missing(missing, evidence, hits);
        if (missing[OUTPUT] > 0)
            out->error = SPV_ERR_FILTER_OUTPUT;
        else if (missing[CERTAIN] > 0)
            out->error = SPV_ERR_FILTER_SPENT;
        else if (set.n < sure || set.n > evidence->n_of[OUTPUT] + evidence->n_inputs)
            out->error = SPV_ERR_FILTER_COUNT;
    } else if (rc != SPV_ERR_NOMEM) {
        out->error = rc;
    }
    free(hits);
    if (out->error == 0) {
        out->n_guesses = evidence->n_of[GUESS];
        out->n_guesses_missing = missing[GUESS];
    }
    return rc == SPV_ERR_NOMEM ? rc : 0;
}
