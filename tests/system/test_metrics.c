// SPDX-License-Identifier: MIT
// GET /metrics of a real node: known numbers after known jobs, counters that never fall whoever dies, no work for the database, and
// the files and documents that name metrics.
#include "tests/support/unit.h"

#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "tests/support/daemon.h"
#include "tests/support/http_client.h"

enum { SERIES_MAX = 8000, SCRAPES = 200 };

static char address[64];

typedef struct Scrape {
    char *text;
    int count;
    char *names[SERIES_MAX]; // with their labels, into text, in order
    double values[SERIES_MAX];
} Scrape;

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *fetch(SystemTest *test)
{
    HttpAnswer answer = http_ask(address, "GET", "/metrics", NULL, NULL);
    if (answer.status != 200) { // its process may just be another one
        http_answer_free(&answer);
        CHECK(test, http_await(address, "/metrics", 200, DAEMON_PATIENCE_MS));
        answer = http_ask(address, "GET", "/metrics", NULL, NULL);
    }
    CHECK(test, answer.status == 200);
    char *text = mem_strdup(answer.body);
    http_answer_free(&answer);
    return text;
}

// Splits the text into series; each is there once.
static void scrape(SystemTest *test, Scrape *out)
{
    memset(out, 0, sizeof *out);
    out->text = fetch(test);
    static char *lines[SERIES_MAX];
    char *place = NULL;
    for (char *line = strtok_r(out->text, "\n", &place); line != NULL;
         line = strtok_r(NULL, "\n", &place)) {
        if (*line != '#') {
            CHECK(test, out->count < SERIES_MAX);
            lines[out->count++] = line;
        }
    }
    qsort(lines, (size_t)out->count, sizeof lines[0], compare_names);
    for (int i = 0; i < out->count; i++) {
        char *end = strrchr(lines[i], ' ');
        CHECK(test, end != NULL);
        *end = '\0';
        out->names[i] = lines[i];
        out->values[i] = strtod(end + 1, NULL);
    }
    qsort(lines, (size_t)out->count, sizeof lines[0], compare_names);
    for (int i = 1; i < out->count; i++) {
        if (str_equal(lines[i - 1], lines[i])) {
            (void)fprintf(stderr, "twice: %s\n", lines[i]);
            system_fail(test, "a series is there twice");
        }
    }
}

static void scrape_free(Scrape *self)
{
    free(self->text);
    self->text = NULL;
}

// -1: there is no such series.
static double value_of(const Scrape *self, const char *name)
{
    for (int i = 0; i < self->count; i++) {
        if (str_equal(self->names[i], name)) {
            return self->values[i];
        }
    }
    return -1;
}

// All series of a family together.
static double sum_of(const Scrape *self, const char *family)
{
    const size_t length = strlen(family);
    double sum = 0;
    for (int i = 0; i < self->count; i++) {
        if (strncmp(self->names[i], family, length) == 0 &&
            (self->names[i][length] == '{' || self->names[i][length] == '\0')) {
            sum += self->values[i];
        }
    }
    return sum;
}

static void assert_value(SystemTest *test, const Scrape *self, const char *name, double value)
{
    const double found = value_of(self, name);
    if (found < value || found > value) {
        (void)fprintf(stderr, "%s is %g, not %g\n", name, found, value);
        system_fail(test, "a metric has another value");
    }
}

static void assert_sum(SystemTest *test, const Scrape *self, const char *family, double value)
{
    const double found = sum_of(self, family);
    if (found < value || found > value) {
        for (int i = 0; i < self->count; i++) {
            if (strncmp(self->names[i], family, strlen(family)) == 0 && self->values[i] > 0) {
                (void)fprintf(stderr, "%s %g\n", self->names[i], self->values[i]);
            }
        }
        system_fail(test, "a family has another sum");
    }
}

// Waits until a series has at least this value.
static void await_value(SystemTest *test, const char *name, double value)
{
    static Scrape now;
    for (int64_t until = clock_boot_ms() + DAEMON_PATIENCE_MS;; pause_ms(20)) {
        scrape(test, &now);
        const double found = value_of(&now, name);
        scrape_free(&now);
        if (found >= value) {
            return;
        }
        if (clock_boot_ms() > until) {
            (void)fprintf(stderr, "%s is %g, not %g\n", name, found, value);
            system_fail(test, "a metric does not come");
        }
    }
}

