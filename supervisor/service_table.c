// SPDX-License-Identifier: MIT
// Service table: see service_table.h.
#include "supervisor/service_table.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/memory.h"

// The reaper and postgres come back within seconds whatever happens: without them the whole node stands still.
const RoleRow ROLE_TABLE[] = {
    [ROLE_POSTGRES] = {NULL, NULL, SIGINT, 0, 5000, 5000},
    [ROLE_REAPER] = {"ganger-reaper", "GANGER_REAPER", SIGTERM, 0, 5000, 5000},
    [ROLE_WORKER] = {"ganger-worker", "GANGER_WORKER", SIGTERM, 800, RESTART_CAP_MS,
                     RESTART_CAP_MS},
    // Somebody waits for an answer: within a second there is one again. Where it cannot start, a port that is taken say, that is too
    // often.
    [ROLE_API] = {"ganger-api", "GANGER_API", SIGTERM, 400, 500, 10000},
};
static_assert(sizeof ROLE_TABLE / sizeof ROLE_TABLE[0] == ROLE_COUNT, "a row for every role");

static void add_row(ServiceTable *table, Role role, const char *name, int pool, int count);

void service_table_init(ServiceTable *table, const Config *config, bool with_postgres)
{
    *table = (ServiceTable){.rows = mem_alloc((config->pool_count + 3) * sizeof(Service))};
    if (with_postgres) {
        add_row(table, ROLE_POSTGRES, process_role_name(ROLE_POSTGRES), -1, 1);
    }
    add_row(table, ROLE_REAPER, process_role_name(ROLE_REAPER), -1, 1);
    if (config->has_http) {
        add_row(table, ROLE_API, process_role_name(ROLE_API), -1, 1);
    }
    for (size_t i = 0; i < config->pool_count; i++) {
        const PoolConfig *pool = &config->pools[i];
        add_row(table, ROLE_WORKER, pool->name, (int)i, (int)pool->processes);
    }
}

static void add_row(ServiceTable *table, Role role, const char *name, int pool, int count)
{
    Service *row = &table->rows[table->count++];

    row->role = role;
    row->pool = pool;
    row->count = count;
    // Pools are told apart by it; the option table has names no longer than this.
    if (!str_copy(row->name, sizeof row->name, name)) {
        panic("name of %zu bytes", strlen(name));
    }
}

void service_table_inherit(ServiceTable *table, const ServiceTable *before)
{
    for (int i = 0; i < table->count; i++) {
        Service *row = &table->rows[i];
        int old = service_table_find(before, row->role, row->name);
        if (old >= 0) {
            row->restart = before->rows[old].restart;
            row->jobs_finished = before->rows[old].jobs_finished;
            row->jobs_at_death = before->rows[old].jobs_at_death;
        }
    }
}

void service_table_deinit(ServiceTable *table)
{
    free(table->rows);
    *table = (ServiceTable){.rows = NULL};
}

int service_table_find(const ServiceTable *table, Role role, const char *name)
{
    for (int i = 0; i < table->count; i++) {
        const Service *row = &table->rows[i];
        if (row->role == role && (role != ROLE_WORKER || str_equal(row->name, name))) {
            return i;
        }
    }
    return -1;
}

int service_table_worker_count(const ServiceTable *table)
{
    int count = 0;
    for (int i = 0; i < table->count; i++) {
        if (table->rows[i].role == ROLE_WORKER) {
            count += table->rows[i].count;
        }
    }
    return count;
}

int service_table_slots_for(int workers)
{
    int spare = workers < 2 ? 2 : workers;
    int slots = SCOREBOARD_OTHER_SLOTS + workers + spare;
    return slots < SCOREBOARD_SLOT_MAX ? slots : SCOREBOARD_SLOT_MAX;
}
