// SPDX-License-Identifier: MIT
// Worker: claim -> run handler -> finish, until told to leave. One thread runs everything.
#ifndef WORKER_WORKER_H
#define WORKER_WORKER_H

#include <stdbool.h>

#include "common/base/config.h"
#include "common/base/exit_code.h"
#include "common/base/scoreboard.h"
#include "common/db/db.h"
#include "common/db/db_array.h"
#include "worker/batch_policy.h"
#include "worker/deadman.h"
#include "worker/handler_table.h"
#include "worker/job.h"
#include "worker/lane_hints.h"

typedef struct Worker {
    const Config *config;
    const PoolConfig *pool;
    ScoreboardHeader *header;
    Slot *slot;
    Deadman *deadman;
    HandlerTable *handlers;
    Db *db;            // NULL while the database is away
    Db *aux;           // a handler's second connection (RunContext.aux)
    int64_t worker_id; // ganger.workers.id; 0 before registration
    int64_t link;      // number of its connection: claims of an older one are refused
    DbArray queues;    // parameters of every claim
    DbArray job_types;
    BatchPolicy batching;
    LaneHints hints;
    Job jobs[SCOREBOARD_BATCH_MAX]; // in step with the slot's batch
    PGresult *claimed;              // owns their texts
    int job_count;
    bool is_scattered;  // they are of many lanes, far apart on disk
    int asked;          // by the last claim
    int64_t claimed_at; // when it began
    int64_t started_at;
    int64_t jobs_done;
    const char *recycled; // why it ends after the job at hand; NULL it goes on
    bool is_lease_lost;   // the database says this worker is dead: leave without a word
    bool has_given_up;    // a result could not be written: leave it, and the rest, to the reaper
} Worker;

// Runs until drained, recycled or orphaned. The scoreboard and configuration outlive it.
ExitCode worker_run(Worker *self);

// To leave (drain, supervisor gone, worker marked dead, a result that cannot be written)?
bool worker_should_leave(const Worker *self);

void worker_set_state(Worker *self, SlotState state);

// For the supervisor's watchdog, wherever a state may outlast its limit of silence (supervisor/watchdog_policy.h).
void worker_show_life(Worker *self);

#endif
