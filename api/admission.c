// SPDX-License-Identifier: MIT
// Admission: what a request must be before its handler sees it. The order is that of cost and of trust.
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/auth.h"
#include "api/files.h"
#include "api/http_internal.h"
#include "api/origin.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/utf8.h"

typedef struct HeaderList {
    GuardHeader items[GUARD_HEADER_COUNT_MAX];
    size_t count;
} HeaderList;

static enum MHD_Result collect(void *data, enum MHD_ValueKind kind, const char *name,
                               size_t name_length, const char *value, size_t value_length)
{
    (void)kind;
    HeaderList *list = data;
    if (list->count < GUARD_HEADER_COUNT_MAX) {
        list->items[list->count] = (GuardHeader){name, name_length, value == NULL ? "" : value,
                                                 value == NULL ? 0 : value_length};
    }
    list->count++;
    return MHD_YES;
}

static size_t received_bytes(Exchange *exchange)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(exchange->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    return info == NULL ? 0 : info->header_size;
}

static bool refuse(Exchange *exchange, int status, const char *code, const char *why)
{
    exchange_reply_problem(exchange, status, code, "%s", why);
    return false;
}

static bool pass_guard(Exchange *exchange, const char *version, GuardBody *body)
{
    HeaderList headers = {.count = 0};
    MHD_get_connection_values_n(exchange->mhd, MHD_HEADER_KIND, collect, &headers);
    const GuardRequest request = {
        .method = exchange->method,
        .target = exchange->raw_target,
        .version = version,
        .headers = headers.items,
        .header_count = headers.count,
        .received_bytes = received_bytes(exchange),
    };
    const char *why = NULL;
    GuardVerdict verdict = guard_check(&request, body, &why);
    if (verdict != GUARD_OK) {
        log_debug("http.malformed", "peer=%s status=%d reason=\"%s\"", exchange->connection->peer,
                  (int)verdict, why);
        exchange->closes = true;
        return refuse(exchange, (int)verdict, "malformed", why);
    }
    exchange->has_body = body->is_chunked || body->length > 0;
    if (!target_parse(&exchange->target, exchange->raw_target, &why)) {
        exchange->closes = true;
        return refuse(exchange, 400, "malformed", why);
    }
    return true;
}

static bool is_read(const Exchange *exchange)
{
    return str_equal(exchange->method, "GET") || str_equal(exchange->method, "HEAD");
}

static bool pass_origin(Exchange *exchange)
{
    const Config *config = exchange->server->api->config;
    const OriginRequest request = {
        .is_unix = exchange->connection->is_unix,
        .is_open = config->http_auth == HTTP_AUTH_NONE,
        .is_read = is_read(exchange),
        .host = exchange_header(exchange, "Host"),
        .origin = exchange_header(exchange, "Origin"),
        .fetch_site = exchange_header(exchange, "Sec-Fetch-Site"),
        .hosts = &exchange->server->hosts,
    };
    const char *problem = origin_problem(&request);
    return problem == NULL || refuse(exchange, 403, "foreign", problem);
}

// Answers what no route serves: a file of the dashboard, or 404.
static bool find_route(Exchange *exchange)
{
    Server *server = exchange->server;
    RouterOutcome outcome = router_find(server->routes, server->route_count, exchange->method,
                                        &exchange->target, &exchange->match);
    switch (outcome) {
    case ROUTER_FOUND:
        return true;
    case ROUTER_METHOD:
        exchange_add_header(exchange, "Allow", exchange->match.allow);
        return refuse(exchange, 405, "method",
                      "this path has other methods: the header Allow names them");
    case ROUTER_BAD_ID:
        return refuse(exchange, 404, "not_found",
                      "there is no such path: an id is a positive whole number");
    case ROUTER_NONE:
        break;
    }
    if (is_read(exchange) && // below /api there is one: its description
        files_answer(server->api->files, exchange, &exchange->target)) {
        return false;
    }
    return refuse(exchange, 404, "not_found", "there is no such path");
}

// --- bodies

static bool is_json(const char *content_type)
{
    static const char JSON[] = "application/json";
    size_t length = sizeof JSON - 1;
    return content_type != NULL && strncasecmp(content_type, JSON, length) == 0 &&
           (content_type[length] == '\0' || strchr("; \t", content_type[length]) != NULL);
}

