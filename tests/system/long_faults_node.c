// SPDX-License-Identifier: MIT
// What test_deaths and test_nodes do once, many times: supervisors and reapers killed and stopped, whole nodes frozen. About a quarter of
// an hour.
#include "tests/support/cgroup.h"
#include "tests/support/unit.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/support/fault_node.h"

enum {
    TREE_MAX = 256,
    WORKERS_GONE_MS = 1200, // one second to write results, and the killing
    BACK_MS = 2000,         // a job of a supervisor that is started again at once
    TAKEOVER_MS = 15000,
    QUICK_LEASE_MS = 6000
};

// --- a supervisor killed

static void kill_and_restart(SystemTest *test, Daemon *daemon, Figures *gone, Figures *back)
{
    pid_t tree[TREE_MAX];
    int64_t deaf = journal_add(test, 60000, "\"deaf\": 1, \"tick\": 20", "max_attempts => 3");
    int64_t polite = journal_add(test, 60000, "\"tick\": 20", "max_attempts => 3");
    (void)journal_await_begin(test, deaf, 1);
    (void)journal_await_begin(test, polite, 1);
    size_t count = process_descendants(daemon->pid, tree, TREE_MAX);
    pid_t reaper = daemon_child(daemon, "ganger-reaper", 0);
    int64_t at = clock_boot_ms();
    daemon_destroy(daemon);
    daemon_start(daemon);
    for (size_t i = 0; i < count; i++) {
        if (tree[i] != reaper) {
            CHECK(test, process_await_end(tree[i], slow_ms(WORKERS_GONE_MS) + 2000));
        }
    }
    figures_add(gone, clock_boot_ms() - at);
    (void)journal_await_begin(test, deaf, 2);
    (void)journal_await_begin(test, polite, 2);
    Runs runs = runs_of(test, deaf);
    CHECK(test, runs.gap_us > 0);
    figures_add(back, runs.second_at_ms - at);
    CHECK(test, process_await_end(reaper, slow_ms(10000)));
    process_reap(tree, count);
    test_db_run(test->conn,
                "select ganger.cancel(id) from ganger.jobs where id in (%" PRId64 ", %" PRId64 ")",
                deaf, polite);
    job_await(test, deaf, "cancelled");
    job_await(test, polite, "cancelled");
    sql_check(test, // the one that obeyed goes back uncharged
              "(select array_agg(attempts order by id) = '{2, 1}' from ganger.jobs where id in "
              "(%" PRId64 ", %" PRId64 "))",
              deaf, polite);
}

static void test_supervisor_killed(void **state)
{
    SystemTest *test = *state;
    Figures gone = {.count = 0};
    Figures back = {.count = 0};
    Daemon *daemon = daemon_run(test, "boss", 2, NULL);
    for (int i = 0; i < long_count(200); i++) {
        kill_and_restart(test, daemon, &gone, &back);
    }
    CHECK(test, figures_tell(&gone, "supervisor killed, its workers gone") <
                    slow_ms(WORKERS_GONE_MS) + 1000);
    CHECK(test, figures_tell(&back, "supervisor killed and started, its jobs run again") <
                    slow_ms(BACK_MS) + 1500);
}

// --- the leading reaper killed or stopped

enum { NODES = 5 };

static int leader_of(SystemTest *test)
{
    CHECK(test, test_db_await(test->conn, slow_ms(TAKEOVER_MS),
                              "select count(*) = 1 from ganger.nodes where leader"));
    return (int)test_db_int(test->conn,
                            "select substr(name, 5)::int from ganger.nodes where leader");
}

// A worker with a running job dies: one attempt, one settling, whoever leads.
static void kill_a_worker(SystemTest *test, int64_t id, int times)
{
    pid_t pid = journal_await_begin(test, id, times);
    (void)kill(pid, SIGKILL);
}

