/* Fetch, driven by hand: every request that it makes is looked at, every answer is the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shell.h"
#include "spv/fetch.h"

#define PERIOD 2016
#define PERIODS 5
#define LENGTH (PERIODS * PERIOD + 300) /* the last 300 follow the last mark */
#define MAX_REQUESTS 512

static struct test_chain chain;
static struct test_chain fork_chain; /* leaves it at 2005, within the first period's rest */
static struct spv_checkpoint marks[PERIODS];

struct request {
    uint64_t peer;
    struct spv_blockhash locator[2];
    size_t n;
    struct spv_blockhash stop;
};

struct kit {
    struct spv_effects effects;
    struct spv_fetch *fetch;
    struct spv_now now;
    struct request log[MAX_REQUESTS]; /* all that was asked, in order */
    size_t n;
};

static int setup(void **state)
{
    (void)state;
    chain = test_chain_mine(LENGTH, 1, NULL, 0);
    fork_chain = test_chain_mine(4200, 2, &chain, 2005);
    for (uint32_t i = 0; i < PERIODS; i++) {
        const uint32_t height = (i + 1) * PERIOD - 1;
        marks[i] = (struct spv_checkpoint){.height = height, .hash = chain.hashes[height]};
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_chain_free(&chain);
    test_chain_free(&fork_chain);
    return 0;
}

static void pull(struct kit *k)
{
    struct spv_effect e;
    while (spv_effects_pop(&k->effects, &e) == 1) {
        const struct spv_msg_getheaders *get = &e.message.u.getheaders;
        assert_int_equal(e.kind, SPV_EFFECT_SEND);
        assert_int_equal(e.message.command, SPV_CMD_GETHEADERS);
        assert_in_range(get->n, 1, 2);
        assert_true(k->n < MAX_REQUESTS);
        struct request *r = &k->log[k->n++];
        *r = (struct request){.peer = e.peer, .n = get->n, .stop = get->stop};
        memcpy(r->locator, get->locator, get->n * sizeof r->locator[0]);
    }
}

static struct spv_params strict; /* as regtest, but bits stay as they are within a period */

static void open_with(struct kit *k, const struct spv_checkpoint *m, size_t n, bool tail)
{
    strict = *spv_params_get(SPV_REGTEST);
    strict.min_difficulty = false;
    const struct spv_fetch_config cfg = {
        .params = &strict, .marks = m, .n_marks = n, .effects = &k->effects, .tail = tail};
    memset(k, 0, sizeof *k);
    k->now = (struct spv_now){.mono_us = 1000 * SPV_SECOND, .unix_s = 1800000000};
    spv_effects_init(&k->effects);
    assert_int_equal(spv_fetch_new(&k->fetch, &cfg), 0);
}

static void begin(struct kit *k, uint32_t from)
{
    const struct spv_checkpoint start = {.height = from, .hash = chain.hashes[from]};
    assert_int_equal(spv_fetch_begin(k->fetch, &start, UINT32_MAX, k->now), 0);
    pull(k);
}

static void open_kit(struct kit *k)
{
    open_with(k, marks, PERIODS, false);
    begin(k, 0);
}

static void close_kit(struct kit *k)
{
    spv_fetch_free(k->fetch);
    spv_effects_free(&k->effects);
}

static void add(struct kit *k, uint64_t id)
{
    assert_int_equal(spv_fetch_add(k->fetch, id, k->now), 0);
    pull(k);
}

static void wait_us(struct kit *k, uint64_t us)
{
    k->now.mono_us += us;
    assert_int_equal(spv_fetch_timer(k->fetch, k->now), 0);
    pull(k);
}

static int send_raw(struct kit *k, uint64_t id, const struct spv_header *headers, size_t n)
{
    const struct spv_msg_headers msg = {.headers = headers, .n = n};
    const int rc = spv_fetch_headers(k->fetch, id, &msg, k->now);
    pull(k);
    return rc;
}

/* The headers after height `from`. */
static void send(struct kit *k, uint64_t id, uint32_t from, size_t n)
{
    assert_int_equal(send_raw(k, id, chain.headers + from + 1, n), 1);
}

/* A whole segment that starts at a mark's height. */
static void send_segment(struct kit *k, uint64_t id, uint32_t from)
{
    const uint32_t end = ((from + 1) / PERIOD + 1) * PERIOD - 1;
    send(k, id, from, 2000);
    send(k, id, from + 2000, end - from - 2000);
}

/* How often a peer was asked for what follows this height, since the log's entry `since`. */
static size_t asked(const struct kit *k, uint64_t id, uint32_t from, size_t since)
{
    size_t n = 0;
    for (size_t i = since; i < k->n; i++)
        n += k->log[i].peer == id && spv_blockhash_eq(&k->log[i].locator[0], &chain.hashes[from]);
    return n;
}

static int dropped(struct kit *k, uint64_t *id)
{
    struct spv_fetch_drop drop;
    *id = 0;
    if (!spv_fetch_next_drop(k->fetch, &drop))
        return 0;
    *id = drop.id;
    return drop.error;
}

static void assert_nobody_dropped(struct kit *k)
{
    uint64_t id;
    assert_int_equal(dropped(k, &id), 0);
}

/* Takes all that there is; returns the height of the last. */
static uint32_t take_all(struct kit *k, uint32_t tip)
{
    struct spv_fetch_piece piece;
    k->now.mono_us += SPV_FETCH_GATHER;
    while (spv_fetch_piece(k->fetch, &piece, k->now)) {
        assert_int_equal(piece.height, tip + 1);
        assert_in_range(piece.n, 1, SPV_FETCH_PIECE);
        assert_memory_equal(piece.headers, &chain.headers[piece.height],
                            piece.n * sizeof *piece.headers);
        tip += (uint32_t)piece.n;
        assert_memory_equal(&piece.last, &chain.hashes[tip], 32);
        assert_int_equal(spv_fetch_took(k->fetch, k->now), 0);
        pull(k);
    }
    return tip;
}

static struct spv_fetch_peer_stats stats_of(const struct kit *k, uint64_t id)
{
    struct spv_fetch_peer_stats stats;
    assert_true(spv_fetch_peer(k->fetch, &stats, id));
    return stats;
}

static struct spv_fetch_stats sums(const struct kit *k)
{
    struct spv_fetch_stats stats;
    spv_fetch_stats(k->fetch, &stats);
    return stats;
}

/* ---- the range ---- */

static void cuts_a_range_at_its_marks_and_asks_for_all_at_once(void **state)
{
    (void)state;
    struct kit k;
    open_kit(&k);
    add(&k, 1);
    assert_int_equal(k.n, PERIODS);
    for (uint32_t i = 0; i < PERIODS; i++) {
        assert_int_equal(k.log[i].n, 1);
        assert_memory_equal(&k.log[i].locator[0], &chain.hashes[i ? i * PERIOD - 1 : 0], 32);
        assert_memory_equal(&k.log[i].stop, &marks[i].hash, 32);
    }
    close_kit(&k);
}

static void a_range_may_begin_anywhere_and_end_at_any_mark(void **state)
{
    (void)state;
    struct kit k;
    open_with(&k, marks, PERIODS, false);
    const struct spv_checkpoint start = {.height = 3000, .hash = chain.hashes[3000]};
    assert_true(spv_fetch_done(k.fetch));
    assert_int_equal(spv_fetch_begin(k.fetch, &start, marks[2].height, k.now), 0);
    assert_false(spv_fetch_done(k.fetch));
    add(&k, 1);
    assert_int_equal(k.n, 2);
    send(&k, 1, 3000, 1031);
    send_segment(&k, 1, 4031);
    assert_int_equal(take_all(&k, 3000), 6047);
    assert_true(spv_fetch_done(k.fetch));
    assert_int_equal(spv_fetch_begin(k.fetch, &marks[4], UINT32_MAX, k.now), 0);
    assert_true(spv_fetch_done(k.fetch)); /* no mark lies ahead */
    close_kit(&k);
}

static void marks_near_to_each_other_are_passed_over(void **state)
{
    (void)state;
    struct spv_checkpoint many[80];
    struct kit k;
    for (uint32_t i = 0; i < 80; i++)
        many[i] = (struct spv_checkpoint){(i + 1) * 100, chain.hashes[(i + 1) * 100], 0, {{0}}};
    open_with(&k, many, 80, false);
    begin(&k, 0);
    add(&k, 1);
    assert_int_equal(k.n, 4);
    assert_memory_equal(&k.log[0].stop, &chain.hashes[2000], 32);
    for (uint32_t i = 0; i < 4; i++)
        send(&k, 1, i * 2000, 2000); /* one request each */
    assert_int_equal(take_all(&k, 0), 8000);
    close_kit(&k);
}

static void the_rest_of_a_segment_is_asked_for_as_soon_as_the_first_answer_is_there(void **state)
{
    (void)state;
    struct kit k;
    open_kit(&k);
    add(&k, 1);
    send(&k, 1, 2015, 2000);
    assert_int_equal(k.n, PERIODS + 1);
    const struct request *r = &k.log[PERIODS];
    assert_int_equal(r->n, 2);
    assert_memory_equal(&r->locator[0], &chain.hashes[4015], 32);
    assert_memory_equal(&r->locator[1], &chain.hashes[2015], 32);
    assert_memory_equal(&r->stop, &chain.hashes[4031], 32);
    close_kit(&k);
}

static void segments_are_joined_in_order_whatever_order_they_come_in(void **state)
{
    (void)state;
    struct kit k;
    open_kit(&k);
    add(&k, 1);
    for (uint32_t i = PERIODS - 1; i > 0; i--) {
        send_segment(&k, 1, i * PERIOD - 1);
        assert_int_equal(take_all(&k, 0), 0);
    }
    send_segment(&k, 1, 0);
    assert_int_equal(take_all(&k, 0), marks[PERIODS - 1].height);
    assert_true(spv_fetch_done(k.fetch));
    assert_int_equal(stats_of(&k, 1).segments, PERIODS);
    assert_int_equal(sums(&k).done, PERIODS);
    assert_nobody_dropped(&k);
    close_kit(&k);
}

static void headers_wait_a_moment_to_make_a_whole_piece(void **state)
{
    (void)state;
    struct kit k;
    struct spv_fetch_piece piece;
    open_kit(&k);
    add(&k, 1);
    send_segment(&k, 1, 0);
    assert_false(spv_fetch_piece(k.fetch, &piece, k.now));
    assert_int_equal(spv_fetch_deadline(k.fetch), k.now.mono_us + SPV_FETCH_GATHER);
    send_segment(&k, 1, 2015);
    k.now.mono_us += SPV_FETCH_GATHER - 1;
    assert_false(spv_fetch_piece(k.fetch, &piece, k.now));
    k.now.mono_us++;
    assert_true(spv_fetch_piece(k.fetch, &piece, k.now));
    assert_int_equal(piece.n, 4031);
    send_segment(&k, 1, 4031);
    send_segment(&k, 1, 6047);
    assert_int_equal(spv_fetch_took(k.fetch, k.now), 0);
    close_kit(&k);
}

static void the_tail_is_one_message_of_what_follows_the_last_mark(void **state)
{
    (void)state;
    struct kit k;
    struct spv_fetch_piece piece;
    const struct spv_blockhash none = {{0}};
    for (size_t n = 0; n <= 300; n += 300) {
        open_with(&k, marks, PERIODS, true);
        begin(&k, marks[3].height);
        add(&k, 1);
        assert_int_equal(k.n, 2);
        assert_memory_equal(&k.log[1].locator[0], &marks[4].hash, 32);
        assert_memory_equal(&k.log[1].stop, &none, 32);
        send(&k, 1, marks[3].height, 2000);
        if (n)
            send(&k, 1, marks[4].height, n);
        else
            assert_int_equal(send_raw(&k, 1, NULL, 0), 1);
        if (n)
            send(&k, 1, marks[3].height + 2000, 16);
        else /* the empty answer came before the rest, but settles the oldest: asked again */
            send(&k, 1, marks[3].height + 2000, 16);
        k.now.mono_us += SPV_FETCH_GATHER;
        assert_true(spv_fetch_piece(k.fetch, &piece, k.now));
        assert_true(piece.proven);
        assert_int_equal(spv_fetch_took(k.fetch, k.now), 0);
        assert_int_equal(spv_fetch_piece(k.fetch, &piece, k.now), n > 0);
        if (n) {
            assert_true(piece.tail);
            assert_false(piece.proven);
            assert_int_equal(piece.n, n);
            assert_int_equal(spv_fetch_took(k.fetch, k.now), 0);
        }
        assert_true(spv_fetch_done(k.fetch));
        close_kit(&k);
    }
}

static void a_segment_too_long_to_be_held_is_given_as_it_comes(void **state)
{
    (void)state;
    const struct spv_checkpoint far = {.height = SPV_FETCH_MAX_HEADERS + 1};
    struct kit k;
    struct spv_fetch_piece piece;
    open_with(&k, &far, 1, false);
    begin(&k, 0);
    add(&k, 1);
    send(&k, 1, 0, 2000);
    assert_int_equal(asked(&k, 1, 2000, 0), 1);
    assert_true(spv_fetch_piece(k.fetch, &piece, k.now));
    assert_false(piece.proven);
    assert_int_equal(piece.n, 2000);
    send(&k, 1, 2000, 2000);
    assert_int_equal(asked(&k, 1, 4000, 0), 0); /* nothing is taken: no room for more */
    assert_int_equal(take_all(&k, 0), 4000);
    assert_int_equal(asked(&k, 1, 4000, 0), 1);
    assert_in_range(sums(&k).memory, 0, 2u << 20);
    close_kit(&k);
}

/* ---- whose answer it is ---- */

static void an_announcement_settles_nothing(void **state)
{
    (void)state;
    struct kit k;
    open_kit(&k);
    add(&k, 1);
    assert_int_equal(send_raw(&k, 1, chain.headers + 9000, 8), 0);
    assert_int_equal(send_raw(&k, 7, chain.headers + 1, 2000), 0); /* of a peer that is not ours */
    assert_int_equal(stats_of(&k, 1).in_flight, PERIODS);
    send(&k, 1, 0, 2000);
    assert_int_equal(stats_of(&k, 1).in_flight, PERIODS); /* one settled, its rest asked for */
    close_kit(&k);
}

static void a_peer_that_lacks_a_start_is_behind_and_no_liar(void **state)
{
    (void)state;
    static const struct {
        uint32_t from; /* of the headers that it sends instead */
        size_t n;
    } rows[] = {{0, 0}, {0, 2000}, {0, 5}, {777, 2000}, {777, 9}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct kit k;
        open_kit(&k);
        add(&k, 1);
        send_segment(&k, 1, 0); /* it knows as much */
        const size_t before = k.n;
        assert_int_equal(send_raw(&k, 1, chain.headers + rows[i].from + 1, rows[i].n), 1);
        assert_nobody_dropped(&k);
        assert_int_equal(stats_of(&k, 1).in_flight, PERIODS - 2); /* the oldest is settled */
        assert_int_equal(k.n, before); /* and not asked for again */
        assert_true(spv_fetch_blocked(k.fetch) == false); /* the first segment is not taken yet */
        assert_int_equal(take_all(&k, 0), 2015);
        assert_true(spv_fetch_blocked(k.fetch));
        add(&k, 2);
        assert_false(spv_fetch_blocked(k.fetch));
        assert_int_equal(asked(&k, 2, 2015, before), 1);
        close_kit(&k);
    }
}

static void a_peer_that_lacks_only_what_comes_later_blocks_nothing(void **state)
{
    (void)state;
    struct kit k;
    open_kit(&k);
    add(&k, 1);
    send(&k, 1, 0, 2000);
    assert_int_equal(send_raw(&k, 1, NULL, 0), 1); /* nothing follows 2015 */
    assert_false(spv_fetch_blocked(k.fetch));
    send(&k, 1, 2000, 15);
    assert_int_equal(take_all(&k, 0), 2015);
    assert_true(spv_fetch_blocked(k.fetch));
    close_kit(&k);
}

static void a_peer_whose_chain_ends_in_a_segment_is_behind(void **state)
{
    (void)state;
    struct kit k;
    open_kit(&k);
    add(&k, 1);
    send(&k, 1, 0, 1500);
    assert_nobody_dropped(&k);
    assert_true(spv_fetch_blocked(k.fetch));
    assert_int_equal(sums(&k).memory < 2u << 20, 1);
    close_kit(&k);
}

static void a_peer_that_was_behind_is_asked_again_later(void **state)
{
    (void)state;
    struct kit k;
    open_kit(&k);
    add(&k, 1);
    for (uint32_t i = 0; i < PERIODS; i++)
        assert_int_equal(send_raw(&k, 1, NULL, 0), 1);
    size_t before = k.n;
    wait_us(&k, SPV_FETCH_BEHIND - 1);
    assert_int_equal(k.n, before);
    assert_int_equal(spv_fetch_deadline(k.fetch), k.now.mono_us + 1);
    wait_us(&k, 1);
    assert_int_equal(k.n, before + PERIODS);
    assert_int_equal(send_raw(&k, 1, NULL, 0), 1);
    spv_fetch_shown(k.fetch, 1);
    assert_false(spv_fetch_blocked(k.fetch));
    close_kit(&k);
}

static void what_a_peer_is_behind_of_is_asked_of_others_at_once(void **state)
{
    (void)state;
    struct kit k;
    open_kit(&k);
    add(&k, 1);
    send_segment(&k, 1, 0);
    send_segment(&k, 1, 2015);
    add(&k, 2);
    const size_t before = k.n;
    send(&k, 1, 0, 2000); /* instead of what follows 4031 */
    for (uint32_t i = 2; i < PERIODS; i++)
        assert_int_equal(asked(&k, 2, i * PERIOD - 1, before), 1);
    close_kit(&k);
}

/* ---- lies ---- */

static void a_proven_lie_drops_the_peer_and_others_are_asked(void **state)
{
    (void)state;
    static const int errors[] = {SPV_ERR_HDR_POW, SPV_ERR_HDR_BITS, SPV_ERR_HDR_BITS_LIMIT,
                                 SPV_ERR_HDR_BITS_FORM, SPV_ERR_HDR_DISORDER};
    static struct spv_header bad[2000];
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        struct kit k;
        uint64_t id;
        struct spv_blockhash hash;
        open_kit(&k);
        add(&k, 1);
        memcpy(bad, chain.headers + 1, sizeof bad);
        const size_t at =
            errors[i] == SPV_ERR_HDR_BITS_LIMIT || errors[i] == SPV_ERR_HDR_BITS_FORM ? 0 : 1999;
        if (errors[i] == SPV_ERR_HDR_POW)
            do {
                bad[at].nonce++;
                spv_header_hash(&hash, &bad[at]);
            } while (!(hash.b[31] & 0x80));
        else if (errors[i] == SPV_ERR_HDR_BITS)
            bad[at].bits = 0x1f00ffff;
        else if (errors[i] == SPV_ERR_HDR_BITS_LIMIT)
            bad[at].bits = 0x2100ffff;
        else if (errors[i] == SPV_ERR_HDR_BITS_FORM)
            bad[at].bits = 0x04800001;
        else
            bad[at].prev.b[0] ^= 1;
        assert_int_equal(send_raw(&k, 1, bad, 2000), 1);
        assert_int_equal(dropped(&k, &id), errors[i]);
        assert_int_equal(id, 1);
        assert_nobody_dropped(&k); /* once */
        assert_int_equal(spv_err_class(errors[i]), SPV_CLASS_LYING);
        add(&k, 2);
        assert_int_equal(asked(&k, 2, 0, 0), 1);
        send_segment(&k, 2, 0);
        assert_int_equal(take_all(&k, 0), 2015);
        assert_int_equal(send_raw(&k, 1, chain.headers + 2016, 2000), 1); /* too late */
        assert_int_equal(stats_of(&k, 1).headers, 0);
        close_kit(&k);
    }
}

