// SPDX-License-Identifier: MIT
// Supervisor: see supervisor.h.
//
// Signal and wake-up callbacks only take notes; everything happens in supervisor_step, which looks at all there is
// and computes when it is needed next. So no event can be lost, and no order of events is special.
#include "supervisor/supervisor.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/fault_point.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "supervisor/reap.h"
#include "supervisor/reload.h"
#include "supervisor/report.h"
#include "supervisor/spawn.h"
#include "supervisor/stop.h"

static void on_signal(struct ev_loop *loop, ev_signal *watcher, int events);
static void on_wake(struct ev_loop *loop, ev_io *watcher, int events);
static void on_timer(struct ev_loop *loop, ev_timer *watcher, int events);
static void make_children(Supervisor *self);
static void *allocate_for_loop(void *old, long bytes);
static Status make_loop(Supervisor *self);
static void obey(Supervisor *self);
static void advance_shutdown(Supervisor *self, int64_t now);
static ShutdownView view_shutdown(Supervisor *self, int64_t now);
static void enter_phase(Supervisor *self, ShutdownPhase phase, int64_t now);
static void signal_role(Supervisor *self, Role role, int number);
static void note_fence(Supervisor *self, int64_t now);
static void wait_for_start(Supervisor *self, int64_t now);
static void arm_timer(Supervisor *self, int64_t now);

Status supervisor_create(Supervisor **out, Config *config, const SupervisorOptions *options,
                         const User *user)
{
    Supervisor *self = mem_alloc(sizeof *self);

    *out = self;
    self->config = config;
    self->options = *options;
    self->user = *user;
    self->config_version = 1;
    sd_notify_init(&self->notify);
    service_table_init(&self->services, config, options->postgres.bin != NULL);
    int workers = service_table_worker_count(&self->services);
    if (workers > SCOREBOARD_WORKERS_MAX) {
        log_fatal("pools.too_many", "workers=%d limit=%d mend=\"lower pools.*.processes\"", workers,
                  (int)SCOREBOARD_WORKERS_MAX);
        return STATUS_REFUSED;
    }
    TRY(spawn_find_programs(self));
    if (options->postgres.bin != NULL) {
        TRY(user_find(&self->postgres_user, options->postgres.user));
    }
    TRY(shared_create(&self->shared, service_table_slots_for(workers)));
    TRY(shared_set_config(&self->shared, config));
    make_children(self);
    (void)mem_reserve(SUPERVISOR_RESERVE_BYTES);
    reap_note_inherited(self);
    return make_loop(self);
}

static void make_children(Supervisor *self)
{
    int slots = self->shared.slot_count;

    self->child_count = slots + 1;
    self->children = mem_alloc((size_t)self->child_count * sizeof(Child));
    for (int i = 0; i < slots; i++) {
        self->children[i].slot = i;
        self->children[i].role = i == 0 ? ROLE_REAPER : ROLE_WORKER;
    }
    supervisor_api(self)->role = ROLE_API;
    self->children[slots].slot = -1;
    self->children[slots].role = ROLE_POSTGRES;
}

// libev would abort. Size 0 gives the memory back.
static void *allocate_for_loop(void *old, long bytes)
{
    if (bytes == 0) {
        free(old);
        return NULL;
    }
    return mem_realloc(old, (size_t)bytes);
}

// Not the default loop: that one waits for every child on its own account, before the group of the dead one
// could be killed.
static Status make_loop(Supervisor *self)
{
    ev_set_allocator(allocate_for_loop);
    self->loop = ev_loop_new(EVFLAG_NOENV | EVFLAG_AUTO);
    if (self->loop == NULL) {
        log_fatal("loop.refused", "error=\"no event loop\"");
        return STATUS_FATAL;
    }
    for (int i = 0; i < SIGNAL_COUNT; i++) {
        ev_signal_init(&self->signals[i], on_signal, SIGNAL_TABLE[i].number);
        self->signals[i].data = self;
        ev_signal_start(self->loop, &self->signals[i]);
    }
    ev_io_init(&self->wake, on_wake, self->shared.supervisor_wake, EV_READ);
    self->wake.data = self;
    ev_io_start(self->loop, &self->wake);
    ev_timer_init(&self->timer, on_timer, 0., 0.);
    self->timer.data = self;
    return STATUS_OK;
}

