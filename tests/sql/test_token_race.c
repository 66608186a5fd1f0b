// SPDX-License-Identifier: MIT
// Waiters and completers of tokens race, with the duties between them: each waiter is woken, once, by its own token.
#include "tests/support/token_stage.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "tests/support/scale.h"
#include "tests/support/test_db.h"

enum {
    RACES_MAX = 10000,
    RACES_LEAST = 1000,
    WAITERS = 4,
    COMPLETERS = 4,
    RACE_LIMIT_MS = 240000,
    PASS_PAUSE_NS = 2000000,
    NAP_NS = 50000,
    SHAKE_NS = 4000000
};

typedef struct Race {
    const TestDb *db;
    int count;
    _Atomic(char *) announced[RACES_MAX]; // tokens that a waiter is just about to wait for
    atomic_int announced_count;
    atomic_int taken_count;
    atomic_int done;
    atomic_int waited;
    atomic_int failed;
    int64_t deadline;
} Race;

static Race race;

static bool is_race_over(void)
{
    return atomic_load(&race.done) >= race.count || atomic_load(&race.failed) > 0 ||
           clock_boot_ms() > race.deadline;
}

static void take_a_nap(long ns)
{
    nanosleep(&(struct timespec){.tv_nsec = ns}, NULL);
}

// Begins and commits come in any order, half of them at once.
static void shake(unsigned *seed)
{
    long ns = rand_r(seed) % SHAKE_NS;
    if (ns % 2 == 0) {
        take_a_nap(ns);
    }
}

static void fail_race(const char *what, const char *token, const char *answer)
{
    print_error("%s: token %s, answer %s\n", what, token, answer);
    atomic_fetch_add(&race.failed, 1);
}

// One run of a job whose payload is its token.
static void run_waiter(PGconn *conn, const char *id, const char *lease, const char *token,
                       unsigned *seed)
{
    // Not asked in the statement that claims: its snapshot is older than what the claim sees.
    const bool is_first = test_db_int(conn,
                                      "select (not exists (select from ganger.attempts where "
                                      "job_id = %s and outcome = 'waiting'))::int",
                                      id) != 0;
    test_db_run(conn, "begin");
    if (is_first) {
        atomic_store(&race.announced[atomic_fetch_add(&race.announced_count, 1)],
                     mem_strdup(token));
        shake(seed);
    }
    char *answer = test_db_text(conn,
                                "select a ->> 'status' || coalesce(' ' || (a ->> 'data'), '') from "
                                "ganger.wait_for_token(%s, '%s', '%s') a",
                                id, lease, token);
    shake(seed);
    test_db_run(conn, "commit");
    char *wanted = mem_printf("completed %s", token);
    if (strcmp(answer, "waiting") == 0 && is_first) {
        atomic_fetch_add(&race.waited, 1);
    } else if (strcmp(answer, wanted) != 0) {
        fail_race(is_first ? "the first run" : "woken by another token", token, answer);
    } else {
        char *is_done = test_db_text(conn, "select ganger.complete(%s, '%s')", id, lease);
        if (strcmp(is_done, "t") != 0) {
            fail_race("not completed", token, is_done);
        }
        free(is_done);
        atomic_fetch_add(&race.done, 1);
    }
    free(wanted);
    free(answer);
}

static void *wait_all(void *argument)
{
    unsigned *seed = argument;
    PGconn *conn = test_db_connect(race.db);
    while (!is_race_over()) {
        PGresult *claimed =
            PQexec(conn, "select c.id, c.lease_id, c.payload #>> '{}' from ganger.claim('w', "
                         "max_jobs => 10) c");
        if (PQresultStatus(claimed) != PGRES_TUPLES_OK) {
            fail_race("claim", "", PQerrorMessage(conn));
        } else if (PQntuples(claimed) == 0) {
            take_a_nap(NAP_NS);
        }
        for (int i = 0; i < PQntuples(claimed); i++) {
            run_waiter(conn, PQgetvalue(claimed, i, 0), PQgetvalue(claimed, i, 1),
                       PQgetvalue(claimed, i, 2), seed);
        }
        PQclear(claimed);
    }
    PQfinish(conn);
    return NULL;
}