static void who_contradicts_a_mark_is_the_liar_not_who_came_before(void **state)
{
    (void)state;
    struct kit k;
    uint64_t id;
    open_kit(&k);
    add(&k, 1);
    send(&k, 1, 0, 2000); /* true */
    assert_int_equal(spv_fetch_remove(k.fetch, 1, k.now), 0);
    add(&k, 2);
    assert_int_equal(asked(&k, 2, 2000, 0), 1);
    assert_int_equal(send_raw(&k, 2, fork_chain.headers + 2001, 15), 1);
    assert_int_equal(dropped(&k, &id), SPV_ERR_HDR_CHECKPOINT);
    assert_int_equal(id, 2);
    add(&k, 3);
    assert_int_equal(asked(&k, 3, 2000, 0), 1); /* what the first gave stays */
    send(&k, 3, 2000, 15);
    assert_int_equal(take_all(&k, 0), 2015);
    close_kit(&k);
}

static void a_peer_that_does_not_know_what_another_gave_begins_the_segment_anew(void **state)
{
    (void)state;
    struct kit k;
    open_kit(&k);
    add(&k, 1);
    send_segment(&k, 1, 0);
    assert_int_equal(send_raw(&k, 1, fork_chain.headers + 1, 0), 1); /* settles what follows 2015 */
    close_kit(&k);

    open_with(&k, marks, PERIODS, false);
    begin(&k, 2005); /* the fork's last common header; 10 to the first mark */
    add(&k, 1);
    send(&k, 1, 2005, 10);
    /* the second segment's first 2,000: a branch off 2015 that does not end in the mark */
    struct test_chain off = test_chain_mine(4100, 9, &chain, 2015);
    assert_int_equal(send_raw(&k, 1, off.headers + 2016, 2000), 1);
    assert_int_equal(spv_fetch_remove(k.fetch, 1, k.now), 0);
    add(&k, 2); /* it does not know off's headers */
    const struct request *last = NULL;
    for (size_t i = 0; i < k.n; i++)
        if (k.log[i].peer == 2 && k.log[i].n == 2)
            last = &k.log[i];
    assert_non_null(last);
    assert_memory_equal(&last->locator[0], &off.hashes[4015], 32);
    assert_memory_equal(&last->locator[1], &chain.hashes[2015], 32);
    send(&k, 2, 2015, 2000);
    assert_int_equal(asked(&k, 2, 4015, 0), 1);
    send(&k, 2, 4015, 16);
    assert_nobody_dropped(&k);
    assert_int_equal(take_all(&k, 2005), 4031);
    test_chain_free(&off);
    close_kit(&k);
}

