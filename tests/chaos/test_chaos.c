// SPDX-License-Identifier: MIT
// Chaos: jobs of all sorts are made and run while processes are killed at random; afterwards every promise is checked.
//
// CHAOS_SEED, CHAOS_ARENA, CHAOS_JOBS, CHAOS_KILLS, CHAOS_WORKERS, CHAOS_GENTLE and CHAOS_QUIET (scripts/chaos sets them) choose what happens; the choices follow
// from the seed alone.
#include "tests/support/unit.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "tests/chaos/arena.h"
#include "tests/chaos/chaos_check.h"
#include "tests/chaos/footprint.h"
#include "tests/chaos/job_mix.h"
#include "tests/chaos/nemesis.h"
#include "tests/chaos/producers.h"

enum {
    NODES = 2,
    PRODUCERS = 4,
    DEFAULT_JOBS = 2000,
    DEFAULT_KILLS = 44,
    DEFAULT_WORKERS = 2, // of each node
    PAUSE_MS = 250,
    CLAIMABLE_MS = 500, // I18, for 99 of 100 deaths
    STANDSTILL_MS = 30000,
    LEFT_OVER_MS = 5000
};

typedef struct Chaos {
    SystemTest *test;
    uint64_t seed;
    long jobs;
    long kills;
    int workers;
    bool is_gentle;
    bool is_quiet;
    ChaosRandom random; // of the pauses
    Nemesis *nemesis;
    Producers *producers;
    Footprint *footprint;
} Chaos;

static long read_number(const char *name, long otherwise)
{
    const char *text = getenv(name);
    return text != NULL && *text != '\0' ? strtol(text, NULL, 10) : otherwise;
}

static void read_plan(Chaos *chaos, SystemTest *test)
{
    *chaos = (Chaos){
        .test = test,
        .seed = (uint64_t)read_number("CHAOS_SEED", (long)(clock_wall_us() % 1000000)),
        .jobs = read_number("CHAOS_JOBS", DEFAULT_JOBS),
        .kills = read_number("CHAOS_KILLS", DEFAULT_KILLS),
        .workers = (int)read_number("CHAOS_WORKERS", DEFAULT_WORKERS),
        .is_gentle = read_number("CHAOS_GENTLE", 0) != 0,
        .is_quiet = read_number("CHAOS_QUIET", 0) != 0,
    };
    chaos->random.state = chaos->seed;
    (void)fprintf(stderr,
                  "chaos: seed %" PRIu64
                  " arena %s jobs %ld kills %ld (replay: scripts/chaos --seed %" PRIu64
                  " --arena %s --jobs %ld --kills %ld --workers %d%s)\n",
                  chaos->seed, arena_name(), chaos->jobs, chaos->kills, chaos->seed, arena_name(),
                  chaos->jobs, chaos->kills, chaos->workers,
                  chaos->is_gentle  ? " --gentle"
                  : chaos->is_quiet ? " --quiet"
                                    : "");
}

// --- the gang

static void start_nodes(Chaos *chaos)
{
    char *handlers = job_mix_handlers(getenv("GANGER_TEST_PLUGINS"));
    char *pools =
        mem_printf("{default: {queues: [default, narrow], processes: %d}}", chaos->workers);
    for (int i = 0; i < NODES; i++) {
        char *database = mem_printf("{url: \"%s\", poll_interval: 100ms}", arena_node_url(i));
        const DaemonOptions options = {.database = database,
                                       .handlers = handlers,
                                       .pools = pools,
                                       .node = arena_node_settings(),
                                       .network = arena_node_network(i)};
        daemon_run(chaos->test, i == 0 ? "north" : "south", chaos->workers, &options);
        free(database);
    }
    free(pools);
    free(handlers);
}

// From its first tick on, which nobody can have made before this commits ...
static void start_schedules(const Chaos *chaos)
{
    test_db_run(chaos->test->conn,
                "begin; select ganger.create_schedule('every', '* * * * * *', 'journal', "
                "'{\"file\": \"%s/journal\", \"op\": \"schedule.every\", \"ms\": 1}', overlap => "
                "'allow', catch_up => 'all', options => '{\"max_attempts\": 40, \"retry_delay\": "
                "\"20 ms\", \"retry_backoff\": false}');"
                "insert into chaos.tick select name, next_run_at, null from ganger.schedules; "
                "commit",
                chaos->test->folder);
}

// ... to the one that it is to make when it is paused.
static void stop_schedules(const Chaos *chaos)
{
    test_db_run(chaos->test->conn,
                "begin; select from ganger.schedule where name = 'every' for update;"
                "update chaos.tick set next_at = (select next_run_at from ganger.schedules where "
                "name = 'every'); select ganger.pause_schedule('every'); commit");
}

static int64_t count_open(const Chaos *chaos)
{
    return test_db_int(chaos->test->conn, "select count(*) from ganger.jobs where status not in "
                                          "('completed', 'failed', 'cancelled')");
}

// As long as it goes on.
static void await_all_ended(Chaos *chaos)
{
    SystemTest *test = chaos->test;
    int64_t left = INT64_MAX;
    int64_t until = 0;
    for (int64_t now; (now = count_open(chaos)) > 0; pause_ms(50)) {
        if (now < left) {
            left = now;
            until = clock_boot_ms() + slow_ms(STANDSTILL_MS);
        } else if (clock_boot_ms() > until) {
            char *open = test_db_text(test->conn, "select json_agg(j) from (select id, job_type, "
                                                  "status, pending_reason, attempts, max_attempts, "
                                                  "worker, node, next_attempt_at, now() from "
                                                  "ganger.jobs where status not in ('completed', "
                                                  "'failed', 'cancelled') order by id limit 10) j");
            (void)fprintf(stderr, "still open: %s\n", open);
            free(open);
            system_fail(test, "not every job has ended");
        }
    }
}

