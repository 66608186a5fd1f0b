// SPDX-License-Identifier: MIT
// Groups under fire: never more of a group at work than its limit, and no job left behind without somebody who will let it go on.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>

#include "common/base/log.h"
#include "tests/support/crew.h"
#include "tests/support/scale.h"

enum {
    RUN_MS = 6000,
    RUN_LEAST_MS = 1500,
    BUSY_MS = 30000,
    DRAIN_MS = 90000,
    WORKERS = 6,
    OUTSIDERS = 2
};

static Crew crew;
static PGconn *watcher;

// t_over: groups above their limit at this instant, or null. Own limits count over all queues, a queue's in that queue.
//
// t_wedged: limited jobs nobody will ever look at: there is room for them, no signal, no time, no pause. One snapshot, so it holds at any
// instant.
//
// t_end: ends what a worker holds, in all the ways there are. t_crash: the worker dies instead.
static const char PRELUDE[] =
    "create function t_over() returns text language sql as $$"
    " select string_agg(format('%s in %s: %s of %s', x.g, x.q, x.n, x.most), ', ') from ("
    "  select j.group_key as g, '*' as q, count(*) as n, l.concurrency as most from ganger.job j"
    "  join ganger.group_limit l on l.group_key = j.group_key where j.status = 'processing'"
    "  group by 1, 2, 4"
    "  union all select j.group_key, j.queue, count(*), q.group_concurrency from ganger.job j"
    "  join ganger.queue q on q.name = j.queue where j.status = 'processing' and j.group_key is "
    "not "
    "null and not exists (select from ganger.group_limit l where l.group_key = j.group_key and "
    "l.concurrency is not null) group by 1, 2, 4) x where x.n > x.most $$;"
    "create function t_wedged() returns text language sql as $$"
    " select string_agg(format('job %s of %s in %s', j.id, j.group_key, j.queue), ', ')"
    " from ganger.job j left join ganger.group_limit l on l.group_key = j.group_key"
    " left join ganger.queue q on q.name = j.queue"
    " where j.pending_reason = 'limited' and not ganger._is_paused(j.queue, j.job_type)"
    " and not exists (select from ganger.signal s where (s.kind in ('group', 'regroup', 'recheck') "
    "and s.key "
    "= j.group_key) or (s.kind = 'queue' and s.key = j.queue)"
    "  or (s.kind = 'job_type' and s.key = j.job_type))"
    " and not exists (select from ganger.job d where d.group_key = j.group_key and "
    "d.pending_reason = 'limited' and d.due_at is not null)"
    " and case when l.concurrency is not null then l.concurrency else q.group_concurrency end"
    "  > (select count(*) from ganger.job h where h.group_key = j.group_key"
    "     and (l.concurrency is not null or h.queue = j.queue)"
    "     and h.seq is not null)"
    " and (l.rate is null or not exists (select from ganger.job h where h.group_key = j.group_key "
    "and h.seq is not null and h.status = 'pending')) $$;"
    "create function t_end(worker bigint, name text) returns void language plpgsql as $$"
    " declare j record; r float8; begin"
    "  for j in select x.id, x.lease_id from ganger.job x where x.status = 'processing' and "
    "(x.worker_id = worker or x.worker_name = name) order by x.id loop"
    "   r := random();"
    "   if r < 0.05 then perform ganger.snooze(j.id, j.lease_id, '5 ms');"
    "   elsif r < 0.1 then perform ganger.snooze(j.id, j.lease_id, '0 s');"
    "   elsif r < 0.2 then perform ganger.fail(j.id, j.lease_id, 'x');"
    "   elsif r < 0.25 then perform ganger._release(array[j.id], array[j.lease_id], 'x');"
    "   elsif r < 0.3 then perform ganger.discard(j.id, j.lease_id, 'x');"
    "   elsif r < 0.35 then perform ganger.cancel(j.id); perform ganger.complete(j.id, "
    "j.lease_id);"
    "   elsif r < 0.6 then perform ganger.complete(j.id, j.lease_id);"
    "   else perform ganger._finish_completed(array[j.id], array[j.lease_id], '{null}', "
    "'{null}', '{null}', '{null}', '{null}', '{null}'); end if;"
    "  end loop; end $$;"
    "create function t_crash(dead bigint, node bigint) returns bigint language plpgsql as $$"
    " declare j record; begin"
    "  perform ganger._mark_worker_dead(dead);"
    "  select x.id, x.lease_id into j from ganger.job x where x.worker_id = dead and x.status = "
    "'processing' order by x.id limit 1;"
    "  perform ganger._settle_worker(dead, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', "
    "'{}', j.id, j.lease_id, 'crashed', 'died', null, 11, null, null, null, null, false, 'gone');"
    "  return ganger._register_worker(node, 'p', 1, 1, false); end $$;"
    "create table limit_log (id bigint generated always as identity primary key, most integer);"
    "create table node (id bigint);"
    "insert into node select ganger._register_node('n', 'h', 'b', 1, 1, '60 s', '0');"
    "insert into ganger.setting values ('max_crashes', '1000')";

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

