// SPDX-License-Identifier: MIT
// The real gangerd under test: see the header.
#include "tests/support/daemon.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "common/base/proc_tree.h"
#include "tests/support/scale.h"

enum { LOOK_MS = 5, LOG_SHOWN_BYTES = 12000, ARGUMENT_MAX = 32 };

int daemon_slowness(void)
{
    return getenv("GANGER_TEST_WRAPPER") != NULL ? 4 : TEST_SLOWNESS;
}

int64_t slow_ms(int64_t ms)
{
    return ms * daemon_slowness();
}

void pause_ms(int ms)
{
    const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    (void)nanosleep(&pause, NULL);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    bool is_written = file != NULL && fputs(text, file) >= 0;
    if (file != NULL) {
        is_written = fclose(file) == 0 && is_written;
    }
    if (!is_written) {
        fail_msg("cannot write %s: %s", path, strerror(errno));
    }
}

// --- the fixture

// Also when a test program gives up half-way, nothing it started goes on.
static void end_all(void)
{
    (void)proc_sweep(NULL, NULL, 3000);
}

static int make_test(void **state, void (*make_db)(TestDb *))
{
    SystemTest *test = mem_alloc(sizeof *test);
    static bool is_prepared;
    if (!is_prepared) {
        is_prepared = true;
        (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
        (void)atexit(end_all);
    }
    make_db(&test->db);
    test->conn = test_db_connect(&test->db);
    (void)snprintf(test->folder, sizeof test->folder, "/tmp/gsys.XXXXXX");
    if (mkdtemp(test->folder) == NULL) {
        free(test);
        return -1;
    }
    *state = test;
    return 0;
}

int system_setup(void **state)
{
    return make_test(state, test_db_create);
}

int system_setup_empty(void **state)
{
    return make_test(state, test_db_create_empty);
}

// A PostgreSQL or pooler that a test program has restarted is its child, and needed by the next test.
static bool is_server(pid_t pid, void *data)
{
    (void)data;
    return process_is_of(pid, "postgres") || process_is_of(pid, "pgbouncer");
}

int system_teardown(void **state)
{
    SystemTest *test = *state;
    for (int i = 0; i < test->daemon_count; i++) {
        Daemon *daemon = &test->daemons[i];
        if (daemon->pid != 0) {
            daemon_signal(daemon, SIGCONT);
            daemon_signal(daemon, SIGQUIT);
            if (daemon_wait(daemon, 3000) < 0) {
                daemon_destroy(daemon);
            }
        }
    }
    (void)proc_sweep(is_server, NULL, 3000);
    PQfinish(test->conn);
    test_db_drop(&test->db);
    if (getenv("GANGER_TEST_KEEP") == NULL) {
        remove_tree(test->folder);
    }
    free(test);
    return 0;
}

_Noreturn void system_fail(SystemTest *test, const char *what)
{
    for (int i = 0; i < test->daemon_count; i++) {
        char *log = read_file(test->daemons[i].log_path);
        size_t length = strlen(log);
        const char *from = length > LOG_SHOWN_BYTES ? log + length - LOG_SHOWN_BYTES : log;
        (void)fprintf(stderr, "--- log of %s\n%s---\n", test->daemons[i].name, from);
        free(log);
    }
    fail_msg("%s", what);
    abort();
}

// --- gangerd

static const char *or_else(const char *text, const char *otherwise)
{
    return text != NULL ? text : otherwise;
}

static Daemon *find_or_add(SystemTest *test, const char *name)
{
    for (int i = 0; i < test->daemon_count; i++) {
        if (str_equal(test->daemons[i].name, name)) {
            return &test->daemons[i];
        }
    }
    assert_true(test->daemon_count < DAEMON_MAX);
    Daemon *daemon = &test->daemons[test->daemon_count++];
    (void)snprintf(daemon->name, sizeof daemon->name, "%s", name);
    (void)snprintf(daemon->state_dir, sizeof daemon->state_dir, "%s/state", test->folder);
    (void)snprintf(daemon->config_path, sizeof daemon->config_path, "%s/%s.yaml", test->folder,
                   name);
    (void)snprintf(daemon->log_path, sizeof daemon->log_path, "%s/%s.log", test->folder, name);
    (void)snprintf(daemon->fault_once, sizeof daemon->fault_once, "%s/%s.fault", test->folder,
                   name);
    return daemon;
}

Daemon *daemon_configure(SystemTest *test, const char *name, const DaemonOptions *options)
{
    static const DaemonOptions none = {.database = NULL};
    options = options != NULL ? options : &none;
    Daemon *daemon = find_or_add(test, name);
    const char *plugins = getenv("GANGER_TEST_PLUGINS");
    if (plugins == NULL) {
        fail_msg("GANGER_TEST_PLUGINS is not set");
    }
    StrBuf text = {0};
    if (options->database != NULL) {
        strbuf_printf(&text, "database: %s\n", options->database);
    } else {
        strbuf_printf(&text, "database: {url: \"%s\", poll_interval: %s}\n", test->db.url,
                      or_else(options->poll, "100ms"));
    }
    strbuf_printf(&text, "node: {name: %s, %s}\n", name,
                  or_else(options->node, "heartbeat: 200ms, self_fence: 50s, lease: 60s"));
    strbuf_printf(&text, "supervisor: {state_dir: %s, %s}\n",
                  or_else(options->state_dir, daemon->state_dir),
                  or_else(options->supervisor, "kill_grace: 200ms, shutdown_timeout: 5s"));
    strbuf_append(&text, "log: {format: logfmt}\n");
    strbuf_printf(&text, "pools: %s\n",
                  or_else(options->pools, "{default: {queues: [default], processes: 2}}"));
    strbuf_printf(&text,
                  "handlers: {noop: {plugin: noop.so}, sleep: {plugin: noop.so}, echo: {plugin: "
                  "noop.so}, flaky: {plugin: demo.so}, spin: {plugin: demo.so}, segv: {plugin: "
                  "demo.so}, orphan: {plugin: demo.so}, db_effect: {plugin: demo.so}, journal: "
                  "{plugin: %s/journal.so}, journal_tx: {plugin: %s/journal.so}, grow: {plugin: "
                  "%s/journal.so}%s%s}\n",
                  plugins, plugins, plugins, options->handlers != NULL ? ", " : "",
                  or_else(options->handlers, ""));
    if (options->http != NULL) {
        strbuf_printf(&text, "http: %s\n", options->http);
    }
    write_file(daemon->config_path, text.text);
    strbuf_free(&text);
    (void)snprintf(daemon->fault, sizeof daemon->fault, "%s", or_else(options->fault, ""));
    if (options->fault != NULL) {
        write_file(daemon->fault_once, "");
    }
    daemon->network = options->network;
    daemon->clock = options->clock;
    return daemon;
}

static void enter_place(const Daemon *daemon)
{
    if (daemon->network > 0 && setns(daemon->network, CLONE_NEWNET) != 0) {
        perror("setns");
        _exit(127);
    }
    if (daemon->clock != NULL) {
        (void)setenv("LD_PRELOAD", wall_clock_library(), 1);
        (void)setenv("GANGER_TEST_CLOCK", wall_clock_path(daemon->clock), 1);
        const char *others = getenv("ASAN_OPTIONS");
        char *text =
            mem_printf("%s:verify_asan_link_order=0", others != NULL ? others : "exitcode=1");
        (void)setenv("ASAN_OPTIONS", text, 1);
        free(text);
    }
}

static _Noreturn void become_gangerd(const Daemon *daemon, char **argv)
{
    int log = open(daemon->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    (void)dup2(log, STDOUT_FILENO);
    (void)dup2(log, STDERR_FILENO);
    if (daemon->has_no_stderr) {
        (void)close(STDERR_FILENO);
    }
    (void)unsetenv("DATABASE_URL");
    if (daemon->database_url[0] != '\0') {
        (void)setenv("DATABASE_URL", daemon->database_url, 1);
    }
    (void)unsetenv("NOTIFY_SOCKET");
    if (daemon->notify[0] != '\0') {
        (void)setenv("NOTIFY_SOCKET", daemon->notify, 1);
        (void)setenv("WATCHDOG_USEC", "2000000", 1);
    }
    if (daemon->fault[0] != '\0') {
        (void)setenv("GANGER_FAULT", daemon->fault, 1);
        (void)setenv("GANGER_FAULT_ONCE", daemon->fault_once, 1);
    }
    enter_place(daemon);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); // a test that times out is killed
    sigset_t none;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)execvp(argv[0], argv);
    _exit(127);
}