static Daemon *run_node(SystemTest *test, const char *name, int workers)
{
    http_free_address(address, sizeof address);
    char *http = mem_printf("{listen: \"%s\", auth: none}", address);
    char *pools = mem_printf("{default: {processes: %d}}", workers);
    Daemon *daemon =
        daemon_run(test, name, workers,
                   &(DaemonOptions){.http = http,
                                    .pools = pools,
                                    .handlers = "bad: {exec: [/bin/sh, -c, \"exit 1\"]}, "
                                                "drop: {exec: [/bin/sh, -c, \"exit 100\"]}"});
    free(http);
    free(pools);
    CHECK(test, http_await(address, "/metrics", 200, DAEMON_PATIENCE_MS));
    return daemon;
}

// Ended and live jobs before the node is there: its first sample of the database knows them.
static void prepare_jobs(SystemTest *test)
{
    test_db_run(test->conn, "select ganger.enqueue('old', queue => 'elsewhere') "
                            "from generate_series(1, 7)");
    test_db_run(test->conn, "select ganger.complete(c.id, c.lease_id) "
                            "from ganger.claim('w', queues => '{elsewhere}', max_jobs => 5) c");
    test_db_run(test->conn, "select ganger.enqueue('old', queue => 'later', "
                            "run_at => now() + interval '1 h')");
}

static void add_known_jobs(SystemTest *test)
{
    // Alone: one that is given back as its neighbour in the batch dies has no first start any more.
    job_await(test, job_add(test, "'echo', run_at => now() - interval '100 s'"), "completed");
    test_db_run(test->conn, "select ganger.enqueue('noop') from generate_series(1, 40)");
    test_db_run(test->conn, "select ganger.enqueue('bad', max_attempts => 1) "
                            "from generate_series(1, 3)");
    test_db_run(test->conn, "select ganger.enqueue('drop') from generate_series(1, 2)");
    (void)job_add(test, "'segv', max_attempts => 1");
    (void)journal_add(test, 60000, "\"deaf\": 1",
                      "timeout => '300 ms', kill_grace => '50 ms', max_attempts => 1");
    (void)job_add(test, "'sleep', '{\"ms\": 60000}', timeout => '200 ms', max_attempts => 1");
}

#define FINISHED(job_type, outcome)                                                                \
    "ganger_runs_finished_total{job_type=\"" job_type "\",outcome=\"" outcome "\"}"

static void check_runs(SystemTest *test, const Scrape *now)
{
    assert_value(test, now, "ganger_runs_started_total{job_type=\"noop\"}", 40);
    assert_value(test, now, FINISHED("noop", "completed"), 40);
    assert_value(test, now, "ganger_run_duration_seconds_count{job_type=\"noop\"}", 40);
    assert_value(test, now, "ganger_job_wait_seconds_count{job_type=\"noop\"}", 40);
    assert_value(test, now, FINISHED("bad", "error"), 3);
    assert_value(test, now, FINISHED("drop", "discarded"), 2);
    assert_value(test, now, FINISHED("segv", "crashed"), 1);
    assert_value(test, now, FINISHED("journal", "timeout"), 1);
    assert_value(test, now, FINISHED("sleep", "timeout"), 1);
    // its time had come 100 s before
    assert_value(test, now, "ganger_job_wait_seconds_bucket{job_type=\"echo\",le=\"60\"}", 0);
    assert_value(test, now, "ganger_job_wait_seconds_bucket{job_type=\"echo\",le=\"300\"}", 1);
    // no more than these
    assert_sum(test, now, "ganger_runs_started_total", 49);
    assert_sum(test, now, "ganger_runs_finished_total", 49);
    assert_sum(test, now, "ganger_run_duration_seconds_count", 49);
}

