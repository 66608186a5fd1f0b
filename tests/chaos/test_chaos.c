// SPDX-License-Identifier: MIT
// Chaos: jobs of all sorts run while processes are killed at random; afterwards every promise is checked.
//
// CHAOS_SEED, CHAOS_JOBS and CHAOS_KILLS (scripts/chaos sets them) choose what happens; the choices follow from the seed alone.
#include "tests/support/unit.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "tests/chaos/chaos.h"
#include "tests/support/private_cluster.h"

enum {
    NODES = 2,
    DEFAULT_JOBS = 2000,
    DEFAULT_KILLS = 36,
    SETTLE_LIMIT_MS = 120000,
    RECONNECT_LIMIT_MS = 60000
};

typedef struct Chaos {
    SystemTest *test;
    uint64_t random;
    long jobs;
    long kills;
    long added;
    char *journal;
} Chaos;

// splitmix64
static uint64_t next_random(Chaos *chaos)
{
    chaos->random += 0x9e3779b97f4a7c15U;
    uint64_t mixed = chaos->random;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9U;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebU;
    return mixed ^ (mixed >> 31);
}

static int below(Chaos *chaos, int limit)
{
    return (int)(next_random(chaos) % (uint64_t)limit);
}

static long read_number(const char *name, long otherwise)
{
    const char *text = getenv(name);
    return text != NULL && *text != '\0' ? strtol(text, NULL, 10) : otherwise;
}

// --- the database, which is among the victims

static void reconnect(Chaos *chaos)
{
    SystemTest *test = chaos->test;
    for (int64_t until = clock_boot_ms() + RECONNECT_LIMIT_MS;; pause_ms(50)) {
        PQfinish(test->conn);
        test->conn = PQconnectdb(test->db.url);
        if (PQstatus(test->conn) == CONNECTION_OK) {
            return;
        }
        if (clock_boot_ms() > until) {
            system_fail(test, "PostgreSQL did not come back");
        }
    }
}

// Whether it was carried out. A loss of the connection leaves that open; the tables tell.
static bool run_sql(Chaos *chaos, const char *sql)
{
    SystemTest *test = chaos->test;
    PGresult *result = PQexec(test->conn, sql);
    bool is_done =
        PQresultStatus(result) == PGRES_TUPLES_OK || PQresultStatus(result) == PGRES_COMMAND_OK;
    if (!is_done && PQstatus(test->conn) == CONNECTION_OK) {
        (void)fprintf(stderr, "%s: %s\n", sql, PQresultErrorMessage(result));
        system_fail(test, "SQL failed");
    }
    PQclear(result);
    if (PQstatus(test->conn) != CONNECTION_OK) {
        reconnect(chaos);
    }
    return is_done;
}

static int64_t read_int(Chaos *chaos, const char *sql)
{
    SystemTest *test = chaos->test;
    PGresult *result = PQexec(test->conn, sql);
    int64_t value = PQntuples(result) == 1 ? strtoll(PQgetvalue(result, 0, 0), NULL, 10) : 0;
    PQclear(result);
    if (PQstatus(test->conn) != CONNECTION_OK) {
        reconnect(chaos);
    }
    return value;
}

// --- jobs

// One entry of a VALUES list of enqueue's arguments.
static void add_job(Chaos *chaos, StrBuf *sql)
{
    const char *type = "journal";
    int kind = below(chaos, 100);
    int ms = below(chaos, 12);
    int attempts = 40;
    char more[128] = "";
    char options[128] = "";
    if (kind < 10) {
        (void)snprintf(more, sizeof more, ", \"fail_until\": %d", 2 + below(chaos, 2));
    } else if (kind < 13) {
        (void)snprintf(more, sizeof more, ", \"crash_until\": 2");
    } else if (kind < 25) {
        type = "journal_tx";
    } else if (kind < 28) {
        ms = 200 + below(chaos, 600);
        (void)snprintf(more, sizeof more, ", \"tick\": 15, \"deaf\": %d", below(chaos, 2));
    } else if (kind < 30) {
        ms = 5000;
        attempts = 2;
        (void)snprintf(more, sizeof more, ", \"tick\": 15, \"deaf\": %d", below(chaos, 2));
        (void)snprintf(options, sizeof options, ", timeout => '%d ms', kill_grace => '60 ms'",
                       50 + below(chaos, 150));
    } else if (kind < 36) {
        (void)snprintf(options, sizeof options, ", run_at => clock_timestamp() + interval '%d ms'",
                       below(chaos, 2000));
    } else if (kind < 42) {
        attempts = 1 + below(chaos, 2);
    }
    strbuf_printf(sql,
                  "select ganger.enqueue('%s', '{\"file\": \"%s\", \"ms\": %d%s}', priority => %d, "
                  "max_attempts => %d, retry_delay => "
                  "'%d ms', retry_backoff => false%s)",
                  type, chaos->journal, ms, more, below(chaos, 3), attempts, 10 + below(chaos, 50),
                  options);
}

