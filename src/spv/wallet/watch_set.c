/* A branch is derived in steps of several indexes, because each call first derives the fixed part
 * of the path. A window that moves is queued; the wallet pops it and checks whether a script in it
 * was paid already, which may move the window again: so the windows reach the least fixed point of
 * the gap rule, in whatever order transactions come. */
#include "spv/wallet/watch_set.h"

#include <stdlib.h>
#include <string.h>

#include "spv/error.h"
#include "spv/keys.h"
#include "util/array.h"
#include "util/rng.h"

#define FIRST_ENTRIES 4
#define DERIVE_STEP 32 /* indexes: the fixed part of the path costs as much as a few of them */

void spv_watch_set_init(struct spv_watch_set *set, const struct spv_rng *rng, unsigned networks,
                        uint32_t lookahead)
{
    set->networks = networks;
    set->lookahead = lookahead;
    set->next_id = 1;
    set->scripts.key[0] = spv_rng_u64(rng);
    set->scripts.key[1] = spv_rng_u64(rng);
}

static void free_entry(struct spv_watch_entry *entry)
{
    for (size_t i = 0; i < entry->n_branches; i++)
        free(entry->branches[i].scripts);
    free(entry->branches);
    spv_descriptor_free(entry->descriptor);
    *entry = (struct spv_watch_entry){.id = 0};
}

void spv_watch_set_free(struct spv_watch_set *set)
{
    for (size_t i = 0; i < set->n_watches; i++)
        free_entry(&set->watches[i]);
    free(set->watches);
    free(set->moves);
    spv_script_table_free(&set->scripts);
}

uint32_t spv_watch_set_slot(const struct spv_watch_set *set, uint64_t id)
{
    for (size_t i = 0; id != 0 && i < set->n_watches; i++)
        if (set->watches[i].id == id)
            return (uint32_t)i;
    return SPV_NO_INDEX;
}

bool spv_watch_set_has_txid(const struct spv_watch_set *set, const struct spv_txid *txid)
{
    for (size_t i = 0; set->n_txids > 0 && i < set->n_watches; i++)
        if (set->watches[i].id != 0 && set->watches[i].watch.kind == SPV_WATCH_TXID &&
            memcmp(&set->watches[i].watch.txid, txid, sizeof *txid) == 0)
            return true;
    return false;
}

/* ---- windows ---- */

