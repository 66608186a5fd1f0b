// SPDX-License-Identifier: MIT
// What handlers use up and leave behind: memory, descriptors, processes, output. F4, F7, F8, F11 to F13 and F16 of docs/reliability.md.
#include "tests/support/cgroup.h"
#include "tests/support/unit.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "common/base/proc_stat.h"
#include "tests/support/daemon.h"
#include "tests/support/worker_faults.h"

enum { TREE_MAX = 256 };

// --- control groups

// A control group (version 1), with gangerd and all it starts in it. False: there is none to be had.
typedef struct Group {
    char path[128];
    const SystemTest *test;
} Group;

static bool group_make(Group *group, const char *controller, const char *name, const char *limit)
{
    (void)snprintf(group->path, sizeof group->path, "/sys/fs/cgroup/%s/ganger-test-%d", controller,
                   (int)getpid());
    return mkdir(group->path, 0755) == 0 && cgroup_write(group->path, name, limit);
}

static void group_enter(const Group *group)
{
    char pid[16];
    (void)snprintf(pid, sizeof pid, "%d", (int)getpid());
    assert_true(cgroup_write(group->path, "cgroup.procs", pid));
}

// What was started in the group stays in it; the test itself goes back.
static void group_leave(const char *controller)
{
    char root[64];
    char pid[16];
    (void)snprintf(root, sizeof root, "/sys/fs/cgroup/%s", controller);
    (void)snprintf(pid, sizeof pid, "%d", (int)getpid());
    assert_true(cgroup_write(root, "cgroup.procs", pid));
}

static void group_remove(SystemTest *test, const Group *group)
{
    daemon_signal(&test->daemons[0], SIGTERM);
    CHECK(test, daemon_wait(&test->daemons[0], DAEMON_PATIENCE_MS) >= 0);
    for (int i = 0; rmdir(group->path) != 0 && i < 200; i++) {
        pause_ms(10);
    }
}

// --- F4, F7: memory

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

// --- F8: files

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

// --- F11 to F13: processes

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

int main(void)
{
    static const struct CMUnitTest in_suite[] = {
        cmocka_unit_test_setup_teardown(test_memory_limit, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_leaked_memory, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_leaked_files, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_grandchildren, system_setup, system_teardown),
    };
    // Of what these guard, other tests of the suite see the essence.
    static const struct CMUnitTest long_ones[] = {
        cmocka_unit_test_setup_teardown(test_kernel_is_out_of_memory, system_setup,
                                        system_teardown),
        cmocka_unit_test_setup_teardown(test_fork_bomb, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_pipe_held_open, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_flood, system_setup, system_teardown),
    };
    choose_tests();
    int failed = cmocka_run_group_tests_name("resources of workers", in_suite, NULL, NULL);
    if (is_full()) {
        failed +=
            cmocka_run_group_tests_name("resources of workers, at length", long_ones, NULL, NULL);
    }
    return failed;
}
