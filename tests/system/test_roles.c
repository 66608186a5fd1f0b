// SPDX-License-Identifier: MIT
// gangerd with the rights of ganger_worker only, on a schema whose owner is an ordinary role: everything that it does it can do so.
// In a PostgreSQL of its own, as roles belong to the whole server.
#include "tests/support/unit.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/db/migrate.h"
#include "tests/support/daemon.h"
#include "tests/support/private_cluster.h"

enum { TREE_MAX = 64 };

static const char handlers[] =
    "upper: {exec: [/bin/sh, -c, 'echo \"{\\\"progress\\\": 30}\" >&3; echo told >&2; echo 1']}, "
    "hang: {exec: [/bin/sh, -c, 'trap \"\" TERM; sleep 1000 & sleep 1000; wait']}, "
    "double: {sql: app.double}, nap: {sql: app.nap}";
static const char node_options[] = "heartbeat: 100ms, self_fence: 700ms, lease: 6s";
static const char one_worker[] = "{default: {processes: 1}}";

// As a role that may not make roles, until somebody else has made them.
static void migrate_as_owner(SystemTest *test)
{
    char *url = mem_printf("%s user=plain_owner", test->db.url);
    TestDb as_owner = test->db;
    StrBuf why = {0};
    int applied = 0;
    CHECK(test, str_copy(as_owner.url, sizeof as_owner.url, url));
    Db *db = test_db_open(&as_owner);
    if (test_db_int(test->conn, "select count(*) from pg_roles where rolname ~ '^ganger_'") == 0) {
        CHECK(test, migrate_up(db, &applied, &why) == STATUS_FATAL);
        CHECK(test,
              strstr(why.text, "the roles ganger_producer, ganger_api_producer, ganger_reader, "
                               "ganger_worker, ganger_operator, ganger_admin are missing") != NULL);
        CHECK(test, strstr(why.text, "create role ganger_producer; create role "
                                     "ganger_api_producer; create role ganger_reader;") != NULL);
        test_db_run(test->conn,
                    "create role ganger_producer; create role ganger_api_producer; create role "
                    "ganger_reader; create role ganger_worker; create role ganger_operator; create "
                    "role ganger_admin");
        test_db_run(test->conn, "create role app_gangerd login in role ganger_worker");
    }
    strbuf_clear(&why);
    CHECK(test, migrate_up(db, &applied, &why) == STATUS_OK);
    CHECK(test, applied > 0);
    db_close(db);
    strbuf_free(&why);
    free(url);
}

static int setup(void **state)
{
    int failed = system_setup_empty(state);
    if (failed != 0) {
        return failed;
    }
    SystemTest *test = *state;
    test_db_run(test->conn, "do $$ begin create role plain_owner login; "
                            "exception when duplicate_object then null; end $$");
    test_db_run(test->conn, "grant create on database %s to plain_owner", test->db.name);
    migrate_as_owner(test);
    sql_check(test,
              "(select not rolsuper and not rolcreaterole from pg_roles r join pg_namespace n "
              "on n.nspowner = r.oid where nspname = 'ganger')");
    test_db_run(test->conn,
                "create schema app; grant usage on schema app to app_gangerd;"
                "create table effect (job_id bigint, attempt int);"
                "grant insert on effect to app_gangerd;"
                "create function app.double(payload jsonb, job ganger.jobs) returns jsonb "
                "language sql as $$ select jsonb_build_object('n', 2 * (payload ->> 'n')::int) $$;"
                "create function app.nap(payload jsonb, job ganger.jobs) returns jsonb "
                "language plpgsql as $$ begin perform pg_sleep(1000); return null; end $$");
    char *url = mem_printf("%s user=app_gangerd", test->db.url);
    CHECK(test, str_copy(test->db.url, sizeof test->db.url, url));
    free(url);
    return 0;
}

static void check_nothing_was_refused(SystemTest *test)
{
    for (int i = 0; i < test->daemon_count; i++) {
        CHECK(test, daemon_log_count(&test->daemons[i], "permission denied") == 0);
        CHECK(test, daemon_log_count(&test->daemons[i], "42501") == 0);
    }
    sql_check(test, "(select count(*) = 0 from pg_stat_activity where datname = current_database() "
                    "and usename not in ('app_gangerd', 'postgres'))");
}

static void test_handlers(void **state)
{
    SystemTest *test = *state;
    daemon_run(test, "kinds", 2, &(DaemonOptions){.handlers = handlers});
    int64_t plugin = job_add(test, "'echo', '{\"a\": 1}'");
    int64_t program = job_add(test, "'upper'");
    int64_t function = job_add(test, "'double', '{\"n\": 21}'");
    int64_t effect = job_add(test, "'db_effect', '{\"table\": \"effect\"}'");
    int64_t flaky =
        job_add(test, "'flaky', retry_delay => '10 ms', run_at => now() + interval '300 ms'");
    job_await(test, plugin, "completed");
    job_await(test, program, "completed");
    job_await(test, function, "completed");
    job_await(test, effect, "completed");
    job_await(test, flaky, "completed");
    sql_check(test, "(select output = '{\"n\": 42}' from ganger.jobs where id = %" PRId64 ")",
              function);
    sql_check(test, "(select log like 'told%%' from ganger.attempts where job_id = %" PRId64 ")",
              program);
    sql_check(test, "(select array_agg(job_id) = array[%" PRId64 "::bigint] from effect)", effect);
    // Whoever may not read pg_stat_activity whole knows its own sessions: a worker that dies must not leave a backend behind.
    sql_check(test, "(select count(*) = 2 and bool_and(backend_start is not null) from "
                    "ganger.worker where state = 'alive')");
    check_nothing_was_refused(test);
}

