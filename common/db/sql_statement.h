// SPDX-License-Identifier: MIT
// One SQL statement, generated from common/sql/<name>.sql; that of an SQL handler is the server's (worker/sql_handler.h).
#ifndef COMMON_DB_SQL_STATEMENT_H
#define COMMON_DB_SQL_STATEMENT_H

typedef struct SqlStatement {
    const char *name;
    const char *text;
} SqlStatement;

#endif
