// SPDX-License-Identifier: MIT
// Route: one operation of the HTTP API, and what it needs. The table is api/route_table.c.
//
// Most operations are one SQL statement, common/sql/api_*.sql, called with two parameters:
//   $1 jsonb  the request: {"path": {"id": "17"}, "query": {"status": "failed"}, "headers": {"idempotency-key": "k"}}; all values
//             are texts, a query parameter given several times is an array of texts
//   $2 text   the body as it came, null when there is none: the statement casts it
// It answers one row (status int, body text, headers jsonb): the HTTP status, the JSON to be sent unchanged (null: none), and further
// response headers by name (null: none). No row is 404. An error of the server becomes problem+json by its SQLSTATE: 22xxx 400, 42501
// 403, 42704 404, 23505 409, 0A000 400, 57014 and 55P03 503; the DETAIL and HINT go along, and the column named by the error is its field.
#ifndef API_ROUTE_H
#define API_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/db/sql_statement.h"

// What a token must be allowed to do. Admin includes all others.
typedef enum Scope {
    SCOPE_NONE, // no token needed
    SCOPE_READ,
    SCOPE_ENQUEUE,
    SCOPE_WORK, // claim, and what a worker says of its jobs
    SCOPE_OPERATE,
    SCOPE_ADMIN
} Scope;

typedef enum RouteKind {
    ROUTE_SQL,
    ROUTE_HEALTH,  // the process is there
    ROUTE_READY,   // and the database can serve: a statement without parameters
    ROUTE_METRICS, // Prometheus text
    ROUTE_EVENTS,  // server-sent events
    ROUTE_WAIT     // ROUTE_SQL; with ?wait=30s the answer waits until the job has ended
} RouteKind;

enum {
    ROUTE_BODY = 1, // a JSON body is required
    ROUTE_BOUND =
        2, // also for a token that is bound to an owner or to queues: the statement shows and changes nothing of others
    ROUTE_SLOW = 4,  // may take long: such requests never take all connections
    ROUTE_SEARCH = 8 // it is slow when ?search is asked for
};

typedef struct Route {
    const char *method; // as in the request; GET serves HEAD too
    const char *
        pattern; // "/api/jobs/{id}/cancel": {name} matches one segment; {id} only a positive whole number
    RouteKind kind;
    Scope scope;
    unsigned flags;
    const SqlStatement *statement; // ROUTE_SQL, ROUTE_WAIT
} Route;

const Route *route_table(size_t *count);
// It changes nothing.
bool route_is_read(const Route *route);

#endif