static bool is_range(const struct spv_watch_entry *entry)
{
    return entry->descriptor && spv_descriptor_is_range(entry->descriptor);
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Appends the scripts of an index, all that its descriptor has. */
static int append_script(struct spv_watch_set *set, uint32_t slot, uint32_t branch, uint32_t index,
                         struct spv_bytes script)
{
    struct spv_watch_branch *b = &set->watches[slot].branches[branch];
    const struct spv_script_owner owner = {
        .watch = slot, .index = index, .branch = (uint16_t)branch};
    uint32_t number;
    int rc = spv_script_table_add(&set->scripts, &number, script, &owner);

    if (rc < 0)
        return rc;
    b->scripts[b->n_scripts++] = number;
    return 0;
}

/* Makes room in a branch for the scripts of n indexes. */
static int reserve_scripts(struct spv_watch_branch *b, uint32_t per_index, uint32_t n)
{
    uint32_t *grown = realloc(b->scripts, (size_t)n * per_index * sizeof *grown);

    if (!grown)
        return SPV_ERR_NOMEM;
    b->scripts = grown;
    return 0;
}

static int derive_to(struct spv_watch_set *set, uint32_t slot, uint32_t branch, uint32_t end)
{
    struct spv_watch_entry *entry = &set->watches[slot];
    struct spv_watch_branch *b = &entry->branches[branch];
    bool one_by_one = false;
    int rc = reserve_scripts(b, entry->per_index, end);

    while (rc == 0 && b->n_derived < end && !b->ended) {
        struct spv_derived_scripts derived;
        const uint32_t left = one_by_one ? 1 : end - b->n_derived;
        const uint32_t count = smaller(left, SPV_DESCRIPTOR_DERIVE_MAX);
        rc = spv_descriptor_derive(&derived, entry->descriptor, branch, b->n_derived, count);
        if (rc == SPV_ERR_NO_CHILD_KEY) {
            b->ended = one_by_one; /* derived one by one: this very index has no key */
            one_by_one = true;
            rc = 0;
            continue;
        }
        for (size_t i = 0; rc == 0 && i < derived.n; i++)
            rc = append_script(set, slot, branch, derived.scripts[i].index,
                               derived.scripts[i].script);
        if (rc == 0)
            b->n_derived += count;
        spv_derived_scripts_free(&derived);
    }
    return rc;
}

static int push_move(struct spv_watch_set *set, const struct spv_window_move *move)
{
    struct spv_window_move *grown =
        spv_array_grow(set->moves, &set->cap_moves, set->n_moves + 1, FIRST_ENTRIES, sizeof *grown);

    if (!grown)
        return SPV_ERR_NOMEM;
    set->moves = grown;
    grown[set->n_moves++] = *move;
    return 0;
}

/* Moves the window of a branch to `gap` beyond its used indexes, and derives the scripts of the
 * window and the look-ahead. */
static int move_window(struct spv_watch_set *set, uint32_t slot, uint32_t branch)
{
    struct spv_watch_entry *entry = &set->watches[slot];
    struct spv_watch_branch *b = &entry->branches[branch];
    struct spv_window_move move = {.watch = slot, .branch = branch, .first = b->window};
    uint64_t window = (uint64_t)b->n_used + entry->watch.gap, end;
    int rc = 0;

    if (!is_range(entry))
        window = 1;
    if (window > SPV_HARDENED)
        window = SPV_HARDENED;
    end = window;
    if (is_range(entry))
        end = (window + set->lookahead + DERIVE_STEP - 1) / DERIVE_STEP * DERIVE_STEP;
    if (end > SPV_HARDENED)
        end = SPV_HARDENED;
    if (window + set->lookahead > b->n_derived && end > b->n_derived && entry->descriptor)
        rc = derive_to(set, slot, branch, (uint32_t)end);
    if (rc < 0)
        return rc;
    move.end = smaller((uint32_t)window, b->n_derived);
    if (move.end <= b->window)
        return 0;
    b->window = move.end;
    b->changed = true;
    return push_move(set, &move);
}

int spv_watch_set_use_index(struct spv_watch_set *set, uint32_t slot, uint32_t branch,
                            uint32_t n_used)
{
    struct spv_watch_branch *b = &set->watches[slot].branches[branch];

    if (n_used <= b->n_used)
        return 0;
    b->n_used = n_used;
    b->changed = true;
    return move_window(set, slot, branch);
}

bool spv_watch_set_is_active(const struct spv_watch_set *set, const struct spv_script_owner *owner,
                             const struct spv_txid *txid, uint32_t vout)
{
    const struct spv_watch_entry *entry = &set->watches[owner->watch];

    if (entry->watch.kind == SPV_WATCH_OUTPOINT)
        return entry->watch.vout == vout && memcmp(&entry->watch.txid, txid, sizeof *txid) == 0;
    return owner->index < entry->branches[owner->branch].window;
}

int spv_watch_set_use_script(struct spv_watch_set *set, uint32_t script)
{
    struct spv_script_owner owner;
    struct spv_owner_iter iter = {.begun = false};
    int rc = 0;

    while (rc == 0 && spv_script_table_next_owner(&set->scripts, &owner, script, &iter))
        if (owner.index < set->watches[owner.watch].branches[owner.branch].window)
            rc = spv_watch_set_use_index(set, owner.watch, owner.branch, owner.index + 1);
    return rc;
}

uint32_t spv_watch_set_rescan_end(const struct spv_watch_entry *entry, uint32_t branch)
{
    const struct spv_watch_branch *b = &entry->branches[branch];

    if (entry->watch.kind == SPV_WATCH_TXID)
        return b->n_scanned == 0;
    /* A rescan includes the look-ahead. */
    return b->n_scanned < b->window ? b->n_derived : 0;
}

void spv_watch_set_set_scanned(struct spv_watch_set *set)
{
    for (size_t i = 0; i < set->n_watches; i++) {
        for (uint32_t j = 0; j < set->watches[i].n_branches; j++) {
            struct spv_watch_branch *b = &set->watches[i].branches[j];
            b->n_scanned = set->watches[i].watch.kind == SPV_WATCH_TXID ? 1 : b->n_derived;
            b->changed = true;
        }
    }
}

bool spv_watch_set_next_move(struct spv_watch_set *set, struct spv_window_move *out)
{
    if (set->n_moves == 0)
        return false;
    *out = set->moves[--set->n_moves];
    return true;
}

/* ---- watches ---- */

static bool equal_bytes(struct spv_bytes a, struct spv_bytes b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.bytes, b.bytes, a.n) == 0);
}

