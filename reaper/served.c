// SPDX-License-Identifier: MIT
// Served: see the header.
#include "reaper/served.h"

#include <stdlib.h>

#include "common/base/config_options.h"
#include "common/base/memory.h"

static bool is_run_by(const PoolConfig *pool, const char *job_type)
{
    for (size_t i = 0; i < pool->job_types.count; i++) {
        if (str_equal(pool->job_types.items[i], job_type)) {
            return true;
        }
    }
    return pool->job_types.count == 0;
}

static bool is_run(const Config *config, const char *job_type)
{
    for (size_t i = 0; i < config->pool_count; i++) {
        if (is_run_by(&config->pools[i], job_type)) {
            return true;
        }
    }
    return false;
}

static const PoolConfig *pool_of(const Config *config, const Slot *slot)
{
    const bool is_known = slot->pool >= 0 && (size_t)slot->pool < config->pool_count;
    return is_known ? &config->pools[slot->pool] : NULL;
}

// By all workers that should have it and are past their start. While there is none of these nothing is known, and it counts as
// handled.
static bool is_refused(const Reaper *self, const char *job_type)
{
    bool is_any = false;
    for (int i = 1; i < scoreboard_api_slot(self->board); i++) {
        const Slot *slot = scoreboard_slot(self->board, i);
        const PoolConfig *pool = pool_of(self->config, slot);
        if (atomic_load(&slot->life) != SLOT_SPAWNED ||
            atomic_load(&slot->child_generation) != atomic_load(&slot->generation) ||
            atomic_load(&slot->state) == SLOT_STARTING || pool == NULL ||
            !is_run_by(pool, job_type)) {
            continue;
        }
        if (!slot_is_refused(slot, job_type)) {
            return false;
        }
        is_any = true;
    }
    return is_any;
}

void served_job_types(const Reaper *self, DbArray *out)
{
    db_array_begin(out, DB_ELEMENT_TEXT);
    for (size_t i = 0; i < self->config->handler_count; i++) {
        const HandlerConfig *handler = &self->config->handlers[i];
        if (!is_run(self->config, handler->job_type) || is_refused(self, handler->job_type)) {
            continue;
        }
        db_array_add_text(out, handler->job_type);
        if (handler->kind == HANDLER_PLUGIN) { // which have a hook only the workers know
            char *hook = mem_printf("%s%s", handler->job_type, HOOK_TYPE_SUFFIX);
            db_array_add_text(out, hook);
            free(hook);
        }
    }
}