static void strike_leader(SystemTest *test, Daemon *const *nodes, bool is_stopped,
                          Figures *takeover)
{
    int leader = leader_of(test);
    pid_t reaper = daemon_child(nodes[leader], "ganger-reaper", 0);
    int64_t at = clock_boot_ms();
    (void)kill(reaper, is_stopped ? SIGSTOP : SIGKILL);
    if (is_stopped) {
        CHECK(test, test_db_await(test->conn, slow_ms(TAKEOVER_MS) + 2000,
                                  "select count(*) = 1 from ganger.nodes where leader and name <> "
                                  "'node%d'",
                                  leader));
    } else {
        CHECK(test, process_await_end(reaper, 1000));
    }
    // A duty is done again: a delayed job comes at its time.
    int64_t due = job_add(test, "'noop', run_at => clock_timestamp() + interval '50 ms'");
    job_await_within(test, due, "completed", slow_ms(TAKEOVER_MS));
    figures_add(takeover, clock_boot_ms() - at);
    if (is_stopped) {
        (void)kill(reaper, SIGCONT);
    }
}

static void test_leader_struck(void **state)
{
    SystemTest *test = *state;
    Daemon *nodes[NODES];
    Figures killed = {.count = 0};
    Figures stopped = {.count = 0};
    for (int i = 0; i < NODES; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "node%d", i);
        nodes[i] = daemon_run(test, name, 2, NULL);
    }
    test_db_run(test->conn, "select ganger.set_job_type('journal', max_crashes => 1000)");
    int64_t victim = journal_add(test, 600000, "\"deaf\": 1, \"tick\": 20",
                                 "max_attempts => 1000, retry_delay => '0 s'");
    int kills = 0;
    for (int i = 0; i < long_count(50); i++) {
        kill_a_worker(test, victim, ++kills);
        strike_leader(test, nodes, false, &killed);
        kill_a_worker(test, victim, ++kills);
        strike_leader(test, nodes, true, &stopped);
    }
    (void)journal_await_begin(test, victim, kills + 1);
    (void)figures_tell(&killed, "leading reaper killed, duties done again");
    CHECK(test, figures_tell(&stopped, "leading reaper stopped, duties done again") <
                    slow_ms(TAKEOVER_MS) + 2000);
    sql_check(test,
              "(select count(*) filter (where outcome = 'crashed') = %d and count(*) = %d and "
              "count(distinct attempt) = count(*) from ganger.attempts where job_id = %" PRId64 ")",
              kills, kills + 1, victim);
    CHECK(test, journal_count(test, victim, "begin") == kills + 1);
    sql_check(test, "(select count(*) = %d from ganger.nodes)", NODES);
    sql_check(test, "(select max(attempts) = 1 from ganger.jobs where job_type = 'noop')");
}

// --- a whole node frozen

static char
    freezer[96]; // a cgroup of version 1; empty where there is none, and processes are stopped

static int frozen_setup(void **state)
{
    (void)snprintf(freezer, sizeof freezer, "/sys/fs/cgroup/freezer/ganger-test-%d", (int)getpid());
    if (mkdir(freezer, 0755) != 0) {
        freezer[0] = '\0';
    }
    return system_setup(state);
}

static int frozen_teardown(void **state)
{
    if (freezer[0] != '\0') { // what is frozen cannot be killed
        (void)cgroup_write(freezer, "freezer.state", "THAWED");
    }
    int code = system_teardown(state);
    if (freezer[0] != '\0') {
        (void)rmdir(freezer);
    }
    return code;
}

typedef struct Tree {
    pid_t pids[TREE_MAX];
    size_t count;
} Tree;

static void freeze(SystemTest *test, const Tree *tree, bool by_cgroup)
{
    for (size_t i = 0; i < tree->count; i++) {
        char digits[16];
        (void)snprintf(digits, sizeof digits, "%d", (int)tree->pids[i]);
        (void)(by_cgroup ? cgroup_write(freezer, "cgroup.procs", digits)
                         : kill(tree->pids[i], SIGSTOP) == 0);
    }
    CHECK(test, !by_cgroup || cgroup_write(freezer, "freezer.state", "FROZEN"));
}

