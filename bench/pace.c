// SPDX-License-Identifier: MIT
// Pace: see the header.
#include "bench/pace.h"

#include <stdio.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "bench/sql.h"

static const char pace_text[] =
    "select extract(epoch from o.finished_at - min(o.finished_at) over ())::float8"
    " from (select h.finished_at, row_number() over (order by h.finished_at) as place"
    "       from ganger.history h where h.status = 'completed' and h.finish_id > $1::bigint) o"
    " where o.place = 1 or o.place % $2::bigint = 0 order by o.place limit $3::int";

void pace_read(PGconn *conn, int64_t sequence, int step, Pace *pace)
{
    char values[3][24];
    const char *const pointers[] = {values[0], values[1], values[2]};
    (void)snprintf(values[0], sizeof values[0], "%lld", (long long)sequence);
    (void)snprintf(values[1], sizeof values[1], "%d", step);
    (void)snprintf(values[2], sizeof values[2], "%d", PACE_MAX + 1);
    sql_prepare(conn, "pace", pace_text);
    PGresult *result = sql_execute(conn, "pace", 3, pointers);
    pace->step = step;
    pace->count = PQntuples(result) - 1;
    for (int i = 0; i <= pace->count; i++) {
        pace->at[i] = strtod(PQgetvalue(result, i, 0), NULL);
    }
    PQclear(result);
    sql_run(conn, "deallocate pace");
}

double pace_rate(const Pace *pace, int from, int to)
{
    if (from < 0 || from >= to || to > pace->count) {
        bench_fail("stretches %d to %d of %d", from, to, pace->count);
    }
    return (double)(to - from) * pace->step / (pace->at[to] - pace->at[from]);
}
