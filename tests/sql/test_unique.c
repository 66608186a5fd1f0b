// SPDX-License-Identifier: MIT
// Unique keys under fire: never two live jobs that hold the same key, and every call gets the id of a job that is or was there.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>

#include "common/base/log.h"
#include "tests/support/crew.h"
#include "tests/support/scale.h"

enum { RUN_MS = 6000, RUN_LEAST_MS = 1500, BUSY_MS = 30000, KEYS = 6 };

static Crew crew;
static PGconn *watcher;

// t_twice: keys more than one live job holds; all callers here share theirs. The holder is who the key's row names; a job whose key was
// taken meanwhile, and that was retried, goes without it: those are told apart by last_retried_at.
static const char PRELUDE[] =
    "create function t_twice() returns text language sql as $$"
    " select string_agg(x.unique_key, ', ') from (select j.unique_key from ganger.job j where "
    "j.unique_key is not null and (j.last_retried_at is null or exists (select from "
    "ganger.job_key k where k.job_id = j.id and k.kind = 'unique' and k.owner = '')) group by "
    "j.unique_key having count(*) > 1) x $$;"
    "create table answer (id bigint)";

static int setup(void **state)
{
    test_db_setup(state);
    crew = (Crew){.db = *state};
    watcher = test_db_connect(*state);
    test_db_run(watcher, "%s", PRELUDE);
    return 0;
}

static int teardown(void **state)
{
    PQfinish(watcher);
    return test_db_teardown(state);
}

static void enqueue(CrewMember *member)
{
    static const char *const CONFLICTS[] = {"ignore", "replace", "reschedule", "error"};
    const char *conflict = CONFLICTS[crew_dice(member, 4)];
    const bool is_rolled_back = crew_dice(member, 8) == 0;
    free(crew_ask(member, NULL, "begin"));
    free(crew_ask(
        member, "23505",
        "insert into answer select ganger.enqueue('t', unique_key => 'k%d', on_conflict => "
        "'%s', payload => '%d', run_at => clock_timestamp() + interval '%d ms', owner => %s)",
        crew_dice(member, KEYS), conflict, member->number, crew_dice(member, 5) - 3,
        crew_dice(member, 2) == 0 ? "null" : "'bob'"));
    crew_pause_ms(crew_dice(member, 4));
    free(crew_ask(member, NULL, is_rolled_back ? "rollback" : "commit"));
}

// Keys in any order in one call, and in another order at the same time elsewhere.
static void enqueue_many(CrewMember *member)
{
    free(crew_ask(
        member, NULL,
        "insert into answer select ganger.enqueue_many((select "
        "jsonb_agg(jsonb_build_object('job_type', "
        "'t', 'unique_key', 'k' || i %% %d, 'on_conflict', (array['ignore', 'replace', "
        "'reschedule'])[1 + (random() * 2)::int], 'idempotency_key', case when random() < 0.3 then "
        "'i' || (random() * 1000)::int end) order by random()) from generate_series(1, %d) i))",
        KEYS, 2 * KEYS));
    crew_pause_ms(crew_dice(member, 4));
}

static void work(CrewMember *member)
{
    free(crew_ask(member, NULL, "select count(*) from ganger.claim('w%d', max_jobs => 3)",
                  member->number));
    char *bad = crew_ask(member, NULL, "select t_twice()");
    if (bad[0] != '\0') {
        crew_fail(member, "two live jobs with one key", bad);
    }
    free(bad);
    free(crew_ask(member, NULL, "begin"));
    free(
        crew_ask(member, "55P03",
                 "select count(case when random() < 0.2 then ganger.discard(j.id, j.lease_id, 'x') "
                 "else ganger.complete(j.id, j.lease_id) end) from (select id, lease_id from "
                 "ganger.job where worker_name = 'w%d' and status = 'processing' order by id) j",
                 member->number));
    crew_pause_ms(crew_dice(member, 4));
    free(crew_ask(member, NULL, "commit"));
}

static void operate(CrewMember *member)
{
    free(crew_ask(member, NULL,
                  "select ganger.retry(x.id) from (select h.id from ganger.history h where "
                  "h.status <> 'completed' order by random() limit 1 for update skip locked) x"));
    free(crew_ask(member, NULL,
                  "select ganger.cancel(x.id) from (select j.id from ganger.job j where j.status = "
                  "'pending' order by random() limit 1 for update skip locked) x"));
    free(crew_ask(member, NULL, "select ganger.maintain()"));
    crew_pause_ms(10);
}

