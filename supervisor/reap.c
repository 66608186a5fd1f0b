// SPDX-License-Identifier: MIT
// Reap: see reap.h.
//
// The order is what makes an obituary true: the group is killed while the zombie still holds its number, then
// the zombie is waited for, then all orphans that came up to us are killed; only then the slot says dead.
#include "supervisor/reap.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "common/base/backoff.h"
#include "common/base/clock.h"
#include "common/base/fault_point.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/proc_tree.h"

enum {
    SWEEP_SLICE_MS = 20, // the loop is not held up longer by a tree that will not die
    LAST_SWEEP_MS = 2000,
    INHERITED_MAX = 1024,
    EXIT_TEXT_BYTES = 64
};
static const int64_t JOBS_DONE_MAX = INT64_C(1) << 40; // of one worker: no machine gets there

static Child *find_child(Supervisor *self, pid_t pid);
static void wait_for(Supervisor *self, pid_t pid, Child *child, int64_t now);
static void forget_inherited(Supervisor *self, pid_t pid);
static bool is_ours(pid_t pid, void *data);
static bool is_inherited(pid_t pid, void *data);
static void bury_all(Supervisor *self, int64_t now);
static void bury(Supervisor *self, Child *child, int64_t now);
static void post_obituary(Supervisor *self, Child *child);
static Death describe_death(Supervisor *self, const Child *child, int64_t now);
static bool has_progress(Supervisor *self, const Child *child);
static int64_t jobs_done(const Slot *slot);
static void note_death(Supervisor *self, const Child *child, int64_t now);
static void log_death(Supervisor *self, const Child *child, const Death *death, int64_t now);
static void count_end(Supervisor *self, const Child *child, const Death *death);

void reap_note_inherited(Supervisor *self)
{
    self->inherited = mem_alloc(INHERITED_MAX * sizeof(pid_t));
    self->inherited_count = proc_children(self->inherited, INHERITED_MAX);
}

void reap_dead(Supervisor *self, int64_t now)
{
    for (;;) {
        siginfo_t info = {.si_pid = 0};
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0) {
            if (errno == EINTR) {
                continue;
            }
            break; // ECHILD: nobody there
        }
        if (info.si_pid == 0) {
            break;
        }
        wait_for(self, info.si_pid, find_child(self, info.si_pid), now);
    }
    bury_all(self, now);
}

static Child *find_child(Supervisor *self, pid_t pid)
{
    for (int i = 0; i < self->child_count; i++) {
        if (self->children[i].life == CHILD_ALIVE && self->children[i].pid == pid) {
            return &self->children[i];
        }
    }
    return NULL;
}

