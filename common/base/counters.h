// SPDX-License-Identifier: MIT
// Counters: what the processes of a node count for metrics, in the scoreboard. They only grow, and live as long as gangerd: a
// process that follows another one in its slot goes on counting where that ended.
//
// Each counter has one writer, so it is raised by a load and a store, without a locked instruction: no-op jobs run by the 100,000 a
// second. Readers may see one counter raised and its neighbour not yet.
#ifndef COMMON_BASE_COUNTERS_H
#define COMMON_BASE_COUNTERS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum {
    COUNTER_HANDLERS = 64, // job types with numbers of their own; further ones share the last row
    COUNTER_ROWS = COUNTER_HANDLERS + 1,
    COUNTER_NAME_BYTES = 256, // of a job type
    COUNTER_BOUNDS = 12,      // of a histogram; what is above the last one is its 13th bucket
    COUNTER_CAUSES = 8        // room for StopCause
};

// What stands for the job types without a row of their own; one that is called so is among them.
#define COUNTER_OTHER "(other)"

typedef atomic_ullong Counter;

typedef struct Histogram {
    Counter buckets[COUNTER_BOUNDS + 1]; // each of its own, not what is below it
    Counter sum;                         // in the unit of the bounds
} Histogram;

extern const uint64_t COUNTER_JOB_BOUNDS_US[COUNTER_BOUNDS];   // how long jobs run and wait
extern const uint64_t COUNTER_CLAIM_BOUNDS_US[COUNTER_BOUNDS]; // how long a claim takes
extern const uint64_t COUNTER_BATCH_BOUNDS[COUNTER_BOUNDS];    // jobs of a claim

// What became of a run, as the database is told.
typedef enum RunOutcome {
    RUN_COMPLETED,
    RUN_ERROR,
    RUN_TIMEOUT,
    RUN_CRASHED,
    RUN_CANCELLED,
    RUN_RELEASED, // stopped, and given back without a charge
    RUN_DISCARDED,
    RUN_SNOOZED,
    RUN_WAITING,
    RUN_NODE_LOST,
    RUN_OUTCOMES
} RunOutcome;

typedef struct HandlerCounters {
    _Alignas(64) Counter started;
    Counter finished[RUN_OUTCOMES];
    Histogram duration; // microseconds
    Histogram wait;     // from its time (run_at, else created_at) to its first start
} HandlerCounters;

// Written by the worker of the slot. In the reaper's slot by the reaper: runs whose worker died, which it settles.
typedef struct WorkerCounters {
    _Alignas(64) Counter empty_claims;
    Counter failed_claims;
    Counter finish_failures; // tries to write a result that failed, each
    Counter refused_results; // the lease had gone to somebody else
    Counter connects;
    Counter connect_failures;
    Histogram
        claim_us; // of all that succeeded, empty ones too; with it the results before are written
    Histogram claim_jobs;
    HandlerCounters handlers[COUNTER_ROWS];
} WorkerCounters;

typedef enum ReaperDuty { // in the order of a turn (reaper/reaper.c)
    DUTY_WAKE,
    DUTY_SLOTS,
    DUTY_PROMOTE,
    DUTY_POLL,
    DUTY_APPLY,
    DUTY_WATCH,
    DUTY_UNKNOWN,
    DUTY_TIDY,
    DUTY_HORIZON,
    REAPER_DUTIES
} ReaperDuty;

typedef enum Role { ROLE_POSTGRES, ROLE_REAPER, ROLE_WORKER, ROLE_API, ROLE_COUNT } Role;

typedef enum ProcessEnd {
    PROCESS_ASKED, // drained, shut down, fenced, or stopped with its job: nothing is wrong with it
    PROCESS_RECYCLED,  // it said it wants a successor
    PROCESS_CRASHED,   // signal or exit code nobody asked for, after it was ready
    PROCESS_STILLBORN, // the same before it was ready
    PROCESS_REFUSED,   // EXIT_CODE_CONFIG from our own code: trying again is pointless
    PROCESS_ENDS
} ProcessEnd;

typedef struct SupervisorCounters {
    _Alignas(64) Counter stops[COUNTER_CAUSES]; // jobs asked to stop, by StopCause
    Counter kills[COUNTER_CAUSES];              // processes sent SIGKILL, by StopCause
    Counter starts[ROLE_COUNT];
    Counter ends[ROLE_COUNT][PROCESS_ENDS];
    Counter dead_cpu_us[ROLE_COUNT]; // of processes that have ended, and their children
} SupervisorCounters;

typedef struct ReaperCounters {
    _Alignas(64) Counter heartbeats;
    Counter failed_heartbeats;
    Counter settled_workers;
    Counter settled_results;  // recorded results of dead workers that it wrote
    Counter settled_charged;  // jobs that ran as their worker died
    Counter settled_returned; // jobs given back, as their worker had not begun them
    Counter rescued;          // jobs given back to others, as one before them in the batch ran long
    Counter reclaimed;        // by the cluster's duties: worker or lease gone
    Counter buried_nodes;
    Counter buried_jobs;
    Counter notifications;
    Counter wakes;                  // calls of idle workers
    Counter duty_us[REAPER_DUTIES]; // time it took
} ReaperCounters;

// The job types that have a row, written by the supervisor: those of the configuration, and of later ones what there is room for.
typedef struct CounterNames {
    _Alignas(64) atomic_int count;
    char names[COUNTER_HANDLERS][COUNTER_NAME_BYTES];
} CounterNames;

static inline void counter_add(Counter *counter, uint64_t value)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + value,
                          memory_order_relaxed);
}

static inline uint64_t counter_read(const Counter *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

// Adds a value to the bucket it belongs to: the first bound that is not below it.
static inline void histogram_add(Histogram *histogram, const uint64_t *bounds, uint64_t value)
{
    int bucket = 0;
    while (bucket < COUNTER_BOUNDS && value > bounds[bucket]) {
        bucket++;
    }
    counter_add(&histogram->buckets[bucket], 1);
    counter_add(&histogram->sum, value);
}

// Supervisor: gives the job type a row if it has none and there is room.
void counter_names_add(CounterNames *names, const char *job_type);
// The row of a job type; the last one when it has none of its own. What the names say is not trusted. `length`: bytes to compare, for a name
// that may have been cut.
int counter_names_find(const CounterNames *names, const char *job_type, size_t length);
// How many rows have names, bounded.
int counter_names_count(const CounterNames *names);

// Of a word of ganger._settle_result or an obituary; what is none of these is an error.
RunOutcome run_outcome_of(const char *word);
// For labels.
const char *run_outcome_name(RunOutcome outcome);
const char *process_end_name(ProcessEnd end);
const char *reaper_duty_name(ReaperDuty duty);
const char *process_role_name(Role role);
// Of a StopCause; NULL when it is none.
const char *stop_cause_name(int cause);

#endif
