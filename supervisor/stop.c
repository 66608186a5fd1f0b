// SPDX-License-Identifier: MIT
// Stop: see stop.h.
#include "supervisor/stop.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "common/base/counters.h"
#include "common/base/fault_point.h"
#include "common/base/log.h"
#include "supervisor/watchdog_policy.h"

static void watch_worker(Supervisor *self, Child *child, int64_t now);
static void watch_reaper(Supervisor *self, Child *child, int64_t now);
static void watch_api(Supervisor *self, Child *child, int64_t now);
static void note_ready(Supervisor *self, Child *child, const SlotSnapshot *snapshot, int64_t now);
static void note_unwanted(Supervisor *self, Child *child, SlotSnapshot *snapshot, int64_t now);
static void soft_stop(Supervisor *self, Child *child, int64_t serial, StopCause cause,
                      int64_t kill_at);
static bool kill_run(Supervisor *self, Child *child, int64_t serial, StopCause cause, int64_t now);
static void kill_process(Supervisor *self, Child *child, StopCause cause, int64_t now);
static void send_kill(Supervisor *self, Child *child, StopCause cause, int64_t now);

// Whom a stop is meant for. The type is for the log: the worker may be at its next job by now.
typedef struct Target {
    long long job_id;
    long long worker_id;
    char job_type[SCOREBOARD_NAME_BYTES];
} Target;

static Target target_of(Supervisor *self, const Child *child)
{
    Target target = {.job_id = (long long)supervisor_job_of(self, child)};
    const Slot *slot = supervisor_slot(self, child);

    if (slot != NULL) {
        target.worker_id = atomic_load(&slot->worker_id);
        if (target.job_id != 0) {
            memcpy(target.job_type, slot->job_type, sizeof target.job_type - 1);
        }
    }
    return target;
}

void stop_watch(Supervisor *self, int64_t now)
{
    for (int i = 0; i < self->child_count; i++) {
        Child *child = &self->children[i];
        if (child->life != CHILD_ALIVE) {
            continue;
        }
        if (child->role == ROLE_WORKER) {
            watch_worker(self, child, now);
        } else if (child->role == ROLE_REAPER) {
            watch_reaper(self, child, now);
        } else if (child->role == ROLE_API) {
            watch_api(self, child, now);
        }
    }
}

static void watch_worker(Supervisor *self, Child *child, int64_t now)
{
    if (child->killed != STOP_NONE) {
        // A group that got its SIGKILL a moment before a fork may hold a newcomer; a process that hangs in the
        // kernel dies when it comes back.
        if (now - child->kill_sent_at >= STOP_KILL_AGAIN_MS) {
            log_error("worker.unkillable", "pid=%d slot=%d for_ms=%lld", (int)child->pid,
                      child->slot, (long long)(now - child->killed_at));
            send_kill(self, child, child->killed, now);
        }
        supervisor_look_by(self, child->kill_sent_at + STOP_KILL_AGAIN_MS);
        return;
    }

    ScoreboardHeader *header = scoreboard_header(self->shared.board);
    bool is_fenced =
        !supervisor_may_work(self, now) || atomic_load(&header->node_id) != child->node_id;
    SlotSnapshot snapshot = watchdog_policy_read(supervisor_slot(self, child));
    note_ready(self, child, &snapshot, now);
    note_unwanted(self, child, &snapshot, now);

    watchdog_policy_note_sign(&child->sign, snapshot.mark, now);
    WatchVerdict verdict =
        watchdog_policy_look(&snapshot, &child->stop, &child->sign, is_fenced, now);
    switch (verdict.action) {
    case WATCH_FINE:
        if (verdict.look_at != WATCHDOG_NEVER) {
            supervisor_look_by(self, verdict.look_at);
        }
        break;
    case WATCH_SOFT_STOP:
        soft_stop(self, child, verdict.serial, verdict.cause, verdict.kill_at);
        supervisor_look_by(self, verdict.kill_at);
        break;
    case WATCH_KILL:
        if (verdict.serial == 0) {
            kill_process(self, child, verdict.cause, now);
        } else if (!kill_run(self, child, verdict.serial, verdict.cause, now)) {
            supervisor_look_by(self, now + WATCHDOG_TORN_MS);
        }
        break;
    }
}

// No deadlines here: a reaper without a database tries for ever. But it must be seen to try.
static void watch_reaper(Supervisor *self, Child *child, int64_t now)
{
    ScoreboardHeader *header = scoreboard_header(self->shared.board);
    SlotSnapshot snapshot = watchdog_policy_read(supervisor_slot(self, child));

    note_ready(self, child, &snapshot, now);
    watchdog_policy_note_sign(&child->sign,
                              snapshot.mark ^ (uint64_t)atomic_load(&header->heartbeat_at), now);
    if (child->killed == STOP_NONE && child->sign.silent_ms >= WATCHDOG_SILENT_MS) {
        log_error("reaper.silent", "pid=%d silent_ms=%lld", (int)child->pid,
                  (long long)child->sign.silent_ms);
        kill_process(self, child, STOP_STUCK, now);
    }
}

