// SPDX-License-Identifier: MIT
// Session: see the header.
#include "reaper/session.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/fault_point.h"
#include "common/base/log.h"
#include "common/db/migrate.h"
#include "reaper/lineage.h"
#include "reaper/node.h"
#include "sql_queries.h"

enum {
    SESSION_TELL_AGAIN = 30
}; // tries a second apart: above the usual fail-over, an outage is an error

// A migration may take long, and so may the wait for another migrator: that is no reason to be taken for stuck.
static void on_wait(void *data)
{
    Reaper *self = data;
    atomic_store(&scoreboard_slot(self->board, 0)->changed_at, clock_boot_ms());
}

// An outage is over soon, or somebody must be told. No other try mends a string that cannot be read.
static void note_unreachable(Reaper *self, Status status)
{
    if (status == STATUS_REFUSED) {
        log_fatal("database.malformed",
                  "error=\"%s\" mend=\"correct database.url, or DATABASE_URL\"", db_open_error());
        reaper_end(self, EXIT_CODE_CONFIG);
        return;
    }
    LogLevel level =
        ++self->connect_failures % SESSION_TELL_AGAIN == 0 ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN;
    log_write(level, "database.unreachable", "error=\"%s\" tries=%d next_try_ms=%d",
              db_open_error(), self->connect_failures, REAPER_RECONNECT_MS);
}

// Once: a reconnection through a pooler may meet another of its sessions, but no other settings.
static void tell_pooled(const Reaper *self)
{
    const char *lacking = db_lacking_settings(self->db);
    if (lacking[0] == '\0') {
        log_info("database.pooled", "poll_ms=%" PRId64, self->config->poll_interval_ms);
        return;
    }
    log_warn("database.pooled",
             "poll_ms=%" PRId64
             " lacking=\"%s\" mend=\"ALTER ROLE %s SET each, then RECONNECT in the pooler\"",
             self->config->poll_interval_ms, lacking, PQuser(db_conn(self->db)));
}

void session_connect(Reaper *self, int64_t now)
{
    if (now < self->next_connect_at) {
        return;
    }
    self->next_connect_at = now + REAPER_RECONNECT_MS;
    const Timeline known = lineage_known(self);
    Status status = db_open_at_least(&self->db, self->config->database_url, "ganger-reaper",
                                     DB_CONNECT_TIMEOUT_MS, true, &known);
    WorkerCounters *counters = &scoreboard_slot(self->board, 0)->counters;
    counter_add(status == STATUS_OK ? &counters->connects : &counters->connect_failures, 1);
    if (status != STATUS_OK) {
        self->db = NULL;
        note_unreachable(self, status);
        return;
    }
    self->connect_failures = 0;
    FAULT_POINT(reaper_connected);
    lineage_met(self);
    db_set_waiting(self->db, on_wait, self);
    self->connections++;
    if (self->connections > 1) {
        log_info("database.reconnected", "backend=%d", db_backend_pid(self->db));
    } else if (db_is_pooled(self->db)) {
        tell_pooled(self);
    }
}

void session_drop(Reaper *self, const char *why)
{
    log_warn("database.lost", "error=\"%s\"", why);
    db_close(self->db);
    self->db = NULL;
    self->is_prepared = false;
    self->is_locked = false;
    self->is_idle_known = false;
}

static Status set_setting(Reaper *self, const char *name, int64_t ms)
{
    char value[48];
    (void)snprintf(value, sizeof value, "%" PRId64 " seconds", ms / 1000);
    DbParams params;
    db_params_init(&params);
    db_param_text(&params, name);
    db_param_text(&params, value);
    return db_exec(self->db, &SQL_set_setting, &params, self->statement_ms, NULL);
}

static Status migrate(Reaper *self, StrBuf *why)
{
    int applied = 0;
    TRY(migrate_up(self->db, &applied, why));
    if (applied > 0) {
        log_info("schema.migrated", "migrations=%d", applied);
    }
    return STATUS_OK;
}

// A grant is missing: somebody has to give it, so this is told at level error; once, as it may be tried again until then.
static void tell_not_allowed(const Reaper *self)
{
    if (self->failures == 0 && str_equal(db_sqlstate(self->db), "42501")) {
        log_error("database.not_allowed",
                  "role=\"%s\" reason=\"%s\" mend=\"put it in ganger_worker\"",
                  PQuser(db_conn(self->db)), db_error_message(self->db));
    }
}

// A schema that does not fit stops a node before it begins. One that runs goes on when the schema becomes newer under it: that is how
// a cluster is upgraded node by node, and a new schema keeps what the programs before it use.
static Status prepare_schema(Reaper *self)
{
    StrBuf why = {0};
    Status status = STATUS_OK;
    if (self->has_served) {
        status = migrate_check_running(self->db, &why);
    } else {
        if (self->config->auto_migrate) {
            status = migrate(self, &why);
        }
        if (status == STATUS_OK) {
            status = migrate_check(self->db, &why);
        }
    }
    if (status == STATUS_REFUSED || status == STATUS_FATAL) {
        tell_not_allowed(self);
        log_fatal("schema.mismatch", "reason=\"%s\"", why.text != NULL ? why.text : "");
        reaper_end(self, EXIT_CODE_CONFIG);
    }
    strbuf_free(&why);
    return status;
}

static Status bring_settings(Reaper *self)
{
    TRY(set_setting(self, "retention_completed", self->config->retention_completed_ms));
    TRY(set_setting(self, "retention_failed", self->config->retention_failed_ms));
    return set_setting(self, "no_handler_after", self->config->no_handler_after_ms);
}

// Once for each start of the server, or when it has become otherwise: nothing is refused, but somebody should know.
static Status tell_unsafe_settings(Reaper *self)
{
    char told[sizeof self->settings_told];
    DbParams params;
    db_params_init(&params);
    PGresult *result = NULL;
    TRY(db_exec(self->db, &SQL_server_settings, &params, self->statement_ms, &result));
    const char *unsafe = db_text(result, 0, "unsafe");
    (void)snprintf(told, sizeof told, "%" PRId64 " %s", db_int(result, 0, "started", 0), unsafe);
    if (unsafe[0] != '\0' && !str_equal(told, self->settings_told)) {
        log_warn("database.unsafe",
                 "off=\"%s\" effect=\"a crash of the server may lose committed jobs\" "
                 "mend=\"ganger doctor says how\"",
                 unsafe);
    }
    memcpy(self->settings_told, told, sizeof told);
    PQclear(result);
    return STATUS_OK;
}

Status session_prepare(Reaper *self)
{
    if (self->node_id != 0) {
        self->next_heartbeat_at = 0;
        TRY(node_keep_lease(self));
    }
    TRY(prepare_schema(self));
    Status status = bring_settings(self);
    if (status != STATUS_OK) {
        tell_not_allowed(self);
        return status;
    }
    TRY(tell_unsafe_settings(self));
    DbParams params;
    db_params_init(&params);
    if (!db_is_pooled(self->db)) {
        TRY(db_exec(self->db, &SQL_listen, &params, self->statement_ms, NULL));
    }
    FAULT_POINT(reaper_listening);
    self->is_prepared = true;
    reaper_want_poll(self, clock_boot_ms()); // what was announced while nobody listened
    return STATUS_OK;
}