static void an_answer_that_follows_what_was_replaced_meanwhile_is_no_lie(void **state)
{
    (void)state;
    struct kit k;
    uint64_t id;
    struct test_chain off = test_chain_mine(4100, 9, &chain, 2015);
    open_with(&k, marks, 2, false);
    begin(&k, 2015);
    add(&k, 1);
    k.now.mono_us += SPV_SECOND / 10;
    send(&k, 1, 2015, 2000); /* true; the rest takes its time */
    add(&k, 2);
    while (!asked(&k, 2, 4015, 0))
        wait_us(&k, SPV_SECOND / 10);
    assert_int_equal(send_raw(&k, 2, off.headers + 2016, 2000), 1); /* in its place */
    send(&k, 1, 4015, 16);
    assert_nobody_dropped(&k);
    assert_int_equal(send_raw(&k, 2, off.headers + 4016, 16), 1);
    assert_int_equal(dropped(&k, &id), SPV_ERR_HDR_CHECKPOINT);
    assert_int_equal(id, 2);
    close_kit(&k);
    test_chain_free(&off);
}

static void more_than_was_asked_for_is_cut_off(void **state)
{
    (void)state;
    struct kit k;
    open_kit(&k);
    add(&k, 1);
    send(&k, 1, 0, 2000);
    send(&k, 1, 2000, 2000); /* a peer that does not heed the stop */
    assert_nobody_dropped(&k);
    assert_int_equal(take_all(&k, 0), 2015);
    close_kit(&k);
}

