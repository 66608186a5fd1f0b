// SPDX-License-Identifier: MIT
// Spawn: see spawn.h.
#include "supervisor/spawn.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/fault_point.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/paths.h"
#include "supervisor/postgres.h"
#include "supervisor/stop.h"

enum { ARG_BYTES = 16, FORK_RETRY_MS = 1000, FREE_SLOT_RETRY_MS = 50 };

typedef struct PoolCount {
    int live;     // not draining
    int unproven; // of these
    int starting; // of these
} PoolCount;

static Status find_program(Supervisor *self, Role role, LogLevel level);
static PoolCount count_pool(const Supervisor *self, int service);
static bool may_start(Supervisor *self, const Service *service, int64_t now);
static Child *find_free(Supervisor *self, Role role);
static bool start_one(Supervisor *self, int service, int64_t now);
static pid_t start_postgres(Supervisor *self);
static pid_t start_slot(Supervisor *self, Child *child, const Service *service, int64_t now);
static void reset_slot(Supervisor *self, Child *child, const Service *service, int64_t now);

Status spawn_find_programs(Supervisor *self)
{
    TRY(find_program(self, ROLE_REAPER, LOG_LEVEL_FATAL));
    TRY(find_program(self, ROLE_WORKER, LOG_LEVEL_FATAL));
    return self->config->has_http ? find_program(self, ROLE_API, LOG_LEVEL_FATAL) : STATUS_OK;
}

Status spawn_find_api(Supervisor *self)
{
    bool is_known = self->role_program[ROLE_API] != NULL;
    return is_known ? STATUS_OK : find_program(self, ROLE_API, LOG_LEVEL_ERROR);
}

static Status find_program(Supervisor *self, Role role, LogLevel level)
{
    const RoleRow *row = &ROLE_TABLE[role];
    const char *named = getenv(row->override);
    char *program = named != NULL ? mem_strdup(named) : path_program(row->program);

    if (program == NULL) {
        log_write(level, "program.missing",
                  "program=%s mend=\"install it beside gangerd or in ../libexec/ganger\"",
                  row->program);
        return STATUS_REFUSED;
    }
    if (access(program, X_OK) != 0) {
        log_write(level, "program.missing", "program=\"%s\" error=\"not an executable file\"",
                  program);
        free(program);
        return STATUS_REFUSED;
    }
    self->role_program[role] = program;
    return STATUS_OK;
}

void spawn_missing(Supervisor *self, int64_t now)
{
    for (int i = 0; i < self->services.count; i++) {
        const Service *service = &self->services.rows[i];
        PoolCount pool = count_pool(self, i);
        int missing = service->count - pool.live;
        if (missing <= 0 || !may_start(self, service, now)) {
            continue;
        }
        int allowed = restart_policy_allowed(&service->restart, now, missing, pool.unproven);
        if (allowed == 0 && now < service->restart.next_at) {
            supervisor_look_by(self, service->restart.next_at);
        }
        while (allowed-- > 0 && start_one(self, i, now)) {
        }
    }
}

static PoolCount count_pool(const Supervisor *self, int service)
{
    PoolCount count = {0};
    for (int i = 0; i < self->child_count; i++) {
        const Child *child = &self->children[i];
        if (child->life == CHILD_NONE || child->service != service || child->is_draining) {
            continue;
        }
        count.live++;
        count.unproven += child->is_proven ? 0 : 1;
        count.starting += child->is_ready ? 0 : 1;
    }
    return count;
}

static bool may_start(Supervisor *self, const Service *service, int64_t now)
{
    switch (service->role) {
    case ROLE_POSTGRES:
        return self->phase < SHUTDOWN_POSTGRES;
    case ROLE_REAPER:
        return self->phase < SHUTDOWN_REAPER && postgres_is_ready(self, now);
    case ROLE_API: // it answers without a database, too: that there is none
        return self->phase < SHUTDOWN_API && postgres_is_ready(self, now);
    case ROLE_WORKER:
        return self->phase == SHUTDOWN_NONE && supervisor_may_work(self, now);
    case ROLE_COUNT:
        break;
    }
    return false;
}

static bool start_one(Supervisor *self, int service_index, int64_t now)
{
    const Service *service = &self->services.rows[service_index];
    Child *child = find_free(self, service->role);
    if (child == NULL) {
        // Every slot waits to be settled: the database is behind, and more workers would not help it. Or the API is leaving.
        supervisor_look_by(self, now + FREE_SLOT_RETRY_MS);
        return false;
    }

    unsigned generation = child->generation + 1;
    int slot = child->slot;
    *child = (Child){.role = service->role,
                     .slot = slot,
                     .service = service_index,
                     .generation = generation,
                     .config_version = self->config_version,
                     .spawned_at = now,
                     .sign = {.spawned_at = now}};
    child->node_id = atomic_load(&scoreboard_header(self->shared.board)->node_id);
    FAULT_POINT(supervisor_before_spawn);
    if (FAULT_ERROR(spawn)) {
        child->pid = -1;
    } else {
        child->pid = service->role == ROLE_POSTGRES ? start_postgres(self)
                                                    : start_slot(self, child, service, now);
    }
    if (child->pid < 0) {
        child->pid = 0;
        supervisor_look_by(self, now + FORK_RETRY_MS);
        return false;
    }
    child->life = CHILD_ALIVE;
    counter_add(&scoreboard_header(self->shared.board)->supervisor.starts[child->role], 1);
    FAULT_POINT(supervisor_after_spawn);
    log_info("child.spawn", "child=%d child_role=%s slot=%d name=\"%s\"", (int)child->pid,
             process_role_name(child->role), child->slot, service->name);
    return true;
}

