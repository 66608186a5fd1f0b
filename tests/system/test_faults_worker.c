// SPDX-License-Identifier: MIT
// What workers and their handlers may do wrong, F1 to F20 of docs/reliability.md. GANGER_FAULTS=full: with the counts of that document,
// which takes minutes (long/long_faults_worker).
#include "tests/support/unit.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "common/base/proc_stat.h"
#include "common/db/db.h"
#include "tests/support/daemon.h"

enum { TREE_MAX = 256, FIGURES_MAX = 2000 };

static const char one_worker[] = "{default: {processes: 1}}";

static bool is_full(void)
{
    const char *wanted = getenv("GANGER_FAULTS");
    return wanted != NULL && str_equal(wanted, "full");
}

static int times(int in_suite, int full)
{
    return is_full() ? full : in_suite;
}

static Daemon *run(SystemTest *test, int workers, const char *limits, const DaemonOptions *more)
{
    DaemonOptions options = *more;
    char *handlers = mem_printf("misbehave: {plugin: %s/misbehave.so%s%s}%s%s",
                                getenv("GANGER_TEST_PLUGINS"), limits != NULL ? ", " : "",
                                limits != NULL ? limits : "", more->handlers != NULL ? ", " : "",
                                more->handlers != NULL ? more->handlers : "");
    options.handlers = handlers;
    Daemon *daemon = daemon_run(test, "faults", workers, &options);
    free(handlers);
    return daemon;
}

static int64_t act(SystemTest *test, const char *what, int number, const char *options)
{
    return job_add(test, "'misbehave', '{\"do\": \"%s\", \"n\": %d}'%s%s", what, number,
                   options != NULL ? ", " : "", options != NULL ? options : "");
}

// --- figures

// What a figure may be: that of docs/reliability.md where there are enough of them, else with room for a busy machine.
static double pass_ms(int64_t ms)
{
    return (double)slow_ms(is_full() ? ms : 4 * ms);
}

static double figures[FIGURES_MAX];
static int figure_count;

static void note_figure(double value)
{
    assert_true(figure_count < FIGURES_MAX);
    figures[figure_count++] = value;
}

static int compare_figures(const void *a, const void *b)
{
    const double left = *(const double *)a;
    const double right = *(const double *)b;
    return (left > right) - (left < right);
}

// Prints what was measured, and forgets it; the p99 (the greatest of few).
static double tell_figures(const char *what, const char *unit)
{
    assert_true(figure_count > 0);
    qsort(figures, (size_t)figure_count, sizeof figures[0], compare_figures);
    const double p99 = figures[(figure_count * 99 + 99) / 100 - 1];
    (void)fprintf(stderr, "figure: %s: p50 %.1f p99 %.1f max %.1f %s (%d)\n", what,
                  figures[figure_count / 2], p99, figures[figure_count - 1], unit, figure_count);
    figure_count = 0;
    return p99;
}

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

// --- processes and their files

static int count_files(pid_t pid)
{
    int count = 0;
    for (int i = 0; i < 256; i++) {
        char path[64];
        struct stat st;
        (void)snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, i);
        count += lstat(path, &st) == 0;
    }
    return count;
}

// The test program is a subreaper: whatever has got away from gangerd is its child. Left are gangerd, its reaper and workers.
static void await_no_others(SystemTest *test, int workers, int64_t limit_ms)
{
    pid_t all[TREE_MAX];
    size_t count = 0;
    for (int64_t until = clock_boot_ms() + limit_ms;
         (count = process_descendants(getpid(), all, TREE_MAX)) != (size_t)workers + 2;
         pause_ms(5)) {
        if (clock_boot_ms() > until) {
            (void)fprintf(stderr, "%zu processes, not %d\n", count, workers + 2);
            system_fail(test, "a process is left over");
        }
    }
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

// A job that dies, and one that does not: a pool that does nothing but die is held back.
static void die_once(SystemTest *test, const char *what, int number)
{
    job_await(test, act(test, what, number, "max_attempts => 1"), "failed");
    job_await(test, job_add(test, "'noop'"), "completed");
}

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

// --- F4: memory

static void test_memory_limit(void **state)
{
    SystemTest *test = *state;
#if defined(__SANITIZE_ADDRESS__)
    (void)fprintf(stderr, "skipped: a sanitizer ends the process where memory ends\n");
    skip();
#endif
    const Daemon *daemon =
        run(test, 1, "rlimits: {memory: 64MiB}", &(DaemonOptions){.pools = one_worker});
    const pid_t worker = daemon_child(daemon, "ganger-worker", 0);
    int64_t id = act(test, "memory", 200, "max_attempts => 1");
    job_await(test, id, "failed");
    sql_check(test,
              "(select failure_reason = 'error' and error like '%%Cannot allocate memory%%' from "
              "ganger.jobs where id = %" PRId64 ")",
              id);
    job_await(test, act(test, "memory", 16, NULL), "completed");
    CHECK(test, process_is_alive(worker));
}

// A control group (version 1), with gangerd and all it starts in it. False: there is none to be had.
typedef struct Group {
    char path[128];
    const SystemTest *test;
} Group;

static bool write_text(const char *folder, const char *name, const char *text)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "we");
    bool is_written = file != NULL && fputs(text, file) >= 0;
    if (file != NULL) {
        is_written = fclose(file) == 0 && is_written;
    }
    return is_written;
}

