// SPDX-License-Identifier: MIT
// What a database does to a node, at full size; test_database_faults.c has it in small.
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/support/daemon.h"
#include "tests/support/database_faults.h"
#include "tests/support/private_cluster.h"
#include "tests/support/room.h"

static void test_restarts(void **state)
{
    fault_restart(*state, 30);
}

static void test_backends_killed(void **state)
{
    fault_backend_killed(*state, 20);
}

// Longer than a usual failover, and less than self_fence: the node's usual times.
static void test_outage_of_40_seconds(void **state)
{
    fault_outage(*state, "heartbeat: 5s, self_fence: 50s, lease: 60s", 40000, false);
}

static void test_outage_longer_than_the_fence(void **state)
{
    fault_outage(*state, "heartbeat: 1s, self_fence: 10s, lease: 15s", 14000, true);
}

static void test_share_lock_of_20_seconds(void **state)
{
    fault_table_locked(*state, "share", 20000);
}

static void test_exclusive_lock_of_60_seconds(void **state)
{
    fault_table_locked(*state, "access exclusive", 60000);
}

static void test_minute_of_mixed_calls(void **state)
{
    fault_mixed_calls(*state, 12, 60000);
}

static void test_flood_of_a_minute(void **state)
{
    fault_notify_flood(*state, 4, 60000);
}

static void test_64_clients_1000_keys(void **state)
{
    fault_same_keys(*state, 64, 1000);
}

static void test_herd_of_150(void **state)
{
    fault_herd(*state, 150, 50);
}

static void test_disk_full(void **state)
{
    room_run(*state);
}

int main(void)
{
#define FAULT_TEST(name) cmocka_unit_test_setup_teardown(name, system_setup, system_teardown)
    const struct CMUnitTest tests[] = {
        FAULT_TEST(test_restarts),
        FAULT_TEST(test_backends_killed),
        FAULT_TEST(test_outage_of_40_seconds),
        FAULT_TEST(test_outage_longer_than_the_fence),
        FAULT_TEST(test_share_lock_of_20_seconds),
        FAULT_TEST(test_exclusive_lock_of_60_seconds),
        FAULT_TEST(test_minute_of_mixed_calls),
        FAULT_TEST(test_flood_of_a_minute),
        FAULT_TEST(test_64_clients_1000_keys),
        FAULT_TEST(test_herd_of_150),
    };
    const struct CMUnitTest full[] = {
        cmocka_unit_test_setup_teardown(test_disk_full, room_test_setup, room_test_teardown)};
    int failed = cmocka_run_group_tests_name("database_faults", tests, private_cluster_setup,
                                             private_cluster_teardown);
    failed += cmocka_run_group_tests_name("room", full, room_setup, room_teardown);
    return failed;
}