static void test_one_live_holder_at_any_time(void **state)
{
    (void)state;
    crew_add(&crew, enqueue, 6);
    crew_add(&crew, enqueue_many, 3);
    crew_add(&crew, work, 4);
    crew_add(&crew, operate, 1);
    crew_start(&crew);
    for (int64_t i = test_scale(RUN_MS, RUN_LEAST_MS) / 20; i > 0 && !atomic_load(&crew.is_over);
         i--) {
        crew_pause_ms(20);
    }
    // On a busy machine the time may have been too short for anything to happen.
    (void)test_db_await(watcher, BUSY_MS, "select count(distinct id) > 100 from answer");
    assert_int_equal(crew_end(&crew), 0);
    assert_int_equal(test_db_int(watcher, "select count(*) from answer a where not exists (select "
                                          "from ganger.jobs j where j.id = a.id)"),
                     0);
    // with everything at rest nothing keeps a key but live jobs
    test_db_run(watcher, "select ganger.cancel(id) from ganger.jobs where status in ('pending', "
                         "'processing')");
    test_db_run(watcher, "select ganger.complete(id, lease_id) from ganger.job");
    test_db_run(watcher, "select ganger.maintain()");
    assert_int_equal(test_db_int(watcher, "select count(*) from ganger.job"), 0);
    assert_int_equal(
        test_db_int(watcher, "select count(*) from ganger.job_key where kind = 'unique'"), 0);
    assert_true(test_db_int(watcher, "select count(distinct id) from answer") > 100);
}

// Whoever is about to end the holder does not make others wait: the holder is live until that is committed.
static void test_an_ending_holder_is_not_waited_for(void **state)
{
    (void)state;
    PGconn *other = test_db_connect(crew.db);
    test_db_run(other, "set lock_timeout = '300ms'");
    const int64_t id = test_db_int(watcher, "select ganger.enqueue('t', unique_key => 'k')");
    test_db_run(watcher, "begin");
    test_db_run(watcher, "select ganger.complete(id, lease_id) from ganger.claim('w')");
    assert_int_equal(test_db_int(other, "select ganger.enqueue('t', unique_key => 'k')"), id);
    assert_int_equal(test_db_int(other, "select ganger.enqueue('t', unique_key => 'k', payload => "
                                        "'1', on_conflict => 'replace')"),
                     id);
    test_db_run(watcher, "commit");
    assert_true(test_db_int(other, "select ganger.enqueue('t', unique_key => 'k')") > id);
    PQfinish(other);
}

// What removes the key of an ended job waits for nobody: what is left behind is taken over, by an enqueue and by a retry.
static void test_a_key_left_behind_is_free(void **state)
{
    (void)state;
    PGconn *other = test_db_connect(crew.db);
    const int64_t id = test_db_int(watcher, "select ganger.enqueue('t', unique_key => 'k')");
    test_db_run(other, "begin");
    test_db_run(other, "select from ganger.job_key for update");
    test_db_run(watcher, "select ganger.cancel(%" PRId64 ")", id);
    test_db_run(other, "rollback");
    assert_int_equal(test_db_int(watcher, "select count(*) from ganger.job_key"), 1);
    const int64_t next = test_db_int(watcher, "select ganger.enqueue('t', unique_key => 'k')");
    assert_true(next > id);
    test_db_run(watcher, "select ganger.retry(%" PRId64 ")", id); // goes without
    assert_int_equal(test_db_int(watcher, "select job_id from ganger.job_key"), next);
    test_db_run(other, "begin");
    test_db_run(other, "select from ganger.job_key for update");
    test_db_run(watcher, "select ganger.cancel(%" PRId64 ")", next);
    test_db_run(other, "rollback");
    test_db_run(watcher, "select ganger.cancel(%" PRId64 "), ganger.retry(%" PRId64 ")", id, id);
    assert_int_equal(test_db_int(watcher, "select job_id from ganger.job_key"), id);
    PQfinish(other);
}

// Nor does who forgets an ended job wait for somebody that is taking its key over.
static void test_a_cleanup_waits_for_no_key(void **state)
{
    (void)state;
    PGconn *other = test_db_connect(crew.db);
    test_db_run(other, "set lock_timeout = '300ms'");
    const int64_t id = test_db_int(watcher, "select ganger.enqueue('t', unique_key => 'k', "
                                            "unique_for => '10 ms')");
    test_db_run(watcher, "select ganger.complete(id, lease_id), pg_sleep(0.02) from "
                         "ganger.claim('w')");
    test_db_run(watcher, "begin");
    const int64_t next = test_db_int(watcher, "select ganger.enqueue('t', unique_key => 'k')");
    assert_true(next > id);
    assert_int_equal(test_db_int(other, "select ganger.cleanup('0 s')"), 1);
    test_db_run(watcher, "commit");
    assert_int_equal(test_db_int(other, "select ganger.enqueue('t', unique_key => 'k')"), next);
    PQfinish(other);
}

int main(void)
{
    log_init("test", LOG_FORMAT_AUTO, LOG_LEVEL_WARN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_live_holder_at_any_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_ending_holder_is_not_waited_for, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_key_left_behind_is_free, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_cleanup_waits_for_no_key, setup, teardown),
    };
    return cmocka_run_group_tests_name("unique", tests, NULL, NULL);
}
