// SPDX-License-Identifier: MIT
// Deadman: see the header.
#include "worker/deadman.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/inherited_fd.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/proc_tree.h"

enum { LEASE_LOOK_MS = 250, SWEEP_AGAIN_MS = 10 };

struct Deadman {
    ScoreboardHeader *header;
    Slot *slot;
    timer_t job_timer;
    timer_t lease_timer;
    int64_t job_at; // what job_timer is set to; 0 = it is not
    pthread_t runner;
    atomic_bool is_orphaned;
    atomic_bool is_fenced;
};

static Status make_timer(timer_t *timer)
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
    if (timer_create(CLOCK_BOOTTIME, &event, timer) != 0) {
        log_error("worker.no_timer", "error=\"%s\"", strerror(errno));
        return STATUS_FATAL;
    }
    return STATUS_OK;
}

static void set_timer(timer_t timer, int64_t at_ms)
{
    struct itimerspec spec = {0};
    spec.it_value.tv_sec = (time_t)(at_ms / 1000);
    spec.it_value.tv_nsec = (long)(at_ms % 1000) * 1000000L;
    if (timer_settime(timer, TIMER_ABSTIME, &spec, NULL) != 0) {
        panic("timer_settime: %s", strerror(errno));
    }
}

void deadman_set_job(Deadman *self, int64_t at)
{
    const int64_t latest = at > 0 ? at + DEADMAN_JOB_SHARE_MS : 0;
    if (self->job_at < at || self->job_at > latest) {
        set_timer(self->job_timer, latest);
        self->job_at = latest;
    }
}

bool deadman_is_orphaned(const Deadman *self)
{
    return atomic_load(&self->is_orphaned);
}

bool deadman_is_fenced(const Deadman *self)
{
    return atomic_load(&self->is_fenced);
}

bool deadman_is_leaving(const Deadman *self)
{
    return deadman_is_orphaned(self) || deadman_is_fenced(self);
}

static void pause_ms(int ms)
{
    const struct timespec pause = {.tv_nsec = (long)ms * 1000000};
    (void)nanosleep(&pause, NULL);
}

// Until the kernel ends this process.
static _Noreturn void sweep_for_ever(void)
{
    for (;;) {
        (void)proc_sweep(NULL, NULL, DEADMAN_SWEEP_MS);
        pause_ms(SWEEP_AGAIN_MS);
    }
}

// The supervisor cannot speak for itself any more, so this thread asks for the stop in its place.
static _Noreturn void last_orders(Deadman *self)
{
    set_timer(self->lease_timer, clock_boot_ms() + DEADMAN_LAST_MS);
    atomic_store(&self->slot->stop_cause, STOP_SHUTDOWN);
    atomic_store(&self->slot->stop_serial, atomic_load(&self->slot->run_serial));
    atomic_store(&self->slot->command, SLOT_DRAIN);
    atomic_store(&self->is_orphaned, true);
    const uint64_t one = 1;
    (void)!write(FD_WAKE, &one, sizeof one);
    pthread_kill(self->runner, SIGUSR1); // interrupts what the handler waits for
    // What obeys ends by itself. Of the rest, the processes below this one would outlive it, and the supervisor that would
    // sweep them is gone: so they are ended here, before the kernel ends us.
    pause_ms(DEADMAN_LAST_MS - DEADMAN_SWEEP_MS);
    sweep_for_ever();
}

// The lease is as good as over: others may take this node's jobs soon. Whoever sweeps orphans may stand still, so what this
// process has started ends before it does. A heartbeat that comes now comes too late.
static _Noreturn void end_before_lease(Deadman *self)
{
    atomic_store(&self->is_fenced, true);
    const uint64_t one = 1;
    (void)!write(FD_WAKE, &one, sizeof one);
    sweep_for_ever();
}

static void *watch(void *data)
{
    Deadman *self = data;
    for (;;) {
        int64_t until = atomic_load(&self->header->lease_until);
        set_timer(self->lease_timer, until > 0 ? until : 0);
        int64_t left_ms = until > 0 ? until - DEADMAN_FENCE_MS - clock_boot_ms() : LEASE_LOOK_MS;
        if (left_ms <= 0) {
            end_before_lease(self);
        }
        struct pollfd lifeline = {.fd = FD_LIFELINE, .events = POLLIN};
        int ready = poll(&lifeline, 1, left_ms < LEASE_LOOK_MS ? (int)left_ms : LEASE_LOOK_MS);
        if (ready > 0 && (lifeline.revents & (POLLHUP | POLLIN | POLLERR | POLLNVAL)) != 0) {
            last_orders(self);
        }
    }
}

Status deadman_start(Deadman **out, ScoreboardHeader *header, Slot *slot)
{
    Deadman *self = mem_alloc(sizeof *self);
    self->header = header;
    self->slot = slot;
    self->runner = pthread_self();
    *out = self; // lives as long as the process, like its thread
    TRY(make_timer(&self->job_timer));
    TRY(make_timer(&self->lease_timer));

    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, (size_t)128 * 1024);
    pthread_t thread;
    int error = pthread_create(&thread, &attributes, watch, self);
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0) {
        log_error("worker.no_thread", "error=\"%s\"", strerror(error));
        return STATUS_FATAL;
    }
    pthread_detach(thread);
    return STATUS_OK;
}
