#include "filter_fixture.h"

#include "support/sim/internal.h"

struct sim_blocks filter_chain;

int filter_chain_make(void **state)
{
    (void)state;
    sim_blocks_init(&filter_chain, spv_params_get(SPV_REGTEST));
    sim_blocks_grow(&filter_chain, &(struct sim_blocks_plan){.n = FILTER_CHAIN,
                                                             .seed = 11,
                                                             .txs_max = 2,
                                                             .wallet_in = 60,
                                                             .kinds = (1u << SIM_COIN_KINDS) - 1});
    return 0;
}

int filter_chain_free(void **state)
{
    (void)state;
    sim_blocks_free(&filter_chain);
    return 0;
}

void filter_begin(struct filter_scenario *s, struct sim *sim)
{
    *s = (struct filter_scenario){.sim = sim};
}

struct sim_filters *filter_table(struct filter_scenario *s)
{
    struct sim_filters *table = &s->table[s->n_tables++];
    if (s->n_tables > FILTER_TABLES)
        abort();
    sim_filters_copy(table, &filter_chain);
    return table;
}

struct sim_filters *filter_lie(struct filter_scenario *s, enum sim_filter_lie lie, bool wallet,
                               uint32_t *height)
{
    struct sim_filters *table = filter_table(s);
    uint32_t at = sim_filter_lie_height(&filter_chain, scenario_random(s->sim, 1, FILTER_CHAIN - 1),
                                        lie, wallet);
    if (at == 0)
        at = sim_filter_lie_height(&filter_chain, 1, lie, wallet);
    if (at == 0)
        abort();
    sim_filters_lie(table, &filter_chain, at, lie);
    sim_note(s->sim, "a false filter of height %lu: lie %d", (unsigned long)at, (int)lie);
    if (height)
        *height = at;
    return table;
}

size_t filter_servers(struct filter_scenario *s, size_t n, const struct sim_filter_service *service)
{
    struct sim_server_config cfg = {.filters = *service};
    if (!cfg.filters.blocks)
        cfg.filters.blocks = &filter_chain;
    return scenario_servers(s->sim, n, &cfg);
}

size_t filter_honest(struct filter_scenario *s, size_t n)
{
    return filter_servers(s, n, &(struct sim_filter_service){.blocks = &filter_chain});
}

void filter_client(struct filter_scenario *s, const struct sim_client_config *cfg)
{
    struct sim_client_config copy = {.filters = true};
    if (cfg)
        copy = *cfg;
    copy.filters = true;
    if (!copy.scripts)
        copy.scripts = sim_wallet_scripts(&copy.n_scripts);
    s->client = sim_add_client(s->sim, &copy);
}

unsigned filter_bits(size_t first, size_t n)
{
    return ((1u << n) - 1) << first;
}

/* True when the stored filter headers are those of the table, from the first stored one up to the
 * tip. */
static bool has_stored(const struct sim_client *client, const struct sim_filters *table)
{
    const struct sim_filter_store *store = sim_client_filters(client);
    const uint32_t end = sim_filter_store_end(store);
    if (end != table->n || end == 0)
        return false;
    for (uint32_t h = store->first; h < end; h++)
        if (memcmp(&sim_filter_store_at(store, h)->header, &table->at[h].header,
                   sizeof(table->at[h].header)) != 0)
            return false;
    return true;
}

struct ending {
    struct filter_scenario *s;
    const struct filter_expected *e;
    const struct sim_blocks *blocks;
};

static bool is_stored(const struct ending *end)
{
    const struct filter_expected *e = end->e;
    return has_stored(end->s->client, e->stored ? e->stored : &end->blocks->filters) ||
           (e->or_stored && has_stored(end->s->client, e->or_stored));
}

static bool are_banned(const struct ending *end, unsigned servers)
{
    for (size_t i = 0; i < sim_servers(end->s->sim); i++)
        if ((servers >> i & 1) != 0 && sim_server_bans(end->s->sim, i) == 0)
            return false;
    return true;
}