void supervisor_destroy(Supervisor *self)
{
    if (self == NULL) {
        return;
    }
    if (self->loop != NULL) {
        for (int i = 0; i < SIGNAL_COUNT; i++) {
            ev_signal_stop(self->loop, &self->signals[i]);
        }
        ev_io_stop(self->loop, &self->wake);
        ev_timer_stop(self->loop, &self->timer);
        ev_loop_destroy(self->loop);
    }
    sd_notify_deinit(&self->notify);
    if (self->shared.slot_wake != NULL) {
        shared_destroy(&self->shared);
    }
    service_table_deinit(&self->services);
    for (int role = ROLE_REAPER; role < ROLE_COUNT; role++) {
        free(self->role_program[role]);
    }
    free(self->children);
    free(self->inherited);
    config_destroy(self->config);
    free(self);
}

ExitCode supervisor_run(Supervisor *self)
{
    log_info("supervisor.start", "node=\"%s\" workers=%d version=%s", self->config->node_name,
             service_table_worker_count(&self->services), GANGER_VERSION);
    supervisor_step(self);
    while (self->phase != SHUTDOWN_DONE) {
        ev_run(self->loop, EVRUN_ONCE);
        FAULT_POINT(supervisor_loop);
        supervisor_step(self);
    }
    FAULT_POINT(supervisor_before_exit);
    reap_everything(self);
    log_info("supervisor.exit", "code=%d", (int)self->exit_code);
    return self->exit_code;
}

void supervisor_step(Supervisor *self)
{
    ScoreboardHeader *header = scoreboard_header(self->shared.board);
    int64_t now = clock_boot_ms();

    // While we look, whoever sets an earlier deadline must wake us: it may be in a slot already passed.
    atomic_store(&header->supervisor_wakes_at, INT64_MAX);
    atomic_store(&header->supervisor_seen_at, now);
    self->look_at = now + SUPERVISOR_TICK_MS;

    reap_dead(self, now);
    obey(self);
    note_fence(self, now);
    stop_watch(self, now);
    advance_shutdown(self, now);
    spawn_replace_outdated(self);
    spawn_missing(self, now);
    wait_for_start(self, now);
    report_state(self, now);
    arm_timer(self, now);
}

static void on_signal(struct ev_loop *loop, ev_signal *watcher, int events)
{
    Supervisor *self = watcher->data;
    Wishes *wishes = &self->wishes;

    (void)loop;
    (void)events;
    switch (SIGNAL_TABLE[watcher - self->signals].wish) {
    case WISH_DRAIN:
        wishes->drains++;
        break;
    case WISH_STOP_NOW:
        wishes->stop_now = true;
        break;
    case WISH_RELOAD:
        wishes->reload = true;
        break;
    case WISH_REOPEN_LOGS:
        wishes->reopen_logs = true;
        break;
    case WISH_QUIET:
        wishes->quiet = true;
        break;
    case WISH_RESUME:
        wishes->resume = true;
        break;
    case WISH_REAP: // every step reaps
        break;
    }
}

static void on_wake(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)loop;
    (void)events;
    (void)shared_take_wakes(watcher->fd);
}

static void on_timer(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)loop;
    (void)watcher;
    (void)events;
}

static void obey(Supervisor *self)
{
    Wishes wishes = self->wishes;
    self->wishes = (Wishes){.drains = 0};

    if (wishes.reopen_logs) {
        log_info("log.reopened", "to=stderr");
    }
    if (wishes.stop_now) {
        supervisor_begin_shutdown(self, "QUIT", true, EXIT_CODE_OK);
    }
    for (; wishes.drains > 0; wishes.drains--) {
        supervisor_begin_shutdown(self, "TERM", self->phase != SHUTDOWN_NONE, EXIT_CODE_OK);
    }
    if (self->phase != SHUTDOWN_NONE) {
        return;
    }
    if (wishes.quiet && !self->is_quiet) {
        stop_set_quiet(self, true);
        log_info("supervisor.quiet", "on=true");
    }
    if (wishes.resume && self->is_quiet) {
        stop_set_quiet(self, false);
        log_info("supervisor.quiet", "on=false");
    }
    if (wishes.reload) {
        reload_config(self);
    }
}

