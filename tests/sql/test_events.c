// SPDX-License-Identifier: MIT
// The feed of events under fire: whatever commits late, a follower gets each event once and in order.
//
// Enqueuers and those who end, retry and cancel jobs hold their transactions open for random times, or roll them back; two
// sessions advance. Followers read with pages of different sizes, one in old snapshots, one from the middle of the run on. What
// they have got is then compared with what the tables have. Sizes by environment: GANGER_EVENTS_MS (how long),
// GANGER_EVENTS_SEED (which run); GANGER_EVENTS_SQL is run first: to see that a wrong mark is noticed.
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
#include <time.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "tests/support/test_db.h"

enum {
    ENQUEUERS = 5,
    FINISHERS = 4,
    RETRIERS = 2,
    ADVANCERS = 2,
    FOLLOWERS = 4,
    ACTORS_MAX = 20,
    RUN_MS = 4000,
    SETTLE_MS = 30000,
    SEEN_MAX = 400000
};

typedef enum Phase { PHASE_WORK, PHASE_FOLLOW, PHASE_END } Phase;

typedef struct Event {
    int64_t id;
    int64_t job;
    char name[16];
} Event;

typedef struct Actor {
    pthread_t thread;
    PGconn *conn;
    uint64_t random;
} Actor;

typedef struct Follower {
    Actor actor;
    int page;
    bool is_in_snapshots; // reads several times in one snapshot, held for a while
    bool is_from_now;     // begins in the middle of the run, with last_event_id()
    int64_t start;
    int64_t cursor;
    int64_t out_of_order;
    Event *seen;
    int seen_count;
} Follower;

static TestDb *test_db;
static _Atomic(Phase) phase;
static int64_t run_ms;
static uint64_t seed;
static Actor actors[ACTORS_MAX];
static int actor_count;
static Follower followers[FOLLOWERS] = {{.page = 1000},
                                        {.page = 7},
                                        {.page = 50, .is_in_snapshots = true},
                                        {.page = 100, .is_from_now = true}};

static void sleep_ms(int64_t ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L}, NULL);
}

static int64_t pick(Actor *self, int64_t below)
{
    self->random ^= self->random << 13;
    self->random ^= self->random >> 7;
    self->random ^= self->random << 17;
    return (int64_t)(self->random % (uint64_t)below);
}

static bool chance(Actor *self, int percent)
{
    return pick(self, 100) < percent;
}

// Mostly moments, sometimes long.
static void hold(Actor *self, int64_t long_ms)
{
    sleep_ms(chance(self, 15) ? pick(self, long_ms) : pick(self, 10));
}

// False: somebody else was in the way (lock timeout, deadlock, and what follows in the transaction), which is part of the game.
__attribute__((format(printf, 2, 3))) static bool run(Actor *self, const char *format, ...)
{
    char sql[600];
    va_list args;
    va_start(args, format);
    assert_in_range(vsnprintf(sql, sizeof sql, format, args), 1, sizeof sql - 1);
    va_end(args);
    PGresult *result = PQexec(self->conn, sql);
    ExecStatusType status = PQresultStatus(result);
    bool done = status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
    const char *state = done ? NULL : PQresultErrorField(result, PG_DIAG_SQLSTATE);
    if (!done && (state == NULL || (strcmp(state, "40001") != 0 && strcmp(state, "40P01") != 0 &&
                                    strcmp(state, "55P03") != 0 && strcmp(state, "25P02") != 0))) {
        fprintf(stderr, "%s: %s", sql, PQresultErrorMessage(result));
        exit(EXIT_FAILURE);
    }
    PQclear(result);
    return done;
}

static void end_transaction(Actor *self, int commit_percent)
{
    run(self, chance(self, commit_percent) ? "commit" : "rollback");
}

// What was enqueued is noted by the same transaction: the audit knows exactly what committed.
static void enqueue_something(Actor *self)
{
    if (chance(self, 15)) {
        run(self,
            "insert into audit select ganger.enqueue_many((select jsonb_agg(jsonb_build_object("
            "'job_type', 't' || i %% 3)) from generate_series(1, %d) i))",
            (int)pick(self, 30) + 1);
    } else {
        run(self, "insert into audit select ganger.enqueue('t%d')", (int)pick(self, 3));
    }
}

static void *enqueuer(void *argument)
{
    Actor *self = argument;
    while (phase == PHASE_WORK) {
        run(self, chance(self, 20) ? "begin isolation level repeatable read" : "begin");
        for (int64_t n = pick(self, 4) + 1; n > 0; n--) {
            run(self, "savepoint s");
            enqueue_something(self);
            hold(self, 900);
            run(self, chance(self, 15) ? "rollback to s" : "release s");
        }
        end_transaction(self, 80);
    }
    return NULL;
}