// Takes the next announced token; NULL: none is.
static char *take_announced(void)
{
    int next = atomic_load(&race.taken_count);
    while (next < atomic_load(&race.announced_count)) {
        if (atomic_compare_exchange_weak(&race.taken_count, &next, next + 1)) {
            char *token = NULL;
            while ((token = atomic_load(&race.announced[next])) == NULL) {
            }
            return token;
        }
    }
    return NULL;
}

static void *complete_all(void *argument)
{
    unsigned *seed = argument;
    PGconn *conn = test_db_connect(race.db);
    while (!is_race_over()) {
        char *token = take_announced();
        if (token == NULL) {
            take_a_nap(NAP_NS);
            continue;
        }
        test_db_run(conn, "begin");
        char *answer = test_db_text(
            conn, "select ganger.complete_token('%s', to_jsonb('%s'::text))", token, token);
        shake(seed);
        test_db_run(conn, "commit");
        if (strcmp(answer, "t") != 0) {
            fail_race("not the first", token, answer);
        }
        free(answer);
        free(token);
    }
    PQfinish(conn);
    return NULL;
}

// The duties, in sessions that race with each other, too; how many signals they have worked.
static void *work_all(void *argument)
{
    atomic_int *worked = argument;
    int passes = 0;
    PGconn *conn = test_db_connect(race.db);
    while (!is_race_over()) {
        atomic_fetch_add(worked, (int)test_db_int(conn, "select ganger._work_signals()"));
        if (++passes % 20 == 0) {
            test_db_run(conn, "select ganger._tick()");
        }
        take_a_nap(PASS_PAUSE_NS);
    }
    PQfinish(conn);
    return NULL;
}

static void test_no_wake_up_is_lost(void **state)
{
    race.db = *state;
    race.count = (int)test_scale(RACES_MAX, RACES_LEAST);
    race.deadline = clock_boot_ms() + RACE_LIMIT_MS;
    test_db_run(stage.duty,
                "set lock_timeout = 0; select ganger.cancel(%" PRId64
                "); select ganger.complete(%" PRId64 ", '%s')",
                stage.id, stage.id, stage.lease);
    test_db_run(
        stage.duty,
        "select ganger.enqueue_many(jsonb_agg(jsonb_build_object('job_type', 'race', "
        "'max_attempts', 1, 'payload', ganger.create_token()))) from generate_series(1, %d)",
        race.count);
    atomic_int worked = 0;
    unsigned seeds[WAITERS + COMPLETERS];
    pthread_t threads[WAITERS + COMPLETERS + 2];
    int count = 0;
    for (; count < WAITERS; count++) {
        seeds[count] = (unsigned)count + 1;
        pthread_create(&threads[count], NULL, wait_all, &seeds[count]);
    }
    for (; count < WAITERS + COMPLETERS; count++) {
        seeds[count] = (unsigned)count + 1;
        pthread_create(&threads[count], NULL, complete_all, &seeds[count]);
    }
    for (; count < WAITERS + COMPLETERS + 2; count++) {
        pthread_create(&threads[count], NULL, work_all, &worked);
    }
    for (int i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(atomic_load(&race.failed), 0);
    assert_int_equal(atomic_load(&race.done), race.count);
    assert_int_equal(test_db_int(stage.duty,
                                 "select count(*) from ganger.jobs where job_type = 'race' and "
                                 "status = 'completed' and attempts = 1"),
                     race.count);
    print_message("%d waited, %d were answered at once, %d signals\n", atomic_load(&race.waited),
                  race.count - atomic_load(&race.waited), atomic_load(&worked));
    assert_true(atomic_load(&race.waited) > 0);
    test_db_run(stage.duty, "select ganger._work_signals(100000)");
    assert_int_equal(test_db_int(stage.duty, "select count(*) from ganger.signal"), 0);
}

int main(void)
{
    log_init("test", LOG_FORMAT_AUTO, LOG_LEVEL_WARN);
    const struct CMUnitTest tests[] = {
        TOKEN_TEST(test_no_wake_up_is_lost),
    };
    return cmocka_run_group_tests_name("race of tokens", tests, NULL, NULL);
}
