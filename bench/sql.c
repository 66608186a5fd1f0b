// SPDX-License-Identifier: MIT
// Sql: see the header.
#include "bench/sql.h"

#include <stdarg.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "common/base/memory.h"

enum { SQL_PARAM_MAX = 4 };

PGconn *sql_connect(const char *conninfo)
{
    PGconn *conn = PQconnectdb(conninfo);
    if (PQstatus(conn) != CONNECTION_OK) {
        bench_fail("cannot connect: %s", PQerrorMessage(conn));
    }
    sql_run(conn, "set client_min_messages = warning");
    return conn;
}

void sql_check(PGconn *conn, const PGresult *result, const char *what)
{
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        bench_fail("%.200s: %s", what, PQerrorMessage(conn));
    }
}

void sql_run(PGconn *conn, const char *text)
{
    PGresult *result = PQexec(conn, text);
    sql_check(conn, result, text);
    PQclear(result);
}

int64_t sql_number(PGconn *conn, const char *text, ...)
{
    const char *values[SQL_PARAM_MAX];
    int count = 0;
    va_list arguments;
    va_start(arguments, text);
    for (const char *value; count < SQL_PARAM_MAX && (value = va_arg(arguments, const char *));) {
        values[count++] = value;
    }
    va_end(arguments);
    PGresult *result = PQexecParams(conn, text, count, NULL, values, NULL, NULL, 0);
    sql_check(conn, result, text);
    int64_t number =
        PQntuples(result) > 0 ? (int64_t)strtoll(PQgetvalue(result, 0, 0), NULL, 10) : 0;
    PQclear(result);
    return number;
}

char *sql_text(PGconn *conn, const char *text)
{
    PGresult *result = PQexec(conn, text);
    sql_check(conn, result, text);
    char *copy = PQntuples(result) > 0 ? mem_strdup(PQgetvalue(result, 0, 0)) : NULL;
    PQclear(result);
    return copy;
}

void sql_prepare(PGconn *conn, const char *name, const char *text)
{
    PGresult *result = PQprepare(conn, name, text, 0, NULL);
    sql_check(conn, result, text);
    PQclear(result);
}

PGresult *sql_execute(PGconn *conn, const char *name, int count, const char *const *values)
{
    PGresult *result = PQexecPrepared(conn, name, count, values, NULL, NULL, 0);
    sql_check(conn, result, name);
    return result;
}
