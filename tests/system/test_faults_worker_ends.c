// SPDX-License-Identifier: MIT
// Ends of workers: killed, by signals and exits of their own, at the end of a hang, as they start. F1 to F3, F5, F6 and F20 of
// docs/reliability.md.
#include "tests/support/unit.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "tests/support/daemon.h"
#include "tests/support/worker_faults.h"

// When a line of the journal was written, the last of this kind, in microseconds of the boot clock; 0 = there is none.
static int64_t journal_time_us(const SystemTest *test, int64_t id, const char *what)
{
    char path[128];
    char line[256];
    int64_t found = 0;
    (void)snprintf(path, sizeof path, "%s/journal", test->folder);
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        char word[16];
        long long job = 0;
        long long us = 0;
        int got = // NOLINTNEXTLINE(cert-err34-c): the lines are our own plugin's
            sscanf(line, "%15s %lld %*d %*d %lld", word, &job, &us);
        found = got == 3 && job == id && str_equal(word, what) ? us : found;
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return found;
}

static void forget_journal(const SystemTest *test)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/journal", test->folder);
    (void)unlink(path);
}

// --- F1: SIGKILL

// Kills a worker at any point of a batch, also after the job it is aimed at.
static void kill_once(SystemTest *test, int round)
{
    forget_journal(test);
    test_db_run(test->conn, "begin");
    for (int i = 0; i < 5; i++) {
        (void)journal_add(test, 0, NULL, NULL);
    }
    int64_t id = journal_add(test, 40, NULL, NULL);
    for (int i = 0; i < 5; i++) {
        (void)journal_add(test, 0, NULL, NULL);
    }
    test_db_run(test->conn, "commit");
    pid_t pid = journal_await_begin(test, id, 1);
    pause_ms(round % 50);
    const int64_t killed_us = clock_boot_us();
    (void)kill(pid, SIGKILL);
    job_await(test, id, "completed");
    const int64_t begun_us = journal_time_us(test, id, "begin");
    if (begun_us > killed_us) {
        note_figure((double)(begun_us - killed_us) / 1000);
    }
}

static void test_kills(void **state)
{
    SystemTest *test = *state;
    const int rounds = times(8, 1000);
    (void)run(test, 2, NULL, &(DaemonOptions){.poll = "1s"});
    for (int i = 0; i < rounds; i++) {
        kill_once(test, i);
    }
    const int measured = figure_count;
    CHECK(test, measured > rounds / 4);
    CHECK(test,
          tell_figures("F1 death of a worker to the next start of its job", "ms") < pass_ms(500));
    sql_await(test, "(select count(*) = %d and bool_and(status = 'completed') from ganger.jobs)",
              11 * rounds);
    sql_check(test, "(select count(*) = 0 from ganger.jobs j where (select count(*) from "
                    "ganger.attempts t where t.job_id = j.id and t.outcome = 'completed') <> 1)");
    // The victim alone is charged.
    sql_check(test, "(select max(crashes) <= 1 from ganger.jobs)");
    sql_check(test, "(select bool_and(signal = 9) from ganger.attempts where outcome = 'crashed')");
}

// --- F2, F3: deaths of their own

static void check_deaths(SystemTest *test, const char *what, int number, const char *cause)
{
    const int count = times(1, 100);
    for (int i = 0; i < count; i++) {
        die_once(test, what, number);
    }
    sql_check(test,
              "(select count(*) = %d and bool_and(failure_reason = 'crashed' and crashes = 1) from "
              "ganger.jobs where status = 'failed' and payload ->> 'do' = '%s')",
              count, what);
    sql_check(test,
              "(select count(*) = %d and bool_and(outcome = 'crashed' and %s) from ganger.attempts "
              "t join "
              "ganger.jobs j on j.id = t.job_id where j.payload ->> 'do' = '%s')",
              count, cause, what);
}