/* ---- peers that come, go and are slow ---- */

static void a_lost_peer_loses_nothing(void **state)
{
    (void)state;
    struct kit k;
    open_kit(&k);
    add(&k, 1);
    send(&k, 1, 0, 2000);
    send_segment(&k, 1, 4031);
    add(&k, 2);
    const size_t before = k.n;
    assert_int_equal(spv_fetch_remove(k.fetch, 1, k.now), 0);
    pull(&k);
    assert_int_equal(k.n - before, PERIODS - 1);
    assert_int_equal(asked(&k, 2, 2000, before), 1); /* the first segment's rest alone */
    assert_int_equal(asked(&k, 2, 4031, before), 0);
    close_kit(&k);
}

static void an_overdue_segment_is_asked_of_one_more_peer(void **state)
{
    (void)state;
    struct kit k;
    uint64_t waited = 0;
    open_kit(&k);
    add(&k, 1); /* takes all, and says nothing */
    add(&k, 2);
    assert_int_equal(asked(&k, 2, 0, 0), 0);
    while (!asked(&k, 2, 0, 0) && waited < 20 * SPV_SECOND) {
        const uint64_t step = spv_fetch_deadline(k.fetch) - k.now.mono_us;
        assert_true(step > 0);
        waited += step;
        wait_us(&k, step);
    }
    /* 1 s is the guess for an unknown peer; 3 times that, well before its deadline of 20 */
    assert_in_range(waited, 2 * SPV_SECOND, 4 * SPV_SECOND);
    assert_int_equal(sums(&k).hedges, stats_of(&k, 1).hedged);
    assert_true(stats_of(&k, 1).hedged > 0);
    assert_true(stats_of(&k, 1).window < SPV_FETCH_FIRST_OPEN);
    send_segment(&k, 2, 0);
    assert_int_equal(take_all(&k, 0), 2015);
    const uint64_t wasted = stats_of(&k, 1).wasted;
    send(&k, 1, 0, 2000); /* the second answer is ignored without a word */
    assert_nobody_dropped(&k);
    assert_int_equal(stats_of(&k, 1).wasted, wasted + 2000);
    assert_int_equal(asked(&k, 1, 2000, 0), 0);
    close_kit(&k);
}

