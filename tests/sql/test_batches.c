// SPDX-License-Identifier: MIT
// Batches with many sessions at them: places are exact, the end comes once, and no open transaction is waited for.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "tests/support/test_db.h"

enum { CLAIMERS = 8, ITEMS = 400, PLACES = 3, ROUNDS = 150, LIMIT_MS = 120000 };

typedef struct Stage {
    TestDb *db;
    PGconn *a; // with the open transaction
    PGconn *b; // everybody else: waits for nobody
} Stage;

static Stage stage;

static int setup(void **state)
{
    test_db_setup(state);
    stage.db = *state;
    stage.a = test_db_connect(stage.db);
    stage.b = test_db_connect(stage.db);
    test_db_run(stage.b, "set lock_timeout = '2s'");
    return 0;
}

static int teardown(void **state)
{
    PQfinish(stage.a);
    PQfinish(stage.b);
    return test_db_teardown(state);
}

static void make_batch(int items, int places)
{
    test_db_run(
        stage.b,
        "select ganger.create_batch('b', 'item', (select jsonb_agg(n) from generate_series(1, "
        "%d) n), %d, retry_delay => '0 s', on_finish => '{\"job_type\": \"after\"}')",
        items, places);
    test_db_run(stage.b, "select ganger.start_batch('b')");
}

// Claims items: how many.
static int64_t claim(PGconn *conn, int most)
{
    return test_db_int(
        conn, "select count(*) from ganger.claim('w', job_types => '{item}', max_jobs => %d)",
        most);
}

static int64_t complete_all(PGconn *conn)
{
    return test_db_int(conn, "select count(*) filter (where ganger.complete(id, lease_id)) from "
                             "ganger.job where job_type = 'item' and lease_id is not null");
}

static void assert_status(const char *expected)
{
    char *status = test_db_text(stage.b, "select status from ganger.batches where id = 'b'");
    assert_string_equal(status, expected);
    free(status);
}

static int64_t afters(void)
{
    return test_db_int(stage.b, "select ganger.count_jobs('{\"job_type\": \"after\"}')");
}

// --- places

static atomic_int running;
static atomic_int most_running;
static atomic_int over_limit;
static atomic_bool is_over;

static void note_start(void)
{
    int now = atomic_fetch_add(&running, 1) + 1;
    int most = atomic_load(&most_running);
    while (now > most && !atomic_compare_exchange_weak(&most_running, &most, now)) {
    }
}

// Claims, looks whether there are more than may be, and ends what it has: mostly well, every seventh with an error.
static void *claim_and_complete(void *arg)
{
    PGconn *conn = arg;
    while (!atomic_load(&is_over)) {
        PGresult *got = PQexec(conn, "select id, lease_id from ganger.claim('w', job_types => "
                                     "'{item}', max_jobs => 2)");
        if (PQresultStatus(got) != PGRES_TUPLES_OK) {
            fprintf(stderr, "%s", PQerrorMessage(conn));
            atomic_store(&over_limit, -1);
            PQclear(got);
            return NULL;
        }
        int n = PQntuples(got);
        for (int i = 0; i < n; i++) {
            note_start();
        }
        if (n > 0 &&
            test_db_int(conn, "select count(*) from ganger.job where job_type = 'item' and "
                              "status = 'processing'") > PLACES) {
            atomic_fetch_add(&over_limit, 1);
        }
        for (int i = 0; i < n; i++) {
            int64_t id = strtoll(PQgetvalue(got, i, 0), NULL, 10);
            const char *lease = PQgetvalue(got, i, 1);
            atomic_fetch_sub(&running, 1);
            test_db_run(conn,
                        id % 7 == 0 ? "select ganger.fail(%" PRId64 ", '%s', 'x')"
                                    : "select ganger.complete(%" PRId64 ", '%s')",
                        id, lease);
        }
        PQclear(got);
    }
    return NULL;
}

static void test_places_are_exact(void **state)
{
    (void)state;
    pthread_t threads[CLAIMERS];
    PGconn *conns[CLAIMERS];
    make_batch(ITEMS, PLACES);
    for (int i = 0; i < CLAIMERS; i++) {
        conns[i] = test_db_connect(stage.db);
        assert_int_equal(pthread_create(&threads[i], NULL, claim_and_complete, conns[i]), 0);
    }
    bool ended = test_db_await(stage.b, LIMIT_MS,
                               "select finished_at is not null from ganger.batches where id = 'b'");
    atomic_store(&is_over, true);
    for (int i = 0; i < CLAIMERS; i++) {
        pthread_join(threads[i], NULL);
        PQfinish(conns[i]);
    }
    assert_true(ended);
    assert_int_equal(atomic_load(&over_limit), 0);
    assert_int_equal(atomic_load(&most_running), PLACES); // never more, and not fewer for ever
    assert_status("completed_with_errors");
    assert_int_equal(test_db_int(stage.b, "select completed + failed from ganger.batches"), ITEMS);
    assert_int_equal(test_db_int(stage.b,
                                 "select count(*) from ganger.jobs where job_type = 'item' "
                                 "and status in ('completed', 'failed')"),
                     ITEMS);
    test_db_run(stage.b, "select ganger.maintain()");
    assert_int_equal(afters(), 1);
}

