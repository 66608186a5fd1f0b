// SPDX-License-Identifier: MIT
// Exchange: from the first line of a request to the end of its answer.
#include "api/exchange.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/auth.h"
#include "api/http_internal.h"
#include "api/metrics.h"
#include "api/problem.h"
#include "common/base/clock.h"
#include "common/base/log.h"

Exchange *exchange_create(Server *server, struct MHD_Connection *mhd, const char *target)
{
    Exchange *exchange = mem_alloc(sizeof *exchange);
    exchange->server = server;
    exchange->mhd = mhd;
    exchange->connection = http_connection_of(mhd);
    exchange->raw_target = mem_strdup(target);
    exchange->began_us = clock_boot_us();
    HttpConnection *connection = exchange->connection;
    if (connection == NULL) { // who it comes from decides what it may do
        panic("a request without the notice of its connection");
    }
    int64_t limit = clock_boot_ms() + HTTP_HEADER_LIMIT_MS;
    connection->deadline = connection->deadline < limit ? connection->deadline : limit;
    connection->exchange = exchange;
    return exchange;
}

static void tell_done(const Exchange *exchange)
{
    const Api *api = exchange->server->api;
    const Route *route = exchange->match.route;
    int64_t took_us = clock_boot_us() - exchange->began_us;
    log_debug("http.request", "method=%s route=%s status=%d took_us=%lld", exchange->method,
              route == NULL ? "-" : route->pattern, exchange->status, (long long)took_us);
    if (api->metrics != NULL) { // else the process is leaving
        metrics_note_request(api->metrics, route, exchange->status, took_us);
    }
}

static void free_headers(Exchange *exchange)
{
    for (int i = 0; i < exchange->header_count; i++) {
        free(exchange->headers[i].name);
        free(exchange->headers[i].value);
    }
    exchange->header_count = 0;
}

void exchange_destroy(Exchange *exchange)
{
    HttpConnection *connection = exchange->connection;
    exchange_abandon(exchange);
    tell_done(exchange);
    connection->exchange = NULL;
    if (connection->deadline != INT64_MAX || exchange->status != 0) {
        connection->deadline = clock_boot_ms() + HTTP_IDLE_LIMIT_MS;
    }
    if (exchange->stream != NULL) {
        http_stream_destroy(exchange->stream);
    }
    if (exchange->response != NULL) {
        MHD_destroy_response(exchange->response);
    }
    free_headers(exchange);
    exchange->server->body_bytes -= (int64_t)exchange->body.length;
    exchange->server->answer_bytes -= exchange->held_bytes;
    strbuf_free(&exchange->body);
    strbuf_free(&exchange->request_json);
    target_free(&exchange->target);
    free(exchange->actor_texts[0]);
    free(exchange->actor_texts[1]);
    free(exchange->raw_target);
    free(exchange);
}

void exchange_wake(Exchange *exchange)
{
    if (exchange->is_suspended) {
        exchange->is_suspended = false;
        MHD_resume_connection(exchange->mhd);
        exchange->server->needs_pump = true;
    }
}

// Whoever works for it is told that nobody waits any more.
void exchange_abandon(Exchange *exchange)
{
    if (exchange->ticket != NULL) {
        pool_forget(exchange->ticket);
        exchange->ticket = NULL;
    }
    if (exchange->phase == EXCHANGE_CALLER) {
        auth_forget(exchange);
        exchange->phase = EXCHANGE_ABANDONED;
        exchange_wake(exchange);
    } else if (exchange->phase == EXCHANGE_WORKING) {
        exchange->phase = EXCHANGE_ABANDONED;
        if (exchange->on_gone != NULL) {
            exchange->on_gone(exchange->gone_data);
        }
        exchange_wake(exchange);
    }
}

// --- the request

Api *exchange_api(const Exchange *exchange)
{
    return exchange->server->api;
}

const Route *exchange_route(const Exchange *exchange)
{
    return exchange->match.route;
}

const char *exchange_method(const Exchange *exchange)
{
    return exchange->method;
}

const char *exchange_variable(const Exchange *exchange, const char *name)
{
    for (size_t i = 0; i < exchange->match.variable_count; i++) {
        if (str_equal(exchange->match.variables[i].name, name)) {
            return exchange->match.variables[i].value;
        }
    }
    return NULL;
}

const char *exchange_query(const Exchange *exchange, const char *name, size_t index)
{
    return target_query(&exchange->target, name, index);
}

