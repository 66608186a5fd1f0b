// SPDX-License-Identifier: MIT
// Reaper: one per node: heartbeat, wake-ups, obituaries, and, when elected, the cluster's duties.
//
// Everything that is due is done by one turn over the clock (reaper_turn), which returns when it wants to run next. A turn
// blocks only in database calls, each bounded by REAPER_STATEMENT_MS.
#ifndef REAPER_REAPER_H
#define REAPER_REAPER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/config.h"
#include "common/base/exit_code.h"
#include "common/base/scoreboard.h"
#include "common/db/db.h"
#include "common/db/db_array.h"
#include "reaper/node_watch.h"

enum {
    REAPER_STATEMENT_MS =
        10000,              // well below self_fence: a stuck duty must not cost the node its lease
    REAPER_SCAN_MS = 100,   // look at the slots: obituaries missed, batches to rescue
    REAPER_WATCH_MS = 2000, // look at the other nodes' heartbeats
    REAPER_TIDY_MS = 60000, // partitions and retention
    REAPER_RECONNECT_MS = 1000 // while the database is away
};

typedef struct Reaper {
    const Config *config;
    Scoreboard *board;
    ScoreboardHeader *header;
    Db *db; // NULL while the database is away
    int64_t node_id;
    DbArray queues; // of all pools, for the poll
    DbArray job_types;
    NodeWatch watch;
    bool is_leader;
    bool is_idle;     // as the database has been told
    bool is_prepared; // schema checked, settings written, listening on this connection
    bool is_wanted;   // somebody asked for a poll before its time
    int open_epochs;  // enqueuers that take long: their commit is looked for at once
    int64_t next_connect_at;
    int64_t next_heartbeat_at;
    int64_t next_poll_at;
    int64_t next_scan_at;
    int64_t next_watch_at;
    int64_t next_tidy_at;
    int64_t next_due_at; // the next instant something becomes due; INT64_MAX none
    int64_t recheck_at;  // after announcing idleness: look once more; INT64_MAX none
    int64_t busy_since;  // all workers busy since; 0 = one is idle
    int64_t woken_mark[SCOREBOARD_SLOT_MAX]; // changed_at of a slot when it was woken
    int64_t woken_at[SCOREBOARD_SLOT_MAX];
    unsigned long long
        rescue_refused[SCOREBOARD_SLOT_MAX]; // batch with a result that PostgreSQL does not take
    ExitCode exit_code;                      // set together with is_leaving
    bool is_leaving;
} Reaper;

void reaper_init(Reaper *self, const Config *config, Scoreboard *board);
void reaper_deinit(Reaper *self);

// Does what is due at `now` (clock_boot_ms) and returns when to be called next, at the latest.
int64_t reaper_turn(Reaper *self, int64_t now);

// The eventfd was written: `sum` as read (inherited_fd.h).
void reaper_on_wake(Reaper *self, uint64_t sum);

// The connection has something to say: notifications, or its end.
void reaper_on_database(Reaper *self);

// The supervisor is gone: waits for the workers' end, settles what they held, stops the node.
void reaper_last_duty(Reaper *self);

// Ordinary end: the node is stopped unless `restart` (then another reaper carries on with it).
void reaper_leave(Reaper *self, bool restart);

// A database call failed: drops a lost connection and schedules the next.
void reaper_lost(Reaper *self);

#endif
