// SPDX-License-Identifier: MIT
// Effects in the database, once per completed job: at the messages of each step from the claim to the COMMIT the worker is killed, its
// connection cut, PostgreSQL stopped at once; for plugins, SQL functions, and functions that a program's output is given to.
#include "tests/support/unit.h"

#include <signal.h>

#include "tests/support/effects.h"
#include "tests/support/private_cluster.h"
#include "tests/support/proxied.h"

enum {
    CUTS = 6,
    FAR = 1000000,
    NOT_STRUCK_MS = 2000,
    KILLS_PER = 3,
    RESTARTS_PER = 6,
    LONG_KILLS_PER = 4,
    LONG_RESTARTS_PER = 20
};

typedef enum Harm { HARM_CUT, HARM_KILL, HARM_RESTART } Harm;

static const char *const harm_names[] = {"connections cut", "workers killed", "restarts"};

typedef struct Strikes {
    SystemTest *test;
    Daemon *daemon;
    FaultProxy *proxy;
    int jobs;
    int struck;
} Strikes;

static void kill_worker(void *data)
{
    const Strikes *self = data;
    (void)kill(daemon_child(self->daemon, "ganger-worker", 0), SIGKILL);
}

static void restart_server(void *data)
{
    (void)data;
    private_cluster("halt");
    private_cluster("resume");
}

static void reconnect(SystemTest *test)
{
    PQfinish(test->conn);
    test->conn = test_db_connect(&test->db);
}

static int64_t add(const Strikes *self, const EffectStep *step)
{
    return job_add(self->test,
                   "'%s', '{\"file\": \"%s/journal\"}', max_attempts => 20, retry_delay => '0', "
                   "retry_backoff => false",
                   step->job_type, self->test->folder);
}

static void check_effect(const Strikes *self, int64_t id)
{
    job_await(self->test, id, "completed");
    sql_check(self->test,
              "(select array_agg(e.attempt) = array[j.attempts] from ganger.jobs j join "
              "journal_effect e on "
              "e.job_id = j.id where j.id = %" PRId64 " group by j.attempts)",
              id);
    sql_check(self->test,
              "(select count(*) = 1 from ganger.attempts where job_id = %" PRId64
              " and outcome = 'completed')",
              id);
}

// How many messages the step has when nothing disturbs it, on a new connection.
static int measure(const Strikes *self, const EffectStep *step)
{
    (void)fault_proxy_cut(self->proxy, "ganger-worker");
    int rule = fault_proxy_add(self->proxy, &(FaultProxyRule){.application = "ganger-worker",
                                                              .from = step->from,
                                                              .hit = FAR,
                                                              .action = FAULT_PROXY_CUT,
                                                              .times = -1});
    check_effect(self, add(self, step));
    CHECK(self->test, fault_proxy_await_or_miss(self->proxy, rule, DAEMON_PATIENCE_MS));
    int messages = fault_proxy_counted(self->proxy, rule) / fault_proxy_missed(self->proxy, rule);
    fault_proxy_clear(self->proxy);
    return messages;
}

static void strike(Strikes *self, const EffectStep *step, Harm harm, int hit)
{
    FaultProxyRule rule = {.application = "ganger-worker",
                           .from = step->from,
                           .hit = hit,
                           .action = harm == HARM_CUT ? FAULT_PROXY_CUT : FAULT_PROXY_CALL,
                           .call = harm == HARM_KILL ? kill_worker : restart_server,
                           .data = self};
    int number = fault_proxy_add(self->proxy, &rule);
    int64_t id = add(self, step);
    // Our own connection is not to be used while the server goes down.
    (void)(step->may_be_empty ? fault_proxy_await(self->proxy, number, slow_ms(NOT_STRUCK_MS))
                              : fault_proxy_await_or_miss(self->proxy, number, DAEMON_PATIENCE_MS));
    fault_proxy_remove(self->proxy, number);
    bool is_struck = fault_proxy_strikes(self->proxy, number) > 0;
    if (harm == HARM_RESTART) {
        reconnect(self->test);
    }
    check_effect(self, id);
    self->jobs++;
    self->struck += is_struck;
    fault_proxy_clear(self->proxy);
    if (harm == HARM_KILL) { // workers that only die are started more and more slowly
        check_effect(self, add(self, step));
    }
}

