/* Wrong characters of segwit addresses: one or two of them, on each network. Positions are exact,
 * or none is given.
 *
 * The code is linear and programs of one size differ in their values only, so the counts hold for
 * any program; they hold for any network, too, because the prefix is right. */
#include "support/unit.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "spv/address.h"
#include "spv/error.h"
#include "support/random.h"

static const char charset[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

#define P2A_CHARACTERS 11

/* A script of each kind; n is the number of characters behind the prefix. Of all pairs of wrong
 * characters at all pairs of positions some are ambiguous: one of them is the version, and the text
 * is two errors away from a P2WSH and from a P2TR address. */
static const struct {
    const char *script;
    size_t n, ambiguous;
} programs[] = {
    {"0014751e76e8199196d454941c45d1b3a323f1433bd6", 39, 0},
    {"00201863143c14c5166804bd19203356da136c985678cd4d27a1b8c6329604903262", 59, 6},
    {"512079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798", 59, 6},
    {"51024e73", P2A_CHARACTERS, 0},
    {"5210751e76e8199196d454941c45d1b3a323", 33, 0},
    {"6028751e76e8199196d454941c45d1b3a323f1433bd6751e76e8199196d454941c45d1b3a323f1433bd6", 71, 0},
};

/* The address of program i. Returns the offset of its first character behind the prefix. */
static size_t make_address(char text[SPV_ADDRESS_TEXT], size_t i, unsigned network)
{
    uint8_t script[64];
    const size_t n = unhex(script, sizeof script, programs[i].script);
    assert_int_equal(spv_address_encode(text, script, n, (enum spv_network)network), 0);
    const size_t first = (size_t)(strchr(text, '1') - text) + 1;
    assert_int_equal(strlen(text + first), programs[i].n);
    return first;
}

static int decode(struct spv_text_error *why, const char *text)
{
    struct spv_address got;
    return spv_address_decode(&got, why, text, strlen(text), SPV_ANY_NETWORK);
}

/* Another character of the charset. */
static char other_char(char c, size_t shift)
{
    const size_t at = (size_t)(strchr(charset, c) - charset);
    return charset[(at + shift) % 32];
}

static void every_single_wrong_character_is_located(void **state)
{
    size_t tried = 0, characters = 0;
    (void)state;
    for (size_t i = 0; i < COUNT(programs); i++)
        for (unsigned network = 0; network < SPV_NETWORKS; network++) {
            char text[SPV_ADDRESS_TEXT];
            const size_t first = make_address(text, i, network);
            characters += programs[i].n;
            for (size_t at = first; text[at]; at++)
                for (size_t shift = 1; shift < 32; shift++, tried++) {
                    struct spv_text_error why;
                    const char right = text[at];
                    text[at] = other_char(right, shift);
                    assert_int_equal(decode(&why, text), SPV_ERR_TEXT_CHECKSUM);
                    if (why.n_at != 1 || why.at[0] != at)
                        fail_msg("%s: %zu not located: %s", text, at, why.text);
                    text[at] = right;
                }
        }
    assert_int_equal(characters, SPV_NETWORKS * (39 + 59 + 59 + 11 + 33 + 71));
    assert_int_equal(tried, characters * 31);
}

static void every_single_character_outside_the_charset_is_located(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(programs); i++)
        for (unsigned network = 0; network < SPV_NETWORKS; network++) {
            char text[SPV_ADDRESS_TEXT];
            const size_t first = make_address(text, i, network);
            for (size_t at = first; text[at]; at++)
                for (const char *bad = "1bio !~"; *bad; bad++) {
                    struct spv_text_error why;
                    const char right = text[at];
                    text[at] = *bad;
                    assert_int_equal(decode(&why, text), SPV_ERR_TEXT_CHARACTER);
                    if (why.n_at != 1 || why.at[0] != at)
                        fail_msg("%s: %zu not located: %s", text, at, why.text);
                    text[at] = right;
                }
        }
}

struct pair_counts {
    size_t tried, ambiguous, elsewhere;
    size_t accepted; /* or refused by another rule than the checksum */
};