static void check_empty(CrewMember *member, const char *what)
{
    char *bad = crew_ask(member, NULL, "select %s()", what);
    if (bad[0] != '\0') {
        crew_fail(member, what, bad);
    }
    free(bad);
}

static void finish_held(CrewMember *member)
{
    free(crew_ask(member, "55P03", "select t_end(%" PRId64 ", 'w%d')", member->worker,
                  member->number));
}

static void claim(CrewMember *member)
{
    const int most = 1 + crew_dice(member, 10);
    if (member->worker > 0) {
        free(crew_ask(member, NULL,
                      "select count(*) from ganger._take_jobs(%" PRId64
                      ", 1, null, null, '{a,b}', '{t,u}', %d, null, null)",
                      member->worker, most));
    } else {
        free(crew_ask(member, NULL,
                      "select count(*) from ganger.claim('w%d', '{a,b}', max_jobs => %d)",
                      member->number, most));
    }
}

// One of gangerd's: claims, looks, ends what it has, or dies with it.
static void work(CrewMember *member)
{
    if (member->worker == 0) {
        member->worker = crew_ask_int(
            member, "select ganger._register_worker((select id from node), 'p', 1, 1, false)");
    }
    claim(member);
    check_empty(member, "t_over");
    if (crew_dice(member, 30) == 0) {
        char *sql = crew_ask(member, NULL, "select t_crash(%" PRId64 ", (select id from node))",
                             member->worker);
        member->worker = strtoll(sql, NULL, 10);
        free(sql);
    } else {
        finish_held(member);
    }
}

static void work_outside(CrewMember *member)
{
    claim(member);
    check_empty(member, "t_over");
    finish_held(member);
}

static void tick(CrewMember *member)
{
    free(crew_ask(member, NULL, "select ganger._tick()"));
    check_empty(member, "t_wedged");
    crew_pause_ms(20);
}

static void enqueue(CrewMember *member)
{
    if (atomic_load(&member->crew->is_calm)) {
        crew_pause_ms(20);
        return;
    }
    const char *end = crew_dice(member, 10) == 0 ? "rollback" : "commit";
    free(crew_ask(member, NULL, "begin"));
    for (int i = crew_dice(member, 4); i >= 0; i--) {
        free(crew_ask(
            member, NULL,
            "select ganger.enqueue('%c', queue => '%c', group_key => 'g%d', priority => %d, "
            "max_attempts => 1000, retry_delay => '5 ms', retry_backoff => false)",
            "tu"[crew_dice(member, 2)], "ab"[crew_dice(member, 2)], crew_dice(member, 6),
            crew_dice(member, 2)));
    }
    free(crew_ask(
        member, NULL,
        "select ganger.enqueue_many((select jsonb_agg(jsonb_build_object('job_type', 't', 'queue', "
        "'a', 'group_key', 'g' || i %% 8, 'max_attempts', 1000, 'retry_delay', '5 ms', "
        "'run_at', clock_timestamp() + i * interval '1 ms')) from generate_series(1, %d) i))",
        crew_dice(member, 8) + 1));
    crew_pause_ms(crew_dice(member, 20));
    free(crew_ask(member, NULL, "%s", end));
}

