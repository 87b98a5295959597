/* The wallet's tables: what is written is read back, lists have pages, another connection reads
 * while one writes, malformed rows are refused, and files are private. */
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stored_wallet.h"

#include "spv/error.h"

/* ---- info, labels, tags ---- */

static void wallet_has_a_random_id_that_stays(void **state)
{
    struct spv_wallet_info first, info;
    const char *path = in_folder(state, "h.db");
    struct spv_store *s;

    make_wallet_chain(path);
    s = must_open(path, SPV_STORE_WRITE);
    assert_int_equal(spv_store_wallet_info(s, &info), 0);
    assert_int_equal(info.meta.scanned.height, SPV_NO_HEIGHT);
    assert_int_equal(spv_store_set_bloom(s, 0xdeadbeef, 36000), 0);
    assert_int_equal(spv_store_wallet_info(s, &first), 1);
    assert_true(first.database_id != 0 && first.has_bloom);
    assert_int_equal(first.meta.next_tx, 1);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(wallet_step(s, i), 0);
    assert_int_equal(spv_store_wallet_info(s, &info), 1);
    assert_true(info.database_id == first.database_id);
    assert_int_equal(info.bloom_tweak, 0xdeadbeef);
    assert_int_equal(info.bloom_size, 36000);
    assert_int_equal(info.meta.scanned.height, 29);
    assert_int_equal(spv_store_set_bloom(s, 1, 36001), SPV_ERR_INVALID);
    assert_int_equal(spv_store_set_bloom(s, 1, 0), SPV_ERR_INVALID);
    assert_int_equal(spv_store_close(s), 0);
    make_wallet_chain(in_folder(state, "other.db"));
    s = must_open(in_folder(state, "other.db"), SPV_STORE_WRITE);
    assert_int_equal(wallet_step(s, 0), 0);
    assert_int_equal(spv_store_wallet_info(s, &info), 1);
    assert_true(info.database_id != first.database_id);
    assert_int_equal(spv_store_close(s), 0);
}

static void labels_are_replaced_by_type_ref_and_origin(void **state)
{
    static const struct spv_label labels[] = {
        {.type = "tx", .ref = "a", .label = "one", .spendable = SPV_LABEL_SPENDABLE_UNSET},
        {.type = "output", .ref = "a:1", .spendable = SPV_LABEL_NOT_SPENDABLE},
        {.type = "tx", .ref = "a", .label = "two", .origin = "o", .spendable = SPV_LABEL_SPENDABLE},
        {.type = "tx", .ref = "a", .label = "three", .spendable = SPV_LABEL_SPENDABLE_UNSET},
    };
    static const char *const lines[] = {"{\"x\":1}", "junk", "junk", ""};
    static const struct spv_label bad = {.type = "tx", .ref = ""};
    char text[SPV_LABEL_MAX + 2];
    const struct spv_label longer = {.type = "tx", .ref = "b", .label = text};
    struct spv_store *s = must_open(new_stored_wallet(state, 1), SPV_STORE_WRITE);
    struct spv_wallet_iter *it;
    struct spv_wallet_item item;

    assert_int_equal(spv_store_add_labels(s, labels, 4, lines, 4), 0);
    it = open_wallet_list(s, SPV_WALLET_LIST_LABELS, NULL);
    assert_int_equal(spv_wallet_iter_next(it, &item), 1);
    assert_string_equal(item.of.label.ref, "a:1");
    assert_null(item.of.label.label);
    assert_int_equal(item.of.label.spendable, SPV_LABEL_NOT_SPENDABLE);
    assert_int_equal(spv_wallet_iter_next(it, &item), 1);
    assert_string_equal(item.of.label.label, "three");
    assert_null(item.of.label.origin);
    assert_int_equal(item.of.label.spendable, SPV_LABEL_SPENDABLE_UNSET);
    assert_int_equal(spv_wallet_iter_next(it, &item), 1);
    assert_string_equal(item.of.label.origin, "o");
    assert_int_equal(item.of.label.spendable, SPV_LABEL_SPENDABLE);
    assert_int_equal(spv_wallet_iter_next(it, &item), 0);
    assert_int_equal(spv_wallet_iter_list(it, SPV_WALLET_LIST_LABEL_LINES, NULL), 0);
    assert_int_equal(spv_wallet_iter_next(it, &item), 1);
    assert_string_equal(item.of.line, "junk");
    assert_int_equal(spv_wallet_iter_next(it, &item), 1);
    assert_string_equal(item.of.line, "{\"x\":1}");
    assert_int_equal(spv_wallet_iter_next(it, &item), 0);
    spv_wallet_iter_close(it);
    assert_int_equal(spv_store_remove_label(s, &labels[0]), 1);
    assert_int_equal(spv_store_remove_label(s, &labels[0]), 0);
    /* one that is refused refuses all */
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(spv_store_add_labels(s, &labels[0], 1, NULL, 0), 0);
    assert_int_equal(spv_store_remove_label(s, &labels[0]), 1);
    assert_int_equal(spv_store_add_labels(s, (struct spv_label[]){labels[0], bad}, 2, NULL, 0),
                     SPV_ERR_INVALID);
    assert_int_equal(spv_store_add_labels(s, &longer, 1, NULL, 0), SPV_ERR_TOO_LONG);
    assert_int_equal(spv_store_remove_label(s, &labels[0]), 0);
    text[SPV_LABEL_MAX] = '\0';
    assert_int_equal(spv_store_add_labels(s, &longer, 1, NULL, 0), 0);
    assert_int_equal(spv_store_close(s), 0);
}

