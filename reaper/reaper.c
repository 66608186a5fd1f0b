// SPDX-License-Identifier: MIT
// Reaper: see the header.
#include "reaper/reaper.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/inherited_fd.h"
#include "common/base/log.h"
#include "common/db/migrate.h"
#include "reaper/duties.h"
#include "reaper/node.h"
#include "reaper/rescue.h"
#include "reaper/settle.h"
#include "reaper/wake.h"
#include "sql_queries.h"

enum {
    IDLE_RECHECK_MS = 30,    // after announcing idleness: for enqueues that had looked just before
    BUSY_PATIENCE_MS = 1000, // all workers busy for so long: enqueuers need not notify any more
    LAST_DUTY_MS = 1500      // for the workers to end by themselves after the supervisor's death
};

static void bind_lists(Reaper *self)
{
    db_array_begin(&self->queues, DB_ELEMENT_TEXT);
    db_array_begin(&self->job_types, DB_ELEMENT_TEXT);
    for (size_t i = 0; i < self->config->pool_count; i++) {
        const StringList *queues = &self->config->pools[i].queues;
        for (size_t j = 0; j < queues->count; j++) {
            db_array_add_text(&self->queues, queues->items[j]);
        }
    }
    for (size_t i = 0; i < self->config->handler_count; i++) {
        db_array_add_text(&self->job_types, self->config->handlers[i].job_type);
    }
}

void reaper_init(Reaper *self, const Config *config, Scoreboard *board)
{
    memset(self, 0, sizeof *self);
    self->config = config;
    self->board = board;
    self->header = scoreboard_header(board);
    self->next_due_at = INT64_MAX;
    self->recheck_at = INT64_MAX;
    // After a restart of the reaper alone the node goes on under its id.
    self->node_id = atomic_load(&self->header->node_id);
    bind_lists(self);
}

void reaper_deinit(Reaper *self)
{
    db_array_free(&self->queues);
    db_array_free(&self->job_types);
    db_close(self->db);
    self->db = NULL;
}

void reaper_lost(Reaper *self)
{
    if (self->db == NULL || !db_is_lost(self->db)) {
        return; // an error of one call; the next turn tries again
    }
    log_warn("database.lost", "error=\"%s\"", db_error_message(self->db));
    db_close(self->db);
    self->db = NULL;
    self->is_prepared = false;
    self->next_connect_at = clock_boot_ms();
}

static void leave(Reaper *self, ExitCode code)
{
    self->is_leaving = true;
    self->exit_code = code;
}

static Status set_setting(Reaper *self, const char *name, int64_t ms)
{
    char value[48];
    (void)snprintf(value, sizeof value, "%" PRId64 " seconds", ms / 1000);
    DbParams params;
    db_params_init(&params);
    db_param_text(&params, name);
    db_param_text(&params, value);
    return db_exec(self->db, &SQL_set_setting, &params, REAPER_STATEMENT_MS, NULL);
}

static Status prepare_schema(Reaper *self)
{
    StrBuf why = {0};
    Status status = STATUS_OK;
    if (self->config->auto_migrate) {
        int applied = 0;
        status = migrate_up(self->db, &applied, &why);
        if (status == STATUS_OK && applied > 0) {
            log_info("schema.migrated", "migrations=%d", applied);
        }
    }
    if (status == STATUS_OK) {
        status = migrate_check(self->db, &why);
    }
    if (status == STATUS_REFUSED || status == STATUS_FATAL) {
        log_fatal("schema.mismatch", "reason=\"%s\"", why.text != NULL ? why.text : "");
        leave(self, EXIT_CODE_CONFIG);
    }
    strbuf_free(&why);
    return status;
}

static Status prepare(Reaper *self)
{
    TRY(prepare_schema(self));
    TRY(set_setting(self, "retention_completed", self->config->retention_completed_ms));
    TRY(set_setting(self, "retention_failed", self->config->retention_failed_ms));
    DbParams params;
    db_params_init(&params);
    if (!db_is_pooled(self->db)) {
        TRY(db_exec(self->db, &SQL_listen, &params, REAPER_STATEMENT_MS, NULL));
    }
    self->is_prepared = true;
    self->is_wanted = true; // what was announced while nobody listened
    return STATUS_OK;
}

