/* The figures that spv-sync shows: headers of segments count before they are joined, and the rate
 * counts from the first received header. Clock and outputs are replaced by the test's. */
#include "support/unit.h"

#include "cli.h"
#include "sync_report.h"

double __wrap_cli_clock(void);
bool __wrap_cli_json_on(void);
void __wrap_cli_json(json_t *object);
bool __wrap_cli_live(void);
void __wrap_cli_status_line(const char *text);
void __wrap_cli_print(const char *format, ...) CLI_FORMAT(1, 2);

static double clock_now;
static bool json_on;
static json_t *shown; /* the last object */
static char line[512]; /* the last line */

double __wrap_cli_clock(void)
{
    return clock_now;
}

bool __wrap_cli_json_on(void)
{
    return json_on;
}

void __wrap_cli_json(json_t *object)
{
    json_decref(shown);
    shown = object;
}

bool __wrap_cli_live(void)
{
    return true;
}

void __wrap_cli_status_line(const char *text)
{
    (void)snprintf(line, sizeof line, "%s", text);
}

void __wrap_cli_print(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
}

/* A target of ten periods on regtest; `waiting` headers have been received, none is joined. */
static struct spv_node_stats stats_with(uint64_t waiting)
{
    return (struct spv_node_stats){.target_height = 20160,
                                   .peers = 3,
                                   .requests = 10,
                                   .segments = 10,
                                   .headers_waiting = waiting};
}

static void tick(struct report *r, struct spv_node_stats *stats, double seconds)
{
    clock_now += seconds;
    report_sample(r, stats);
    report_progress(r, stats, NULL, 0);
}

static double number(const char *name)
{
    return json_number_value(json_object_get(shown, name));
}

static void headers_that_wait_in_segments_are_shown_before_any_is_joined(void **state)
{
    struct report r = {.network = "regtest"};
    struct spv_node_stats stats = stats_with(0);

    (void)state;
    clock_now = 100;
    json_on = false;
    tick(&r, &stats, 0);
    assert_string_equal(line, "height 0 of 20,160 (0.0%)  0 received  10 segments  0.0/s  3 peers");
    stats.headers_waiting = 2016;
    tick(&r, &stats, 1);
    assert_string_equal(line, "height 0 of 20,160 (10.0%)  2,016 received  10 segments  2,016/s"
                              "  3 peers  9.0 s left");
    stats.headers_waiting = 0; /* joined: the same figures, and no incomplete segment any more */
    stats.headers_added = 2016;
    stats.tip.height = 2016;
    stats.segments = 0;
    tick(&r, &stats, 1);
    assert_string_equal(line, "height 2,016 of 20,160 (10.0%)  1,008/s  3 peers  18 s left");
}

static void the_rate_counts_from_the_first_received_header(void **state)
{
    struct report r = {.network = "regtest"};
    struct spv_node_stats stats = stats_with(0);

    (void)state;
    clock_now = 100;
    json_on = true;
    for (int i = 0; i < 30; i++) /* three seconds of waiting for the first answer */
        tick(&r, &stats, 0.1);
    assert_true(number("rate") == 0);
    stats.headers_waiting = 1000;
    tick(&r, &stats, 1);
    assert_in_range((int)number("rate"), 999, 1000); /* and not 250 */
    assert_int_equal((int)number("received"), 1000);
    assert_int_equal((int)number("added"), 0);
    assert_in_range((int)(number("percent") * 10), 48, 49);
    json_decref(shown);
    shown = NULL;
}

static void filter_headers_have_a_rate_and_a_time_left_of_their_own(void **state)
{
    struct report r = {.network = "regtest"};
    struct spv_node_stats stats = {.synced = true,
                                   .peers = 3,
                                   .filters = true,
                                   .filter_peers = 1,
                                   .tip.height = 20160,
                                   .target_height = 20160};

    (void)state;
    clock_now = 100;
    json_on = false;
    tick(&r, &stats, 0);
    assert_string_equal(line, "filter headers: height 0 of 20,160  0.0/s  1 peer with filters");
    tick(&r, &stats, 3); /* waiting for the first answer */
    stats.filter_height = 2000;
    stats.filter_headers_added = 2000;
    tick(&r, &stats, 1);
    assert_string_equal(line, "filter headers: height 2,000 of 20,160  2,000/s  1 peer with filters"
                              "  9.1 s left");
}

static void all_headers_received_but_not_validated_is_below_100_percent(void **state)
{
    struct report r = {.network = "regtest"};
    struct spv_node_stats stats = stats_with(20160);

    (void)state;
    json_on = false;
    tick(&r, &stats, 1);
    assert_non_null(strstr(line, "(99.9%)"));
    assert_null(strstr(line, "left"));
}

static void a_path_that_blocks_v2_is_reported_as_text_and_as_json(void **state)
{
    struct report r = {.network = "regtest"};
    const struct spv_event e = {.kind = SPV_EVENT_WARNING,
                                .warning = SPV_WARN_V2_BLOCKED,
                                .text = "something on the path blocks it"};

    (void)state;
    json_on = false;
    report_event(&r, &e);
    assert_string_equal(line, "warning: something on the path blocks it");
    json_on = true;
    report_event(&r, &e);
    assert_string_equal(json_string_value(json_object_get(shown, "event")), "warning");
    assert_string_equal(json_string_value(json_object_get(shown, "warning")), "v2_blocked");
    assert_string_equal(json_string_value(json_object_get(shown, "text")), e.text);
    json_decref(shown);
    shown = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_that_wait_in_segments_are_shown_before_any_is_joined),
        cmocka_unit_test(the_rate_counts_from_the_first_received_header),
        cmocka_unit_test(a_path_that_blocks_v2_is_reported_as_text_and_as_json),
        cmocka_unit_test(filter_headers_have_a_rate_and_a_time_left_of_their_own),
        cmocka_unit_test(all_headers_received_but_not_validated_is_below_100_percent),
    };
    return cmocka_run_group_tests_name("apps: sync report", tests, NULL, NULL);
}
