// SPDX-License-Identifier: MIT
// Counters: see the header.
#include "common/base/counters.h"

#include <string.h>

#include "common/base/memory.h"
#include "common/base/scoreboard.h"

const uint64_t COUNTER_JOB_BOUNDS_US[COUNTER_BOUNDS] = {
    1000,    5000,     25000,    100000,    500000,     1000000,
    5000000, 15000000, 60000000, 300000000, 1800000000, 7200000000,
};
const uint64_t COUNTER_CLAIM_BOUNDS_US[COUNTER_BOUNDS] = {
    500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 1000000, 2500000, 10000000,
};
const uint64_t COUNTER_BATCH_BOUNDS[COUNTER_BOUNDS] = {
    1, 2, 3, 4, 8, 16, 32, 64, 128, 256, 512, 1024,
};

static const char *const OUTCOME_NAMES[RUN_OUTCOMES] = {
    [RUN_COMPLETED] = "completed", [RUN_ERROR] = "error",         [RUN_TIMEOUT] = "timeout",
    [RUN_CRASHED] = "crashed",     [RUN_CANCELLED] = "cancelled", [RUN_RELEASED] = "released",
    [RUN_DISCARDED] = "discarded", [RUN_SNOOZED] = "snoozed",     [RUN_WAITING] = "waiting",
    [RUN_NODE_LOST] = "node_lost",
};

static const char *const END_NAMES[PROCESS_ENDS] = {
    [PROCESS_ASKED] = "asked",     [PROCESS_RECYCLED] = "recycled",
    [PROCESS_CRASHED] = "crashed", [PROCESS_STILLBORN] = "start_failed",
    [PROCESS_REFUSED] = "refused",
};

static const char *const DUTY_NAMES[REAPER_DUTIES] = {
    [DUTY_WAKE] = "wake",       [DUTY_SLOTS] = "slots", [DUTY_PROMOTE] = "promote",
    [DUTY_POLL] = "poll",       [DUTY_APPLY] = "apply", [DUTY_WATCH] = "watch",
    [DUTY_UNKNOWN] = "unknown", [DUTY_TIDY] = "tidy",   [DUTY_HORIZON] = "horizon",
};

static const char *const CAUSE_NAMES[] = {
    [STOP_NONE] = "none",         [STOP_TIMEOUT] = "timeout", [STOP_CANCEL] = "cancel",
    [STOP_SHUTDOWN] = "shutdown", [STOP_FENCE] = "fence",     [STOP_STUCK] = "stuck",
    [STOP_OPERATOR] = "operator",
};
_Static_assert(sizeof CAUSE_NAMES / sizeof CAUSE_NAMES[0] <= COUNTER_CAUSES, "room for each cause");

static const char *const ROLE_NAMES[ROLE_COUNT] = {
    [ROLE_POSTGRES] = "postgres",
    [ROLE_REAPER] = "reaper",
    [ROLE_WORKER] = "worker",
    [ROLE_API] = "api",
};

int counter_names_count(const CounterNames *names)
{
    int count = atomic_load_explicit(&names->count, memory_order_acquire);
    if (count < 0) {
        return 0;
    }
    return count < COUNTER_HANDLERS ? count : COUNTER_HANDLERS;
}

int counter_names_find(const CounterNames *names, const char *job_type, size_t length)
{
    const size_t most = length < COUNTER_NAME_BYTES ? length : COUNTER_NAME_BYTES;
    const int count = counter_names_count(names);
    for (int i = 0; i < count; i++) {
        if (strncmp(names->names[i], job_type, most) == 0) {
            return i;
        }
    }
    return COUNTER_HANDLERS;
}

void counter_names_add(CounterNames *names, const char *job_type)
{
    const int count = counter_names_count(names);
    if (count == COUNTER_HANDLERS || str_equal(job_type, COUNTER_OTHER) ||
        counter_names_find(names, job_type, COUNTER_NAME_BYTES) != COUNTER_HANDLERS ||
        !str_copy(names->names[count], COUNTER_NAME_BYTES, job_type)) {
        return;
    }
    // The name is whole before anybody counts it.
    atomic_store_explicit(&names->count, count + 1, memory_order_release);
}

RunOutcome run_outcome_of(const char *word)
{
    for (int i = 0; i < RUN_OUTCOMES; i++) {
        if (str_equal(word, OUTCOME_NAMES[i])) {
            return (RunOutcome)i;
        }
    }
    return str_equal(word, "program_crashed") ? RUN_CRASHED : RUN_ERROR;
}

const char *run_outcome_name(RunOutcome outcome)
{
    return OUTCOME_NAMES[outcome];
}

const char *process_end_name(ProcessEnd end)
{
    return END_NAMES[end];
}

const char *reaper_duty_name(ReaperDuty duty)
{
    return DUTY_NAMES[duty];
}

const char *stop_cause_name(int cause)
{
    return cause >= 0 && (size_t)cause < sizeof CAUSE_NAMES / sizeof CAUSE_NAMES[0]
               ? CAUSE_NAMES[cause]
               : NULL;
}

const char *process_role_name(Role role)
{
    return ROLE_NAMES[role];
}
