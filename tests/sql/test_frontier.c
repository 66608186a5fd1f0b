// SPDX-License-Identifier: MIT
// The frontier under fire: whatever commits, in whatever order, is claimed exactly once and never left behind.
//
// Enqueuers hold transactions open for random times, claimers use hints, editors hold the heads of lanes, and two
// sessions advance, idling lanes as soon as they are empty. Then everything must drain. Sizes by environment:
// GANGER_FRONTIER_MS (how long), GANGER_FRONTIER_SEED (which run); GANGER_FRONTIER_SQL is run first: to try a change of the
// protocol, or to see that a wrong one is noticed.
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
#include "tests/support/scale.h"
#include "tests/support/test_db.h"
#include "worker/lane_hints.h"

enum {
    ENQUEUERS = 6,
    CLAIMERS = 3,
    EDITORS = 3,
    ADVANCERS = 2,
    THREADS_MAX = 20,
    RUN_MS = 6000,
    RUN_LEAST_MS = 4000,
    DRAIN_MS = 30000,
    SELDOM_TYPES = 400, // so that claims go through more than 64 lanes
    BATCH_MAX = 20
};

typedef enum Phase { PHASE_WORK, PHASE_DRAIN, PHASE_END } Phase;

static TestDb *test_db;
static _Atomic(Phase) phase;
static int64_t run_ms;
static uint64_t seed;
static atomic_llong refused_finishes;
static atomic_llong locked_running; // others' jobs, whose ends would have to wait
static atomic_llong told;           // claims that went through many lanes, and said so

typedef struct Actor {
    pthread_t thread;
    PGconn *conn;
    uint64_t random;
    int64_t worker;
    LaneHints hints;
} Actor;

static Actor actors[THREADS_MAX];
static int actor_count;

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
    sleep_ms(chance(self, 15) ? pick(self, long_ms) : pick(self, 15));
}

// NULL: somebody else was in the way (serialization, lock timeout, deadlock), which is part of the game.
static PGresult *attempt(PGconn *conn, const char *sql)
{
    PGresult *result = PQexec(conn, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) {
        return result;
    }
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    if (state == NULL || (strcmp(state, "40001") != 0 && strcmp(state, "40P01") != 0 &&
                          strcmp(state, "55P03") != 0 && strcmp(state, "25P02") != 0)) {
        fprintf(stderr, "%s: %s", sql, PQresultErrorMessage(result));
        exit(EXIT_FAILURE);
    }
    PQclear(result);
    return NULL;
}

static bool run(PGconn *conn, const char *sql)
{
    PGresult *result = attempt(conn, sql);
    PQclear(result);
    return result != NULL;
}

__attribute__((format(printf, 2, 3))) static bool runf(PGconn *conn, const char *format, ...)
{
    char sql[600];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(sql, sizeof sql, format, args);
    va_end(args);
    assert_true(length > 0 && (size_t)length < sizeof sql);
    return run(conn, sql);
}

static void end_transaction(Actor *self, int commit_percent)
{
    run(self->conn, chance(self, commit_percent) ? "commit" : "rollback");
}

// What was enqueued is noted by the same transaction: the audit knows exactly what committed.
static void enqueue_something(Actor *self)
{
    // Seldom used lanes are not woken by somebody else's next job.
    char kind = chance(self, 60) ? 'r' : 't';
    int type = (int)pick(self, kind == 'r' ? SELDOM_TYPES : 4);
    int priority = (int)pick(self, 2);
    if (chance(self, 10)) {
        runf(self->conn,
             "insert into audit select ganger.enqueue_many((select jsonb_agg(jsonb_build_object("
             "'job_type', 't' || i %% 3, 'priority', i %% 2)) from generate_series(1, %d) i))",
             (int)pick(self, 60) + 1);
    } else if (chance(self, 15)) {
        runf(self->conn,
             "insert into audit select ganger.enqueue('%c%d', run_at => clock_timestamp() + "
             "interval '%d ms')",
             kind, type, (int)pick(self, 600));
    } else {
        runf(self->conn, "insert into audit select ganger.enqueue('%c%d', priority => %d)", kind,
             type, priority);
    }
}

static void enqueue_in_savepoint(Actor *self)
{
    run(self->conn, "savepoint s");
    enqueue_something(self);
    hold(self, 200);
    run(self->conn, chance(self, 50) ? "rollback to s" : "release s");
}