static void wait_for(Supervisor *self, pid_t pid, Child *child, int64_t now)
{
    struct rusage usage = {.ru_maxrss = 0};
    int status = 0;

    if (child != NULL) {
        (void)kill(-pid, SIGKILL);
        FAULT_POINT(supervisor_before_wait);
    }
    if (wait4(pid, &status, WNOHANG, &usage) != pid) {
        return;
    }
    if (child == NULL) {
        forget_inherited(self, pid);
        return;
    }
    child->life = CHILD_REAPED;
    child->reaped_at = now;
    child->wait_status = status;
    child->cpu_us = ((int64_t)usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
                    usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
    child->max_rss_bytes = (int64_t)usage.ru_maxrss * 1024;
    FAULT_POINT(supervisor_after_wait);
}

// Its number may come back as that of an orphan.
static void forget_inherited(Supervisor *self, pid_t pid)
{
    for (size_t i = 0; i < self->inherited_count; i++) {
        if (self->inherited[i] == pid) {
            self->inherited[i] = self->inherited[--self->inherited_count];
            return;
        }
    }
}

static bool is_inherited(pid_t pid, void *data)
{
    const Supervisor *self = data;
    for (size_t i = 0; i < self->inherited_count; i++) {
        if (self->inherited[i] == pid) {
            return true;
        }
    }
    return false;
}

static bool is_ours(pid_t pid, void *data)
{
    return find_child(data, pid) != NULL || is_inherited(pid, data);
}

static void bury_all(Supervisor *self, int64_t now)
{
    int64_t oldest = INT64_MAX;
    for (int i = 0; i < self->child_count; i++) {
        if (self->children[i].life == CHILD_REAPED && self->children[i].reaped_at < oldest) {
            oldest = self->children[i].reaped_at;
        }
    }
    if (oldest == INT64_MAX) {
        return;
    }

    // Whose orphans they are cannot be told, so every obituary waits for all of them.
    size_t left = proc_sweep(is_ours, self, SWEEP_SLICE_MS);
    if (left > 0 && now - oldest < SUPERVISOR_BURIAL_MS) {
        supervisor_look_by(self, now + 1);
        return;
    }
    if (left > 0) {
        log_error("orphans.unkillable", "count=%zu waited_ms=%lld", left,
                  (long long)(now - oldest));
    }
    for (int i = 0; i < self->child_count; i++) {
        Child *child = &self->children[i];
        bool is_due = left == 0 || now - child->reaped_at >= SUPERVISOR_BURIAL_MS;
        if (child->life == CHILD_REAPED && is_due) {
            bury(self, child, now);
        }
    }
}

static void bury(Supervisor *self, Child *child, int64_t now)
{
    note_death(self, child, now);
    post_obituary(self, child);
    // Last: who adds these up may miss the dead child's time for a moment, but never has it twice.
    counter_add(&scoreboard_header(self->shared.board)->supervisor.dead_cpu_us[child->role],
                child->cpu_us > 0 ? (uint64_t)child->cpu_us : 0);
    child->life = CHILD_NONE;
    child->pid = 0;
}

static void post_obituary(Supervisor *self, Child *child)
{
    Slot *slot = supervisor_slot(self, child);

    if (slot == NULL) {
        return;
    }
    slot->exit_status = child->wait_status;
    slot->cpu_us = child->cpu_us;
    slot->max_rss_bytes = child->max_rss_bytes;
    FAULT_POINT(supervisor_before_obituary);
    atomic_store(&slot->life, SLOT_DEAD);
    FAULT_POINT(supervisor_after_obituary);
    shared_wake(self->shared.slot_wake[0]);
}

static int64_t cap_for(const Child *child, const Death *death)
{
    const RoleRow *row = &ROLE_TABLE[child->role];
    return death->reached_idle ? row->backoff_cap_ms : row->stillborn_backoff_cap_ms;
}

static void note_death(Supervisor *self, const Child *child, int64_t now)
{
    Death death = describe_death(self, child, now);
    log_death(self, child, &death, now);
    count_end(self, child, &death);
    // What only the API refuses is no reason to stop jobs.
    if (restart_policy_judge(&death) == PROCESS_REFUSED && child->role != ROLE_API) {
        supervisor_begin_shutdown(self, "configuration", false, EXIT_CODE_CONFIG);
    }
    if (child->service < 0) {
        return;
    }

    Service *service = &self->services.rows[child->service];
    if (restart_policy_note_death(&service->restart, &death, now, cap_for(child, &death),
                                  backoff_random())) {
        log_error("pool.degraded", "pool=\"%s\" deaths=%d within_s=%d", service->name,
                  RESTART_WINDOW_DEATHS, RESTART_WINDOW_MS / 1000);
    }
    const Slot *slot = supervisor_slot(self, child);
    if (slot != NULL) {
        service->jobs_finished += jobs_done(slot);
    }
}

// Its own kernel timer was quicker than we, who may have stood still with the whole machine. All workers die so at once: that is no
// crash loop. The reaper may have given the node up before we look.
static bool is_ended_by_lease(Supervisor *self, const Child *child, int64_t now)
{
    ScoreboardHeader *header = scoreboard_header(self->shared.board);
    bool is_killed = WIFSIGNALED(child->wait_status) && WTERMSIG(child->wait_status) == SIGKILL;
    return child->role == ROLE_WORKER && is_killed &&
           (atomic_load(&header->node_id) != child->node_id ||
            now >= atomic_load(&header->lease_until));
}

static Death describe_death(Supervisor *self, const Child *child, int64_t now)
{
    Death death = {.wait_status = child->wait_status,
                   .stopped = child->killed,
                   .drained = child->is_draining || self->phase != SHUTDOWN_NONE,
                   .reached_idle = child->is_ready,
                   .has_foreign_code = child->role == ROLE_WORKER,
                   .lived_ms = now - child->spawned_at};
    const Slot *slot = supervisor_slot(self, child);

    if (slot != NULL) {
        int state = atomic_load(&slot->child_generation) == child->generation
                        ? atomic_load(&slot->state)
                        : SLOT_STARTING;
        // A ready child may die before it is looked at for the first time.
        death.reached_idle = death.reached_idle || state != SLOT_STARTING;
        death.in_handler = child->role == ROLE_WORKER && state == SLOT_RUNNING;
        if (death.stopped == STOP_NONE && child->stop.serial != 0 &&
            child->stop.serial == atomic_load(&slot->run_serial)) {
            death.stopped = child->stop.cause;
        }
    }
    if (death.stopped == STOP_NONE && is_ended_by_lease(self, child, now)) {
        death.stopped = STOP_FENCE;
    }
    death.progress = has_progress(self, child);
    return death;
}

// Any process of the pool that finished a job since the last death shows that the pool as such works.
static bool has_progress(Supervisor *self, const Child *child)
{
    if (child->service < 0 || child->role != ROLE_WORKER) {
        return false;
    }
    Service *service = &self->services.rows[child->service];
    int64_t finished = service->jobs_finished;
    for (int i = 0; i < self->child_count; i++) {
        const Child *other = &self->children[i];
        if (other->life != CHILD_NONE && other->service == child->service) {
            finished += jobs_done(supervisor_slot(self, other));
        }
    }
    bool is_more = finished > service->jobs_at_death;
    service->jobs_at_death = finished;
    return is_more;
}

// A child may write anything there; sums of it must stay numbers.
static int64_t jobs_done(const Slot *slot)
{
    int64_t count = atomic_load(&slot->jobs_done);
    return count < 0 ? 0 : count < JOBS_DONE_MAX ? count : JOBS_DONE_MAX;
}

static void format_exit(int status, char out[EXIT_TEXT_BYTES])
{
    if (WIFSIGNALED(status)) {
        const char *name = sigabbrev_np(WTERMSIG(status));
        (void)snprintf(out, EXIT_TEXT_BYTES, "signal %d SIG%s", WTERMSIG(status),
                       name != NULL ? name : "?");
    } else {
        (void)snprintf(out, EXIT_TEXT_BYTES, "code %d", WEXITSTATUS(status));
    }
}

static void log_death(Supervisor *self, const Child *child, const Death *death, int64_t now)
{
    char how[EXIT_TEXT_BYTES];
    char note[SCOREBOARD_NOTE_BYTES] = "";
    const char *role = process_role_name(child->role);
    char event[SCOREBOARD_NAME_BYTES];
    char job_type[SCOREBOARD_NAME_BYTES] = "";
    long long job_id = (long long)supervisor_job_of(self, child);
    LogLevel level = LOG_LEVEL_INFO;

    const Slot *slot = supervisor_slot(self, child);
    if (slot != NULL && atomic_load(&slot->child_generation) == child->generation) {
        memcpy(note, slot->note, sizeof note - 1);
        if (job_id != 0) {
            memcpy(job_type, slot->job_type, sizeof job_type - 1);
        }
    }
    format_exit(child->wait_status, how);
    switch (restart_policy_judge(death)) {
    case PROCESS_ASKED:
    case PROCESS_RECYCLED:
        (void)snprintf(event, sizeof event, "%s.exit", role);
        break;
    case PROCESS_CRASHED:
        level = LOG_LEVEL_WARN;
        (void)snprintf(event, sizeof event, "%s.crash", role);
        break;
    case PROCESS_STILLBORN:
        level = LOG_LEVEL_ERROR;
        (void)snprintf(event, sizeof event, "%s.start_failed", role);
        break;
    case PROCESS_REFUSED:
        // The reason is the same for all of them and is said once.
        level = self->exit_code == EXIT_CODE_CONFIG && child->role != ROLE_API ? LOG_LEVEL_DEBUG
                                                                               : LOG_LEVEL_ERROR;
        (void)snprintf(event, sizeof event, "%s.refused", role);
        break;
    case PROCESS_ENDS:
        return; // none
    }
    log_write(level, event,
              "child=%d slot=%d name=\"%s\" exit=\"%s\" job_id=%lld job_type=\"%s\" lived_ms=%lld "
              "cpu_ms=%lld max_rss_kib=%lld "
              "note=\"%s\"",
              (int)child->pid, child->slot, supervisor_child_name(self, child), how, job_id,
              job_type, (long long)(now - child->spawned_at), (long long)(child->cpu_us / 1000),
              (long long)(child->max_rss_bytes / 1024), note);
}

static void count_end(Supervisor *self, const Child *child, const Death *death)
{
    SupervisorCounters *counters = &scoreboard_header(self->shared.board)->supervisor;
    counter_add(&counters->ends[child->role][restart_policy_judge(death)], 1);
}

void reap_everything(Supervisor *self)
{
    // Without a filter the sweep also notices children that /proc hides from this user.
    size_t left = proc_sweep(self->inherited_count > 0 ? is_inherited : NULL, self, LAST_SWEEP_MS);
    if (left > 0) {
        log_error("orphans.unkillable", "count=%zu", left);
    }
    for (int i = 0; i < self->child_count; i++) {
        self->children[i].life = CHILD_NONE;
    }
}
