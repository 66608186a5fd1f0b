// SPDX-License-Identifier: MIT
// What a job's program gets of gangerd, and what it does not: rights, environment, files, memory, and the password of the database.
#include "tests/support/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/sanitizer.h"
#include "common/base/syscall_filter.h"
#include "tests/support/daemon.h"

enum { TREE_MAX = 64, NOBODY = 65534, FILE_BYTES = 65536 };

static const char SECRET[] = "opensesame4711";

// The programs ask by themselves; $PPID is the worker, the fourth field of its stat is gangerd.
static const char handlers[] =
    "status: {exec: [/bin/cat, /proc/self/status]}, "
    "limits: {exec: [/bin/sh, -c, 'ulimit -c; ulimit -Hc']}, "
    "variables: {exec: [/usr/bin/env]}, "
    "files: {exec: [/bin/sh, -c, 'n=0; while [ $n -lt 256 ]; do [ -e /proc/$$/fd/$n ] && printf "
    "\"%s \" $n; "
    "n=$((n+1)); done']}, "
    "worker_environment: {exec: [/bin/sh, -c, 'cat /proc/$PPID/environ']}, "
    "worker_memory: {exec: [/bin/sh, -c, 'head -c 1 /proc/$PPID/mem']}, "
    "worker_files: {exec: [/bin/sh, -c, 'ls /proc/$PPID/fd/']}, "
    "gangerd_environment: {exec: [/bin/sh, -c, 'cat /proc/$(cut -d\" \" -f4 "
    "/proc/$PPID/stat)/environ']}, "
    "gangerd_memory: {exec: [/bin/sh, -c, 'head -c 1 /proc/$(cut -d\" \" -f4 "
    "/proc/$PPID/stat)/mem']}, "
    "become_root: {exec: [/bin/sh, -c, 'exec ./id -u']}, "
    "open: {exec: [/bin/sh, -c, 'ulimit -c'], sandbox: false}";

static char *read_all(const char *path)
{
    char *text = mem_alloc(FILE_BYTES);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t length = 0;
    for (ssize_t got = 1; fd >= 0 && got > 0 && length < FILE_BYTES - 1;) {
        got = read(fd, text + length, FILE_BYTES - 1 - length);
        length += got > 0 ? (size_t)got : 0;
    }
    if (fd >= 0) {
        close(fd);
    }
    for (size_t i = 0; i < length; i++) { // as one text
        text[i] = text[i] == '\0' ? '\n' : text[i];
    }
    return text;
}

static char *read_proc(pid_t pid, const char *file)
{
    char *path = mem_printf("/proc/%d/%s", (int)pid, file);
    char *text = read_all(path);
    free(path);
    return text;
}

