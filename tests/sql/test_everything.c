// SPDX-License-Identifier: MIT
// Everything at once: sessions that make random calls of the whole API against one database. At any instant the invariants of
// ARCHITECTURE.md hold; once nobody disturbs any more every job ends, nothing is left behind, and all counts are the truth.
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
    RUN_MS = 8000,
    RUN_LEAST_MS = 2000,
    BUSY_MS = 30000,
    DRAIN_MS = 90000,
    QUIET_MS = 20000,
    PAUSE_MS = 15
};

static Crew crew;
static PGconn *watcher;

// t_try: runs a call; what a caller may be told is no error here.
// t_job, t_ended: a live job in one of these states, or an ended one, that nobody holds just now; then it is held.
// t_calm: takes back all that keeps jobs from running, and says what they wait for.
// t_end: ends what a worker holds, in all the ways there are.
static const char HELPERS[] =
    "create function t_try(call text) returns text language plpgsql as $$ declare r text; begin"
    "  execute call into r; return r;"
    " exception when sqlstate '22023' or sqlstate '42704' or sqlstate '23505' or sqlstate '55P03' "
    "then return sqlerrm; end $$;"
    "create function t_job(variadic states text[]) returns bigint language sql as $$"
    " select j.id from ganger.job j where j.status::text = any (states) order by random() limit 1 "
    "for update skip locked $$;"
    "create function t_ended() returns bigint language sql as $$ select h.id from ganger.history h "
    "where h.status <> 'completed' order by random() limit 1 for update skip locked $$;"
    "create function t_dice(n integer) returns integer language sql as $$ select floor(random() * "
    "n)::integer $$;"
    "create function t_token() returns text language sql as $$ select t.token from ganger.token t "
    "where t.status = 'waiting' order by random() limit 1 $$;"
    "create function t_batch() returns text language sql as $$ select b.id from ganger.batch b "
    "order by random() limit 1 $$;"
    "create function t_calm() returns void language plpgsql as $$ begin"
    "  perform ganger.delete_schedule(name) from ganger.schedules;"
    "  perform ganger.resume_queue(name) from ganger.queues where paused;"
    "  perform ganger.resume_job_type(name) from ganger.job_types where paused;"
    "  perform ganger.start_batch(id), ganger.resume_batch(id) from ganger.batches where "
    "finished_at is null;"
    "  perform ganger.complete_token(token) from ganger.tokens where status = 'waiting';"
    "  perform ganger.edit(x.id, '{\"run_at\": null, \"retry_delay\": \"5 ms\"}') from (select "
    "j.id from ganger.job j where j.due_at > clock_timestamp() + interval '1 s' and j.status = "
    "'pending' for update skip locked) x; end $$;"
    "create function t_end(worker bigint, name text) returns void language plpgsql as $$"
    " declare j record; r float8; begin"
    "  for j in select x.id, x.lease_id from ganger.job x where x.status = 'processing' and "
    "(x.worker_id = worker or x.worker_name = name) order by x.id loop"
    "   r := random();"
    "   perform ganger.step_put(j.id, j.lease_id, 's', to_jsonb(r)), ganger.log(j.id, j.lease_id, "
    "'at it'), ganger.set_progress(j.id, j.lease_id, (r * 100)::integer);"
    "   if r < 0.05 then perform ganger.snooze(j.id, j.lease_id, '5 ms');"
    "   elsif r < 0.08 then perform ganger.snooze(j.id, j.lease_id, '0 s');"
    "   elsif r < 0.12 then perform ganger.wait_for(j.id, j.lease_id, r * interval '100 ms');"
    "   elsif r < 0.18 then perform t_try(format('select ganger.wait_for_token(%s, %L, "
    "coalesce(t_token(), ''none''))', j.id, j.lease_id));"
    "   elsif r < 0.3 then perform ganger.fail(j.id, j.lease_id, 'x');"
    "   elsif r < 0.34 then perform ganger._release(array[j.id], array[j.lease_id], 'x');"
    "   elsif r < 0.39 then perform ganger.discard(j.id, j.lease_id, 'x');"
    "   elsif r < 0.4 and worker is null then continue;" // its lease will run out
    "   elsif r < 0.6 then perform t_try(format('select ganger.complete(%s, %L)', j.id, "
    "j.lease_id));"
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
    "  return ganger._register_worker(node, 'p', 1, 1, false); end $$;";