/* The script of a SCRIPT or OUTPOINT watch. */
static struct spv_bytes entry_script(const struct spv_watch_set *set,
                                     const struct spv_watch_entry *entry)
{
    return spv_script_table_bytes(&set->scripts, entry->branches[0].scripts[0]);
}

/* Whether an entry watches what `watch`, whose descriptor was parsed, watches. */
static bool is_equal(const struct spv_watch_set *set, const struct spv_watch_entry *entry,
                     const struct spv_watch_target *watch, const struct spv_descriptor *descriptor)
{
    if (entry->id == 0 || entry->watch.kind != watch->kind)
        return false;
    switch (watch->kind) {
    case SPV_WATCH_DESCRIPTOR:
        return strcmp(spv_descriptor_text(entry->descriptor), spv_descriptor_text(descriptor)) == 0;
    case SPV_WATCH_SCRIPT:
        return equal_bytes(entry_script(set, entry), watch->script);
    case SPV_WATCH_OUTPOINT:
    case SPV_WATCH_TXID:
        break;
    }
    return memcmp(&entry->watch.txid, &watch->txid, sizeof watch->txid) == 0 &&
           (watch->kind == SPV_WATCH_TXID ||
            (entry->watch.vout == watch->vout &&
             equal_bytes(entry_script(set, entry), watch->script)));
}

static int check_watch(const struct spv_watch_target *watch)
{
    switch (watch->kind) {
    case SPV_WATCH_DESCRIPTOR:
        return watch->descriptor && watch->gap <= SPV_WATCH_MAX_GAP ? 0 : SPV_ERR_INVALID;
    case SPV_WATCH_SCRIPT:
    case SPV_WATCH_OUTPOINT:
        if (watch->script.n == 0)
            return SPV_ERR_INVALID;
        return watch->script.n <= SPV_WATCH_MAX_SCRIPT_BYTES ? 0 : SPV_ERR_TOO_LONG;
    case SPV_WATCH_TXID:
        return 0;
    }
    return SPV_ERR_INVALID;
}

/* raw() is a valid descriptor, but an empty script cannot be scanned for. */
static int check_not_empty(const struct spv_descriptor *descriptor)
{
    struct spv_derived_scripts derived;
    int rc;

    if (spv_descriptor_is_range(descriptor))
        return 0;
    rc = spv_descriptor_derive(&derived, descriptor, 0, 0, 1);
    if (rc == 0 && derived.scripts[0].script.n == 0)
        rc = SPV_ERR_INVALID;
    spv_derived_scripts_free(&derived);
    return rc;
}

static int parse_descriptor(struct spv_descriptor **out, const struct spv_watch_set *set,
                            struct spv_text_error *why, const struct spv_watch_target *watch)
{
    int rc = check_watch(watch);

    *out = NULL;
    if (rc < 0 || watch->kind != SPV_WATCH_DESCRIPTOR)
        return rc;
    rc = spv_descriptor_parse(out, why, watch->descriptor, strlen(watch->descriptor), set->networks,
                              SPV_DESCRIPTOR_CHECKSUM_OPTIONAL);
    if (rc == 0)
        rc = spv_descriptor_check_derivable(*out, why);
    if (rc == 0)
        rc = check_not_empty(*out);
    if (rc < 0) {
        spv_descriptor_free(*out);
        *out = NULL;
    }
    return rc;
}