void daemon_start(Daemon *daemon)
{
    const char *folder = getenv("GANGER_BIN_DIR");
    if (folder == NULL) {
        fail_msg("GANGER_BIN_DIR is not set");
    }
    const char *wrapper = getenv("GANGER_TEST_WRAPPER");
    char *words = mem_strdup(wrapper != NULL ? wrapper : "");
    char *program = mem_printf("%s/gangerd", folder);
    char *argv[ARGUMENT_MAX + 4] = {NULL};
    char option[] = "-c";
    int count = 0;
    char *rest = words;
    for (char *word; (word = strsep(&rest, " ")) != NULL && count < ARGUMENT_MAX;) {
        if (*word != '\0') {
            argv[count++] = word;
        }
    }
    argv[count++] = program;
    argv[count++] = option;
    argv[count] = daemon->config_path;
    daemon->pid = fork();
    if (daemon->pid == 0) {
        become_gangerd(daemon, argv);
    }
    assert_true(daemon->pid > 0);
    free(program);
    free(words);
}

void daemon_await_workers(SystemTest *test, const Daemon *daemon, int workers)
{
    sql_await(test,
              "(select count(*) from ganger.workers w join ganger.nodes n on n.name = w.node "
              "where w.node = '%s' and n.state::text = 'alive' and w.state = 'idle') = %d",
              daemon->name, workers);
}