// One query for each invariant: what breaks it at this instant. Each is a single snapshot.
static const char *const ALWAYS[][2] = {
    {"a processing job has a lease, and no other has one",
     "select j.id from ganger.job j where (j.status = 'processing') <> (j.lease_id is not null)"},
    {"a runnable job is pending and waits for nothing",
     "select j.id from ganger.job j where j.seq is not null and (j.status = 'waiting' or "
     "j.pending_reason is not null or j.due_at is not null or j.wait_token is not null)"},
    {"a pending job that is not runnable says why",
     "select j.id from ganger.job j where j.status = 'pending' and j.seq is null and case when "
     "j.pending_reason in ('scheduled', 'retry') then j.due_at is null else "
     "coalesce(j.pending_reason not in ('blocked', 'limited', 'batch'), true) end"},
    {"what a worker holds is named by a claim of its own",
     "select j.id from ganger.job j where j.status = 'processing' and j.worker_id is not null and "
     "j.id <> all (ganger._claimed_ids(j.worker_id))"},
    {"a running job keeps its place",
     "select j.id from ganger.job j where j.status = 'processing' and j.seq is null"},
    {"a waiting job waits for a time or a token",
     "select j.id from ganger.job j where j.status = 'waiting' and (j.due_at is null) = "
     "(j.wait_token is null)"},
    {"kinds of jobs that share an index exclude each other",
     "select j.id from ganger.job j where num_nonnulls(j.wait_token, j.lease_until, j.due_at) > 1 "
     "or num_nonnulls(j.batch_id, j.schedule_id::text) > 1 or (j.pending_reason = 'blocked' and "
     "j.cancel_requested) or (j.pending_reason = 'batch' and j.batch_id is null)"},
    {"a runnable job is in a lane that is visited",
     "select j.id from ganger.job j where j.seq is not null and j.status = 'pending' and not "
     "exists (select from "
     "ganger.lane "
     "l where l.lane_id = j.lane_id and l.state <> 'idle') and not exists (select from "
     "ganger.lane_signal s where s.lane_id = j.lane_id)"},
    {"an item that is runnable or runs has a place, and places are as many as allowed",
     "select j.id::text from ganger.job j where j.batch_id is not null and j.seq is not null "
     "and j.batch_place is not true union all "
     "select b.id from ganger.job j join ganger.batch b on b.id = j.batch_id where j.batch_place "
     "group by b.id having count(*) > b.concurrency"},
    {"limits hold",
     "select j.group_key from ganger.job j join ganger.group_limit l using (group_key) where "
     "j.status = 'processing' and group_key = 'g0' group by 1 having count(*) > 2 union all "
     "select j.queue from ganger.job j where j.status = 'processing' and j.queue = 'b' group by 1 "
     "having count(*) > 3 union all "
     "select j.job_type from ganger.job j where j.status = 'processing' and j.job_type = 'u' group "
     "by 1 having count(*) > 2"},
    {"a blocked job that could go on has a signal",
     "select j.id from ganger.job j where j.pending_reason = 'blocked' and j.depends_on_tags is "
     "null and not exists (select from ganger._awaited(j.id)) and not exists "
     "(select from ganger.signal s where s.kind = 'blocked' and s.job_id = j.id or s.kind = "
     "'ended' and s.job_id = any (j.depends_on))"},
    {"a limited job that could go on has a signal",
     "select j.id from ganger.job j left join ganger.group_limit l on l.group_key = j.group_key "
     "left join ganger.queue q on q.name = j.queue where j.pending_reason = 'limited' and not "
     "ganger._is_paused(j.queue, j.job_type) and not exists (select from ganger.signal s where "
     "s.kind in ('group', 'regroup') and s.key = j.group_key or s.kind = 'queue' and s.key = "
     "j.queue or s.kind = 'job_type' and s.key = j.job_type) and not exists (select from "
     "ganger.job d where d.group_key = j.group_key and d.pending_reason = 'limited' and d.due_at "
     "is "
     "not null) and coalesce(case when l.concurrency is not null then l.concurrency else "
     "q.group_concurrency end, 1000000) > (select count(*) from ganger.job h where h.group_key = "
     "j.group_key and (l.concurrency is not null or h.queue = j.queue) and h.seq is not null) "
     "and (l.rate is null or not exists (select from ganger.job h where "
     "h.group_key = j.group_key and h.seq is not null and h.status = 'pending'))"},
    {"an item that could get a place has a signal",
     "select j.id from ganger.job j join ganger.batch b on b.id = j.batch_id where "
     "j.pending_reason "
     "= 'batch' and ganger._is_batch_running(b.id) and (b.cancelled_at is null or "
     "j.last_retried_at > b.cancelled_at) and b.concurrency > (select count(*) from ganger.job h "
     "where h.batch_id = b.id and h.batch_place) and not exists (select from ganger.signal s where "
     "s.kind = 'batch' and s.key = b.id)"},
    {"a job whose token has ended has a signal",
     "select j.id from ganger.job j where j.wait_token is not null and not exists (select from "
     "ganger.token t where t.token = j.wait_token and t.status = 'waiting') and not exists (select "
     "from ganger.signal s where s.kind = 'token' and s.key = j.wait_token)"},
    {"attempts are within bounds",
     "select j.id from ganger.job j where j.attempts < 0 or j.attempts > j.max_attempts"},
};