static void check_processes(SystemTest *test, const Scrape *now)
{
    assert_value(test, now, "ganger_kills_total{cause=\"timeout\"}", 1);
    assert_value(test, now, "ganger_stops_total{cause=\"timeout\"}", 2);
    assert_value(test, now, "ganger_process_ends_total{role=\"worker\",reason=\"crashed\"}", 1);
    assert_value(test, now, "ganger_process_ends_total{role=\"worker\",reason=\"asked\"}", 1);
    assert_value(test, now, "ganger_settled_workers_total", 2);
    assert_value(test, now, "ganger_settled_jobs_total{how=\"charged\"}", 2);
    assert_value(test, now, "ganger_processes{role=\"supervisor\"}", 1);
    assert_value(test, now, "ganger_processes{role=\"reaper\"}", 1);
    assert_value(test, now, "ganger_processes{role=\"api\"}", 1);
    assert_value(test, now, "ganger_node_registered", 1);
    assert_value(test, now, "ganger_database_up", 1);
    CHECK(test, value_of(now, "ganger_process_resident_bytes{role=\"worker\"}") > 1e6);
    CHECK(test, value_of(now, "ganger_process_start_time_seconds{role=\"api\"}") > 1.7e9);
    CHECK(test, value_of(now, "ganger_heartbeats_total{result=\"ok\"}") > 0);
    CHECK(test, value_of(now, "ganger_claims_total{result=\"jobs\"}") > 0);
}

static void check_database(SystemTest *test, const Scrape *now)
{
    assert_value(test, now, "ganger_jobs_enqueued_total", 8);
    assert_value(test, now, "ganger_jobs_ended_total{status=\"completed\"}", 5);
    assert_value(test, now, "ganger_queue_jobs{queue=\"elsewhere\",state=\"runnable\"}", 2);
    assert_value(test, now, "ganger_queue_jobs{queue=\"later\",state=\"scheduled\"}", 1);
    assert_value(test, now, "ganger_nodes{state=\"alive\"}", 1);
}

static void test_known_numbers(void **state)
{
    SystemTest *test = *state;
    static Scrape now;
    prepare_jobs(test);
    run_node(test, "known", 2);
    await_value(test, "ganger_database_samples_total{result=\"ok\"}", 1);
    scrape(test, &now);
    check_database(test, &now);
    scrape_free(&now);
    add_known_jobs(test);
    sql_await(test, "not exists (select from ganger.jobs where queue = 'default' and status not in "
                    "('completed', 'failed'))");
    // the last worker's settling, and its successor
    await_value(test, "ganger_settled_workers_total", 2);
    await_value(test, "ganger_processes{role=\"worker\"}", 2);
    await_value(test, "ganger_process_cpu_seconds_total{role=\"worker\"}", 0.001);
    await_value(test, "ganger_database_connects_total{role=\"worker\"}", 4);
    scrape(test, &now);
    check_runs(test, &now);
    check_processes(test, &now);
    scrape_free(&now);
}

static bool has_suffix(const char *name, const char *suffix)
{
    const size_t length = strcspn(name, "{");
    const size_t suffix_length = strlen(suffix);
    return length > suffix_length &&
           strncmp(name + length - suffix_length, suffix, suffix_length) == 0;
}

static bool is_growing(const char *name)
{
    return has_suffix(name, "_total") || has_suffix(name, "_bucket") ||
           has_suffix(name, "_count") || has_suffix(name, "_sum");
}

// These begin anew with each HTTP process, which may be killed here.
static bool is_of_api(const char *name)
{
    static const char *const families[] = {"ganger_http_", "ganger_scrapes_total",
                                           "ganger_database_samples_total", "ganger_jobs_"};
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
        if (strncmp(name, families[i], strlen(families[i])) == 0) {
            return true;
        }
    }
    return false;
}

// Each counter of the node that was there is there, and no smaller.
static void assert_none_fell(SystemTest *test, const Scrape *before, const Scrape *now)
{
    int at = 0;
    for (int i = 0; i < before->count; i++) {
        if (!is_growing(before->names[i]) || is_of_api(before->names[i])) {
            continue;
        }
        while (at < now->count && strcmp(now->names[at], before->names[i]) < 0) {
            at++;
        }
        if (at == now->count || !str_equal(now->names[at], before->names[i]) ||
            now->values[at] < before->values[i]) {
            (void)fprintf(stderr, "%s fell below %g\n", before->names[i], before->values[i]);
            system_fail(test, "a counter fell");
        }
    }
}

