// SPDX-License-Identifier: MIT
// Nobody waits for anybody's open transaction: every call of the API is made in one, which stays open while others enqueue,
// claim, finish, operate and run the duties beside it.
//
// The others work with a lock_timeout: as the holder never ends before they are through, any wait for it is an error,
// whatever the machine's speed. What may wait is in test_waits.c.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "tests/support/scale.h"
#include "tests/support/test_db.h"

// Names in braces stand for ids, see `prepare_jobs`.
static const char *const HELD_CALLS[] = {
    "select ganger.enqueue('held')",
    "select ganger.enqueue('never seen before')",
    "select ganger.enqueue('held', idempotency_key => 'held key')",
    "select ganger.enqueue('held', run_at => clock_timestamp() + interval '1 s')",
    "select ganger.enqueue_many('[{\"job_type\": \"held\", \"idempotency_key\": \"held key 2\"}, "
    "{\"job_type\": \"t0\", \"priority\": 1}]')",
    "select ganger.enqueue('t1', group_key => 'busy'), ganger.enqueue('t1', group_key => 'held')",
    "select ganger.enqueue('t1', unique_key => 'held unique'), ganger.enqueue('t1', unique_key => "
    "'known', on_conflict => 'replace', payload => '1')",
    "select ganger.enqueue('t1', dead_letter_job_type => 'dead', depends_on => array[{pending}])",
    "select ganger.enqueue('t1', depends_on_tags => '{x}'), ganger.enqueue('t1', tags => '{x}')",
    "select ganger.enqueue_many('[{\"job_type\": \"t1\", \"group_key\": \"busy\"}, "
    "{\"job_type\": \"t1\", \"unique_key\": \"held 3\"}, {\"job_type\": \"t1\", "
    "\"depends_on\": [-1]}]')",
    "select ganger.set_queue('default', group_concurrency => 1)",
    "select ganger.set_queue('tight', concurrency => 1, rate => 1, rate_period => '1 s')",
    "select ganger.set_job_type('t1', concurrency => 1, timeout => '1 s', max_crashes => 1)",
    "select ganger.set_group_limit('busy', 5, rate => 1000, rate_period => '1 s')",
    "select ganger.set_group_limit('busy', null)",
    "select ganger.pause_queue('default')",
    "select ganger.pause_job_type('t0')",
    "select ganger.resume_queue('paused'), ganger.resume_job_type('paused')",
    "select ganger.complete({grouped}, {grouped_lease})",
    "select ganger.snooze({grouped}, {grouped_lease}, '5 s')",
    "select ganger.discard({grouped}, {grouped_lease}, 'x')",
    "select ganger.edit({limited}, '{\"group_key\": \"other\"}')",
    "select ganger.cancel({limited})",
    "select ganger.cancel({unique})",
    "select ganger._work_signals(1000)",
    "select ganger.get_job({pending}), ganger.get_job({ended})",
    "select ganger.list_jobs('{\"status\": [\"pending\", \"failed\"]}')",
    "select ganger.count_jobs(), ganger.stats(), ganger.job_events({ended})",
    "select count(*) from ganger.jobs",
    "select count(*) from ganger.attempts",
    "select count(*) from ganger.nodes, ganger.workers, ganger.queues",
    "select ganger.cancel({pending})",
    "select ganger.cancel({running})",
    "select ganger.retry({ended})",
    "select ganger.edit({pending}, '{\"metadata\": 1}')",
    "select ganger.edit({pending}, '{\"priority\": 5, \"job_type\": \"moved\"}')",
    "select ganger.edit({pending}, '{\"run_at\": \"2090-01-01\"}')",
    "select ganger.claim('holder', max_jobs => 20)",
    "select count(*) from ganger.claim('holder', '{tight}', '{none}')", // limited, and nothing there
    "select ganger.complete({running}, {lease}, '1')",
    "select ganger.fail({running}, {lease}, 'x')",
    "select ganger.fail({running}, {lease}, 'x', false)",
    "select ganger.discard({running}, {lease}, 'x')",
    "select ganger.snooze({running}, {lease}, '0 s')",
    "select ganger.snooze({running}, {lease}, '5 s')",
    "select ganger.heartbeat({running}, {lease})",
    "select ganger.set_progress({running}, {lease}, 50)",
    "select ganger.set_output({running}, {lease}, '1')",
    "select ganger.log({running}, {lease}, 'line')",
    "select ganger.step_put({running}, {lease}, 's', '1'), ganger.step_get({running}, {lease}, "
    "'s')",
    "select ganger.wait_for({running}, {lease}, '1 h')",
    "select ganger.wait_for({running}, {lease}, '0 s')",
    "select ganger.wait_until({running}, {lease}, clock_timestamp() + interval '1 s')",
    "select ganger.wait_for_token({running}, {lease}, {token})",
    "select ganger.create_token('1 h', '{a}', {running})",
    "select ganger.complete_token({token}, '1')",
    "select ganger.get_token({token}) is not null, count(*) from ganger.tokens",
    "select ganger._work_signals(1000)",
    "select ganger.maintain()",
    "select ganger.reclaim_stuck('0 s')",
    "select ganger.cleanup('1 h')",
    // what gangerd's programs call
    "select ganger._take_jobs({worker}, 1, null, null, '{default}', '{t0,t1}', 20, null, null)",
    "select ganger._finish_completed(array[{running}]::bigint[], array[{lease}]::uuid[], '{null}', "
    "'{1}', '{1}', '{1}', '{1}', '{null}')",
    "select ganger._release(array[{running}]::bigint[], array[{lease}]::uuid[], 'x')",
    "select ganger._tick()",
    "select ganger._advance('0 s')",
    "select ganger._promote()",
    "select ganger._fold_stats()",
    "select ganger._tidy(false)",
    "select ganger._poll({node}, '{default}', '{t0,t1}')",
    "select ganger._heartbeat_node({node})",
    "select ganger._set_idle({node}, true)",
    "select ganger._register_worker({node}, 'default', 9, 9, false)",
    "select ganger._mark_worker_dead({worker})",
    "select ganger._settle_worker({worker}, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', "
    "'{}', null, null, "
    "null, null, null, null, null, null, null, null, true, 'lost')",
    "select ganger._stop_node({node})",
    "select ganger._bury_node({node}, 0)",
    "select ganger.kill_worker({doomed}), ganger.kill_worker({doomed_2})",
    "select ganger.run_sql_handler('t_handler', {running}, {lease})",
};