static const char naps[] = "(select count(*) = %d from pg_stat_activity where usename = "
                           "'app_gangerd' and wait_event = 'PgSleep')";

static void test_ends(void **state)
{
    SystemTest *test = *state;
    Daemon *daemon = daemon_run(test, "ends", 2, &(DaemonOptions){.handlers = handlers});
    int64_t late = job_add(test, "'nap', timeout => '300 ms', max_attempts => 1");
    int64_t hang = job_add(test, "'hang', timeout => '300 ms', max_attempts => 1");
    job_await(test, late, "failed");
    job_await(test, hang, "failed");
    sql_check(test, "(select count(*) = 2 from ganger.jobs where failure_reason = 'timeout')");
    sql_await(test, naps, 0);

    // The worker dies, its statement would go on for long: its backend is ended.
    int64_t killed = job_add(test, "'nap', max_attempts => 1");
    pid_t pid = job_await_pid(test, killed);
    sql_await(test, naps, 1);
    (void)kill(pid, SIGKILL);
    job_await(test, killed, "failed");
    sql_await(test, naps, 0);

    int64_t unwanted = job_add(test, "'nap'");
    (void)job_await_pid(test, unwanted);
    sql_await(test, naps, 1);
    test_db_run(test->conn, "select ganger.cancel(%" PRId64 ")", unwanted);
    job_await(test, unwanted, "cancelled");
    sql_await(test, naps, 0);

    daemon_await_workers(test, daemon, 2);
    int64_t again = journal_add(test, 1500, NULL, NULL);
    (void)journal_await_begin(test, again, 1);
    daemon_destroy(daemon);
    daemon_start(daemon);
    job_await(test, again, "completed");
    daemon_signal(daemon, SIGTERM);
    CHECK(test, daemon_wait(daemon, DAEMON_PATIENCE_MS) == 0);
    sql_check(test, "(select count(*) = 0 from ganger.nodes where state = 'alive')");
    check_nothing_was_refused(test);
}

// Another node of the same role buries one that has died, and goes on with its job.
static void test_burial(void **state)
{
    SystemTest *test = *state;
    DaemonOptions options = {.node = node_options, .pools = one_worker, .handlers = handlers};
    Daemon *first = daemon_run(test, "first", 1, &options);
    int64_t id = job_add(test, "'nap', max_attempts => 1");
    (void)job_await_pid(test, id);
    sql_await(test, naps, 1);
    daemon_run(test, "second", 1, &options);
    // the machine is gone, as far as one can see: none of its processes is left to settle anything
    pid_t tree[TREE_MAX];
    size_t count = process_descendants(first->pid, tree, TREE_MAX);
    (void)kill(first->pid, SIGSTOP);
    for (size_t i = 0; i < count; i++) {
        (void)kill(tree[i], SIGKILL);
    }
    daemon_destroy(first);
    job_await_within(test, id, "failed", slow_ms(20000));
    sql_await(test, "(select state = 'dead' from ganger.nodes where name = 'first')");
    sql_await(test, naps, 0);
    job_await(test, job_add(test, "'noop'"), "completed");
    check_nothing_was_refused(test);
}

// Somebody who has forgotten the grant is told so, once, and gangerd goes on when it is made up for; one who may not even see the
// schema ends.
static void test_forgotten_grant(void **state)
{
    SystemTest *test = *state;
    char *url = mem_printf("%s user=newcomer", test->db.url);
    test_db_run(test->conn, "create role newcomer login");
    CHECK(test, str_copy(test->db.url, sizeof test->db.url, url));
    Daemon *daemon = daemon_configure(test, "newcomer", &(DaemonOptions){.pools = one_worker});
    daemon_start(daemon);
    CHECK(test, daemon_wait(daemon, DAEMON_PATIENCE_MS) == 78);
    CHECK(test, daemon_log_count(daemon, "put it in ganger_worker") == 1);
    test_db_run(test->conn, "grant ganger_reader to newcomer");
    daemon_start(daemon);
    CHECK(test, daemon_await_log(daemon, "statement=set_setting", DAEMON_PATIENCE_MS));
    test_db_run(test->conn, "grant ganger_worker to newcomer");
    job_await(test, job_add(test, "'noop'"), "completed");
    CHECK(test, daemon_log_count(daemon, "put it in ganger_worker") == 2);
    free(url);
}

int main(void)
{
    log_init("test", LOG_FORMAT_AUTO, LOG_LEVEL_FATAL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_handlers, setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_ends, setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_burial, setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_forgotten_grant, setup, system_teardown),
    };
    return cmocka_run_group_tests_name("roles", tests, private_cluster_setup,
                                       private_cluster_teardown);
}
