// SPDX-License-Identifier: MIT
// Tests of what a job remembers from run to run: steps, waits and tokens, through plugins and programs.
#include <stdio.h>

#include "common/base/clock.h"
#include "handlers/ganger/handler.h"
#include "tests/support/test_db.h"
#include "tests/support/worker_run.h"
#include "worker/job_context.h"

typedef enum ganger_result (*RunFunction)(const ganger_job *job, ganger_context *context);

typedef struct Fixture {
    WorkerRun run;
    TestDb *db;
    PGconn *admin; // the world outside
    char *program[4];
    char *token;
} Fixture;

static Fixture *now_running; // what handler functions of this test look at

static char shell[] = "/bin/sh";
static char shell_option[] = "-c";

static int setup(void **state)
{
    Fixture *self = mem_alloc(sizeof *self);
    worker_run_setup(&self->run);
    void *db = NULL;
    if (test_db_setup(&db) != 0) {
        return 1;
    }
    self->db = db;
    self->admin = test_db_connect(self->db);
    self->run.context.db = test_db_open(self->db);
    self->run.context.url = self->db->url;
    self->program[0] = shell;
    self->program[1] = shell_option;
    test_db_run(self->admin, "CREATE TABLE effect (job_id bigint)");
    *state = self;
    now_running = self;
    return 0;
}

static int teardown(void **state)
{
    Fixture *self = *state;
    db_close(self->run.context.db);
    db_close(self->run.context.aux);
    PQfinish(self->admin);
    worker_run_teardown(&self->run);
    void *db = self->db;
    const int failed = test_db_teardown(&db);
    free(self->program[2]);
    free(self->token);
    free(self);
    return failed;
}

// Claims the job, as a worker would have.
static void claim(Fixture *self)
{
    Job *job = &self->run.job;
    PGresult *row = PQexec(
        self->admin, "SELECT id, encode(uuid_send(lease_id), 'hex') AS lease, was_started FROM "
                     "ganger._take_jobs(NULL, NULL, 'here', now() + interval '1 hour', "
                     "'{default}', NULL, 1, NULL, NULL)");
    assert_int_equal(PQntuples(row), 1);
    job->id = strtoll(PQgetvalue(row, 0, 0), NULL, 10);
    const char *hex = PQgetvalue(row, 0, 1);
    for (size_t i = 0; i < sizeof job->lease; i++) {
        const char byte[] = {hex[2 * i], hex[2 * i + 1], '\0'};
        job->lease[i] = (uint8_t)strtoul(byte, NULL, 16);
    }
    job->is_first_start = PQgetvalue(row, 0, 2)[0] == 'f';
    PQclear(row);
}

static void add_and_claim(Fixture *self)
{
    test_db_run(self->admin, "SELECT ganger.enqueue('probe', max_attempts => 2)");
    claim(self);
    assert_true(self->run.job.is_first_start);
}

// Writes the result, as the worker would have; the answer is the job's new status.
static void settle(Fixture *self, const char *expected)
{
    const Job *job = &self->run.job;
    const RunResult *result = &self->run.result;
    StrBuf lease = {0};
    for (size_t i = 0; i < sizeof job->lease; i++) {
        strbuf_printf(&lease, "%02x", (unsigned)job->lease[i]);
    }
    char *delay = mem_printf("%lld", (long long)result->delay_ms);
    char *id = mem_printf("%lld", (long long)job->id);
    const char *const params[] = {id, lease.text, job_outcome_word((int)result->outcome),
                                  result->text, result->delay_ms >= 0 ? delay : NULL};
    PGresult *row = PQexecParams(self->admin,
                                 "SELECT ganger._settle_result($1, $2, $3, $4, $5, null, null, "
                                 "null, null, null, 1000, 0)",
                                 5, NULL, params, NULL, NULL, 0);
    assert_int_equal(PQresultStatus(row), PGRES_TUPLES_OK);
    assert_string_equal(PQgetvalue(row, 0, 0), expected);
    PQclear(row);
    strbuf_free(&lease);
    free(delay);
    free(id);
}

static const RunResult *run_function(Fixture *self, RunFunction function)
{
    const ganger_handler entry = {"probe", function, NULL};
    self->run.handler.plugin_entry = &entry;
    worker_run_forget_result(&self->run);
    run_plugin(&self->run.handler, &self->run.context, &self->run.result);
    self->run.handler.plugin_entry = NULL;
    return &self->run.result;
}