// What others do meanwhile. Each must come back with true.
static const char *const OTHERS_CALLS[] = {
    // drain: claim and finish batches, across the rows the holder has
    "with c as materialized (select * from ganger._take_jobs({other_worker}, 1, null, null, "
    "'{default}', '{t0,t1,held}', 50, null, null)) select count(*) = 50 and "
    "ganger._finish_completed(array_agg(id), array_agg(lease_id), array_agg(null::text), "
    "array_agg(1::bigint), array_agg(1::bigint), array_agg(1::bigint), array_agg(1::bigint), "
    "array_agg(null::text)) = '{}' from c",
    "select count(*) = 10 and bool_and(ganger.complete(id, lease_id)) from ganger.claim('b', "
    "max_jobs => 10)",
    "select bool_and(ganger.fail(id, lease_id, 'x')) from ganger.claim('b', max_jobs => 3)",
    "select bool_and(ganger.fail(id, lease_id, 'x', false)) from ganger.claim('b')",
    "select bool_and(ganger.snooze(id, lease_id, '0 s')) from ganger.claim('b', max_jobs => 3)",
    "select bool_and(ganger.discard(id, lease_id, 'x')) from ganger.claim('b')",
    "select bool_and(ganger.heartbeat(id, lease_id) and ganger.log(id, lease_id, 'l') and "
    "ganger.set_progress(id, lease_id, 1) and ganger.set_output(id, lease_id, '1')) from "
    "ganger.claim('b')",
    "select bool_and(ganger.step_put(id, lease_id, 's', '1') and ganger.step_get(id, lease_id, "
    "'s') = '1' and ganger.wait_for(id, lease_id, '0 s')) from ganger.claim('b')",
    "select bool_and(ganger.wait_for_token(id, lease_id, {token}) ->> 'status' = 'waiting') from "
    "ganger.claim('b', max_jobs => 2)",
    "select ganger.complete_token(ganger.create_token())",
    // enqueue
    "select ganger.enqueue('t0') > 0 and ganger.enqueue('held') > 0 and ganger.enqueue('held', "
    "idempotency_key => 'mine' || clock_timestamp()) > 0 and ganger.enqueue('t0', run_at => "
    "clock_timestamp() + interval '1 ms') > 0",
    "select count(*) = 100 from ganger.enqueue_many((select jsonb_agg(jsonb_build_object("
    "'job_type', 't' || i % 2)) from generate_series(1, 100) i))",
    "select ganger.enqueue('t0', group_key => 'busy') > 0 and ganger.enqueue('t0', group_key => "
    "'idle') > 0 and ganger.enqueue('t0', unique_key => 'known') = {unique}",
    "select count(*) = 2 from ganger.enqueue_many('[{\"job_type\": \"t0\", \"group_key\": "
    "\"busy\"}, {\"job_type\": \"t0\", \"unique_key\": \"known\"}]')",
    // limits, on other names
    "select ganger.set_queue('mine', 1, 1, 1, '1 s') is not null and ganger.set_job_type('mine', "
    "1) "
    "is not null and ganger.set_group_limit('mine', 1) is not null",
    "select ganger.pause_queue('mine') and ganger.resume_queue('mine') and "
    "ganger.pause_job_type('mine') and ganger.resume_job_type('mine')",
    "select ganger._work_signals() >= 0",
    // a limited queue, and a group the holder has nothing of
    "select count(*) = 1 and bool_and(ganger.complete(id, lease_id)) from ganger.claim('b', "
    "'{tight}', max_jobs => 5)",
    "select count(*) = 1 and bool_and(ganger.complete(id, lease_id)) from "
    "ganger._take_jobs({other_worker}, 1, null, null, '{apart}', '{t0}', 5, null, null)",
    // operate, on other jobs
    "select ganger.cancel({other_pending})",
    "select ganger.edit({other_edited}, '{\"priority\": 3}')",
    "select ganger.cancel({other_running})",
    "select ganger.retry({other_ended})",
    // read, also what the holder has changed
    "select count(*) = 1 from ganger.get_job({pending})",
    "select count(*) > 0 from ganger.list_jobs()",
    "select ganger.count_jobs() > 0 and ganger.stats() is not null",
    "select count(*) >= 0 from ganger.job_events({running})",
    "select count(*) > 0 from ganger.attempts",
    "select count(*) > 0 from ganger.nodes, ganger.workers, ganger.queues",
    // duties, and the other nodes
    "select ganger._tick() is not null",
    "select ganger.maintain() is not null",
    "select ganger.reclaim_stuck('0 s') >= 0",
    "select ganger._heartbeat_node({other_node})",
    "select count(ganger._set_idle({other_node}, idle)) >= 0 from unnest(array[true, false]) idle",
    "select alive from ganger._poll({other_node}, '{default}', '{t0,t1,held}')",
    "select ganger._register_worker({other_node}, 'default', 9, 9, false) is not null",
    "select count(*) = 1 from ganger._settle_worker({third_worker}, '{}', '{}', '{}', '{}', '{}', "
    "'{}', '{}', '{}', "
    "'{}', '{}', null, null, null, null, null, null, null, null, null, null, false, 'gone')",
    // workers that come back, and end: one by one, and with their node
    "select ganger.kill_worker({worker})",
    "select ganger._reattach_worker({doomed}, '{}', '{}', false) is not null",
    "select ganger._mark_worker_dead({doomed}) is not null",
    "select count(*) >= 2 from ganger._bury_node({doomed_node}, 0)",
};

