/* Repair and salvage of a database with a wallet: what follows from transactions is computed again,
 * transactions are found again by a rescan, and what cannot be downloaded again is kept, or the
 * file is left alone. */
#include <stdio.h>
#include <unistd.h>

#include "stored_wallet.h"

#include "spv/error.h"

static const char kept_query[] =
    "SELECT group_concat(x, '|') FROM (SELECT database_id || bloom_tweak AS x FROM wallet_meta"
    " UNION ALL SELECT id || kind || quote(descriptor) || quote(script) || quote(txid) || gap ||"
    " birthday || quote(tag) FROM wallet_watch UNION ALL SELECT watch || branch || n_used FROM"
    " wallet_branch UNION ALL SELECT type || ref || label FROM wallet_label UNION ALL SELECT line"
    " FROM wallet_label_line UNION ALL SELECT hex(txid) || hex(raw) || state FROM broadcast)";

/* A wallet with notes; in *kept what must survive. */
static const char *stored(void **state, char *kept, size_t cap)
{
    static const struct spv_label label = {.type = "tx", .ref = "r", .label = "rent"};
    static const char *const line = "{}";
    const char *path = in_folder(state, "h.db");
    struct spv_store *s;

    make_stored_wallet(path, 4);
    s = must_open(path, SPV_STORE_WRITE);
    assert_int_equal(spv_store_set_tag(s, 1, "mine"), 0);
    assert_int_equal(spv_store_set_bloom(s, 5, 500), 0);
    assert_int_equal(spv_store_add_labels(s, &label, 1, &line, 1), 0);
    assert_int_equal(spv_store_close(s), 0);
    ask(kept, cap, path, kept_query);
    return path;
}

static int repair(struct spv_repair_report *report, const char *path, struct spv_error_info *why)
{
    const struct spv_verify_config cfg = {.path = path, .params = regtest()};
    why->text[0] = '\0';
    return spv_store_repair(report, &cfg, why);
}

static void must_be_valid(const char *path, const char *kept)
{
    static struct spv_verify_report report;
    const struct spv_verify_config cfg = {.path = path};
    struct spv_error_info why = {.text = ""};
    char got[4000];

    if (spv_store_verify(&report, &cfg, &why) != 0)
        fail_msg("%s", why.text);
    ask(got, sizeof got, path, kept_query);
    assert_string_equal(got, kept);
}

/* ---- derived rows ---- */

static void derived_rows_are_found_wrong_and_computed_again(void **state)
{
    static const struct {
        const char *sql, *word;
    } edits[] = {
        {"UPDATE wallet_sum SET confirmed = confirmed + 1 WHERE watch = 0", "balance 0 is not"},
        {"UPDATE wallet_sum SET immature = 7 WHERE watch = 2", "balance 2 is not"},
        {"DELETE FROM wallet_sum WHERE watch = 3", "balances are more or fewer"},
        {"UPDATE wallet_share SET spent = 1 WHERE tx = 3 AND watch = 1", "shares in transaction 3"},
        {"UPDATE wallet_share SET watch = 4 WHERE tx = 1", "shares in transaction 1"},
        {"INSERT INTO wallet_share VALUES (1, 5, 0, 0)", "shares are more or fewer"},
        {"UPDATE wallet_output SET field = 4 WHERE tx = 3 AND vout = 0", "coin 3:0 is not what"},
        {"UPDATE wallet_output SET spender = 4 WHERE tx = 3 AND vout = 0", "coin 3:0 is not what"},
        {"DELETE FROM wallet_output WHERE tx = 3", "coin 3:"},
        {"UPDATE wallet_tx SET received = 1 WHERE id = 2", "transaction 2 is not what"},
        {"UPDATE wallet_tx SET fee = 1 WHERE id = 3", "transaction 3 is not what"},
        {"INSERT INTO wallet_tx_data VALUES (99, x'00', NULL)", "raw transactions have some"},
    };
    char kept[4000], balances[2][200];
    const char *path = stored(state, kept, sizeof kept), *copy = in_folder(state, "copy.db");

    ask(balances[0], sizeof balances[0], path,
        "SELECT group_concat(confirmed || trusted_pending || immature) FROM wallet_sum");
    for (size_t i = 0; i < COUNT(edits); i++) {
        static struct spv_repair_report report;
        struct spv_error_info why;
        copy_file(path, copy);
        run_sql(copy, edits[i].sql);
        if (repair(&report, copy, &why) != 0)
            fail_msg("%s: %s", edits[i].sql, why.text);
        if (!strstr(report.found.findings[0].text, edits[i].word))
            fail_msg("%s: %s", edits[i].sql, report.found.findings[0].text);
        assert_int_equal(report.outcome, SPV_REPAIR_REWOUND);
        assert_false(report.wallet_rescan);
        assert_int_equal(report.lost, 0);
        must_be_valid(copy, kept);
        ask(balances[1], sizeof balances[1], copy,
            "SELECT group_concat(confirmed || trusted_pending || immature) FROM wallet_sum");
        assert_string_equal(balances[1], balances[0]);
    }
}