// --- the run

// Strikes are spread over the making of the jobs.
static void run_chaos(Chaos *chaos)
{
    const long strikes = nemesis_strikes(chaos->nemesis);
    for (long i = 0; i < strikes; i++) {
        const long share = chaos->jobs * (i + 1) / (strikes + 1);
        producers_allow(chaos->producers, share);
        pause_ms(chaos_random_below(&chaos->random, PAUSE_MS));
        nemesis_strike(chaos->nemesis);
        footprint_sample(chaos->footprint);
        while (producers_made(chaos->producers) < share - chaos->jobs / 10 &&
               producers_problem(chaos->producers) == NULL) {
            pause_ms(2);
        }
    }
    producers_allow(chaos->producers, chaos->jobs);
    while (producers_made(chaos->producers) < chaos->jobs &&
           producers_problem(chaos->producers) == NULL) {
        pause_ms(5);
    }
    nemesis_report(chaos->nemesis);
    if (producers_problem(chaos->producers) != NULL) {
        system_fail(chaos->test, producers_problem(chaos->producers));
    }
    producers_stop(chaos->producers);
}

static bool is_server(pid_t pid)
{
    char path[64];
    char name[32] = "";
    (void)snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
    FILE *file = fopen(path, "re");
    bool is_read = file != NULL && fgets(name, sizeof name, file) != NULL;
    if (file != NULL) {
        (void)fclose(file);
    }
    return is_read && strncmp(name, "postgres", 8) == 0;
}

static int count_left_over(void)
{
    enum { PROCESSES_MAX = 512 };
    static pid_t pids[PROCESSES_MAX];
    size_t count = process_descendants(getpid(), pids, PROCESSES_MAX);
    int left = 0;
    process_reap(pids, count);
    for (size_t i = 0; i < count; i++) {
        left += process_is_alive(pids[i]) && !is_server(pids[i]);
    }
    return left;
}

// I17: when the nodes have ended, no process of theirs is left. This program is the subreaper of them all.
static void check_processes(Chaos *chaos)
{
    for (int i = 0; i < NODES; i++) {
        Daemon *daemon = &chaos->test->daemons[i];
        daemon_signal(daemon, SIGTERM);
        CHECK(chaos->test, daemon_wait(daemon, DAEMON_PATIENCE_MS + 10000) == 0);
    }
    for (int64_t until = clock_boot_ms() + slow_ms(LEFT_OVER_MS); count_left_over() > 0;
         pause_ms(10)) {
        CHECK(chaos->test, clock_boot_ms() < until); // I17 no process is left over
    }
}

static void judge(Chaos *chaos)
{
    ChaosVerdict verdict = {.is_reported = true};
    chaos_check(chaos->test->conn, chaos->test->folder, &verdict);
    chaos_report(chaos->test->conn);
    (void)fprintf(stderr, "chaos: %d promises broken\n", verdict.broken);
    int64_t claimable_ms = chaos_claimable_p99_ms(chaos->test->conn);
    if (verdict.broken > 0) {
        system_fail(chaos->test, "promises are broken");
    }
    if (chaos->is_quiet) { // beside other faults it says little
        CHECK(chaos->test, claimable_ms >= 0 && claimable_ms <= slow_ms(CLAIMABLE_MS));
    }
}

static void test_chaos(void **state)
{
    Chaos chaos;
    read_plan(&chaos, *state);
    SystemTest *test = chaos.test;
    char *journal = mem_printf("%s/journal", test->folder);
    char *log = mem_printf("%s/nemesis", test->folder);
    test_db_run(test->conn, "%s", job_mix_set_up());
    arena_open(test);
    start_nodes(&chaos);
    start_schedules(&chaos);
    chaos.footprint = footprint_create(test);
    chaos.nemesis = nemesis_create(test, &(NemesisPlan){.log = log,
                                                        .strikes = chaos.kills,
                                                        .is_gentle = chaos.is_gentle,
                                                        .is_quiet = chaos.is_quiet,
                                                        .seed = chaos.seed});
    chaos.producers =
        producers_start(&(ProducerPlan){{arena_producer_url(0), arena_producer_url(1)},
                                        test->folder,
                                        journal,
                                        PRODUCERS,
                                        chaos.seed});
    int64_t at = clock_boot_ms();
    run_chaos(&chaos);
    int64_t struck_at = clock_boot_ms();
    nemesis_reconnect(test); // a late crash may have taken this connection, too
    stop_schedules(&chaos);
    await_all_ended(&chaos);
    (void)fprintf(stderr,
                  "chaos: all ended %" PRId64 " ms after the last of %" PRId64 " ms of kills\n",
                  clock_boot_ms() - struck_at, struck_at - at);
    footprint_report(chaos.footprint);
    const bool is_flat = !chaos.is_gentle || footprint_is_flat(chaos.footprint);
    check_processes(&chaos);
    arena_close();
    judge(&chaos);
    footprint_destroy(chaos.footprint);
    nemesis_destroy(chaos.nemesis);
    free(log);
    free(journal);
    CHECK(test, is_flat);
}

int main(void)
{
    if (!arena_is_possible()) {
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_chaos, system_setup, system_teardown),
    };
    return cmocka_run_group_tests_name("chaos", tests, arena_setup, arena_teardown);
}