enum {
    HELD_COUNT = sizeof HELD_CALLS / sizeof HELD_CALLS[0],
    OTHERS_COUNT = sizeof OTHERS_CALLS / sizeof OTHERS_CALLS[0],
    NAMES_MAX = 48,
    STRIDE = 4,
    STRIDE_BELOW_PERCENT = 20
};

typedef struct Name {
    const char *name;
    char value[64];
} Name;

static Name names[NAMES_MAX];
static int name_count;

static void set_name(const char *name, char *value)
{
    assert_true(name_count < NAMES_MAX);
    names[name_count].name = name;
    assert_true(str_copy(names[name_count].value, sizeof names[0].value, value));
    name_count++;
    free(value);
}

static const Name *find_name(const char *text, size_t length)
{
    for (int i = 0; i < name_count; i++) {
        if (strlen(names[i].name) == length && strncmp(names[i].name, text, length) == 0) {
            return &names[i];
        }
    }
    return NULL;
}

// Puts values in the place of {names}; other braces stay. Caller frees.
static char *fill_in(const char *sql)
{
    StrBuf out = {0};
    while (*sql != '\0') {
        const char *end = *sql == '{' ? strchr(sql, '}') : NULL;
        const Name *name = end != NULL ? find_name(sql + 1, (size_t)(end - sql - 1)) : NULL;
        if (name != NULL) {
            strbuf_append(&out, name->value);
            sql = end + 1;
        } else {
            strbuf_append_bytes(&out, sql, 1);
            sql++;
        }
    }
    return out.text;
}

