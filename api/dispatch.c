// SPDX-License-Identifier: MIT
// Dispatch: a route's kind -> who answers.
#include "api/http_internal.h"
#include "api/metrics.h"
#include "api/stream.h"
#include "api/waiters.h"

static void answer_health(Exchange *exchange)
{
    static const char WELL[] = "{\"status\": \"ok\"}\n";
    exchange_reply(exchange, 200, "application/json", WELL, sizeof WELL - 1);
}

static void answer_ready(Exchange *exchange)
{
    static const char READY[] = "{\"status\": \"ready\"}\n";
    if (pool_is_up(exchange_api(exchange)->pool)) {
        exchange_reply(exchange, 200, "application/json", READY, sizeof READY - 1);
    } else {
        exchange_reply_busy(exchange, 2, "database_down", "the database cannot be reached now");
    }
}

void dispatch(Exchange *exchange)
{
    switch (exchange_route(exchange)->kind) {
    case ROUTE_SQL:
        exchange_run(exchange);
        break;
    case ROUTE_WAIT:
        waiters_answer(exchange);
        break;
    case ROUTE_HEALTH:
        answer_health(exchange);
        break;
    case ROUTE_READY:
        answer_ready(exchange);
        break;
    case ROUTE_METRICS:
        metrics_answer(exchange);
        break;
    case ROUTE_EVENTS:
        stream_answer(exchange);
        break;
    }
}
