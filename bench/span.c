// SPDX-License-Identifier: MIT
// Span: see the header.
#include "bench/span.h"

#include <inttypes.h>
#include <stdio.h>

#include "bench/sql.h"

static double seconds(PGconn *conn, const char *statement, int64_t after)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%" PRId64, after);
    return (double)sql_number(conn, statement, text, NULL) / 1e6;
}

double span_run_seconds(PGconn *conn, int64_t after)
{
    return seconds(conn,
                   "select (extract(epoch from max(finished_at) - min(started_at)) * 1e6)::bigint"
                   " from ganger.history where status = 'completed' and id > $1::bigint",
                   after);
}

double span_seconds(PGconn *conn, int64_t after)
{
    return seconds(conn,
                   "select (extract(epoch from max(finished_at) - min(created_at)) * 1e6)::bigint"
                   " from ganger.history where status = 'completed' and id > $1::bigint",
                   after);
}
