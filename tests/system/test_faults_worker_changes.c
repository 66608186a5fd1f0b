// SPDX-License-Identifier: MIT
// What is changed under a worker: its open files, its connections, its state, the file of its plugin. F9, F10, F14 and F18 of
// docs/reliability.md.
#include "tests/support/unit.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "common/db/db.h"
#include "tests/support/daemon.h"
#include "tests/support/worker_faults.h"

// --- F9, F10: files and connections

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

// --- F18: files of plugins

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

int main(void)
{
    static const struct CMUnitTest in_suite[] = {
        cmocka_unit_test_setup_teardown(test_closed_files, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_junk_in_connections, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_state, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_plugin_replaced, system_setup, system_teardown),
    };
    choose_tests();
    return cmocka_run_group_tests_name("changes under workers", in_suite, NULL, NULL);
}
