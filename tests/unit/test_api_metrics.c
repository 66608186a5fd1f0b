// SPDX-License-Identifier: MIT
// Metrics: the text itself, and what it says of a scoreboard, of processes, of a sample and of requests.
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/metrics_board.h"
#include "api/metrics_database.h"
#include "api/metrics_http.h"
#include "api/metrics_process.h"
#include "common/base/clock.h"

static bool has_line(const MetricsText *text, const char *line)
{
    char *wanted = mem_printf("\n%s\n", line);
    const bool found = strstr(text->out.text, wanted) != NULL;
    free(wanted);
    return found;
}

static void assert_line(const MetricsText *text, const char *line)
{
    if (!has_line(text, line)) {
        (void)fprintf(stderr, "no line %s in:\n%s", line, text->out.text);
        fail();
    }
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

// No series twice, and none before the HELP and TYPE of its family.
static void assert_no_series_twice(const MetricsText *text)
{
    static char *series[20000];
    size_t count = 0;
    char *copy = mem_strdup(text->out.text);
    char *place = NULL;
    for (char *at = strtok_r(copy, "\n", &place); at != NULL; at = strtok_r(NULL, "\n", &place)) {
        if (*at == '#') {
            continue;
        }
        char *end = strrchr(at, ' ');
        assert_non_null(end);
        *end = '\0';
        assert_true(count < sizeof series / sizeof series[0]);
        series[count++] = at;
    }
    qsort(series, count, sizeof series[0], compare_lines);
    for (size_t i = 1; i < count; i++) {
        assert_string_not_equal(series[i - 1], series[i]);
    }
    free(copy);
}

static void test_text(void **state)
{
    (void)state;
    MetricsText text = {.family = NULL};
    metrics_text_family(&text, METRIC_COUNTER, "a_total", "As.");
    metrics_text_count(&text, METRIC_NO_LABELS, 18446744073709551615U);
    metrics_text_count(&text, METRIC_LABELS({"x", "q\"u\\o\nte"}, {"y", "\xc3\xa4"}), 1);
    metrics_text_family(&text, METRIC_GAUGE, "b_seconds", "Bs.");
    metrics_text_seconds(&text, METRIC_LABELS({"x", "1"}), 1500000);
    metrics_text_seconds(&text, METRIC_LABELS({"x", "2"}), 1);
    metrics_text_seconds(&text, METRIC_LABELS({"x", "3"}), 0);
    metrics_text_seconds(&text, METRIC_LABELS({"x", "4"}), 10000000);
    metrics_text_number(&text, METRIC_LABELS({"x", "5"}), 1.0 / 0.0);
    metrics_text_number(&text, METRIC_LABELS({"x", "6"}), 0.25);
    metrics_text_number(&text, METRIC_LABELS({"x", "7"}), 123456789012.0);
    assert_string_equal(text.out.text, "# HELP a_total As.\n"
                                       "# TYPE a_total counter\n"
                                       "a_total 18446744073709551615\n"
                                       "a_total{x=\"q\\\"u\\\\o\\nte\",y=\"\xc3\xa4\"} 1\n"
                                       "# HELP b_seconds Bs.\n"
                                       "# TYPE b_seconds gauge\n"
                                       "b_seconds{x=\"1\"} 1.5\n"
                                       "b_seconds{x=\"2\"} 0.000001\n"
                                       "b_seconds{x=\"3\"} 0\n"
                                       "b_seconds{x=\"4\"} 10\n"
                                       "b_seconds{x=\"5\"} +Inf\n"
                                       "b_seconds{x=\"6\"} 0.25\n"
                                       "b_seconds{x=\"7\"} 123456789012\n");
    metrics_text_free(&text);
}

static void test_histogram_is_cumulative(void **state)
{
    (void)state;
    Histogram histogram = {0};
    histogram_add(&histogram, COUNTER_JOB_BOUNDS_US, 900);
    histogram_add(&histogram, COUNTER_JOB_BOUNDS_US, 1100);
    histogram_add(&histogram, COUNTER_JOB_BOUNDS_US, 7200000001U);
    HistogramSum sum = {.sum = 0};
    histogram_sum_add(&sum, &histogram);
    histogram_sum_add(&sum, &histogram);
    MetricsText text = {.family = NULL};
    metrics_text_family(&text, METRIC_HISTOGRAM, "h", "H.");
    metrics_text_histogram(&text, METRIC_LABELS({"t", "a"}), &sum, COUNTER_JOB_BOUNDS_US, true);
    metrics_text_histogram(&text, METRIC_NO_LABELS, &sum, COUNTER_JOB_BOUNDS_US, false);
    assert_line(&text, "h_bucket{t=\"a\",le=\"0.001\"} 2");
    assert_line(&text, "h_bucket{t=\"a\",le=\"0.005\"} 4");
    assert_line(&text, "h_bucket{t=\"a\",le=\"7200\"} 4");
    assert_line(&text, "h_bucket{t=\"a\",le=\"+Inf\"} 6");
    assert_line(&text, "h_count{t=\"a\"} 6");
    assert_line(&text, "h_sum{t=\"a\"} 14400.004002");
    assert_line(&text, "h_bucket{le=\"1000\"} 2");
    assert_line(&text, "h_count 6");
    assert_no_series_twice(&text);
    metrics_text_free(&text);
}

static void test_a_family_begins_once(void **state)
{
    (void)state;
    MetricsText text = {.family = NULL};
    metrics_text_family(&text, METRIC_COUNTER, "a_total", "As.");
    const pid_t pid = fork();
    if (pid == 0) {
        const struct rlimit none = {0, 0};
        (void)setrlimit(RLIMIT_CORE, &none);
        (void)close(STDERR_FILENO);
        metrics_text_family(&text, METRIC_COUNTER, "a_total", "As.");
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    metrics_text_free(&text);
}

// A reaper, two workers and the API; one worker's slot was never used.
static Scoreboard *make_board(void)
{
    Scoreboard *board = NULL;
    assert_int_equal(scoreboard_create(&board, 5), STATUS_OK);
    counter_names_add(&scoreboard_header(board)->handlers, "mail");
    counter_names_add(&scoreboard_header(board)->handlers, "re\"port");
    for (int i = 0; i < 3; i++) {
        Slot *slot = scoreboard_slot(board, i);
        atomic_store(&slot->generation, 1);
        atomic_store(&slot->life, SLOT_SPAWNED);
        atomic_store(&slot->pid, getpid());
        atomic_store(&slot->state, i == 1 ? SLOT_RUNNING : SLOT_IDLE);
        slot->pool = i == 0 ? -1 : 0;
    }
    for (int i = 1; i < 3; i++) {
        WorkerCounters *counters = &scoreboard_slot(board, i)->counters;
        counter_add(&counters->handlers[0].started, 10);
        counter_add(&counters->handlers[0].finished[RUN_COMPLETED], 8);
        histogram_add(&counters->handlers[0].duration, COUNTER_JOB_BOUNDS_US, 2000);
        histogram_add(&counters->claim_us, COUNTER_CLAIM_BOUNDS_US, 700);
        histogram_add(&counters->claim_jobs, COUNTER_BATCH_BOUNDS, 10);
        counter_add(&counters->empty_claims, 3);
    }
    // what the reaper has settled
    counter_add(&scoreboard_slot(board, 0)->counters.handlers[0].finished[RUN_CRASHED], 1);
    return board;
}

// NOLINTNEXTLINE(readability-non-const-parameter): the configuration owns its names
static Config board_config(PoolConfig *pool, char *name)
{
    *pool = (PoolConfig){.name = name};
    return (Config){.pools = pool, .pool_count = 1};
}

static void test_board(void **state)
{
    (void)state;
    Scoreboard *board = make_board();
    PoolConfig pool;
    char name[] = "default";
    const Config config = board_config(&pool, name);
    counter_add(&scoreboard_header(board)->supervisor.kills[STOP_TIMEOUT], 2);
    counter_add(&scoreboard_header(board)->supervisor.ends[2][PROCESS_CRASHED], 4);
    counter_add(&scoreboard_header(board)->reaper.duty_us[DUTY_POLL], 2500000);
    MetricsText text = {.family = NULL};
    metrics_board_write(&text, board, &config);
    assert_line(&text, "ganger_runs_started_total{job_type=\"mail\"} 20");
    assert_line(&text, "ganger_runs_started_total{job_type=\"re\\\"port\"} 0");
    assert_line(&text, "ganger_runs_finished_total{job_type=\"mail\",outcome=\"completed\"} 16");
    assert_line(&text, "ganger_runs_finished_total{job_type=\"mail\",outcome=\"crashed\"} 1");
    assert_line(&text, "ganger_run_duration_seconds_count{job_type=\"mail\"} 2");
    assert_line(&text, "ganger_claims_total{result=\"jobs\"} 2");
    assert_line(&text, "ganger_claims_total{result=\"empty\"} 6");
    assert_line(&text, "ganger_claim_jobs_bucket{le=\"8\"} 0");
    assert_line(&text, "ganger_claim_jobs_bucket{le=\"16\"} 2");
    assert_line(&text, "ganger_kills_total{cause=\"timeout\"} 2");
    assert_line(&text, "ganger_process_ends_total{role=\"worker\",reason=\"crashed\"} 4");
    assert_line(&text, "ganger_reaper_duty_seconds_total{duty=\"poll\"} 2.5");
    assert_line(&text, "ganger_workers{pool=\"default\",state=\"running\"} 1");
    assert_line(&text, "ganger_workers{pool=\"default\",state=\"idle\"} 1");
    assert_null(strstr(text.out.text, COUNTER_OTHER));
    assert_no_series_twice(&text);
    metrics_text_free(&text);
    scoreboard_destroy(board);
}

// Job types beyond the rows are one line, and there only when one of them has run.
static void test_board_bounds_its_labels(void **state)
{
    (void)state;
    Scoreboard *board = make_board();
    PoolConfig pool;
    char pool_name[] = "default";
    const Config config = board_config(&pool, pool_name);
    char name[32];
    for (int i = 0; i < 3 * COUNTER_HANDLERS; i++) {
        (void)snprintf(name, sizeof name, "type_%d", i);
        counter_names_add(&scoreboard_header(board)->handlers, name);
    }
    counter_add(&scoreboard_slot(board, 1)->counters.handlers[COUNTER_HANDLERS].started, 7);
    MetricsText text = {.family = NULL};
    metrics_board_write(&text, board, &config);
    assert_line(&text, "ganger_runs_started_total{job_type=\"(other)\"} 7");
    int lines = 0;
    for (const char *at = text.out.text; (at = strstr(at, "\nganger_runs_started_total{")) != NULL;
         at++) {
        lines++;
    }
    assert_int_equal(lines, COUNTER_HANDLERS + 1);
    assert_no_series_twice(&text);
    metrics_text_free(&text);
    scoreboard_destroy(board);
}

// A worker may write nonsense into its slot: that must not end the reader.
static void test_board_bears_nonsense(void **state)
{
    (void)state;
    Scoreboard *board = make_board();
    PoolConfig pool;
    char name[] = "default";
    const Config config = board_config(&pool, name);
    Slot *slot = scoreboard_slot(board, 2);
    atomic_store(&slot->state, 1 << 30);
    memset(&slot->counters, 0xff, sizeof slot->counters);
    MetricsText text = {.family = NULL};
    metrics_board_write(&text, board, &config);
    slot->pool = 1 << 30;
    ProcessMetrics processes = {.read_at = 0};
    metrics_process_write(&processes, &text, board);
    assert_no_series_twice(&text);
    metrics_text_free(&text);
    scoreboard_destroy(board);
}

static void test_own_process(void **state)
{
    (void)state;
    Scoreboard *board = make_board();
    ProcessMetrics processes = {.read_at = 0};
    MetricsText text = {.family = NULL};
    scoreboard_header(board)->supervisor_pid = getpid();
    metrics_process_write(&processes, &text, board);
    const RoleFacts *facts = &processes.supervisor;
    assert_true(facts->resident_bytes > (size_t)100 * 1024);
    assert_true(facts->open_fds >= 3);
    const double now = (double)clock_wall_us() / 1e6;
    assert_true(facts->started_at > now - 600 && facts->started_at < now + 2);
    metrics_text_free(&text);
    scoreboard_destroy(board);
}

// Processor time stays when a process has gone whose time nobody has added yet.
static void test_processor_time_never_falls(void **state)
{
    (void)state;
    Scoreboard *board = make_board();
    ProcessMetrics processes = {.read_at = 0};
    counter_add(&scoreboard_header(board)->supervisor.dead_cpu_us[2], 5000000);
    MetricsText text = {.family = NULL};
    metrics_process_write(&processes, &text, board);
    const uint64_t before = processes.roles[2].cpu_us;
    assert_true(before >= 5000000);
    assert_int_equal(processes.roles[2].processes, 2);
    atomic_store(&scoreboard_slot(board, 1)->life, SLOT_DEAD);
    atomic_store(&scoreboard_slot(board, 2)->life, SLOT_DEAD);
    atomic_store(&scoreboard_header(board)->supervisor.dead_cpu_us[2], 1000000);
    processes.read_at = 1; // long ago
    metrics_text_free(&text);
    metrics_process_write(&processes, &text, board);
    assert_int_equal(processes.roles[2].processes, 0);
    assert_int_equal(processes.roles[2].cpu_us, before);
    assert_line(&text, "ganger_processes{role=\"worker\"} 0");
    metrics_text_free(&text);
    scoreboard_destroy(board);
}

static PGresult *make_result(const char *const rows[][4], int count)
{
    static char names[4][8] = {"what", "name", "state", "value"};
    PGresAttDesc columns[4] = {
        {.name = names[0]}, {.name = names[1]}, {.name = names[2]}, {.name = names[3]}};
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    assert_int_equal(PQsetResultAttrs(result, 4, columns), 1);
    for (int i = 0; i < count; i++) {
        for (int j = 0; j < 4; j++) {
            char *value = rows[i][j] != NULL ? mem_strdup(rows[i][j]) : NULL;
            assert_int_equal(
                PQsetvalue(result, i, j, value, value != NULL ? (int)strlen(value) : -1), 1);
            free(value);
        }
    }
    return result;
}

static void test_sample(void **state)
{
    (void)state;
    static const char *const rows[][4] = {
        {"queue_jobs", "mail", "runnable", "3"},      {"queue_jobs", "mail", "processing", "1"},
        {"enqueued", NULL, NULL, "12345678901"},      {"ended", NULL, "failed", "2"},
        {"unknown_to_this_version", NULL, NULL, "1"},
    };
    PGresult *result = make_result(rows, 5);
    DatabaseSample sample = {.count = 0};
    MetricsText text = {.family = NULL};
    metrics_database_write(&sample, &text, 5000);
    assert_null(strstr(text.out.text, "ganger_queue_jobs"));
    metrics_text_free(&text);
    metrics_database_take(&sample, result, 1000, 2500);
    metrics_database_take(&sample, result, 2000, 2500);
    PQclear(result);
    metrics_database_write(&sample, &text, 5000);
    assert_line(&text, "ganger_queue_jobs{queue=\"mail\",state=\"runnable\"} 3");
    assert_line(&text, "ganger_jobs_enqueued_total 12345678901");
    assert_line(&text, "ganger_jobs_ended_total{status=\"failed\"} 2");
    assert_line(&text, "ganger_database_sample_age_seconds 3");
    assert_line(&text, "ganger_database_samples_total{result=\"ok\"} 2");
    assert_null(strstr(text.out.text, "unknown_to_this_version"));
    assert_no_series_twice(&text);
    metrics_text_free(&text);
    // too old to be believed
    metrics_database_write(&sample, &text, 2000 + METRICS_SAMPLE_LIFE_MS);
    assert_null(strstr(text.out.text, "ganger_queue_jobs"));
    metrics_text_free(&text);
    metrics_database_free(&sample);
}

static void test_pace_of_samples(void **state)
{
    (void)state;
    PGresult *result = make_result(NULL, 0);
    DatabaseSample sample = {.count = 0};
    metrics_database_take(&sample, result, 1000, 100000);
    assert_int_equal(sample.pace_ms, METRICS_SAMPLE_MS);
    metrics_database_take(&sample, result, 1000, 3000000); // 3 s: a twentieth of a minute
    assert_int_equal(sample.pace_ms, 60000);
    metrics_database_fail(&sample, true);
    assert_int_equal(sample.pace_ms, 120000);
    for (int i = 0; i < 10; i++) {
        metrics_database_fail(&sample, true);
    }
    assert_int_equal(sample.pace_ms, METRICS_SAMPLE_MAX_MS);
    metrics_database_fail(&sample,
                          false); // there was no connection: that costs the database nothing
    assert_int_equal(sample.pace_ms, METRICS_SAMPLE_MS);
    assert_int_equal(sample.failed, 12);
    PQclear(result);
    metrics_database_free(&sample);
}

static void test_requests(void **state)
{
    (void)state;
    size_t count = 0;
    const Route *routes = route_table(&count);
    assert_true(count > 0);
    HttpMetrics *http = metrics_http_create();
    MetricsText text = {.family = NULL};
    metrics_http_write(http, &text);
    assert_null(strstr(text.out.text, "{"));
    metrics_text_free(&text);
    metrics_http_note(http, NULL, 404, 100);
    metrics_http_note(http, NULL, 400, 100);
    metrics_http_note(http, NULL, 200, 7000);
    metrics_http_note(http, NULL, 9999, -5); // of no class
    metrics_http_note(http, &routes[0], 503, 100);
    const Route foreign = {.method = "GET", .pattern = "/elsewhere"};
    metrics_http_note(http, &foreign, 200, 1);
    metrics_http_write(http, &text);
    assert_line(&text,
                "ganger_http_requests_total{method=\"(any)\",route=\"(none)\",status=\"4xx\"} 2");
    assert_line(&text,
                "ganger_http_requests_total{method=\"(any)\",route=\"(none)\",status=\"2xx\"} 2");
    assert_line(&text,
                "ganger_http_request_duration_seconds_count{method=\"(any)\",route=\"(none)\"} 5");
    char *line =
        mem_printf("ganger_http_requests_total{method=\"%s\",route=\"%s\",status=\"5xx\"} 1",
                   routes[0].method, routes[0].pattern);
    assert_line(&text, line);
    free(line);
    assert_no_series_twice(&text);
    metrics_text_free(&text);
    metrics_http_destroy(http);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_histogram_is_cumulative),
        cmocka_unit_test(test_a_family_begins_once),
        cmocka_unit_test(test_board),
        cmocka_unit_test(test_board_bounds_its_labels),
        cmocka_unit_test(test_board_bears_nonsense),
        cmocka_unit_test(test_own_process),
        cmocka_unit_test(test_processor_time_never_falls),
        cmocka_unit_test(test_sample),
        cmocka_unit_test(test_pace_of_samples),
        cmocka_unit_test(test_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