static const RunResult *run_script(Fixture *self, const char *script)
{
    free(self->program[2]);
    self->program[2] = mem_strdup(script);
    self->run.handler_config.kind = HANDLER_EXEC;
    self->run.handler_config.exec = (StringList){.items = self->program, .count = 3};
    worker_run_forget_result(&self->run);
    run_exec(&self->run.handler, &self->run.context, &self->run.result);
    return &self->run.result;
}

static void expect(Fixture *self, JobOutcome outcome, const char *text)
{
    const RunResult *result = &self->run.result;
    if (outcome != result->outcome) {
        fail_msg("outcome %d: %s", (int)result->outcome, result->text);
    }
    if (text != NULL) {
        assert_non_null(result->text);
        assert_string_equal(result->text, text);
    }
}

static void expect_sql(Fixture *self, const char *expression, const char *expected)
{
    char *now = test_db_text(self->admin, "SELECT (%s)::text FROM ganger.jobs WHERE id = %lld",
                             expression, (long long)self->run.job.id);
    assert_non_null(now);
    assert_string_equal(now, expected);
    free(now);
}

// --- steps

static enum ganger_result put_and_fail(const ganger_job *job, ganger_context *context)
{
    const char *json = NULL;
    assert_int_equal(ganger_step_get(context, "one", &json), GANGER_DONE);
    assert_null(json);
    assert_int_equal(ganger_exec_sql(context, "INSERT INTO effect VALUES (1)", 0, NULL, NULL, NULL),
                     1);
    assert_int_equal(ganger_step_put(context, "one", "{\"a\": 1}", 8), GANGER_DONE);
    assert_int_equal(ganger_step_get(context, "one", &json), GANGER_DONE);
    assert_string_equal(json, "{\"a\": 1}");
    assert_int_equal(ganger_step_put(context, "one", "[2]", 3), GANGER_DONE);
    assert_string_equal(json, "{\"a\": 1}"); // still the handler's
    assert_int_equal(ganger_step_put(context, "none", "null", 4), GANGER_DONE);
    // Seen by others at once, though the transaction is open.
    assert_int_equal(test_db_int(now_running->admin,
                                 "SELECT count(*) FROM ganger.step WHERE job_id = %lld",
                                 (long long)job->id),
                     2);
    return GANGER_ERROR;
}

static enum ganger_result find_steps(const ganger_job *job, ganger_context *context)
{
    (void)job;
    const char *json = NULL;
    assert_int_equal(ganger_step_get(context, "one", &json), GANGER_DONE);
    assert_string_equal(json, "[2]");
    assert_int_equal(ganger_step_get(context, "none", &json), GANGER_DONE);
    assert_string_equal(json, "null");
    assert_int_equal(ganger_step_get(context, "two", &json), GANGER_DONE);
    assert_null(json);
    assert_string_equal(ganger_last_error(context), "");
    return GANGER_OK;
}

static void test_steps_outlive_a_failure(void **state)
{
    Fixture *self = *state;
    add_and_claim(self);
    run_function(self, put_and_fail);
    settle(self, "pending");
    assert_int_equal(test_db_int(self->admin, "SELECT count(*) FROM effect"), 0);
    test_db_run(self->admin, "UPDATE ganger.job SET due_at = now()");
    test_db_run(self->admin, "SELECT ganger._promote()");
    claim(self);
    assert_false(self->run.job.is_first_start);
    run_function(self, find_steps);
    expect(self, OUTCOME_COMPLETED, NULL);
    settle(self, "completed");
    assert_int_equal(test_db_int(self->admin, "SELECT count(*) FROM ganger.step"), 0);
}

static enum ganger_result use_lost_lease(const ganger_job *job, ganger_context *context)
{
    (void)job;
    const char *json = NULL;
    assert_int_equal(ganger_step_get(context, "one", &json), GANGER_LOST);
    assert_int_equal(ganger_step_put(context, "one", "1", 1), GANGER_LOST);
    assert_true(ganger_should_stop(context));
    return GANGER_ERROR;
}

static void test_lost_lease(void **state)
{
    Fixture *self = *state;
    add_and_claim(self);
    self->run.job.lease[5] ^= 1;
    self->run.job.is_first_start = false;
    run_function(self, use_lost_lease);
    assert_int_equal(test_db_int(self->admin, "SELECT count(*) FROM ganger.step"), 0);
}

