// SPDX-License-Identifier: MIT
// Schedules under concurrency: one job for each tick, whoever runs the duty; nothing that goes wrong with one, and nobody's open
// transaction, holds up the duty.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "tests/support/test_db.h"

enum { SESSIONS = 8, SCHEDULES = 50, ROUNDS = 20, CAUGHT_UP = 1000, LIMIT_MS = 60000 };

typedef struct Stage {
    TestDb *db;
    PGconn *a; // the holder
    PGconn *b; // the duty, with a lock_timeout that any wait for the holder would exceed
    PGconn *watcher;
} Stage;

static Stage stage;

static int setup(void **state)
{
    test_db_setup(state);
    stage.db = *state;
    stage.a = test_db_connect(stage.db);
    stage.b = test_db_connect(stage.db);
    stage.watcher = test_db_connect(stage.db);
    test_db_run(stage.b, "set lock_timeout = '10s'");
    return 0;
}

static int teardown(void **state)
{
    PQfinish(stage.a);
    PQfinish(stage.b);
    PQfinish(stage.watcher);
    return test_db_teardown(state);
}

static int64_t run_duty(void)
{
    return test_db_int(stage.b, "select scheduled from ganger._run_schedules()");
}

static void create(const char *name, const char *more)
{
    test_db_run(stage.watcher, "select ganger.create_schedule('%s', '@yearly', '%s'%s)", name, name,
                more);
}

static void make_due(PGconn *conn, const char *name)
{
    test_db_run(conn, "update ganger.schedule set next_at = clock_timestamp() where name like '%s'",
                name);
}

static int64_t live_jobs(const char *job_type)
{
    return test_db_int(stage.watcher, "select count(*) from ganger.job where job_type = '%s'",
                       job_type);
}

// --- many sessions at the duty

static atomic_bool is_over;
static atomic_long scheduled_by[SESSIONS];

static void *run_duties(void *argument)
{
    atomic_long *scheduled = argument;
    bool is_maintaining = (scheduled - scheduled_by) % 2 == 0;
    PGconn *conn = test_db_connect(stage.db);
    while (!atomic_load(&is_over)) {
        int64_t made = is_maintaining
                           ? test_db_int(conn, "select ganger.maintain() -> 'scheduled'")
                           : test_db_int(conn, "select scheduled from ganger._run_schedules()");
        atomic_fetch_add(scheduled, (long)made);
    }
    PQfinish(conn);
    return NULL;
}

static void start_sessions(pthread_t *threads)
{
    atomic_store(&is_over, false);
    for (int i = 0; i < SESSIONS; i++) {
        atomic_store(&scheduled_by[i], 0);
        assert_int_equal(pthread_create(&threads[i], NULL, run_duties, &scheduled_by[i]), 0);
    }
}

// How many jobs they say they have made; and how many of them have made any.
static long end_sessions(const pthread_t *threads, int *took_part)
{
    long total = 0;
    atomic_store(&is_over, true);
    *took_part = 0;
    for (int i = 0; i < SESSIONS; i++) {
        pthread_join(threads[i], NULL);
        total += atomic_load(&scheduled_by[i]);
        *took_part += atomic_load(&scheduled_by[i]) > 0 ? 1 : 0;
    }
    return total;
}

