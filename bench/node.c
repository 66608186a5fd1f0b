// SPDX-License-Identifier: MIT
// Node: see the header.
#include "bench/node.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/sql.h"
#include "common/base/memory.h"
#include "common/base/paths.h"

enum { READY_MS = 20000, STOP_MS = 40000, LOOK_MS = 10, SETTLE_MS = 300 };

static struct {
    pid_t pid; // 0 = none
    pid_t owner;
    char *log;
} node;

static void stop_at_exit(void)
{
    if (getpid() == node.owner) {
        node_stop();
    }
}

static char *write_config(const Bench *bench, const NodeOptions *options)
{
    char *path = mem_printf("%s/ganger.yaml", bench->folder);
    FILE *file = fopen(path, "we");
    if (file == NULL) {
        bench_fail("%s: %s", path, strerror(errno));
    }
    (void)fprintf(file,
                  "supervisor:\n  state_dir: %s\n  shutdown_timeout: 2s\n%s%s%s"
                  "log: {level: warn}\n"
                  "pools:\n  default: {processes: %d}\n"
                  "handlers:\n  noop: {plugin: noop.so}\n",
                  bench->folder, options->kill_grace != NULL ? "  kill_grace: " : "",
                  options->kill_grace != NULL ? options->kill_grace : "",
                  options->kill_grace != NULL ? "\n" : "", options->processes);
    (void)fputs("  bench_stamp: {plugin: bench_probe.so}\n"
                "  bench_spin: {plugin: bench_probe.so}\n"
                "  bench_hold: {plugin: bench_probe.so}\n",
                file);
    (void)fclose(file);
    return path;
}

static _Noreturn void run_gangerd(char *program, char *config, const char *conninfo)
{
    int out = open(node.log, O_WRONLY | O_CREAT | O_APPEND, 0644);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (out < 0 || dup2(out, STDERR_FILENO) < 0 || setenv("DATABASE_URL", conninfo, 1) != 0) {
        _exit(EXIT_FAILURE);
    }
    static char option[] = "-c";
    char *const argv[] = {program, option, config, NULL};
    (void)execv(program, argv);
    _exit(EXIT_FAILURE);
}

// Beside this program in the build tree; installed, this program is in libexec/ganger and gangerd in bin.
static char *find_gangerd(void)
{
    char folder[PATH_MAX];
    char *program = path_program("gangerd");
    if (program != NULL) {
        return program;
    }
    ssize_t length = readlink("/proc/self/exe", folder, sizeof folder - 1);
    folder[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(folder, '/');
    if (slash != NULL) {
        *slash = '\0';
    }
    program = mem_printf("%s/../../bin/gangerd", folder);
    if (access(program, X_OK) != 0) {
        bench_fail("gangerd is neither beside this program nor at %s", program);
    }
    return program;
}

void node_start(const Bench *bench, const char *conninfo, const NodeOptions *options)
{
    if (node.pid != 0) {
        bench_fail("a gangerd is already running");
    }
    if (node.owner == 0) {
        (void)atexit(stop_at_exit);
    }
    node.owner = getpid();
    free(node.log);
    node.log = mem_printf("%s/gangerd.log", bench->folder);
    char *program = find_gangerd();
    char *config = write_config(bench, options);
    node.pid = fork();
    if (node.pid == 0) {
        run_gangerd(program, config, conninfo);
    }
    if (node.pid < 0) {
        bench_fail("fork: %s", strerror(errno));
    }
    free(program);
    free(config);
}

static _Noreturn void fail_with_log(const char *what)
{
    char tail[2000] = "";
    FILE *file = fopen(node.log, "re");
    if (file != NULL) {
        size_t got = fread(tail, 1, sizeof tail - 1, file);
        tail[got] = '\0';
        (void)fclose(file);
    }
    bench_fail("%s; its log begins:\n%s", what, tail);
}

void node_wait_idle(PGconn *conn, int processes)
{
    char wanted[16];
    (void)snprintf(wanted, sizeof wanted, "%d", processes);
    for (int64_t until = bench_now_ns() + READY_MS * INT64_C(1000000); bench_now_ns() < until;) {
        if (waitpid(node.pid, NULL, WNOHANG) == node.pid) {
            node.pid = 0;
            fail_with_log("gangerd has ended");
        }
        if (sql_number(
                conn,
                "select (count(*) = $1::int and (select bool_or(idle) from ganger.node n "
                "where n.state = 'alive'))::int from ganger.worker w where w.state = 'alive'",
                wanted, NULL) == 1) {
            bench_sleep_ms(SETTLE_MS); // the first polls after the start are not what is measured
            return;
        }
        bench_sleep_ms(LOOK_MS);
    }
    fail_with_log("gangerd's workers do not become idle");
}

void node_stop(void)
{
    if (node.pid == 0) {
        return;
    }
    (void)kill(node.pid, SIGTERM);
    for (int64_t until = bench_now_ns() + STOP_MS * INT64_C(1000000); bench_now_ns() < until;) {
        if (waitpid(node.pid, NULL, WNOHANG) != 0) {
            node.pid = 0;
            return;
        }
        bench_sleep_ms(LOOK_MS);
    }
    (void)kill(node.pid, SIGKILL);
    (void)waitpid(node.pid, NULL, 0);
    node.pid = 0;
}

pid_t node_pid(void)
{
    return node.pid;
}
