// SPDX-License-Identifier: MIT
// Failovers to a synchronous standby under load, one after the other: the servers change places each time.
#include "tests/support/unit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/daemon.h"
#include "tests/support/failover.h"
#include "tests/support/standby.h"

enum { ROUNDS = 30, RESUME_GOAL_MS = 5000 };

static void test_thirty_failovers(void **state)
{
    SystemTest *test = *state;
    char *database = failover_database(test);
    (void)daemon_run(test, "moving", 2, &(DaemonOptions){.database = database});
    free(database);
    int64_t worst_ms = 0;
    for (int i = 0; i < ROUNDS; i++) {
        standby_set_synchronous(true);
        int64_t resumed_ms = failover_synchronous_round(test, 200);
        worst_ms = resumed_ms > worst_ms ? resumed_ms : worst_ms;
        standby_reclone();
    }
    (void)printf("%d failovers: resumed at most %" PRId64 " ms after the promotion\n", (int)ROUNDS,
                 worst_ms);
    CHECK(test, worst_ms <= slow_ms(RESUME_GOAL_MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_thirty_failovers, system_setup, system_teardown),
    };
    return cmocka_run_group_tests_name("long_failover", tests, standby_setup, standby_teardown);
}