void supervisor_begin_shutdown(Supervisor *self, const char *reason, bool hurry, ExitCode code)
{
    if (hurry && !self->hurry) {
        self->hurry = true;
        log_info("shutdown.now", "reason=\"%s\"", reason);
    }
    if (self->phase != SHUTDOWN_NONE) {
        return;
    }
    self->exit_code = code;
    log_info("shutdown.begin", "reason=\"%s\"", reason);
    (void)sd_notify_send(&self->notify, "STOPPING=1\n");
    enter_phase(self, SHUTDOWN_DRAIN, clock_boot_ms());
}

static void advance_shutdown(Supervisor *self, int64_t now)
{
    while (self->phase != SHUTDOWN_NONE && self->phase != SHUTDOWN_DONE) {
        ShutdownView view = view_shutdown(self, now);
        ShutdownStep step = shutdown_plan_step(self->phase, &view);
        if (step.phase == self->phase) {
            supervisor_look_by(self, step.look_at);
            if (self->phase == SHUTDOWN_SETTLE) { // nobody tells us when one is settled
                supervisor_look_by(self, now + SUPERVISOR_SOON_MS);
            }
            return;
        }
        enter_phase(self, step.phase, now);
    }
}

static ShutdownView view_shutdown(Supervisor *self, int64_t now)
{
    ShutdownView view = {.since = self->phase_since,
                         .now = now,
                         .hurry = self->hurry,
                         .api = supervisor_api(self)->life != CHILD_NONE,
                         .reaper = self->children[0].life != CHILD_NONE,
                         .postgres = self->children[self->shared.slot_count].life != CHILD_NONE,
                         .shutdown_timeout_ms = self->config->shutdown_timeout_ms,
                         .kill_grace_ms = self->config->kill_grace_ms};

    for (int i = 1; i < scoreboard_api_slot(self->shared.board); i++) {
        const Child *child = &self->children[i];
        const Slot *slot = supervisor_slot(self, child);
        view.workers += child->life != CHILD_NONE;
        view.unsettled += atomic_load(&slot->life) == SLOT_DEAD &&
                          atomic_load(&slot->settled_generation) != atomic_load(&slot->generation);
    }
    return view;
}

static void enter_phase(Supervisor *self, ShutdownPhase phase, int64_t now)
{
    log_debug("shutdown.phase", "from=%s to=%s", shutdown_plan_name(self->phase),
              shutdown_plan_name(phase));
    self->phase = phase;
    self->phase_since = now;
    switch (phase) {
    case SHUTDOWN_DRAIN:
        for (int i = 1; i < scoreboard_api_slot(self->shared.board); i++) {
            stop_drain(self, &self->children[i]);
        }
        break;
    case SHUTDOWN_STOP:
        stop_soft_all(self, now, self->config->kill_grace_ms);
        break;
    case SHUTDOWN_KILL:
        stop_kill_all(self, STOP_SHUTDOWN, now);
        break;
    case SHUTDOWN_SETTLE:
        shared_wake(self->shared.slot_wake[0]);
        break;
    case SHUTDOWN_API:
        signal_role(self, ROLE_API, SIGTERM);
        break;
    case SHUTDOWN_API_KILL:
        signal_role(self, ROLE_API, SIGKILL);
        break;
    case SHUTDOWN_REAPER:
        signal_role(self, ROLE_REAPER, SIGTERM);
        break;
    case SHUTDOWN_REAPER_KILL:
        signal_role(self, ROLE_REAPER, SIGKILL);
        break;
    case SHUTDOWN_POSTGRES:
        signal_role(self, ROLE_POSTGRES, SIGINT);
        break;
    case SHUTDOWN_POSTGRES_QUIT:
        signal_role(self, ROLE_POSTGRES, SIGQUIT);
        break;
    case SHUTDOWN_NONE:
    case SHUTDOWN_DONE:
    case SHUTDOWN_PHASE_COUNT:
        break;
    }
}