static void test_each_tick_is_one_job(void **state)
{
    (void)state;
    pthread_t threads[SESSIONS];
    int took_part = 0;
    test_db_run(stage.watcher,
                "select ganger.create_schedule('s' || i, '@yearly', 'tick', overlap "
                "=> 'allow') from generate_series(1, %d) i",
                SCHEDULES);
    create("bad", ", overlap => 'allow'");
    test_db_run(stage.watcher, "update ganger.schedule set options = '{\"priority\": 99999}' where "
                               "name = 'bad'");
    start_sessions(threads);
    bool is_done = true;
    for (int round = 1; round <= ROUNDS && is_done; round++) {
        make_due(stage.watcher, "%");
        is_done = test_db_await(stage.watcher, LIMIT_MS,
                                "select count(*) >= %d from ganger.job where job_type = 'tick'",
                                round * SCHEDULES) &&
                  test_db_await(stage.watcher, LIMIT_MS,
                                "select bool_and(next_at > clock_timestamp()) from "
                                "ganger.schedule");
    }
    long total = end_sessions(threads, &took_part);
    assert_true(is_done);
    assert_int_equal(total, ROUNDS * SCHEDULES);
    assert_int_equal(live_jobs("tick"), ROUNDS * SCHEDULES);
    assert_int_equal(test_db_int(stage.watcher,
                                 "select count(*) from (select schedule_id from ganger.job group "
                                 "by schedule_id having count(*) = %d) x",
                                 ROUNDS),
                     SCHEDULES);
    assert_true(took_part > 1);
    assert_int_equal(live_jobs("bad"), 0);
    assert_int_equal(test_db_int(stage.watcher,
                                 "select count(*) from ganger.schedules where last_error is not "
                                 "null and name = 'bad'"),
                     1);
}

static void test_missed_ticks_are_one_job_each(void **state)
{
    (void)state;
    pthread_t threads[SESSIONS];
    int took_part = 0;
    create("tick", ", overlap => 'allow', catch_up => 'all'");
    test_db_run(stage.watcher,
                "update ganger.schedule set cron = '@every 1h', next_at = "
                "date_trunc('hour', now()) - interval '%d h'",
                CAUGHT_UP - 1);
    start_sessions(threads);
    bool is_done = test_db_await(stage.watcher, LIMIT_MS,
                                 "select next_at > clock_timestamp() from ganger.schedule");
    long total = end_sessions(threads, &took_part);
    assert_true(is_done);
    // an hour may have begun meanwhile
    int64_t wanted = test_db_int(stage.watcher,
                                 "select %d + extract(epoch from next_at - date_trunc('hour', "
                                 "created_at))::bigint / 3600 - 1 from ganger.schedule",
                                 CAUGHT_UP);
    assert_true(wanted >= CAUGHT_UP);
    assert_int_equal(total, wanted);
    assert_int_equal(live_jobs("tick"), wanted);
}

// A tick that overlaps, run by many at once: never two live jobs.
static void test_skip_holds_with_many_sessions(void **state)
{
    (void)state;
    pthread_t threads[SESSIONS];
    int took_part = 0;
    create("tick", "");
    start_sessions(threads);
    bool is_done = true;
    for (int round = 0; round < ROUNDS * 5 && is_done; round++) {
        make_due(stage.watcher, "tick");
        is_done = test_db_await(stage.watcher, LIMIT_MS,
                                "select next_at > clock_timestamp() from ganger.schedule");
    }
    long total = end_sessions(threads, &took_part);
    assert_true(is_done);
    assert_int_equal(total, 1);
    assert_int_equal(live_jobs("tick"), 1);
}

// --- the duty beside an open transaction

// Makes each call in an open transaction; the other schedules fire meanwhile, and the duty has waited for nobody.
static void test_no_open_transaction_is_waited_for(void **state)
{
    (void)state;
    static const char *const calls[] = {
        "select ganger.create_schedule('new', '@yearly', 'x')",
        "select ganger.edit_schedule('held', '{\"cron\": \"@daily\"}')",
        "select ganger.edit_schedule('held', '{\"payload\": 5}')",
        "select ganger.pause_schedule('held')",
        "select ganger.resume_schedule('paused')",
        "select ganger.delete_schedule('held')",
        "select ganger.run_schedule('held')",
        "select ganger.run_schedule('good')",
        "select ganger._run_schedules()",
        "select ganger.next_cron('@daily')",
        "select count(*) from ganger.schedules",
    };
    create("held", ", overlap => 'allow'");
    create("paused", ", overlap => 'allow'");
    create("good", ", overlap => 'allow'");
    test_db_run(stage.watcher, "select ganger.pause_schedule('paused')");
    int64_t fired = 0;
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        test_db_run(stage.a, "begin");
        test_db_run(stage.a, "%s", calls[i]);
        make_due(stage.watcher, "good");
        assert_int_equal(run_duty(), 1);
        fired++;
        test_db_run(stage.a, "rollback");
    }
    assert_int_equal(live_jobs("good"), fired);
}

