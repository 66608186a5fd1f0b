// SPDX-License-Identifier: MIT
// Tests of plugins that write to the database while something is lost: the lease, the row, rights, time, the connection.
#include <pthread.h>

#include "common/base/clock.h"
#include "common/base/proc_tree.h"
#include "tests/support/effect_run.h"

static enum ganger_result write_and_succeed(const ganger_job *job, ganger_context *context)
{
    (void)job;
    write_effect(context);
    return GANGER_OK;
}

static enum ganger_result write_when_cancelled(const ganger_job *job, ganger_context *context)
{
    write_effect(context);
    test_db_run(now_running->admin, "SELECT ganger.cancel(%lld)", (long long)job->id);
    return GANGER_OK;
}

static void test_lost_lease_rolls_back(void **state)
{
    Fixture *self = *state;
    claim(self);
    self->run.job.lease[3] ^= 1; // another attempt's
    run_function(self, write_and_succeed);
    expect(self, OUTCOME_ERROR, "no longer owned", false, "processing", 0);
    self->run.job.lease[3] ^= 1;
    run_function(self, write_when_cancelled);
    expect(self, OUTCOME_ERROR, "no longer owned", false, "processing", 0);
}

// Ends the admin's transaction as soon as somebody waits for it.
static void *let_go(void *argument)
{
    const Fixture *self = argument;
    PGconn *watcher = test_db_connect(self->db);
    const bool was_waited_for = test_db_await(
        watcher, 20000, "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND pid = %d",
        db_backend_pid(self->run.context.db));
    PQfinish(watcher);
    test_db_run(self->admin, "ROLLBACK");
    return was_waited_for ? argument : NULL;
}

// Someone else holds the job's row: the result cannot be put off, as the writes can not, so it waits.
static void test_held_row_is_waited_for(void **state)
{
    Fixture *self = *state;
    void *was_waited_for = NULL;
    pthread_t thread;
    claim(self);
    test_db_run(self->admin, "BEGIN");
    test_db_run(self->admin, "SELECT ganger.cancel(%lld)", (long long)self->run.job.id);
    assert_int_equal(pthread_create(&thread, NULL, let_go, self), 0);
    run_function(self, write_and_succeed);
    pthread_join(thread, &was_waited_for);
    assert_non_null(was_waited_for);
    expect(self, OUTCOME_COMPLETED, NULL, true, "completed", 1);
}

static enum ganger_result change_role_and_path(const ganger_job *job, ganger_context *context)
{
    (void)job;
    write_effect(context);
    PGconn *conn = ganger_connection(context);
    test_db_run(conn, "SET LOCAL ROLE %s", now_running->role);
    // Names of ours that lead elsewhere.
    test_db_run(conn, "SET LOCAL search_path = trap, pg_catalog");
    ganger_log(context, "under another role");
    return GANGER_OK;
}

static void test_completion_is_not_under_the_handlers_role(void **state)
{
    Fixture *self = *state;
    (void)snprintf(self->role, sizeof self->role, "stranger_%d", (int)getpid());
    test_db_run(self->admin, "CREATE ROLE %s", self->role);
    test_db_run(self->admin, "CREATE SCHEMA trap");
    test_db_run(self->admin, "GRANT USAGE ON SCHEMA trap TO public");
    test_db_run(self->admin, "CREATE FUNCTION trap.pg_current_xact_id() RETURNS text LANGUAGE sql "
                             "AS $$ SELECT '1' $$");
    test_db_run(self->admin, "CREATE DOMAIN trap.text AS pg_catalog.text CHECK (value = 'trap')");
    claim(self);
    run_function(self, change_role_and_path);
    test_db_run(self->admin, "DROP ROLE %s", self->role);
    expect(self, OUTCOME_COMPLETED, NULL, true, "completed", 1);
}

static enum ganger_result read_limits(const ganger_job *job, ganger_context *context)
{
    (void)job;
    const int64_t soft_ms = ganger_remaining_ms(context);
    const int64_t limit_ms =
        test_db_int(ganger_connection(context),
                    "SELECT setting::bigint FROM pg_settings WHERE name = 'statement_timeout'");
    assert_true(limit_ms > soft_ms - 10000 + 7000 && limit_ms <= soft_ms + 7000);
    assert_int_equal(ganger_prolong(context, 500000), GANGER_DONE);
    assert_true(test_db_int(ganger_connection(context),
                            "SELECT setting::bigint FROM pg_settings WHERE name = "
                            "'idle_in_transaction_session_timeout'") > 500000);
    return GANGER_OK;
}

