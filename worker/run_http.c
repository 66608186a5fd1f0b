// SPDX-License-Identifier: MIT
// Runs a job through a webhook: its payload is sent to an HTTP server, whose answer says what came of it.
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "common/base/clock.h"
#include "common/base/duration.h"
#include "common/base/inherited_fd.h"
#include "common/base/log.h"
#include "worker/cpu_meter.h"
#include "worker/exec_output.h"
#include "worker/http_answer.h"
#include "worker/http_callback.h"
#include "worker/http_client.h"
#include "worker/job_context.h"
#include "worker/job_waits.h"
#include "worker/runner.h"

enum { LOOK_MS = 60000 }; // stops come by FD_WAKE; the clock is looked at so often all the same

typedef struct HttpRun {
    JobContext context;
    const HttpHandler *handler;
    const char *token; // of the callback that is offered; NULL = none
    bool is_orphaned;  // the supervisor is gone
} HttpRun;

static JobOutcome ask(HttpRun *self);

// Of this process, as its connections outlive a job. NULL: *why says so.
static HttpClient *the_client(StrBuf *why)
{
    static HttpClient *client;
    if (client == NULL) {
        client = http_client_create(why);
    }
    return client;
}

static JobOutcome fail(HttpRun *self, JobOutcome outcome, const char *message)
{
    job_context_set_error(&self->context, message);
    return outcome;
}

// The receiver has given its result by the token.
static JobOutcome take_data(HttpRun *self, const char *data)
{
    if (data != NULL && job_context_output(&self->context, data, strlen(data)) != GANGER_DONE) {
        return fail(self, OUTCOME_ERROR, self->context.last_error);
    }
    return OUTCOME_COMPLETED;
}

static JobOutcome ask_with_callback(HttpRun *self)
{
    const int64_t timeout_ms = self->handler->config->callback_timeout_ms;
    const char *data = NULL;
    char limit[32];
    char *message = NULL;
    JobOutcome outcome = OUTCOME_ERROR;
    switch (http_callback_begin(&self->context, timeout_ms, &self->token, &data)) {
    case HTTP_CALLBACK_OPEN:
        return ask(self);
    case HTTP_CALLBACK_DONE:
        return take_data(self, data);
    case HTTP_CALLBACK_TIMED_OUT:
        duration_format(timeout_ms, limit, sizeof limit);
        message = mem_printf("no callback within %s (callback_timeout)", limit);
        break;
    case HTTP_CALLBACK_FAILED:
        message = mem_printf("its callback token: %s", self->context.last_error);
        break;
    }
    outcome = fail(self, outcome, message);
    free(message);
    return outcome;
}

void run_http(const Handler *handler, RunContext *run, RunResult *result)
{
    HttpRun self = {.handler = handler->http};
    job_context_init(&self.context, run);
    run->settled = false;
    const int64_t cpu_start_us = cpu_meter_at(clock_boot_us());
    const bool has_callback = self.handler->config->callback_timeout_ms > 0;
    const JobOutcome outcome = has_callback ? ask_with_callback(&self) : ask(&self);
    job_context_fill_result(&self.context, outcome, result);
    result->cpu_us = cpu_meter_since(cpu_start_us, clock_boot_us());
    result->max_rss_bytes = -1;
    job_context_deinit(&self.context);
}

static bool is_supervisor_gone(void)
{
    struct pollfd lifeline = {.fd = FD_LIFELINE, .events = POLLIN};
    return poll(&lifeline, 1, 0) > 0;
}

// A stop is raised before FD_WAKE is written, and read here after it was emptied: none is slept through.
static HttpWatch watch(void *data, int *left_ms)
{
    HttpRun *self = data;
    eventfd_t wakeups;
    if (eventfd_read(FD_WAKE, &wakeups) != 0 && errno != EAGAIN) {
        log_debug("worker.wake", "error=%d", errno);
    }
    self->is_orphaned = is_supervisor_gone();
    const int64_t remaining = job_context_remaining_ms(&self->context);
    if (self->is_orphaned || remaining == 0 || job_context_should_stop(&self->context)) {
        return HTTP_STOP;
    }
    *left_ms = remaining < 0 || remaining > LOOK_MS ? LOOK_MS : (int)remaining;
    return HTTP_GO_ON;
}

static void keep_output(HttpRun *self, const HttpExchange *exchange)
{
    const char *body = exchange->body.text != NULL ? exchange->body.text : "";
    const size_t length = exchange->body.length;
    if (exchange->is_cut) {
        char *line =
            mem_printf("ganger: the answer was cut after %zu bytes (max_response)", length);
        job_context_log(&self->context, line, strlen(line));
        free(line);
    }
    self->context.run->output = exec_output_json(body, length, length + (exchange->is_cut ? 1 : 0));
}

static JobOutcome judge(HttpRun *self, const HttpExchange *exchange, const char *host)
{
    const HttpAnswer answer = {.status = exchange->status,
                               .retry_after = exchange->retry_after,
                               .body = exchange->body.text,
                               .body_length = exchange->body.length};
    const JobOutcome outcome = http_answer_outcome(&answer, self->token != NULL);
    if (outcome == OUTCOME_COMPLETED) {
        keep_output(self, exchange);
        return outcome;
    }
    if (outcome == OUTCOME_WAIT) {
        job_wait_token(&self->context, self->token);
        return outcome;
    }
    self->context.retry_after_ms = http_answer_delay_ms(&answer, clock_wall_us() / 1000,
                                                        self->handler->config->max_retry_after_ms);
    char *message = http_answer_message(&answer, host);
    job_context_set_error(&self->context, message);
    free(message);
    return outcome;
}

static JobOutcome send_request(HttpRun *self, HttpClient *client, const HttpRequest *request)
{
    static const int wakes[] = {FD_WAKE, FD_LIFELINE};
    HttpExchange exchange = {.request = request,
                             .handler = self->handler,
                             .watch = watch,
                             .watch_data = self,
                             .wake_fds = wakes,
                             .wake_count = sizeof wakes / sizeof wakes[0]};
    const char *host = request->target.host;
    http_client_run(client, &exchange);
    JobOutcome outcome = OUTCOME_ERROR;
    if (self->is_orphaned) { // not the job's fault: given back
        self->context.snooze_ms = 0;
        outcome = OUTCOME_SNOOZE;
    } else if (exchange.is_stopped) {
        char *message = mem_printf("%s had not answered, the request was broken off", host);
        job_context_set_error(&self->context, message);
        free(message);
    } else if (exchange.error != NULL) {
        job_context_set_error(&self->context, exchange.error);
    } else {
        outcome = judge(self, &exchange, host);
    }
    http_exchange_free(&exchange);
    return outcome;
}

static JobOutcome ask(HttpRun *self)
{
    StrBuf why = {0};
    HttpRequest request;
    JobOutcome outcome = OUTCOME_ERROR;
    HttpClient *client = the_client(&why);
    const HttpRequestMade made =
        client == NULL ? HTTP_REQUEST_REFUSED
                       : http_request_make(&request, self->handler, self->context.run->job,
                                           self->token, clock_wall_us() / 1000000, &why);
    if (made == HTTP_REQUEST_MADE) {
        outcome = send_request(self, client, &request);
    } else {
        outcome =
            fail(self, made == HTTP_REQUEST_NOWHERE ? OUTCOME_DISCARD : OUTCOME_ERROR, why.text);
    }
    if (client != NULL) {
        http_request_free(&request);
    }
    strbuf_free(&why);
    return outcome;
}