// --- the end

typedef struct Finisher {
    pthread_t thread;
    pthread_barrier_t *start;
    PGconn *conn;
    char sql[256];
    bool completed;
} Finisher;

static void *finish_and_claim(void *arg)
{
    Finisher *self = arg;
    pthread_barrier_wait(self->start);
    self->completed = test_db_int(self->conn, "%s", self->sql) == 1;
    test_db_run(self->conn, "select ganger.claim('w', job_types => '{item}')");
    return NULL;
}

// Two sessions finish the last two items, and both look what follows.
static void play_last_two(Finisher finishers[2], pthread_barrier_t *start)
{
    make_batch(2, 2);
    assert_int_equal(claim(stage.b, 2), 2);
    for (int i = 0; i < 2; i++) {
        char *lease = test_db_text(
            stage.b,
            "select format('select ganger.complete(%%s, %%L)::int', id, lease_id) from "
            "ganger.job where job_type = 'item' order by id offset %d limit 1",
            i);
        snprintf(finishers[i].sql, sizeof finishers[i].sql, "%s", lease);
        free(lease);
        finishers[i].start = start;
        assert_int_equal(
            pthread_create(&finishers[i].thread, NULL, finish_and_claim, &finishers[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(finishers[i].thread, NULL);
        assert_true(finishers[i].completed);
    }
}

static void test_the_end_comes_once(void **state)
{
    (void)state;
    Finisher finishers[2] = {0};
    pthread_barrier_t start;
    pthread_barrier_init(&start, NULL, 2);
    finishers[0].conn = test_db_connect(stage.db);
    finishers[1].conn = test_db_connect(stage.db);
    for (int round = 1; round <= ROUNDS; round++) {
        play_last_two(finishers, &start);
        test_db_run(stage.b, "select ganger._work_signals()"); // what one has left to the other
        assert_int_equal(afters(), round);
        assert_int_equal(
            test_db_int(stage.b,
                        "select count(*) from ganger.event where event = 'batch_finished'"),
            1);
        assert_status("completed");
        assert_true(test_db_int(stage.b, "select ganger.clear_batch('b')::int") == 1);
    }
    PQfinish(finishers[0].conn);
    PQfinish(finishers[1].conn);
    pthread_barrier_destroy(&start);
}

// --- open transactions

static void test_a_clear_does_not_wait_for_ever(void **state)
{
    (void)state;
    make_batch(1, 1);
    assert_int_equal(claim(stage.b, 1), 1);
    assert_int_equal(complete_all(stage.b), 1);
    test_db_run(stage.b, "select ganger._work_signals()");
    test_db_run(stage.a, "begin; select ganger._admit_batches('{b}')");
    test_db_run(stage.b, "do $$ begin perform ganger.clear_batch('b'); raise 'it was cleared'; "
                         "exception when lock_not_available then null; end $$");
    test_db_run(stage.a, "commit");
    assert_int_equal(test_db_int(stage.b, "select ganger.clear_batch('b')::int"), 1);
}

static void test_work_goes_on_beside_an_open_pause(void **state)
{
    (void)state;
    make_batch(6, 2);
    assert_int_equal(claim(stage.b, 1), 1);
    test_db_run(stage.a, "begin");
    assert_int_equal(test_db_int(stage.a, "select ganger.pause_batch('b')::int"), 1);
    assert_int_equal(complete_all(stage.b), 1);
    test_db_run(stage.b, "select ganger._tick()");
    assert_int_equal(claim(stage.b, 5), 1); // the pause holds one, and is not there yet for others
    test_db_run(stage.a, "commit");
    assert_int_equal(claim(stage.b, 5), 0);
    assert_status("paused");
    assert_int_equal(complete_all(stage.b), 1);
    assert_int_equal(claim(stage.b, 5), 0);
    assert_int_equal(test_db_int(stage.b, "select ganger.resume_batch('b')::int"), 1);
    assert_int_equal(claim(stage.b, 5), 2);
}

// What is given a place beside it has none when it is committed.
static void test_a_pause_takes_back_what_was_admitted_beside_it(void **state)
{
    (void)state;
    make_batch(6, 2);
    assert_int_equal(claim(stage.b, 5), 2);
    test_db_run(stage.a, "begin");
    test_db_run(stage.a, "select ganger.pause_batch('b')");
    assert_int_equal(complete_all(stage.b), 2);
    assert_true(test_db_int(stage.b, "select ganger._work_signals()") > 0);
    assert_int_equal(
        test_db_int(stage.b, "select count(*) from ganger.job where job_type = 'item' and seq > 0"),
        2);
    test_db_run(stage.a, "commit");
    assert_int_equal(claim(stage.b, 5), 0);
    assert_int_equal(test_db_int(stage.b, "select count(*) from ganger.jobs where pending_reason = "
                                          "'batch'"),
                     4);
}

static void test_a_batch_ends_beside_an_open_pause(void **state)
{
    (void)state;
    make_batch(1, 1);
    assert_int_equal(claim(stage.b, 1), 1);
    test_db_run(stage.a, "begin");
    assert_int_equal(test_db_int(stage.a, "select ganger.pause_batch('b')::int"), 1);
    assert_int_equal(complete_all(stage.b), 1);
    test_db_run(stage.b, "select ganger._work_signals()");
    assert_int_equal(afters(), 1);
    test_db_run(stage.a, "commit");
    test_db_run(stage.b, "select ganger._work_signals()");
    assert_status("completed");
    assert_int_equal(afters(), 1);
}

// A cancel whose last item is just ending, and that is committed after the end: it came too late.
static void test_a_batch_ends_beside_an_open_cancel(void **state)
{
    (void)state;
    make_batch(1, 1);
    assert_int_equal(claim(stage.b, 1), 1);
    test_db_run(stage.b, "begin");
    assert_int_equal(complete_all(stage.b), 1);
    test_db_run(stage.a, "begin");
    assert_int_equal(test_db_int(stage.a, "select ganger.cancel_batch('b')::int"), 1);
    test_db_run(stage.b, "commit");
    test_db_run(stage.b, "select ganger._work_signals()");
    assert_int_equal(afters(), 1);
    test_db_run(stage.a, "commit");
    test_db_run(stage.b, "select ganger._work_signals()");
    assert_status("completed");
    assert_int_equal(afters(), 1);
}

static void test_a_cancel_finds_what_was_admitted_beside_it(void **state)
{
    (void)state;
    make_batch(2, 2);
    test_db_run(stage.a, "begin");
    assert_true(test_db_int(stage.a, "select ganger._work_signals()") > 0);
    // both are being given their places: they are in others' hands
    assert_int_equal(test_db_int(stage.b, "select ganger.cancel_batch('b')::int"), 1);
    assert_int_equal(
        test_db_int(stage.b, "select count(*) from ganger.jobs where status = 'cancelled'"), 0);
    test_db_run(stage.a, "commit");
    assert_int_equal(claim(stage.b, 5), 0);
    assert_int_equal(
        test_db_int(stage.b, "select count(*) from ganger.jobs where status = 'cancelled'"), 2);
    test_db_run(stage.b, "select ganger._work_signals()");
    assert_int_equal(afters(), 1);
}

// An item that somebody holds is passed over; it has its turn when it is free, though no other item ends then.
static void test_a_held_item_has_its_turn_later(void **state)
{
    (void)state;
    test_db_run(stage.b, "select ganger.create_batch('b', 'item', '[1, 2]', 2)");
    test_db_run(stage.a, "begin");
    test_db_run(stage.a, "select ganger.cancel((select min(id) from ganger.job))");
    test_db_run(stage.b, "select ganger.start_batch('b')");
    assert_int_equal(claim(stage.b, 5), 1);
    test_db_run(stage.a, "rollback");
    assert_int_equal(claim(stage.b, 5), 1);
}

// on_finish with a key that is in somebody's open transaction: the end waits, nobody else does.
static void test_a_held_key_puts_the_end_off(void **state)
{
    (void)state;
    test_db_run(stage.a, "begin");
    test_db_run(stage.a, "select ganger.enqueue('after', idempotency_key => 'k')");
    test_db_run(stage.b,
                "select ganger.create_batch('b', 'item', '[1]', on_finish => '{\"job_type\": "
                "\"after\", \"idempotency_key\": \"k\"}')");
    test_db_run(stage.b, "select ganger.start_batch('b')");
    assert_int_equal(claim(stage.b, 1), 1);
    assert_int_equal(complete_all(stage.b), 1);
    test_db_run(stage.b, "select ganger._work_signals()");
    assert_int_equal(afters(), 0);
    test_db_run(stage.a, "rollback");
    test_db_run(stage.b, "select ganger._work_signals()");
    assert_int_equal(afters(), 1);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    log_init("test", LOG_FORMAT_AUTO, LOG_LEVEL_WARN);
    const struct CMUnitTest tests[] = {
        CASE(test_places_are_exact),
        CASE(test_the_end_comes_once),
        CASE(test_a_clear_does_not_wait_for_ever),
        CASE(test_work_goes_on_beside_an_open_pause),
        CASE(test_a_pause_takes_back_what_was_admitted_beside_it),
        CASE(test_a_batch_ends_beside_an_open_pause),
        CASE(test_a_batch_ends_beside_an_open_cancel),
        CASE(test_a_cancel_finds_what_was_admitted_beside_it),
        CASE(test_a_held_item_has_its_turn_later),
        CASE(test_a_held_key_puts_the_end_off),
    };
    return cmocka_run_group_tests_name("batches", tests, NULL, NULL);
}
