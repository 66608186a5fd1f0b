// SPDX-License-Identifier: MIT
// Nodes cut off from the database and machines lost, with the settings gangerd has by itself. About eight minutes.
#include "tests/support/unit.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/fault_node.h"

enum {
    LEASE_MS = 60000,
    FENCED_MS = 51000,    // the last sign of a job on its node
    BACK_MS = 65000,      // it begins elsewhere
    QUICK_BACK_MS = 6500, // the same with a lease of 6 s
    TAKEOVER_MS = 15000,  // the cluster's duties
    UNLOCKED_MS = 15000,  // what a handler has locked in the database
    TREE_MAX = 256,
    OBSERVER = 6
};

typedef struct Cut {
    const char *name;
    NetnsCut what;
    int64_t ms;
} Cut;

static const Cut cuts[] = {
    {"leader", NETNS_BOTH_WAYS, 90000},   {"to_database", NETNS_TO_DATABASE, 90000},
    {"to_node", NETNS_TO_NODE, 90000},    {"for_long", NETNS_BOTH_WAYS, 180000},
    {"for_half", NETNS_BOTH_WAYS, 30000}, {"for_5s", NETNS_BOTH_WAYS, 5000},
};
enum { CUT_COUNT = sizeof cuts / sizeof cuts[0] };

typedef struct Partition {
    Daemon *nodes[CUT_COUNT];
    int64_t endless[CUT_COUNT]; // ends at 1.1 times the lease
    int64_t ending[CUT_COUNT];  // ends while its node is cut off, and before that is fenced
    bool is_healed[CUT_COUNT];
    int64_t cut_at;
    int64_t taken_over_ms;
    int64_t unlocked_ms;
} Partition;

static bool is_fenced(int i)
{
    return cuts[i].ms > FENCED_MS;
}

// Two handlers with an open transaction: one does nothing in it, one is in the middle of a statement.
static void start_holders(SystemTest *test)
{
    test_db_run(test->conn,
                "create table held (id int); insert into held values (1); "
                "create table busy (id int); insert into busy values (1); "
                "create function hold_busy(payload jsonb, job ganger.jobs) returns jsonb language "
                "plpgsql as $$ begin perform from busy for update; perform pg_sleep(600); return "
                "null; end $$");
}

static void start_jobs(SystemTest *test, Partition *all)
{
    char options[64];
    (void)job_await_pid(test, job_add(test, "'hold', '{\"ms\": 600000}', queue => 'leader'"));
    (void)job_await_pid(test, job_add(test, "'busy', queue => 'leader'"));
    for (int i = 0; i < CUT_COUNT; i++) {
        (void)snprintf(options, sizeof options, "queue => '%s'", cuts[i].name);
        all->endless[i] =
            journal_add(test, LEASE_MS * 11 / 10, "\"deaf\": 1, \"tick\": 20", options);
        all->ending[i] = journal_add(test, 15000, "\"deaf\": 1, \"tick\": 20", options);
    }
    for (int i = 0; i < CUT_COUNT; i++) {
        (void)journal_await_begin(test, all->endless[i], 1);
        (void)journal_await_begin(test, all->ending[i], 1);
    }
    sql_await(test, "(select count(*) = 0 from (select from held for update skip locked) h)");
    sql_await(test, "(select count(*) = 0 from (select from busy for update skip locked) h)");
    sql_check(test, "(select leader from ganger.nodes where name = 'leader')");
}

static void look(SystemTest *test, Partition *all)
{
    int64_t passed_ms = clock_boot_ms() - all->cut_at;
    if (all->taken_over_ms == 0 &&
        test_db_int(test->conn, "select count(*) from ganger.nodes where leader and name <> "
                                "'leader'") == 1) {
        all->taken_over_ms = passed_ms;
    }
    if (all->unlocked_ms == 0 &&
        test_db_int(test->conn,
                    "select (select count(*) from (select from held for update skip locked) h) + "
                    "(select count(*) from (select from busy for update skip locked) b)") == 2) {
        all->unlocked_ms = passed_ms;
    }
    for (int i = 0; i < CUT_COUNT; i++) {
        if (!all->is_healed[i] && passed_ms >= cuts[i].ms) {
            netns_heal(net, i);
            all->is_healed[i] = true;
        }
    }
}

static void check_fenced(SystemTest *test, const Partition *all, int i, int64_t id)
{
    Runs runs = runs_of(test, id);
    // Where only the way back is lost a result still arrives; then it counts, and there is no second run.
    if (cuts[i].what == NETNS_TO_NODE && runs.count == 1) {
        sql_check(test, "(select attempts = 1 from ganger.jobs where id = %" PRId64 ")", id);
        return;
    }
    CHECK(test, runs.count == 2);
    printf("%s, job %" PRId64 ": last sign %" PRId64 " ms, elsewhere %" PRId64
           " ms after the cut\n",
           cuts[i].name, id, runs.first_end_ms - all->cut_at, runs.second_at_ms - all->cut_at);
    CHECK(test, runs.gap_us > 0);
    CHECK(test, runs.first_end_ms - all->cut_at < FENCED_MS + slow_ms(500));
    CHECK(test, runs.second_at_ms - all->cut_at < BACK_MS + slow_ms(2000));
    sql_check(test,
              "(select array_agg(outcome || ' ' || node order by attempt) from ganger.attempts "
              "where job_id = %" PRId64 ") = array['node_lost %s', 'completed survivor']",
              id, cuts[i].name);
    CHECK(test, daemon_log_count(all->nodes[i], "node.fenced") == 1);
}