/* ---- transactions ---- */

static void damaged_transactions_are_found_again_by_a_rescan(void **state)
{
    static const char *const edits[] = {
        "UPDATE wallet_tx SET state = 9 WHERE id = 1",
        "UPDATE wallet_tx_data SET raw = x'00' WHERE tx = 2",
        "DELETE FROM wallet_tx_data WHERE tx = 4", /* published, also in broadcast */
        "UPDATE wallet_output SET value = 5 WHERE tx = 1",
        "DELETE FROM wallet_script WHERE position = 0",
    };
    char kept[4000], got[400];
    const char *path = stored(state, kept, sizeof kept), *copy = in_folder(state, "copy.db");

    for (size_t i = 0; i < COUNT(edits); i++) {
        static struct spv_repair_report report;
        struct spv_error_info why;
        copy_file(path, copy);
        run_sql(copy, edits[i]);
        if (repair(&report, copy, &why) != 0)
            fail_msg("%s: %s", edits[i], why.text);
        assert_true(report.wallet_rescan);
        must_be_valid(copy, kept);
        ask(got, sizeof got, copy,
            "SELECT count(*) || ' ' || max(flags & 2) || ' ' || max(hex(txid)) FROM wallet_tx");
        assert_memory_equal(got, "1 2 ", 4); /* what is published is there */
        ask(got, sizeof got, copy, "SELECT count(*) FROM wallet_branch WHERE n_searched > 0");
        assert_string_equal(got, "0");
        ask(got, sizeof got, copy, "SELECT count(*) FROM wallet_script");
        assert_string_not_equal(got, "0");
    }
}

/* ---- what cannot be downloaded again ---- */

static void same_file(const char *a, const char *b)
{
    static uint8_t bytes[2][1 << 20];
    size_t n[2];
    const char *const paths[] = {a, b};

    for (size_t i = 0; i < 2; i++) {
        FILE *f = fopen(paths[i], "rb");
        assert_non_null(f);
        n[i] = fread(bytes[i], 1, sizeof bytes[i], f);
        (void)fclose(f);
    }
    assert_int_equal(n[0], n[1]);
    assert_true(n[0] < sizeof bytes[0]);
    assert_memory_equal(bytes[0], bytes[1], n[0]);
}

static void repair_refuses_what_it_would_lose(void **state)
{
    static const struct {
        const char *sql, *word;
    } edits[] = {
        {"UPDATE wallet_meta SET revision = -1", "metadata"},
        {"DELETE FROM wallet_meta", "metadata"},
        {"UPDATE wallet_watch SET kind = 9 WHERE id = 1", "watches"},
        {"UPDATE wallet_watch SET descriptor = 'wpkh()' WHERE id = 3", "watches"},
        {"UPDATE wallet_watch SET tag = hex(zeroblob(200)) WHERE id = 1", "tags"},
        {"UPDATE wallet_branch SET n_used = -1 WHERE watch = 3", "used indexes"},
        {"UPDATE wallet_label SET spendable = 2", "labels"},
        {"UPDATE wallet_label_line SET line = ''", "labels"},
        {"UPDATE broadcast SET raw = x''", "published transactions"},
        {"UPDATE broadcast SET state = 9", "published transactions"},
        {"UPDATE broadcast SET package = 4", "published transactions"},
        {"UPDATE broadcast SET groups = x'00'", "published transactions"},
        {"UPDATE broadcast SET raw = x'00'; DELETE FROM wallet_tx_data", "published transactions"},
    };
    char kept[4000];
    const char *path = stored(state, kept, sizeof kept), *copy = in_folder(state, "copy.db"),
               *same = in_folder(state, "same.db");

    for (size_t i = 0; i < COUNT(edits); i++) {
        static struct spv_repair_report report;
        struct spv_error_info why;
        copy_file(path, copy);
        run_sql(copy, edits[i].sql);
        copy_file(copy, same);
        if (repair(&report, copy, &why) != SPV_ERR_STATE || !strstr(why.text, edits[i].word))
            fail_msg("%s: %s", edits[i].sql, why.text);
        assert_string_equal(report.copy, "");
        same_file(copy, same);
    }
}

/* ---- damaged pages ---- */

/* Overwrites the middle of a table's or index's first page. */
static void damage_page(const char *path, const char *name)
{
    char text[40], sql[120];
    FILE *f = fopen(path, "r+b");
    long page, size;

    (void)snprintf(sql, sizeof sql, "SELECT rootpage FROM sqlite_master WHERE name = '%s'", name);
    ask(text, sizeof text, path, sql);
    page = strtol(text, NULL, 10);
    ask(text, sizeof text, path, "PRAGMA page_size");
    size = strtol(text, NULL, 10);
    assert_non_null(f);
    assert_int_equal(fseek(f, (page - 1) * size, SEEK_SET), 0);
    for (long i = 0; i < size; i++)
        assert_true(fputc(0xee, f) != EOF);
    assert_int_equal(fclose(f), 0);
}