// Some jobs in one transaction with the note that they were added; now and then one that is rolled back.
static void add_jobs(Chaos *chaos, int count)
{
    StrBuf sql = {0};
    strbuf_append(&sql, "begin; insert into chaos_added ");
    for (int i = 0; i < count; i++) {
        strbuf_append(&sql, i > 0 ? " union all " : "");
        add_job(chaos, &sql);
    }
    bool is_kept = below(chaos, 10) > 0;
    strbuf_append(&sql, is_kept ? "; commit" : "; rollback");
    (void)run_sql(chaos, sql.text);
    strbuf_free(&sql);
    chaos->added = (long)read_int(chaos, "select count(*) from chaos_added");
}

static void cancel_some(Chaos *chaos)
{
    (void)run_sql(
        chaos,
        "with picked as (select id from ganger.jobs where status in ('pending', 'processing') "
        "order by random() limit 2), "
        "noted as (insert into chaos_cancelled select id from picked on conflict do nothing) "
        "select ganger.cancel(id) from picked");
}

// --- victims

static Daemon *any_node(Chaos *chaos)
{
    return &chaos->test->daemons[below(chaos, NODES)];
}

static void kill_worker(Chaos *chaos)
{
    const Daemon *daemon = any_node(chaos);
    pid_t pid = daemon_child(daemon, "ganger-worker", below(chaos, 2));
    if (pid > 0) {
        (void)kill(pid, SIGKILL);
    }
}

static void kill_reaper(Chaos *chaos)
{
    pid_t pid = daemon_child(any_node(chaos), "ganger-reaper", 0);
    if (pid > 0) {
        (void)kill(pid, SIGKILL);
    }
}

static void kill_supervisor(Chaos *chaos)
{
    Daemon *daemon = any_node(chaos);
    daemon_destroy(daemon);
    pause_ms(below(chaos, 300));
    daemon_start(daemon);
}

static void drain_supervisor(Chaos *chaos)
{
    Daemon *daemon = any_node(chaos);
    daemon_signal(daemon, SIGTERM);
    if (daemon_wait(daemon, DAEMON_PATIENCE_MS + 10000) != 0) {
        system_fail(chaos->test, "a drain did not end in order");
    }
    daemon_start(daemon);
}

static void freeze_worker(Chaos *chaos)
{
    pid_t pid = daemon_child(any_node(chaos), "ganger-worker", below(chaos, 2));
    if (pid > 0) {
        (void)kill(pid, SIGSTOP);
        pause_ms(below(chaos, 300));
        (void)kill(pid, SIGCONT);
    }
}

static void end_connection(Chaos *chaos)
{
    (void)run_sql(chaos, "select pg_terminate_backend(pid) from pg_stat_activity where "
                         "application_name like 'ganger-%' order by "
                         "random() limit 1");
}

// The whole server goes through crash recovery.
static void crash_server(Chaos *chaos)
{
    int64_t pid = read_int(chaos, "select pid from pg_stat_activity where application_name like "
                                  "'ganger-%' order by random() limit 1");
    if (pid > 1) {
        (void)kill((pid_t)pid, SIGKILL);
    }
    pause_ms(20);
    reconnect(chaos);
}

typedef struct Victim {
    const char *name;
    int weight;
    void (*strike)(Chaos *chaos);
} Victim;

static const Victim victims[] = {
    {"worker", 50, kill_worker},         {"reaper", 10, kill_reaper},
    {"supervisor", 10, kill_supervisor}, {"drain", 4, drain_supervisor},
    {"freeze", 6, freeze_worker},        {"connection", 14, end_connection},
    {"server", 6, crash_server},
};
enum { VICTIM_COUNT = sizeof victims / sizeof victims[0], WEIGHT_SUM = 100 };