const char *exchange_unknown_query(const Exchange *exchange, const char *const *known)
{
    return target_unknown_query(&exchange->target, known);
}

const char *exchange_header(const Exchange *exchange, const char *name)
{
    return MHD_lookup_connection_value(exchange->mhd, MHD_HEADER_KIND, name);
}

const char *exchange_token(const Exchange *exchange)
{
    return exchange->token;
}

const PoolActor *exchange_actor(const Exchange *exchange)
{
    return exchange->actor.role != NULL ? &exchange->actor : NULL;
}

// The headers a statement may look at.
static const char *const PASSED_HEADERS[] = {
    "idempotency-key",
    "if-match",
    "traceparent",
    "tracestate",
};

static void write_member(StrBuf *out, const char *name, bool *is_first)
{
    if (!*is_first) {
        strbuf_append_char(out, ',');
    }
    *is_first = false;
    strbuf_append_json(out, name);
    strbuf_append_char(out, ':');
}

static void write_query(const Target *target, StrBuf *out)
{
    bool is_first = true;
    for (size_t i = 0; i < target->pair_count; i++) {
        const char *name = target->pairs[i].name;
        if (target_query(target, name, 0) != target->pairs[i].value) {
            continue; // written with the first of its name
        }
        write_member(out, name, &is_first);
        if (target_query(target, name, 1) == NULL) {
            strbuf_append_json(out, target->pairs[i].value);
            continue;
        }
        const char *value = NULL;
        for (size_t j = 0; (value = target_query(target, name, j)) != NULL; j++) {
            strbuf_append_char(out, j == 0 ? '[' : ',');
            strbuf_append_json(out, value);
        }
        strbuf_append_char(out, ']');
    }
}

// $1 of a route's statement (route.h).
static const char *request_json(Exchange *exchange)
{
    StrBuf *out = &exchange->request_json;
    if (out->length > 0) {
        return out->text;
    }
    bool is_first = true;
    strbuf_append(out, "{\"path\":{");
    for (size_t i = 0; i < exchange->match.variable_count; i++) {
        write_member(out, exchange->match.variables[i].name, &is_first);
        strbuf_append_json(out, exchange->match.variables[i].value);
    }
    strbuf_append(out, "},\"query\":{");
    write_query(&exchange->target, out);
    strbuf_append(out, "},\"headers\":{");
    is_first = true;
    for (size_t i = 0; i < sizeof PASSED_HEADERS / sizeof PASSED_HEADERS[0]; i++) {
        const char *value = exchange_header(exchange, PASSED_HEADERS[i]);
        if (value != NULL) {
            write_member(out, PASSED_HEADERS[i], &is_first);
            strbuf_append_json(out, value);
        }
    }
    strbuf_append(out, "}}");
    return out->text;
}

void exchange_on_gone(Exchange *exchange, void (*on_gone)(void *data), void *data)
{
    exchange->on_gone = on_gone;
    exchange->gone_data = data;
}

// --- the answer

void exchange_add_header(Exchange *exchange, const char *name, const char *value)
{
    if (exchange->header_count == HTTP_EXTRA_HEADER_MAX) {
        panic("more headers of an answer than HTTP_EXTRA_HEADER_MAX");
    }
    ExtraHeader *header = &exchange->headers[exchange->header_count++];
    header->name = mem_strdup(name);
    header->value = mem_strdup(value);
}

static bool has_header(const Exchange *exchange, const char *name)
{
    for (int i = 0; i < exchange->header_count; i++) {
        if (str_equal(exchange->headers[i].name, name)) {
            return true;
        }
    }
    return false;
}

// What every answer says to a browser; a file of the dashboard brings its own policy.
static void add_headers(Exchange *exchange, struct MHD_Response *response)
{
    static const char *const usual[][2] = {
        {"X-Content-Type-Options", "nosniff"},
        {"Referrer-Policy", "no-referrer"},
        {"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
        {"Cache-Control", "no-store"},
    };
    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++) {
        if (!has_header(exchange, usual[i][0])) {
            (void)MHD_add_response_header(response, usual[i][0], usual[i][1]);
        }
    }
    for (int i = 0; i < exchange->header_count; i++) {
        if (MHD_add_response_header(response, exchange->headers[i].name,
                                    exchange->headers[i].value) != MHD_YES) {
            log_debug("http.header", "name=%s refused=yes", exchange->headers[i].name);
        }
    }
    if (exchange->closes || exchange->server->drain_until != 0) {
        (void)MHD_add_response_header(response, "Connection", "close");
    }
}