static void connect_database(Reaper *self, int64_t now)
{
    if (now < self->next_connect_at) {
        return;
    }
    self->next_connect_at = now + REAPER_RECONNECT_MS;
    bool is_first = self->next_heartbeat_at == 0;
    if (db_open(&self->db, self->config->database_url, "ganger-reaper", DB_CONNECT_TIMEOUT_MS,
                true) != STATUS_OK) {
        self->db = NULL;
        log_warn("database.unreachable", "error=\"%s\" next_try_ms=%d", db_open_error(),
                 REAPER_RECONNECT_MS);
        return;
    }
    if (!is_first) {
        log_info("database.reconnected", "backend=%d", db_backend_pid(self->db));
    }
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
    if (strncmp(payload, work, sizeof work - 1) == 0) {
        wake_workers(self, payload + sizeof work - 1, 1);
        if (self->open_epochs > 0) {
            self->is_wanted =
                true; // it may have come from an enqueuer whose place the frontier has passed
        }
    } else {
        self->is_wanted = true; // due, cancel
    }
}

void reaper_on_database(Reaper *self)
{
    if (self->db == NULL) {
        return;
    }
    PGconn *conn = db_conn(self->db);
    if (PQconsumeInput(conn) == 0 || PQstatus(conn) != CONNECTION_OK) {
        log_warn("database.lost", "error=\"%s\"", PQerrorMessage(conn));
        db_close(self->db);
        self->db = NULL;
        self->is_prepared = false;
        return;
    }
    for (PGnotify *note; (note = PQnotifies(conn)) != NULL;) {
        on_notification(self, note->extra);
        PQfreemem(note);
    }
}

// Idleness is announced at once, business only when it lasts: flips cost a commit each.
static Status announce_idleness(Reaper *self, int64_t now)
{
    bool has_idle = wake_idle_count(self) > 0;
    if (has_idle) {
        self->busy_since = 0;
    } else if (self->busy_since == 0) {
        self->busy_since = now;
    }
    bool wanted = has_idle || (self->is_idle && now - self->busy_since < BUSY_PATIENCE_MS);
    if (wanted == self->is_idle) {
        return STATUS_OK;
    }
    DbParams params;
    db_params_init(&params);
    db_param_int(&params, self->node_id);
    db_param_bool(&params, wanted);
    TRY(db_exec(self->db, &SQL_set_idle, &params, REAPER_STATEMENT_MS, NULL));
    self->is_idle = wanted;
    atomic_store(&self->header->idle_announced, wanted ? 1 : 0);
    if (wanted) {
        self->is_wanted = true; // what came between the last empty claim and the announcement
        self->recheck_at = now + IDLE_RECHECK_MS;
    }
    return STATUS_OK;
}

static Status heartbeat(Reaper *self)
{
    Status status = node_heartbeat(self);
    if (status == STATUS_REFUSED) {
        node_give_up(self, "other nodes have buried it");
    }
    return status;
}

// Everything a registered node does, most urgent first.
static Status serve(Reaper *self, int64_t now)
{
    if (now >= self->next_heartbeat_at) {
        TRY(heartbeat(self));
    }
    if (now >= self->next_scan_at) {
        self->next_scan_at = now + REAPER_SCAN_MS;
        TRY(settle_dead_slots(self, false));
        TRY(rescue_batches(self));
        TRY(announce_idleness(self, now));
    }
    if (now >= self->next_due_at && self->is_leader) {
        TRY(duties_promote(self));
    }
    if (self->is_wanted || now >= self->next_poll_at || now >= self->recheck_at) {
        TRY(duties_poll(self, now));
    }
    if (now >= self->next_watch_at) {
        self->next_watch_at = now + REAPER_WATCH_MS;
        TRY(node_watch_others(self));
    }
    if (self->is_leader && now >= self->next_tidy_at) {
        self->next_tidy_at = now + REAPER_TIDY_MS;
        TRY(duties_tidy(self));
    }
    return STATUS_OK;
}

