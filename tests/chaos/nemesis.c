// SPDX-License-Identifier: MIT
// Nemesis: see the header.
#include "tests/chaos/nemesis.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "tests/chaos/arena.h"
#include "tests/chaos/chaos_log.h"

enum { RECONNECT_LIMIT_MS = 60000, FREEZE_MS = 300, WORKERS_MAX = 16 };

struct Nemesis {
    SystemTest *test;
    ChaosRandom random;
    int log;
    int *deck; // indexes of victims
    long strikes;
    long next;
    long counts[24];
};

static int below(Nemesis *self, int limit)
{
    return chaos_random_below(&self->random, limit);
}

static void ignore_notice(void *data, const char *message)
{
    (void)data;
    (void)message;
}

void nemesis_reconnect(SystemTest *test)
{
    for (int64_t until = clock_boot_ms() + RECONNECT_LIMIT_MS;; pause_ms(20)) {
        PQfinish(test->conn);
        test->conn = PQconnectdb(arena_client_url());
        if (PQstatus(test->conn) == CONNECTION_OK) {
            (void)PQsetNoticeProcessor(test->conn, ignore_notice, NULL);
            return;
        }
        if (clock_boot_ms() > until) {
            system_fail(test, "PostgreSQL did not come back");
        }
    }
}

// 0: no such process, or the connection went.
static pid_t ask_pid(Nemesis *self, const char *sql)
{
    SystemTest *test = self->test;
    PGresult *result = PQexec(test->conn, sql);
    long pid = PQntuples(result) == 1 ? strtol(PQgetvalue(result, 0, 0), NULL, 10) : 0;
    PQclear(result);
    if (PQstatus(test->conn) != CONNECTION_OK) {
        nemesis_reconnect(test);
    }
    return (pid_t)pid;
}

static Daemon *any_node(Nemesis *self)
{
    return &self->test->daemons[below(self, self->test->daemon_count)];
}

// --- victims; each returns the process it struck, 0 none

static pid_t find_worker(Nemesis *self)
{
    const Daemon *daemon = any_node(self);
    int count = 0;
    pid_t pids[WORKERS_MAX];
    while (count < WORKERS_MAX &&
           (pids[count] = daemon_child(daemon, "ganger-worker", count)) > 0) {
        count++;
    }
    return count > 0 ? pids[below(self, count)] : 0;
}

static pid_t signal_process(pid_t pid, int signal)
{
    if (pid > 1) {
        (void)kill(pid, signal);
    }
    return pid;
}

static pid_t kill_worker(Nemesis *self)
{
    return signal_process(find_worker(self), SIGKILL);
}

static pid_t crash_worker(Nemesis *self)
{
    return signal_process(find_worker(self), SIGSEGV);
}

static pid_t kill_reaper(Nemesis *self)
{
    return signal_process(daemon_child(any_node(self), "ganger-reaper", 0), SIGKILL);
}

static pid_t freeze(Nemesis *self, pid_t pid)
{
    (void)signal_process(pid, SIGSTOP);
    pause_ms(below(self, FREEZE_MS));
    return signal_process(pid, SIGCONT);
}

static pid_t freeze_worker(Nemesis *self)
{
    return freeze(self, find_worker(self));
}

static pid_t freeze_reaper(Nemesis *self)
{
    return freeze(self, daemon_child(any_node(self), "ganger-reaper", 0));
}

static pid_t freeze_supervisor(Nemesis *self)
{
    return freeze(self, any_node(self)->pid);
}

static pid_t kill_supervisor(Nemesis *self)
{
    Daemon *daemon = any_node(self);
    pid_t pid = daemon->pid;
    daemon_destroy(daemon);
    pause_ms(below(self, FREEZE_MS));
    daemon_start(daemon);
    return pid;
}

static pid_t drain_supervisor(Nemesis *self)
{
    Daemon *daemon = any_node(self);
    pid_t pid = daemon->pid;
    daemon_signal(daemon, SIGTERM);
    if (daemon_wait(daemon, DAEMON_PATIENCE_MS + 10000) != 0) {
        system_fail(self->test, "a drain did not end in order");
    }
    daemon_start(daemon);
    return pid;
}

static pid_t end_connection(Nemesis *self)
{
    return ask_pid(self, "select pid from (select pid, pg_terminate_backend(pid) from (select pid "
                         "from pg_stat_activity where application_name like 'ganger-%' order by "
                         "random() limit 1) x) y");
}

// One of the producers' connections, in the middle of whatever it does.
static pid_t end_producer(Nemesis *self)
{
    return ask_pid(self, "select pid from (select pid, pg_terminate_backend(pid) from (select pid "
                         "from pg_stat_activity where datname = current_database() and "
                         "application_name = '' and pid <> pg_backend_pid() order by random() "
                         "limit 1) x) y");
}