static bool is_room(const Exchange *exchange, size_t more)
{
    return exchange->server->body_bytes + (int64_t)more <= HTTP_BODIES_BYTES_MAX;
}

static bool pass_body(Exchange *exchange, const GuardBody *body)
{
    if (exchange->has_body && is_read(exchange)) {
        exchange->closes = true;
        return refuse(exchange, 400, "malformed", "GET and HEAD have no body");
    }
    if (body->length > exchange->server->api->config->http_max_body_bytes) {
        return refuse(exchange, 413, "too_large", "the body is larger than http.max_body");
    }
    if (exchange->has_body && !is_json(exchange_header(exchange, "Content-Type"))) {
        return refuse(exchange, 415, "content_type",
                      "the body must be JSON: Content-Type: application/json");
    }
    if (exchange->has_body && !is_room(exchange, (size_t)body->length)) {
        exchange_reply_busy(exchange, 1, "busy", "too many large requests at once: try again");
        return false;
    }
    return true;
}

bool admission_go_on(Exchange *exchange)
{
    switch (auth_check(exchange)) {
    case AUTH_REFUSED:
        return false;
    case AUTH_OPEN:
        exchange->phase = EXCHANGE_CALLER;
        exchange->connection->deadline = INT64_MAX;
        return false;
    case AUTH_GRANTED:
        break;
    }
    if (!pass_body(exchange, &exchange->announced)) {
        return false;
    }
    exchange->phase = EXCHANGE_BODY;
    exchange->connection->deadline = clock_boot_ms() + HTTP_BODY_LIMIT_MS;
    return true;
}

bool admission_check(Exchange *exchange, const char *version)
{
    return pass_guard(exchange, version, &exchange->announced) && pass_origin(exchange) &&
           find_route(exchange) && admission_go_on(exchange);
}

// In the middle of a body libmicrohttpd takes no answer: it is given one past it, and the connection ends.
static bool end_body(Exchange *exchange, int status, const char *answer)
{
    exchange->status = status;
    (void)!send(exchange->connection->fd, answer, strlen(answer), MSG_DONTWAIT | MSG_NOSIGNAL);
    shutdown(exchange->connection->fd, SHUT_WR);
    return false;
}

bool admission_take_body(Exchange *exchange, const char *data, size_t length)
{
    static const char TOO_LARGE[] = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n"
                                    "Connection: close\r\n\r\n";
    static const char BUSY[] = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n"
                               "Content-Length: 0\r\nConnection: close\r\n\r\n";
    int64_t limit = exchange->server->api->config->http_max_body_bytes;
    if ((int64_t)(exchange->body.length + length) > limit) {
        return end_body(exchange, 413, TOO_LARGE);
    }
    if (!is_room(exchange, length)) { // others' bodies are in the way: not for long
        return end_body(exchange, 503, BUSY);
    }
    strbuf_append_bytes(&exchange->body, data, length);
    exchange->server->body_bytes += (int64_t)length;
    return true;
}

static bool is_text(const StrBuf *body)
{
    return body->length == 0 || (memchr(body->text, '\0', body->length) == NULL &&
                                 utf8_is_valid(body->text, body->length));
}

// A change is answered when it has been done: so this comes before. The answer is about as large as the body. What readers hold leaves
// room for small ones.
static bool is_room_for_answer(const Exchange *exchange)
{
    size_t length = exchange->body.length;
    int64_t more = length > HTTP_SMALL_ANSWER_BYTES ? (int64_t)length : 0;
    return exchange->server->answer_bytes + more <= HTTP_ANSWERS_BYTES_MAX;
}

bool admission_finish(Exchange *exchange)
{
    if ((exchange->match.route->flags & ROUTE_BODY) != 0 && exchange->body.length == 0) {
        exchange_reply_problem(exchange, 400, "no_body", "this needs a JSON body");
        return false;
    }
    if (!is_text(&exchange->body)) {
        exchange_reply_problem(exchange, 400, "encoding",
                               "the body is not UTF-8, or has a NUL byte");
        return false;
    }
    if (!is_read(exchange) && !is_room_for_answer(exchange)) {
        exchange_reply_busy(exchange, 5, "busy",
                            "too many large answers wait for slow readers: try again");
        return false;
    }
    return true;
}
