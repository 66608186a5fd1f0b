// SPDX-License-Identifier: MIT
// The primary dies and its standby takes over; the old primary comes back.
#include "tests/support/unit.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/base/clock.h"
#include "tests/support/daemon.h"
#include "tests/support/standby.h"

// What the tests here stand on: the standby has what it was sent, and no more; the old primary has it all.
static void test_servers_change_places(void **state)
{
    SystemTest *test = *state;
    int old = standby_primary();
    test_db_run(test->conn, "create table seen (n int)");
    test_db_run(test->conn, "insert into seen values (1)");
    standby_await_caught_up();
    standby_detach();
    test_db_run(test->conn, "insert into seen values (2)");
    PQfinish(test->conn);
    standby_kill_primary();
    (void)standby_promote();
    CHECK(test, standby_primary() == 1 - old);
    test->conn = standby_connect(standby_primary(), test->db.name);
    CHECK(test, test_db_int(test->conn, "select sum(n) from seen") == 1);
    standby_restart_old();
    PGconn *former = standby_connect(old, test->db.name);
    CHECK(test, test_db_int(former, "insert into seen values (3) returning n") == 3);
    CHECK(test, test_db_int(former, "select sum(n) from seen") == 6);
    PQfinish(former);
    standby_reclone();
    standby_set_synchronous(true);
    test_db_run(test->conn, "insert into seen values (4)");
    standby_await_caught_up();
    former = standby_connect(old, test->db.name);
    CHECK(test, test_db_int(former, "select sum(n) from seen") == 5);
    PQfinish(former);
    standby_set_synchronous(false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_servers_change_places, system_setup, system_teardown),
    };
    return cmocka_run_group_tests_name("failover", tests, standby_setup, standby_teardown);
}
