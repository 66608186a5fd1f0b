// SPDX-License-Identifier: MIT
// Webhooks of a real gangerd: what becomes of the job, and that nobody else sees the secrets.
#include "tests/support/unit.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "tests/support/daemon.h"
#include "tests/support/http_sink.h"

#define SECRET "s3cr3t-of-the-signature"
#define BEARER "s3cr3t-of-the-header"
#define OK     "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{\"said\": true}"

typedef struct Fixture {
    SystemTest *test;
    HttpSink *sink;
    Daemon *daemon;
} Fixture;

static Fixture begin(SystemTest *test, const char *timeout)
{
    Fixture self = {.test = test, .sink = http_sink_start(false, NULL)};
    char *handlers = mem_printf(
        "hook: {timeout: %s, http: {url: \"http://127.0.0.1:%d/hook\", allow_http: true, "
        "allow_private: [127.0.0.1], secret: " SECRET ", headers: {Authorization: \"Bearer " BEARER
        "\"}}}, later: {http: {url: \"http://127.0.0.1:%d/later\", allow_http: true, "
        "allow_private: 127.0.0.1, callback_timeout: 1h}}",
        timeout, http_sink_port(self.sink), http_sink_port(self.sink));
    self.daemon = daemon_run(test, "hooks", 1,
                             &(DaemonOptions){.pools = "{default: {processes: 1}}",
                                              .handlers = handlers,
                                              .supervisor = "kill_grace: 5s"});
    free(handlers);
    return self;
}

static void end(const Fixture *self)
{
    http_sink_stop(self->sink);
}

static bool has_text(const char *path, const char *text)
{
    char bytes[65536];
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t length = fd >= 0 ? read(fd, bytes, sizeof bytes) : -1;
    if (fd >= 0) {
        close(fd);
    }
    return length > 0 && memmem(bytes, (size_t)length, text, strlen(text)) != NULL;
}

// Of a run that went well and of one that failed.
static void test_jobs_and_secrets(void **state)
{
    SystemTest *test = *state;
    const Fixture self = begin(test, "30s");
    http_sink_answer(self.sink, OK);
    int64_t last = 0;
    for (int i = 0; i < 20; i++) {
        last = job_add(test, "'hook', '{\"i\": %d}'", i);
    }
    job_await(test, last, "completed");
    sql_await(test, "(select count(*) = 20 from ganger.jobs where status = 'completed' and output "
                    "= '{\"said\": true}')");
    CHECK(test, http_sink_requests(self.sink) == 20);
    CHECK(test, http_sink_connections(self.sink) == 1); // kept from job to job
    char *bearer = http_sink_header(http_sink_request(self.sink, 0), "Authorization");
    CHECK(test, str_equal(bearer, "Bearer " BEARER));
    free(bearer);
    http_sink_answer(self.sink, "HTTP/1.1 410 Gone\r\nContent-Length: 3\r\n\r\nno\n");
    const int64_t gone = job_add(test, "'hook'");
    job_await(test, gone, "failed");
    sql_check(test,
              "(select failure_reason = 'discarded' and attempts = 1 and error = 'HTTP 410 from "
              "127.0.0.1: no' from ganger.jobs where id = %" PRId64 ")",
              gone);
    CHECK(test, daemon_log_count(self.daemon, "s3cr3t") == 0);
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/cmdline",
                   (int)daemon_child(self.daemon, "ganger-worker", 0));
    CHECK(test, has_text(path, "ganger-worker") && !has_text(path, "s3cr3t"));
    end(&self);
}

