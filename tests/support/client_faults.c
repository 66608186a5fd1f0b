// SPDX-License-Identifier: MIT
// DatabaseFaults of many clients at once: see database_faults.h.
#include "tests/support/database_faults.h"

#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "tests/support/tree_cpu.h"

enum {
    CLIENT_MAX = 512,
    CLIENT_STACK_BYTES = 256 * 1024,
    MIXED_JOBS = 40,
    FLOOD_CPU_PERCENT = 30,
    FLOOD_POLL_MS = 1000,
    POLL_SLACK_MS = 500,
    HERD_BURST_MS = 1000
};

// Sessions that each do the same thing over and over, together from the moment all are connected.
typedef struct Clients {
    const SystemTest *test;
    int count;
    void (*step)(struct Clients *clients, PGconn *conn, int number, int round);
    int rounds; // 0: until is_over
    pthread_barrier_t all;
    pthread_t threads[CLIENT_MAX];
    atomic_int next;
    atomic_int errors; // SQL that failed, but for what is allowed
    atomic_int winners;
    atomic_bool is_over;
    int64_t base; // the first of some jobs
} Clients;

static void run_sql(Clients *clients, PGconn *conn, const char *sql, const char *allowed)
{
    PGresult *result = PQexec(conn, sql);
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    if (sqlstate != NULL && (allowed == NULL || strstr(allowed, sqlstate) == NULL)) {
        (void)fprintf(stderr, "%s: %s", sql, PQresultErrorMessage(result));
        atomic_fetch_add(&clients->errors, 1);
    }
    PQclear(result);
}

static void *be_client(void *argument)
{
    Clients *clients = argument;
    int number = atomic_fetch_add(&clients->next, 1);
    PGconn *conn = test_db_connect(&clients->test->db);
    (void)pthread_barrier_wait(&clients->all);
    for (int i = 0;
         (clients->rounds == 0 || i < clients->rounds) && !atomic_load(&clients->is_over); i++) {
        clients->step(clients, conn, number, i);
    }
    PQfinish(conn);
    return NULL;
}

static void clients_start(Clients *clients)
{
    sigset_t all;
    sigset_t before;
    pthread_attr_t small;
    assert_true(clients->count <= CLIENT_MAX);
    assert_int_equal(pthread_attr_init(&small), 0);
    assert_int_equal(pthread_attr_setstacksize(&small, CLIENT_STACK_BYTES), 0);
    assert_int_equal(pthread_barrier_init(&clients->all, NULL, (unsigned)clients->count + 1), 0);
    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    for (int i = 0; i < clients->count; i++) {
        assert_int_equal(pthread_create(&clients->threads[i], &small, be_client, clients), 0);
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&small);
    (void)pthread_barrier_wait(&clients->all);
}

static void clients_end(SystemTest *test, Clients *clients)
{
    if (clients->rounds == 0) {
        atomic_store(&clients->is_over, true);
    }
    for (int i = 0; i < clients->count; i++) {
        (void)pthread_join(clients->threads[i], NULL);
    }
    (void)pthread_barrier_destroy(&clients->all);
    CHECK(test, atomic_load(&clients->errors) == 0);
}

// --- calls of all kinds

static void mix_one(Clients *clients, PGconn *conn, const char *call, int number, int round)
{
    char sql[256];
    (void)snprintf(sql, sizeof sql, "select ganger.%s", call);
    if (strchr(call, '(') == NULL) { // of one job
        (void)snprintf(sql, sizeof sql, "select ganger.%s(%" PRId64 "%s)", call,
                       clients->base + (number * 7 + round) % MIXED_JOBS,
                       str_equal(call, "edit") ? ", '{\"priority\": 3}'" : "");
    }
    run_sql(clients, conn, sql, "55P03 55000 42704 22023");
}