static void *enqueuer(void *argument)
{
    Actor *self = argument;
    while (phase == PHASE_WORK) {
        bool old_snapshot = chance(self, 20);
        run(self->conn, old_snapshot ? "begin isolation level repeatable read" : "begin");
        if (old_snapshot) {
            run(self->conn, "select count(*) from ganger.lane");
            sleep_ms(pick(self, 400)); // lanes it sees active are idled meanwhile
        }
        for (int64_t n = pick(self, 4) + 1; n > 0; n--) {
            if (chance(self, 20)) {
                enqueue_in_savepoint(self);
            } else {
                enqueue_something(self);
            }
            hold(self, 800);
        }
        end_transaction(self, 80);
        if (chance(self, 10)) {
            sleep_ms(pick(self, 700)); // lanes run empty
        }
    }
    return NULL;
}

// One transaction, open for nearly all of the run, that enqueues on and on.
static void *long_enqueuer(void *argument)
{
    Actor *self = argument;
    int64_t until = clock_boot_ms() + run_ms * 8 / 10;
    run(self->conn, "begin");
    while (clock_boot_ms() < until) {
        enqueue_something(self);
        hold(self, 300);
    }
    run(self->conn, "commit");
    return NULL;
}

static void edit_or_cancel(Actor *self, int64_t id)
{
    static const char *const CHANGES[] = {"{\"metadata\": 1}", "{\"priority\": 1}",
                                          "{\"job_type\": \"t0\"}", "{\"run_at\": null}"};
    if (chance(self, 30)) {
        runf(self->conn, "select ganger.cancel(%" PRId64 ")", id);
    } else {
        runf(self->conn, "select ganger.edit(%" PRId64 ", '%s')", id, CHANGES[pick(self, 4)]);
    }
}

// Holds rows at the heads of lanes: the frontier has to go on without them.
static void *editor(void *argument)
{
    Actor *self = argument;
    run(self->conn, "set lock_timeout = '30ms'");
    while (phase == PHASE_WORK) {
        run(self->conn, "begin");
        for (int64_t n = pick(self, 3) + 1; n > 0; n--) {
            // the newest: what was left behind must not be saved by a later edit
            PGresult *heads =
                attempt(self->conn, "select id from ganger.job where seq is not null "
                                    "and status = 'pending' order by seq desc limit 8");
            if (heads != NULL && PQntuples(heads) > 0) {
                int row = (int)pick(self, PQntuples(heads));
                edit_or_cancel(self, strtoll(PQgetvalue(heads, row, 0), NULL, 10));
            }
            PQclear(heads);
        }
        sleep_ms(pick(self, 500));
        end_transaction(self, 50);
    }
    return NULL;
}

// Of others' running jobs, in the transaction that is open here and has finished none itself.
static void note_locked_running(Actor *self)
{
    char sql[200];
    snprintf(sql, sizeof sql,
             "select count(*) from ganger.job where status = 'processing' and worker_id <> %" PRId64
             " and xmax = pg_current_xact_id_if_assigned()::xid",
             self->worker);
    PGresult *locked = attempt(self->conn, sql);
    if (locked != NULL) {
        atomic_fetch_add(&locked_running, strtoll(PQgetvalue(locked, 0, 0), NULL, 10));
    }
    PQclear(locked);
}

static void *advancer(void *argument)
{
    Actor *self = argument;
    while (phase != PHASE_END) {
        bool in_transaction = chance(self, 30);
        if (in_transaction) {
            run(self->conn, "begin");
        }
        const bool is_finishing = chance(self, 50);
        if (is_finishing) {
            run(self->conn, "select ganger._promote(), ganger._apply_late_results()");
        }
        runf(self->conn, "select ganger._advance('%d ms')", chance(self, 70) ? 0 : 150);
        if (in_transaction && !is_finishing) {
            note_locked_running(self);
        }
        if (chance(self, 20)) {
            run(self->conn, "select ganger._forget_lanes('0 s')");
        }
        if (in_transaction) {
            if (chance(self, 30)) {
                run(self->conn, "select ganger._advance('0 s')");
            }
            hold(self, 150);
            end_transaction(self, 60);
        }
        sleep_ms(pick(self, 40));
    }
    return NULL;
}

static void add_text(char *text, size_t size, const char *separator, int64_t value)
{
    size_t length = strlen(text);
    snprintf(text + length, size - length, "%s%" PRId64, separator, value);
}