#define IDLE_WORKERS "ganger_workers{pool=\"default\",state=\"idle\"}"

// Reaper and HTTP process die as well: what they had counted stands in the scoreboard.
static void kill_others(SystemTest *test, const Daemon *daemon, const Scrape *before)
{
    static const char *const programs[] = {"ganger-reaper", "ganger-api"};
    static Scrape now;
    for (int i = 0; i < 2; i++) {
        const pid_t victim = daemon_child(daemon, programs[i], 0);
        CHECK(test, victim > 0 && kill(victim, SIGKILL) == 0);
        CHECK(test, process_await_end(victim, DAEMON_PATIENCE_MS));
        CHECK(test, http_await(address, "/metrics", 200, DAEMON_PATIENCE_MS));
        await_value(test, "ganger_processes{role=\"reaper\"}", 1);
        scrape(test, &now);
        assert_none_fell(test, before, &now);
        scrape_free(&now);
    }
    await_value(test, "ganger_process_ends_total{role=\"api\",reason=\"crashed\"}", 1);
    await_value(test, "ganger_process_ends_total{role=\"reaper\",reason=\"crashed\"}", 1);
}

// Workers die at work and at rest; their successors go on counting in their slots.
static void test_counters_survive_workers(void **state)
{
    enum { ROUNDS = 8, JOBS = 50 };
    SystemTest *test = *state;
    static Scrape scrapes[2];
    Daemon *daemon = run_node(test, "mortal", 2);
    await_value(test, IDLE_WORKERS, 2);
    scrape(test, &scrapes[0]);
    for (int i = 0; i < ROUNDS; i++) {
        Scrape *now = &scrapes[(i + 1) % 2];
        test_db_run(test->conn, "select ganger.enqueue('noop') from generate_series(1, %d)", JOBS);
        if (i % 2 == 0) {
            sql_await(test, "not exists (select from ganger.jobs where status <> 'completed')");
        }
        const pid_t victim = daemon_child(daemon, "ganger-worker", i % 2);
        CHECK(test, victim > 0 && kill(victim, SIGKILL) == 0);
        scrape(test, now);
        assert_none_fell(test, &scrapes[i % 2], now);
        scrape_free(&scrapes[i % 2]);
        await_value(test, "ganger_settled_workers_total", i + 1);
        await_value(test, IDLE_WORKERS, 2);
    }
    sql_await(test, "(select count(*) from ganger.jobs where status = 'completed') = %d",
              ROUNDS * JOBS);
    await_value(test, "ganger_process_ends_total{role=\"worker\",reason=\"crashed\"}", ROUNDS);
    Scrape *last = &scrapes[(ROUNDS + 1) % 2];
    scrape(test, last);
    assert_none_fell(test, &scrapes[ROUNDS % 2], last);
    // A kill may hit a worker between a run's end and its being counted: one a kill at most.
    const double counted = value_of(last, FINISHED("noop", "completed"));
    CHECK(test, counted >= ROUNDS * JOBS - ROUNDS && counted <= ROUNDS * JOBS + ROUNDS);
    kill_others(test, daemon, last);
    scrape_free(&scrapes[0]);
    scrape_free(&scrapes[1]);
}