// The same, when all jobs have ended and the duties have come through.
static const char *const AT_THE_END[][2] = {
    {"nobody waits for anybody", "select job_id from ganger.dependency"},
    {"every finished batch counts its items",
     "select b.id from ganger.batch b join ganger.batch_state s on s.batch_id = b.id cross join "
     "lateral (select count(*) filter (where h.status = 'completed') as completed, count(*) filter "
     "(where h.status = 'failed') as failed, count(*) filter (where h.status = 'cancelled') as "
     "cancelled, count(*) as total from ganger.history h where h.batch_id = b.id) h where "
     "s.finished_at is null or (s.completed, s.failed, s.cancelled, b.total) <> (h.completed, "
     "h.failed, h.cancelled, h.total)"},
    {"counts of ended jobs are true",
     "select job_type, status from ((select job_type, status, jobs, run_us from ganger.stat) "
     "except "
     "(select job_type, status, count(*), coalesce(sum(ganger._run_us(started_at, finished_at)), 0)"
     " from ganger.history group by 1, 2)) x"},
    {"none is missing among them",
     "select distinct job_type, status from ganger.history except select job_type, status from "
     "ganger.stat"},
    {"run times are counted",
     "(select job_type, bucket, jobs from ganger.stat_run) except (select job_type, "
     "ganger._run_bucket(status, ganger._run_us(started_at, finished_at)), count(*) from "
     "ganger.history where status = 'completed' group by 1, 2)"},
    {"the follower of the feed has seen each event",
     "select event_id from ganger.read_events(null, 10000) except select event_id from feed"},
    {"the feed tells all there is",
     "select e.id from (select id from ganger.history union all select finish_id from "
     "ganger.history_completed union all select id from ganger.event) e except select event_id "
     "from "
     "feed"},
    {"an idempotency key is one job's", "select idempotency_key from ganger.history where "
                                        "idempotency_key is not null group by 1 having "
                                        "count(*) > 1"},
    {"each dead letter has its job",
     "select h.id from ganger.history h where h.status = 'failed' and h.dead_letter_job_type is "
     "not "
     "null and not exists (select from ganger.history d where d.id = h.dead_letter_job_id and "
     "d.dead_letter_of = h.id)"},
    {"no unique key is held",
     "select key from ganger.job_key where kind = 'unique' and expires_at is null"},
    {"a job that completed keeps no steps",
     "select s.job_id from ganger.step s join ganger.history h on h.id = s.job_id where h.status = "
     "'completed'"},
};

static void set_up_limits(void)
{
    test_db_run(watcher, "create table node (id bigint); insert into node select "
                         "ganger._register_node('n', 'h', 'b', 1, 1, '60 s', '0');"
                         "create table feed (event_id bigint primary key);"
                         "insert into ganger.setting values ('max_crashes', '2')");
    test_db_run(watcher, "select ganger.set_group_limit('g0', 2), ganger.set_queue('b', 3), "
                         "ganger.set_job_type('u', 2), ganger._tell_hooks('{h}', '{}')");
}

