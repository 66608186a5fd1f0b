// SPDX-License-Identifier: MIT
// Reaper: see the header.
#include "reaper/reaper.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/fault_point.h"
#include "common/base/inherited_fd.h"
#include "reaper/configured.h"
#include "reaper/duties.h"
#include "reaper/lineage.h"
#include "reaper/node.h"
#include "reaper/rescue.h"
#include "reaper/session.h"
#include "reaper/settle.h"
#include "reaper/wake.h"
#include "sql_queries.h"

enum {
    IDLE_RECHECK_MS = 30,    // after announcing idleness: for enqueues that had looked just before
    NOTIFICATIONS_MANY = 64, // a reading that brings so many is followed by another,
    NOTIFICATIONS_MOST = 20000, // until they are so many
    BUSY_PATIENCE_MS = 1000,    // all workers busy for so long: enqueuers need not notify any more
    RETRY_MIN_MS = 100,         // after an error, doubling
    RETRY_MAX_MS = 1000
};

static void bind_queues(Reaper *self)
{
    db_array_begin(&self->queues, DB_ELEMENT_TEXT);
    for (size_t i = 0; i < self->config->pool_count; i++) {
        const StringList *queues = &self->config->pools[i].queues;
        for (size_t j = 0; j < queues->count; j++) {
            db_array_add_text(&self->queues, queues->items[j]);
        }
    }
}

static int64_t statement_limit(int64_t self_fence_ms)
{
    int64_t limit_ms = self_fence_ms / 4;
    if (limit_ms > REAPER_STATEMENT_MAX_MS) {
        return REAPER_STATEMENT_MAX_MS;
    }
    return limit_ms > REAPER_STATEMENT_MIN_MS ? limit_ms : REAPER_STATEMENT_MIN_MS;
}

void reaper_init(Reaper *self, const Config *config, Scoreboard *board)
{
    memset(self, 0, sizeof *self);
    self->config = config;
    self->board = board;
    self->header = scoreboard_header(board);
    atomic_store(&self->header->claim_pace_ms, 0); // of the reaper before
    self->next_due_at = INT64_MAX;
    self->recheck_at = INT64_MAX;
    self->wanted_at = INT64_MAX;
    self->statement_ms = statement_limit(config->self_fence_ms);
    // After a restart of the reaper alone the node goes on under its id.
    self->node_id = atomic_load(&self->header->node_id);
    self->has_served = self->node_id != 0;
    bind_queues(self);
    lineage_begin(self);
}

void reaper_deinit(Reaper *self)
{
    db_array_free(&self->queues);
    db_close(self->db);
    self->db = NULL;
}

void reaper_end(Reaper *self, ExitCode code)
{
    self->is_leaving = true;
    self->exit_code = code;
}

