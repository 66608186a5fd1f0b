// SPDX-License-Identifier: MIT
// Node watch: dead is who has not moved for its lease of watched time, and nobody else.
#include "tests/support/unit.h"

#include "reaper/node_watch.h"

enum { LEASE = 60000, SCAN = 2000 };
static const int64_t HOUR = 3600000;
static NodeWatch watch;

static int setup(void **state)
{
    (void)state;
    watch = (NodeWatch){.count = 0};
    return 0;
}

static void test_dead_after_its_lease(void **state)
{
    (void)state;
    int64_t now = 1000000;
    assert_false(node_watch_look(&watch, 1, 7, LEASE, now));
    for (int64_t watched = SCAN; watched < LEASE; watched += SCAN) {
        assert_false(node_watch_look(&watch, 1, 7, LEASE, now + watched));
    }
    assert_true(node_watch_look(&watch, 1, 7, LEASE, now + LEASE));
    assert_true(node_watch_look(&watch, 1, 7, LEASE, now + LEASE + SCAN)); // until it is buried
}

static void test_any_movement_starts_anew(void **state)
{
    (void)state;
    int64_t now = 0;
    assert_false(node_watch_look(&watch, 1, 7, LEASE, now));
    for (int i = 0; i < 29; i++) {
        assert_false(node_watch_look(&watch, 1, 7, LEASE, now += SCAN));
    }
    assert_false(
        node_watch_look(&watch, 1, 3, LEASE, now += SCAN)); // also backwards: after a failover
    assert_false(node_watch_find(&watch, 1)->has_moved);    // which is no sign of life
    for (int i = 0; i < 29; i++) {
        assert_false(node_watch_look(&watch, 1, 3, LEASE, now += SCAN));
    }
    assert_true(node_watch_look(&watch, 1, 3, LEASE, now + SCAN));
}

// An outage of the database, or a suspended observer: nobody could have seen a heartbeat.
static void test_a_gap_is_not_watched(void **state)
{
    (void)state;
    assert_false(node_watch_look(&watch, 1, 7, LEASE, 0));
    assert_false(node_watch_look(&watch, 1, 7, LEASE, HOUR));
    for (int i = 0; i < LEASE / NODE_WATCH_STEP_MS - 2; i++) {
        assert_false(
            node_watch_look(&watch, 1, 7, LEASE, HOUR + (i + 1) * (int64_t)NODE_WATCH_STEP_MS));
    }
    assert_true(node_watch_look(&watch, 1, 7, LEASE, 2 * HOUR));
}

static void test_each_by_its_own_lease(void **state)
{
    (void)state;
    assert_false(node_watch_look(&watch, 1, 1, 6000, 0));
    assert_false(node_watch_look(&watch, 2, 1, 9000, 0));
    assert_true(node_watch_look(&watch, 1, 1, 6000, 6000));
    assert_false(node_watch_look(&watch, 2, 1, 9000, 6000));
    assert_true(node_watch_look(&watch, 2, 1, 9000, 9000));
}

static void test_forgets_who_is_gone(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        (void)node_watch_look(&watch, i, 1, LEASE, i < 5 ? 0 : 1000);
    }
    node_watch_forget(&watch, 1000);
    assert_int_equal(watch.count, 5);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(watch.nodes[i].id, 5 + i);
    }
    assert_false(node_watch_look(&watch, 1, 1, LEASE, LEASE)); // begins at nothing again
}

// What an heir asks: since when it is known, and whether it has moved since.
static void test_what_is_known(void **state)
{
    (void)state;
    assert_null(node_watch_find(&watch, 1));
    assert_false(node_watch_look(&watch, 1, 7, LEASE, 1000));
    assert_false(node_watch_look(&watch, 2, 9, LEASE, 2000));
    assert_false(node_watch_look(&watch, 2, 10, LEASE, 3000));
    assert_false(node_watch_look(&watch, 1, 7, LEASE, 3000));
    assert_int_equal(node_watch_find(&watch, 1)->first_seen_at, 1000);
    assert_false(node_watch_find(&watch, 1)->has_moved);
    assert_int_equal(node_watch_find(&watch, 2)->first_seen_at, 2000);
    assert_true(node_watch_find(&watch, 2)->has_moved);
}

static void test_a_full_table_judges_nobody_new(void **state)
{
    (void)state;
    for (int i = 0; i < NODE_WATCH_MAX; i++) {
        (void)node_watch_look(&watch, i, 1, LEASE, 0);
    }
    for (int64_t now = 0; now < 3 * (int64_t)LEASE; now += SCAN) {
        assert_false(node_watch_look(&watch, NODE_WATCH_MAX, 1, LEASE, now));
    }
    assert_int_equal(watch.count, NODE_WATCH_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_dead_after_its_lease, setup),
        cmocka_unit_test_setup(test_any_movement_starts_anew, setup),
        cmocka_unit_test_setup(test_a_gap_is_not_watched, setup),
        cmocka_unit_test_setup(test_each_by_its_own_lease, setup),
        cmocka_unit_test_setup(test_forgets_who_is_gone, setup),
        cmocka_unit_test_setup(test_what_is_known, setup),
        cmocka_unit_test_setup(test_a_full_table_judges_nobody_new, setup),
    };
    return cmocka_run_group_tests_name("node_watch", tests, NULL, NULL);
}