void exchange_reply_response(Exchange *exchange, int status, struct MHD_Response *response)
{
    if (response == NULL) {
        panic("out of memory in libmicrohttpd");
    }
    exchange->phase = EXCHANGE_ANSWERED;
    exchange->status = status;
    exchange->response = response;
    exchange->on_gone = NULL;
    add_headers(exchange, response);
    exchange_wake(exchange);
}

enum MHD_Result exchange_send(Exchange *exchange)
{
    exchange->phase = EXCHANGE_SENDING;
    exchange->connection->deadline = exchange->stream != NULL
                                         ? INT64_MAX
                                         : clock_boot_ms() + HTTP_ANSWER_LIMIT_MS +
                                               exchange->answer_bytes / HTTP_SLOWEST_BYTES * 1000;
    return MHD_queue_response(exchange->mhd, (unsigned)exchange->status, exchange->response);
}

// Clients that read slowly, or not at all, have their answers held in memory. What changes something was let in while there was room
// (admission.c), and is done: it is answered.
static bool is_one_too_many(const Exchange *exchange, int64_t length)
{
    return length > HTTP_SMALL_ANSWER_BYTES && str_equal(exchange->method, "GET") &&
           exchange->server->answer_bytes + length > HTTP_ANSWERS_BYTES_MAX;
}

void exchange_reply(Exchange *exchange, int status, const char *content_type, const char *body,
                    size_t length)
{
    if (is_one_too_many(exchange, (int64_t)length)) {
        free_headers(exchange);
        exchange_reply_busy(exchange, 5, "busy",
                            "too many large answers wait for slow readers: try again");
        return;
    }
    if (length > 0) {
        exchange_add_header(exchange, "Content-Type", content_type);
    }
    exchange->answer_bytes = (int64_t)length;
    exchange->held_bytes = (int64_t)length;
    exchange->server->answer_bytes += exchange->held_bytes;
    // The library's parameter is not const, but it copies.
    char *copy = NULL;
    memcpy(&copy, &body, sizeof copy);
    exchange_reply_response(exchange, status,
                            MHD_create_response_from_buffer(length, copy, MHD_RESPMEM_MUST_COPY));
}

void exchange_reply_described(Exchange *exchange, const Problem *problem)
{
    StrBuf text = {0};
    problem_write(&text, problem);
    exchange_reply(exchange, problem->status, "application/problem+json", text.text, text.length);
    strbuf_free(&text);
}

void exchange_reply_problem(Exchange *exchange, int status, const char *code, const char *format,
                            ...)
{
    char detail[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
    const Problem problem = {.status = status, .code = code, .detail = detail};
    exchange_reply_described(exchange, &problem);
}

void exchange_refuse_parameter(Exchange *exchange, const char *name, const char *format, ...)
{
    char detail[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
    const Problem problem = {.status = 400, .code = "22023", .detail = detail, .field = name};
    exchange_reply_described(exchange, &problem);
}

void exchange_reply_busy(Exchange *exchange, int retry_after_sec, const char *code,
                         const char *detail)
{
    char seconds[16];
    snprintf(seconds, sizeof seconds, "%d", retry_after_sec);
    exchange_add_header(exchange, "Retry-After", seconds);
    exchange_reply_problem(exchange, 503, code, "%s", detail);
}

// --- the database

static void on_asked(void *data, const PoolAnswer *answer)
{
    Exchange *exchange = data;
    exchange->ticket = NULL;
    exchange->on_ask(exchange, answer);
}

static bool is_slow(const Exchange *exchange)
{
    unsigned flags = exchange->match.route->flags;
    return (flags & ROUTE_SLOW) != 0 ||
           ((flags & ROUTE_SEARCH) != 0 && exchange_query(exchange, "search", 0) != NULL);
}

void exchange_ask(Exchange *exchange,
                  void (*on_answer)(Exchange *exchange, const PoolAnswer *answer))
{
    const Route *route = exchange->match.route;
    exchange->on_ask = on_answer;
    const PoolAsk ask = {
        .statement = route->statement,
        .count = 2,
        .values = {request_json(exchange), exchange->body.text},
        .actor = exchange_actor(exchange),
        .is_slow = is_slow(exchange),
        .is_write = !route_is_read(route),
        .on_answer = on_asked,
        .data = exchange,
    };
    exchange->ticket = pool_ask(exchange->server->api->pool, &ask);
}

void exchange_run(Exchange *exchange)
{
    exchange_ask(exchange, exchange_reply_answer);
}
