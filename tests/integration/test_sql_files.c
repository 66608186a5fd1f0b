// SPDX-License-Identifier: MIT
// Every statement of common/sql fits the schema: PostgreSQL prepares it on a migrated database.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/log.h"
#include "sql_queries.h"
#include "tests/support/test_db.h"

static void test_every_statement_can_be_prepared(void **state)
{
    PGconn *conn = test_db_connect(*state);
    int failed = 0;
    for (int i = 0; SQL_ALL[i] != NULL; i++) {
        PGresult *result = PQprepare(conn, SQL_ALL[i]->name, SQL_ALL[i]->text, 0, NULL);
        if (PQresultStatus(result) != PGRES_COMMAND_OK) {
            print_error("%s.sql: %s", SQL_ALL[i]->name, PQresultErrorMessage(result));
            failed++;
        }
        PQclear(result);
    }
    PQfinish(conn);
    assert_int_equal(failed, 0);
}

int main(void)
{
    log_init("test", LOG_FORMAT_AUTO, LOG_LEVEL_WARN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_statement_can_be_prepared, test_db_setup,
                                        test_db_teardown),
    };
    return cmocka_run_group_tests_name("sql_files", tests, NULL, NULL);
}
