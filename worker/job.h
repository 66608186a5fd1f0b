// SPDX-License-Identifier: MIT
// Job: one claimed job. No libpq in it; but its texts stand in the claim's result, which the worker keeps as long as the batch.
#ifndef WORKER_JOB_H
#define WORKER_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Job {
    int64_t id;
    uint8_t lease[16];
    char *job_type;
    char *payload; // JSON text, NUL-terminated
    size_t payload_length;
    int attempt;
    int max_attempts;
    char *queue;
    int priority;
    char *tags;            // JSON array or NULL
    char *owner;           // or NULL
    char *metadata;        // JSON or NULL
    char *group_key;       // or NULL
    int64_t timeout_ms;    // effective: the job's, else the handler's; 0 = none
    int64_t kill_grace_ms; // effective: the job's, else the supervisor's
    bool is_first_start;   // it was never claimed before, so it has no steps
    int64_t due_us;  // of a first start: when its time had come, on the clock of clock_boot_us
    int counter_row; // of its job type (common/base/counters.h)
} Job;

#endif