static bool all_banned(const struct ending *end)
{
    return are_banned(end, end->e->banned);
}

/* No server is left that could give filter headers. */
static bool is_unserved(const struct ending *end)
{
    return end->e->or_banned != 0 && are_banned(end, end->e->or_banned);
}

static bool is_told(const struct ending *end)
{
    return end->e->told == SPV_WARN_NONE || sim_client_warnings(end->s->client, end->e->told) > 0;
}

static bool is_scanned(const struct ending *end)
{
    return sim_client_scan(end->s->client)->done + 1 == end->blocks->store.n;
}

static bool is_at_end(struct sim *sim, void *ctx)
{
    const struct ending *end = ctx;
    if (is_unserved(end)) /* without a peer a client is not synced any more */
        return scenario_on_tip(end->s->client, &end->blocks->store);
    return sim_client_synced(sim, end->s->client) &&
           scenario_on_tip(end->s->client, &end->blocks->store) &&
           (end->e->unsynced || (is_stored(end) && is_scanned(end))) && all_banned(end) &&
           is_told(end);
}

static void check_warnings(const struct ending *end)
{
    static const enum spv_warning of_filters[] = {
        SPV_WARN_FILTERS_ONE_GROUP, SPV_WARN_FILTERS_DISPUTED, SPV_WARN_FILTERS_BUILT_IN,
        SPV_WARN_FILTERS_START};
    for (size_t i = 0; i < COUNT(of_filters); i++) {
        const uint64_t n = sim_client_warnings(end->s->client, of_filters[i]);
        const bool expected = of_filters[i] == end->e->told;
        if (!expected && (end->e->may_be_told >> of_filters[i] & 1) == 0 && n > 0)
            sim_break(end->s->sim, "the user was told of something that did not happen");
        if (expected && n == 0)
            sim_break(end->s->sim, "the user was not told");
        if (n > 1)
            sim_break(end->s->sim, "the user was told twice");
    }
}

/* What the scan has found is what there is, in these blocks. */
static void check_scan(const struct ending *end)
{
    const struct sim_scan_log *log = sim_client_scan(end->s->client);
    size_t i = 0;
    for (uint32_t h = 1; h < end->blocks->store.n; h++) {
        const struct sim_block *block = end->blocks->at[h];
        uint64_t wanted = 0, found = 0;
        for (size_t k = 0; k < block->parsed.n_txs; k++)
            wanted |= (uint64_t)sim_wallet_in_tx(block, k) << k;
        if (i < log->n && log->at[i].height == h)
            found = log->at[i++].positions;
        if (found & ~wanted)
            sim_break(end->s->sim, "a transaction was found that is not the wallet's");
        if (wanted & ~found && !end->e->may_miss) {
            sim_note(end->s->sim, "missed at height %lu", (unsigned long)h);
            sim_break(end->s->sim, "a transaction of the wallet was missed");
        }
    }
    if (i < log->n)
        sim_break(end->s->sim, "something was found above the tip");
}

/* Sets may[h] where some filter of the height matches: a true one, or one of the liars'. */
static void match_table(bool *may, const struct sim_blocks *blocks, const struct sim_filters *table,
                        struct spv_filter_matcher *matcher)
{
    for (uint32_t h = 1; h < table->n && h < blocks->store.n; h++) {
        const struct spv_filter f = {blocks->at[h]->hash, table->at[h].bytes, table->at[h].n};
        may[h] = may[h] || spv_filter_match(matcher, &f) == 1;
    }
}

