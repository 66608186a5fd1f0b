// SPDX-License-Identifier: MIT
// Limits under fire: never more of a queue or a job type at work than allowed, never more starts in any period than a rate allows, and all
// of it gets done.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>

#include "common/base/log.h"
#include "tests/support/crew.h"
#include "tests/support/scale.h"

enum { DRAIN_MS = 90000, WORKERS = 8, JOBS = 600, JOBS_LEAST = 150 };

static Crew crew;
static PGconn *watcher;

// t_over: what is above its limit at this instant, or null. limit_log: the most that was allowed at all from an id on.
static const char PRELUDE[] =
    "create function t_over() returns text language sql as $$"
    " select string_agg(x.what || ': ' || x.n, ', ') from ("
    "  select 'queue ' || q.name as what, count(*) as n, q.concurrency as most from ganger.job j "
    "join ganger.queue q on q.name = j.queue where j.status = 'processing' group by 1, 3"
    "  union all select 'type ' || t.name, count(*), t.concurrency from ganger.job j join "
    "ganger.job_type t on t.name = j.job_type where j.status = 'processing' group by 1, 3) x "
    " where x.n > x.most $$;"
    "create table limit_log (id bigint generated always as identity primary key, most integer);"
    "create table node (id bigint);"
    "insert into node select ganger._register_node('n', 'h', 'b', 1, 1, '60 s', '0')";

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

static void register_member(CrewMember *member)
{
    if (member->worker == 0) {
        member->worker = crew_ask_int(
            member, "select ganger._register_worker((select id from node), 'p', 1, 1, false)");
    }
}

static int64_t claim(CrewMember *member)
{
    char *text = crew_ask(member, NULL,
                          "select count(*) from ganger._take_jobs(%" PRId64
                          ", 1, null, null, '{a,b,c}', '{t,u}', %d, null, null)",
                          member->worker, 1 + crew_dice(member, 10));
    const int64_t count = strtoll(text, NULL, 10);
    free(text);
    return count;
}

static void finish(CrewMember *member)
{
    free(
        crew_ask(member, NULL,
                 "select count(case when random() < 0.1 then ganger.snooze(j.id, j.lease_id, '0 "
                 "s') when random() < 0.05 then ganger.fail(j.id, j.lease_id, 'x') else "
                 "ganger.complete(j.id, j.lease_id) end) from (select id, lease_id from ganger.job "
                 "where worker_id = %" PRId64 " and status = 'processing' order by id) j",
                 member->worker));
}

static void work(CrewMember *member)
{
    register_member(member);
    const int64_t taken = claim(member);
    char *bad = crew_ask(member, NULL, "select t_over()");
    if (bad[0] != '\0') {
        crew_fail(member, "above a limit", bad);
    }
    free(bad);
    if (taken > 0) {
        finish(member);
    }
}

static void work_under_changes(CrewMember *member)
{
    register_member(member);
    const int64_t before = crew_ask_int(member, "select max(id) from limit_log");
    if (claim(member) > 0) {
        char *bad =
            crew_ask(member, NULL,
                     "select string_agg(x.queue || ': ' || x.n, ', ') from (select j.queue, "
                     "count(*) as n from ganger.job j where j.status = 'processing' group by "
                     "j.queue having bool_or(j.worker_id = %" PRId64
                     ")) x where x.n > (select max(most) from limit_log where id >= %" PRId64 ")",
                     member->worker, before);
        if (bad[0] != '\0') {
            crew_fail(member, "a claim after the limit was changed", bad);
        }
        free(bad);
        finish(member);
    }
}

static void change_limit(CrewMember *member)
{
    const int most = 1 + crew_dice(member, 6);
    free(crew_ask(member, NULL,
                  "begin; insert into limit_log (most) values (%d); select ganger.set_queue('a', "
                  "concurrency => %d), ganger.set_queue('b', concurrency => %d), "
                  "ganger.set_queue('c', concurrency => %d); commit",
                  most, most, most, most));
    crew_pause_ms(crew_dice(member, 60));
}

