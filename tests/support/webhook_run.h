// SPDX-License-Identifier: MIT
// A run of a webhook without a worker, against a real HTTP server.
#ifndef TESTS_SUPPORT_WEBHOOK_RUN_H
#define TESTS_SUPPORT_WEBHOOK_RUN_H

#include <stdio.h>

#include "common/base/signals.h"
#include "tests/support/http_sink.h"
#include "tests/support/test_db.h"
#include "tests/support/worker_run.h"
#include "worker/http_handler.h"
#include "worker/job_context.h"

typedef struct Fixture {
    WorkerRun run;
    HttpSink *sink;
    char url[64];
    char *loopback[1];
    char *hosts[1];
    TestDb *db; // NULL unless a test wants one
    PGconn *admin;
} Fixture;

static inline void use_sink(Fixture *self, bool is_tls, const char *ca_path)
{
    if (self->sink != NULL) {
        http_sink_stop(self->sink);
    }
    self->sink = http_sink_start(is_tls, ca_path);
    (void)snprintf(self->url, sizeof self->url, "http%s://127.0.0.1:%d/hook?a=1", is_tls ? "s" : "",
                   http_sink_port(self->sink));
    self->run.handler_config.http.url = self->url;
}

// Again after each change of the configuration.
static inline void use_config(Fixture *self)
{
    StrBuf why = {0};
    http_handler_destroy(self->run.handler.http);
    if (!http_handler_create(&self->run.handler.http, &self->run.handler_config.http, &why)) {
        fail_msg("%s", why.text);
    }
}

static inline int setup(void **state)
{
    Fixture *self = mem_alloc(sizeof *self);
    worker_run_setup(&self->run);
    signals_ignore_pipe(); // as the worker does
    self->loopback[0] = mem_strdup("127.0.0.0/8");
    self->run.handler_config.kind = HANDLER_HTTP;
    self->run.handler_config.http = (WebhookConfig){
        .allow_private = {.items = self->loopback, .count = 1},
        .allow_http = true,
        .connect_timeout_ms = 10000,
        .max_response_bytes = 65536,
        .max_retry_after_ms = 3600000,
    };
    use_sink(self, false, NULL);
    use_config(self);
    *state = self;
    return 0;
}

static inline int teardown(void **state)
{
    Fixture *self = *state;
    http_handler_destroy(self->run.handler.http);
    http_sink_stop(self->sink);
    free(self->loopback[0]);
    free(self->hosts[0]);
    worker_run_teardown(&self->run);
    free(self);
    return 0;
}

static inline const RunResult *run(Fixture *self)
{
    worker_run_forget_result(&self->run);
    slot_log_clear(self->run.slot);
    run_http(&self->run.handler, &self->run.context, &self->run.result);
    return &self->run.result;
}

static inline const RunResult *run_with(Fixture *self, const char *answer)
{
    http_sink_answer(self->sink, answer);
    return run(self);
}

static inline void expect(const RunResult *result, JobOutcome outcome, const char *text)
{
    const char *said = result->text != NULL ? result->text : "(nothing)";
    if (result->outcome != outcome || (text != NULL && strstr(said, text) == NULL)) {
        fail_msg("outcome %d: %s; expected %d: %s", (int)result->outcome, said, (int)outcome,
                 text != NULL ? text : "");
    }
}

#define ANSWER(status, headers, body)                                                              \
    "HTTP/1.1 " status "\r\n" headers "Connection: close\r\n\r\n" body

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
