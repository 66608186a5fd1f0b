// SPDX-License-Identifier: MIT
// The real gangerd under test: its configuration, start, signals, log and processes.
//
// Each test gets a SystemTest: a fresh database, a folder of its own, and up to DAEMON_MAX gangerd in it. The test program is a
// child subreaper, so whatever a dead gangerd leaves behind comes to it and is ended with the test.
#ifndef TESTS_SUPPORT_DAEMON_H
#define TESTS_SUPPORT_DAEMON_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/support/test_db.h"
#include "tests/support/wall_clock.h"

// Sanitizers and valgrind make everything slower: limits of time are multiplied.
int daemon_slowness(void);
#define DAEMON_SLOWNESS daemon_slowness()
int64_t slow_ms(int64_t ms);
#define DAEMON_PATIENCE_MS slow_ms(10000)

enum { DAEMON_MAX = 8 };

typedef struct Daemon {
    char name[32];
    char state_dir[128];
    char config_path[160];
    char log_path[160];
    char fault[640];        // GANGER_FAULT; empty none
    char fault_once[160];   // exists = the fault has not struck yet
    char database_url[640]; // its DATABASE_URL; empty none
    bool has_no_stderr;     // is started with standard error closed: no log
    int network;            // a namespace of netns.h it is started in; 0 = the test's own
    char notify
        [108]; // a socket that stands for systemd's, whose watchdog bites after 2 s; empty none
    const WallClock *clock; // NULL = the machine's
    pid_t pid;              // 0 = not running
} Daemon;

typedef struct SystemTest {
    TestDb db;
    PGconn *conn;
    char folder[64];
    Daemon daemons[DAEMON_MAX];
    int daemon_count;
} SystemTest;

// What a test wants to have otherwise; NULL = a default fit for tests.
typedef struct DaemonOptions {
    const char *database;   // whole section, in braces
    const char *poll;       // database.poll_interval
    const char *node;       // beside the name
    const char *supervisor; // beside state_dir
    const char *state_dir;
    const char *pools;    // whole section, in braces
    const char *handlers; // further ones, "name: {...}, name: {...}"
    const char *http;     // whole section, in braces
    const char *fault;    // strikes once
    int network;          // as in Daemon
    const WallClock *clock;
} DaemonOptions;

// cmocka fixtures: *state is a SystemTest.
int system_setup(void **state);
int system_setup_empty(void **state); // database without the schema
int system_teardown(void **state);

// Writes the configuration of a node of this name (again). Returned pointer: valid for the test.
Daemon *daemon_configure(SystemTest *test, const char *name, const DaemonOptions *options);
void daemon_start(Daemon *daemon);
// Configures and starts, and waits until `workers` workers are registered and idle.
Daemon *daemon_run(SystemTest *test, const char *name, int workers, const DaemonOptions *options);
void daemon_await_workers(SystemTest *test, const Daemon *daemon, int workers);
// The same, and until their handlers are loaded, which comes after that: as daemon_run.
void daemon_await_ready(SystemTest *test, const Daemon *daemon, int workers);

void daemon_signal(const Daemon *daemon, int signal);
// Waits for its end: exit code, 128 + signal, or -1 when it still runs after `limit_ms`.
int daemon_wait(Daemon *daemon, int64_t limit_ms);
// SIGKILL and wait.
void daemon_destroy(Daemon *daemon);

// How often `text` stands in the log; waits until it does.
int daemon_log_count(const Daemon *daemon, const char *text);
bool daemon_await_log(const Daemon *daemon, const char *text, int64_t limit_ms);

// Its child process of this program, NULL = any (the nth, from 0); 0 = none.
pid_t daemon_child(const Daemon *daemon, const char *wanted, int nth);
// All living descendants of a process, at most `max`.
size_t process_descendants(pid_t root, pid_t *pids, size_t max);
// Is it a process of this program, or its zombie?
bool process_is_of(pid_t pid, const char *program);
// Neither gone nor a zombie.
bool process_is_alive(pid_t pid);
bool process_await_end(pid_t pid, int64_t limit_ms);
// Until it stands still, as after SIGSTOP.
bool process_await_stop(pid_t pid, int64_t limit_ms);
// Takes away the zombies among processes whose parent is gone: they have come to the test.
void process_reap(const pid_t *pids, size_t count);

// A job added by SQL arguments of ganger.enqueue, e.g. "'echo', '{\"a\": 1}'".
int64_t job_add(SystemTest *test, const char *arguments, ...) __attribute__((format(printf, 2, 3)));
// Waits until the view ganger.jobs shows this status; the test fails, with the job and the logs, when it does not.
void job_await(SystemTest *test, int64_t id, const char *status);
void job_await_within(SystemTest *test, int64_t id, const char *status, int64_t limit_ms);
// Waits for a condition in SQL, like job_await.
void sql_await(SystemTest *test, const char *condition, ...) __attribute__((format(printf, 2, 3)));
// Fails the test unless the SQL condition holds now.
void sql_check(SystemTest *test, const char *condition, ...) __attribute__((format(printf, 2, 3)));
// The process that holds a job, once it is claimed.
pid_t job_await_pid(SystemTest *test, int64_t id);

// Jobs of the plugin `journal`: they write down, independently of ganger, when they run. `more`: further members of the
// payload, e.g. "\"deaf\": 1", or NULL; `options`: further arguments of enqueue, or NULL.
int64_t journal_add(SystemTest *test, int ms, const char *more, const char *options);
// How many lines `what` (begin, stop, end) of a job there are.
int journal_count(const SystemTest *test, int64_t id, const char *what);
// Waits until the job's handler has begun `times` times: the process of the last.
pid_t journal_await_begin(SystemTest *test, int64_t id, int times);

// Prints the logs and fails the test.
_Noreturn void system_fail(SystemTest *test, const char *what);
#define CHECK(test, condition)                                                                     \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            system_fail(test, #condition);                                                         \
        }                                                                                          \
    } while (0)

void pause_ms(int ms);
// The whole of a file, caller frees; "" where there is none.
char *read_file(const char *path);
// Deletes a folder and all in it; links are not followed.
void remove_tree(const char *path);

#endif