// Edits, cancels and retries what it meets; often takes it all back, and so has held the rows in vain.
static void meddle(CrewMember *member)
{
    static const char *const CALLS[] = {
        "select ganger.edit(x.id, '{\"group_key\": \"g2\"}')",
        "select ganger.edit(x.id, '{\"group_key\": \"g1\", \"queue\": \"b\"}')",
        "select ganger.edit(x.id, '{\"group_key\": null}')",
        "select ganger.edit(x.id, '{\"priority\": 3}')",
        "select ganger.edit(x.id, jsonb_build_object('run_at', clock_timestamp() + '20 ms'))",
        "select ganger.cancel(x.id)",
    };
    if (atomic_load(&member->crew->is_calm)) {
        crew_pause_ms(20);
        return;
    }
    free(crew_ask(member, NULL, "begin"));
    free(crew_ask(member, NULL,
                  "%s from (select j.id from ganger.job j where j.status = 'pending' order by "
                  "random() limit 2 for update skip locked) x",
                  CALLS[crew_dice(member, sizeof CALLS / sizeof CALLS[0])]));
    free(crew_ask(member, NULL,
                  "select ganger.retry(x.id) from (select h.id from ganger.history h where "
                  "h.status <> 'completed' order by random() limit 1 for update skip locked) x"));
    crew_pause_ms(crew_dice(member, 30));
    free(crew_ask(member, NULL, crew_dice(member, 2) == 0 ? "rollback" : "commit"));
}

// A limit that goes up and down, and what it was when.
static void change_limit(CrewMember *member)
{
    const int most = atomic_load(&member->crew->is_calm) ? 2 : 1 + crew_dice(member, 4);
    free(crew_ask(member, NULL,
                  "begin; insert into limit_log (most) values (%d); select "
                  "ganger.set_queue('a', group_concurrency => %d); select ganger.set_queue('b', "
                  "group_concurrency => %d); commit",
                  most, most, most));
    crew_pause_ms(crew_dice(member, 60));
}

// A claim may give only what was allowed at some time while it ran.
static void work_under_changes(CrewMember *member)
{
    if (member->worker == 0) {
        member->worker = crew_ask_int(
            member, "select ganger._register_worker((select id from node), 'p', 1, 1, false)");
    }
    const int64_t before = crew_ask_int(member, "select max(id) from limit_log");
    claim(member);
    char *bad = crew_ask(
        member, NULL,
        "select string_agg(x.g || ': ' || x.n, ', ') from (select j.group_key as g, count(*) as n "
        "from ganger.job j where j.status = 'processing' and j.group_key is not null group by "
        "j.group_key, j.queue having "
        "bool_or(j.worker_id = %" PRId64 ")) x where x.n > (select max(most) from limit_log where "
        "id >= %" PRId64 ")",
        member->worker, before);
    if (bad[0] != '\0') {
        crew_fail(member, "a claim after the limit was changed", bad);
    }
    free(bad);
    finish_held(member);
}

static void pause_and_resume(CrewMember *member)
{
    static const char *const CALLS[] = {
        "select ganger.pause_queue('a')", "select ganger.resume_queue('a')",
        "select ganger.pause_job_type('u')", "select ganger.resume_job_type('u')"};
    for (size_t i = 0; i < sizeof CALLS / sizeof CALLS[0]; i++) {
        if (!atomic_load(&member->crew->is_calm) || i % 2 == 1) {
            free(crew_ask(member, NULL, "%s", CALLS[i]));
        }
        crew_pause_ms(crew_dice(member, 40));
    }
}

