// SPDX-License-Identifier: MIT
// Fake child: stands in for ganger-worker and ganger-reaper, so that the supervisor is tested without a database.
//
// Slot 0 is the reaper: it registers a node, keeps the lease and settles obituaries. The last one is the HTTP API, which
// idles, or does what $FAKE_API says: fail, refuse (exit 78), deaf (never ready), report. Any other slot is a worker whose behaviour $FAKE_WORKER names (see MODES). $FAKE_TRACE is a file that pids of descendants are appended to.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/exit_code.h"
#include "common/base/inherited_fd.h"
#include "common/base/memory.h"
#include "common/base/scoreboard.h"
#include "common/base/signals.h"

enum { PACE_MS = 2, LEASE_MS = 50000 };

typedef struct Fake {
    Scoreboard *board;
    int slot_index;
    Slot *slot;
} Fake;

typedef struct Mode {
    const char *name;
    void (*run)(Fake *fake);
} Mode;

static volatile sig_atomic_t terminated;
static volatile sig_atomic_t hung_up;

static void on_term(int number)
{
    (void)number;
    terminated = 1;
}

static void on_hup(int number)
{
    (void)number;
    hung_up = 1;
}

static int64_t number_from(const char *name, int64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoll(text, NULL, 10) : otherwise;
}

static void set_state(Fake *fake, SlotState state)
{
    atomic_store(&fake->slot->state, (int)state);
    atomic_store(&fake->slot->changed_at, clock_boot_ms());
}

static void trace_pid(pid_t pid)
{
    const char *path = getenv("FAKE_TRACE");
    if (path == NULL) {
        return;
    }
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (fd >= 0) {
        dprintf(fd, "%d\n", (int)pid);
        close(fd);
    }
}

// Waits a little, or for a wake-up. False when the supervisor is gone.
static bool wait_a_little(int ms)
{
    struct pollfd fds[] = {{.fd = FD_LIFELINE, .events = POLLIN},
                           {.fd = FD_WAKE, .events = POLLIN}};
    (void)poll(fds, 2, ms);
    uint64_t count = 0;
    ssize_t ignored = read(FD_WAKE, &count, sizeof count);
    (void)ignored;
    return (fds[0].revents & POLLHUP) == 0;
}

static void begin_run(Fake *fake, int64_t soft_ms, int64_t grace_ms)
{
    int64_t now = clock_boot_ms();
    Slot *slot = fake->slot;

    slot->batch[0].job_id = 4711;
    entry_set_state(&slot->batch[0], ENTRY_RUNNING);
    atomic_store(&slot->batch_count, 1);
    atomic_store(&slot->run_index, 0);
    atomic_store(&slot->run_started_at, now);
    atomic_store(&slot->run_soft_at, soft_ms > 0 ? now + soft_ms : 0);
    atomic_store(&slot->run_grace_ms, grace_ms);
    atomic_fetch_add(&slot->run_serial, 1);
    set_state(fake, SLOT_RUNNING);
    uint64_t one = 1;
    ssize_t ignored = write(FD_SUPERVISOR_WAKE, &one, sizeof one);
    (void)ignored;
}

static void begin_run_as_told(Fake *fake)
{
    begin_run(fake, number_from("FAKE_SOFT_MS", 0), number_from("FAKE_GRACE_MS", 100));
}

static void run_idle(Fake *fake)
{
    set_state(fake, SLOT_IDLE);
    while (wait_a_little(1000)) {
        if (atomic_load(&fake->slot->command) == SLOT_DRAIN || terminated) {
            set_state(fake, SLOT_STOPPING);
            exit(EXIT_CODE_OK);
        }
    }
}

// Never ready, as with a database that does not answer.
static void run_starting(Fake *fake)
{
    (void)fake;
    while (wait_a_little(1000)) {
    }
}

static void run_stillborn(Fake *fake)
{
    (void)fake;
    exit(EXIT_CODE_FAILED);
}

// Workers of the first pool are fine, all others are stillborn.
static void run_good_pool_idle(Fake *fake)
{
    if (fake->slot->pool == 0) {
        run_idle(fake);
    }
    exit(EXIT_CODE_FAILED);
}

static void run_refused(Fake *fake)
{
    (void)snprintf(fake->slot->note, sizeof fake->slot->note, "schema is too new");
    exit(EXIT_CODE_CONFIG);
}

static void run_recycled(Fake *fake)
{
    set_state(fake, SLOT_IDLE);
    atomic_store(&fake->slot->jobs_done, 1);
    exit(EXIT_CODE_RECYCLED);
}