static int free_slot(struct spv_watch_set *set, uint32_t *slot)
{
    struct spv_watch_entry *grown;
    size_t i = 0;

    while (i < set->n_watches && set->watches[i].id != 0)
        i++;
    *slot = (uint32_t)i;
    if (i < set->n_watches)
        return 0;
    if (i >= SPV_WATCH_MAX_WATCHES)
        return SPV_ERR_TOO_MANY;
    grown = spv_array_grow(set->watches, &set->cap_watches, i + 1, FIRST_ENTRIES, sizeof *grown);
    if (!grown)
        return SPV_ERR_NOMEM;
    set->watches = grown;
    grown[i] = (struct spv_watch_entry){.id = 0};
    set->n_watches++;
    return 0;
}

static bool has_script(const struct spv_watch_target *watch)
{
    return watch->kind == SPV_WATCH_SCRIPT || watch->kind == SPV_WATCH_OUTPOINT;
}

/* Fills a free slot, which owns the descriptor from here on, also after an error. */
static int fill_slot(struct spv_watch_set *set, uint32_t slot, const struct spv_watch_target *watch,
                     struct spv_descriptor *descriptor)
{
    struct spv_watch_entry *entry = &set->watches[slot];
    int rc;

    *entry = (struct spv_watch_entry){.id = set->next_id,
                                      .watch = *watch,
                                      .descriptor = descriptor,
                                      .n_branches = 1,
                                      .per_index = 1,
                                      .changed = true,
                                      .balance_changed = true};
    entry->watch.descriptor = NULL;
    entry->watch.script = (struct spv_bytes){.bytes = NULL};
    if (watch->gap == 0)
        entry->watch.gap = SPV_WATCH_GAP;
    if (descriptor) {
        entry->n_branches = spv_descriptor_n_branches(descriptor);
        entry->per_index = (uint32_t)spv_descriptor_scripts_per_index(descriptor);
    }
    entry->branches = calloc(entry->n_branches, sizeof *entry->branches);
    if (!entry->branches) {
        entry->n_branches = 0;
        return SPV_ERR_NOMEM;
    }
    set->next_id++;
    set->n_txids += watch->kind == SPV_WATCH_TXID;
    for (size_t i = 0; i < entry->n_branches; i++)
        entry->branches[i].changed = true;
    if (!has_script(watch))
        return 0;
    rc = reserve_scripts(&entry->branches[0], 1, 1);
    if (rc == 0)
        rc = append_script(set, slot, 0, 0, watch->script);
    if (rc == 0)
        entry->branches[0].n_derived = 1;
    return rc;
}

/* Sets the larger gap and the earlier birthday. */
static int extend_watch(struct spv_watch_set *set, uint32_t slot,
                        const struct spv_watch_target *watch)
{
    struct spv_watch_entry *entry = &set->watches[slot];
    int rc = 0;

    if (watch->birthday < entry->watch.birthday) {
        entry->watch.birthday = watch->birthday;
        entry->changed = true;
        for (size_t i = 0; i < entry->n_branches; i++) {
            entry->branches[i].n_scanned = 0;
            entry->branches[i].changed = true;
        }
    }
    if (watch->gap <= entry->watch.gap)
        return 0;
    entry->watch.gap = watch->gap;
    entry->changed = true;
    for (uint32_t i = 0; rc == 0 && i < entry->n_branches; i++)
        rc = move_window(set, slot, i);
    return rc;
}

int spv_watch_set_restore(struct spv_watch_set *set, struct spv_text_error *why, uint32_t *slot,
                          const struct spv_watch_target *watch, uint64_t id)
{
    const uint64_t next_id = set->next_id;
    struct spv_descriptor *descriptor;
    int rc;

    if (id == 0 || spv_watch_set_slot(set, id) != SPV_NO_INDEX)
        return SPV_ERR_INVALID;
    rc = parse_descriptor(&descriptor, set, why, watch);
    if (rc < 0)
        return rc;
    rc = free_slot(set, slot);
    if (rc < 0) {
        spv_descriptor_free(descriptor);
        return rc;
    }
    set->next_id = id;
    rc = fill_slot(set, *slot, watch, descriptor);
    set->watches[*slot].changed = false;
    if (set->next_id < next_id)
        set->next_id = next_id;
    return rc;
}