// run_schedule in an open transaction holds nothing that its own schedule's tick needs.
static void test_a_run_does_not_hold_its_schedule(void **state)
{
    (void)state;
    create("tick", ", overlap => 'allow'");
    test_db_run(stage.watcher, "select ganger.run_schedule('tick')");
    test_db_run(stage.a, "begin");
    int64_t by_hand = test_db_int(stage.a, "select ganger.run_schedule('tick')");
    make_due(stage.watcher, "tick");
    assert_int_equal(run_duty(), 1);
    test_db_run(stage.a, "commit");
    assert_int_equal(live_jobs("tick"), 3);
    int64_t last = test_db_int(stage.watcher, "select last_job_id from ganger.schedules");
    assert_true(last > by_hand); // the tick's is the later one, whichever was committed first
    test_db_run(stage.watcher, "select ganger.run_schedule('tick')");
    assert_int_equal(test_db_int(stage.watcher, "select count(*) from ganger.schedule_run"), 1);
}

// A change that is not committed: the tick is met afterwards, by what the schedule is then.
static void test_an_open_edit_puts_the_tick_off(void **state)
{
    (void)state;
    create("tick", ", overlap => 'allow'");
    make_due(stage.watcher, "tick");
    test_db_run(stage.a, "begin");
    test_db_run(stage.a, "select ganger.edit_schedule('tick', '{\"payload\": 5}')");
    assert_int_equal(run_duty(), 0);
    test_db_run(stage.a, "commit");
    assert_int_equal(run_duty(), 1);
    assert_int_equal(test_db_int(stage.watcher, "select payload from ganger.job"), 5);
    make_due(stage.watcher, "tick");
    test_db_run(stage.a, "begin");
    test_db_run(stage.a, "select ganger.pause_schedule('tick')");
    assert_int_equal(run_duty(), 0);
    test_db_run(stage.a, "commit");
    assert_int_equal(run_duty(), 0);
}

// What makes a tick's enqueue wait for somebody puts that tick off, for a second; it is neither lost nor made twice.
static void test_a_job_that_has_to_wait_is_put_off(void **state)
{
    (void)state;
    create("tick", ", overlap => 'allow', options => '{\"unique_key\": \"k\"}'");
    create("good", ", overlap => 'allow'");
    test_db_run(stage.a, "begin");
    test_db_run(stage.a, "select ganger.enqueue('x', unique_key => 'k')");
    make_due(stage.watcher, "tick");
    make_due(stage.watcher, "good");
    assert_int_equal(run_duty(), 1);
    assert_int_equal(test_db_int(stage.watcher, "select count(*) from ganger.schedules where "
                                                "last_error is null and next_run_at <= now() and "
                                                "name = 'tick'"),
                     1);
    test_db_run(stage.a, "rollback");
    assert_true(
        test_db_await(stage.b, LIMIT_MS, "select scheduled = 1 from ganger._run_schedules()"));
    assert_int_equal(live_jobs("tick"), 1);
    assert_int_equal(run_duty(), 0);
}

// --- cancel_running

static void test_a_running_job_is_cancelled_and_replaced(void **state)
{
    (void)state;
    create("tick", ", overlap => 'cancel_running'");
    make_due(stage.watcher, "tick");
    assert_int_equal(run_duty(), 1);
    test_db_run(stage.a, "listen ganger");
    char *lease = test_db_text(stage.watcher, "select lease_id from ganger.claim('w')");
    int64_t first = test_db_int(stage.watcher, "select id from ganger.job");
    make_due(stage.watcher, "tick");
    assert_int_equal(run_duty(), 1);
    test_db_run(stage.a, "select 1");
    PGnotify *notify = PQnotifies(stage.a); // a node that runs it is told
    assert_non_null(notify);
    assert_string_equal(notify->extra, "cancel");
    PQfreemem(notify);
    char *answer =
        test_db_text(stage.watcher, "select ganger.complete(%" PRId64 ", '%s')", first, lease);
    assert_string_equal(answer, "f");
    free(answer);
    free(lease);
    assert_int_equal(test_db_int(stage.watcher,
                                 "select count(*) from ganger.jobs where id = %" PRId64
                                 " and status = 'cancelled'",
                                 first),
                     1);
    assert_int_equal(live_jobs("tick"), 1);
}

