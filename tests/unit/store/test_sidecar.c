/* Sidecar files (lock, WAL, copies) have known names: a link, a pipe or a folder under such a name
 * is not touched, and a second writer that opens the file by another name is refused. */
#include "store_fixture.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HANG_S 100 /* seconds; a longer test waits for a pipe */

static const char *const suffixes[] = {"-lock", "-wal", "-shm", "-journal"};
#define SUFFIXES (sizeof suffixes / sizeof suffixes[0])

static const char foreign_text[] = "Dear diary,\n";

static const char *beside(void **state, const char *suffix)
{
    char name[40];
    (void)snprintf(name, sizeof name, "h.db%s", suffix);
    return in_folder(state, name);
}

/* Refused in every mode and by a repair; the error names the suffix. */
static void must_refuse_all(void **state, const char *suffix)
{
    static struct spv_repair_report report;
    struct spv_error_info why = {.text = ""};
    const char *path = in_folder(state, "h.db");
    const struct spv_verify_config cfg = {.path = path, .params = regtest()};
    for (int mode = SPV_STORE_READ; mode <= SPV_STORE_CREATE; mode++) {
        must_refuse(path, (enum spv_store_mode)mode, regtest(), SPV_ERR_IO, suffix);
    }
    assert_int_equal(spv_store_repair(&report, &cfg, &why), SPV_ERR_IO);
    assert_non_null(strstr(why.text, suffix));
}

static void a_pipe_is_not_waited_for(void **state)
{
    struct spv_chain_header r[5];
    make_chain(in_folder(state, "h.db"), r, 5);
    for (size_t i = 0; i < SUFFIXES; i++) {
        (void)unlink(beside(state, suffixes[i]));
        assert_int_equal(mkfifo(beside(state, suffixes[i]), 0600), 0);
        must_refuse_all(state, suffixes[i]);
        assert_int_equal(unlink(beside(state, suffixes[i])), 0);
    }
    struct spv_store *s = must_open(in_folder(state, "h.db"), SPV_STORE_WRITE);
    assert_chain(s, r, 5);
    assert_int_equal(spv_store_close(s), 0);
}

static void the_target_of_a_link_is_not_written(void **state)
{
    struct spv_chain_header r[5];
    char target[PATH_LEN];
    (void)snprintf(target, sizeof target, "%s", in_folder(state, "diary.txt"));
    make_chain(in_folder(state, "h.db"), r, 5);
    write_file(target, foreign_text, sizeof foreign_text - 1);
    for (size_t i = 0; i < 2 * SUFFIXES; i++) {
        char name[PATH_LEN];
        (void)snprintf(name, sizeof name, "%s", beside(state, suffixes[i / 2]));
        (void)unlink(name);
        assert_int_equal(i % 2 == 0 ? symlink(target, name) : link(target, name), 0);
        must_refuse_all(state, suffixes[i / 2]);
        assert_int_equal(unlink(name), 0);
        assert_int_equal(file_size(target), sizeof foreign_text - 1);
    }
    /* nor is it created */
    (void)unlink(beside(state, "-lock"));
    assert_int_equal(symlink(in_folder(state, "absent"), beside(state, "-lock")), 0);
    must_refuse_all(state, "-lock");
    assert_int_equal(file_size(in_folder(state, "absent")), -1);
}

static void a_folder_is_not_touched(void **state)
{
    struct spv_chain_header r[5];
    make_chain(in_folder(state, "h.db"), r, 5);
    (void)unlink(beside(state, "-lock"));
    for (size_t i = 0; i < SUFFIXES; i++) {
        assert_int_equal(mkdir(beside(state, suffixes[i]), 0700), 0);
        must_refuse_all(state, suffixes[i]);
        assert_int_equal(rmdir(beside(state, suffixes[i])), 0);
    }
}

/* The database itself may be opened through a link: the sidecar files are those beside its
 * target. */
static void links_to_the_database_are_followed(void **state)
{
    struct spv_chain_header r[5];
    make_chain(in_folder(state, "h.db"), r, 5);
    assert_int_equal(symlink(in_folder(state, "h.db"), in_folder(state, "link.db")), 0);
    struct spv_store *s = must_open(in_folder(state, "link.db"), SPV_STORE_WRITE);
    must_refuse(in_folder(state, "h.db"), SPV_STORE_WRITE, regtest(), SPV_ERR_DB_BUSY, "process");
    assert_int_equal(spv_store_close(s), 0);
    (void)unlink(beside(state, "-lock"));
    assert_int_equal(mkfifo(beside(state, "-lock"), 0600), 0);
    must_refuse(in_folder(state, "link.db"), SPV_STORE_WRITE, regtest(), SPV_ERR_IO, "-lock");
}

static void a_writer_through_a_hard_link_is_refused(void **state)
{
    static struct spv_repair_report report;
    struct spv_chain_header r[5];
    struct spv_error_info why = {.text = ""};
    const char *path = in_folder(state, "h.db");
    const char *other = in_folder(state, "other.db");
    const struct spv_verify_config cfg = {.path = other, .params = regtest()};
    make_chain(path, r, 5);
    struct spv_store *s = must_open(path, SPV_STORE_WRITE);
    assert_int_equal(link(path, other), 0);
    must_refuse(other, SPV_STORE_WRITE, regtest(), SPV_ERR_DB_READONLY, "2 names");
    assert_int_equal(spv_store_repair(&report, &cfg, &why), SPV_ERR_DB_READONLY);
    assert_int_equal(spv_store_close(s), 0);
    must_refuse(path, SPV_STORE_CREATE, regtest(), SPV_ERR_DB_READONLY, "2 names");
    s = must_open(path, SPV_STORE_READ); /* reading changes nothing */
    assert_chain(s, r, 5);
    assert_int_equal(spv_store_close(s), 0);
    assert_int_equal(unlink(other), 0);
    s = must_open(path, SPV_STORE_WRITE);
    assert_int_equal(spv_store_close(s), 0);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_setup, folder_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(a_pipe_is_not_waited_for),
        IN_FOLDER(the_target_of_a_link_is_not_written),
        IN_FOLDER(a_folder_is_not_touched),
        IN_FOLDER(links_to_the_database_are_followed),
        IN_FOLDER(a_writer_through_a_hard_link_is_refused),
    };
    (void)alarm(HANG_S);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