static void run_quick_death(Fake *fake)
{
    set_state(fake, SLOT_IDLE);
    atomic_store(&fake->slot->jobs_done, 1);
    raise(SIGKILL);
}

// Its handler calls exit() with the code that refuses a configuration.
static void run_exits_78(Fake *fake)
{
    set_state(fake, SLOT_IDLE);
    begin_run_as_told(fake);
    exit(EXIT_CODE_CONFIG);
}

// Deaf to everything but SIGKILL.
static void run_deaf(Fake *fake)
{
    sigset_t all;
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_BLOCK, &all, NULL);
    begin_run_as_told(fake);
    while (wait_a_little(1000)) {
    }
}

static void run_stopped(Fake *fake)
{
    begin_run_as_told(fake);
    raise(SIGSTOP);
    run_deaf(fake);
}

static void run_stopped_idle(Fake *fake)
{
    set_state(fake, SLOT_IDLE);
    raise(SIGSTOP);
    run_idle(fake);
}

// Ends the first run when asked to and goes on with a second one that has no limit.
static void run_obedient(Fake *fake)
{
    begin_run_as_told(fake);
    int64_t first = atomic_load(&fake->slot->run_serial);
    while (atomic_load(&fake->slot->stop_serial) != first) {
        (void)wait_a_little(PACE_MS);
    }
    begin_run(fake, 0, 0);
    while (wait_a_little(PACE_MS)) {
    }
}

// Finishes its job when told to drain, but only after a while.
static void run_busy(Fake *fake)
{
    begin_run_as_told(fake);
    while (atomic_load(&fake->slot->command) != SLOT_DRAIN) {
        (void)wait_a_little(PACE_MS);
    }
    int64_t until = clock_boot_ms() + number_from("FAKE_BUSY_MS", 50);
    while (clock_boot_ms() < until && !terminated) {
        (void)wait_a_little(PACE_MS);
    }
    exit(EXIT_CODE_OK);
}

static void leave_descendants(int depth)
{
    pid_t pid = fork();
    if (pid != 0) {
        return;
    }
    if (depth > 0) {
        (void)setsid();
        leave_descendants(depth - 1);
        _exit(0);
    }
    (void)signal(SIGTERM, SIG_IGN);
    trace_pid(getpid());
    while (wait_a_little(1000)) { // a failed test must leave nobody behind either
    }
    _exit(0);
}

// Surrounded by processes that have left its group and its session.
static void run_parent(Fake *fake)
{
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    for (int depth = 0; depth < 3; depth++) {
        leave_descendants(depth);
    }
    begin_run_as_told(fake);
    while (wait_a_little(1000)) {
    }
}

