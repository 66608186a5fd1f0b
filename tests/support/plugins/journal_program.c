// SPDX-License-Identifier: MIT
// The handler `journal` as a program (exec:): the same lines and members of the payload. See journal.c.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "journal_line.h"

enum { SLICE_MS = 2, PAYLOAD_BYTES = 4096, EXIT_ERROR = 1, EXIT_DISCARD = 100 };

static volatile sig_atomic_t is_told_to_stop;

static void on_term(int signal)
{
    (void)signal;
    is_told_to_stop = 1;
}

typedef struct Run {
    char payload[PAYLOAD_BYTES];
    char path[256];
    long long job;
    int attempt;
} Run;

static long long read_variable(const char *name)
{
    const char *text = getenv(name);
    return text != NULL ? strtoll(text, NULL, 10) : 0;
}

static int write_line(const Run *run, const char *what)
{
    return journal_write(run->path, what, run->job, run->attempt, getppid());
}

static void leave_orphan(const Run *run, long long ms)
{
    const pid_t worker = getppid();
    if (fork() == 0) {
        (void)setsid();
        journal_tick(run->path, run->job, run->attempt, worker, 20, ms);
        _exit(0);
    }
}

// 0: it has been stopped.
static int work(const Run *run)
{
    const long long tick_us = payload_number(run->payload, "tick", 0) * 1000;
    const int is_deaf = payload_number(run->payload, "deaf", 0) != 0;
    const long long orphan_ms = payload_number(run->payload, "orphan", 0);
    const long long until = journal_boot_us() + payload_number(run->payload, "ms", 0) * 1000;
    long long tick_at = journal_boot_us() + tick_us;
    if (orphan_ms > 0) {
        leave_orphan(run, orphan_ms);
    }
    while (journal_boot_us() < until) {
        if (tick_us > 0 && journal_boot_us() >= tick_at) {
            (void)write_line(run, "tick");
            tick_at += tick_us;
        }
        if (!is_deaf && is_told_to_stop) {
            (void)write_line(run, "stop");
            return 0;
        }
        const struct timespec pause = {.tv_nsec = SLICE_MS * 1000000L};
        (void)nanosleep(&pause, NULL);
    }
    return 1;
}

static int run_journal(void)
{
    static Run run;
    const struct sigaction action = {.sa_handler = on_term};
    (void)sigaction(SIGTERM, &action, NULL);
    const size_t length = fread(run.payload, 1, sizeof run.payload - 1, stdin);
    run.payload[length] = '\0';
    run.job = read_variable("GANGER_JOB_ID");
    run.attempt = (int)read_variable("GANGER_ATTEMPT");
    if (!payload_path(run.payload, run.path, sizeof run.path) || !write_line(&run, "begin")) {
        return EXIT_DISCARD;
    }
    if (!work(&run)) {
        return EXIT_ERROR;
    }
    if (run.attempt < payload_number(run.payload, "crash_until", 0)) {
        (void)signal(SIGSEGV, SIG_DFL);
        (void)raise(SIGSEGV);
    }
    (void)write_line(&run, "end");
    return run.attempt < payload_number(run.payload, "fail_until", 0) ? EXIT_ERROR : 0;
}

// Not by exit(): a leak checker could look at nothing here, as nobody may trace a program of ganger's.
int main(void)
{
    _exit(run_journal());
}