static void claim_one(PGconn *conn, const char *id_name, const char *lease_name)
{
    int64_t id = test_db_int(conn, "select id from ganger.claim('w', job_types => '{t0}')");
    set_name(id_name, test_db_text(conn, "select '%" PRId64 "'", id));
    if (lease_name != NULL) {
        set_name(lease_name,
                 test_db_text(conn,
                              "select quote_literal(lease_id) from ganger.job where id = %" PRId64,
                              id));
    }
}

static void prepare_ended(PGconn *conn, const char *name)
{
    set_name(name,
             test_db_text(conn, "select id from ganger.claim('w', job_types => '{t0}') c where "
                                "ganger.fail(id, lease_id, 'no', false)"));
}

// A worker that holds some jobs.
static void prepare_worker(PGconn *conn, const char *name, const char *node, int jobs)
{
    set_name(name, test_db_text(conn, "select ganger._register_worker(%s, 'p', 1, 1, false)",
                                find_name(node, strlen(node))->value));
    test_db_run(
        conn, "select ganger._take_jobs(%s, 1, null, null, '{default}', '{t0,t1}', %d, null, null)",
        find_name(name, strlen(name))->value, jobs);
}

// Enough for one round: the holder's jobs stand at the head of the lanes.
static void prepare_jobs(PGconn *conn)
{
    name_count = 0;
    test_db_run(conn, "select ganger.enqueue_many((select jsonb_agg(jsonb_build_object('job_type', "
                      "'t' || i %% 2)) from generate_series(1, 300) i))");
    test_db_run(conn, "select ganger.enqueue('t1', run_at => clock_timestamp() + interval '1 ms') "
                      "from generate_series(1, 20)");
    set_name("token", test_db_text(conn, "select quote_literal(ganger.create_token())"));
    claim_one(conn, "running", "lease");
    claim_one(conn, "other_running", NULL);
    prepare_ended(conn, "ended");
    prepare_ended(conn, "other_ended");
    // a group with one at work and one that waits, others that nobody is at; a holder of a unique key
    test_db_run(conn, "select ganger.set_queue('apart', group_concurrency => 1), "
                      "ganger.set_queue('tight', concurrency => 1), "
                      "ganger.set_group_limit('busy', 1)");
    test_db_run(conn, "select ganger.enqueue('t0', group_key => 'busy', queue => 'grouped') from "
                      "generate_series(1, 3)");
    set_name("grouped", test_db_text(conn, "select id from ganger.claim('w', '{grouped}')"));
    set_name("grouped_lease",
             test_db_text(conn, "select quote_literal(lease_id) from ganger.job where id = %s",
                          find_name("grouped", strlen("grouped"))->value));
    set_name("limited", test_db_text(conn, "select min(id) from ganger.job where pending_reason = "
                                           "'limited'"));
    test_db_run(conn, "select ganger.enqueue('t0', queue => 'tight'), ganger.enqueue('t0', queue "
                      "=> 'apart', group_key => 'apart')");
    set_name("unique",
             test_db_text(conn, "select ganger.enqueue('t1', unique_key => 'known', run_at => "
                                "clock_timestamp() + interval '1 h')"));
    test_db_run(conn, "select ganger.pause_queue('paused'), ganger.pause_job_type('paused')");
    set_name("pending", test_db_text(conn, "select id from ganger.job where seq is not null "
                                           "and status = 'pending' order by seq limit 1"));
    set_name("other_pending",
             test_db_text(conn, "select max(id) from ganger.job where seq is not null and status = "
                                "'pending' and queue = 'default'"));
    set_name("other_edited",
             test_db_text(conn, "select id from ganger.job where seq is not null "
                                "and status = 'pending' and queue = 'default' order by id desc "
                                "offset 1 limit 1"));
    set_name("node",
             test_db_text(conn, "select ganger._register_node('a', 'h', 'b', 1, 1, '60 s', '0')"));
    set_name("other_node",
             test_db_text(conn, "select ganger._register_node('b', 'h', 'b', 1, 1, '60 s', '0')"));
    prepare_worker(conn, "worker", "node", 3);
    prepare_worker(conn, "other_worker", "other_node", 0);
    prepare_worker(conn, "third_worker", "other_node", 3);
    set_name("doomed_node",
             test_db_text(conn, "select ganger._register_node('c', 'h', 'b', 1, 1, '60 s', '0')"));
    prepare_worker(conn, "doomed", "doomed_node", 0);
    prepare_worker(conn, "doomed_2", "doomed_node", 0);
    test_db_run(conn, "insert into ganger.unwanted_worker values (-1)"); // it has ended
    // old enough to be cleaned up, dead or expired: so that the duties have something to hold
    test_db_run(conn,
                "update ganger.history set finished_at = finished_at - interval '2 h' where id in "
                "(select min(id) from ganger.history)");
    test_db_run(conn, "select ganger.claim('expired')");
    test_db_run(
        conn,
        "update ganger.job set lease_until = now() - interval '1 s' where worker_name = 'expired'");
}

