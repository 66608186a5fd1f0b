// SPDX-License-Identifier: MIT
// Sql: plain libpq for the measuring side; an error ends the program.
#ifndef BENCH_SQL_H
#define BENCH_SQL_H

#include <libpq-fe.h>
#include <stdint.h>

PGconn *sql_connect(const char *conninfo);
// Runs statements without parameters; their rows are dropped.
void sql_run(PGconn *conn, const char *text);
// The first field of the first row as a number, 0 when there is none. Up to 4 text parameters, ended by NULL.
int64_t sql_number(PGconn *conn, const char *text, ...) __attribute__((sentinel));
// The first field of the first row; caller frees. NULL when there is none.
char *sql_text(PGconn *conn, const char *text);
void sql_prepare(PGconn *conn, const char *name, const char *text);
// Runs a prepared statement with text parameters; caller PQclears.
PGresult *sql_execute(PGconn *conn, const char *name, int count, const char *const *values);
// Ends the program unless `result` is one of success.
void sql_check(PGconn *conn, const PGresult *result, const char *what);

#endif