// The whole server goes through crash recovery.
static pid_t kill_backend(Nemesis *self)
{
    pid_t pid = ask_pid(self, "select pid from pg_stat_activity where application_name like "
                              "'ganger-%' order by random() limit 1");
    (void)signal_process(pid, SIGKILL);
    pause_ms(20);
    nemesis_reconnect(self->test);
    return pid;
}

static pid_t restart_server(Nemesis *self)
{
    arena_server("halt");
    pause_ms(below(self, FREEZE_MS));
    arena_server("resume");
    nemesis_reconnect(self->test);
    return 0;
}

static pid_t fail_over(Nemesis *self)
{
    arena_failover();
    nemesis_reconnect(self->test);
    return 0;
}

static pid_t cut_connection(Nemesis *self)
{
    arena_cut(&self->random);
    return 0;
}

static pid_t cut_node_off(Nemesis *self)
{
    arena_partition(&self->random, self->test->daemon_count);
    return 0;
}

typedef enum Place {
    EVERYWHERE = -1,
    PLAIN = ARENA_PLAIN,
    PAIR = ARENA_PAIR,
    NET = ARENA_NET
} Place;

typedef struct Victim {
    const char *name;
    int weight; // of all strikes
    bool is_gentle;
    Place place; // the arena it is in
    pid_t (*strike)(Nemesis *self);
} Victim;

// With 380 strikes: 300 workers, 10 supervisors, 5 restarts of PostgreSQL, ...
static const Victim victims[] = {
    {"worker", 280, true, EVERYWHERE, kill_worker},
    {"worker_segv", 20, true, EVERYWHERE, crash_worker},
    {"worker_freeze", 10, true, EVERYWHERE, freeze_worker},
    {"reaper", 10, false, EVERYWHERE, kill_reaper},
    {"reaper_freeze", 4, false, EVERYWHERE, freeze_reaper},
    {"supervisor", 10, false, EVERYWHERE, kill_supervisor},
    {"supervisor_freeze", 4, false, EVERYWHERE, freeze_supervisor},
    {"drain", 4, false, EVERYWHERE, drain_supervisor},
    {"connection", 18, true, EVERYWHERE, end_connection},
    {"producer", 10, true, EVERYWHERE, end_producer},
    {"backend_kill", 5, false, EVERYWHERE, kill_backend},
    {"cut", 30, false, PLAIN, cut_connection},
    {"failover", 13, false, PAIR, fail_over},
    {"partition", 19, false, NET, cut_node_off},
    {"server", 5, false, EVERYWHERE, restart_server},
};
enum { VICTIM_COUNT = sizeof victims / sizeof victims[0], WEIGHT_SUM = 380 };

static bool is_in_play(const Victim *victim, const NemesisPlan *plan)
{
    if (plan->is_quiet && victim->strike != kill_worker) {
        return false;
    }
    return (victim->is_gentle || !plan->is_gentle) &&
           (victim->place == EVERYWHERE || (int)victim->place == (int)arena_kind());
}

static void shuffle(Nemesis *self)
{
    for (long i = self->strikes - 1; i > 0; i--) {
        long other = (long)(chaos_random_next(&self->random) % (uint64_t)(i + 1));
        int kept = self->deck[i];
        self->deck[i] = self->deck[other];
        self->deck[other] = kept;
    }
}

Nemesis *nemesis_create(SystemTest *test, const NemesisPlan *plan)
{
    Nemesis *self = mem_alloc(sizeof *self);
    self->test = test;
    self->random.state = plan->seed;
    self->log = chaos_log_open(plan->log);
    self->deck = mem_alloc(sizeof *self->deck * (2 * (size_t)plan->strikes + VICTIM_COUNT));
    for (int i = 0; i < VICTIM_COUNT; i++) {
        long count = (plan->strikes * victims[i].weight + WEIGHT_SUM - 1) / WEIGHT_SUM;
        for (long n = 0; n < count && is_in_play(&victims[i], plan); n++) {
            self->deck[self->strikes++] = i;
        }
    }
    shuffle(self);
    return self;
}

long nemesis_strikes(const Nemesis *nemesis)
{
    return nemesis->strikes;
}

void nemesis_strike(Nemesis *self)
{
    if (self->next < self->strikes) {
        int which = self->deck[self->next++];
        pid_t pid = victims[which].strike(self);
        nemesis_log_strike(self->log, victims[which].name, (int)pid);
        self->counts[which]++;
    }
}

void nemesis_report(const Nemesis *nemesis)
{
    (void)fprintf(stderr, "chaos: struck");
    for (int i = 0; i < VICTIM_COUNT; i++) {
        if (nemesis->counts[i] > 0) {
            (void)fprintf(stderr, " %s %ld", victims[i].name, nemesis->counts[i]);
        }
    }
    (void)fprintf(stderr, "\n");
}

void nemesis_destroy(Nemesis *nemesis)
{
    (void)close(nemesis->log);
    free(nemesis->deck);
    free(nemesis);
}