static int setup(void **state)
{
    test_db_setup(state);
    crew = (Crew){.db = *state};
    watcher = test_db_connect(*state);
    test_db_run(watcher, "%s", HELPERS);
    set_up_limits();
    return 0;
}

static int teardown(void **state)
{
    PQfinish(watcher);
    return test_db_teardown(state);
}

// What breaks it, in one text; caller frees.
static char *ask_broken(PGconn *conn, const char *sql)
{
    return test_db_text(
        conn, "select string_agg(x::text, ', ') from (select * from (%s) y limit 20) x", sql);
}

static void check_always(CrewMember *member)
{
    for (size_t i = 0; i < sizeof ALWAYS / sizeof ALWAYS[0]; i++) {
        char *broken = ask_broken(member->conn, ALWAYS[i][1]);
        if (broken != NULL) {
            crew_fail(member, ALWAYS[i][0], broken);
        }
        free(broken);
    }
}

static bool is_calm(CrewMember *member)
{
    if (atomic_load(&member->crew->is_calm)) {
        crew_pause_ms(PAUSE_MS);
        return true;
    }
    return false;
}

// One call in a transaction that stays open for a moment; every fifth is taken back.
static void call(CrewMember *member, const char *sql)
{
    free(crew_ask(member, NULL, "begin"));
    free(crew_ask(member, NULL, "select t_try($call$%s$call$)", sql));
    crew_pause_ms(crew_dice(member, PAUSE_MS));
    free(crew_ask(member, NULL, crew_dice(member, 5) == 0 ? "rollback" : "commit"));
}

#define JOB                                                                                        \
    "(array['t', 't', 'u', 'h'])[1 + t_dice(4)], queue => (array['a', 'b', 'c'])[1 + t_dice(3)], " \
    "priority => t_dice(2), max_attempts => 1 + t_dice(3), retry_delay => '5 ms', "                \
    "tags => case t_dice(4) when 0 then array['x'] when 1 then array['x', 'y'] end"
#define GROUP ", group_key => 'g' || t_dice(4)"

static void produce(CrewMember *member)
{
    static const char *const CALLS[] = {
        "select ganger.enqueue(" JOB ")",
        "select ganger.enqueue(" JOB GROUP ")",
        "select ganger.enqueue(" JOB GROUP
        ", run_at => clock_timestamp() + t_dice(50) * interval '1 ms')",
        "select ganger.enqueue(" JOB
        ", depends_on => array[t_job('pending'), t_job('processing')])",
        "select ganger.enqueue(" JOB GROUP ", depends_on => array[t_job('pending', 'waiting')], "
        "run_at => clock_timestamp() + t_dice(50) * interval '1 ms')",
        "select ganger.enqueue('t', queue => 'a', depends_on_tags => array[(array['x', 'y'])[1 + "
        "t_dice(2)]])",
        "select ganger.enqueue(" JOB ", unique_key => 'k' || t_dice(5), on_conflict => "
        "(array['ignore', 'replace', 'reschedule', 'error'])[1 + t_dice(4)])",
        "select ganger.enqueue(" JOB ", idempotency_key => 'i' || t_dice(100))",
        "select ganger.enqueue(" JOB GROUP
        ", expires_at => clock_timestamp() + t_dice(100) * interval '1 ms')",
        "select ganger.enqueue(" JOB ", dead_letter_job_type => 'dead')",
        "select count(*) from ganger.enqueue_many((select "
        "jsonb_agg(jsonb_strip_nulls(jsonb_build_object("
        "'job_type', 't', 'queue', 'a', 'group_key', case when i % 2 = 0 then 'g' || i % 4 end, "
        "'depends_on', case when i % 3 = 0 then array[1 - i] end)) order by i) from "
        "generate_series(1, 8) i))",
        "select ganger.create_batch(null, 't', '[1, 2, 3, 4, 5]', 1 + t_dice(3), 2, '5 ms', "
        "'{\"job_type\": \"t\"}', jsonb_build_object('queue', 'a', 'group_key', 'g' || t_dice(3)))",
        "select ganger.start_batch(ganger.create_batch(null, 'u', '[1, 2, 3, 4]', 2, 2, '5 ms'))",
        "select ganger.create_token(case t_dice(2) when 0 then t_dice(200) * interval '1 ms' end)",
        "select ganger.run_schedule('s' || t_dice(3))",
    };
    if (!is_calm(member)) {
        call(member, CALLS[crew_dice(member, sizeof CALLS / sizeof CALLS[0])]);
    }
}