static void write_hints(const LaneHints *hints, char *lanes, char *seqs, size_t size)
{
    for (int i = 0; i < hints->count; i++) {
        add_text(lanes, size, i > 0 ? "," : "", hints->lanes[i]);
        add_text(seqs, size, i > 0 ? "," : "", hints->seqs[i] + 1 - LANE_HINT_MARGIN);
    }
}

// As a worker does (worker/claim.c): the last row may be what the next claim is told of many lanes. Returns how many jobs there are.
static int note_hints(Actor *self, const PGresult *claimed)
{
    int jobs = PQntuples(claimed);
    if (jobs > 0 && PQgetisnull(claimed, jobs - 1, 0)) {
        jobs--;
        lane_hints_note_seen(&self->hints, PQgetvalue(claimed, jobs, 4),
                             (size_t)PQgetlength(claimed, jobs, 4));
        atomic_fetch_add(&told, 1);
    }
    for (int row = 0; row < jobs; row++) {
        lane_hints_note(&self->hints, strtoll(PQgetvalue(claimed, row, 2), NULL, 10),
                        strtoll(PQgetvalue(claimed, row, 3), NULL, 10));
    }
    return jobs;
}

static void finish_claimed(Actor *self, const PGresult *claimed, int jobs)
{
    for (int row = 0; row < jobs; row++) {
        const char *id = PQgetvalue(claimed, row, 0);
        const char *lease = PQgetvalue(claimed, row, 1);
        if (chance(self, 10)) {
            runf(self->conn, "select ganger._release('{%s}', '{%s}', 'not started')", id, lease);
            continue;
        }
        char sql[200];
        snprintf(sql, sizeof sql,
                 "select coalesce(ganger._settle_result(%s, '%s', 'completed', null, null, null, "
                 "null, null, null, null, null, null), 'refused')",
                 id, lease);
        PGresult *answer = attempt(self->conn, sql);
        if (answer == NULL || strcmp(PQgetvalue(answer, 0, 0), "refused") == 0) {
            atomic_fetch_add(&refused_finishes, 1);
        }
        PQclear(answer);
    }
}

static void *claimer(void *argument)
{
    Actor *self = argument;
    while (phase != PHASE_END) {
        char lanes[2000] = "";
        char seqs[2000] = "";
        char sql[4400 + LANE_SEEN_MAX];
        lane_hints_expire(&self->hints, clock_boot_ms(), 0);
        write_hints(&self->hints, lanes, seqs, sizeof lanes);
        snprintf(sql, sizeof sql,
                 "select id, lease_id, lane_id, seq, payload from ganger._take_jobs(%" PRId64
                 ", 1, null, null, '{default}', null, %d, '{%s}', '{%s}', '%s')",
                 self->worker, (int)pick(self, BATCH_MAX) + 1, lanes, seqs,
                 lane_hints_seen(&self->hints));
        run(self->conn, "begin");
        PGresult *claimed = attempt(self->conn, sql);
        if (claimed != NULL) {
            note_locked_running(self);
        }
        if (chance(self, 20)) {
            hold(self, 150);
        }
        if (claimed == NULL || chance(self, 15)) {
            run(self->conn, "rollback");
            PQclear(claimed);
            continue;
        }
        run(self->conn, "commit");
        const int jobs = note_hints(self, claimed);
        finish_claimed(self, claimed, jobs);
        if (jobs == 0) {
            sleep_ms(5);
        }
        PQclear(claimed);
    }
    return NULL;
}

static void start(void *(*body)(void *))
{
    Actor *self = &actors[actor_count++];
    self->conn = test_db_connect(test_db);
    self->random = seed * 0x9e3779b97f4a7c15U + (uint64_t)actor_count * 0x2545f4914f6cdd1dU;
    self->worker = test_db_int(self->conn, "select ganger._register_worker("
                                           "(select id from ganger.node), 'default', 1, 1, false)");
    if (pthread_create(&self->thread, NULL, body, self) != 0) {
        fail();
    }
}

static void join(int first, int count)
{
    for (int i = first; i < first + count; i++) {
        pthread_join(actors[i].thread, NULL);
        PQfinish(actors[i].conn);
    }
}