static bool group_make(Group *group, const char *controller, const char *name, const char *limit)
{
    (void)snprintf(group->path, sizeof group->path, "/sys/fs/cgroup/%s/ganger-test-%d", controller,
                   (int)getpid());
    return mkdir(group->path, 0755) == 0 && write_text(group->path, name, limit);
}

static void group_enter(const Group *group)
{
    char pid[16];
    (void)snprintf(pid, sizeof pid, "%d", (int)getpid());
    assert_true(write_text(group->path, "cgroup.procs", pid));
}

// What was started in the group stays in it; the test itself goes back.
static void group_leave(const char *controller)
{
    char root[64];
    char pid[16];
    (void)snprintf(root, sizeof root, "/sys/fs/cgroup/%s", controller);
    (void)snprintf(pid, sizeof pid, "%d", (int)getpid());
    assert_true(write_text(root, "cgroup.procs", pid));
}

static void group_remove(SystemTest *test, const Group *group)
{
    daemon_signal(&test->daemons[0], SIGTERM);
    CHECK(test, daemon_wait(&test->daemons[0], DAEMON_PATIENCE_MS) >= 0);
    for (int i = 0; rmdir(group->path) != 0 && i < 200; i++) {
        pause_ms(10);
    }
}

// The kernel's killer takes the worker, whatever is larger: not the supervisor, and not the reaper.
static void test_kernel_is_out_of_memory(void **state)
{
    SystemTest *test = *state;
    Group group = {0};
    if (!group_make(&group, "memory", "memory.limit_in_bytes", "200M")) {
        (void)rmdir(group.path);
        (void)fprintf(stderr, "skipped: no memory control group of version 1 can be made here\n");
        skip();
    }
    group_enter(&group);
    const Daemon *daemon = run(test, 1, NULL, &(DaemonOptions){.pools = one_worker});
    group_leave("memory");
    const pid_t supervisor = daemon->pid;
    const pid_t reaper = daemon_child(daemon, "ganger-reaper", 0);
    const int count = times(2, 200);
    for (int i = 0; i < count; i++) {
        die_once(test, "memory", 600);
    }
    sql_check(test,
              "(select bool_and(outcome = 'crashed' and signal = 9) from ganger.attempts t join "
              "ganger.jobs j on j.id = t.job_id where j.job_type = 'misbehave')");
    CHECK(test, process_is_alive(supervisor) && daemon->pid == supervisor);
    CHECK(test, daemon_child(daemon, "ganger-reaper", 0) == reaper);
    job_await(test, job_add(test, "'noop'"), "completed");
    group_remove(test, &group);
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

// --- F8 to F10: files

static void test_leaked_files(void **state)
{
    SystemTest *test = *state;
    const int count = times(24, 2000);
    const Daemon *daemon =
        run(test, 1, "rlimits: {files: 40}", &(DaemonOptions){.pools = one_worker});
    const int supervisor_files = count_files(daemon->pid);
    test_db_run(test->conn,
                "select ganger.enqueue('misbehave', '{\"do\": \"leak\", \"n\": 10}', max_attempts "
                "=> 1) from generate_series(1, %d)",
                count);
    CHECK(test,
          test_db_await(test->conn, slow_ms(10000 + 500 * count),
                        "select count(*) = %d from ganger.jobs where status = 'completed'", count));
    sql_check(test, "(select max(attempts) = 1 and count(distinct worker) >= %d from ganger.jobs)",
              count / 12);
    CHECK(test, daemon_log_count(daemon, "event=worker.recycled") >= count / 12);
    CHECK(test, daemon_log_count(daemon, "reason=files") >= count / 12);
    // More than there is in one run: that job is told so, and the next has room again.
    int64_t greedy = act(test, "leak", 500, "max_attempts => 1");
    job_await(test, greedy, "failed");
    sql_check(test,
              "(select failure_reason = 'error' and error like '%%Too many open files%%' from "
              "ganger.jobs where id = %" PRId64 ")",
              greedy);
    job_await(test, act(test, "leak", 10, "max_attempts => 1"), "completed");
    CHECK(test, count_files(daemon->pid) <= supervisor_files + 2);
}

// A megabyte is kept by each job. The worker goes when it has more than its limit, with the job at hand, and nothing is lost by it.
static void test_leaked_memory(void **state)
{
    SystemTest *test = *state;
    const int count = times(300, 10000);
    const Daemon *daemon =
        run(test, 1, NULL, &(DaemonOptions){.pools = "{default: {processes: 1, max_rss: 150MiB}}"});
    test_db_run(test->conn,
                "select ganger.enqueue('misbehave', '{\"do\": \"keep\"}', max_attempts => 1) from "
                "generate_series(1, %d)",
                count);
    CHECK(test,
          test_db_await(test->conn, slow_ms(20000 + (int64_t)20 * count),
                        "select count(*) = %d from ganger.jobs where status = 'completed'", count));
    note_figure(
        (double)test_db_int(test->conn, "select max((output->>'kib')::int) from ganger.jobs") /
        1024);
    const double most = tell_figures("F7 memory of the worker", "MiB");
    CHECK(test, most > 100 && most <= 150 + 1.5);
    sql_check(test, "(select max(attempts) = 1 and count(distinct worker) >= %d from ganger.jobs)",
              count / 150);
    CHECK(test, daemon_log_count(daemon, "reason=max_rss") >= count / 150);
}

static void test_closed_files(void **state)
{
    SystemTest *test = *state;
    const Daemon *daemon = run(test, 1, NULL, &(DaemonOptions){.pools = one_worker});
    for (int i = 0; i < times(2, 100); i++) {
        const pid_t worker = daemon_child(daemon, "ganger-worker", 0);
        int64_t id = act(test, "close", i % 2, "max_attempts => 1");
        job_await(test, id, "failed");
        CHECK(test, !process_is_alive(worker));
        const int64_t from = clock_boot_ms();
        job_await(test, job_add(test, "'noop'"), "completed");
        note_figure((double)(clock_boot_ms() - from));
    }
    CHECK(test, tell_figures("F9 next job after files were closed", "ms") < pass_ms(1000));
    sql_check(test,
              "(select count(*) = %d and bool_and(failure_reason = 'crashed' and error like "
              "'%%closed files of its worker%%') from ganger.jobs where job_type = "
              "'misbehave')",
              times(2, 100));
}

// Junk in a worker's connections costs it the connection, and nobody else anything.
static void test_junk_in_connections(void **state)
{
    SystemTest *test = *state;
    const int count = times(6, 1000);
    (void)run(test, 3, NULL, &(DaemonOptions){.pools = "{default: {processes: 3}}"});
    test_db_run(test->conn, "create table bystander as select n, md5(n::text) as text from "
                            "generate_series(1, 1000) n");
    test_db_run(
        test->conn,
        "select ganger.enqueue('misbehave', jsonb_build_object('do', 'junk', 'n', n %% 2), "
        "max_attempts => 2, retry_delay => '1 ms', timeout => '2 s', kill_grace => '100 ms') "
        "from generate_series(1, %d) n",
        count);
    for (int i = 0; i < count; i++) {
        (void)journal_add(test, 0, NULL, "priority => 1");
    }
    // Now and then the server takes junk for the head of a long message, and waits: in the job's transaction until its
    // timeout, else until the worker gives its statement up.
    const int64_t patience_ms =
        (int64_t)4 * DB_STATEMENT_TIMEOUT_MS + slow_ms((int64_t)300 * count);
    CHECK(test, test_db_await(test->conn, patience_ms,
                              "select count(*) = %d from ganger.jobs where status in "
                              "('completed', 'failed')",
                              2 * count));
    sql_check(test,
              "(select count(*) = %d from ganger.jobs where job_type = 'journal' and status "
              "= 'completed')",
              count);
    sql_check(test, "(select count(*) = 1000 and bool_and(text = md5(n::text)) from bystander)");
    sql_check(test, "(select count(*) = 0 from ganger.jobs j where j.job_type = 'journal' and "
                    "(select count(*) from ganger.attempts t where t.job_id = j.id and t.outcome = "
                    "'completed') <> 1)");
}

// --- F11 to F13: processes

static void test_fork_bomb(void **state)
{
    SystemTest *test = *state;
    Group group = {0};
    if (!group_make(&group, "pids", "pids.max", "64")) {
        (void)rmdir(group.path);
        (void)fprintf(stderr, "skipped: no pids control group of version 1 can be made here\n");
        skip();
    }
    group_enter(&group);
    const Daemon *daemon = run(test, 2, NULL, &(DaemonOptions){.poll = NULL});
    group_leave("pids");
    for (int i = 0; i < times(1, 20); i++) {
        int64_t id =
            act(test, "bomb", 0, "timeout => '2 s', kill_grace => '100 ms', max_attempts => 1");
        (void)job_await_pid(test, id);
        pid_t tree[TREE_MAX];
        for (int64_t until = clock_boot_ms() + DAEMON_PATIENCE_MS;
             process_descendants(daemon->pid, tree, TREE_MAX) < 40;) {
            CHECK(test, clock_boot_ms() < until);
        }
        job_await(test, job_add(test, "'noop'"), "completed"); // the other worker goes on
        job_await(test, id, "failed");
        const int64_t from = clock_boot_ms();
        await_no_others(test, 2, slow_ms(2000));
        note_figure((double)(clock_boot_ms() - from));
        daemon_await_workers(test, daemon, 2);
    }
    (void)tell_figures("F11 whole tree gone after the end of the attempt", "ms");
    group_remove(test, &group);
}

static void test_grandchildren(void **state)
{
    SystemTest *test = *state;
    const int count = times(8, 1000);
    const Daemon *daemon = run(test, 2, NULL, &(DaemonOptions){.poll = NULL});
    test_db_run(test->conn,
                "select ganger.enqueue('misbehave', jsonb_build_object('do', 'child', 'n', n %% "
                "4), max_attempts => 1) from generate_series(1, %d) n",
                count);
    CHECK(test,
          test_db_await(test->conn, slow_ms(10000 + 100 * count),
                        "select count(*) = %d from ganger.jobs where status = 'completed'", count));
    await_no_others(test, 2, slow_ms(1000));
    CHECK(test, daemon_log_count(daemon, "worker.sweep") == 0);
}

// The program's end is the end of the attempt, not that of what it has started.
static void test_pipe_held_open(void **state)
{
    SystemTest *test = *state;
    (void)run(test, 1, NULL,
              &(DaemonOptions){.pools = one_worker,
                               .handlers = "holder: {exec: [/bin/sh, -c, 'sleep 1000 & echo 1']}"});
    for (int i = 0; i < times(3, 50); i++) {
        int64_t id = job_add(test, "'holder'");
        job_await(test, id, "completed");
        note_figure((double)test_db_int(
            test->conn,
            "select extract(epoch from finished_at - started_at) * 1000 from ganger.jobs where id "
            "= %" PRId64,
            id));
    }
    CHECK(test,
          tell_figures("F13 run of a program whose child holds stdout", "ms") < pass_ms(1500));
    await_no_others(test, 1, slow_ms(1000));
}

// --- F14: state

static char *tell(SystemTest *test)
{
    int64_t id = act(test, "tell", 0, "max_attempts => 1");
    job_await(test, id, "completed");
    return test_db_text(test->conn, "select output::text from ganger.jobs where id = %" PRId64, id);
}

static void test_state(void **state)
{
    SystemTest *test = *state;
    (void)run(test, 1, NULL, &(DaemonOptions){.pools = one_worker});
    char *before = tell(test);
    for (int i = 0; i < times(10, 100); i++) {
        if (i % 10 == 9 && geteuid() != 0) {
            continue; // nobody else can change the user
        }
        int64_t id = act(test, "change", i % 10, "max_attempts => 1");
        job_await(test, id, "completed");
        char *after = tell(test);
        if (!str_equal(before, after)) {
            (void)fprintf(stderr, "change %d: %s, not %s\n", i % 10, after, before);
            system_fail(test, "a handler has left its worker changed");
        }
        free(after);
    }
    free(before);
}

// --- F16: floods

static void test_flood(void **state)
{
    SystemTest *test = *state;
    const Daemon *daemon =
        run(test, 2, NULL,
            &(DaemonOptions){.handlers = "flood: {exec: [/bin/sh, -c, 'yes >&2 & exec yes']}"});
    ProcStat before = {0};
    ProcStat after = {0};
    CHECK(test, proc_stat_read(daemon->pid, &before));
    char *options = mem_printf("timeout => '%d ms', max_attempts => 1", times(700, 10000));
    int64_t id = job_add(test, "'flood', %s", options);
    free(options);
    job_await_within(test, id, "failed", slow_ms(20000));
    sql_check(test,
              "(select length(log) between 1000 and 65536 and failure_reason = 'timeout' from "
              "ganger.attempts t join ganger.jobs j on j.id = t.job_id where j.id = %" PRId64 ")",
              id);
    CHECK(test, proc_stat_read(daemon->pid, &after));
    CHECK(test, after.rss_bytes <= before.rss_bytes + INT64_C(1024) * 1024);
}

// --- F18, F20: files and starts

static void copy_file(SystemTest *test, const char *from, const char *to)
{
    char bytes[65536];
    FILE *source = fopen(from, "re");
    FILE *target = fopen(to, "we");
    CHECK(test, source != NULL && target != NULL);
    for (size_t got; (got = fread(bytes, 1, sizeof bytes, source)) > 0;) {
        CHECK(test, fwrite(bytes, 1, got, target) == got);
    }
    (void)fclose(source);
    CHECK(test, fclose(target) == 0);
    CHECK(test, chmod(to, 0755) == 0);
}

// Another file takes the name of a loaded one: nobody's run is disturbed, and after a reload new workers have the new one.
static void test_plugin_replaced(void **state)
{
    SystemTest *test = *state;
    const int reloads = times(1, 20);
    char *plugin = mem_printf("%s/moving.so", test->folder);
    char *next = mem_printf("%s/next.so", test->folder);
    char *source = mem_printf("%s/journal.so", getenv("GANGER_TEST_PLUGINS"));
    char *handlers = mem_printf("moving: {plugin: %s, symbol: journal}", plugin);
    copy_file(test, source, plugin);
    const Daemon *daemon = run(test, 2, NULL, &(DaemonOptions){.handlers = handlers});
    for (int i = 0; i < reloads; i++) {
        test_db_run(test->conn,
                    "select ganger.enqueue('moving', '{\"file\": \"%s/journal\", \"ms\": 2}', "
                    "max_attempts => 1) from generate_series(1, 50)",
                    test->folder);
        copy_file(test, source, next);
        CHECK(test, rename(next, plugin) == 0);
        daemon_signal(daemon, SIGHUP);
        for (int64_t until = clock_boot_ms() + DAEMON_PATIENCE_MS;
             daemon_log_count(daemon, "event=config.reloaded") <= i; pause_ms(5)) {
            CHECK(test, clock_boot_ms() < until);
        }
    }
    sql_await(test,
              "(select count(*) = %d and max(attempts) = 1 from ganger.jobs where status = "
              "'completed')",
              50 * reloads);
    for (int64_t until = clock_boot_ms() + DAEMON_PATIENCE_MS;
         daemon_log_count(daemon, "event=worker.ready") < 4; pause_ms(5)) {
        CHECK(test, clock_boot_ms() < until);
    }
    CHECK(test, daemon_log_count(daemon, "handler.refused") == 0);
    free(handlers);
    free(source);
    free(next);
    free(plugin);
}

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
        cmocka_unit_test_setup_teardown(test_memory_limit, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_kills_are_punctual, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_blocked_beside_a_stopped_supervisor, system_setup,
                                        system_teardown),
        cmocka_unit_test_setup_teardown(test_leaked_memory, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_leaked_files, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_closed_files, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_junk_in_connections, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_grandchildren, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_state, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_plugin_replaced, system_setup, system_teardown),
    };
    // Of what these guard, other tests of the suite see the essence.
    static const struct CMUnitTest long_ones[] = {
        cmocka_unit_test_setup_teardown(test_kernel_is_out_of_memory, system_setup,
                                        system_teardown),
        cmocka_unit_test_setup_teardown(test_every_hang_ends, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_fork_bomb, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_pipe_held_open, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_flood, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_pool_that_cannot_start, system_setup, system_teardown),
    };
    const char *only = getenv("GANGER_FAULTS_ONLY");
    cmocka_set_test_filter(only != NULL ? only : "*");
    int failed = cmocka_run_group_tests_name("faults of workers", in_suite, NULL, NULL);
    if (is_full()) {
        failed +=
            cmocka_run_group_tests_name("faults of workers, at length", long_ones, NULL, NULL);
    }
    return failed;
}