static void operate(CrewMember *member)
{
    static const char *const CALLS[] = {
        "select ganger.cancel(t_job('pending', 'waiting'))",
        "select ganger.cancel(t_job('processing'))",
        "select ganger.retry(t_ended())",
        "select ganger.retry(t_ended())",
        "select ganger.edit(t_job('pending'), jsonb_build_object('group_key', 'g' || t_dice(4)))",
        "select ganger.edit(t_job('pending'), '{\"group_key\": null, \"priority\": 5}')",
        "select ganger.edit(t_job('pending'), '{\"queue\": \"b\", \"job_type\": \"u\", \"tags\": "
        "[\"y\"]}')",
        "select ganger.edit(t_job('pending'), jsonb_build_object('run_at', clock_timestamp() + '20 "
        "ms'))",
        "select ganger.edit(t_job('pending'), '{\"run_at\": null, \"tags\": null}')",
        "select ganger.edit_jobs('{\"queue\": \"c\"}', '{\"priority\": 1}')",
        "select ganger.cancel_jobs('{\"queue\": \"c\", \"job_type\": \"h\"}')",
        "select ganger.retry_jobs('{\"queue\": \"c\", \"job_type\": \"t\"}')",
        "select ganger.pause_queue('a')",
        "select ganger.resume_queue('a')",
        "select ganger.pause_job_type('t')",
        "select ganger.resume_job_type('t')",
        "select ganger.set_queue('a', group_concurrency => 1 + t_dice(3))",
        "select ganger.set_queue('a')",
        "select ganger.set_group_limit('g1', 1 + t_dice(3))",
        "select ganger.set_group_limit('g1', null)",
        "select ganger.set_group_limit('g2', null, 5, '100 ms')",
        "select ganger.set_queue('c', rate => 10, rate_period => '50 ms')",
        "select ganger.start_batch(t_batch())",
        "select ganger.pause_batch(t_batch())",
        "select ganger.resume_batch(t_batch())",
        "select ganger.cancel_batch(t_batch())",
        "select ganger.clear_batch(t_batch())",
        "select ganger.complete_token(t_token(), '1')",
        "select ganger.create_schedule('s' || t_dice(3), '* * * * *', 't', overlap => "
        "(array['skip', 'allow', "
        "'queue_one', 'cancel_running'])[1 + t_dice(4)], options => '{\"queue\": \"a\"}')",
        "select ganger.edit_schedule('s' || t_dice(3), '{\"catch_up\": \"last\"}')",
        "select ganger.delete_schedule('s' || t_dice(3))",
        "select ganger.redrive(t_job('pending'))",
    };
    if (!is_calm(member)) {
        call(member, CALLS[crew_dice(member, sizeof CALLS / sizeof CALLS[0])]);
    }
}

// One of gangerd's workers: claims, ends what it has, or dies with it.
static void work(CrewMember *member)
{
    if (member->worker == 0) {
        member->worker = crew_ask_int(
            member, "select ganger._register_worker((select id from node), 'p', 1, 1, false)");
    }
    free(crew_ask(member, NULL,
                  "select count(*) from ganger._take_jobs(%" PRId64
                  ", 1, null, null, '{default,a,b,c}', null, %d, null, null)",
                  member->worker, 1 + crew_dice(member, 8)));
    if (crew_dice(member, 20) == 0) {
        char *next = crew_ask(member, NULL, "select t_crash(%" PRId64 ", (select id from node))",
                              member->worker);
        member->worker = strtoll(next, NULL, 10);
        free(next);
    } else {
        free(crew_ask(member, "55P03", "select t_end(%" PRId64 ", null)", member->worker));
    }
}

static void work_outside(CrewMember *member)
{
    free(crew_ask(
        member, NULL,
        "select count(*) from ganger.claim('w%d', '{default,a,b,c}', max_jobs => %d, lease "
        "=> '1 s')",
        member->number, 1 + crew_dice(member, 8)));
    free(crew_ask(member, "55P03", "select t_end(null, 'w%d')", member->number));
}