// Whether that user comes to the programs: a build folder below root's own is closed to it.
static bool nobody_can_run(void)
{
    char *program = mem_printf("%s/ganger-worker", getenv("GANGER_BIN_DIR"));
    const pid_t child = fork();
    if (child == 0) {
        _exit(setgroups(0, NULL) == 0 && setgid(NOBODY) == 0 && setuid(NOBODY) == 0 &&
                      access(program, X_OK) == 0
                  ? 0
                  : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    free(program);
    return status == 0;
}

static Daemon *run_as_somebody(SystemTest *test, const char *more)
{
    char *supervisor = mem_printf("kill_grace: 200ms, shutdown_timeout: 5s%s%s",
                                  geteuid() == 0 ? ", user: nobody" : "", more);
    CHECK(test, chmod(test->folder, 0755) == 0); // for the state folder in it
    Daemon *daemon = daemon_configure(test, "guarded",
                                      &(DaemonOptions){.database = "{poll_interval: 100ms}",
                                                       .supervisor = supervisor,
                                                       .handlers = handlers});
    (void)snprintf(daemon->database_url, sizeof daemon->database_url, "%s password=%s",
                   test->db.url, SECRET);
    daemon_start(daemon);
    daemon_await_ready(test, daemon, 2); // what tries plugins out has come and gone
    free(supervisor);
    return daemon;
}

static void expect_output(SystemTest *test, const char *job_type, const char *pattern)
{
    const int64_t id = job_add(test, "'%s', max_attempts => 1", job_type);
    job_await(test, id, "completed");
    sql_check(test, "(select output #>> '{}' ~ '%s' from ganger.jobs where id = %" PRId64 ")",
              pattern, id);
}

static void expect_failure(SystemTest *test, const char *job_type, const char *pattern)
{
    const int64_t id = job_add(test, "'%s', max_attempts => 1", job_type);
    job_await(test, id, "failed");
    sql_check(test, "(select error ~ '%s' from ganger.jobs where id = %" PRId64 ")", pattern, id);
}

static bool can_drop(void)
{
    return geteuid() != 0 || nobody_can_run();
}

static void check_status_of(SystemTest *test, pid_t pid)
{
    char *status = read_proc(pid, "status");
    CHECK(test, strstr(status, "CapEff:\t0000000000000000") != NULL);
    CHECK(test, strstr(status, "CapPrm:\t0000000000000000") != NULL);
    CHECK(test, strstr(status, "CapAmb:\t0000000000000000") != NULL);
    CHECK(test, strstr(status, "NoNewPrivs:\t1") != NULL);
    if (geteuid() == 0) {
        CHECK(test, strstr(status, "Uid:\t65534\t65534\t65534\t65534") != NULL);
        CHECK(test, strstr(status, "Gid:\t65534\t65534\t65534\t65534") != NULL);
        CHECK(test, strstr(status, "Groups:\t65534 \n") != NULL);
    }
    free(status);
}

// gangerd, the reaper, the workers, and a program: no rights, none to be had, no groups of root's.
static void test_rights(void **state)
{
    SystemTest *test = *state;
    if (!can_drop()) {
        skip();
    }
    Daemon *daemon = run_as_somebody(test, "");
    pid_t tree[TREE_MAX];
    const size_t count = process_descendants(daemon->pid, tree, TREE_MAX);
    CHECK(test, count >= 3);
    check_status_of(test, daemon->pid);
    for (size_t i = 0; i < count; i++) {
        check_status_of(test, tree[i]);
    }
    expect_output(test, "status", "CapPrm:\\t0{16}\\nCapEff:\\t0{16}");
    expect_output(test, "status", "NoNewPrivs:\\t1");
    expect_output(test, "status", "Seccomp:\\t2");
    expect_output(test, "limits", "^0\\n0$");
    expect_output(test, "files", "^0 1 2 3 4 $");
    if (geteuid() == 0) {
        expect_output(test, "status", "Uid:\\t65534\\t65534\\t65534\\t65534\\n");
        expect_output(test, "status", "Groups:\\t65534 ");
    }
}

// -1: this kernel does not say.
static int filters_of_this_process(void)
{
    static const char name[] = "Seccomp_filters:";
    char *status = read_proc(getpid(), "status");
    const char *line = strstr(status, name);
    const int count = line == NULL ? -1 : (int)strtol(line + strlen(name), NULL, 10);
    free(status);
    return count;
}

// The output of a job of that type is the number of filters its program is in, and that of its worker.
static void expect_filters(SystemTest *test, const char *job_type, int program, int worker)
{
    char *pattern = mem_printf("^%d %d $", program, worker);
    expect_output(test, job_type, pattern);
    free(pattern);
}

// A worker goes into the sandbox itself when all it has are programs that would be in it; each of its programs is in it once, as elsewhere.
static void test_pools_of_programs(void **state)
{
    SystemTest *test = *state;
    const int outside = filters_of_this_process();
    if (!syscall_filter_is_available() || outside < 0) {
        skip();
    }
    const int inside = HAS_ADDRESS_SANITIZER ? outside : outside + 1;
    static const char look[] = "{exec: [/bin/sh, -c, 'grep -h Seccomp_filters /proc/self/status "
                               "/proc/$PPID/status | tr -dc \"0-9\\n\" | tr \"\\n\" \" \"']";
    char *types = mem_printf("alone: %s}, beside_open: %s}, open: %s, sandbox: false}, "
                             "beside_plugin: %s}",
                             look, look, look, look);
    Daemon *daemon = daemon_configure(
        test, "pools",
        &(DaemonOptions){.poll = "100ms",
                         .pools = "{programs: {processes: 1, job_types: [alone]}, "
                                  "open: {processes: 1, job_types: [beside_open, open]}, "
                                  "plugins: {processes: 1, job_types: [beside_plugin, noop]}}",
                         .handlers = types});
    daemon_start(daemon);
    daemon_await_ready(test, daemon, 3);
    expect_filters(test, "alone", outside + 1, inside);
    expect_filters(test, "beside_open", outside + 1, outside);
    expect_filters(test, "open", outside, outside);
    expect_filters(test, "beside_plugin", outside + 1, outside);
    free(types);
}

// What such a worker does beside its programs goes on there, too: calls, their cut by the thread that cancels, a new connection.
static void test_a_worker_in_the_sandbox_works(void **state)
{
    SystemTest *test = *state;
    test_db_run(test->conn, "create function answer(payload jsonb, job ganger.jobs) returns jsonb "
                            "language sql as $$ select '42'::jsonb $$; "
                            "create function nap(payload jsonb, job ganger.jobs) returns jsonb "
                            "language sql as $$ select to_jsonb(pg_sleep(60)) $$");
    Daemon *daemon = daemon_configure(
        test, "inside",
        &(DaemonOptions){.poll = "100ms",
                         .pools = "{programs: {processes: 1, job_types: [say, answer, nap]}}",
                         .handlers =
                             "say: {exec: [/bin/echo, said]}, answer: {sql: public.answer}, "
                             "nap: {sql: public.nap, timeout: 300ms}"});
    daemon_start(daemon);
    daemon_await_ready(test, daemon, 1);
    for (int pass = 0; pass < 2; pass++) {
        expect_output(test, "say", "^said$");
        expect_output(test, "answer", "^42$");
        expect_failure(test, "nap", "time");
        test_db_run(test->conn,
                    "select pg_terminate_backend(pid) from pg_stat_activity where "
                    "application_name like 'ganger-%%' and datname = current_database()");
    }
    expect_output(test, "say", "^said$");
    CHECK(test, daemon_log_count(daemon, "event=worker.crash") == 0);
}

// Its own user runs it, and yet it stays who it is. (Where the folder's file system does so for everybody, this shows nothing.)
static void test_setuid_program(void **state)
{
    SystemTest *test = *state;
    if (geteuid() != 0 || !nobody_can_run()) {
        skip();
    }
    char *copy = mem_printf("%s/id", test->folder);
    char *command = mem_printf("exec cp /usr/bin/id %s", copy);
    const pid_t child = fork();
    if (child == 0) {
        execlp("sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    int status = 0;
    CHECK(test, waitpid(child, &status, 0) == child && status == 0);
    CHECK(test, chmod(copy, 04755) == 0);
    CHECK(test, chdir(test->folder) == 0); // where gangerd starts, its programs start
    (void)run_as_somebody(test, "");
    expect_output(test, "become_root", "^65534$");
    CHECK(test, chdir("/") == 0);
    free(command);
    free(copy);
}

// The URL is in the environment of gangerd alone, and in nobody's command line or log.
static void test_secrets(void **state)
{
    SystemTest *test = *state;
    if (!can_drop()) {
        skip();
    }
    Daemon *daemon = run_as_somebody(test, "");
    expect_output(test, "variables", "^(PATH|HOME|LANG|TZ|GANGER_[A-Z_]+)=");
    sql_check(test,
              "(select bool_and(line ~ '^(PATH|HOME|LANG|TZ|GANGER_[A-Z_]+)=') from ganger.jobs j, "
              "string_to_table(j.output #>> '{}', e'\\n') line where job_type = 'variables' and "
              "line <> '')");
    if (geteuid() != 0 || nobody_can_run()) {
        static const char *const closed[] = {"worker_environment", "worker_memory", "worker_files",
                                             "gangerd_environment", "gangerd_memory"};
        for (size_t i = 0; i < sizeof closed / sizeof closed[0]; i++) {
            expect_failure(test, closed[i], "Permission denied");
        }
    }
    pid_t tree[TREE_MAX];
    size_t count = process_descendants(daemon->pid, tree, TREE_MAX - 1);
    tree[count++] = daemon->pid;
    for (size_t i = 0; i < count; i++) {
        char *line = read_proc(tree[i], "cmdline");
        char *variables = read_proc(tree[i], "environ");
        CHECK(test, strstr(line, SECRET) == NULL);
        CHECK(test, geteuid() != 0 || variables[0] != '\0');
        CHECK(test, tree[i] == daemon->pid || strstr(variables, SECRET) == NULL);
        free(line);
        free(variables);
    }
    // also when the database is away
    test_db_run(test->conn, "select pg_terminate_backend(pid) from pg_stat_activity where datname "
                            "= current_database() and "
                            "pid <> pg_backend_pid()");
    job_await(test, job_add(test, "'noop'"), "completed");
    CHECK(test, daemon_log_count(daemon, SECRET) == 0);
    sql_check(test,
              "(select not exists (select from ganger.jobs j where j::text ~ '%s') and not exists "
              "(select from "
              "ganger.attempts a where a::text ~ '%s'))",
              SECRET, SECRET);
}

// A plugin has the worker's environment; what it starts has it, too.
static void test_secret_is_not_in_a_plugins_environment(void **state)
{
    SystemTest *test = *state;
    if (!can_drop()) {
        skip();
    }
    Daemon *daemon = run_as_somebody(test, ", core_dumps: true");
    pid_t worker = daemon_child(daemon, "ganger-worker", 0);
    CHECK(test, worker > 0);
    char *variables = read_proc(worker, "environ");
    CHECK(test, variables[0] != '\0');
    CHECK(test, strstr(variables, "DATABASE_URL") == NULL);
    free(variables);
    // Whoever wants cores has them, and whoever wants no sandbox has none.
    struct rlimit core;
    CHECK(test, getrlimit(RLIMIT_CORE, &core) == 0);
#ifndef GANGER_SANITIZED // a sanitizer wants no cores by itself
    expect_output(test, "open", core.rlim_max == 0 ? "^0$" : "^(unlimited|[1-9][0-9]*)$");
#endif
    expect_output(test, "worker_environment", "PATH=");
}

// A producer says what is to be done, never by which file, with which arguments or variables.
static void test_a_producer_chooses_no_program(void **state)
{
    SystemTest *test = *state;
    Daemon *daemon = daemon_run(test, "chooses", 2, &(DaemonOptions){.handlers = handlers});
    static const char *const types[] = {"/bin/sh",        "../../../tmp/x.so",
                                        "noop.so",        "plugin:noop.so",
                                        "exec:/bin/sh",   "sql:pg_sleep",
                                        "noop; rm -rf /", "$(id)",
                                        "status --help",  "NOOP",
                                        "noop ",          "sql",
                                        "exec",           "plugin"};
    int64_t ids[sizeof types / sizeof types[0]];
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        ids[i] = job_add(test,
                         "'%s', '{\"exec\": [\"/bin/touch\", \"/tmp/pwned\"], \"plugin\": "
                         "\"/tmp/x.so\", \"sql\": "
                         "\"pg_sleep\"}'",
                         types[i]);
    }
    const int64_t id = job_add(
        test,
        "'variables', '{\"env\": {\"LD_PRELOAD\": \"/tmp/x.so\"}, \"argv\": [\"-i\"]}', owner => "
        "e'x\\nLD_PRELOAD=/tmp/x.so', metadata => '{\"LD_PRELOAD\": \"/tmp/x.so\", \"user\": "
        "\"root\"}', "
        "tags => '{LD_PRELOAD=/tmp/x.so}', group_key => 'PATH=/tmp'");
    job_await(test, id, "completed");
    // `env` ends each with a NUL here: a line feed in a value makes no variable of its own
    sql_check(test,
              "(select output #>> '{}' ~ 'GANGER_OWNER=x' and output #>> '{}' ~ "
              "'GANGER_GROUP_KEY=PATH=/tmp' and "
              "output #>> '{}' !~ 'GANGER_ENV|GANGER_ARGV' from ganger.jobs where id = %" PRId64
              ")",
              id);
    job_await(test, job_add(test, "'noop'"), "completed");
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        sql_check(test,
                  "(select status = 'pending' and attempts = 0 from ganger.jobs where id = %" PRId64
                  ")",
                  ids[i]);
    }
    CHECK(test, access("/tmp/pwned", F_OK) != 0);
    (void)daemon;
}

int main(void)
{
    log_init("test", LOG_FORMAT_AUTO, LOG_LEVEL_FATAL);
    struct rlimit core; // so that there is something to take away
    if (getrlimit(RLIMIT_CORE, &core) == 0) {
        core.rlim_cur = core.rlim_max;
        (void)setrlimit(RLIMIT_CORE, &core);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rights, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_pools_of_programs, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_a_worker_in_the_sandbox_works, system_setup,
                                        system_teardown),
        cmocka_unit_test_setup_teardown(test_setuid_program, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_secrets, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_secret_is_not_in_a_plugins_environment, system_setup,
                                        system_teardown),
        cmocka_unit_test_setup_teardown(test_a_producer_chooses_no_program, system_setup,
                                        system_teardown),
    };
    return cmocka_run_group_tests_name("security_process", tests, NULL, NULL);
}