void daemon_await_ready(SystemTest *test, const Daemon *daemon, int workers)
{
    daemon_await_workers(test, daemon, workers);
    for (int64_t until = clock_boot_ms() + DAEMON_PATIENCE_MS;
         daemon_log_count(daemon, "worker.ready") < workers; pause_ms(LOOK_MS)) {
        CHECK(test, clock_boot_ms() < until);
    }
}

Daemon *daemon_run(SystemTest *test, const char *name, int workers, const DaemonOptions *options)
{
    Daemon *daemon = daemon_configure(test, name, options);
    daemon_start(daemon);
    daemon_await_ready(test, daemon, workers);
    return daemon;
}

void daemon_signal(const Daemon *daemon, int signal)
{
    assert_true(daemon->pid > 1);
    (void)kill(daemon->pid, signal);
}

int daemon_wait(Daemon *daemon, int64_t limit_ms)
{
    for (int64_t until = clock_boot_ms() + limit_ms;; pause_ms(LOOK_MS)) {
        int status = 0;
        if (waitpid(daemon->pid, &status, WNOHANG) == daemon->pid) {
            daemon->pid = 0;
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        }
        if (clock_boot_ms() > until) {
            return -1;
        }
    }
}

void daemon_destroy(Daemon *daemon)
{
    daemon_signal(daemon, SIGKILL);
    (void)daemon_wait(daemon, DAEMON_PATIENCE_MS);
}

int daemon_log_count(const Daemon *daemon, const char *text)
{
    char *log = read_file(daemon->log_path);
    int count = 0;
    for (const char *at = log; (at = strstr(at, text)) != NULL; at++) {
        count++;
    }
    free(log);
    return count;
}

bool daemon_await_log(const Daemon *daemon, const char *text, int64_t limit_ms)
{
    for (int64_t until = clock_boot_ms() + limit_ms; daemon_log_count(daemon, text) == 0;
         pause_ms(LOOK_MS)) {
        if (clock_boot_ms() > until) {
            return false;
        }
    }
    return true;
}