static void thaw(SystemTest *test, const Tree *tree, bool by_cgroup)
{
    CHECK(test, !by_cgroup || cgroup_write(freezer, "freezer.state", "THAWED"));
    for (size_t i = tree->count; !by_cgroup && i-- > 0;) {
        (void)kill(tree->pids[i], SIGCONT);
    }
}

enum { FROZEN_WORKERS = 20 };

static void check_frozen_job(SystemTest *test, int64_t id)
{
    Runs runs = runs_of(test, id);
    CHECK(test, runs.gap_us > 0 && runs.count >= 1 && runs.count <= 2);
    sql_check(test,
              "(select count(*) = %d and count(*) filter (where outcome = 'completed') = 1 and "
              "count(*) filter (where outcome = 'node_lost') = %d from ganger.attempts where "
              "job_id = %" PRId64 ")",
              runs.count, runs.count - 1, id);
}

// Some of the jobs end just as their node freezes, and have their result in hand. Another node, that was not there before, does them
// again; then the first one goes on. How many were done again.
static int freeze_round(SystemTest *test, Daemon *frozen, bool by_cgroup)
{
    static const char pools[] = "{default: {queues: [frozen], processes: 8}}";
    Tree tree;
    int64_t ids[FROZEN_WORKERS];
    for (int i = 0; i < FROZEN_WORKERS; i++) {
        ids[i] = journal_add(test, 300 + i * 25, "\"deaf\": 1, \"tick\": 20",
                             "queue => 'frozen', priority => 1");
    }
    for (int i = 0; i < FROZEN_WORKERS; i++) {
        (void)journal_await_begin(test, ids[i], 1);
    }
    tree.pids[0] = frozen->pid;
    tree.count = 1 + process_descendants(frozen->pid, tree.pids + 1, TREE_MAX - 1);
    freeze(test, &tree, by_cgroup);
    Daemon *other =
        daemon_run(test, "other", 8, &(DaemonOptions){.node = quick_node, .pools = pools});
    CHECK(test, test_db_await(test->conn, slow_ms(30000),
                              "select count(*) = %d from ganger.jobs where id >= %" PRId64
                              " and status = 'completed'",
                              FROZEN_WORKERS, ids[0]));
    daemon_signal(other, SIGTERM);
    CHECK(test, daemon_wait(other, slow_ms(10000)) == 0);
    thaw(test, &tree, by_cgroup);
    daemon_await_workers(test, frozen, FROZEN_WORKERS);
    for (int i = 0; i < FROZEN_WORKERS; i++) {
        check_frozen_job(test, ids[i]);
    }
    return (int)test_db_int(
        test->conn, "select count(*) from ganger.jobs where id >= %" PRId64 " and attempts = 2",
        ids[0]);
}

static void test_frozen_nodes(void **state)
{
    SystemTest *test = *state;
    int rounds = long_count(12);
    int again = 0;
    Daemon *frozen = daemon_run(
        test, "frozen", FROZEN_WORKERS,
        &(DaemonOptions){.node = quick_node,
                         .pools = "{default: {queues: [frozen], processes: 20, prefetch: 1}}"});
    for (int i = 0; i < rounds; i++) {
        again += freeze_round(test, frozen, freezer[0] != '\0' && i % 2 == 1);
    }
    printf(
        "%d times a node frozen past its lease%s: %d of %d jobs done again, none twice accepted\n",
        rounds, freezer[0] != '\0' ? ", every other time by cgroups" : "", again,
        rounds * FROZEN_WORKERS);
}

// --- systemd's watchdog

// The time of the last WATCHDOG=1; 0 = none since.
static int64_t take_notices(int notices, bool *is_ready)
{
    char text[1024];
    int64_t last = 0;
    for (ssize_t got; (got = recv(notices, text, sizeof text - 1, MSG_DONTWAIT)) > 0;) {
        text[got] = '\0';
        last = strstr(text, "WATCHDOG=1") != NULL ? clock_boot_ms() : last;
        *is_ready = *is_ready || strstr(text, "READY=1") != NULL;
    }
    return last;
}

