// SPDX-License-Identifier: MIT
// Runner: runs one job through its handler and says what came of it. One implementation per handler
// kind: run_plugin.c, run_exec.c, run_sql.c, run_http.c; run_hook.c calls the on_error hook of a plugin.
#ifndef WORKER_RUNNER_H
#define WORKER_RUNNER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/config.h"
#include "common/base/scoreboard.h"
#include "common/db/db.h"
#include "worker/job.h"

// What a handler run has at hand. One per worker; `job` changes with every run.
typedef struct RunContext {
    const Config *config;
    const char *url;         // for the second connection
    struct Deadman *deadman; // its timer moves along when a handler prolongs; NULL: there is none
    Slot *slot;              // own slot: stop flag, log tail, deadline
    Db *db;                  // the worker's connection; NULL while the database is away
    Db *aux; // second connection, for progress inside a handler's transaction, or when db is lost
    const Job *job;
    bool in_transaction;     // the handler asked for its connection: BEGIN was sent on db
    char transaction_id[24]; // of that transaction, to notice a COMMIT by the handler
    char *output;            // set by the handler (owned here until taken over by the result)
    // Set by the run: the job was completed and committed in the handler's own transaction, so the
    // worker must not finish it again. Any other result is the worker's to write, also where the
    // lease was lost (the write is fenced then) or where nobody knows whether a COMMIT happened.
    bool settled;
    // Replaces a lost db, and waits for that as long as it takes. False: there will be none. NULL: there is no way.
    bool (*reconnect)(struct RunContext *run);
    void *worker; // reconnect's
} RunContext;

typedef struct RunResult {
    JobOutcome outcome;
    char *text;       // output JSON (completed) or message (error, discard); owned, may be NULL
    int64_t delay_ms; // snooze delay; retry delay asked for by an error, -1 = by the job's rule
    int64_t cpu_us;   // of the run, children included; -1 unknown; in this process: cpu_meter.h
    int64_t max_rss_bytes; // of a child program; -1 unknown
    int exit_code;         // of a child program that exited; -1 = none
    int signal;            // that ended a child program; 0 = none
    bool is_in_doubt;      // an error, but the job's completion may have been committed before it
} RunResult;

// One loaded handler. Created by handler_table_load (handler_table.h).
typedef struct Handler Handler;
struct Handler {
    const HandlerConfig *config;
    const void *plugin_entry;        // HANDLER_PLUGIN: entry in the plugin's table
    struct HttpHandler *http;        // HANDLER_HTTP: http_handler.h
    struct SqlHandlerCall *sql_call; // HANDLER_SQL: sql_handler.h; NULL = run_sql_handler does it
    bool is_hook;                    // its job type is that of the entry's on_error hook
    int counter_row;                 // where its runs are counted
};

// Why a handler gets no connection behind a pooler: nobody could end its backend when the job is stopped, and what it sets or
// prepares would stay behind for others.
#define RUNNER_NEEDS_DIRECT                                                                        \
    "a handler's own SQL needs a direct connection, and the database URL leads to a pooler "       \
    "(PgBouncer)"

// True when the supervisor wants the running job to stop.
bool run_should_stop(const RunContext *context);

// Kills whatever child processes an attempt left behind, of any depth. One system call when there
// are none.
void run_sweep_children(void);

// Each runs run->job to its end. Never fails itself: what goes wrong is an OUTCOME_ERROR with a
// message.
void run_plugin(const Handler *handler, RunContext *run, RunResult *result);
void run_hook(const Handler *handler, RunContext *run, RunResult *result);
void run_exec(const Handler *handler, RunContext *run, RunResult *result);
void run_sql(const Handler *handler, RunContext *run, RunResult *result);
void run_http(const Handler *handler, RunContext *run, RunResult *result);

#endif