static void a_window_grows_with_answers_in_good_time_and_shrinks_with_late_ones(void **state)
{
    (void)state;
    struct kit k;
    open_kit(&k);
    add(&k, 1);
    assert_int_equal(stats_of(&k, 1).window, SPV_FETCH_FIRST_OPEN);
    k.now.mono_us += SPV_SECOND / 10;
    send(&k, 1, 0, 2000);
    assert_int_equal(stats_of(&k, 1).window, SPV_FETCH_FIRST_OPEN + 2);
    k.now.mono_us += 2 * SPV_SECOND;
    send(&k, 1, 2015, 2000);
    assert_int_equal(stats_of(&k, 1).window, SPV_FETCH_FIRST_OPEN + 1);
    close_kit(&k);
}

static void who_does_not_answer_is_dropped_and_progress_counts(void **state)
{
    (void)state;
    struct kit k;
    uint64_t id;
    open_kit(&k);
    add(&k, 1);
    k.now.mono_us += SPV_FETCH_PATIENCE * SPV_FETCH_TIMEOUT - 1; /* there is nobody else */
    send(&k, 1, 0, 2000);
    wait_us(&k, SPV_FETCH_PATIENCE * SPV_FETCH_TIMEOUT - 1);
    assert_nobody_dropped(&k);
    add(&k, 2); /* now there is */
    wait_us(&k, 0);
    assert_int_equal(dropped(&k, &id), SPV_ERR_STALL);
    assert_int_equal(id, 1);
    wait_us(&k, SPV_FETCH_TIMEOUT);
    assert_nobody_dropped(&k); /* the other one is alone now */
    assert_int_equal(asked(&k, 2, 2000, 0), 1);
    close_kit(&k);
}