int spv_watch_set_add(struct spv_watch_set *set, struct spv_text_error *why, uint32_t *slot,
                      const struct spv_watch_target *watch)
{
    struct spv_descriptor *descriptor;
    int rc = parse_descriptor(&descriptor, set, why, watch);

    if (rc < 0)
        return rc;
    for (uint32_t i = 0; i < set->n_watches; i++) {
        if (is_equal(set, &set->watches[i], watch, descriptor)) {
            spv_descriptor_free(descriptor);
            *slot = i;
            return extend_watch(set, i, watch);
        }
    }
    rc = free_slot(set, slot);
    if (rc < 0) {
        spv_descriptor_free(descriptor);
        return rc;
    }
    rc = fill_slot(set, *slot, watch, descriptor);
    for (uint32_t i = 0; rc == 0 && i < set->watches[*slot].n_branches; i++)
        rc = move_window(set, *slot, i);
    return rc;
}

void spv_watch_set_remove(struct spv_watch_set *set, uint32_t slot)
{
    struct spv_watch_entry *entry = &set->watches[slot];

    for (size_t i = 0; i < entry->n_branches; i++)
        for (size_t j = 0; j < entry->branches[i].n_scripts; j++)
            spv_script_table_remove_owner(&set->scripts, entry->branches[i].scripts[j], slot);
    set->n_txids -= entry->watch.kind == SPV_WATCH_TXID;
    free_entry(entry);
}

/* ---- stored rows ---- */

static struct spv_watch_branch *find_branch(struct spv_watch_set *set, uint32_t *slot, uint64_t id,
                                            uint32_t branch)
{
    *slot = spv_watch_set_slot(set, id);
    if (*slot == SPV_NO_INDEX || branch >= set->watches[*slot].n_branches)
        return NULL;
    return &set->watches[*slot].branches[branch];
}

int spv_watch_set_restore_branch(struct spv_watch_set *set, uint64_t id, uint32_t branch,
                                 uint32_t n_used, uint32_t n_scanned)
{
    uint32_t slot;
    struct spv_watch_branch *b = find_branch(set, &slot, id, branch);

    if (!b || n_used > SPV_HARDENED || n_scanned > SPV_HARDENED)
        return SPV_ERR_INVALID;
    b->n_used = n_used;
    b->n_scanned = n_scanned;
    return 0;
}

int spv_watch_set_restore_script(struct spv_watch_set *set, uint64_t id, uint32_t branch,
                                 uint32_t index, struct spv_bytes script)
{
    uint32_t slot;
    struct spv_watch_branch *b = find_branch(set, &slot, id, branch);
    int rc;

    /* Only a descriptor has script rows; an index is complete with its last script. */
    if (!b || !set->watches[slot].descriptor || index != b->n_derived)
        return SPV_ERR_INVALID;
    const uint32_t per_index = set->watches[slot].per_index;
    const size_t room = ((size_t)index / DERIVE_STEP + 1) * DERIVE_STEP;
    if (index % DERIVE_STEP == 0 && b->n_scripts == (size_t)index * per_index) {
        rc = reserve_scripts(b, per_index, (uint32_t)room);
        if (rc < 0)
            return rc;
    }
    rc = append_script(set, slot, branch, index, script);
    if (rc == 0 && b->n_scripts == ((size_t)index + 1) * per_index)
        b->n_derived = b->n_written = index + 1;
    return rc;
}

int spv_watch_set_restore_end(struct spv_watch_set *set)
{
    int rc = 0;

    for (uint32_t slot = 0; rc == 0 && slot < set->n_watches; slot++)
        for (uint32_t i = 0; rc == 0 && i < set->watches[slot].n_branches; i++)
            rc = move_window(set, slot, i);
    return rc;
}

size_t spv_watch_set_memory(const struct spv_watch_set *set)
{
    size_t n = spv_script_table_memory(&set->scripts) + set->cap_watches * sizeof *set->watches;

    for (size_t i = 0; i < set->n_watches; i++)
        for (size_t j = 0; j < set->watches[i].n_branches; j++)
            n += sizeof(struct spv_watch_branch) + set->watches[i].branches[j].n_scripts * 4;
    return n;
}