// Lets the crew work for a while, then end what is there. All jobs must have ended.
static void run_crew(int64_t ms)
{
    crew_start(&crew);
    for (int64_t i = 0; i < ms / 20 && !atomic_load(&crew.is_over); i++) {
        crew_pause_ms(20);
    }
    // On a busy machine the time may have been too short for anything to happen.
    (void)test_db_await(watcher, BUSY_MS, "select count(*) > 100 from ganger.history");
    atomic_store(&crew.is_calm, true);
    bool has_drained = false;
    for (int i = 0; i < DRAIN_MS / 20 && !has_drained && !atomic_load(&crew.is_over); i++) {
        has_drained = test_db_int(watcher, "select count(*) from ganger.job") == 0;
        crew_pause_ms(20);
    }
    const int failures = crew_end(&crew);
    if (!has_drained) {
        char *left = test_db_text(
            watcher, "select string_agg(format('%%s %%s %%s %%s %%s', id, status, pending_reason, "
                     "group_key, due_at - clock_timestamp()), E'\\n') from (select * from "
                     "ganger.job order by id limit 20) x");
        print_error("left:\n%s\n", left != NULL ? left : "nothing any more");
        free(left);
    }
    assert_int_equal(failures, 0);
    assert_true(has_drained);
    assert_int_equal(test_db_int(watcher, "select count(*) from ganger.groups where held > 0"), 0);
    assert_true(test_db_int(watcher, "select count(*) from ganger.history") > 100);
}

static void test_limits_of_groups_are_exact_and_nothing_is_left(void **state)
{
    (void)state;
    test_db_run(watcher, "select ganger.set_queue('a', group_concurrency => 2), "
                         "ganger.set_queue('b', group_concurrency => 1), "
                         "ganger.set_group_limit('g0', 1), ganger.set_group_limit('g1', 4)");
    crew_add(&crew, work, WORKERS);
    crew_add(&crew, work_outside, OUTSIDERS);
    crew_add(&crew, enqueue, 3);
    crew_add(&crew, meddle, 3);
    crew_add(&crew, tick, 1);
    run_crew(test_scale(RUN_MS, RUN_LEAST_MS));
}

static void test_a_changed_limit_is_in_force_for_the_next_claim(void **state)
{
    (void)state;
    test_db_run(watcher, "insert into limit_log (most) values (1); select ganger.set_queue('a', "
                         "group_concurrency => 1), ganger.set_queue('b', group_concurrency => 1)");
    crew_add(&crew, work_under_changes, WORKERS);
    crew_add(&crew, enqueue, 3);
    crew_add(&crew, meddle, 2);
    crew_add(&crew, change_limit, 1);
    crew_add(&crew, tick, 1);
    run_crew(test_scale(RUN_MS, RUN_LEAST_MS));
}

static void test_pauses_leave_nothing_behind(void **state)
{
    (void)state;
    test_db_run(watcher, "select ganger.set_queue('a', group_concurrency => 2), "
                         "ganger.set_group_limit('g0', 1), ganger.set_group_limit('g1', 3)");
    crew_add(&crew, work, WORKERS);
    crew_add(&crew, enqueue, 2);
    crew_add(&crew, meddle, 1);
    crew_add(&crew, pause_and_resume, 1);
    crew_add(&crew, tick, 1);
    run_crew(test_scale(RUN_MS, RUN_LEAST_MS));
}

// Whoever changes a limit cannot see the jobs of an open transaction: so that one must not give them places by what it knows.
static void test_jobs_that_come_while_a_limit_is_changed(void **state)
{
    (void)state;
    PGconn *late = test_db_connect(crew.db);
    test_db_run(watcher, "select ganger.set_queue('a', group_concurrency => 2); select "
                         "ganger._work_signals()");
    test_db_run(watcher, "select ganger.enqueue('t', queue => 'a', group_key => 'g', run_at => "
                         "clock_timestamp() + interval '100 ms') from generate_series(1, 3)");
    test_db_run(late, "begin");
    assert_true(test_db_await(late, 5000,
                              "select promoted = 3 from ganger._promote() where "
                              "promoted > 0 union all select (select count(*) from "
                              "ganger.job where due_at is not null) = 0 limit 1"));
    test_db_run(watcher, "select ganger.set_queue('a', group_concurrency => 1)");
    test_db_run(watcher, "select ganger._work_signals()");
    test_db_run(late, "commit");
    assert_int_equal(
        test_db_int(watcher, "select count(*) from ganger.claim('w', '{a}', max_jobs => 10)"), 0);
    test_db_run(watcher, "select ganger._tick()");
    assert_int_equal(
        test_db_int(watcher, "select count(*) from ganger.claim('w', '{a}', max_jobs => 10)"), 1);
    PQfinish(late);
}