// A later configuration's job types get rows, and those there were keep theirs.
static void test_counters_survive_a_reload(void **state)
{
    SystemTest *test = *state;
    static Scrape now;
    Daemon *daemon = run_node(test, "renewed", 1);
    (void)job_add(test, "'noop'");
    await_value(test, FINISHED("noop", "completed"), 1);
    char *http = mem_printf("{listen: \"%s\", auth: none}", address);
    daemon_configure(test, "renewed",
                     &(DaemonOptions){.http = http,
                                      .pools = "{default: {processes: 1}}",
                                      .handlers = "brand_new: {plugin: noop.so, symbol: noop}"});
    free(http);
    daemon_signal(daemon, SIGHUP);
    CHECK(test, daemon_await_log(daemon, "event=config.reloaded", DAEMON_PATIENCE_MS));
    (void)job_add(test, "'brand_new'");
    (void)job_add(test, "'noop'");
    await_value(test, FINISHED("brand_new", "completed"), 1);
    await_value(test, FINISHED("noop", "completed"), 2);
    scrape(test, &now);
    assert_value(test, &now, "ganger_runs_started_total{job_type=\"bad\"}",
                 0); // it is gone, and kept
    assert_value(test, &now, "ganger_runs_started_total{job_type=\"noop\"}", 2);
    scrape_free(&now);
}

// However often somebody looks, the database is asked at its own pace.
static void test_scrapes_ask_the_database_nothing(void **state)
{
    SystemTest *test = *state;
    static const char statements[] = "ganger_http_pool_statements_total{result=\"answered\"}";
    static Scrape now;
    run_node(test, "asked", 1);
    await_value(test, "ganger_database_samples_total{result=\"ok\"}", 1);
    scrape(test, &now);
    const double before = value_of(&now, statements);
    CHECK(test, before >= 1);
    scrape_free(&now);
    const int64_t began_ms = clock_boot_ms();
    for (int i = 0; i < SCRAPES; i++) {
        free(fetch(test));
        pause_ms(5);
    }
    const int64_t took_ms = clock_boot_ms() - began_ms;
    scrape(test, &now);
    const double asked = value_of(&now, statements) - before;
    (void)fprintf(stderr, "%d scrapes in %" PRId64 " ms: %g statements\n", SCRAPES, took_ms, asked);
    CHECK(test, asked <= 1 + (double)took_ms / 10000);
    CHECK(test, value_of(&now, "ganger_scrapes_total") >= SCRAPES);
    assert_value(test, &now, "ganger_database_samples_total{result=\"failed\"}", 0);
    scrape_free(&now);
}

// --- names

enum { NAMES_MAX = 200, NAME_BYTES = 96 };

typedef struct Names {
    char items[NAMES_MAX][NAME_BYTES];
    int count;
} Names;

static bool names_have(const Names *self, const char *name)
{
    for (int i = 0; i < self->count; i++) {
        if (str_equal(self->items[i], name)) {
            return true;
        }
    }
    return false;
}

// Words that begin with ganger_ in a text, each once; `before`: what must stand in front of one, NULL anything.
static void collect_names(Names *out, const char *text, const char *before)
{
    out->count = 0;
    for (const char *at = text; (at = strstr(at, "ganger_")) != NULL;) {
        size_t length = 0;
        while (isalnum((unsigned char)at[length]) || at[length] == '_') {
            length++;
        }
        const size_t lead = before != NULL ? strlen(before) : 0;
        char name[NAME_BYTES];
        if (length < sizeof name && (size_t)(at - text) >= lead &&
            (lead == 0 || strncmp(at - lead, before, lead) == 0)) {
            memcpy(name, at, length);
            name[length] = '\0';
            if (!names_have(out, name)) {
                assert_true(out->count < NAMES_MAX);
                memcpy(out->items[out->count++], name, length + 1);
            }
        }
        at += length;
    }
}

// The family of a series: a histogram's has three kinds.
static bool is_known(const Names *families, const char *name)
{
    static const char *const suffixes[] = {"", "_bucket", "_sum", "_count"};
    char family[NAME_BYTES];
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        const size_t length = strlen(name);
        const size_t suffix = strlen(suffixes[i]);
        if (length > suffix && str_equal(name + length - suffix, suffixes[i])) {
            memcpy(family, name, length - suffix);
            family[length - suffix] = '\0';
            if (names_have(families, family)) {
                return true;
            }
        }
    }
    return false;
}

static char *source_file(const char *path)
{
    char *whole = mem_printf("%s/%s", getenv("GANGER_SOURCE_DIR"), path);
    FILE *file = fopen(whole, "re");
    if (file == NULL) {
        fail_msg("cannot read %s", whole);
    }
    StrBuf text = {0};
    char chunk[4096];
    for (size_t got; (got = fread(chunk, 1, sizeof chunk, file)) > 0;) {
        strbuf_append_bytes(&text, chunk, got);
    }
    (void)fclose(file);
    free(whole);
    return strbuf_take(&text);
}

