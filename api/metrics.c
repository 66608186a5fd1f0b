// SPDX-License-Identifier: MIT
// Metrics: see the header.
#include "api/metrics.h"

#include <stdlib.h>

#include "api/metrics_board.h"
#include "api/metrics_database.h"
#include "api/metrics_http.h"
#include "api/metrics_process.h"
#include "api/metrics_text.h"
#include "api/problem.h"
#include "api/stream.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "sql_queries.h"

enum {
    FIRST_SAMPLE_MS = 200,   // after the start, so that the first scrape has one
    INTEREST_MS = 300 * 1000 // after a scrape samples go on for so long
};

static const char CONTENT_TYPE[] = "text/plain; version=0.0.4; charset=utf-8";

struct Metrics {
    Api *api;
    HttpMetrics *http;
    ProcessMetrics processes;
    DatabaseSample sample;
    PoolTicket *ticket; // of the sample that is being taken; NULL none
    int64_t asked_us;
    int64_t wanted_until; // clock_boot_ms
    ev_timer timer;       // runs while somebody looks, until the next sample is due
    uint64_t scrapes;
};

static void arm(Metrics *self, int64_t in_ms)
{
    ev_timer_stop(self->api->loop, &self->timer);
    ev_timer_set(&self->timer, (double)in_ms / 1000, 0);
    ev_timer_start(self->api->loop, &self->timer);
}

static void on_sample(void *data, const PoolAnswer *answer)
{
    Metrics *self = data;
    self->ticket = NULL;
    if (answer->outcome == POOL_DONE) {
        metrics_database_take(&self->sample, answer->result, clock_boot_ms(),
                              clock_boot_us() - self->asked_us);
    } else {
        const bool is_refused =
            answer->outcome == POOL_ERROR && !problem_is_schema_missing(answer->result);
        metrics_database_fail(&self->sample, is_refused);
        if (is_refused) {
            log_warn("metrics.sample_failed", "error=\"%s\" next_try_ms=%lld",
                     PQresultErrorField(answer->result, PG_DIAG_MESSAGE_PRIMARY),
                     (long long)self->sample.pace_ms);
        }
    }
    arm(self, self->sample.pace_ms);
}

static void take_sample(Metrics *self)
{
    if (self->ticket != NULL || self->api->is_leaving) {
        return;
    }
    self->asked_us = clock_boot_us();
    const PoolAsk ask = {
        .statement = &SQL_api_metrics, .is_urgent = true, .on_answer = on_sample, .data = self};
    self->ticket = pool_ask(self->api->pool, &ask);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    Metrics *self = timer->data;
    if (clock_boot_ms() <= self->wanted_until) {
        take_sample(self);
    } // else it rests until the next scrape
}

Metrics *metrics_create(Api *api)
{
    Metrics *self = mem_alloc(sizeof *self);
    self->api = api;
    self->http = metrics_http_create();
    self->wanted_until = clock_boot_ms() + METRICS_SAMPLE_MS;
    ev_timer_init(&self->timer, on_timer, 0, 0);
    self->timer.data = self;
    arm(self, FIRST_SAMPLE_MS);
    return self;
}

void metrics_destroy(Metrics *self)
{
    if (self == NULL) {
        return;
    }
    if (self->ticket != NULL) {
        pool_forget(self->ticket);
    }
    ev_timer_stop(self->api->loop, &self->timer);
    metrics_http_destroy(self->http);
    metrics_database_free(&self->sample);
    free(self);
}

// Somebody looks: if nobody has for a while, the samples begin again.
static void note_interest(Metrics *self)
{
    const int64_t now = clock_boot_ms();
    self->scrapes++;
    self->wanted_until = now + INTEREST_MS;
    if (!ev_is_active(&self->timer) && self->ticket == NULL) {
        arm(self, 0);
    }
}

static void write_pool(MetricsText *text, const Pool *pool)
{
    PoolState state = {.size = 0};
    pool_read_state(pool, &state);
    metrics_text_family(text, METRIC_GAUGE, "ganger_http_pool_connections",
                        "Connections of the HTTP API to the database: wanted, connected, in use.");
    metrics_text_count(text, METRIC_LABELS({"state", "wanted"}), (uint64_t)state.size);
    metrics_text_count(text, METRIC_LABELS({"state", "connected"}), (uint64_t)state.connected);
    metrics_text_count(text, METRIC_LABELS({"state", "busy"}), (uint64_t)state.busy);
    metrics_text_family(text, METRIC_GAUGE, "ganger_http_pool_waiting",
                        "Requests that wait for a connection.");
    metrics_text_count(text, METRIC_NO_LABELS, (uint64_t)state.waiting);
    metrics_text_family(
        text, METRIC_COUNTER, "ganger_http_pool_statements_total",
        "Statements of the HTTP API: answered, or refused for want of a connection.");
    metrics_text_count(text, METRIC_LABELS({"result", "answered"}), state.answered);
    metrics_text_count(text, METRIC_LABELS({"result", "refused"}), state.refused);
    metrics_text_family(text, METRIC_COUNTER, "ganger_http_pool_reconnects_total",
                        "Connections of the HTTP API that had to be made anew.");
    metrics_text_count(text, METRIC_NO_LABELS, state.reconnects);
}

static void write_self(const Metrics *self, MetricsText *text)
{
    metrics_text_family(text, METRIC_GAUGE, "ganger_build_info",
                        "1; its labels say which program this is.");
    metrics_text_count(
        text, METRIC_LABELS({"version", GANGER_VERSION}, {"node", self->api->config->node_name}),
        1);
    metrics_text_family(text, METRIC_COUNTER, "ganger_scrapes_total",
                        "Answers like this one, since the HTTP process was started.");
    metrics_text_count(text, METRIC_NO_LABELS, self->scrapes);
    metrics_text_family(text, METRIC_GAUGE, "ganger_http_event_streams",
                        "Event streams that are open.");
    metrics_text_number(text, METRIC_NO_LABELS, (double)stream_hub_count(self->api->streams));
    metrics_text_family(text, METRIC_GAUGE, "ganger_database_up",
                        "1 while the HTTP API has a connection to the database.");
    metrics_text_count(text, METRIC_NO_LABELS, pool_is_up(self->api->pool) ? 1 : 0);
}

void metrics_answer(Exchange *exchange)
{
    Api *api = exchange_api(exchange);
    Metrics *self = api->metrics;
    MetricsText text = {.family = NULL};
    note_interest(self);
    write_self(self, &text);
    metrics_board_write(&text, api->board, api->config);
    metrics_process_write(&self->processes, &text, api->board);
    metrics_database_write(&self->sample, &text, clock_boot_ms());
    metrics_http_write(self->http, &text);
    write_pool(&text, api->pool);
    exchange_reply(exchange, 200, CONTENT_TYPE, text.out.text, text.out.length);
    metrics_text_free(&text);
}

void metrics_note_request(Metrics *self, const Route *route, int status, int64_t took_us)
{
    metrics_http_note(self->http, route, status, took_us);
}