static void test_signals(void **state)
{
    SystemTest *test = *state;
    (void)run(test, 2, NULL, &(DaemonOptions){.poll = NULL});
    check_deaths(test, "segv", 0, "signal = 11 and t.error like '%SIGSEGV%'");
    check_deaths(test, "bus", 0, "signal = 7 and t.error like '%SIGBUS%'");
    check_deaths(test, "fpe", 0, "signal = 8 and t.error like '%SIGFPE%'");
    check_deaths(test, "abort", 0, "signal = 6 and t.error like '%SIGABRT%'");
}

static void test_exits(void **state)
{
    static const char *const ways[] = {"exit", "_exit", "quick_exit"};
    static const int codes[] = {0, 1, 255};
    SystemTest *test = *state;
    (void)run(test, 2, NULL, &(DaemonOptions){.poll = NULL});
    for (size_t i = 0; i < 3; i++) {
        for (size_t j = 0; j < 3; j++) {
            if (is_full() || i == j) {
                (void)act(test, ways[i], codes[j], "max_attempts => 1");
                (void)job_add(test, "'noop'"); // a pool that does nothing but die is held back
            }
        }
    }
    sql_await(test,
              "(select count(*) = %d from ganger.jobs where status = 'failed' and "
              "failure_reason = 'crashed')",
              times(3, 9));
    sql_check(test, "(select bool_and(t.signal is null and t.exit_code = (j.payload ->> 'n')::int) "
                    "from ganger.attempts t join ganger.jobs j on j.id = t.job_id where j.job_type "
                    "= 'misbehave')");
}

// --- F5, F6: no end

// The last line "tick" tells when the SIGKILL came.
static void test_kills_are_punctual(void **state)
{
    SystemTest *test = *state;
    const int count = times(5, 500);
    (void)run(test, 2, NULL, &(DaemonOptions){.poll = NULL});
    for (int i = 0; i < count; i++) {
        forget_journal(test);
        int64_t id = journal_add(test, 60000, "\"deaf\": 1, \"tick\": 2",
                                 "timeout => '60 ms', kill_grace => '40 ms', max_attempts => 1");
        job_await(test, id, "failed");
        const int64_t begun_us = journal_time_us(test, id, "begin");
        const int64_t last_us = journal_time_us(test, id, "tick");
        note_figure((double)(last_us - begun_us) / 1000 - 100);
    }
    CHECK(test, tell_figures("F5 SIGKILL after deadline and grace", "ms") < pass_ms(100));
    sql_check(test, "(select bool_and(failure_reason = 'timeout') from ganger.jobs)");
}

static void test_every_hang_ends(void **state)
{
    static const char *const ways[] = {"spin", "sleep", "deadlock", "blocked"};
    SystemTest *test = *state;
    (void)run(test, 2, NULL, &(DaemonOptions){.poll = NULL});
    for (int i = 0; i < times(4, 100); i++) {
        (void)act(test, ways[i % 4], 0,
                  "timeout => '60 ms', kill_grace => '40 ms', max_attempts => 1");
    }
    sql_await(test,
              "(select count(*) = %d from ganger.jobs where status = 'failed' and "
              "failure_reason = 'timeout')",
              times(4, 100));
    sql_check(test, "(select bool_and(signal = 9) from ganger.attempts)");
}

// The worker's own kernel timer, while nobody else looks.
static void test_blocked_beside_a_stopped_supervisor(void **state)
{
    SystemTest *test = *state;
    const Daemon *daemon = run(test, 1, NULL, &(DaemonOptions){.pools = one_worker});
    for (int i = 0; i < times(1, 100); i++) {
        daemon_await_workers(test, daemon, 1);
        job_await(test, job_add(test, "'noop'"),
                  "completed"); // the supervisor takes it for a crash
        int64_t id = act(test, "blocked", 0,
                         "timeout => '150 ms', kill_grace => '50 ms', max_attempts => 1");
        pid_t pid = job_await_pid(test, id);
        daemon_signal(daemon, SIGSTOP);
        const int64_t from = clock_boot_ms();
        const bool has_ended = process_await_end(pid, slow_ms(3000));
        note_figure((double)(clock_boot_ms() - from - 200));
        daemon_signal(daemon, SIGCONT);
        CHECK(test, has_ended);
        job_await(test, id, "failed");
        sql_check(test,
                  "(select failure_reason = 'timeout' from ganger.jobs where id = %" PRId64 ")",
                  id);
    }
    CHECK(test,
          tell_figures("F6 end after deadline and grace, supervisor stopped", "ms") < pass_ms(200));
}