static void a_slow_peer_gets_nothing_that_a_quick_one_brings_much_sooner(void **state)
{
    (void)state;
    static struct spv_checkpoint many[40];
    struct kit k;
    memcpy(many, marks, sizeof marks);
    for (uint32_t i = PERIODS; i < 40; i++) {
        many[i].height = (i + 1) * PERIOD - 1;
        memset(many[i].hash.b, (int)i + 1, 32);
    }
    open_with(&k, many, 40, false);
    const struct spv_checkpoint start = {.height = 0, .hash = chain.hashes[0]};
    assert_int_equal(spv_fetch_begin(k.fetch, &start, many[0].height, k.now), 0);
    add(&k, 1);
    k.now.mono_us += SPV_SECOND / 100;
    send_segment(&k, 1, 0); /* in 10 ms */
    assert_int_equal(take_all(&k, 0), 2015);
    add(&k, 2);
    assert_int_equal(spv_fetch_begin(k.fetch, &many[0], many[1].height, k.now), 0);
    pull(&k);
    assert_int_equal(send_raw(&k, 1, NULL, 0), 1); /* so the other one must do it */
    assert_int_equal(asked(&k, 2, 2015, 0), 1);
    k.now.mono_us += 2 * SPV_SECOND;
    send(&k, 2, 2015, 2000);
    k.now.mono_us += 2 * SPV_SECOND;
    send(&k, 2, 4015, 16);
    assert_int_equal(take_all(&k, 2015), 4031);

    spv_fetch_shown(k.fetch, 1);
    size_t before = k.n;
    begin(&k, 4031);
    assert_int_equal(stats_of(&k, 2).in_flight, 0);
    assert_true(stats_of(&k, 1).in_flight > SPV_FETCH_FIRST_OPEN);
    assert_int_equal(k.n - before, stats_of(&k, 1).in_flight);
    before = k.n;
    assert_int_equal(spv_fetch_remove(k.fetch, 1, k.now), 0);
    pull(&k);
    assert_true(stats_of(&k, 2).in_flight > 0); /* better than nobody */
    assert_int_equal(asked(&k, 2, 4031, before), 1);
    close_kit(&k);
}

