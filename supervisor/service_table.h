// SPDX-License-Identifier: MIT
// Service table: which processes there shall be: role, program, how many, how they are restarted.
#ifndef SUPERVISOR_SERVICE_TABLE_H
#define SUPERVISOR_SERVICE_TABLE_H

#include <stdint.h>

#include "common/base/config.h"
#include "common/base/scoreboard.h"
#include "supervisor/restart_policy.h"

typedef struct RoleRow {    // what holds for every process of a role
    const char *program;    // path_program() name; NULL: named on the command line
    const char *override;   // environment variable that names another program, for tests
    int death_signal;       // what the kernel sends it when gangerd is gone
    int oom_score_adj;      // workers are to go first
    int64_t backoff_cap_ms; // longest pause before one that crashed is followed by another
    int64_t stillborn_backoff_cap_ms; // the same for one that was never ready
} RoleRow;

typedef struct Service {
    Role role;
    char name[SCOREBOARD_NAME_BYTES]; // of the pool, else of the role
    int pool;                         // index into Config.pools, -1 for the others
    int count;                        // processes wanted
    RestartState restart;
    int64_t jobs_finished; // by its dead processes
    int64_t jobs_at_death; // by all of them, when the last one died
} Service;

typedef struct ServiceTable {
    Service *
        rows; // postgres (when wanted), reaper, API (when wanted), then the pools in the order of the file
    int count;
} ServiceTable;

extern const RoleRow ROLE_TABLE[];

// Fills the table for `config`; service_table_deinit frees it.
void service_table_init(ServiceTable *table, const Config *config, bool with_postgres);
// Carries the history of services that stay over from the table before a reload.
void service_table_inherit(ServiceTable *table, const ServiceTable *before);
void service_table_deinit(ServiceTable *table);
// Row of a role and, for workers, a pool name; -1 when there is none.
int service_table_find(const ServiceTable *table, Role role, const char *name);
// Worker processes of all pools.
int service_table_worker_count(const ServiceTable *table);
// Slots for so many workers, the reaper and the API: room for the workers' successors while dead ones are being settled.
int service_table_slots_for(int workers);

#endif