// It never waits for anything for long, the database included, and shows life each second.
static void watch_api(Supervisor *self, Child *child, int64_t now)
{
    SlotSnapshot snapshot = watchdog_policy_read(supervisor_slot(self, child));
    bool is_late = child->leave_by != 0 && now >= child->leave_by;

    note_ready(self, child, &snapshot, now);
    watchdog_policy_note_sign(&child->sign, snapshot.mark, now);
    if (child->killed != STOP_NONE) {
        return;
    }
    if (child->sign.silent_ms >= WATCHDOG_API_MS) {
        log_error("api.silent", "pid=%d silent_ms=%lld", (int)child->pid,
                  (long long)child->sign.silent_ms);
        kill_process(self, child, STOP_STUCK, now);
    } else if (is_late) {
        kill_process(self, child, STOP_SHUTDOWN, now);
    } else if (child->leave_by != 0) {
        supervisor_look_by(self, child->leave_by);
    }
}

static void note_ready(Supervisor *self, Child *child, const SlotSnapshot *snapshot, int64_t now)
{
    if (!child->is_ready && snapshot->attached && snapshot->state != SLOT_STARTING &&
        snapshot->state != SLOT_STOPPING) {
        child->is_ready = true;
        log_debug("child.ready", "pid=%d slot=%d name=\"%s\" after_ms=%lld", (int)child->pid,
                  child->slot, supervisor_child_name(self, child),
                  (long long)(now - child->spawned_at));
    }
    if (!child->is_proven && child->is_ready && child->service >= 0) {
        const Slot *slot = supervisor_slot(self, child);
        if (now - child->spawned_at < RESTART_GOOD_MS && atomic_load(&slot->jobs_done) <= 0) {
            return;
        }
        child->is_proven = true;
        Service *service = &self->services.rows[child->service];
        if (restart_policy_note_good(&service->restart)) {
            log_info("pool.recovered", "pool=\"%s\"", service->name);
        }
    }
}

// Whom an operator wants ended takes no further job; the one in hand is asked to stop (watchdog_policy.h).
static void note_unwanted(Supervisor *self, Child *child, SlotSnapshot *snapshot, int64_t now)
{
    if (snapshot->is_unwanted && !child->is_unwanted) {
        const Target target = target_of(self, child);
        log_warn("worker.unwanted",
                 "pid=%d slot=%d worker=%lld job_id=%lld job_type=\"%s\" cause=operator",
                 (int)child->pid, child->slot, target.worker_id, target.job_id, target.job_type);
        child->is_unwanted = true;
        stop_drain(self, child);
    }
    watchdog_policy_note_unwanted(snapshot, &child->unwanted_since, now);
}

static void soft_stop(Supervisor *self, Child *child, int64_t serial, StopCause cause,
                      int64_t kill_at)
{
    Slot *slot = supervisor_slot(self, child);

    child->stop = (StopRecord){.serial = serial, .cause = cause, .kill_at = kill_at};
    // The cause first: whoever sees its own serial may read it.
    atomic_store(&slot->stop_cause, (int)cause);
    atomic_store(&slot->stop_serial, serial);
    FAULT_POINT(supervisor_soft_stop);
    shared_wake(self->shared.slot_wake[child->slot]);
    counter_add(&scoreboard_header(self->shared.board)->supervisor.stops[cause], 1);
    const Target target = target_of(self, child);
    (void)kill(child->pid, SIGTERM);
    FAULT_POINT(supervisor_after_soft_stop);
    log_info("job.stop", "pid=%d slot=%d worker=%lld job_id=%lld job_type=\"%s\" cause=%s",
             (int)child->pid, child->slot, target.worker_id, target.job_id, target.job_type,
             stop_cause_name((int)cause));
}