static void tick(CrewMember *member)
{
    free(crew_ask(member, NULL, "select ganger._tick()"));
    crew_pause_ms(20);
}

static void enqueue_all(int count)
{
    test_db_run(
        watcher,
        "select count(*) from ganger.enqueue_many((select jsonb_agg(jsonb_build_object("
        "'job_type', case when i %% 3 = 0 then 'u' else 't' end, 'queue', (array['a', 'b', "
        "'c'])[1 + i %% 3], 'priority', i %% 2, 'max_attempts', 1000, 'retry_delay', '5 ms', "
        "'group_key', case when i %% 5 = 0 then 'g' end)) from generate_series(1, %d) i))",
        count);
}

static void drain(int64_t jobs)
{
    crew_start(&crew);
    bool has_drained = false;
    for (int i = 0; i < DRAIN_MS / 20 && !has_drained && !atomic_load(&crew.is_over); i++) {
        has_drained = test_db_int(watcher, "select count(*) from ganger.job") == 0;
        crew_pause_ms(20);
    }
    assert_int_equal(crew_end(&crew), 0);
    assert_true(has_drained);
    assert_int_equal(
        test_db_int(watcher, "select count(*) from ganger.history where status = 'completed'"),
        jobs);
}

static void test_limits_of_queues_and_types_are_exact(void **state)
{
    (void)state;
    test_db_run(watcher, "select ganger.set_queue('a', concurrency => 3), ganger.set_queue('b', "
                         "concurrency => 1), ganger.set_job_type('t', concurrency => 4)");
    const int jobs = (int)test_scale(JOBS, JOBS_LEAST);
    enqueue_all(jobs);
    crew_add(&crew, work, WORKERS);
    crew_add(&crew, tick, 1);
    drain(jobs);
}

static void test_a_changed_limit_is_in_force_for_the_next_claim(void **state)
{
    (void)state;
    test_db_run(watcher, "insert into limit_log (most) values (2); select ganger.set_queue(q, 2) "
                         "from unnest('{a,b,c}'::text[]) q");
    const int jobs = (int)test_scale(INT64_C(3) * JOBS, INT64_C(3) * JOBS_LEAST);
    enqueue_all(jobs);
    crew_add(&crew, work_under_changes, WORKERS);
    crew_add(&crew, change_limit, 1);
    crew_add(&crew, tick, 1);
    drain(jobs);
}

// All starts there were: those of ended attempts and those that ended the job.
static void assert_rate(const char *of, int rate, const char *period)
{
    char *worst = test_db_text(
        watcher,
        "with start as (select h.started_at as at from ganger.history h where %s union all select "
        "a.started_at from ganger.attempt a join ganger.history h on h.id = a.job_id where %s) "
        "select max(n) from (select (select count(*) from start e where e.at >= s.at and e.at < "
        "s.at + interval '%s') as n from start s) x",
        of, of, period);
    assert_non_null(worst);
    print_message("most starts in %s: %s, allowed %d\n", period, worst, rate);
    assert_true(strtol(worst, NULL, 10) <= rate);
    free(worst);
}

static void test_rates_are_exact_in_any_window(void **state)
{
    (void)state;
    test_db_run(watcher,
                "select ganger.set_queue('a', rate => 7, rate_period => '200 ms'), "
                "ganger.set_group_limit('g', null, rate => 3, rate_period => '150 ms'), "
                "ganger.set_queue('b', concurrency => 5, rate => 50, rate_period => '1 s')");
    enqueue_all(180);
    crew_add(&crew, work, WORKERS);
    crew_add(&crew, tick, 1);
    drain(180);
    assert_rate("h.queue = 'a'", 7, "200 ms");
    assert_rate("h.queue = 'b'", 50, "1 s");
    assert_rate("h.group_key = 'g'", 3, "150 ms");
}

int main(void)
{
    log_init("test", LOG_FORMAT_AUTO, LOG_LEVEL_WARN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_limits_of_queues_and_types_are_exact, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_changed_limit_is_in_force_for_the_next_claim, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_rates_are_exact_in_any_window, setup, teardown),
    };
    return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
