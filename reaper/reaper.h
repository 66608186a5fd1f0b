// SPDX-License-Identifier: MIT
// Reaper: one per node: heartbeat, wake-ups, obituaries, and, when elected, the cluster's duties.
//
// Everything that is due is done by one turn over the clock (reaper_turn), which returns when it wants to run next. A turn
// blocks only in database calls, each bounded by Reaper.statement_ms.
#ifndef REAPER_REAPER_H
#define REAPER_REAPER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/config.h"
#include "common/base/exit_code.h"
#include "common/base/scoreboard.h"
#include "common/db/db.h"
#include "common/db/db_array.h"
#include "reaper/claim_pace.h"
#include "reaper/clock_watch.h"
#include "reaper/horizon_watch.h"
#include "reaper/node_watch.h"
#include "reaper/notify_pace.h"
#include "reaper/usage.h"

enum {
    REAPER_STATEMENT_MIN_MS = 1000,
    REAPER_STATEMENT_MAX_MS = 10000,
    REAPER_SCAN_MS = 100, // look at the slots: obituaries missed, batches to rescue
    REAPER_WATCH_MAX_MS =
        2000, // look at the other nodes' heartbeats: each thirtieth of our own lease
    REAPER_WATCH_MIN_MS = 200,
    REAPER_UNKNOWN_MS = 10000,  // look for workers that died as they registered
    REAPER_TIDY_MS = 60000,     // partitions and retention
    REAPER_HORIZON_MS = 60000,  // look for who keeps dead rows from being removed
    REAPER_RECONNECT_MS = 1000, // while the database is away, or refuses us
    REAPER_WANTED_MS = 20,      // polls asked for by notifications: at most one in so long
    REAPER_TICK_MS = 150,       // and the ticks that come with them
    REAPER_FOLLOW_MS = 50       // behind a pooler, after a batch: first poll for more, doubling
};

typedef struct Reaper {
    const Config *config;
    Scoreboard *board;
    ScoreboardHeader *header;
    Db *db; // NULL while the database is away
    int64_t node_id;
    DbArray queues; // of all pools, for the poll
    NodeWatch watch;
    Timeline kept_timeline; // in the state folder (reaper/lineage.h)
    // At most a quarter of self_fence: between two heartbeats there may be one statement that hangs.
    int64_t statement_ms;
    unsigned
        connections; // how often it has connected: a new connection may have the old one's descriptor
    int failures;    // turns with an error in a row, on a connection that lasts
    bool is_leader;
    bool is_idle;         // as the database has been told
    bool is_idle_known;   // on this connection: what it was told before may not have arrived
    bool is_prepared;     // schema checked, settings written, listening on this connection
    bool is_locked;       // the node's lock is held by this connection (lock_node.sql)
    bool has_served;      // a node has been registered: a newer schema is no reason to end it
    bool is_silence_told; // the log has been told that the supervisor stands still
    int open_epochs;      // enqueuers that take long: their commit is looked for at once
    int64_t retry_at;     // after an error: nothing but the heartbeat before that
    int64_t next_connect_at;
    int connect_failures; // since the last connection
    int64_t next_heartbeat_at;
    int64_t next_poll_at;
    int64_t next_scan_at;
    int64_t next_watch_at;
    int64_t next_unknown_at;
    int64_t next_tidy_at;
    int64_t next_horizon_at;
    HorizonWatch horizon;
    UsageWatch usage;       // of this node's processes
    ClockWatch clock;       // how far this machine's clock is off the server's
    char settings_told[96]; // of which start of the server, and what of it is unsafe
    int64_t next_apply_at;  // schedules and queues of the configuration; INT64_MAX done
    int64_t next_due_at;    // the next instant something becomes due; INT64_MAX none
    int64_t wanted_at;      // somebody asked for a poll before its time; INT64_MAX none
    int64_t follow_ms;      // behind a pooler: pause before the next early poll; 0 none
    uint64_t done_seen;     // as many the workers had taken when that was looked at last
    int64_t polled_at;
    int64_t lane_pass_at; // when the workers were last told of one
    int64_t ticked_at;
    int64_t recheck_at; // after announcing idleness: look once more; INT64_MAX none
    int64_t busy_since; // all workers busy since; 0 = one is idle
    NotifyPace notify_pace;
    int64_t
        deaf_until; // notifications are read at the next turn, at the latest then; 0 as they come
    int calls;      // of enqueuers,
    int64_t calls_since; // since then
    int64_t flood_until; // calls come in a flood (wake.c); 0 they do not
    int64_t flood_wake_at;
    uint64_t flood_starts; // of jobs, when workers were last woken by the clock,
    int flood_in_vain;     // and so often in a row that was for nothing
    ClaimPace pace;
    unsigned woken_mark[SCOREBOARD_SLOT_MAX]; // state_serial of a slot when it was woken
    int64_t woken_at[SCOREBOARD_SLOT_MAX];
    unsigned long long
        rescue_refused[SCOREBOARD_SLOT_MAX]; // batch with a result that PostgreSQL does not take
    int settle_failures[SCOREBOARD_SLOT_MAX];
    int64_t settle_retry_at[SCOREBOARD_SLOT_MAX];
    ExitCode exit_code; // set together with is_leaving
    bool is_leaving;
} Reaper;

void reaper_init(Reaper *self, const Config *config, Scoreboard *board);
void reaper_deinit(Reaper *self);

// Does what is due at `now` (clock_boot_ms) and returns when to be called next, at the latest.
int64_t reaper_turn(Reaper *self, int64_t now);

// The eventfd was written: `sum` as read (inherited_fd.h).
void reaper_on_wake(Reaper *self, uint64_t sum);

// Takes in notifications. The connection may turn out to be gone.
void reaper_on_database(Reaper *self);

// Wants a poll at `at`, or earlier.
void reaper_want_poll(Reaper *self, int64_t at);

// This turn, or this process, ends with `code`.
void reaper_end(Reaper *self, ExitCode code);

#endif