// Ends every wait as an error; a row lock's wait inside a finish answers false, as it is deferred.
static bool come_through(PGconn *others, const char *held, const char *call)
{
    char *sql = fill_in(call);
    PGresult *result = PQexec(others, sql);
    bool is_fine = PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1 &&
                   strcmp(PQgetvalue(result, 0, 0), "t") == 0;
    if (!is_fine) {
        print_error("beside an open \"%s\":\n  %s\n  %s\n", held, sql,
                    PQresultStatus(result) == PGRES_TUPLES_OK ? "answered otherwise"
                                                              : PQresultErrorMessage(result));
    }
    PQclear(result);
    free(sql);
    return is_fine;
}

static void test_nobody_waits(void **state)
{
    PGconn *holder = test_db_connect(*state);
    PGconn *others = test_db_connect(*state);
    test_db_run(holder,
                "create function t_handler(jsonb, ganger.jobs) returns jsonb language sql as "
                "'select ganger.enqueue(''from handler''); select to_jsonb(1)'");
    test_db_run(others, "set lock_timeout = '300ms'");
    int failed = 0;
    // Where little is to be done, each call beside every so manieth of the others.
    const int stride = test_scale_percent() < STRIDE_BELOW_PERCENT ? STRIDE : 1;
    for (int i = 0; i < HELD_COUNT; i++) {
        prepare_jobs(holder);
        char *call = fill_in(HELD_CALLS[i]);
        test_db_run(holder, "begin");
        test_db_run(holder, "%s", call);
        for (int k = i % stride; k < OTHERS_COUNT; k += stride) {
            failed += come_through(others, call, OTHERS_CALLS[k]) ? 0 : 1;
        }
        assert_int_equal(test_db_int(others, "select count(*) from ganger.late_result"), 0);
        test_db_run(holder, i % 2 == 0 ? "commit" : "rollback");
        test_db_run(holder, "update ganger.node set state = 'stopped'");
        test_db_run(holder, "truncate ganger.job, ganger.queue, ganger.job_type, "
                            "ganger.group_limit, ganger.signal, ganger.rate_use, ganger.job_key, "
                            "ganger.dependency");
        free(call);
    }
    assert_int_equal(failed, 0);
    PQfinish(holder);
    PQfinish(others);
}

int main(void)
{
    log_init("test", LOG_FORMAT_AUTO, LOG_LEVEL_WARN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nobody_waits, test_db_setup, test_db_teardown),
    };
    return cmocka_run_group_tests_name("locks", tests, NULL, NULL);
}