static int strike(Chaos *chaos)
{
    int pick = below(chaos, WEIGHT_SUM);
    int which = 0;
    while (which < VICTIM_COUNT - 1 && pick >= victims[which].weight) {
        pick -= victims[which].weight;
        which++;
    }
    victims[which].strike(chaos);
    return which;
}

// --- the test

static void await_all_ended(Chaos *chaos)
{
    SystemTest *test = chaos->test;
    if (!test_db_await(test->conn, SETTLE_LIMIT_MS,
                       "select not exists (select from ganger.jobs where status not in "
                       "('completed', 'failed', 'cancelled'))")) {
        char *left = test_db_text(test->conn, "select json_agg(j) from (select id, job_type, "
                                              "status, pending_reason, attempts, max_attempts, "
                                              "worker, node, next_attempt_at, now() from "
                                              "ganger.jobs where status not in ('completed', "
                                              "'failed', 'cancelled') order by id limit 10) j");
        (void)fprintf(stderr, "still open: %s\n", left);
        free(left);
        system_fail(test, "not every job has ended");
    }
}

static void run_chaos(Chaos *chaos)
{
    int counts[VICTIM_COUNT] = {0};
    int per_step = (int)(chaos->jobs / (chaos->kills + 1)) + 1;
    for (long i = 0; i < chaos->kills; i++) {
        for (int left = per_step + per_step / 8; left > 0;) {
            int some = 1 + below(chaos, left > 20 ? 20 : left);
            add_jobs(chaos, some);
            left -= some;
            pause_ms(below(chaos, 8));
        }
        if (below(chaos, 4) == 0) {
            cancel_some(chaos);
        }
        pause_ms(below(chaos, 250));
        counts[strike(chaos)]++;
    }
    while (chaos->added < chaos->jobs) {
        add_jobs(chaos, 20);
    }
    (void)fprintf(stderr, "chaos: struck");
    for (int i = 0; i < VICTIM_COUNT; i++) {
        (void)fprintf(stderr, " %s %d", victims[i].name, counts[i]);
    }
    (void)fprintf(stderr, "\n");
}

static void test_chaos(void **state)
{
    SystemTest *test = *state;
    Chaos chaos = {
        .test = test,
        .jobs = read_number("CHAOS_JOBS", DEFAULT_JOBS),
        .kills = read_number("CHAOS_KILLS", DEFAULT_KILLS),
        .journal = mem_printf("%s/journal", test->folder),
    };
    uint64_t seed = (uint64_t)read_number("CHAOS_SEED", (long)(clock_wall_us() % 1000000));
    chaos.random = seed;
    (void)fprintf(stderr,
                  "chaos: seed %" PRIu64
                  " jobs %ld kills %ld (replay: scripts/chaos --seed %" PRIu64
                  " --jobs %ld --kills %ld)\n",
                  seed, chaos.jobs, chaos.kills, seed, chaos.jobs, chaos.kills);
    test_db_run(test->conn, "create table chaos_added (id bigint primary key); create table "
                            "chaos_cancelled (id bigint primary key); "
                            "create table journal_effect (job_id bigint, attempt int)");
    for (int i = 0; i < NODES; i++) {
        daemon_run(test, i == 0 ? "north" : "south", 2, NULL);
    }
    int64_t at = clock_boot_ms();
    run_chaos(&chaos);
    int64_t struck_at = clock_boot_ms();
    await_all_ended(&chaos);
    (void)fprintf(stderr,
                  "chaos: all ended %" PRId64 " ms after the last of %" PRId64 " ms of kills\n",
                  clock_boot_ms() - struck_at, struck_at - at);
    int broken = chaos_check(test, chaos.journal);
    free(chaos.journal);
    if (broken > 0) {
        system_fail(test, "promises are broken");
    }
}

static int setup_cluster(void **state)
{
    (void)setenv("GANGER_TEST_FSYNC", "on", 1);
    return private_cluster_setup(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_chaos, system_setup, system_teardown),
    };
    return cmocka_run_group_tests_name("chaos", tests, setup_cluster, private_cluster_teardown);
}
