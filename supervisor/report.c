// SPDX-License-Identifier: MIT
// Report: see report.h.
#include "supervisor/report.h"

#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "supervisor/stop.h"
#include "supervisor/watchdog_policy.h"

enum { WAITING_BYTES = 128 };

typedef struct Census {
    int ready; // workers past SLOT_STARTING
    int wanted;
    int degraded;   // pools
    bool all_pools; // each pool has a ready worker, or is given up for now
} Census;

static Census count_workers(const Supervisor *self);
static int ready_workers(const Supervisor *self, int service);
static void report_ready(Supervisor *self, const Census *census, int64_t now);
static void extend_start(Supervisor *self, int64_t now);
static void report_status(Supervisor *self, const Census *census, int64_t now);
static void feed_watchdog(Supervisor *self, int64_t now);
static bool makes_progress(const Supervisor *self, int64_t now);
static void describe_waiting(const Supervisor *self, int64_t now, char out[WAITING_BYTES]);

void report_state(Supervisor *self, int64_t now)
{
    Census census = count_workers(self);

    report_ready(self, &census, now);
    report_status(self, &census, now);
    feed_watchdog(self, now);
}

static Census count_workers(const Supervisor *self)
{
    Census census = {.all_pools = true};
    for (int i = 0; i < self->services.count; i++) {
        const Service *service = &self->services.rows[i];
        if (service->role != ROLE_WORKER) {
            continue;
        }
        int ready = ready_workers(self, i);
        census.ready += ready;
        census.wanted += service->count;
        census.degraded += service->restart.degraded ? 1 : 0;
        // One broken pool must not keep the others from being called a running service.
        census.all_pools = census.all_pools && (ready > 0 || service->restart.degraded);
    }
    return census;
}

static int ready_workers(const Supervisor *self, int service)
{
    int ready = 0;
    for (int i = 0; i < self->child_count; i++) {
        const Child *child = &self->children[i];
        ready += child->life == CHILD_ALIVE && child->service == service && child->is_ready;
    }
    return ready;
}

// Whoever is told that gangerd is ready may send a request. But jobs run without the API, too: one that does not come is not waited
// for.
static bool is_api_awaited(Supervisor *self, int64_t now)
{
    int service = service_table_find(&self->services, ROLE_API, "");
    const Child *api = supervisor_api(self);

    if (service < 0 || self->services.rows[service].restart.degraded) {
        return false;
    }
    return api->life != CHILD_ALIVE ||
           (!api->is_ready && now - api->spawned_at < SUPERVISOR_API_READY_MS);
}

static void report_ready(Supervisor *self, const Census *census, int64_t now)
{
    if (self->phase != SHUTDOWN_NONE) {
        return;
    }
    if (!self->is_ready && supervisor_may_work(self, now) && census->all_pools &&
        !is_api_awaited(self, now)) {
        self->is_ready = true;
        self->owes_ready = true;
        log_info("supervisor.ready", "node=\"%s\" workers=%d", self->config->node_name,
                 census->wanted);
    }
    if (self->is_ready && self->owes_ready) {
        self->owes_ready = !sd_notify_send(&self->notify, "READY=1\n");
    } else if (!self->is_ready) {
        extend_start(self, now);
    }
}

// While the database is away gangerd waits for it, however long: systemd must not end it for being late.
static void extend_start(Supervisor *self, int64_t now)
{
    bool is_due = self->extended_at == 0 || now - self->extended_at >= SUPERVISOR_TICK_MS;
    if (is_due && sd_notify_send(&self->notify, "EXTEND_TIMEOUT_USEC=%lld\n",
                                 (long long)SUPERVISOR_EXTEND_MS * 1000)) {
        self->extended_at = now;
    }
}

static void report_status(Supervisor *self, const Census *census, int64_t now)
{
    char text[SUPERVISOR_STATUS_BYTES] = "";
    char waiting[WAITING_BYTES];
    const char *what = "running";

    if (self->phase != SHUTDOWN_NONE) {
        what = shutdown_plan_name(self->phase);
    } else if (atomic_load(&scoreboard_header(self->shared.board)->node_id) == 0) {
        what = "waiting for the database";
    } else if (self->is_fenced) {
        what = "fenced: no answer from the database";
    } else if (self->is_quiet) {
        what = "quiet";
    }
    describe_waiting(self, now, waiting);
    (void)snprintf(text, sizeof text, "%s, %d of %d workers ready, %d pools degraded%s", what,
                   census->ready, census->wanted, census->degraded, waiting);
    if (strcmp(text, self->status) != 0 && sd_notify_send(&self->notify, "STATUS=%s\n", text)) {
        memcpy(self->status, text, sizeof text);
    }
}

static void feed_watchdog(Supervisor *self, int64_t now)
{
    int64_t interval = self->notify.watchdog_ms;

    if (interval == 0) {
        return;
    }
    // Not taken is not fed: the next tick tries again.
    if (now - self->fed_at >= interval && makes_progress(self, now) &&
        sd_notify_send(&self->notify, "WATCHDOG=1\n")) {
        self->fed_at = now;
    }
    // While it is withheld, the next try must not be in the past.
    int64_t due_at = self->fed_at + interval;
    supervisor_look_by(self, due_at > now ? due_at : now + interval);
}

// A worker that hangs is killed, so what is left to complain about is one that SIGKILL does not end.
static bool makes_progress(const Supervisor *self, int64_t now)
{
    for (int i = 0; i < self->child_count; i++) {
        const Child *child = &self->children[i];
        if (child->life == CHILD_ALIVE && child->killed != STOP_NONE &&
            now - child->killed_at >= WATCHDOG_UNKILLABLE_MS) {
            return false;
        }
    }
    return true;
}

// The killed child that has been longest in dying, once that is no matter of milliseconds any more.
static const Child *find_unkillable(const Supervisor *self, int64_t now)
{
    const Child *oldest = NULL;
    for (int i = 0; i < self->child_count; i++) {
        const Child *child = &self->children[i];
        if (child->life == CHILD_ALIVE && child->killed != STOP_NONE &&
            now - child->killed_at >= STOP_KILL_AGAIN_MS &&
            (oldest == NULL || child->killed_at < oldest->killed_at)) {
            oldest = child;
        }
    }
    return oldest;
}

static void describe_waiting(const Supervisor *self, int64_t now, char out[WAITING_BYTES])
{
    const Child *child = find_unkillable(self, now);

    out[0] = '\0';
    if (child != NULL) {
        (void)snprintf(out, WAITING_BYTES, ", waiting for the killed process %d (%s) to end",
                       (int)child->pid, supervisor_child_name(self, child));
    }
}