static void mix_step(Clients *clients, PGconn *conn, int number, int round)
{
    static const char *const calls[] = {
        "cancel",
        "retry",
        "edit",
        "cancel_jobs('{\"job_type\": \"sleep\", \"tags\": [\"t1\"]}')",
        "retry_jobs('{\"job_type\": \"sleep\", \"tags\": [\"t1\"]}')",
        "retry_jobs('{\"job_type\": \"sleep\", \"tags\": [\"t2\"]}')",
        "edit_jobs('{\"tags\": [\"t2\"]}', '{\"priority\": 2}')",
        "enqueue('sleep', '{\"ms\": 2}', tags => '{t1}', group_key => 'g1')",
        "enqueue('sleep', '{\"ms\": 2}', tags => '{t2}', group_key => 'g2')",
        "maintain()",
    };
    mix_one(clients, conn, calls[(number + round) % (int)(sizeof calls / sizeof calls[0])], number,
            round);
}

void fault_mixed_calls(SystemTest *test, int count, int64_t for_ms)
{
    daemon_run(test, "mixed", 2, NULL);
    Clients *clients = mem_alloc(sizeof *clients);
    *clients = (Clients){.test = test, .count = count, .step = mix_step};
    clients->base = job_add(test, "'sleep', '{\"ms\": 2}', tags => '{t0}'");
    for (int i = 1; i < MIXED_JOBS; i++) {
        (void)job_add(test, "'sleep', '{\"ms\": 2}', tags => '{t%d}'", i % 4);
    }
    clients_start(clients);
    pause_ms((int)for_ms); // as long as the load is to last
    clients_end(test, clients);
    free(clients);
    sql_await(test, "(select count(*) = 0 from ganger.jobs where status not in ('completed', "
                    "'cancelled'))");
    sql_check(test, "(select max(crashes) = 0 from ganger.jobs)");
    int64_t deadlocks = test_db_int(test->conn, "select deadlocks from pg_stat_database where "
                                                "datname = current_database()");
    (void)printf("mixed calls: %" PRId64 " jobs, %" PRId64 " deadlocks\n",
                 test_db_int(test->conn, "select count(*) from ganger.jobs"), deadlocks);
    CHECK(test, deadlocks == 0);
}

void fault_serializable(SystemTest *test, int jobs)
{
    test_db_run(test->conn, "alter database %s set default_transaction_isolation = serializable",
                test->db.name);
    daemon_run(test, "strict", 3, &(DaemonOptions){.pools = "{default: {processes: 3}}"});
    test_db_run(test->conn,
                "select ganger.enqueue('sleep', '{\"ms\": 1}') from generate_series(1, %d)", jobs);
    sql_await(test, "(select count(*) = %d from ganger.jobs where status = 'completed')", jobs);
    sql_check(test, "(select max(attempts) = 1 and max(crashes) = 0 from ganger.jobs)");
}

// --- notifications

void fault_listener_ended(SystemTest *test)
{
    daemon_run(test, "deaf", 2, &(DaemonOptions){.poll = "1s"});
    test_db_run(test->conn, "select pg_terminate_backend(pid) from pg_stat_activity where "
                            "application_name = 'ganger-reaper' and datname = current_database()");
    int64_t at = clock_boot_ms();
    job_await(test, job_add(test, "'noop'"), "completed");
    int64_t took_ms = clock_boot_ms() - at;
    (void)printf("listener ended: a job was completed after %" PRId64 " ms\n", took_ms);
    CHECK(test,
          took_ms <= slow_ms(FLOOD_POLL_MS + FLOOD_POLL_MS + POLL_SLACK_MS)); // and its return
}

static void flood_step(Clients *clients, PGconn *conn, int number, int round)
{
    (void)round;
    run_sql(clients, conn,
            number % 2 == 0
                ? "select pg_notify('ganger', 'work:default')"
                : "select pg_notify('ganger', 'due' || n) from generate_series(1, 50) n",
            NULL);
}