/* Blocks were fetched whose filters match either way, and a few samples and disputed ones. */
static void check_blocks(const struct ending *end)
{
    const struct sim *sim = end->s->sim;
    const unsigned scans = end->e->scans != 0 ? end->e->scans : 1;
    struct spv_filter_query *query;
    struct spv_filter_matcher *matcher;
    bool *may = calloc(end->blocks->store.n + filter_chain.store.n, sizeof(*may));
    bool *may_before = calloc(filter_chain.store.n, sizeof(*may));
    size_t n, others = 0;
    const struct spv_bytes *scripts = sim_wallet_scripts(&n);
    if (!may || !may_before || spv_filter_query_new(&query, scripts, n) < 0 ||
        spv_filter_matcher_new(&matcher, query) < 0)
        abort();
    match_table(may, end->blocks, &end->blocks->filters, matcher);
    match_table(may_before, &filter_chain, &filter_chain.filters, matcher);
    for (size_t i = 0; i < end->s->n_tables; i++)
        match_table(may_before, &filter_chain, &end->s->table[i], matcher);
    for (size_t i = 0; i < sim->n_blocks_sent; i++) {
        uint32_t h;
        const bool now = sim_blocks_find(end->blocks, &h, &sim->blocks_sent[i]) && may[h];
        const bool before =
            sim_blocks_find(&filter_chain, &h, &sim->blocks_sent[i]) && may_before[h];
        others += !now && !before;
    }
    if (others > (size_t)scans * 20 + 16)
        sim_break(end->s->sim, "blocks were fetched whose filters do not match");
    spv_filter_matcher_free(matcher);
    spv_filter_query_free(query);
    free(may);
    free(may_before);
}

static void check_servers(const struct ending *end)
{
    struct sim *sim = end->s->sim;
    for (size_t i = 0; i < sim_servers(sim); i++) {
        const bool must = (end->e->banned >> i & 1) != 0;
        const bool may = must || (end->e->may_be_banned >> i & 1) != 0;
        if (!may && sim_server_bans(sim, i) > 0)
            sim_break(sim, "a server was banned that told no proven lie");
        if (must && sim_server_bans(sim, i) == 0)
            sim_break(sim, "a proven liar was not banned");
        if (sim_server_bans(sim, i) > 1)
            sim_break(sim, "a banned server was dialled again");
        if (sim_server_filter_counts(sim, i).closed > 0)
            sim_break(sim, "a request was one that Bitcoin Core closes on");
    }
}

void filter_end(struct filter_scenario *s, const struct filter_expected *e)
{
    struct ending end = {s, e, e->blocks ? e->blocks : &filter_chain};
    const uint64_t seconds = e->seconds != 0 ? e->seconds : 600;
    const uint64_t stable = e->stable_seconds != 0 ? e->stable_seconds : 3600;
    if (!sim_broken(s->sim) && sim_run(s->sim, seconds * SPV_SECOND, is_at_end, &end) == 0) {
        if (!is_stored(&end) && !e->unsynced)
            sim_break(s->sim, "the true filter headers were not stored in time");
        if (!e->unsynced && !is_scanned(&end))
            sim_break(s->sim, "the scan was not done in time");
        if (!all_banned(&end))
            sim_break(s->sim, "a proven liar was not banned in time");
        sim_break(s->sim, "the expected end was not reached in time");
    }
    if (!sim_broken(s->sim))
        sim_run(s->sim, stable * SPV_SECOND, NULL, NULL);
    if (!sim_broken(s->sim)) {
        if (!is_at_end(s->sim, &end))
            sim_break(s->sim, "the expected end did not last");
        if (e->unsynced && sim_client_events(s->client, SPV_EVENT_FILTERS_SYNCED) > 0)
            sim_break(s->sim, "filter headers were synced that should not be");
        if (sim_client_growth(s->client) > SCENARIO_GROWTH)
            sim_break(s->sim, "the node's memory grew too much");
        check_warnings(&end);
        check_servers(&end);
        if (!e->unsynced && !is_unserved(&end))
            check_scan(&end);
        check_blocks(&end);
    }
    for (size_t i = 0; i < s->n_tables; i++)
        sim_filters_free(&s->table[i]);
}
