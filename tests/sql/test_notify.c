// SPDX-License-Identifier: MIT
// A NOTIFY takes a lock in commit that all share: it is sent when somebody may hear it, and there is something to tell.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "common/base/log.h"
#include "tests/support/test_db.h"

static PGconn *listener;
static PGconn *other;

static int setup(void **state)
{
    test_db_setup(state);
    listener = test_db_connect(*state);
    other = test_db_connect(*state);
    test_db_run(listener, "listen ganger");
    return 0;
}

static int teardown(void **state)
{
    PQfinish(listener);
    PQfinish(other);
    return test_db_teardown(state);
}

// What was told since the last call, in any case complete: the listener's own commit comes after it.
static void assert_told(const char *wanted)
{
    test_db_run(listener, "notify ganger, 'end'");
    bool is_over = false;
    int count = 0;
    while (!is_over) {
        PQconsumeInput(listener);
        PGnotify *notification = PQnotifies(listener);
        if (notification == NULL) {
            test_db_run(listener, "select 1");
            continue;
        }
        is_over = strcmp(notification->extra, "end") == 0;
        if (!is_over) {
            assert_non_null(wanted);
            assert_string_equal(notification->extra, wanted);
            count++;
        }
        PQfreemem(notification);
    }
    assert_int_equal(count, wanted != NULL ? 1 : 0);
}

static void enqueue_some(const char *run_at)
{
    test_db_run(other,
                "select ganger.enqueue_many(jsonb_build_array(jsonb_build_object('job_type', 't', "
                "'run_at', clock_timestamp() + interval '%s')))",
                run_at);
}

static void test_due_is_told_to_a_live_node(void **state)
{
    (void)state;
    test_db_run(other, "select ganger.enqueue('t', run_at => clock_timestamp() + interval '5 s')");
    enqueue_some("5 s");
    assert_told(NULL); // nobody is there
    test_db_run(other, "select ganger._register_node('n', 'h', 'b', 1, 1, '60 s', '0')");
    test_db_run(other, "select ganger.enqueue('t', run_at => clock_timestamp() + interval '5 s')");
    assert_told("due");
    enqueue_some("5 s");
    assert_told("due");
    enqueue_some("-5 s"); // runs now: nothing is due
    assert_told(NULL);
    enqueue_some("1 h"); // the poll will see it in time
    assert_told(NULL);
}

static void test_work_is_told_to_an_idle_node(void **state)
{
    (void)state;
    test_db_run(other, "select ganger._register_node('n', 'h', 'b', 1, 1, '60 s', '0')");
    test_db_run(other, "select ganger.enqueue('t'), ganger._advance()");
    test_db_run(other, "select ganger.enqueue('t'), ganger.enqueue('t', tags => '{a}')");
    assert_told(NULL); // nobody is idle
    test_db_run(other, "select ganger._set_idle(1, true)");
    test_db_run(other, "select ganger.enqueue('t')");
    assert_told("work:default");
    test_db_run(other, "select ganger.enqueue('t', tags => '{a}')");
    assert_told("work:default");
    assert_int_equal(test_db_int(other, "select count(*) from ganger.lane_signal"),
                     0); // the lane is known to be active
    test_db_run(other, "select ganger.enqueue('t', queue => 'new')");
    assert_told("work:new");
    test_db_run(other, "select ganger.enqueue('t', queue => 'newer', tags => '{a}')");
    assert_told("work:newer");
    test_db_run(other, "begin isolation level repeatable read");
    test_db_run(other, "select ganger.enqueue('t')");
    test_db_run(other, "commit");
    assert_told("work:default");
    assert_int_equal(test_db_int(other, "select count(*) from ganger.lane_signal"),
                     3); // what an old snapshot says proves nothing
}

int main(void)
{
    log_init("test", LOG_FORMAT_AUTO, LOG_LEVEL_WARN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_due_is_told_to_a_live_node, setup, teardown),
        cmocka_unit_test_setup_teardown(test_work_is_told_to_an_idle_node, setup, teardown),
    };
    return cmocka_run_group_tests_name("notify", tests, NULL, NULL);
}