void reaper_want_poll(Reaper *self, int64_t at)
{
    if (at < self->wanted_at) {
        self->wanted_at = at;
    }
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t earliest(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

void reaper_on_wake(Reaper *self, uint64_t sum)
{
    if (sum >= WAKE_FULL_BATCH) {
        wake_workers(self, NULL, 1);
    }
    self->next_scan_at = 0;
}

static void on_notification(Reaper *self, const char *payload)
{
    static const char work[] = "work:";
    int64_t now = clock_boot_ms();
    if (strncmp(payload, work, sizeof work - 1) != 0) { // due, cancel
        reaper_want_poll(self, later(now, self->polled_at + REAPER_WANTED_MS));
        return;
    }
    wake_on_call(self, payload + sizeof work - 1, now);
    if (self->open_epochs > 0) {
        // It may have come from an enqueuer whose place the frontier has passed.
        reaper_want_poll(self, later(now, self->ticked_at + REAPER_TICK_MS));
    }
}

static int take_notifications(Reaper *self)
{
    int taken = 0;
    for (PGnotify *note; (note = PQnotifies(db_conn(self->db))) != NULL; taken++) {
        on_notification(self, note->extra);
        PQfreemem(note);
    }
    counter_add(&self->header->reaper.notifications, (uint64_t)taken);
    return taken;
}

// All that has come: the server answers nothing else before it is rid of it.
void reaper_on_database(Reaper *self)
{
    int all = 0;
    for (int taken = NOTIFICATIONS_MANY; taken >= NOTIFICATIONS_MANY && all < NOTIFICATIONS_MOST;
         all += taken) {
        if (self->db == NULL) {
            return;
        }
        PGconn *conn = db_conn(self->db);
        if (PQconsumeInput(conn) == 0 || PQstatus(conn) != CONNECTION_OK) {
            session_drop(self, PQerrorMessage(conn));
            return;
        }
        taken = take_notifications(self);
    }
    self->deaf_until = notify_pace_read(&self->notify_pace, all, clock_boot_ms());
}

// Nobody announces work behind a pooler. Where some has come more is likely to, so it is looked for soon, and then ever more
// seldom, until the regular poll is as soon.
static void follow_work(Reaper *self, int64_t now)
{
    uint64_t done = wake_done_count(self);
    if (done != self->done_seen) {
        self->done_seen = done;
        self->follow_ms = REAPER_FOLLOW_MS;
        reaper_want_poll(self, now + REAPER_FOLLOW_MS);
    }
}

// Idleness is announced at once, business only when it lasts: flips cost a commit each.
static Status announce_idleness(Reaper *self, int64_t now)
{
    bool has_idle = wake_idle_count(self) > 0;
    if (has_idle && db_is_pooled(self->db)) {
        follow_work(self, now);
    }
    if (has_idle) {
        self->busy_since = 0;
    } else if (self->busy_since == 0) {
        self->busy_since = now;
    }
    bool wanted = has_idle || (self->is_idle && now - self->busy_since < BUSY_PATIENCE_MS);
    wanted = wanted && !wake_is_flooded(self) && !db_is_pooled(self->db); // nobody listens there
    if (wanted == self->is_idle && self->is_idle_known) {
        return STATUS_OK;
    }
    DbParams params;
    db_params_init(&params);
    db_param_int(&params, self->node_id);
    db_param_bool(&params, wanted);
    TRY(db_exec(self->db, &SQL_set_idle, &params, self->statement_ms, NULL));
    FAULT_POINT(idle_announced);
    self->is_idle = wanted;
    self->is_idle_known = true;
    atomic_store(&self->header->idle_announced, wanted ? 1 : 0);
    if (wanted) {
        reaper_want_poll(self, now); // what came between the last empty claim and the announcement
        self->recheck_at = now + IDLE_RECHECK_MS;
    }
    return STATUS_OK;
}

static Status first_failure(Status before, Status status)
{
    return before != STATUS_OK ? before : status;
}

// --- what a registered node does, most urgent first; each sees for itself whether it is due

static Status look_at_slots(Reaper *self, int64_t now)
{
    if (now < self->next_scan_at) {
        return STATUS_OK;
    }
    self->next_scan_at = now + REAPER_SCAN_MS;
    Status status = settle_dead_slots(self, false);
    if (!db_is_lost(self->db) && self->node_id != 0) {
        status = first_failure(status, rescue_batches(self));
    }
    if (!db_is_lost(self->db) && self->node_id != 0) {
        status = first_failure(status, announce_idleness(self, now));
    }
    return status;
}

static Status wake(Reaper *self, int64_t now)
{
    wake_in_flood(self, now);
    return STATUS_OK;
}

static Status promote(Reaper *self, int64_t now)
{
    return now >= self->next_due_at && self->is_leader ? duties_promote(self) : STATUS_OK;
}

static Status poll(Reaper *self, int64_t now)
{
    bool is_due = now >= self->next_poll_at || now >= self->recheck_at || now >= self->wanted_at;
    return is_due ? duties_poll(self, now) : STATUS_OK;
}

static Status apply(Reaper *self, int64_t now)
{
    return now >= self->next_apply_at ? configured_apply(self, now) : STATUS_OK;
}

// Who wants short leases wants them judged soon.
static int64_t watch_pace(int64_t lease_ms)
{
    enum { LOOKS_IN_A_LEASE = 30 };
    return earliest(REAPER_WATCH_MAX_MS, later(REAPER_WATCH_MIN_MS, lease_ms / LOOKS_IN_A_LEASE));
}

static Status watch(Reaper *self, int64_t now)
{
    if (now < self->next_watch_at) {
        return STATUS_OK;
    }
    self->next_watch_at = now + watch_pace(self->config->lease_ms);
    return node_watch_others(self);
}

static Status end_unknown(Reaper *self, int64_t now)
{
    if (now < self->next_unknown_at) {
        return STATUS_OK;
    }
    self->next_unknown_at = now + REAPER_UNKNOWN_MS;
    return node_end_unknown_workers(self);
}

static Status tidy(Reaper *self, int64_t now)
{
    if (now < self->next_tidy_at || !self->is_leader) {
        return STATUS_OK;
    }
    self->next_tidy_at = now + REAPER_TIDY_MS;
    return duties_tidy(self);
}

static Status look_for_horizon(Reaper *self, int64_t now)
{
    if (now < self->next_horizon_at || !self->is_leader) {
        return STATUS_OK;
    }
    self->next_horizon_at = now + REAPER_HORIZON_MS;
    return horizon_look(self, now);
}

// One that fails does not keep the others from being done, as long as there is a connection and a node.
static Status serve(Reaper *self)
{
    static Status (*const duties[REAPER_DUTIES])(Reaper *, int64_t) = {
        [DUTY_WAKE] = wake,
        [DUTY_SLOTS] = look_at_slots,
        [DUTY_PROMOTE] = promote,
        [DUTY_POLL] = poll,
        [DUTY_APPLY] = apply,
        [DUTY_WATCH] = watch,
        [DUTY_UNKNOWN] = end_unknown,
        [DUTY_TIDY] = tidy,
        [DUTY_HORIZON] = look_for_horizon,
    };
    Status worst = STATUS_OK;
    for (int i = 0; i < REAPER_DUTIES; i++) {
        const int64_t began_us = clock_boot_us();
        worst = first_failure(worst, duties[i](self, began_us / 1000));
        counter_add(&self->header->reaper.duty_us[i], (uint64_t)(clock_boot_us() - began_us));
        if (db_is_lost(self->db) || self->node_id == 0) {
            return worst;
        }
        TRY(node_keep_lease(self));
    }
    return worst;
}

// --- turns

static Status begin_node(Reaper *self)
{
    Status settled = settle_dead_slots(self, false);
    if (settled != STATUS_OK || !settle_is_complete(self)) {
        return settled; // the old incarnation's workers are being ended
    }
    Status status = node_register(self);
    if (status == STATUS_REFUSED) {
        reaper_end(self, EXIT_CODE_CONFIG);
    }
    return status == STATUS_RETRY ? STATUS_OK : status;
}

static Status turn(Reaper *self, int64_t now)
{
    if (self->db != NULL && now >= self->next_scan_at && lineage_is_left_behind(self)) {
        session_drop(self, "a worker has met a later primary");
    }
    if (self->db == NULL) {
        session_connect(self, now);
    }
    if (self->db == NULL) {
        return STATUS_OK;
    }
    if (self->node_id != 0 && now > atomic_load(&self->header->lease_until)) {
        node_give_up(self, "its lease ran out");
    }
    TRY(node_keep_lease(self));
    if (now < self->retry_at) {
        return STATUS_OK;
    }
    if (!self->is_prepared) {
        TRY(session_prepare(self));
    }
    return self->node_id != 0 ? serve(self) : begin_node(self);
}

// An error that comes again at once, whatever it is, must not fill the log and the server: a lost connection is paced by
// REAPER_RECONNECT_MS, all else here.
static void note_failure(Reaper *self)
{
    if (db_is_lost(self->db)) {
        session_drop(self, db_error_message(self->db));
        return;
    }
    int64_t pause_ms = (int64_t)RETRY_MIN_MS << self->failures;
    if (pause_ms >= RETRY_MAX_MS) {
        pause_ms = RETRY_MAX_MS;
    } else {
        self->failures++;
    }
    self->retry_at = clock_boot_ms() + pause_ms;
}

static int64_t next_turn(const Reaper *self, int64_t now)
{
    if (self->db == NULL) {
        return earliest(self->next_connect_at, now + REAPER_RECONNECT_MS);
    }
    if (now < self->retry_at) {
        return self->node_id != 0 ? earliest(self->next_heartbeat_at, self->retry_at)
                                  : self->retry_at;
    }
    if (self->node_id == 0) {
        return now + NODE_CONFLICT_LOOK_MS;
    }
    int64_t next =
        earliest(self->next_heartbeat_at, earliest(self->next_poll_at, self->next_scan_at));
    next = earliest(next, earliest(self->next_watch_at, self->recheck_at));
    next = earliest(next, earliest(self->wanted_at, self->next_apply_at));
    next = earliest(next, wake_next_turn(self));
    return self->is_leader ? earliest(next, self->next_due_at) : next;
}

int64_t reaper_turn(Reaper *self, int64_t now)
{
    Slot *own = scoreboard_slot(self->board, 0);
    atomic_store(&own->changed_at, now); // proof of life, also while the database is away
    if (turn(self, now) != STATUS_OK) {
        note_failure(self);
    } else if (now >= self->retry_at) {
        self->failures = 0;
    }
    reaper_on_database(self); // what came with an answer is not announced by the socket
    int64_t after = clock_boot_ms();
    atomic_store(&own->changed_at, after);
    if (self->node_id != 0) {
        atomic_store(&own->state, SLOT_RUNNING);
    }
    int64_t next = next_turn(self, after);
    bool is_deaf = self->db != NULL && self->deaf_until != 0;
    return is_deaf ? earliest(next, self->deaf_until) : next;
}