static enum ganger_result lose_connection_between(const ganger_job *job, ganger_context *context)
{
    (void)job;
    test_db_run(now_running->admin, "SELECT pg_terminate_backend(%d, 5000)",
                db_backend_pid(now_running->run.context.db));
    assert_int_equal(ganger_step_put(context, "one", "1", 1), GANGER_DONE);
    return GANGER_OK;
}

static void test_steps_outlive_the_connection(void **state)
{
    Fixture *self = *state;
    add_and_claim(self);
    run_function(self, lose_connection_between);
    assert_int_equal(test_db_int(self->admin, "SELECT count(*) FROM ganger.step"), 1);
}

// --- waits

static enum ganger_result wait_once(const ganger_job *job, ganger_context *context)
{
    const char *json = NULL;
    assert_int_equal(job->attempt, 2); // as WorkerRun says
    assert_int_equal(ganger_step_get(context, "waited", &json), GANGER_DONE);
    if (json != NULL) {
        return GANGER_OK;
    }
    assert_int_equal(ganger_exec_sql(context, "INSERT INTO effect VALUES (1)", 0, NULL, NULL, NULL),
                     1);
    assert_int_equal(ganger_step_put(context, "waited", "true", 4), GANGER_DONE);
    return ganger_wait_for(context, 3600000);
}

static void test_wait_for_time(void **state)
{
    Fixture *self = *state;
    add_and_claim(self);
    run_function(self, wait_once);
    expect(self, OUTCOME_WAIT, NULL);
    settle(self, "waiting");
    expect_sql(self, "status || ' ' || attempts || ' ' || (wait_until > now() + interval '59 min')",
               "waiting 0 true");
    assert_int_equal(test_db_int(self->admin, "SELECT count(*) FROM effect"), 0); // as of any end
    test_db_run(self->admin, "UPDATE ganger.job SET due_at = now()");
    test_db_run(self->admin, "SELECT ganger._promote()");
    claim(self);
    run_function(self, wait_once);
    expect(self, OUTCOME_COMPLETED, NULL);
    settle(self, "completed");
    expect_sql(self, "attempts", "1");
}

static enum ganger_result wait_until_then(const ganger_job *job, ganger_context *context)
{
    (void)job;
    return ganger_wait_until(context, 4102444800000); // 2100-01-01
}

static void test_wait_until(void **state)
{
    Fixture *self = *state;
    add_and_claim(self);
    run_function(self, wait_until_then);
    settle(self, "waiting");
    expect_sql(self, "wait_until = '2100-01-01 00:00:00+00'", "true");
}

// --- tokens

static enum ganger_result await_approval(const ganger_job *job, ganger_context *context)
{
    (void)job;
    const char *json = NULL;
    const char *data = NULL;
    assert_int_equal(ganger_step_get(context, "token", &json), GANGER_DONE);
    if (json == NULL) {
        assert_non_null(ganger_connection(context)); // it must not go with this transaction
        const char *token = ganger_create_token(context, 3600000, "[\"approval\"]");
        assert_non_null(token);
        char *quoted = mem_printf("\"%s\"", token);
        assert_int_equal(ganger_step_put(context, "token", quoted, strlen(quoted)), GANGER_DONE);
        assert_int_equal(ganger_step_get(context, "token", &json), GANGER_DONE);
        free(quoted);
    }
    char *token = mem_strndup(json + 1, strlen(json) - 2);
    const int status = ganger_wait_for_token(context, token, &data);
    free(token);
    switch (status) {
    case GANGER_TOKEN_WAITING:
        assert_null(data);
        return GANGER_WAIT;
    case GANGER_TOKEN_COMPLETED:
        assert_int_equal(ganger_output(context, data, strlen(data)), GANGER_DONE);
        return GANGER_OK;
    case GANGER_TOKEN_TIMED_OUT:
        ganger_set_error(context, "nobody approved it");
        return GANGER_DISCARD;
    default:
        return GANGER_ERROR;
    }
}

static void test_token_is_completed(void **state)
{
    Fixture *self = *state;
    add_and_claim(self);
    run_function(self, await_approval);
    expect(self, OUTCOME_WAIT, NULL);
    settle(self, "waiting");
    assert_int_equal(
        test_db_int(self->admin,
                    "SELECT count(*) FROM ganger.tokens WHERE job_id = %lld AND tags = "
                    "'{approval}' AND timeout_at > now() + interval '59 min'",
                    (long long)self->run.job.id),
        1);
    test_db_run(self->admin,
                "SELECT ganger.complete_token(token, '{\"by\": \"ann\"}') FROM ganger.token");
    test_db_run(self->admin, "SELECT ganger.maintain()");
    claim(self);
    run_function(self, await_approval);
    expect(self, OUTCOME_COMPLETED, "{\"by\": \"ann\"}");
}