static void tag_stays_when_the_watch_changes(void **state)
{
    const struct spv_watch_target again = {.kind = SPV_WATCH_SCRIPT, .script = wallet_script(0)};
    struct spv_store *s = must_open(new_stored_wallet(state, 1), SPV_STORE_WRITE);
    const struct spv_wallet_config cfg = wallet_config();
    struct spv_wallet_update update;
    const struct spv_store_update all = {.wallet = &update};
    char tag[SPV_TAG_MAX + 2];
    struct spv_wallet_iter *it;
    struct spv_wallet_item item;
    struct spv_wallet *w;
    uint64_t id;

    assert_int_equal(spv_store_set_tag(s, 1, "savings"), 0);
    assert_int_equal(spv_store_set_tag(s, 77, "x"), SPV_ERR_NOT_FOUND);
    memset(tag, 't', sizeof tag - 1);
    tag[sizeof tag - 1] = '\0';
    assert_int_equal(spv_store_set_tag(s, 2, tag), SPV_ERR_TOO_LONG);
    tag[SPV_TAG_MAX] = '\0';
    assert_int_equal(spv_store_set_tag(s, 2, tag), 0);
    assert_int_equal(spv_wallet_new(&w, &cfg), 0);
    assert_int_equal(spv_store_load_wallet(s, w), 1);
    assert_int_equal(spv_wallet_watch(w, &id, NULL, &again), 0); /* an earlier birthday */
    assert_int_equal(id, 1);
    assert_int_equal(spv_wallet_changes(w, &update), 0);
    assert_int_equal(spv_store_apply_all(s, &all), 0);
    spv_wallet_free(w);
    it = open_wallet_list(s, SPV_WALLET_LIST_WATCHES, NULL);
    assert_int_equal(spv_wallet_iter_next(it, &item), 1);
    assert_string_equal(item.of.watch.tag, "savings");
    assert_int_equal(item.of.watch.row.watch.birthday, 0);
    assert_int_equal(spv_wallet_iter_next(it, &item), 1);
    assert_string_equal(item.of.watch.tag, tag);
    /* the next page begins after the key */
    assert_int_equal(spv_wallet_iter_list(it, SPV_WALLET_LIST_WATCHES, &item.key), 0);
    assert_int_equal(spv_wallet_iter_next(it, &item), 1);
    assert_int_equal(item.of.watch.row.id, 3);
    assert_null(item.of.watch.tag);
    assert_int_equal(item.of.watch.row.watch.kind, SPV_WATCH_DESCRIPTOR);
    spv_wallet_iter_close(it);
    assert_int_equal(spv_store_set_tag(s, 1, NULL), 0);
    it = open_wallet_list(s, SPV_WALLET_LIST_WATCHES, NULL);
    assert_int_equal(spv_wallet_iter_next(it, &item), 1);
    assert_null(item.of.watch.tag);
    spv_wallet_iter_close(it);
    assert_int_equal(spv_store_close(s), 0);
}