// The duties, and somebody who follows the feed and looks whether all is well.
static void keep(CrewMember *member)
{
    free(crew_ask(member, NULL,
                  crew_dice(member, 10) == 0 ? "select ganger.maintain()"
                                             : "select ganger._tick()"));
    free(crew_ask(member, NULL,
                  "insert into feed select event_id from ganger.read_events((select max(event_id) "
                  "from feed), 1000)"));
    check_always(member);
    crew_pause_ms(PAUSE_MS);
}

static bool drain(void)
{
    bool has_drained = false;
    for (int i = 0; i < DRAIN_MS / PAUSE_MS && !has_drained && !atomic_load(&crew.is_over); i++) {
        test_db_run(watcher, "select t_calm()");
        has_drained = test_db_int(watcher, "select (select count(*) from ganger.job) + (select "
                                           "count(*) from ganger.signal)") == 0;
        crew_pause_ms(PAUSE_MS);
    }
    return has_drained;
}

// Until nothing is left of what passes by, and the feed ends behind the last event.
static bool become_quiet(void)
{
    return test_db_await(
        watcher, QUIET_MS,
        "with m as materialized (select ganger.maintain()), f as (insert into feed select event_id "
        "from m cross join ganger.read_events((select max(event_id) from feed), 10000) returning "
        "1) "
        "select count(m) = 1 and not exists (select from ganger.signal) and not exists (select "
        "from "
        "ganger.late_result) and not exists (select from ganger.lane_straggler) and not exists "
        "(select from ganger.batch_delta) and not exists (select from ganger.stat_delta) and not "
        "exists (select from ganger.schedule_cancel) and not exists (select from "
        "ganger.lane_signal) "
        "and (select coalesce(max(event_id), 0) from feed) >= (select max(x) from (select "
        "max(finish_id) as x from ganger.history_completed union all select max(id) from "
        "ganger.event) y) from m");
}

static int count_broken(const char *const checks[][2], size_t count)
{
    int failures = 0;
    for (size_t i = 0; i < count; i++) {
        char *broken = ask_broken(watcher, checks[i][1]);
        if (broken != NULL) {
            print_error("%s: %s\n", checks[i][0], broken);
            failures++;
        }
        free(broken);
    }
    return failures;
}

static void print_left(void)
{
    char *left = test_db_text(
        watcher,
        "select string_agg(format('%%s %%s %%s %%s %%s %%s %%s', id, status, pending_reason, "
        "group_key, batch_id, depends_on, due_at - clock_timestamp()), E'\\n') from (select * "
        "from ganger.job order by id limit 20) x");
    print_error("left:\n%s\n", left != NULL ? left : "signals");
    free(left);
}

static void test_everything_at_once(void **state)
{
    (void)state;
    crew_add(&crew, work, 2);
    crew_add(&crew, work_outside, 1);
    crew_add(&crew, produce, 2);
    crew_add(&crew, operate, 2);
    crew_add(&crew, keep, 1);
    crew_start(&crew);
    for (int64_t i = test_scale(RUN_MS, RUN_LEAST_MS) / PAUSE_MS;
         i > 0 && !atomic_load(&crew.is_over); i--) {
        crew_pause_ms(PAUSE_MS);
    }
    // On a busy machine the time may have been too short for anything to happen.
    (void)test_db_await(watcher, BUSY_MS, "select count(*) > 100 from ganger.history");
    atomic_store(&crew.is_calm, true);
    const bool has_drained = drain();
    assert_int_equal(crew_end(&crew), 0);
    if (!has_drained) {
        print_left();
    }
    assert_true(has_drained);
    assert_true(test_db_int(watcher, "select count(*) from ganger.history") > 100);
    assert_true(become_quiet());
    assert_int_equal(count_broken(ALWAYS, sizeof ALWAYS / sizeof ALWAYS[0]), 0);
    assert_int_equal(count_broken(AT_THE_END, sizeof AT_THE_END / sizeof AT_THE_END[0]), 0);
}

int main(void)
{
    log_init("test", LOG_FORMAT_AUTO, LOG_LEVEL_WARN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_everything_at_once, setup, teardown),
    };
    return cmocka_run_group_tests_name("everything", tests, NULL, NULL);
}