static void print_rows(PGconn *conn, const char *title, const char *sql)
{
    PGresult *rows = PQexec(conn, sql);
    print_message("%s\n", title);
    for (int row = 0; row < PQntuples(rows); row++) {
        print_message("  %s\n", PQgetvalue(rows, row, 0));
    }
    PQclear(rows);
}

static void print_stranded(PGconn *conn)
{
    print_rows(conn, "left behind:",
               "select row(j.id, j.status, j.seq, j.lane_id, j.due_at, l.frontier, l.state)::text "
               "from ganger.job j left join ganger.lane l using (lane_id) order by j.id limit 20");
    print_rows(conn, "stragglers:", "select s::text from ganger.lane_straggler s limit 20");
    print_rows(conn, "signals:", "select s::text from ganger.lane_signal s limit 20");
    print_rows(conn, "epochs:", "select e::text from ganger.epoch e limit 20");
    print_rows(conn, "now:", "select s::text from ganger.epoch_state s");
}

static void check_outcome(PGconn *conn)
{
    int64_t jobs = test_db_int(conn, "select count(*) from audit");
    int64_t returned = test_db_int(conn, "select count(*) from ganger.lane where returned");
    print_message(
        "seed %" PRIu64 ": %" PRId64 " jobs, %" PRId64
        " sibling lanes used, %lld claims of many lanes, %" PRId64 " cancelled\n",
        seed, jobs, returned, atomic_load(&told),
        test_db_int(conn, "select count(*) from ganger.history where status = 'cancelled'"));
    assert_true(jobs > 0);
    assert_int_equal(test_db_int(conn, "select count(*) from ganger.history"), jobs);
    assert_int_equal(test_db_int(conn, "select count(*) from audit a join ganger.history h on "
                                       "h.id = a.id"),
                     jobs);
    // One accepted claim each: what was returned was uncounted, what was rolled back never was.
    assert_int_equal(test_db_int(conn, "select count(*) from ganger.history where attempts > 1 or "
                                       "(status = 'completed' and attempts <> 1)"),
                     0);
    assert_int_equal(atomic_load(&refused_finishes), 0);
    assert_int_equal(atomic_load(&locked_running), 0);
    assert_int_equal(test_db_int(conn, "select count(*) from ganger.lane_straggler s join "
                                       "ganger.job j on j.id = s.job_id"),
                     0);
}

static void test_nothing_is_left_behind(void **state)
{
    test_db = *state;
    PGconn *conn = test_db_connect(test_db);
    test_db_run(conn, "create table audit (id bigint primary key)");
    test_db_run(conn, "select ganger._register_node('n', 'h', 'b', 1, 1, '60 s', '0')");
    const char *change = getenv("GANGER_FRONTIER_SQL");
    if (change != NULL) {
        test_db_run(conn, "%s", change);
    }
    for (int i = 0; i < ENQUEUERS; i++) {
        start(enqueuer);
    }
    start(long_enqueuer);
    for (int i = 0; i < EDITORS; i++) {
        start(editor);
    }
    int producers = actor_count;
    for (int i = 0; i < ADVANCERS; i++) {
        start(advancer);
    }
    for (int i = 0; i < CLAIMERS; i++) {
        start(claimer);
    }
    sleep_ms(run_ms);
    phase = PHASE_DRAIN;
    join(0, producers);
    bool drained = test_db_await(conn, DRAIN_MS, "select not exists (select from ganger.job)");
    bool idled = test_db_await(conn, DRAIN_MS,
                               "select not exists (select from ganger.lane where state <> 'idle')");
    phase = PHASE_END;
    join(producers, actor_count - producers);
    if (!drained) {
        print_stranded(conn);
    }
    assert_true(drained);
    assert_true(idled);
    check_outcome(conn);
    PQfinish(conn);
}

int main(void)
{
    log_init("test", LOG_FORMAT_AUTO, LOG_LEVEL_WARN);
    const char *length = getenv("GANGER_FRONTIER_MS");
    run_ms = length != NULL ? strtoll(length, NULL, 10) : test_scale(RUN_MS, RUN_LEAST_MS);
    const char *chosen = getenv("GANGER_FRONTIER_SEED");
    seed = chosen != NULL ? strtoull(chosen, NULL, 10) : (uint64_t)clock_boot_us();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing_is_left_behind, test_db_setup,
                                        test_db_teardown),
    };
    return cmocka_run_group_tests_name("frontier", tests, NULL, NULL);
}