// The last look comes after kill_serial is written: should the run end even now, the reaper sees that the
// SIGKILL was not meant for the next one.
static bool kill_run(Supervisor *self, Child *child, int64_t serial, StopCause cause, int64_t now)
{
    Slot *slot = supervisor_slot(self, child);

    if (child->stop.serial != serial) {
        child->stop = (StopRecord){.serial = serial, .cause = cause, .kill_at = now};
        atomic_store(&slot->stop_cause, (int)cause);
        atomic_store(&slot->stop_serial, serial);
    }
    atomic_store(&slot->kill_serial, serial);
    FAULT_POINT(supervisor_before_kill);
    if (atomic_load(&slot->run_serial) != serial || atomic_load(&slot->state) != SLOT_RUNNING) {
        atomic_store(&slot->kill_serial, 0);
        return false;
    }
    const Target target = target_of(self, child);
    send_kill(self, child, cause, now);
    FAULT_POINT(supervisor_after_kill);
    log_warn("job.kill", "pid=%d slot=%d worker=%lld job_id=%lld job_type=\"%s\" cause=%s",
             (int)child->pid, child->slot, target.worker_id, target.job_id, target.job_type,
             stop_cause_name((int)cause));
    return true;
}

static void kill_process(Supervisor *self, Child *child, StopCause cause, int64_t now)
{
    Slot *slot = supervisor_slot(self, child);

    if (slot != NULL) {
        int64_t serial = atomic_load(&slot->run_serial);
        // A run that was being stopped for its own sake is told so: its timeout is no matter of the shutdown.
        if (serial == 0 || child->stop.serial != serial) {
            atomic_store(&slot->stop_cause, (int)cause);
        }
        atomic_store(&slot->stop_serial, serial);
        atomic_store(&slot->kill_serial, serial);
    }
    const Target target = target_of(self, child);
    send_kill(self, child, cause, now);
    log_warn("child.kill",
             "pid=%d slot=%d name=\"%s\" worker=%lld job_id=%lld job_type=\"%s\" cause=%s",
             (int)child->pid, child->slot, supervisor_child_name(self, child), target.worker_id,
             target.job_id, target.job_type, stop_cause_name((int)cause));
}

static void send_kill(Supervisor *self, Child *child, StopCause cause, int64_t now)
{
    if (child->killed == STOP_NONE) {
        counter_add(&scoreboard_header(self->shared.board)->supervisor.kills[cause], 1);
        child->killed = cause;
        child->killed_at = now;
    }
    child->kill_sent_at = now;
    // The pid is safe to use: it is ours until we wait for it.
    if (kill(-child->pid, SIGKILL) != 0 && kill(child->pid, SIGKILL) != 0) {
        log_error("child.kill", "pid=%d error=\"%s\"", (int)child->pid, strerror(errno));
    }
}

void stop_drain(Supervisor *self, Child *child)
{
    if (child->is_draining || child->life != CHILD_ALIVE) {
        return;
    }
    child->is_draining = true;
    atomic_store(&supervisor_slot(self, child)->command, SLOT_DRAIN);
    FAULT_POINT(supervisor_draining);
    shared_wake(self->shared.slot_wake[child->slot]);
}

// A running job's own grace, as far as the shutdown has time for it.
static int64_t patience_for(const SlotSnapshot *snapshot, int64_t limit_ms)
{
    if (snapshot->torn || snapshot->state != SLOT_RUNNING || snapshot->run_grace_ms > limit_ms) {
        return limit_ms;
    }
    return snapshot->run_grace_ms > 0 ? snapshot->run_grace_ms : 0;
}

void stop_soft_all(Supervisor *self, int64_t now, int64_t limit_ms)
{
    for (int i = 0; i < self->child_count; i++) {
        Child *child = &self->children[i];
        if (child->life != CHILD_ALIVE || child->role != ROLE_WORKER ||
            child->killed != STOP_NONE) {
            continue;
        }
        SlotSnapshot snapshot = watchdog_policy_read(supervisor_slot(self, child));
        int64_t serial = snapshot.run_serial;
        // A stop that is under way for another reason keeps its reason and its time.
        if (serial == 0 || child->stop.serial != serial) {
            soft_stop(self, child, serial, STOP_SHUTDOWN, now + patience_for(&snapshot, limit_ms));
        }
    }
    supervisor_look_by(self, now);
}

void stop_kill_all(Supervisor *self, StopCause cause, int64_t now)
{
    for (int i = 0; i < self->child_count; i++) {
        Child *child = &self->children[i];
        if (child->life == CHILD_ALIVE && child->role == ROLE_WORKER &&
            child->killed == STOP_NONE) {
            kill_process(self, child, cause, now);
        }
    }
}

void stop_set_quiet(Supervisor *self, bool quiet)
{
    self->is_quiet = quiet;
    for (int i = 0; i < self->child_count; i++) {
        Child *child = &self->children[i];
        if (child->life == CHILD_ALIVE && child->role == ROLE_WORKER && !child->is_draining) {
            atomic_store(&supervisor_slot(self, child)->command, quiet ? SLOT_QUIET : SLOT_GO);
            shared_wake(self->shared.slot_wake[child->slot]);
        }
    }
}