// The server's limit comes after the grace: the stop at the deadline is the supervisor's.
static void test_server_limit_includes_the_grace(void **state)
{
    Fixture *self = *state;
    claim(self);
    self->run.job.kill_grace_ms = 7000;
    atomic_store(&self->run.slot->run_soft_at, clock_boot_ms() + 60000);
    run_function(self, read_limits);
    expect(self, OUTCOME_COMPLETED, NULL, true, "completed", 0);
}

static enum ganger_result report_after_loss(const ganger_job *job, ganger_context *context)
{
    const int64_t until = clock_boot_ms() + 20000;
    test_db_run(now_running->admin, "SELECT pg_terminate_backend(%d, 5000)",
                db_backend_pid(now_running->run.context.db));
    while (test_db_int(now_running->admin,
                       "SELECT coalesce(progress, 0) FROM ganger.jobs WHERE id = %lld",
                       (long long)job->id) != 70) {
        if (clock_boot_ms() > until) {
            return GANGER_ERROR;
        }
        (void)ganger_progress(context, 70, "on", NULL); // the first finds the connection broken
    }
    return GANGER_OK;
}

static void test_progress_goes_on_after_a_loss(void **state)
{
    Fixture *self = *state;
    claim(self);
    run_function(self, report_after_loss);
    expect(self, OUTCOME_COMPLETED, NULL, false, "processing", 0);
    assert_true(db_is_lost(self->run.context.db));
}

// Only the worker knows that the lease is lost, so nobody else will end the program.
static void test_deaf_program_without_lease_is_killed(void **state)
{
    Fixture *self = *state;
    char *program[] = {(char[]){"/bin/sh"}, (char[]){"-c"},
                       (char[]){"trap '' TERM; echo '{\"progress\": 1}' >&3; "
                                "while :; do sleep 1000; done"}};
    claim(self);
    self->run.job.lease[3] ^= 1;
    self->run.job.kill_grace_ms = 100;
    self->run.handler_config.kind = HANDLER_EXEC;
    self->run.handler_config.exec = (StringList){.items = program, .count = 3};
    worker_run_forget_result(&self->run);
    run_exec(&self->run.handler, &self->run.context, &self->run.result);
    expect(self, OUTCOME_CRASHED, "killed by SIGKILL", false, "processing", 0);
    assert_true(proc_has_no_children());
}

static enum ganger_result lose_connection(const ganger_job *job, ganger_context *context)
{
    (void)job;
    write_effect(context);
    test_db_run(now_running->admin, "SELECT pg_terminate_backend(%d, 5000)",
                PQbackendPID(ganger_connection(context)));
    return GANGER_OK;
}

static void test_lost_connection_is_a_fenced_failure(void **state)
{
    Fixture *self = *state;
    claim(self);
    run_function(self, lose_connection);
    expect(self, OUTCOME_ERROR, NULL, false, "processing", 0);
    assert_true(db_is_lost(self->run.context.db));
}

static enum ganger_result violate_at_commit(const ganger_job *job, ganger_context *context)
{
    (void)job;
    assert_int_equal(ganger_exec_sql(context, "INSERT INTO child VALUES (99)", 0, NULL, NULL, NULL),
                     1);
    return GANGER_OK;
}

static void test_commit_can_fail(void **state)
{
    Fixture *self = *state;
    test_db_run(self->admin, "CREATE TABLE parent (id int PRIMARY KEY)");
    test_db_run(self->admin,
                "CREATE TABLE child (id int REFERENCES parent DEFERRABLE INITIALLY DEFERRED)");
    claim(self);
    run_function(self, violate_at_commit);
    expect(self, OUTCOME_ERROR, "(SQLSTATE 23503)", false, "processing", 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_lost_lease_rolls_back),
        TEST(test_held_row_is_waited_for),
        TEST(test_completion_is_not_under_the_handlers_role),
        TEST(test_server_limit_includes_the_grace),
        TEST(test_progress_goes_on_after_a_loss),
        TEST(test_deaf_program_without_lease_is_killed),
        TEST(test_lost_connection_is_a_fenced_failure),
        TEST(test_commit_can_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