static void test_token_times_out(void **state)
{
    Fixture *self = *state;
    add_and_claim(self);
    run_function(self, await_approval);
    settle(self, "waiting");
    test_db_run(self->admin, "UPDATE ganger.token SET timeout_at = now()");
    test_db_run(self->admin, "SELECT ganger.maintain()");
    claim(self);
    run_function(self, await_approval);
    expect(self, OUTCOME_DISCARD, "nobody approved it");
}

static enum ganger_result complete_and_succeed(const ganger_job *job, ganger_context *context)
{
    (void)job;
    assert_int_equal(ganger_wait_for_token(context, "tok_none", NULL), GANGER_FAILED);
    assert_string_equal(ganger_last_error(context), "there is no token 'tok_none'");
    assert_int_equal(ganger_complete_token(context, "tok_none", NULL), GANGER_FAILED);
    assert_int_equal(ganger_complete_token(context, now_running->token, "[1]"), GANGER_DONE);
    assert_int_equal(ganger_complete_token(context, now_running->token, "[2]"), GANGER_FAILED);
    return GANGER_OK;
}

static enum ganger_result complete_and_fail(const ganger_job *job, ganger_context *context)
{
    (void)job;
    assert_non_null(ganger_connection(context));
    assert_int_equal(ganger_complete_token(context, now_running->token, "[1]"), GANGER_DONE);
    return GANGER_ERROR;
}

static void test_completing_is_part_of_the_transaction(void **state)
{
    Fixture *self = *state;
    add_and_claim(self);
    self->token = test_db_text(self->admin, "SELECT ganger.create_token()");
    run_function(self, complete_and_fail);
    assert_int_equal(
        test_db_int(self->admin, "SELECT count(*) FROM ganger.tokens WHERE status = 'waiting'"), 1);
    run_function(self, complete_and_succeed);
    assert_int_equal(test_db_int(self->admin, "SELECT count(*) FROM ganger.tokens WHERE status = "
                                              "'completed' AND data = '[1]'"),
                     1);
}

// --- programs

static void resume(Fixture *self)
{
    test_db_run(self->admin, "UPDATE ganger.job SET due_at = now() WHERE due_at IS NOT NULL");
    test_db_run(self->admin, "SELECT ganger.maintain()");
    claim(self);
}

static void test_program_remembers(void **state)
{
    Fixture *self = *state;
    add_and_claim(self);
    run_script(self, "cat $GANGER_STEPS >&2; echo '{\"step\": \"a\", \"result\": {\"n\": 1}}' >&3\n"
                     "echo '{\"step\": \"b\\\"\", \"wait\": \"1h\"}' >&3");
    expect(self, OUTCOME_WAIT, NULL);
    settle(self, "waiting");
    resume(self);
    run_script(self, "cat $GANGER_STEPS; echo ${GANGER_WAITED-no token} >&2");
    expect(self, OUTCOME_COMPLETED, "{\"a\": {\"n\": 1}, \"b\\\"\": null}");
    char *log = slot_log_copy(self->run.slot);
    assert_string_equal(log, "{}no token\n");
    free(log);
}

// All are stored, and handed to the next run; nothing is held back for the others.
static void test_program_with_thousands_of_steps(void **state)
{
    Fixture *self = *state;
    add_and_claim(self);
    run_script(self, "seq 3000 | sed 's/.*/{\"step\": \"s&\", \"result\": &}/' >&3\n"
                     "seq 1000 | sed 's/.*/{\"step\": \"cursor\", \"result\": &}/' >&3; exit 1");
    settle(self, "pending");
    assert_int_equal(test_db_int(self->admin, "SELECT count(*) FROM ganger.step"), 3001);
    resume(self);
    run_script(self, "grep -o '\"s[0-9]*\": [0-9]*' $GANGER_STEPS | wc -l\n"
                     "grep -o '\"cursor\": 1000' $GANGER_STEPS");
    expect(self, OUTCOME_COMPLETED, "\"3000\\n\\\"cursor\\\": 1000\"");
}