static bool all_slots_settled(Reaper *self)
{
    for (int i = 1; i < scoreboard_slot_count(self->board); i++) {
        const Slot *slot = scoreboard_slot(self->board, i);
        int life = atomic_load(&slot->life);
        if (life == SLOT_SPAWNED || (life == SLOT_DEAD && atomic_load(&slot->settled_generation) !=
                                                              atomic_load(&slot->generation))) {
            return false;
        }
    }
    return true;
}

static Status turn(Reaper *self, int64_t now)
{
    if (self->db == NULL) {
        connect_database(self, now);
    }
    if (self->db == NULL) {
        return STATUS_LOST;
    }
    if (!self->is_prepared) {
        TRY(prepare(self));
    }
    if (self->node_id != 0 && clock_boot_ms() > atomic_load(&self->header->lease_until)) {
        node_give_up(self, "its lease ran out");
    }
    if (self->node_id != 0) {
        return serve(self, now);
    }
    TRY(settle_dead_slots(self, false));
    if (!all_slots_settled(self)) {
        return STATUS_OK; // the old incarnation's workers are being ended
    }
    Status status = node_register(self);
    if (status == STATUS_REFUSED) {
        leave(self, EXIT_CODE_CONFIG);
    }
    return status == STATUS_RETRY ? STATUS_OK : status;
}

static int64_t earliest(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t reaper_turn(Reaper *self, int64_t now)
{
    Slot *own = scoreboard_slot(self->board, 0);
    atomic_store(&own->changed_at, now); // proof of life, also while the database is away
    if (turn(self, now) != STATUS_OK) {
        reaper_lost(self);
    }
    atomic_store(&own->changed_at, clock_boot_ms());
    if (self->db == NULL) {
        return earliest(self->next_connect_at, now + REAPER_RECONNECT_MS);
    }
    if (self->node_id == 0) {
        return now + NODE_CONFLICT_LOOK_MS;
    }
    atomic_store(&own->state, SLOT_RUNNING);
    int64_t next =
        earliest(self->next_heartbeat_at, earliest(self->next_poll_at, self->next_scan_at));
    next = earliest(next, earliest(self->next_watch_at, self->recheck_at));
    return self->is_leader ? earliest(next, self->next_due_at) : next;
}

static bool is_any_worker_alive(Reaper *self)
{
    for (int i = 1; i < scoreboard_slot_count(self->board); i++) {
        const Slot *slot = scoreboard_slot(self->board, i);
        pid_t pid = atomic_load(&slot->pid);
        if (atomic_load(&slot->life) == SLOT_SPAWNED && pid > 1 && kill(pid, 0) == 0) {
            return true;
        }
    }
    return false;
}

void reaper_last_duty(Reaper *self)
{
    log_error("supervisor.gone", "effect=\"workers end within a second, their jobs are settled\"");
    int64_t until = clock_boot_ms() + LAST_DUTY_MS;
    while (is_any_worker_alive(self) && clock_boot_ms() < until) {
        const struct timespec pause = {.tv_nsec = 20000000L};
        (void)nanosleep(&pause, NULL);
    }
    if (self->db == NULL || self->node_id == 0 || settle_dead_slots(self, true) != STATUS_OK) {
        log_warn("node.left_work", "settled_by=\"the next supervisor, or another node\"");
        return;
    }
    reaper_leave(self, false);
}

void reaper_leave(Reaper *self, bool restart)
{
    if (self->db == NULL || self->node_id == 0) {
        return;
    }
    if (settle_dead_slots(self, false) != STATUS_OK || restart) {
        return;
    }
    DbParams params;
    db_params_init(&params);
    db_param_int(&params, self->node_id);
    if (db_exec(self->db, &SQL_stop_node, &params, REAPER_STATEMENT_MS, NULL) == STATUS_OK) {
        log_info("node.stopped", "id=%" PRId64, self->node_id);
    }
}