static void assert_all_known(SystemTest *test, const Names *families, const char *path)
{
    static Names named;
    char *text = source_file(path);
    collect_names(&named, text, NULL);
    CHECK(test, named.count > 3);
    for (int i = 0; i < named.count; i++) {
        if (!is_known(families, named.items[i])) {
            (void)fprintf(stderr, "%s names %s, which is no metric\n", path, named.items[i]);
            system_fail(test, "an unknown metric");
        }
    }
    free(text);
}

// PostgreSQL reads JSON for us.
static void assert_json(SystemTest *test, const char *path)
{
    char *text = source_file(path);
    const char *values[] = {text};
    PGresult *result =
        PQexecParams(test->conn, "select $1::json -> 'panels'", 1, NULL, values, NULL, NULL, 0);
    CHECK(test, PQresultStatus(result) == PGRES_TUPLES_OK && !PQgetisnull(result, 0, 0));
    PQclear(result);
    free(text);
}

static void test_names_agree(void **state)
{
    SystemTest *test = *state;
    static Names families;
    static Names documented;
    run_node(test, "named", 1);
    await_value(test, "ganger_database_samples_total{result=\"ok\"}", 1);
    char *text = fetch(test);
    collect_names(&families, text, "# TYPE ");
    free(text);
    CHECK(test, families.count > 40);
    char *document = source_file("docs/metrics.md");
    collect_names(&documented, document, "| `");
    free(document);
    for (int i = 0; i < families.count; i++) {
        if (!names_have(&documented, families.items[i])) {
            (void)fprintf(stderr, "docs/metrics.md lacks %s\n", families.items[i]);
            system_fail(test, "a metric is not documented");
        }
    }
    for (int i = 0; i < documented.count; i++) {
        if (!names_have(&families, documented.items[i])) {
            (void)fprintf(stderr, "there is no metric %s\n", documented.items[i]);
            system_fail(test, "a documented metric does not exist");
        }
    }
    assert_all_known(test, &families, "docs/metrics.md");
    assert_all_known(test, &families, "conf/grafana-dashboard.json");
    assert_all_known(test, &families, "conf/alerts.yaml");
    assert_json(test, "conf/grafana-dashboard.json");
}

// --- the judgement of Prometheus itself

// Exit code of a shell command; its output goes to standard error.
static int run_shell(const char *command)
{
    const pid_t pid = fork();
    if (pid == 0) {
        (void)dup2(STDERR_FILENO, STDOUT_FILENO);
        (void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_promtool(void **state)
{
    SystemTest *test = *state;
    if (run_shell("command -v promtool > /dev/null") != 0) {
        print_message("promtool is missing (package prometheus): scripts/setup installs it\n");
        skip();
    }
    run_node(test, "judged", 1);
    (void)job_add(test, "'noop'");
    await_value(test, "ganger_database_samples_total{result=\"ok\"}", 1);
    await_value(test, FINISHED("noop", "completed"), 1);
    char *text = fetch(test);
    char *path = mem_printf("%s/metrics.txt", test->folder);
    FILE *file = fopen(path, "we");
    CHECK(test, file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
    char *command = mem_printf("promtool check metrics < '%s'", path);
    CHECK(test, run_shell(command) == 0);
    free(command);
    command = mem_printf("promtool check rules '%s/conf/alerts.yaml'", getenv("GANGER_SOURCE_DIR"));
    CHECK(test, run_shell(command) == 0);
    free(command);
    free(path);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_known_numbers, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_counters_survive_workers, system_setup,
                                        system_teardown),
        cmocka_unit_test_setup_teardown(test_counters_survive_a_reload, system_setup,
                                        system_teardown),
        cmocka_unit_test_setup_teardown(test_scrapes_ask_the_database_nothing, system_setup,
                                        system_teardown),
        cmocka_unit_test_setup_teardown(test_names_agree, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_promtool, system_setup, system_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
