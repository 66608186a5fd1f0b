// SPDX-License-Identifier: MIT
// What a database does to a node, in small; long_database_faults.c has it at full size.
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/daemon.h"
#include "tests/support/database_faults.h"
#include "tests/support/private_cluster.h"
#include "tests/support/room.h"
#include "tests/support/scale.h"

static void test_restart(void **state)
{
    fault_restart(*state, 1);
}

static void test_backend_killed(void **state)
{
    fault_backend_killed(*state, 1);
}

static void test_short_outage(void **state)
{
    fault_outage(*state, "heartbeat: 200ms, self_fence: 6s, lease: 11s", 3000, false);
}

static void test_table_locked_share(void **state)
{
    fault_table_locked(*state, "share", 2000);
}

// Longer than our own lock_timeout.
static void test_table_locked_exclusive(void **state)
{
    fault_table_locked(*state, "access exclusive", 6000);
}

static void test_mixed_calls(void **state)
{
    fault_mixed_calls(*state, 6, 2000);
}

static void test_serializable(void **state)
{
    fault_serializable(*state, 300);
}

static void test_listener_ended(void **state)
{
    fault_listener_ended(*state);
}

static void test_notify_flood(void **state)
{
    fault_notify_flood(*state, 2, 2000);
}

static void test_same_keys(void **state)
{
    fault_same_keys(*state, 16, 40);
}

static void test_herd(void **state)
{
    fault_herd(*state, 100, 1);
}

static void test_connections_used_up(void **state)
{
    fault_connections_used_up(*state, SMALL_CLUSTER_CONNECTIONS);
}

static void test_disk_full(void **state)
{
    room_run(*state);
}

int main(void)
{
#define FAULT_TEST(name) cmocka_unit_test_setup_teardown(name, system_setup, system_teardown)
    const struct CMUnitTest tests[] = {
        FAULT_TEST(test_restart),
        FAULT_TEST(test_short_outage),
        FAULT_TEST(test_table_locked_share),
        FAULT_TEST(test_mixed_calls),
        FAULT_TEST(test_serializable),
        FAULT_TEST(test_listener_ended),
        FAULT_TEST(test_notify_flood),
        FAULT_TEST(test_same_keys),
        FAULT_TEST(test_herd),
    };
    const struct CMUnitTest more[] = {
        FAULT_TEST(test_backend_killed),
        FAULT_TEST(test_table_locked_exclusive),
    };
    const struct CMUnitTest small[] = {FAULT_TEST(test_connections_used_up)};
    const struct CMUnitTest full[] = {
        cmocka_unit_test_setup_teardown(test_disk_full, room_test_setup, room_test_teardown)};
    int failed = cmocka_run_group_tests_name("database_faults", tests, private_cluster_setup,
                                             private_cluster_teardown);
    if (test_scale_percent() >= 100) {
        failed += cmocka_run_group_tests_name("more database_faults", more, private_cluster_setup,
                                              private_cluster_teardown);
    }
    failed += cmocka_run_group_tests_name("connections", small, small_cluster_setup,
                                          private_cluster_teardown);
    failed += cmocka_run_group_tests_name("room", full, room_setup, room_teardown);
    return failed;
}