static void check_jobs(SystemTest *test, const Partition *all, int i)
{
    job_await_within(test, all->endless[i], "completed", slow_ms(90000));
    job_await_within(test, all->ending[i], "completed", slow_ms(30000));
    if (is_fenced(i)) {
        check_fenced(test, all, i, all->endless[i]);
        check_fenced(test, all, i, all->ending[i]);
    } else {
        CHECK(test, runs_of(test, all->endless[i]).count == 1);
        CHECK(test, runs_of(test, all->ending[i]).count == 1);
        CHECK(test, daemon_log_count(all->nodes[i], "node.fenced") == 0);
        sql_check(test, "(select attempts = 1 from ganger.jobs where id = %" PRId64 ")",
                  all->endless[i]);
    }
    sql_await(test, // some of them may have a handler that holds a lock again
              "(select count(*) from ganger.workers w join ganger.nodes n on n.name = w.node where "
              "w.node = '%s' and n.state::text = 'alive' and w.state <> 'dead') = 4",
              cuts[i].name);
}

static void test_partitions(void **state)
{
    SystemTest *test = *state;
    Partition all = {.cut_at = 0};
    if (net == NULL) {
        skip();
    }
    start_holders(test);
    for (int i = 0; i < CUT_COUNT; i++) {
        all.nodes[i] = run_on_machine(
            test, i, cuts[i].name, cuts[i].name, 4,
            &(DaemonOptions){.node = usual_node, .handlers = "busy: {sql: public.hold_busy}"});
    }
    run_on_machine(test, OBSERVER, "observer", "none", 1, &(DaemonOptions){.node = usual_node});
    start_jobs(test, &all);
    all.cut_at = clock_boot_ms();
    for (int i = 0; i < CUT_COUNT; i++) {
        netns_cut(net, i, cuts[i].what);
    }
    run_on_machine(test, OBSERVER, "survivor", "leader, to_database, to_node, for_long", 16,
                   &(DaemonOptions){.node = usual_node});
    for (bool is_over = false; !is_over; pause_ms(100)) {
        look(test, &all);
        is_over = all.is_healed[3];
    }
    printf("duties taken over %" PRId64 " ms, locks free %" PRId64 " ms after the cut\n",
           all.taken_over_ms, all.unlocked_ms);
    CHECK(test, all.taken_over_ms > 0 && all.taken_over_ms < slow_ms(TAKEOVER_MS));
    CHECK(test, all.unlocked_ms > 0 && all.unlocked_ms < slow_ms(UNLOCKED_MS) + 1500);
    for (int i = 0; i < CUT_COUNT; i++) {
        check_jobs(test, &all, i);
    }
}

// --- machines lost

static void kill_node(Daemon *daemon)
{
    pid_t tree[TREE_MAX];
    size_t count = process_descendants(daemon->pid, tree, TREE_MAX);
    (void)kill(daemon->pid, SIGSTOP); // so that nobody sees another die
    for (size_t i = 0; i < count; i++) {
        (void)kill(tree[i], SIGKILL);
    }
    daemon_destroy(daemon);
}

// Some nodes with a job each die at once; an eighth takes over.
static void lose_nodes(SystemTest *test, const char *node, int round, Figures *figures)
{
    enum { VICTIMS = 6 };
    Daemon *victims[VICTIMS];
    int64_t ids[VICTIMS];
    char name[32];
    char pools[96];
    char options[64];
    for (int i = 0; i < VICTIMS; i++) {
        (void)snprintf(name, sizeof name, "victim%d", i);
        (void)snprintf(pools, sizeof pools, "{default: {queues: [q%d_%d], processes: 1}}", round,
                       i);
        victims[i] = daemon_run(test, name, 1, &(DaemonOptions){.node = node, .pools = pools});
        (void)snprintf(options, sizeof options, "queue => 'q%d_%d'", round, i);
        ids[i] = journal_add(test, 600000, "\"deaf\": 1", options);
        (void)journal_await_begin(test, ids[i], 1);
    }
    int64_t at = clock_boot_ms();
    for (int i = 0; i < VICTIMS; i++) {
        kill_node(victims[i]);
    }
    for (int i = 0; i < VICTIMS; i++) {
        CHECK(test, test_db_await(test->conn, slow_ms(90000),
                                  "select status = 'pending' from ganger.jobs where id = %" PRId64,
                                  ids[i]));
        figures_add(figures, clock_boot_ms() - at);
        sql_check(test,
                  "(select outcome = 'node_lost' from ganger.attempts where job_id = %" PRId64
                  " order by attempt desc limit 1)",
                  ids[i]);
    }
}

static void test_lost_machines(void **state)
{
    SystemTest *test = *state;
    Figures usual = {.count = 0};
    Figures quick = {.count = 0};
    daemon_run(test, "observer", 1,
               &(DaemonOptions){.node = usual_node, .pools = "{default: {processes: 1}}"});
    for (int i = 0; i < long_count(2); i++) {
        lose_nodes(test, usual_node, i, &usual);
    }
    CHECK(test, figures_tell(&usual, "claimable again after the loss of a machine") <
                    BACK_MS + slow_ms(2000));
    daemon_run(test, "keen", 1,
               &(DaemonOptions){.node = quick_node, .pools = "{default: {processes: 1}}"});
    for (int i = 0; i < long_count(8); i++) {
        lose_nodes(test, quick_node, 100 + i, &quick);
    }
    CHECK(test, figures_tell(&quick, "the same with a lease of 6 s") <
                    QUICK_BACK_MS + slow_ms(2500)); // six are buried one after the other
}

static int setup(void **state)
{
    return fault_node_setup(OBSERVER + 1, state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_partitions, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_lost_machines, system_setup, system_teardown),
    };
    long_choose();
    return cmocka_run_group_tests_name("faults_partition", tests, setup, fault_node_teardown);
}
