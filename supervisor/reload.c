// SPDX-License-Identifier: MIT
// Reload: see reload.h.
#include "supervisor/reload.h"

#include <signal.h>
#include <string.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/fault_point.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "supervisor/spawn.h"

static const char SHORT_OF_MEMORY[] = "memory is short";

static const char *find_objection(Supervisor *self, const Config *next);
static void put_in_force(Supervisor *self, Config *next);
static void renew_api(Supervisor *self);

void reload_config(Supervisor *self)
{
    StrBuf errors = {0};
    Config *next = NULL;

    // MONOTONIC_USEC is CLOCK_MONOTONIC; systemd compares it with its own reading.
    struct timespec monotonic = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &monotonic);
    (void)sd_notify_send(&self->notify, "RELOADING=1\nMONOTONIC_USEC=%lld\n",
                         (long long)monotonic.tv_sec * 1000000 + monotonic.tv_nsec / 1000);
    self->owes_ready = true;

    const bool has_room = mem_reserve(SUPERVISOR_RESERVE_BYTES); // it may have been used since
    Status status = has_room ? config_reload(&next, self->config, &errors) : STATUS_FATAL;
    bool is_good = status == STATUS_OK;
    log_lines(is_good ? LOG_LEVEL_WARN : LOG_LEVEL_ERROR, "config.reload", errors.text);
    strbuf_free(&errors);
    const char *reason = is_good    ? find_objection(self, next)
                         : has_room ? "the new file was refused"
                                    : SHORT_OF_MEMORY;
    if (reason == NULL && shared_set_config(&self->shared, next) != STATUS_OK) {
        reason = "it cannot be handed to children";
    }
    if (reason == NULL) {
        FAULT_POINT(supervisor_before_reload);
        put_in_force(self, next);
        FAULT_POINT(supervisor_after_reload);
        return;
    }
    config_destroy(next);
    log_error("config.kept", "version=%d reason=\"%s: the old configuration stays in force\"",
              self->config_version, reason);
}

// Why a good file cannot be put in force, NULL = it can. The details are logged.
static const char *find_objection(Supervisor *self, const Config *next)
{
    StrBuf why = {0};
    ServiceTable services;

    int conflicts = config_reload_conflicts(self->config, next, &why);
    if (conflicts > 0) {
        log_error("config.needs_restart", "options=%d", conflicts);
        log_lines(LOG_LEVEL_ERROR, "config.needs_restart", why.text);
    }
    strbuf_free(&why);

    service_table_init(&services, next, false);
    int workers = service_table_worker_count(&services);
    service_table_deinit(&services);
    if (conflicts > 0) {
        return "an option that needs a restart was changed";
    }
    int room = self->shared.slot_count - SCOREBOARD_OTHER_SLOTS - 1;
    if (workers > room) {
        log_error("config.needs_restart", "workers=%d room=%d", workers, room);
        return "more workers need a restart";
    }
    if (next->has_http && spawn_find_api(self) != STATUS_OK) {
        return "the program of the HTTP API is missing";
    }
    return mem_is_short() ? SHORT_OF_MEMORY : NULL;
}

static void put_in_force(Supervisor *self, Config *next)
{
    ServiceTable services;

    service_table_init(&services, next, self->options.postgres.bin != NULL);
    service_table_inherit(&services, &self->services);
    for (int i = 0; i < self->child_count; i++) {
        Child *child = &self->children[i];
        if (child->life != CHILD_NONE && child->service >= 0) {
            child->service = service_table_find(&services, child->role,
                                                self->services.rows[child->service].name);
        }
    }
    service_table_deinit(&self->services);
    config_destroy(self->config);
    self->services = services;
    self->config = next;
    self->config_version++;
    log_init("supervisor", next->log_format, next->log_level);

    const Child *reaper = supervisor_find_role(self, ROLE_REAPER);
    if (reaper != NULL) {
        (void)kill(reaper->pid, SIGHUP);
    }
    renew_api(self);
    log_info("config.reloaded", "version=%d", self->config_version);
}

// It answers what it has begun, and leaves; its successor, when there shall be one, reads the new configuration.
static void renew_api(Supervisor *self)
{
    Child *api = supervisor_api(self);

    if (api->life != CHILD_ALIVE || api->is_draining) {
        return;
    }
    api->is_draining = api->service < 0;
    api->leave_by = clock_boot_ms() + SUPERVISOR_API_LEAVE_MS;
    (void)kill(api->pid, api->service < 0 ? SIGTERM : SIGHUP);
}
