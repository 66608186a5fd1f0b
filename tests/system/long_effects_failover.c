// SPDX-License-Identifier: MIT
// Effects in the database, once per completed job, when the primary dies at a message of one of the steps from the claim to the COMMIT,
// and its synchronous standby takes over: test_effects.c with another server afterwards.
#include "tests/support/unit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "tests/support/daemon.h"
#include "tests/support/effects.h"
#include "tests/support/failover.h"
#include "tests/support/proxied.h"
#include "tests/support/standby.h"

enum {
    CUTS_PER_ROUND = 100,
    LEAST_ROUNDS = 3,
    WORKERS = 3,
    WARM_JOBS = 12, // of each kind; failing ones beside
    JOBS = 60,
    STRIKE_MS = 5000,
    GOLDEN_PERMILLE = 618 // multiples of it are spread evenly, however many there are
};

typedef struct Failovers {
    SystemTest *test;
    FaultProxy *proxies[2]; // of each server
    const Daemon *daemon;
    int struck;
    int64_t worst_ms;
} Failovers;

static FaultProxy *make_proxy(const SystemTest *test, int server)
{
    TestDb db = test->db;
    standby_server_url(server, test->db.name, db.url, sizeof db.url);
    return fault_proxy_create(&db);
}

// The folder of its socket. Caller frees.
static char *proxy_host(const FaultProxy *proxy)
{
    char *host = NULL;
    PQconninfoOption *options = PQconninfoParse(fault_proxy_url(proxy), NULL);
    for (const PQconninfoOption *o = options; o != NULL && o->keyword != NULL; o++) {
        if (o->val != NULL && str_equal(o->keyword, "host")) {
            free(host);
            host = mem_strdup(o->val);
        }
    }
    PQconninfoFree(options);
    assert_non_null(host);
    return host;
}

// A node that knows both servers, each through its proxy.
static void run_node(Failovers *self)
{
    char *hosts[2] = {proxy_host(self->proxies[0]), proxy_host(self->proxies[1])};
    char *database = mem_printf("{url: \"host=%s,%s user=postgres dbname=%s\", poll_interval: "
                                "100ms}",
                                hosts[0], hosts[1], self->test->db.name);
    self->daemon =
        daemon_run(self->test, "moving", WORKERS,
                   &(DaemonOptions){.database = database,
                                    .pools = "{default: {queues: [default], processes: 3}}",
                                    .handlers = EFFECT_HANDLERS});
    free(database);
    free(hosts[0]);
    free(hosts[1]);
}

// Jobs of all kinds, mixed; one of six fails in all its attempts.
static void add_jobs(SystemTest *test, int count)
{
    test_db_run(test->conn,
                "select ganger.enqueue(t, jsonb_build_object('file', '%s/journal') || case when "
                "n %% 5 = 0 then '{\"fail_until\": 99}'::jsonb else '{}' end, max_attempts => "
                "case when n %% 5 = 0 then 2 else 20 end, retry_delay => '0', retry_backoff => "
                "false) from generate_series(1, %d) n, unnest('{journal_tx, by_function, "
                "by_program}'::text[]) t order by n",
                test->folder, count);
}

static void await_all(SystemTest *test)
{
    sql_await(test, "not exists (select from ganger.jobs where status not in ('completed', "
                    "'failed'))");
}

// How many messages the step has in connections that have done it before.
static int measure(const Failovers *self, const EffectStep *step)
{
    FaultProxy *proxy = self->proxies[standby_primary()];
    add_jobs(self->test, WARM_JOBS);
    await_all(self->test);
    int rule = fault_proxy_add(proxy, &(FaultProxyRule){.application = "ganger-worker",
                                                        .from = step->from,
                                                        .hit = INT32_MAX,
                                                        .action = FAULT_PROXY_CUT,
                                                        .times = -1});
    add_jobs(self->test, WARM_JOBS);
    await_all(self->test);
    int exchanges = fault_proxy_missed(proxy, rule);
    CHECK(self->test, exchanges > 0);
    int messages = fault_proxy_counted(proxy, rule) / exchanges;
    fault_proxy_clear(proxy);
    return messages;
}

