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
    {"GET", "/api/overview", ROUTE_SQL, SCOPE_READ, 0, &SQL_api_overview},
    {"GET", "/api/overview/job-types", ROUTE_SQL, SCOPE_READ, 0, &SQL_api_overview_types},
    {"GET", "/api/throughput", ROUTE_SQL, SCOPE_READ, 0, &SQL_api_throughput},
    {"GET", "/api/failures", ROUTE_SQL, SCOPE_READ, 0, &SQL_api_failures},
    {"GET", "/api/job-types/{job_type}/durations", ROUTE_SQL, SCOPE_READ, 0, &SQL_api_durations},
};

const Route *route_table(size_t *count)
{
    *count = sizeof routes / sizeof routes[0];
    return routes;
}
