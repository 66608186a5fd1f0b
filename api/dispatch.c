// SPDX-License-Identifier: MIT
// Dispatch: a route's kind -> who answers.
#include "api/http_internal.h"
#include "api/metrics.h"
#include "api/ready.h"
#include "api/stream.h"
#include "api/waiters.h"

static void answer_health(Exchange *exchange)
{
    static const char WELL[] = "{\"status\": \"ok\"}\n";
    exchange_reply(exchange, 200, "application/json", WELL, sizeof WELL - 1);
}

void dispatch(Exchange *exchange)
{
    switch (exchange_route(exchange)->kind) {
    case ROUTE_SQL:
        exchange_run(exchange);
        break;
    case ROUTE_READY:
        ready_answer(exchange);
        break;
    case ROUTE_WAIT:
        waiters_answer(exchange);
        break;
    case ROUTE_HEALTH:
        answer_health(exchange);
        break;
    case ROUTE_METRICS:
        metrics_answer(exchange);
        break;
    case ROUTE_EVENTS:
        stream_answer(exchange);
        break;
    }
}