/* ---- lists ---- */

static void history_is_in_chain_order_and_by_revision(void **state)
{
    struct spv_store *s = must_open(new_stored_wallet(state, 4), SPV_STORE_READ);
    static const uint32_t heights[] = {10, 20, 30, SPV_NO_HEIGHT, SPV_NO_HEIGHT};
    struct spv_wallet_iter *it = open_wallet_list(s, SPV_WALLET_LIST_HISTORY, NULL);
    struct spv_wallet_item item;
    struct spv_wallet_key keys[5];
    uint64_t last = 0;

    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(spv_wallet_iter_next(it, &item), 1);
        assert_int_equal(item.of.tx.block.height, heights[i]);
        keys[i] = item.key;
    }
    assert_int_equal(spv_wallet_iter_next(it, &item), 0);
    assert_int_equal(spv_wallet_iter_next(it, &item), 0); /* again */
    assert_int_equal(spv_wallet_iter_list(it, SPV_WALLET_LIST_HISTORY_REVERSED, NULL), 0);
    for (size_t i = 5; i-- > 0;) {
        assert_int_equal(spv_wallet_iter_next(it, &item), 1);
        assert_memory_equal(&item.key, &keys[i], sizeof keys[i]);
        assert_int_equal(spv_wallet_iter_list(it, SPV_WALLET_LIST_HISTORY_REVERSED, &item.key), 0);
    }
    assert_int_equal(spv_wallet_iter_next(it, &item), 0);
    assert_int_equal(spv_wallet_iter_list(it, SPV_WALLET_LIST_HISTORY_CHANGES, NULL), 0);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(spv_wallet_iter_next(it, &item), 1);
        assert_true(item.of.tx.revision > last);
        last = item.of.tx.revision;
        assert_int_equal(item.key.part[0], last);
    }
    assert_int_equal(last, spv_wallet_iter_info(it)->meta.revision);
    keys[0].part[0] = last - 1;
    assert_int_equal(spv_wallet_iter_list(it, SPV_WALLET_LIST_HISTORY_CHANGES, &keys[0]), 0);
    assert_int_equal(spv_wallet_iter_next(it, &item), 1);
    assert_int_equal(item.of.tx.revision, last);
    assert_int_equal(spv_wallet_iter_next(it, &item), 0);
    spv_wallet_iter_close(it);
    assert_int_equal(spv_store_close(s), 0);
}

static void transaction_is_found_with_raw_form_proof_and_shares(void **state)
{
    struct spv_store *s = must_open(new_stored_wallet(state, 4), SPV_STORE_READ);
    struct spv_wallet_iter *it;
    struct spv_wallet_share_row shares[4];
    struct spv_wallet_tx_row tx;
    uint64_t id;

    assert_int_equal(spv_wallet_iter_open(&it, s), 0);
    assert_int_equal(spv_wallet_iter_find_tx(it, &tx, &wallet_txs[2].txid), 1);
    id = tx.id;
    assert_int_equal(tx.raw.n, wallet_txs[2].tx.n);
    assert_memory_equal(tx.raw.bytes, wallet_txs[2].tx.bytes, tx.raw.n);
    assert_int_equal(tx.proof.n, 2);
    assert_memory_equal(tx.proof.bytes, wallet_script(2).bytes, 2);
    assert_int_equal(spv_wallet_iter_tx(it, &tx, id), 1);
    assert_memory_equal(&tx.txid, &wallet_txs[2].txid, 32);
    /* watch 1 spends 50,000, watch 2 receives 40,000, watch 5 the output of 700 */
    assert_int_equal(spv_wallet_iter_shares(it, shares, 4, id), 3);
    assert_true(shares[0].watch == 1 && shares[0].spent == 50000 && shares[0].received == 0);
    assert_true(shares[1].watch == 2 && shares[1].received == 40000);
    assert_true(shares[2].watch == 5 && shares[2].received == 700);
    assert_int_equal(spv_wallet_iter_shares(it, shares, 1, id), 3);
    assert_int_equal(spv_wallet_iter_find_tx(it, &tx, &wallet_txs[5].txid), 0);
    assert_int_equal(spv_wallet_iter_tx(it, &tx, 99), 0);
    spv_wallet_iter_close(it);
    assert_int_equal(spv_store_close(s), 0);
}