static void signal_role(Supervisor *self, Role role, int number)
{
    Child *child = supervisor_find_role(self, role);
    if (child != NULL) {
        child->is_draining = true;
        (void)kill(child->pid, number);
    }
}

static void note_fence(Supervisor *self, int64_t now)
{
    ScoreboardHeader *header = scoreboard_header(self->shared.board);
    bool is_fenced = atomic_load(&header->node_id) != 0 && !supervisor_may_work(self, now);

    if (is_fenced && !self->is_fenced) {
        log_error("node.fenced", "late_ms=%lld reason=\"the lease was not renewed in time\"",
                  (long long)(now - atomic_load(&header->lease_until)));
    } else if (!is_fenced && self->is_fenced) {
        log_info("node.unfenced", "node_id=%lld", (long long)atomic_load(&header->node_id));
    }
    self->is_fenced = is_fenced;
}

bool supervisor_may_work(Supervisor *self, int64_t now)
{
    ScoreboardHeader *header = scoreboard_header(self->shared.board);
    int64_t lease_until = atomic_load(&header->lease_until);

    if (atomic_load(&header->node_id) == 0 || now >= lease_until) {
        return false;
    }
    supervisor_look_by(self, lease_until);
    return true;
}

// Nobody tells us that the node is registered or a worker is ready; at first that is a matter of
// milliseconds, later of whole outages.
static void wait_for_start(Supervisor *self, int64_t now)
{
    if (self->phase != SHUTDOWN_NONE) {
        return;
    }
    for (int i = 0; i < self->child_count; i++) {
        const Child *child = &self->children[i];
        bool is_awaited =
            child->life == CHILD_ALIVE && child->role != ROLE_POSTGRES &&
            (!child->is_ready || (child->role == ROLE_REAPER && !supervisor_may_work(self, now)));
        if (is_awaited && now - child->spawned_at < SUPERVISOR_START_FAST_MS) {
            supervisor_look_by(self, now + SUPERVISOR_SOON_MS);
            return;
        }
    }
}

static void arm_timer(Supervisor *self, int64_t now)
{
    ScoreboardHeader *header = scoreboard_header(self->shared.board);
    int64_t look_at = self->look_at > now ? self->look_at : now;

    atomic_store(&header->supervisor_wakes_at, look_at);
    ev_timer_stop(self->loop, &self->timer);
    ev_now_update(self->loop);
    int64_t pause = look_at - clock_boot_ms();
    ev_timer_set(&self->timer, pause > 0 ? (double)pause / 1000. : 0., 0.);
    ev_timer_start(self->loop, &self->timer);
}

void supervisor_look_by(Supervisor *self, int64_t at)
{
    if (at < self->look_at) {
        self->look_at = at;
    }
}

Slot *supervisor_slot(Supervisor *self, const Child *child)
{
    return child->slot < 0 ? NULL : scoreboard_slot(self->shared.board, child->slot);
}

int64_t supervisor_job_of(Supervisor *self, const Child *child)
{
    const Slot *slot = child->role == ROLE_WORKER ? supervisor_slot(self, child) : NULL;
    if (slot == NULL || atomic_load(&slot->child_generation) != child->generation) {
        return 0;
    }
    int index = slot_running_index(slot);
    return index >= 0 ? slot->batch[index].job_id : 0;
}

Child *supervisor_find_role(Supervisor *self, Role role)
{
    for (int i = 0; i < self->child_count; i++) {
        Child *child = &self->children[i];
        if (child->life == CHILD_ALIVE && child->role == role) {
            return child;
        }
    }
    return NULL;
}

Child *supervisor_api(Supervisor *self)
{
    return &self->children[scoreboard_api_slot(self->shared.board)];
}

const char *supervisor_child_name(const Supervisor *self, const Child *child)
{
    return child->service >= 0 ? self->services.rows[child->service].name
                               : process_role_name(child->role);
}