/* Breaks the characters at a < b and counts what is said about them. */
static void try_pair(struct pair_counts *counts, const char *text, size_t a, size_t b,
                     size_t shift_a, size_t shift_b)
{
    char broken[SPV_ADDRESS_TEXT];
    struct spv_text_error why;
    memcpy(broken, text, sizeof broken);
    broken[a] = other_char(text[a], shift_a);
    broken[b] = other_char(text[b], shift_b);
    counts->tried++;
    if (decode(&why, broken) != SPV_ERR_TEXT_CHECKSUM)
        counts->accepted++;
    else if (why.n_at == 0)
        counts->ambiguous++;
    else if (why.n_at != 2 || why.at[0] != a || why.at[1] != b)
        counts->elsewhere++;
}

/* Every pair of positions of each kind, with seeded characters. */
static void pairs_of_wrong_characters_are_located(void **state)
{
    struct test_random r = {.state = 173};
    struct pair_counts counts = {0};
    (void)state;
    print_message("seed 173\n");
    for (size_t i = 0; i < COUNT(programs); i++) {
        char text[SPV_ADDRESS_TEXT];
        const size_t first = make_address(text, i, SPV_MAINNET);
        for (size_t a = first; text[a]; a++)
            for (size_t b = a + 1; text[b]; b++) {
                const size_t shift_a = 1 + test_random_below(&r, 31);
                try_pair(&counts, text, a, b, shift_a, 1 + test_random_below(&r, 31));
            }
    }
    assert_int_equal(counts.tried, 741 + 1711 + 1711 + 55 + 528 + 2485);
    assert_int_equal(counts.accepted, 0);
    assert_int_equal(counts.ambiguous, 0);
    assert_int_equal(counts.elsewhere, 0);
}

/* All pairs of characters at the pairs of positions of which the first is `share` modulo `shares`.
 */
static struct pair_counts try_share(const char *text, size_t first, size_t share, size_t shares)
{
    struct pair_counts counts = {0};
    for (size_t a = first; text[a]; a++)
        for (size_t b = a + 1; text[b] && a % shares == share; b++)
            for (size_t shifts = 0; shifts < (size_t)31 * 31; shifts++)
                try_pair(&counts, text, a, b, 1 + shifts / 31, 1 + shifts % 31);
    return counts;
}

/* The shares in as many processes, which report through a pipe. */
static struct pair_counts try_all(const char *text, size_t first, size_t shares)
{
    struct pair_counts sum = {0}, one;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    for (size_t share = 0; share < shares; share++) {
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            one = try_share(text, first, share, shares);
            _exit(write(ends[1], &one, sizeof one) == (ssize_t)sizeof one ? 0 : 1);
        }
    }
    for (size_t share = 0; share < shares; share++) {
        int status;
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
        assert_int_equal(read(ends[0], &one, sizeof one), sizeof one);
        sum.tried += one.tried;
        sum.ambiguous += one.ambiguous;
        sum.elsewhere += one.elsewhere;
        sum.accepted += one.accepted;
    }
    (void)close(ends[0]);
    (void)close(ends[1]);
    return sum;
}

/* Every pair of wrong characters at every pair of positions: of P2A, or with SPV_BECH32_PAIRS=N of
 * each kind, by N processes. */
static void all_pairs_of_wrong_characters_are_located_but_for_a_counted_few(void **state)
{
    const char *more = getenv("SPV_BECH32_PAIRS");
    (void)state;
    for (size_t i = 0; i < COUNT(programs); i++) {
        char text[SPV_ADDRESS_TEXT];
        const size_t first = make_address(text, i, SPV_MAINNET), n = programs[i].n;
        if (!more && n != P2A_CHARACTERS)
            continue;
        const struct pair_counts counts = try_all(text, first, more ? strtoul(more, NULL, 10) : 1);
        print_message("pairs of wrong characters, %zu behind the prefix: %zu, %zu ambiguous, %zu "
                      "elsewhere\n",
                      n, counts.tried, counts.ambiguous, counts.elsewhere);
        assert_int_equal(counts.tried, n * (n - 1) / 2 * 31 * 31);
        assert_int_equal(counts.accepted, 0);
        assert_int_equal(counts.ambiguous, programs[i].ambiguous);
        assert_int_equal(counts.elsewhere, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_single_wrong_character_is_located),
        cmocka_unit_test(every_single_character_outside_the_charset_is_located),
        cmocka_unit_test(pairs_of_wrong_characters_are_located),
        cmocka_unit_test(all_pairs_of_wrong_characters_are_located_but_for_a_counted_few),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