static void reader_has_its_snapshot_while_another_process_writes(void **state)
{
    const char *path = new_stored_wallet(state, 4);
    struct spv_store *s = must_open(path, SPV_STORE_READ);
    struct spv_wallet_iter *it = open_wallet_list(s, SPV_WALLET_LIST_BALANCES, NULL), *later;
    struct spv_wallet_item item;
    int status;
    const pid_t child = fork();

    if (child == 0) { /* the writer */
        struct spv_store *writer = must_open(path, SPV_STORE_WRITE);
        int rc = wallet_step(writer, 4);
        rc = rc ? rc : wallet_step(writer, 5);
        _exit(spv_store_close(writer) != 0 || rc != 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(spv_wallet_iter_info(it)->meta.scanned.height, 31);
    assert_int_equal(spv_wallet_iter_next(it, &item), 1);
    assert_int_equal(item.of.balance.watch, 0);
    assert_int_equal(item.of.balance.amount[SPV_BALANCE_CONFIRMED], 40700);
    assert_int_equal(spv_wallet_iter_list(it, SPV_WALLET_LIST_BROADCASTS, NULL), 0);
    assert_int_equal(spv_wallet_iter_next(it, &item), 1);
    later = open_wallet_list(s, SPV_WALLET_LIST_BALANCES, NULL);
    assert_int_equal(spv_wallet_iter_info(later)->meta.scanned.height, 32);
    assert_int_equal(spv_wallet_iter_next(later, &item), 1);
    assert_int_equal(item.of.balance.amount[SPV_BALANCE_CONFIRMED], 55000);
    spv_wallet_iter_close(later);
    spv_wallet_iter_close(it);
    assert_int_equal(spv_store_close(s), 0);
}

static void file_without_a_wallet_has_no_lists(void **state)
{
    const char *path = in_folder(state, "h.db");
    const struct spv_wallet_config cfg = wallet_config();
    struct spv_wallet_iter *it;
    struct spv_store_info info;
    struct spv_wallet *w;
    struct spv_store *s;

    make_wallet_chain(path);
    s = must_open(path, SPV_STORE_READ);
    assert_int_equal(spv_wallet_iter_open(&it, s), SPV_ERR_NOT_FOUND);
    assert_int_equal(spv_store_set_bloom(s, 1, 1), SPV_ERR_DB_READONLY);
    assert_int_equal(spv_store_apply_all(s, &(struct spv_store_update){.drop_filters = true}),
                     SPV_ERR_DB_READONLY);
    assert_int_equal(spv_wallet_new(&w, &cfg), 0);
    assert_int_equal(spv_store_load_wallet(s, w), 0);
    spv_wallet_free(w);
    assert_int_equal(spv_store_get_info(s, &info), 0);
    assert_false(info.has_wallet);
    assert_int_equal(spv_store_close(s), 0);
}

/* ---- what is refused ---- */

static void malformed_rows_are_refused_with_their_place(void **state)
{
    static const struct {
        const char *sql, *word;
    } edits[] = {
        {"UPDATE wallet_meta SET scanned_hash = x'00'", "metadata is malformed: its scanned_hash"},
        {"UPDATE wallet_meta SET scanned_height = -1", "its scanned_height"},
        {"UPDATE wallet_meta SET revision = -1", "its revision"},
        {"UPDATE wallet_meta SET next_tx = 0", "its next_tx"},
        {"UPDATE wallet_meta SET id = 2", "its id"},
        {"UPDATE wallet_meta SET bloom_size = 36001, bloom_tweak = 1", "its bloom_size"},
        {"UPDATE wallet_watch SET kind = 5 WHERE id = 2", "watch 2 is malformed: its kind"},
        {"UPDATE wallet_watch SET descriptor = NULL WHERE id = 3", "watch 3"},
        {"UPDATE wallet_watch SET script = NULL WHERE id = 1", "its script"},
        {"UPDATE wallet_watch SET txid = zeroblob(31) WHERE id = 4", "its txid"},
        {"UPDATE wallet_watch SET gap = 10001 WHERE id = 3", "its gap"},
        {"UPDATE wallet_watch SET descriptor = 'wpkh()' WHERE id = 3", "watch 3 contradicts"},
        {"UPDATE wallet_branch SET n_used = -1 WHERE watch = 3", "branch 3:0"},
        {"UPDATE wallet_branch SET branch = 9 WHERE watch = 3 AND branch = 1", "branch 3:9"},
        {"DELETE FROM wallet_script WHERE position = 1", "script 3:2 contradicts"},
        {"UPDATE wallet_script SET script = zeroblob(10001) WHERE position = 1", "script 3:1"},
        {"UPDATE wallet_tx SET txid = zeroblob(33) WHERE id = 2", "transaction 2 is malformed"},
        {"UPDATE wallet_tx SET txid = zeroblob(32) WHERE id = 2", "transaction 2 contradicts"},
        {"UPDATE wallet_tx SET state = 7 WHERE id = 2", "its state"},
        {"UPDATE wallet_tx SET groups = zeroblob(9) WHERE id = 2", "its groups"},
        {"UPDATE wallet_tx SET groups = zeroblob(72) WHERE id = 2", "its groups"},
        {"UPDATE wallet_tx SET block_hash = NULL WHERE id = 2", "its block_hash"},
        {"UPDATE wallet_tx SET height = 4294967296 WHERE id = 2", "its height"},
        {"UPDATE wallet_tx SET flags = 128 WHERE id = 2", "transaction 2 contradicts"},
        {"DELETE FROM wallet_tx_data WHERE tx = 2", "transaction 2 is malformed: its raw form"},
        {"UPDATE wallet_tx_data SET raw = x'00' WHERE tx = 2", "transaction 2 contradicts"},
        {"UPDATE wallet_output SET field = 5", "coin 1:0 is malformed: its field"},
        {"UPDATE wallet_output SET value = value + 1 WHERE tx = 2", "coin 2:0 contradicts"},
        {"UPDATE wallet_output SET tx = 77 WHERE tx = 2", "coin 77:0 contradicts"},
        {"UPDATE wallet_output SET spender = -1 WHERE tx = 2", "its spender"},
    };
    const char *path = new_stored_wallet(state, 4), *copy = in_folder(state, "copy.db");

    for (size_t i = 0; i < COUNT(edits); i++) {
        const struct spv_wallet_config cfg = wallet_config();
        const struct spv_verify_config verify = {.path = copy};
        struct spv_verify_report report;
        struct spv_error_info why = {.text = ""};
        struct spv_wallet *w;
        struct spv_store *s;
        copy_file(path, copy);
        run_sql(copy, edits[i].sql);
        s = must_open(copy, SPV_STORE_READ);
        assert_int_equal(spv_wallet_new(&w, &cfg), 0);
        assert_int_equal(spv_store_load_wallet(s, w), SPV_ERR_DB_DAMAGED);
        if (!strstr(spv_store_last_error(s), edits[i].word) ||
            !strstr(spv_store_last_error(s), copy))
            fail_msg("%s: %s", edits[i].sql, spv_store_last_error(s));
        spv_wallet_free(w);
        assert_int_equal(spv_store_close(s), 0);
        assert_int_equal(spv_store_verify(&report, &verify, &why), SPV_ERR_DB_DAMAGED);
        assert_false(report.wallet_ok);
        assert_true(report.pages_ok && report.total > 0 && report.wallet_rows > 0);
        assert_int_equal(report.valid_height, 31); /* the headers are untouched */
        if (!strstr(report.findings[0].text, edits[i].word))
            fail_msg("%s: %s", edits[i].sql, report.findings[0].text);
    }
}

static void older_changes_are_refused(void **state)
{
    struct spv_store *s = must_open(new_stored_wallet(state, 4), SPV_STORE_WRITE);
    struct spv_wallet_change meta = {.kind = SPV_WALLET_ROW_META,
                                     .row.meta = {.revision = 1, .next_tx = 9, .next_watch = 9}};
    const struct spv_wallet_update update = {.changes = &meta, .n = 1};
    const struct spv_store_update all = {.wallet = &update};
    const struct spv_chain_update none = {
        .kind = SPV_UPDATE_APPEND, .fork_height = 3, .n = 1, .headers = wallet_chain};
    const struct spv_store_update misfit = {.chain = &none, .wallet = &update};
    const uint64_t before = wallet_state(in_folder(state, "h.db"));

    assert_int_equal(spv_store_apply_all(s, &all), SPV_ERR_STATE);
    meta.row.meta.revision = 1000;
    assert_int_equal(spv_store_apply_all(s, &misfit), SPV_ERR_STATE);
    assert_true(wallet_state(in_folder(state, "h.db")) == before);
    assert_int_equal(spv_store_close(s), 0);
}

static void headers_that_the_wallet_needs_are_not_pruned(void **state)
{
    const char *path = in_folder(state, "h.db");
    static struct spv_chain_header chain[6200];
    struct spv_store *s;
    uint32_t start = 0;

    make_chain(path, chain, COUNT(chain));
    s = must_open(path, SPV_STORE_WRITE);
    assert_int_equal(wallet_step(s, 0), 0);
    assert_int_equal(spv_store_prune(s, 2016, &start), SPV_ERR_STATE); /* nothing is scanned */
    assert_non_null(strstr(spv_store_last_error(s), "Scan first"));
    run_sql(path, "UPDATE wallet_meta SET scanned_height = 2015, scanned_hash = zeroblob(32);"
                  "UPDATE wallet_branch SET n_searched = 1000");
    assert_int_equal(spv_store_prune(s, 2016, &start), SPV_ERR_STATE);
    run_sql(path, "UPDATE wallet_meta SET scanned_height = 2016;"
                  "UPDATE wallet_branch SET n_searched = 2 WHERE watch = 3 AND branch = 1");
    assert_int_equal(spv_store_prune(s, 2016, &start), SPV_ERR_STATE); /* a script is not */
    run_sql(path, "UPDATE wallet_branch SET n_searched = 3 WHERE watch = 3 AND branch = 1;"
                  "UPDATE wallet_branch SET n_searched = 0 WHERE watch = 4");
    run_sql(path, "UPDATE wallet_branch SET n_searched = \"window\" WHERE watch = 3");
    assert_int_equal(spv_store_prune(s, 2016, &start), SPV_ERR_STATE); /* nor a txid */
    run_sql(path, "UPDATE wallet_branch SET n_searched = 1 WHERE watch = 4");
    assert_int_equal(spv_store_prune(s, 2016, &start), 0);
    assert_int_equal(start, 2016);
    assert_int_equal(spv_store_close(s), 0);
}

static void files_of_a_wallet_are_private(void **state)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-lock"};
    const char *path = in_folder(state, "h.db");
    const char *folder = *state;
    struct spv_store *s;
    struct stat st;

    make_wallet_chain(path);
    assert_int_equal(chmod(folder, 0755), 0);
    write_file(in_folder(state, "other"), "x", 1);
    s = must_open(path, SPV_STORE_WRITE);
    for (size_t i = 0; i < COUNT(suffixes); i++) {
        char name[PATH_LEN + 20];
        (void)snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        assert_int_equal(chmod(name, 0644), 0);
    }
    assert_int_equal(wallet_step(s, 0), 0);
    for (size_t i = 0; i < COUNT(suffixes); i++) {
        char name[PATH_LEN + 20];
        (void)snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        assert_int_equal(stat(name, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
    assert_int_equal(stat(folder, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0755); /* there is something else in it */
    assert_int_equal(spv_store_close(s), 0);
    assert_int_equal(remove(in_folder(state, "other")), 0);
    run_sql(path, "DELETE FROM wallet_meta");
    s = must_open(path, SPV_STORE_WRITE);
    assert_int_equal(spv_store_set_bloom(s, 1, 8), 0);
    assert_int_equal(stat(folder, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(spv_store_close(s), 0);
}

/* ---- views ---- */

/* In the transaction of a reorganisation: down to a height below the fork. */
static void filter_headers_that_are_invalid_are_dropped_with_the_wallets_rows(void **state)
{
    char got[400];

    ask(got, sizeof got, new_stored_wallet(state, 5), "SELECT max(height) FROM filter_header");
    assert_string_equal(got, "19");
}

static void unwatch(struct spv_store *s, uint64_t id)
{
    const struct spv_wallet_config cfg = wallet_config();
    struct spv_store_update all = {.chain = NULL};
    struct spv_wallet_update changes;
    struct spv_wallet *w;

    assert_int_equal(spv_wallet_new(&w, &cfg), 0);
    assert_int_equal(spv_store_load_wallet(s, w), 1);
    assert_int_equal(spv_wallet_unwatch(w, id), 0);
    assert_int_equal(spv_wallet_changes(w, &changes), 0);
    all.wallet = &changes;
    assert_int_equal(spv_store_apply_all(s, &all), 0);
    spv_wallet_free(w);
}

static void what_belongs_to_a_watch_goes_with_it(void **state)
{
    static const char sql[] = "SELECT (SELECT count(*) > 0 FROM wallet_script WHERE watch = 3) ||"
                              " (SELECT count(*) > 0 FROM wallet_branch WHERE watch = 3) ||"
                              " (SELECT count(*) > 0 FROM wallet_sum WHERE watch = 3)";
    const char *path = new_stored_wallet(state, 4);
    struct spv_store *s;
    char got[400];

    ask(got, sizeof got, path, "SELECT min(watch) FROM wallet_script");
    assert_string_equal(got, "3"); /* the descriptor */
    ask(got, sizeof got, path, sql);
    assert_string_equal(got, "111");
    s = must_open(path, SPV_STORE_WRITE);
    unwatch(s, 3);
    assert_int_equal(spv_store_close(s), 0);
    ask(got, sizeof got, path, sql);
    assert_string_equal(got, "000");
}

static void views_show_what_people_read(void **state)
{
    const char *path = new_stored_wallet(state, 4);
    char got[400];

    ask(got, sizeof got, path,
        "SELECT group_concat(coalesce(height, 'none') || ' ' || state || ' ' || confirmations ||"
        " ' ' || net || ' ' || net_btc, ', ') FROM wallet_history");
    assert_string_equal(got, "10 confirmed 22 50000 0.00050000, 20 confirmed 12 60000 0.00060000,"
                             " 30 confirmed 2 -9300 -0.00009300, none unconfirmed 0 -5000"
                             " -0.00005000, none unconfirmed 0 30000 0.00030000");
    ask(got, sizeof got, path,
        "SELECT group_concat(value || ' ' || btc || ' ' || balance || ' ' || spent_unconfirmed ||"
        " ' ' || script, ', ') FROM (SELECT * FROM wallet_coin ORDER BY value)");
    assert_string_equal(got, "700 0.00000700 confirmed 0 5109, 30000 0.00030000 untrusted_pending 0"
                             " 5100, 40000 0.00040000 confirmed 0 5101, 55000 0.00055000"
                             " trusted_pending 0 5100, 60000 0.00060000 none 1 5101");
    ask(got, sizeof got, path,
        "SELECT confirmed || ' ' || confirmed_btc || ' ' || trusted_pending_btc FROM"
        " wallet_balance WHERE watch = 0");
    assert_string_equal(got, "40700 0.00040700 0.00055000");
    ask(got, sizeof got, path,
        "SELECT count(*) FROM wallet_history h JOIN wallet_tx t ON t.id = h.id"
        " WHERE lower(hex(t.txid)) <> h.txid AND length(h.txid) = 64"
        " AND substr(h.txid, 1, 2) = lower(hex(substr(t.txid, 32)))"
        " AND substr(h.txid, 63) = lower(hex(substr(t.txid, 1, 1)))");
    assert_string_equal(got, "5");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, folder_setup, folder_teardown)
    const struct CMUnitTest tests[] = {
        T(wallet_has_a_random_id_that_stays),
        T(labels_are_replaced_by_type_ref_and_origin),
        T(tag_stays_when_the_watch_changes),
        T(history_is_in_chain_order_and_by_revision),
        T(transaction_is_found_with_raw_form_proof_and_shares),
        T(reader_has_its_snapshot_while_another_process_writes),
        T(file_without_a_wallet_has_no_lists),
        T(malformed_rows_are_refused_with_their_place),
        T(older_changes_are_refused),
        T(headers_that_the_wallet_needs_are_not_pruned),
        T(files_of_a_wallet_are_private),
        T(filter_headers_that_are_invalid_are_dropped_with_the_wallets_rows),
        T(what_belongs_to_a_watch_goes_with_it),
        T(views_show_what_people_read),
    };
    return cmocka_run_group_tests(tests, stored_wallet_setup, stored_wallet_teardown);
}