// A worker's message is the last one: it is held back, and lost when the primary is dead. Every other time around the steps it is the one
// that says that all is committed.
static void strike(Failovers *self, int round)
{
    int number = (round + 1) % EFFECT_STEPS; // the claim is the last of them
    int visit = round / EFFECT_STEPS;
    bool is_last = visit % 2 == 1;
    const EffectStep *step = &effect_steps[number];
    FaultProxy *proxy = self->proxies[standby_primary()];
    int messages = is_last ? 1 : measure(self, step);
    int permille = ((visit / 2 + 1) * GOLDEN_PERMILLE + number * 1000 / EFFECT_STEPS) % 1000;
    int hit = 1 + permille * messages / 1000;
    add_jobs(self->test, JOBS);
    int rule =
        fault_proxy_add(proxy, &(FaultProxyRule){.application = "ganger-worker",
                                                 .from = step->from,
                                                 .at = is_last ? step->done : (FaultProxyMatch){0},
                                                 .hit = hit,
                                                 .action = FAULT_PROXY_SWALLOW,
                                                 .sides = FAULT_PROXY_BOTH});
    bool is_struck = fault_proxy_await(proxy, rule, slow_ms(STRIKE_MS));
    standby_kill_primary();
    fault_proxy_clear(proxy);
    self->struck += is_struck;
    (void)printf("%s: %s %d of %d%s; ", step->name, is_last ? "end" : "message", hit, messages,
                 is_struck ? "" : " (never came, killed anyhow)");
}

static void check_effects(SystemTest *test)
{
    sql_check(test, "not exists (select from ganger.jobs where (status = 'failed') <> (payload ? "
                    "'fail_until'))");
    sql_check(test,
              "not exists (select from ganger.jobs j where status = 'completed' and (select "
              "array_agg(e.attempt) from journal_effect e where e.job_id = j.id) is distinct from "
              "array[j.attempts])");
    sql_check(test, "not exists (select from ganger.jobs j where status = 'completed' and (select "
                    "array_agg(a.attempt) from ganger.attempts a where a.job_id = j.id and "
                    "outcome = 'completed') is distinct from array[j.attempts])");
    sql_check(test, "(select count(*) from journal_effect) = (select count(*) from ganger.jobs "
                    "where status = 'completed')");
}

static void fail_over(Failovers *self, int round)
{
    SystemTest *test = self->test;
    strike(self, round);
    int64_t promoted_at = standby_promote();
    failover_reconnect(test);
    int64_t left = test_db_int(test->conn, "select count(*) from ganger.jobs where status not in "
                                           "('completed', 'failed')");
    await_all(test);
    int64_t took_ms = clock_boot_ms() - promoted_at;
    self->worst_ms = took_ms > self->worst_ms ? took_ms : self->worst_ms;
    check_effects(test);
    (void)printf("%" PRId64 " jobs left, ended %" PRId64 " ms after the promotion; %" PRId64
                 " attempts cut off, %d outputs applied again so far\n",
                 left, took_ms,
                 test_db_int(test->conn, "select coalesce(sum(attempts - 1), 0) from ganger.jobs "
                                         "where status = 'completed'"),
                 daemon_log_count(self->daemon, "job.apply_again"));
    (void)fflush(stdout);
    CHECK(test, left > 0);
}

static void test_once_whichever_server(void **state)
{
    SystemTest *test = *state;
    int rounds = proxied_cuts(0) / CUTS_PER_ROUND;
    rounds = rounds < LEAST_ROUNDS ? LEAST_ROUNDS : rounds;
    Failovers self = {.test = test, .proxies = {make_proxy(test, 0), make_proxy(test, 1)}};
    standby_set_synchronous(true);
    effects_make(test);
    run_node(&self);
    for (int i = 0; i < rounds; i++) {
        fail_over(&self, i);
        standby_reclone();
        standby_set_synchronous(true);
    }
    (void)printf("%d failovers, %d of them at the message that was chosen: %" PRId64
                 " completed jobs, %" PRId64 " effects; all ended at most %" PRId64
                 " ms after the promotion\n",
                 rounds, self.struck,
                 test_db_int(test->conn, "select count(*) from ganger.jobs where status = "
                                         "'completed'"),
                 test_db_int(test->conn, "select count(*) from journal_effect"), self.worst_ms);
    CHECK(test, 2 * self.struck >= rounds);
    standby_set_synchronous(false);
    fault_proxy_destroy(self.proxies[0]);
    fault_proxy_destroy(self.proxies[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_once_whichever_server, system_setup, system_teardown),
    };
    return cmocka_run_group_tests_name("long_effects_failover", tests, standby_setup,
                                       standby_teardown);
}