static void test_retry_after(void **state)
{
    SystemTest *test = *state;
    const Fixture self = begin(test, "30s");
    http_sink_answer(self.sink, "HTTP/1.1 503 X\r\nRetry-After: 900\r\nContent-Length: 0\r\n\r\n");
    const int64_t id = job_add(test, "'hook', retry_delay => '1 s'");
    sql_await(test,
              "(select exists (select from ganger.jobs where id = %" PRId64
              " and pending_reason = 'retry' and error = 'HTTP 503 from 127.0.0.1' "
              "and next_attempt_at - now() between '14 min' and '15 min'))",
              id);
    CHECK(test, http_sink_requests(self.sink) == 1);
    // No wait at all leaves the job's own delay as it is, instead of taking all its attempts at once.
    http_sink_answer(self.sink, "HTTP/1.1 503 X\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n");
    const int64_t soon = job_add(test, "'hook', retry_delay => '1 h', retry_backoff => false");
    sql_await(test,
              "(select exists (select from ganger.jobs where id = %" PRId64
              " and pending_reason = 'retry' "
              "and next_attempt_at - now() between '59 min' and '60 min'))",
              soon);
    CHECK(test, http_sink_requests(self.sink) == 2);
    end(&self);
}

// The receiver never answers: soft stop at the timeout, and the worker lives on.
static void test_timeout_and_cancel(void **state)
{
    SystemTest *test = *state;
    const Fixture self = begin(test, "500ms");
    const pid_t worker = daemon_child(self.daemon, "ganger-worker", 0);
    http_sink_answer(self.sink, NULL);
    const int64_t late = job_add(test, "'hook', max_attempts => 1");
    job_await(test, late, "failed");
    sql_check(test,
              "(select failure_reason = 'timeout' and error = 'stopped at its timeout of 500ms: "
              "127.0.0.1 had not answered, the request was broken off' from ganger.jobs where id = "
              "%" PRId64 ")",
              late);
    const int64_t cancelled = job_add(test, "'hook', timeout => '1 h'");
    CHECK(test, http_sink_request(self.sink, 1) != NULL);
    test_db_run(test->conn, "SELECT ganger.cancel(%" PRId64 ")", cancelled);
    job_await(test, cancelled, "cancelled");
    CHECK(test, daemon_child(self.daemon, "ganger-worker", 0) == worker);
    end(&self);
}

static void test_callback(void **state)
{
    SystemTest *test = *state;
    const Fixture self = begin(test, "30s");
    http_sink_answer(self.sink, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
    const int64_t id = job_add(test, "'later', max_attempts => 1");
    job_await(test, id, "waiting");
    // The worker is free for others meanwhile.
    job_await(test, job_add(test, "'noop'"), "completed");
    char *token = http_sink_header(http_sink_request(self.sink, 0), "X-Ganger-Callback-Token");
    CHECK(test, token != NULL);
    test_db_run(test->conn, "SELECT ganger.complete_token('%s', '{\"n\": 7}')", token);
    job_await(test, id, "completed");
    sql_check(test,
              "(select output = '{\"n\": 7}' and attempts = 1 from ganger.jobs where id = %" PRId64
              ")",
              id);
    CHECK(test, http_sink_requests(self.sink) == 1);
    free(token);
    end(&self);
}

// The worker dies while it waits for the answer: the job is tried again, and the receiver can tell by the key.
static void test_worker_is_killed(void **state)
{
    SystemTest *test = *state;
    const Fixture self = begin(test, "30s");
    http_sink_answer(self.sink, NULL);
    const int64_t id = job_add(test, "'hook', max_attempts => 2, retry_delay => '0 s'");
    CHECK(test, http_sink_request(self.sink, 0) != NULL);
    http_sink_answer(self.sink, OK);
    (void)kill(daemon_child(self.daemon, "ganger-worker", 0), SIGKILL);
    job_await(test, id, "completed");
    sql_check(test, "(select attempts = 2 and crashes = 1 from ganger.jobs where id = %" PRId64 ")",
              id);
    char *first = http_sink_header(http_sink_request(self.sink, 0), "Idempotency-Key");
    char *second = http_sink_header(http_sink_request(self.sink, 1), "Idempotency-Key");
    CHECK(test, first != NULL && second != NULL && str_equal(first, second));
    free(first);
    free(second);
    end(&self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_jobs_and_secrets, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_retry_after, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_timeout_and_cancel, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_callback, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_worker_is_killed, system_setup, system_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