// Claims, and ends what it has claimed in one of all ways, in a transaction that stays open for a while.
static void *finisher(void *argument)
{
    static const char *const ENDS[] = {
        "select ganger.complete(id, lease_id) from held",
        "select ganger.complete(id, lease_id) from held",
        "select ganger.fail(id, lease_id, 'no', false) from held",
        "select ganger.fail(id, lease_id, 'once more') from held",
        "select ganger.snooze(id, lease_id, '0 s') from held",
        "select ganger.set_progress(id, lease_id, id::integer % 100) from held",
        "select ganger.cancel(id) from held"};
    Actor *self = argument;
    run(self, "create temp table held (id bigint, lease_id uuid)");
    while (phase == PHASE_WORK) {
        run(self, "truncate held");
        run(self, "insert into held select id, lease_id from ganger.claim('w', max_jobs => %d)",
            (int)pick(self, 10) + 1);
        run(self, "begin");
        run(self, "%s", ENDS[pick(self, (int64_t)(sizeof ENDS / sizeof ENDS[0]))]);
        hold(self, 600);
        end_transaction(self, 75);
        run(self, "select ganger.complete(id, lease_id) from held");
    }
    return NULL;
}

static void *retrier(void *argument)
{
    Actor *self = argument;
    run(self, "set lock_timeout = '50ms'");
    while (phase == PHASE_WORK) {
        run(self, "begin");
        run(self,
            "select ganger.retry(id) from ganger.history where status in ('failed', 'cancelled') "
            "order by random() limit 3");
        run(self, "select ganger.edit(id, '{\"job_type\": \"e\"}') from ganger.job "
                  "where status = 'pending' order by id desc limit 1");
        hold(self, 700);
        end_transaction(self, 70);
        sleep_ms(pick(self, 20));
    }
    return NULL;
}

static void *advancer(void *argument)
{
    Actor *self = argument;
    while (phase != PHASE_END) {
        run(self, "begin");
        run(self, "select ganger._promote(), ganger._apply_late_results()");
        run(self, "select ganger._advance()");
        hold(self, 150);
        end_transaction(self, 70);
        sleep_ms(pick(self, 30));
    }
    return NULL;
}

static void note_seen(Follower *self, const PGresult *rows)
{
    for (int row = 0; row < PQntuples(rows); row++) {
        assert_true(self->seen_count < SEEN_MAX);
        Event *event = &self->seen[self->seen_count++];
        event->id = strtoll(PQgetvalue(rows, row, 0), NULL, 10);
        event->job = strtoll(PQgetvalue(rows, row, 1), NULL, 10);
        snprintf(event->name, sizeof event->name, "%s", PQgetvalue(rows, row, 2));
        if (event->id <= self->cursor) {
            self->out_of_order++;
        }
        self->cursor = event->id;
    }
}

// How many events there were.
static int read_page(Follower *self)
{
    char sql[120];
    snprintf(sql, sizeof sql, "select * from ganger.read_events(%" PRId64 ", %d)", self->cursor,
             self->page);
    PGresult *rows = PQexec(self->actor.conn, sql);
    if (PQresultStatus(rows) != PGRES_TUPLES_OK) {
        fprintf(stderr, "%s: %s", sql, PQresultErrorMessage(rows));
        exit(EXIT_FAILURE);
    }
    note_seen(self, rows);
    int count = PQntuples(rows);
    PQclear(rows);
    return count;
}

static void *follower(void *argument)
{
    Follower *self = argument;
    if (self->is_from_now) {
        sleep_ms(run_ms / 2);
        self->start = test_db_int(self->actor.conn, "select ganger.last_event_id()");
        self->cursor = self->start;
    }
    bool is_last = false;
    while (!is_last) {
        is_last = phase == PHASE_END; // then nothing is added any more
        run(&self->actor,
            self->is_in_snapshots ? "begin isolation level repeatable read" : "begin");
        int count = read_page(self);
        if (self->is_in_snapshots && count > 0) {
            hold(&self->actor, 500);
            count = read_page(self);
        }
        run(&self->actor, "commit");
        is_last = is_last && count == 0;
        if (count == 0) {
            sleep_ms(pick(&self->actor, 15));
        }
    }
    return NULL;
}

static void start_actor(Actor *self, void *(*body)(void *), void *argument)
{
    static uint64_t number;
    self->conn = test_db_connect(test_db);
    self->random = seed * 0x9e3779b97f4a7c15U + ++number * 0x2545f4914f6cdd1dU;
    if (pthread_create(&self->thread, NULL, body, argument) != 0) {
        fail();
    }
}