/* ---- bounds ---- */

static void no_more_is_in_work_than_memory_allows(void **state)
{
    (void)state;
    static struct spv_checkpoint many[200];
    struct kit k;
    for (uint32_t i = 0; i < 200; i++) {
        many[i].height = (i + 1) * PERIOD - 1;
        memset(many[i].hash.b, (int)i + 1, 32);
    }
    open_with(&k, many, 200, true);
    begin(&k, 0);
    for (uint64_t id = 1; id <= 8; id++)
        add(&k, id);
    assert_int_equal(stats_of(&k, 1).in_flight, SPV_FETCH_FIRST_OPEN);
    assert_int_equal(k.n, SPV_FETCH_MAX_HEADERS / PERIOD);
    assert_true(SPV_FETCH_MAX_HEADERS * sizeof(struct spv_header) <= 16u << 20);
    for (int i = 0; i < 20; i++)
        wait_us(&k, SPV_SECOND / 2); /* hedges are bounded, too */
    assert_in_range(k.n, 0, 3 * (SPV_FETCH_MAX_HEADERS / PERIOD));
    for (uint64_t id = 1; id <= 8; id++)
        assert_in_range(stats_of(&k, id).in_flight, 0, SPV_FETCH_MAX_OPEN);
    close_kit(&k);
}