// --- F20: starts

static int64_t throughput(SystemTest *test, int64_t ms)
{
    test_db_run(test->conn,
                "select ganger.enqueue('sleep', '{\"ms\": 5}') from generate_series(1, "
                "%" PRId64 ")",
                ms);
    const int64_t from = test_db_int(test->conn, "select count(*) from ganger.jobs where status = "
                                                 "'completed'");
    pause_ms((int)ms);
    const int64_t done = test_db_int(test->conn, "select count(*) from ganger.jobs where status = "
                                                 "'completed'") -
                         from;
    test_db_run(test->conn, "select ganger.cancel(id) from ganger.jobs where status = 'pending'");
    return done;
}

// A pool whose workers die as they start is tried ever more seldom; the other pool does not feel it.
static void test_pool_that_cannot_start(void **state)
{
    SystemTest *test = *state;
    const int64_t watched_ms = times(4000, 300000);
    const int64_t measured_ms = times(1000, 10000);
    static const char pools[] =
        "{good: {processes: 1, job_types: [sleep, noop]}, bad: {processes: 1, job_types: "
        "[misbehave]}}";
    (void)setenv("MISBEHAVE_START", "live", 1);
    Daemon *daemon = run(test, 2, NULL, &(DaemonOptions){.pools = pools});
    const int64_t alone = throughput(test, measured_ms);
    daemon_signal(daemon, SIGTERM);
    CHECK(test, daemon_wait(daemon, DAEMON_PATIENCE_MS) == 0);
    (void)setenv("MISBEHAVE_START", "die", 1);
    daemon_start(daemon);
    (void)unsetenv("MISBEHAVE_START");
    const int64_t from = clock_boot_ms();
    daemon_await_workers(test, daemon, 1);
    const int64_t beside = throughput(test, measured_ms);
    while (clock_boot_ms() - from < watched_ms) {
        pause_ms(100);
    }
    const int forks = daemon_log_count(daemon, "event=worker.start_failed");
    (void)fprintf(stderr,
                  "figure: F20 %d starts of a pool that dies in %" PRId64 " s; the other pool did "
                  "%" PRId64 " jobs alone, %" PRId64 " beside it\n",
                  forks, watched_ms / 1000, alone, beside);
    CHECK(test, forks >= 3 && forks <= times(8, 20));
    CHECK(test, daemon_await_log(daemon, "event=pool.degraded", slow_ms(10000)));
    CHECK(test, beside * 100 >= alone * times(50, 95));
}

int main(void)
{
    static const struct CMUnitTest in_suite[] = {
        cmocka_unit_test_setup_teardown(test_kills, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_signals, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_exits, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_kills_are_punctual, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_blocked_beside_a_stopped_supervisor, system_setup,
                                        system_teardown),
    };
    // Of what these guard, other tests of the suite see the essence.
    static const struct CMUnitTest long_ones[] = {
        cmocka_unit_test_setup_teardown(test_every_hang_ends, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_pool_that_cannot_start, system_setup, system_teardown),
    };
    choose_tests();
    int failed = cmocka_run_group_tests_name("ends of workers", in_suite, NULL, NULL);
    if (is_full()) {
        failed += cmocka_run_group_tests_name("ends of workers, at length", long_ones, NULL, NULL);
    }
    return failed;
}
