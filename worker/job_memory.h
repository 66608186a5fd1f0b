// SPDX-License-Identifier: MIT
// JobMemory: what a run knows of the runs of its job before it: steps by name, and how the wait for a token ended.
#ifndef WORKER_JOB_MEMORY_H
#define WORKER_JOB_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

typedef struct JobStep {
    char *name;
    char *json;
    bool is_given; // job_memory_find has handed `json` out
} JobStep;

typedef struct JobMemory { // zero-initialise; job_memory_free when done
    bool is_loaded;
    JobStep *steps;
    size_t count;
    char
        *waited; // JSON {"token", "status", "data"}; NULL = the run before did not wait for a token
    char **kept; // texts that were given away
    size_t kept_count;
} JobMemory;

// The result of a step, NULL when there is none. Valid until job_memory_free, whatever is put meanwhile.
const char *job_memory_find(JobMemory *memory, const char *name);
// The same as job_memory_put for a name that is not there yet, which is not looked for.
void job_memory_add(JobMemory *memory, const char *name, char *json);
// Takes `json` over.
void job_memory_put(JobMemory *memory, const char *name, char *json);
// Keeps a text until job_memory_free, and returns it.
const char *job_memory_keep(JobMemory *memory, char *text);
// All steps as one JSON object (caller frees).
char *job_memory_json(const JobMemory *memory);
void job_memory_free(JobMemory *memory);

#endif