static void start(void *(*body)(void *), int count)
{
    for (int i = 0; i < count; i++) {
        Actor *self = &actors[actor_count++];
        start_actor(self, body, self);
    }
}

static void join(Actor *self)
{
    pthread_join(self->thread, NULL);
    PQfinish(self->conn);
}

// What the tables have: the events with a number above `start`.
static const char TRUTH[] =
    "select * from ("
    " select id as event_id, id as job_id, 'added' as event from (select id from ganger.job union "
    "all select id from "
    "ganger.history) j"
    " union all select finish_id, id, 'completed' from ganger.history where status = 'completed'"
    " union all select id, job_id, event from ganger.event) x ";

static void check_follower(PGconn *conn, const Follower *self, int which)
{
    char sql[600];
    snprintf(sql, sizeof sql, "%s where event_id > %" PRId64 " order by event_id", TRUTH,
             self->start);
    PGresult *truth = PQexec(conn, sql);
    assert_int_equal(PQresultStatus(truth), PGRES_TUPLES_OK);
    print_message("seed %" PRIu64 ", follower %d from %" PRId64 ": %d events of %d\n", seed, which,
                  self->start, self->seen_count, PQntuples(truth));
    assert_true(PQntuples(truth) > 0);
    assert_int_equal(self->out_of_order, 0);
    for (int row = 0; row < self->seen_count && row < PQntuples(truth); row++) {
        const Event *event = &self->seen[row];
        assert_int_equal(event->id, strtoll(PQgetvalue(truth, row, 0), NULL, 10));
        assert_int_equal(event->job, strtoll(PQgetvalue(truth, row, 1), NULL, 10));
        assert_string_equal(event->name, PQgetvalue(truth, row, 2));
    }
    assert_int_equal(self->seen_count, PQntuples(truth));
    PQclear(truth);
}

// The run had what it is about: all kinds of events, and nothing of what was enqueued is missing.
static void check_run(PGconn *conn)
{
    assert_int_equal(
        test_db_int(conn,
                    "select count(*) from audit a full join (%s where event = 'added') t "
                    "on t.job_id = a.id where a.id is null or t.job_id is null",
                    TRUTH),
        0);
    assert_int_equal(
        test_db_int(conn,
                    "select count(distinct event) from (%s where event in ('added', 'completed', "
                    "'failed', 'retried', 'cancelled', 'edited', 'progress', 'waiting')) t",
                    TRUTH),
        8);
}

static void test_followers_get_everything(void **state)
{
    test_db = *state;
    PGconn *conn = test_db_connect(test_db);
    test_db_run(conn, "create table audit (id bigint primary key)");
    const char *change = getenv("GANGER_EVENTS_SQL");
    if (change != NULL) {
        test_db_run(conn, "%s", change);
    }
    for (int i = 0; i < FOLLOWERS; i++) {
        followers[i].seen = mem_alloc(SEEN_MAX * sizeof(Event));
        start_actor(&followers[i].actor, follower, &followers[i]);
    }
    start(enqueuer, ENQUEUERS);
    start(finisher, FINISHERS);
    start(retrier, RETRIERS);
    int producers = actor_count;
    start(advancer, ADVANCERS);
    sleep_ms(run_ms);
    phase = PHASE_FOLLOW;
    for (int i = 0; i < producers; i++) {
        join(&actors[i]);
    }
    int64_t last = test_db_int(conn, "select max(event_id) from (%s) t", TRUTH);
    bool is_sealed =
        test_db_await(conn, SETTLE_MS, "select ganger.last_event_id() >= %" PRId64, last);
    phase = PHASE_END;
    for (int i = producers; i < actor_count; i++) {
        join(&actors[i]);
    }
    for (int i = 0; i < FOLLOWERS; i++) {
        join(&followers[i].actor);
    }
    assert_true(is_sealed);
    check_run(conn);
    for (int i = 0; i < FOLLOWERS; i++) {
        check_follower(conn, &followers[i], i);
        free(followers[i].seen);
    }
    PQfinish(conn);
}

int main(void)
{
    log_init("test", LOG_FORMAT_AUTO, LOG_LEVEL_WARN);
    const char *length = getenv("GANGER_EVENTS_MS");
    run_ms = length != NULL ? strtoll(length, NULL, 10) : RUN_MS;
    const char *chosen = getenv("GANGER_EVENTS_SEED");
    seed = chosen != NULL ? strtoull(chosen, NULL, 10) : (uint64_t)clock_boot_us();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_followers_get_everything, test_db_setup,
                                        test_db_teardown),
    };
    return cmocka_run_group_tests_name("events", tests, NULL, NULL);
}