static void strike_step(SystemTest *test, Strikes *self, const EffectStep *step)
{
    const int cuts = proxied_cuts(CUTS);
    const bool is_long = cuts != CUTS;
    const int counts[] = {cuts, cuts / (is_long ? LONG_KILLS_PER : KILLS_PER),
                          cuts / (is_long ? LONG_RESTARTS_PER : RESTARTS_PER)};
    int messages = measure(self, step);
    print_message("%s: %d messages;", step->name, messages);
    for (Harm harm = HARM_CUT; harm <= HARM_RESTART; harm++) {
        self->jobs = 0;
        self->struck = 0;
        for (int i = 0; i < counts[harm]; i++) {
            // Spread over the step where they are few, and over all of it where they are many; not the same for each harm.
            int at =
                (i * messages / counts[harm] + i * messages + (int)harm * messages / 3) % messages;
            strike(self, step, harm, at + 1);
        }
        print_message(" %d %s", self->struck, harm_names[harm]);
        // In a claim that finds nothing there are less.
        CHECK(test, 2 * self->struck >= self->jobs);
    }
    print_message("\n");
}

static void test_once(void **state)
{
    SystemTest *test = *state;
    effects_make(test);
    Strikes self = {.test = test, .proxy = fault_proxy_create(&test->db)};
    self.daemon =
        proxied_run(test, self.proxy, "struck", 1, &(DaemonOptions){.handlers = EFFECT_HANDLERS});
    for (int i = 0; i < EFFECT_STEPS; i++) {
        strike_step(test, &self, &effect_steps[i]);
    }
    sql_check(test, "not exists (select from ganger.jobs where status <> 'completed')");
    sql_check(test, "(select count(*) from journal_effect) = (select count(*) from ganger.jobs)");
    sql_check(test, "not exists (select from ganger.event where event = 'failed' and data ->> "
                    "'will_retry' = 'false')");
    fault_proxy_destroy(self.proxy);
}

// A handler that ends the job's transaction by itself never completes its job, and is not felt by the next one on its connection.
static void test_own_commit(void **state)
{
    SystemTest *test = *state;
    effects_make(test);
    test_db_run(test->conn, "create function commits(payload jsonb, job ganger.jobs) returns jsonb "
                            "language plpgsql as $$ begin insert into journal_effect values "
                            "(job.id, 1); commit; return '1'; end $$");
    test_db_run(test->conn,
                "create procedure ends() language plpgsql as $$ begin rollback; end $$");
    test_db_run(test->conn,
                "create function calls(payload jsonb, job ganger.jobs) returns jsonb language "
                "plpgsql as $$ begin insert into journal_effect values (job.id, 1); call ends(); "
                "return '1'; end $$");
    daemon_run(
        test, "one", 1,
        &(DaemonOptions){.pools = "{default: {queues: [default], processes: 1}}",
                         .handlers = "commits: {sql: public.commits}, calls: {sql: public.calls}"});
    static const char *const options = "max_attempts => 1";
    int64_t own =
        job_add(test, "'db_effect', '{\"table\": \"journal_effect\", \"commit\": 1}', %s", options);
    int64_t failing = job_add(
        test, "'db_effect', '{\"table\": \"journal_effect\", \"commit\": 1, \"fail\": 1}', %s",
        options);
    int64_t function = job_add(test, "'commits', %s", options);
    int64_t procedure = job_add(test, "'calls', %s", options);
    int64_t next = job_add(test, "'journal_tx', '{\"file\": \"%s/journal\"}'", test->folder);
    job_await(test, next, "completed");
    job_await(test, own, "failed");
    job_await(test, failing, "failed");
    job_await(test, function, "failed");
    job_await(test, procedure, "failed");
    sql_check(
        test,
        "(select bool_and(error like '%%handler ended the job''s transaction%%') from ganger.jobs "
        "where id in (%" PRId64 ", %" PRId64 "))",
        own, failing);
    sql_check(
        test,
        "(select bool_and(error like '%%invalid transaction termination (SQLSTATE 2D000)%%') from "
        "ganger.jobs where id in (%" PRId64 ", %" PRId64 "))",
        function, procedure);
    // What PostgreSQL did not let happen did not happen.
    sql_check(test,
              "(select count(*) = 0 from journal_effect where job_id in (%" PRId64 ", %" PRId64
              "))",
              function, procedure);
    sql_check(test, "(select count(*) = 1 from journal_effect where job_id = %" PRId64 ")", next);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_own_commit, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_once, system_setup, system_teardown),
    };
    return cmocka_run_group_tests(tests, private_cluster_setup, private_cluster_teardown);
}