static void test_watchdog(void **state)
{
    SystemTest *test = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    Daemon *daemon =
        daemon_configure(test, "dog", &(DaemonOptions){.fault = "supervisor_loop:300:sleep=30000"});
    (void)snprintf(daemon->notify, sizeof daemon->notify, "%s/notify", test->folder);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", daemon->notify);
    int notices = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(notices, (const struct sockaddr *)&address, sizeof address), 0);
    daemon_start(daemon);
    daemon_await_workers(test, daemon, 2);
    int64_t id = journal_add(test, 60000, "\"deaf\": 1", NULL);
    (void)journal_await_begin(test, id, 1);
    bool is_ready = false;
    int64_t fed_at = clock_boot_ms();
    int fed = 0;
    while (clock_boot_ms() - fed_at < 2000 + slow_ms(500)) { // what systemd was told to bear
        int64_t last = take_notices(notices, &is_ready);
        fed += last != 0;
        fed_at = last != 0 ? last : fed_at;
        if (access(daemon->fault_once, F_OK) == 0) {
            daemon_signal(daemon, SIGUSR1); // turns its loop
        }
        CHECK(test, fed < 100000);
        pause_ms(5);
    }
    CHECK(test, is_ready && fed > 0);
    CHECK(test, access(daemon->fault_once, F_OK) !=
                    0); // the loop stands still, and nothing else kept the dog waiting
    int64_t at = clock_boot_ms();
    daemon_signal(daemon, SIGABRT); // as systemd does
    CHECK(test, daemon_wait(daemon, DAEMON_PATIENCE_MS) == 128 + SIGABRT);
    daemon_start(daemon);
    (void)journal_await_begin(test, id, 2);
    printf("its loop stands still: WATCHDOG=1 stops, ended and started, its job runs again after "
           "%" PRId64 " ms\n",
           clock_boot_ms() - at);
    CHECK(test, clock_boot_ms() - at < slow_ms(BACK_MS) + 1500);
    CHECK(test, runs_of(test, id).gap_us > 0);
    (void)close(notices);
}

// --- a copy of a machine, with the same boot id: the pid of the other's supervisor is nobody's here

static void test_copied_machine(void **state)
{
    SystemTest *test = *state;
    char other[128];
    const Daemon *first = daemon_run(test, "copy", 2, &(DaemonOptions){.node = usual_node});
    int64_t id = journal_add(test, 30000, "\"deaf\": 1", NULL);
    (void)journal_await_begin(test, id, 1);
    test_db_run(test->conn, "update ganger.node set pid = 4194305, process_start = 1");
    Daemon second = *first;
    (void)snprintf(second.log_path, sizeof second.log_path, "%s/second.log", test->folder);
    (void)snprintf(other, sizeof other, "%s/elsewhere", test->folder);
    (void)daemon_configure(test, "copy", &(DaemonOptions){.node = usual_node, .state_dir = other});
    daemon_start(&second);
    CHECK(test, daemon_wait(&second, slow_ms(30000)) == 78);
    CHECK(test, daemon_log_count(&second, "node.name_in_use") == 1);
    job_await_within(test, id, "completed", slow_ms(40000));
    sql_check(test, "(select attempts = 1 from ganger.jobs where id = %" PRId64 ")", id);
    sql_check(test, "(select count(*) = 1 and min(state::text) = 'alive' from ganger.nodes)");
}

int main(void)
{
    const struct rlimit none = {.rlim_cur = 0};
    (void)setrlimit(RLIMIT_CORE, &none);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_watchdog, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_copied_machine, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_frozen_nodes, frozen_setup, frozen_teardown),
        cmocka_unit_test_setup_teardown(test_supervisor_killed, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_leader_struck, system_setup, system_teardown),
    };
    long_choose();
    return cmocka_run_group_tests_name("faults_node", tests, private_cluster_setup,
                                       private_cluster_teardown);
}