// PostgreSQL has the last word on a wait; what it refuses fails the attempt.
static void test_program_waits_for_what_there_is_not(void **state)
{
    Fixture *self = *state;
    add_and_claim(self);
    run_script(self, "echo '{\"wait_until\": \"9999-12-31T23:59:59Z\"}' >&3");
    expect(self, OUTCOME_WAIT, "{\"until\": \"9999-12-31T23:59:59.000Z\"}");
    settle(self, "waiting");
    expect_sql(self, "wait_until = '9999-12-31 23:59:59+00'", "true");
}

static void test_program_waits_for_its_token(void **state)
{
    static const char script[] =
        "if [ -n \"$GANGER_WAITED\" ]; then cat \"$GANGER_WAITED\"; exit; fi\n"
        "echo '{\"create_token\": {\"step\": \"ok\", \"timeout\": \"1h\", \"tags\": [\"t\"]}, "
        "\"wait\": true}' >&3";
    Fixture *self = *state;
    add_and_claim(self);
    run_script(self, script);
    expect(self, OUTCOME_WAIT, NULL);
    settle(self, "waiting");
    self->token = test_db_text(self->admin, "SELECT token FROM ganger.tokens WHERE tags = '{t}'");
    expect_sql(self, "wait_token = (SELECT result #>> '{}' FROM ganger.step)", "true");
    // Woken before anybody has completed it, it finds the token it has made.
    test_db_run(self->admin,
                "UPDATE ganger.job SET status = 'pending', wait_token = NULL, due_at = now()");
    resume(self);
    run_script(self, script);
    expect(self, OUTCOME_WAIT, NULL);
    settle(self, "waiting");
    assert_int_equal(test_db_int(self->admin, "SELECT count(*) FROM ganger.tokens"), 1);
    test_db_run(self->admin, "SELECT ganger.complete_token('%s', '{\"yes\": 1}')", self->token);
    resume(self);
    run_script(self, script);
    char *expected = mem_printf(
        "{\"data\": {\"yes\": 1}, \"token\": \"%s\", \"status\": \"completed\"}", self->token);
    expect(self, OUTCOME_COMPLETED, expected);
    free(expected);
}

// --- prolong

static enum ganger_result prolong_twice(const ganger_job *job, ganger_context *context)
{
    assert_int_equal(ganger_prolong(context, 60000), GANGER_DONE);
    assert_int_equal(test_db_int(now_running->admin,
                                 "SELECT (data ->> 'ms')::int FROM ganger.job_events(%lld) WHERE "
                                 "event = 'prolonged'",
                                 (long long)job->id),
                     60000);
    assert_int_equal(ganger_prolong(context, 10), GANGER_DONE); // shorter: nothing happens
    assert_int_equal(ganger_prolong(context, 120000), GANGER_DONE);
    assert_int_equal(ganger_prolong(context, 180000), GANGER_DONE);
    return GANGER_OK;
}

// At most one event a second, and the last one at the end.
static void test_prolongs_are_told(void **state)
{
    Fixture *self = *state;
    add_and_claim(self);
    atomic_store(&self->run.slot->run_soft_at, clock_boot_ms() + 1000);
    run_function(self, prolong_twice);
    char *told = test_db_text(self->admin,
                              "SELECT string_agg(data ->> 'ms', ' ' ORDER BY at) FROM "
                              "ganger.job_events(%lld) WHERE event = 'prolonged'",
                              (long long)self->run.job.id);
    assert_string_equal(told, "60000 180000");
    free(told);
    // A job without a timeout has nothing to prolong.
    add_and_claim(self);
    atomic_store(&self->run.slot->run_soft_at, 0);
    run_script(self, "echo '{\"prolong\": \"1h\"}' >&3");
    expect(self, OUTCOME_COMPLETED, NULL);
    assert_int_equal(test_db_int(self->admin,
                                 "SELECT count(*) FROM ganger.job_events(%lld) WHERE event = "
                                 "'prolonged'",
                                 (long long)self->run.job.id),
                     0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_steps_outlive_a_failure),
        TEST(test_lost_lease),
        TEST(test_steps_outlive_the_connection),
        TEST(test_wait_for_time),
        TEST(test_wait_until),
        TEST(test_token_is_completed),
        TEST(test_token_times_out),
        TEST(test_completing_is_part_of_the_transaction),
        TEST(test_program_remembers),
        TEST(test_program_with_thousands_of_steps),
        TEST(test_program_waits_for_what_there_is_not),
        TEST(test_program_waits_for_its_token),
        TEST(test_prolongs_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
