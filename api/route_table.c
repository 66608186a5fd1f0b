// SPDX-License-Identifier: MIT
// Route table: every operation of the HTTP API.
#include "api/route.h"

#include "sql_queries.h"

static const Route routes[] = {
    {"GET", "/health", ROUTE_HEALTH, SCOPE_NONE, 0, NULL},
    {"GET", "/ready", ROUTE_READY, SCOPE_NONE, 0, NULL},
    {"GET", "/metrics", ROUTE_METRICS, SCOPE_READ, 0, NULL},
    {"GET", "/api/events", ROUTE_EVENTS, SCOPE_READ, 0, NULL},
    {"POST", "/api/workers/{id}/kill", ROUTE_SQL, SCOPE_OPERATE, 0, &SQL_api_worker_kill},
};

const Route *route_table(size_t *count)
{
    *count = sizeof routes / sizeof routes[0];
    return routes;
}
