// SPDX-License-Identifier: MIT
// gangerd where /proc shows nobody its processes (hidepid, systemd's ProtectProc=): what has died is told from what lives all the same.
#include "tests/support/unit.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "tests/support/daemon.h"
#include "tests/support/fault_node.h"
#include "tests/support/hidden_proc.h"

enum { BACK_MS = 4000, REFUSED_MS = 6000, EXIT_CONFIG = 78 };

static bool is_hidden;

// A build folder below root's own is closed to that user.
static bool nobody_can_run(void)
{
    char *program = mem_printf("%s/ganger-worker", getenv("GANGER_BIN_DIR"));
    const pid_t child = fork();
    if (child == 0) {
        _exit(hidden_proc_become_nobody() && access(program, X_OK) == 0 ? 0 : 1);
    }
    int status = 1;
    assert_int_equal(waitpid(child, &status, 0), child);
    free(program);
    return status == 0;
}

static int hide(void **state)
{
    (void)state;
    is_hidden = hidden_proc_enter();
    if (is_hidden && !nobody_can_run()) {
        (void)fprintf(stderr, "the programs are in a folder closed to others\n");
        is_hidden = false;
    }
    return 0;
}

// What nobody sees of it, only root does.
static bool nobody_sees(pid_t pid)
{
    const pid_t child = fork();
    if (child == 0) {
        char path[64];
        (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
        _exit(hidden_proc_become_nobody() && access(path, F_OK) == 0 ? 0 : 1);
    }
    int status = 1;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status == 0;
}

static void prepare(SystemTest *test)
{
    if (!is_hidden) {
        skip();
    }
    char *journal = mem_printf("%s/journal", test->folder);
    const int file = open(journal, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    CHECK(test, file >= 0 && fchmod(file, 0666) == 0);
    CHECK(test, chmod(test->folder, 0755) == 0);
    (void)close(file);
    free(journal);
}

static Daemon *run_as_nobody(SystemTest *test, const char *name)
{
    char *folder = mem_printf("%s/state_%s", test->folder, name);
    Daemon *daemon =
        daemon_run(test, name, 2,
                   &(DaemonOptions){
                       .state_dir = folder,
                       .supervisor = "kill_grace: 200ms, shutdown_timeout: 5s, user: nobody",
                   });
    CHECK(test, !nobody_sees(daemon->pid));
    CHECK(test, !nobody_sees(daemon_child(daemon, "ganger-worker", 0)));
    free(folder);
    return daemon;
}

// Its worker lives on for a while, and so long nobody else may have the job: who settles it must see that.
static void test_supervisor_killed(void **state)
{
    SystemTest *test = *state;
    prepare(test);
    Daemon *first = run_as_nobody(test, "first");
    const int64_t id = journal_add(test, 3000, "\"deaf\": 1, \"tick\": 10", NULL);
    (void)journal_await_begin(test, id, 1);
    (void)run_as_nobody(test, "second");
    const int64_t at = clock_boot_ms();
    daemon_destroy(first);
    (void)journal_await_begin(test, id, 2);
    const int64_t back_ms = clock_boot_ms() - at;
    job_await(test, id, "completed");
    printf("hidden /proc, supervisor killed: again after %" PRId64 " ms, gap %" PRId64 " ms\n",
           back_ms, runs_of(test, id).gap_us / 1000);
    CHECK(test, runs_of(test, id).gap_us > 0);
    CHECK(test, back_ms < slow_ms(BACK_MS));
    sql_check(test, "(select attempts = 2 from ganger.jobs where id = %" PRId64 ")", id);
    CHECK(test, daemon_log_count(first, "node.left_work") == 0);
}

// Nobody is left to settle it: the next of this name must see that this supervisor is gone, and that its worker is not yet.
static void test_supervisor_and_reaper_killed(void **state)
{
    SystemTest *test = *state;
    prepare(test);
    Daemon *daemon = run_as_nobody(test, "crashed");
    sql_check(test, "(select process_start > 0 from ganger.node)");
    const int64_t id = journal_add(test, 3000, "\"deaf\": 1, \"tick\": 10", NULL);
    (void)journal_await_begin(test, id, 1);
    daemon_signal(daemon, SIGSTOP); // or it may start another
    (void)kill(daemon_child(daemon, "ganger-reaper", 0), SIGKILL);
    const int64_t at = clock_boot_ms();
    daemon_destroy(daemon);
    daemon_start(daemon);
    (void)journal_await_begin(test, id, 2);
    const int64_t back_ms = clock_boot_ms() - at;
    job_await(test, id, "completed");
    printf("hidden /proc, supervisor and reaper killed: again after %" PRId64 " ms, gap %" PRId64
           " ms\n",
           back_ms, runs_of(test, id).gap_us / 1000);
    CHECK(test, runs_of(test, id).gap_us > 0);
    CHECK(test, back_ms < slow_ms(BACK_MS));
    CHECK(test, daemon_log_count(daemon, "node.name_in_use") == 0);
}

// Whose process it is cannot be read; that its heart beats can.
static void test_name_in_use(void **state)
{
    SystemTest *test = *state;
    prepare(test);
    const Daemon *first = run_as_nobody(test, "twin");
    Daemon second = *first;
    char *folder = mem_printf("%s/elsewhere", test->folder);
    (void)snprintf(second.log_path, sizeof second.log_path, "%s/second.log", test->folder);
    (void)daemon_configure(
        test, "twin",
        &(DaemonOptions){.state_dir = folder, .supervisor = "shutdown_timeout: 5s, user: nobody"});
    free(folder);
    const int64_t at = clock_boot_ms();
    daemon_start(&second);
    CHECK(test, daemon_wait(&second, slow_ms(30000)) == EXIT_CONFIG);
    printf("hidden /proc, name in use: refused after %" PRId64 " ms\n", clock_boot_ms() - at);
    CHECK(test, clock_boot_ms() - at < slow_ms(REFUSED_MS));
    CHECK(test, daemon_log_count(&second, "another gangerd on this machine") == 1);
    job_await(test, job_add(test, "'noop'"), "completed");
    sql_check(test, "(select count(*) = 1 and min(state::text) = 'alive' from ganger.nodes)");
}

// A number that is another's by now, hidden as ours are: it is given the length of the lease, and is no reason to stay away.
static void test_number_in_use(void **state)
{
    SystemTest *test = *state;
    prepare(test);
    Daemon *daemon = run_as_nobody(test, "number");
    daemon_signal(daemon, SIGSTOP);
    (void)kill(daemon_child(daemon, "ganger-reaper", 0), SIGKILL);
    daemon_destroy(daemon);
    test_db_run(test->conn, "update ganger.node set pid = 1, lease = '2 s'");
    daemon_start(daemon);
    sql_await(test, "(select count(*) = 2 from ganger.node)");
    daemon_await_workers(test, daemon, 2);
    CHECK(test, daemon_log_count(daemon, "node.name_in_use") == 0);
}

int main(void)
{
    log_init("test", LOG_FORMAT_AUTO, LOG_LEVEL_FATAL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_supervisor_killed, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_supervisor_and_reaper_killed, system_setup,
                                        system_teardown),
        cmocka_unit_test_setup_teardown(test_name_in_use, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_number_in_use, system_setup, system_teardown),
    };
    return cmocka_run_group_tests_name("hidden_proc", tests, hide, NULL);
}