// What a user's test does: everything in one transaction. Its own claim is served; what it leaves is gone over again.
static void test_one_transaction_enqueues_and_claims(void **state)
{
    (void)state;
    test_db_run(watcher, "delete from ganger.node");
    PGconn *late = test_db_connect(crew.db);
    test_db_run(late, "select ganger.set_queue('a', group_concurrency => 2); select "
                      "ganger._work_signals()");
    test_db_run(late, "begin");
    test_db_run(late, "select ganger.enqueue('t', queue => 'a', group_key => 'g') from "
                      "generate_series(1, 5)");
    assert_int_equal(test_db_int(late, "select count(*) from ganger.claim('w', '{a}')"), 1);
    test_db_run(watcher, "select ganger.set_queue('a', group_concurrency => 1)");
    test_db_run(watcher, "select ganger._work_signals()");
    test_db_run(late, "commit");
    assert_int_equal(
        test_db_int(watcher, "select count(*) from ganger.claim('w', '{a}', max_jobs => 10)"), 0);
    test_db_run(watcher, "select ganger.complete(id, lease_id) from ganger.job where status = "
                         "'processing'");
    assert_int_equal(
        test_db_int(watcher, "select count(*) from ganger.claim('w', '{a}', max_jobs => 10)"), 1);
    PQfinish(late);
}

// A claim that is part of somebody's open transaction, and gets nothing as the group is being put in order, keeps nobody from doing so.
static void test_an_empty_claim_holds_nobody_up(void **state)
{
    (void)state;
    PGconn *late = test_db_connect(crew.db);
    test_db_run(watcher, "select ganger.enqueue('t', group_key => 'g') from generate_series(1, 9)");
    test_db_run(watcher, "select ganger._work_signals()");
    test_db_run(watcher, "select ganger.set_group_limit('g', 2)");
    test_db_run(late, "begin");
    assert_int_equal(test_db_int(late, "select count(*) from ganger.claim('w', max_jobs => 10)"),
                     0);
    test_db_run(watcher, "select ganger._work_signals()");
    assert_int_equal(test_db_int(watcher, "select count(*) from ganger.claim('w', max_jobs => 10)"),
                     2);
    PQfinish(late);
}

// Who lowers a limit while due jobs are let go on in a transaction that is still open does not see them.
static void test_a_limit_lowered_beside_a_promotion(void **state)
{
    (void)state;
    PGconn *other = test_db_connect(crew.db);
    test_db_run(watcher, "select ganger.set_queue('a', group_concurrency => 3)");
    test_db_run(watcher, "select ganger.enqueue('t', queue => 'a', group_key => 'g', run_at => "
                         "clock_timestamp() + '20 ms') from generate_series(1, 3)");
    test_db_run(watcher, "select ganger._work_signals(), pg_sleep(0.05)");
    test_db_run(other, "begin; select ganger._promote()");
    test_db_run(watcher, "select ganger.set_queue('a', group_concurrency => 1)");
    test_db_run(watcher, "select ganger._work_signals()");
    test_db_run(other, "commit");
    assert_true(test_db_int(watcher, "select count(*) from ganger.claim('w', '{a}', max_jobs => "
                                     "5)") <= 1);
    PQfinish(other);
}

int main(void)
{
    log_init("test", LOG_FORMAT_AUTO, LOG_LEVEL_WARN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_limit_lowered_beside_a_promotion, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limits_of_groups_are_exact_and_nothing_is_left, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_changed_limit_is_in_force_for_the_next_claim, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_pauses_leave_nothing_behind, setup, teardown),
        cmocka_unit_test_setup_teardown(test_jobs_that_come_while_a_limit_is_changed, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_one_transaction_enqueues_and_claims, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_empty_claim_holds_nobody_up, setup, teardown),
    };
    return cmocka_run_group_tests_name("groups", tests, NULL, NULL);
}
