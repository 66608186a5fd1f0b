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
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/sql.h"
#include "common/base/memory.h"
#include "common/base/paths.h"

enum { READY_MS = 20000, STOP_MS = 40000, LOOK_MS = 10, SETTLE_MS = 300 };

typedef struct Node {
    pid_t pid; // 0 = it has ended
    char *name;
    char *folder; // its own: configuration, log, state
} Node;

static struct {
    Node nodes[NODE_MAX];
    int count;
    pid_t owner;
} all;

static void stop_at_exit(void)
{
    if (getpid() == all.owner) {
        node_stop();
    }
}

static char *path_in(const Node *node, const char *name)
{
    return mem_printf("%s/%s", node->folder, name);
}

static char *write_config(const Node *node, const NodeOptions *options)
{
    char *path = path_in(node, "ganger.yaml");
    FILE *file = fopen(path, "we");
    if (file == NULL) {
        bench_fail("%s: %s", path, strerror(errno));
    }
    (void)fprintf(file, "supervisor:\n  state_dir: %s\n  shutdown_timeout: 2s\n%s%s%s",
                  node->folder, options->kill_grace != NULL ? "  kill_grace: " : "",
                  options->kill_grace != NULL ? options->kill_grace : "",
                  options->kill_grace != NULL ? "\n" : "");
    (void)fprintf(file, "node: {name: %s}\nlog: {level: warn}\npools:\n", node->name);
    if (options->pools != NULL) {
        (void)fputs(options->pools, file);
    } else {
        (void)fprintf(file, "  default: {processes: %d}\n", options->processes);
    }
    (void)fputs("handlers:\n  noop: {plugin: noop.so}\n"
                "  bench_stamp: {plugin: bench_probe.so}\n"
                "  bench_spin: {plugin: bench_probe.so}\n"
                "  bench_hold: {plugin: bench_probe.so}\n"
                "  bench_work: {plugin: bench_probe.so}\n",
                file);
    (void)fputs(options->handlers != NULL ? options->handlers : "", file);
    (void)fputs(options->sections != NULL ? options->sections : "", file);
    (void)fclose(file);
    return path;
}

static _Noreturn void run_gangerd(const Node *node, char *program, char *config,
                                  const char *conninfo)
{
    int out = open(path_in(node, "gangerd.log"), O_WRONLY | O_CREAT | O_APPEND, 0644);
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
    if (all.count == NODE_MAX) {
        bench_fail("more than %d gangerds at once", (int)NODE_MAX);
    }
    if (all.owner == 0) {
        (void)atexit(stop_at_exit);
    }
    all.owner = getpid();
    Node *node = &all.nodes[all.count];
    node->name = mem_printf("bench-%d", all.count + 1);
    node->folder = mem_printf("%s/%s", bench->folder, node->name);
    if (mkdir(node->folder, 0700) != 0) {
        bench_fail("%s: %s", node->folder, strerror(errno));
    }
    char *program = find_gangerd();
    char *config = write_config(node, options);
    node->pid = fork();
    if (node->pid == 0) {
        run_gangerd(node, program, config, conninfo);
    }
    if (node->pid < 0) {
        bench_fail("fork: %s", strerror(errno));
    }
    all.count++;
    free(program);
    free(config);
}

static _Noreturn void fail_with_log(const Node *node, const char *what)
{
    char tail[2000] = "";
    char *path = path_in(node, "gangerd.log");
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        size_t got = fread(tail, 1, sizeof tail - 1, file);
        tail[got] = '\0';
        (void)fclose(file);
    }
    bench_fail("%s; its log begins:\n%s", what, tail);
}

void node_check(void)
{
    for (int i = 0; i < all.count; i++) {
        if (waitpid(all.nodes[i].pid, NULL, WNOHANG) == all.nodes[i].pid) {
            all.nodes[i].pid = 0;
            fail_with_log(&all.nodes[i], "gangerd has ended");
        }
    }
}

void node_wait_idle(PGconn *conn, int processes)
{
    char wanted[16];
    (void)snprintf(wanted, sizeof wanted, "%d", processes);
    for (int64_t until = bench_now_ns() + READY_MS * INT64_C(1000000); bench_now_ns() < until;) {
        node_check();
        if (sql_number(
                conn,
                "select (count(*) = $1::int and (select bool_and(idle) from ganger.node n "
                "where n.state = 'alive'))::int from ganger.worker w where w.state = 'alive'",
                wanted, NULL) == 1) {
            bench_sleep_ms(SETTLE_MS); // the first polls after the start are not what is measured
            return;
        }
        bench_sleep_ms(LOOK_MS);
    }
    fail_with_log(&all.nodes[0], "gangerd's workers do not become idle");
}

static void await_end(Node *node, int64_t until)
{
    while (bench_now_ns() < until) {
        if (waitpid(node->pid, NULL, WNOHANG) != 0) {
            node->pid = 0;
            return;
        }
        bench_sleep_ms(LOOK_MS);
    }
    (void)kill(node->pid, SIGKILL);
    (void)waitpid(node->pid, NULL, 0);
    node->pid = 0;
}

static void remove_folder(Node *node)
{
    char *pidfile = mem_printf("%s.pid", node->name);
    char *timeline = mem_printf("%s.timeline", node->name);
    const char *const names[] = {"ganger.yaml", "gangerd.log", pidfile, timeline};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *path = path_in(node, names[i]);
        (void)unlink(path);
        free(path);
    }
    free(pidfile);
    free(timeline);
    (void)rmdir(node->folder);
    free(node->folder);
    free(node->name);
}

void node_stop(void)
{
    for (int i = 0; i < all.count; i++) {
        if (all.nodes[i].pid != 0) {
            (void)kill(all.nodes[i].pid, SIGTERM);
        }
    }
    int64_t until = bench_now_ns() + STOP_MS * INT64_C(1000000);
    for (int i = 0; i < all.count; i++) {
        if (all.nodes[i].pid != 0) {
            await_end(&all.nodes[i], until);
        }
        remove_folder(&all.nodes[i]);
    }
    all.count = 0;
}

pid_t node_pid(void)
{
    return all.nodes[0].pid;
}