void fault_notify_flood(SystemTest *test, int count, int64_t for_ms)
{
    const Daemon *daemon = daemon_run(test, "called", 2, &(DaemonOptions){.poll = "1s"});
    Clients *clients = mem_alloc(sizeof *clients);
    *clients = (Clients){.test = test, .count = count, .step = flood_step};
    clients_start(clients);
    int64_t since = clock_boot_ms();
    int64_t before_ms = tree_cpu_ms(daemon->pid);
    int64_t worst_ms = 0;
    do {
        int64_t at = clock_boot_ms();
        job_await(test, job_add(test, "'noop'"), "completed");
        int64_t took_ms = clock_boot_ms() - at;
        worst_ms = took_ms > worst_ms ? took_ms : worst_ms;
        pause_ms(100);
    } while (clock_boot_ms() - since < for_ms);
    int64_t percent = (tree_cpu_ms(daemon->pid) - before_ms) * 100 / (clock_boot_ms() - since);
    clients_end(test, clients);
    free(clients);
    (void)printf("flood of notifications: the node used %" PRId64 " %% of a processor, a job took "
                 "at most %" PRId64 " ms\n",
                 percent, worst_ms);
    CHECK(test, percent < slow_ms(FLOOD_CPU_PERCENT));
    CHECK(test, worst_ms <= slow_ms(FLOOD_POLL_MS + POLL_SLACK_MS));
}

// --- the same key, the same job

static void key_step(Clients *clients, PGconn *conn, int number, int round)
{
    char sql[200];
    (void)snprintf(sql, sizeof sql,
                   "insert into told select 'k%d', %d, ganger.enqueue('t', idempotency_key => "
                   "'k%d')",
                   round, number, round);
    run_sql(clients, conn, sql, NULL);
}

void fault_same_keys(SystemTest *test, int count, int keys)
{
    test_db_run(test->conn, "create table told (key text, client int, id bigint)");
    Clients *clients = mem_alloc(sizeof *clients);
    *clients = (Clients){.test = test, .count = count, .step = key_step, .rounds = keys};
    clients_start(clients);
    clients_end(test, clients);
    free(clients);
    sql_check(test, "(select count(*) = %d from ganger.jobs)", keys);
    sql_check(test, "(select count(*) = %d from told)", count * keys);
    sql_check(test,
              "(select count(*) = %d from (select key from told group by key having "
              "count(distinct id) = 1) k)",
              keys);
    (void)printf("same keys: %d clients, %d keys, %d jobs\n", count, keys, keys);
}

// Each round has one job, which all of them are after.
static void herd_step(Clients *clients, PGconn *conn, int number, int round)
{
    char sql[160];
    (void)number;
    (void)snprintf(sql, sizeof sql, "select id from ganger.claim('w', '{herd}', max_jobs => 1)");
    (void)round;
    PGresult *result = PQexec(conn, sql);
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        (void)fprintf(stderr, "%s", PQresultErrorMessage(result));
        atomic_fetch_add(&clients->errors, 1);
    } else {
        atomic_fetch_add(&clients->winners, PQntuples(result));
    }
    PQclear(result);
}

void fault_herd(SystemTest *test, int count, int rounds)
{
    int64_t worst_ms = 0;
    for (int i = 0; i < rounds; i++) {
        int64_t id = job_add(test, "'t', queue => 'herd'");
        Clients *clients = mem_alloc(sizeof *clients);
        *clients = (Clients){.test = test, .count = count, .step = herd_step, .rounds = 1};
        clients_start(clients);
        int64_t since = clock_boot_ms();
        clients_end(test, clients);
        int64_t took_ms = clock_boot_ms() - since;
        worst_ms = took_ms > worst_ms ? took_ms : worst_ms;
        CHECK(test, atomic_load(&clients->winners) == 1);
        free(clients);
        sql_check(test,
                  "(select status = 'processing' and attempts = 1 from ganger.jobs where id = "
                  "%" PRId64 ")",
                  id);
    }
    (void)printf("herd: %d connections after 1 job: one winner each time, over after at most "
                 "%" PRId64 " ms (goal %d)\n",
                 count, worst_ms, (int)HERD_BURST_MS);
    CHECK(test, worst_ms <= slow_ms(INT64_C(10) * HERD_BURST_MS)); // the goal is of processor time
}