static void there_is_room_for_as_many_peers_as_a_node_has(void **state)
{
    (void)state;
    struct kit k;
    open_kit(&k);
    for (uint64_t id = 1; id <= SPV_NODE_MAX_PEERS; id++)
        add(&k, id);
    assert_int_equal(spv_fetch_add(k.fetch, 1000, k.now), SPV_ERR_FULL);
    assert_int_equal(spv_fetch_remove(k.fetch, 5, k.now), 0);
    assert_int_equal(spv_fetch_add(k.fetch, 1000, k.now), 0);
    close_kit(&k);
}

/* ---- beginning anew ---- */

static void answers_to_what_was_asked_before_a_new_beginning_still_count(void **state)
{
    (void)state;
    struct kit k;
    open_kit(&k);
    add(&k, 1);
    const size_t before = k.n;
    begin(&k, 2015);
    assert_int_equal(k.n, before); /* all of it is on its way already */
    send(&k, 1, 0, 2000); /* no longer wanted, but an answer */
    assert_int_equal(asked(&k, 1, 2000, 0), 0);
    for (uint32_t i = 1; i < PERIODS; i++)
        send_segment(&k, 1, i * PERIOD - 1);
    assert_int_equal(take_all(&k, 2015), marks[PERIODS - 1].height);
    assert_int_equal(stats_of(&k, 1).in_flight, 0);
    close_kit(&k);
}

static void after_a_stop_answers_are_recognised_and_thrown_away(void **state)
{
    (void)state;
    struct kit k;
    open_kit(&k);
    add(&k, 1);
    spv_fetch_stop(k.fetch);
    assert_true(spv_fetch_done(k.fetch));
    send(&k, 1, 0, 2000);
    assert_int_equal(take_all(&k, 0), 0);
    assert_int_equal(k.n, PERIODS);
    assert_int_equal(stats_of(&k, 1).wasted, 2000);
    close_kit(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cuts_a_range_at_its_marks_and_asks_for_all_at_once),
        cmocka_unit_test(a_range_may_begin_anywhere_and_end_at_any_mark),
        cmocka_unit_test(marks_near_to_each_other_are_passed_over),
        cmocka_unit_test(the_rest_of_a_segment_is_asked_for_as_soon_as_the_first_answer_is_there),
        cmocka_unit_test(segments_are_joined_in_order_whatever_order_they_come_in),
        cmocka_unit_test(headers_wait_a_moment_to_make_a_whole_piece),
        cmocka_unit_test(the_tail_is_one_message_of_what_follows_the_last_mark),
        cmocka_unit_test(a_segment_too_long_to_be_held_is_given_as_it_comes),
        cmocka_unit_test(an_announcement_settles_nothing),
        cmocka_unit_test(a_peer_that_lacks_a_start_is_behind_and_no_liar),
        cmocka_unit_test(a_peer_that_lacks_only_what_comes_later_blocks_nothing),
        cmocka_unit_test(a_peer_whose_chain_ends_in_a_segment_is_behind),
        cmocka_unit_test(a_peer_that_was_behind_is_asked_again_later),
        cmocka_unit_test(what_a_peer_is_behind_of_is_asked_of_others_at_once),
        cmocka_unit_test(a_proven_lie_drops_the_peer_and_others_are_asked),
        cmocka_unit_test(who_contradicts_a_mark_is_the_liar_not_who_came_before),
        cmocka_unit_test(a_peer_that_does_not_know_what_another_gave_begins_the_segment_anew),
        cmocka_unit_test(an_answer_that_follows_what_was_replaced_meanwhile_is_no_lie),
        cmocka_unit_test(more_than_was_asked_for_is_cut_off),
        cmocka_unit_test(a_lost_peer_loses_nothing),
        cmocka_unit_test(an_overdue_segment_is_asked_of_one_more_peer),
        cmocka_unit_test(a_window_grows_with_answers_in_good_time_and_shrinks_with_late_ones),
        cmocka_unit_test(who_does_not_answer_is_dropped_and_progress_counts),
        cmocka_unit_test(a_slow_peer_gets_nothing_that_a_quick_one_brings_much_sooner),
        cmocka_unit_test(no_more_is_in_work_than_memory_allows),
        cmocka_unit_test(there_is_room_for_as_many_peers_as_a_node_has),
        cmocka_unit_test(answers_to_what_was_asked_before_a_new_beginning_still_count),
        cmocka_unit_test(after_a_stop_answers_are_recognised_and_thrown_away),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