static void salvage_keeps_the_wallet(void **state)
{
    static const struct {
        const char *name;
        bool rescan;
    } pages[] = {{"filter_header", false}, {"wallet_sum", false},
                 {"wallet_share", false},  {"wallet_tx_by_chain", false},
                 {"branch_header", false}, {"wallet_tx", true},
                 {"wallet_tx_data", true}, {"wallet_output", true},
                 {"wallet_script", true},  {"header", false}};
    char kept[4000], got[100];
    const char *path = stored(state, kept, sizeof kept), *copy = in_folder(state, "copy.db");

    for (size_t i = 0; i < COUNT(pages); i++) {
        static struct spv_repair_report report;
        struct spv_error_info why;
        copy_file(path, copy);
        damage_page(copy, pages[i].name);
        if (repair(&report, copy, &why) != 0)
            fail_msg("%s: %s", pages[i].name, why.text);
        assert_true(report.outcome >= SPV_REPAIR_SALVAGED);
        if (report.wallet_rescan != pages[i].rescan)
            fail_msg("%s", pages[i].name);
        must_be_valid(copy, kept);
        ask(got, sizeof got, copy, "SELECT count(*) FROM wallet_tx");
        assert_string_equal(got, pages[i].rescan ? "1" : "5");
    }
}

static void salvage_refuses_what_it_would_lose(void **state)
{
    static const char *const names[] = {"wallet_meta",  "wallet_watch",      "wallet_branch",
                                        "wallet_label", "wallet_label_line", "broadcast"};
    char kept[4000];
    const char *path = stored(state, kept, sizeof kept), *copy = in_folder(state, "copy.db"),
               *same = in_folder(state, "same.db");

    for (size_t i = 0; i < COUNT(names); i++) {
        static struct spv_repair_report report;
        struct spv_error_info why;
        char name[2 * PATH_LEN];
        copy_file(path, copy);
        damage_page(copy, names[i]);
        copy_file(copy, same);
        if (repair(&report, copy, &why) != SPV_ERR_STATE)
            fail_msg("%s: %s", names[i], why.text);
        assert_string_equal(report.copy, "");
        same_file(copy, same);
        (void)snprintf(name, sizeof name, "%s.repaired", copy);
        assert_int_equal(access(name, F_OK), -1);
        (void)snprintf(name, sizeof name, "%s.damaged-1", copy);
        assert_int_equal(access(name, F_OK), -1);
    }
}

/* A table of the wallet under a foreign definition: nothing of it is read. */
static void foreign_definitions_are_refused(void **state)
{
    static const char *const edits[] = {
        "DROP TABLE wallet_watch; CREATE VIEW wallet_watch AS SELECT 1 AS id",
        "DROP TABLE wallet_meta; CREATE VIEW wallet_meta AS SELECT 1 AS id",
    };
    char kept[4000];
    const char *path = stored(state, kept, sizeof kept), *copy = in_folder(state, "copy.db");

    for (size_t i = 0; i < COUNT(edits); i++) {
        static struct spv_repair_report report;
        struct spv_error_info why;
        copy_file(path, copy);
        run_sql(copy, edits[i]);
        assert_int_equal(repair(&report, copy, &why), SPV_ERR_STATE);
        assert_non_null(strstr(why.text, "tables"));
    }
}

/* A truncated file has zeros appended while it is read: not after a refusal. */
static void refused_file_has_its_size(void **state)
{
    char kept[4000];
    const char *path = stored(state, kept, sizeof kept), *copy = in_folder(state, "copy.db");
    static struct spv_repair_report report;
    struct spv_error_info why;

    copy_file(path, copy);
    /* the last pages are its */
    run_sql(copy, "CREATE TABLE notes (x); INSERT INTO notes VALUES (zeroblob(20000))");
    damage_page(copy, "wallet_watch");
    truncate_file(copy, file_size(copy) - 4096);
    const long size = file_size(copy);
    assert_int_equal(repair(&report, copy, &why), SPV_ERR_STATE);
    assert_int_equal(file_size(copy), size);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, folder_setup, folder_teardown)
    const struct CMUnitTest tests[] = {
        T(derived_rows_are_found_wrong_and_computed_again),
        T(damaged_transactions_are_found_again_by_a_rescan),
        T(repair_refuses_what_it_would_lose),
        T(salvage_keeps_the_wallet),
        T(salvage_refuses_what_it_would_lose),
        T(foreign_definitions_are_refused),
        T(refused_file_has_its_size),
    };
    return cmocka_run_group_tests(tests, stored_wallet_setup, stored_wallet_teardown);
}