// A live job that somebody's open transaction holds: the new one comes at once, the old one is cancelled when it is free.
static void test_a_held_job_is_cancelled_later(void **state)
{
    (void)state;
    create("tick", ", overlap => 'cancel_running'");
    make_due(stage.watcher, "tick");
    assert_int_equal(run_duty(), 1);
    int64_t first = test_db_int(stage.watcher, "select id from ganger.job");
    test_db_run(stage.a, "begin");
    test_db_run(stage.a, "select ganger.edit(%" PRId64 ", '{\"metadata\": 1}')", first);
    for (int i = 0; i < 2; i++) {
        make_due(stage.watcher, "tick");
        assert_int_equal(run_duty(), 1);
    }
    assert_int_equal(live_jobs("tick"), 2);
    assert_int_equal(test_db_int(stage.watcher, "select count(*) from ganger.schedule_cancel"), 1);
    test_db_run(stage.a, "commit");
    assert_int_equal(run_duty(), 0);
    assert_int_equal(live_jobs("tick"), 1);
    assert_int_equal(
        test_db_int(stage.watcher, "select count(*) from ganger.job where id = %" PRId64, first),
        0);
    assert_int_equal(test_db_int(stage.watcher, "select count(*) from ganger.schedule_cancel"), 0);
}

// --- one transaction

static void test_a_tick_and_its_job_are_one_transaction(void **state)
{
    (void)state;
    create("tick", "");
    make_due(stage.watcher, "tick");
    test_db_run(stage.a, "begin");
    assert_int_equal(test_db_int(stage.a, "select scheduled from ganger._run_schedules()"), 1);
    assert_int_equal(run_duty(), 0); // another node meanwhile
    test_db_run(stage.a, "rollback");
    assert_int_equal(live_jobs("tick"), 0);
    assert_int_equal(run_duty(), 1);
    assert_int_equal(live_jobs("tick"), 1);
}

// A node is told of a tick that may come before its next poll.
static void test_a_new_schedule_is_announced(void **state)
{
    (void)state;
    static const char *const calls[] = {
        "select ganger.create_schedule('tick', '@every 1s', 'x')",
        "select ganger.edit_schedule('tick', '{\"cron\": \"@every 2s\"}')",
        "select ganger.pause_schedule('tick'), ganger.resume_schedule('tick')",
    };
    test_db_run(stage.watcher, "select ganger._register_node('n', 'h', 'b', 1, 1, '60 s', '0')");
    test_db_run(stage.a, "listen ganger");
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        test_db_run(stage.b, "%s", calls[i]);
        test_db_run(stage.a, "select 1");
        PGnotify *notify = PQnotifies(stage.a);
        assert_non_null(notify);
        assert_string_equal(notify->extra, "due");
        PQfreemem(notify);
        assert_null(PQnotifies(stage.a));
    }
}

int main(void)
{
    log_init("test", LOG_FORMAT_AUTO, LOG_LEVEL_WARN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_tick_is_one_job, setup, teardown),
        cmocka_unit_test_setup_teardown(test_missed_ticks_are_one_job_each, setup, teardown),
        cmocka_unit_test_setup_teardown(test_skip_holds_with_many_sessions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_open_transaction_is_waited_for, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_run_does_not_hold_its_schedule, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_open_edit_puts_the_tick_off, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_job_that_has_to_wait_is_put_off, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_running_job_is_cancelled_and_replaced, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_held_job_is_cancelled_later, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_tick_and_its_job_are_one_transaction, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_new_schedule_is_announced, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
