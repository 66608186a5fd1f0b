// SPDX-License-Identifier: MIT
// Tests of webhooks against a real HTTP server: receivers that answer later, by a callback.
#include "tests/support/webhook_run.h"

// --- callbacks

static int setup_db(void **state)
{
    void *db = NULL;
    if (setup(state) != 0 || test_db_setup(&db) != 0) {
        return 1;
    }
    Fixture *self = *state;
    self->db = db;
    self->admin = test_db_connect(self->db);
    self->run.context.db = test_db_open(self->db);
    self->run.context.url = self->db->url;
    self->run.handler_config.http.callback_timeout_ms = 3600000;
    use_config(self);
    return 0;
}

static int teardown_db(void **state)
{
    Fixture *self = *state;
    void *db = self->db;
    db_close(self->run.context.db);
    db_close(self->run.context.aux);
    PQfinish(self->admin);
    const int failed = test_db_teardown(&db);
    return teardown(state) != 0 || failed;
}

static char *token_of(Fixture *self, int request)
{
    char *token =
        http_sink_header(http_sink_request(self->sink, request), "X-Ganger-Callback-Token");
    assert_non_null(token);
    return token;
}

static void test_callback(void **state)
{
    Fixture *self = *state;
    test_db_run(self->admin, "SELECT ganger.enqueue('probe')");
    worker_run_claim(&self->run, self->admin);
    expect(run_with(self, ANSWER("202 Accepted", "", "")), OUTCOME_WAIT, "{\"token\": \"tok_");
    char *token = token_of(self, 0);
    assert_non_null(strstr(self->run.result.text, token));
    // The same token when it is asked again.
    self->run.job.is_first_start = false;
    expect(run_with(self, ANSWER("503 X", "", "")), OUTCOME_ERROR, "HTTP 503");
    char *again = token_of(self, 1);
    assert_string_equal(token, again);
    // It has had the request, and gives its result though its answer was lost.
    test_db_run(self->admin, "SELECT ganger.complete_token('%s', '{\"n\": 7}')", token);
    expect(run(self), OUTCOME_COMPLETED, "{\"n\": 7}");
    assert_int_equal(http_sink_requests(self->sink), 2);
    free(again);
    free(token);
}

static void test_callback_answered_at_once(void **state)
{
    Fixture *self = *state;
    test_db_run(self->admin, "SELECT ganger.enqueue('probe')");
    worker_run_claim(&self->run, self->admin);
    expect(run_with(self, ANSWER("200 OK", "", "1")), OUTCOME_COMPLETED, "1");
    char *token = token_of(self, 0);
    free(token);
}

static void test_callback_without_data(void **state)
{
    Fixture *self = *state;
    test_db_run(self->admin, "SELECT ganger.enqueue('probe')");
    worker_run_claim(&self->run, self->admin);
    expect(run_with(self, ANSWER("202 Accepted", "", "")), OUTCOME_WAIT, "tok_");
    char *token = token_of(self, 0);
    test_db_run(self->admin, "SELECT ganger.complete_token('%s')", token);
    self->run.job.is_first_start = false;
    expect(run(self), OUTCOME_COMPLETED, NULL);
    assert_null(self->run.result.text);
    free(token);
}

static void time_out(Fixture *self, const char *token)
{
    test_db_run(self->admin, "UPDATE ganger.token SET timeout_at = now() WHERE token = '%s'",
                token);
    assert_true(test_db_await(self->admin, 20000,
                              "SELECT status = 'timed_out' FROM ganger.maintain() AS m, "
                              "ganger.tokens WHERE token = '%s'",
                              token));
}

// The wait was in vain: one attempt's error; the next one asks again, with a new token.
static void test_callback_times_out(void **state)
{
    Fixture *self = *state;
    test_db_run(self->admin, "SELECT ganger.enqueue('probe')");
    worker_run_claim(&self->run, self->admin);
    expect(run_with(self, ANSWER("202 Accepted", "", "")), OUTCOME_WAIT, "tok_");
    char *token = token_of(self, 0);
    char *lease = test_db_text(self->admin, "SELECT lease_id::text FROM ganger.job WHERE id = %lld",
                               (long long)self->run.job.id);
    test_db_run(self->admin, "SELECT ganger.wait_for_token(%lld, '%s', '%s')",
                (long long)self->run.job.id, lease, token);
    free(lease);
    time_out(self, token);
    assert_true(test_db_await(self->admin, 20000,
                              "SELECT status = 'pending' AND pending_reason IS NULL "
                              "FROM ganger.maintain() AS m, ganger.jobs WHERE id = %lld",
                              (long long)self->run.job.id));
    worker_run_claim(&self->run, self->admin);
    self->run.job.is_first_start = false;
    expect(run(self), OUTCOME_ERROR, "no callback within 1h (callback_timeout)");
    assert_int_equal(http_sink_requests(self->sink), 1);
    expect(run(self), OUTCOME_WAIT, "tok_");
    char *other = token_of(self, 1);
    assert_string_not_equal(token, other);
    free(other);
    free(token);
}

// One that times out before anybody has waited for it is nobody's failure.
static void test_callback_token_grows_old(void **state)
{
    Fixture *self = *state;
    test_db_run(self->admin, "SELECT ganger.enqueue('probe')");
    worker_run_claim(&self->run, self->admin);
    expect(run_with(self, ANSWER("503 X", "", "")), OUTCOME_ERROR, "HTTP 503");
    char *token = token_of(self, 0);
    time_out(self, token);
    self->run.job.is_first_start = false;
    expect(run_with(self, ANSWER("202 Accepted", "", "")), OUTCOME_WAIT, "tok_");
    char *other = token_of(self, 1);
    assert_string_not_equal(token, other);
    free(other);
    free(token);
}

#define TEST_DB(name) cmocka_unit_test_setup_teardown(name, setup_db, teardown_db)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_DB(test_callback),
        TEST_DB(test_callback_answered_at_once),
        TEST_DB(test_callback_without_data),
        TEST_DB(test_callback_times_out),
        TEST_DB(test_callback_token_grows_old),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