static void run_report(Fake *fake)
{
    const char *path = getenv("FAKE_TRACE");
    FILE *out = path != NULL ? fopen(path, "a") : NULL;
    char link[64];
    char target[256];

    for (int fd = 0; out != NULL && fd < 1024; fd++) {
        (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(link, target, sizeof target - 1);
        if (length > 0 && fd != fileno(out)) {
            fprintf(out, "fd %d\n", fd);
        }
    }
    if (out != NULL) {
        int death_signal = 0;
        sigset_t mask;
        (void)prctl(PR_GET_PDEATHSIG, &death_signal);
        (void)sigprocmask(SIG_BLOCK, NULL, &mask);
        fprintf(out, "pdeathsig %d\ngroup %d\nterm_blocked %d\nno_new_privs %d\n", death_signal,
                getpgrp() == getpid(), sigismember(&mask, SIGTERM),
                prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
        FILE *score = fopen("/proc/self/oom_score_adj", "r");
        char text[32] = "?\n";
        if (score != NULL) {
            if (fgets(text, sizeof text, score) == NULL) {
                (void)snprintf(text, sizeof text, "?\n");
            }
            fclose(score);
        }
        fprintf(out, "oom_score_adj %send\n", text);
        fclose(out);
    }
    run_idle(fake);
}

static const Mode MODES[] = {
    {"idle", run_idle},
    {"starting", run_starting},
    {"stillborn", run_stillborn},
    {"refused", run_refused},
    {"recycled", run_recycled},
    {"deaf", run_deaf},
    {"stopped", run_stopped},
    {"obedient", run_obedient},
    {"busy", run_busy},
    {"parent", run_parent},
    {"report", run_report},
    {"quick_death", run_quick_death},
    {"exits_78", run_exits_78},
    {"good_pool_idle", run_good_pool_idle},
    {"stopped_idle", run_stopped_idle},
};

static void run_worker(Fake *fake)
{
    const char *name = getenv("FAKE_WORKER");
    for (size_t i = 0; i < sizeof MODES / sizeof MODES[0]; i++) {
        if (str_equal(MODES[i].name, name != NULL ? name : "idle")) {
            MODES[i].run(fake);
            return;
        }
    }
    exit(EXIT_CODE_USAGE);
}

// Checks the promise of an obituary: whoever is in the trace file is gone when it is posted.
static void check_trace(void)
{
    const char *path = getenv("FAKE_TRACE");
    FILE *trace = path != NULL ? fopen(path, "r") : NULL;
    if (trace == NULL) {
        return;
    }
    long pid = 0;
    char line[64];
    while (fgets(line, sizeof line, trace) != NULL) {
        pid = strtol(line, NULL, 10);
        if (pid > 0 && kill((pid_t)pid, 0) == 0) {
            const char *survivors = getenv("FAKE_SURVIVORS");
            int fd = survivors == NULL
                         ? -1
                         : open(survivors, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
            dprintf(fd, "%ld\n", pid);
            close(fd);
        }
    }
    fclose(trace);
}

static void settle(Fake *fake)
{
    for (int i = 1; i < scoreboard_api_slot(fake->board); i++) {
        Slot *slot = scoreboard_slot(fake->board, i);
        unsigned generation = atomic_load(&slot->generation);
        if (atomic_load(&slot->life) == SLOT_DEAD &&
            atomic_load(&slot->settled_generation) != generation) {
            check_trace();
            atomic_store(&slot->settled_generation, generation);
        }
    }
}

static void run_reaper(Fake *fake)
{
    ScoreboardHeader *header = scoreboard_header(fake->board);

    (void)signal(SIGHUP, on_hup);
    signals_release();
    set_state(fake, SLOT_IDLE);
    if (getenv("FAKE_NO_NODE") == NULL) {
        atomic_store(&header->lease_until, clock_boot_ms() + LEASE_MS);
        atomic_store(&header->node_id, 1);
    }
    while (!terminated && wait_a_little(100)) {
        if (getenv("FAKE_NO_SETTLE") == NULL) {
            settle(fake);
        }
        if (hung_up) {
            exit(EXIT_CODE_RECYCLED);
        }
    }
    exit(EXIT_CODE_OK);
}

static void run_api(Fake *fake)
{
    const char *mode = getenv("FAKE_API");

    (void)signal(SIGHUP, on_hup);
    signals_release();
    if (mode != NULL && str_equal(mode, "fail")) {
        exit(EXIT_CODE_FAILED);
    }
    if (mode != NULL && str_equal(mode, "refuse")) {
        exit(EXIT_CODE_CONFIG);
    }
    if (mode != NULL && str_equal(mode, "report")) {
        run_report(fake);
    }
    if (mode == NULL || !str_equal(mode, "deaf")) {
        set_state(fake, SLOT_IDLE);
    }
    while (!terminated && !hung_up && wait_a_little(100)) {
    }
    exit(hung_up ? EXIT_CODE_RECYCLED : EXIT_CODE_OK);
}

int main(int argc, char **argv)
{
    Fake fake = {.slot_index = -1};
    unsigned generation = 0;

    for (int i = 1; i + 1 < argc; i += 2) {
        if (str_equal(argv[i], "--slot")) {
            fake.slot_index = (int)strtol(argv[i + 1], NULL, 10);
        } else if (str_equal(argv[i], "--generation")) {
            generation = (unsigned)strtoul(argv[i + 1], NULL, 10);
        }
    }
    if (fake.slot_index < 0 || generation == 0) {
        return EXIT_CODE_USAGE;
    }
    (void)fcntl(FD_WAKE, F_SETFL, O_NONBLOCK);
    int mapped = fake.slot_index == 0 ? -1 : fake.slot_index;
    if (scoreboard_attach(&fake.board, FD_SCOREBOARD, mapped) != STATUS_OK) {
        return EXIT_CODE_INTERNAL;
    }
    fake.slot = scoreboard_slot(fake.board, fake.slot_index);
    (void)signal(SIGTERM, on_term);
    atomic_store(&fake.slot->child_generation, generation);
    if (fake.slot_index == 0) {
        run_reaper(&fake);
    } else if (fake.slot_index == scoreboard_api_slot(fake.board)) {
        run_api(&fake);
    } else {
        run_worker(&fake);
    }
    return EXIT_CODE_OK;
}