static Child *find_free(Supervisor *self, Role role)
{
    if (role == ROLE_POSTGRES) {
        return &self->children[self->shared.slot_count];
    }
    if (role == ROLE_REAPER) {
        return &self->children[0];
    }
    if (role == ROLE_API) { // one that is leaving is waited for
        Child *child = supervisor_api(self);
        return child->life == CHILD_NONE ? child : NULL;
    }
    for (int i = 1; i < scoreboard_api_slot(self->shared.board); i++) {
        Child *child = &self->children[i];
        const Slot *slot = supervisor_slot(self, child);
        if (child->life != CHILD_NONE) {
            continue;
        }
        if (atomic_load(&slot->life) == SLOT_FREE ||
            atomic_load(&slot->settled_generation) == atomic_load(&slot->generation)) {
            return child;
        }
    }
    return NULL;
}

static pid_t start_postgres(Supervisor *self)
{
    char **argv = postgres_argv(&self->options.postgres);
    char *log_path = mem_printf("%s/server.log", self->options.postgres.data);
    ChildPlan *plan = &self->plan;

    plan->program = argv[0];
    plan->argv = argv;
    plan->user = &self->postgres_user;
    plan->output_path = log_path;
    plan->death_signal = ROLE_TABLE[ROLE_POSTGRES].death_signal;
    plan->oom_score_adj = ROLE_TABLE[ROLE_POSTGRES].oom_score_adj;
    plan->files = &self->shared.files;
    child_plan_fds(plan, ROLE_POSTGRES, -1, &self->shared);
    pid_t pid = child_spawn(plan);
    free(log_path);
    postgres_argv_free(argv);
    return pid;
}

static pid_t start_slot(Supervisor *self, Child *child, const Service *service, int64_t now)
{
    static char slot_option[] = "--slot";
    static char generation_option[] = "--generation";
    char slot_text[ARG_BYTES];
    char generation_text[ARG_BYTES];
    char *argv[] = {self->role_program[service->role],
                    slot_option,
                    slot_text,
                    generation_option,
                    generation_text,
                    NULL};
    ChildPlan *plan = &self->plan;
    Slot *slot = supervisor_slot(self, child);

    (void)snprintf(slot_text, sizeof slot_text, "%d", child->slot);
    (void)snprintf(generation_text, sizeof generation_text, "%u", child->generation);
    plan->program = argv[0];
    plan->argv = argv;
    plan->user = &self->user;
    plan->output_path = NULL;
    plan->death_signal = ROLE_TABLE[service->role].death_signal;
    plan->oom_score_adj = ROLE_TABLE[service->role].oom_score_adj;
    plan->files = &self->shared.files;
    child_plan_fds(plan, service->role, child->slot, &self->shared);

    reset_slot(self, child, service, now);
    pid_t pid = child_spawn(plan);
    if (pid > 0) {
        atomic_store(&slot->pid, pid);
        atomic_store(&slot->life, SLOT_SPAWNED);
    }
    return pid;
}

// run_serial is not reset: serials that never come twice in a slot cannot be taken for one another, whatever
// the reaper still remembers of the slot's last child.
static void reset_slot(Supervisor *self, Child *child, const Service *service, int64_t now)
{
    Slot *slot = supervisor_slot(self, child);

    atomic_store(&slot->life, SLOT_FREE);
    atomic_store(&slot->generation, child->generation);
    atomic_store(&slot->pid, 0);
    atomic_store(&slot->command, self->is_quiet ? SLOT_QUIET : SLOT_GO);
    atomic_store(&slot->stop_serial, 0);
    atomic_store(&slot->stop_cause, STOP_NONE);
    atomic_store(&slot->kill_serial, 0);
    atomic_store(&slot->spawned_at, now);
    slot->pool = service->pool;
    slot->exit_status = 0;
    slot->cpu_us = 0;
    slot->max_rss_bytes = 0;
    atomic_store(&slot->cancel_serial, 0);
    atomic_store(&slot->unwanted_generation, 0);
    atomic_store(&slot->state, SLOT_STARTING);
    atomic_store(&slot->changed_at, now);
    atomic_store(&slot->worker_id, 0);
    atomic_store(&slot->run_index, 0);
    atomic_store(&slot->batch_count, 0);
    atomic_store(&slot->result_bytes, 0);
    atomic_store(&slot->log_length, 0);
    atomic_store(&slot->run_started_at, 0);
    atomic_store(&slot->run_soft_at, 0);
    atomic_store(&slot->run_grace_ms, 0);
    atomic_store(&slot->run_cpu_us, 0);
    atomic_store(&slot->jobs_done, 0);
    atomic_store(&slot->batch_started_at, 0);
    slot->job_type[0] = '\0';
    slot->note[0] = '\0';
    (void)shared_take_wakes(self->shared.slot_wake[child->slot]);
}

void spawn_replace_outdated(Supervisor *self)
{
    if (self->phase != SHUTDOWN_NONE) {
        return;
    }
    for (int i = 0; i < self->child_count; i++) {
        Child *child = &self->children[i];
        if (child->life != CHILD_ALIVE || child->role != ROLE_WORKER || child->is_draining) {
            continue;
        }
        if (child->service < 0) {
            stop_drain(self, child);
            continue;
        }
        const Service *service = &self->services.rows[child->service];
        PoolCount pool = count_pool(self, child->service);
        bool is_outdated = child->config_version != self->config_version &&
                           pool.live == service->count && pool.starting == 0;
        if (is_outdated || pool.live > service->count) {
            stop_drain(self, child);
        }
    }
}
