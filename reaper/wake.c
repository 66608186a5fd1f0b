// SPDX-License-Identifier: MIT
// Wake: see the header.
#include "reaper/wake.h"

#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/inherited_fd.h"

enum {
    WOKEN_PATIENCE_MS = 100, // a woken worker that has not moved by then may be woken again
    FLOOD_CALLS = 15,        // so many within
    FLOOD_WINDOW_MS = 100,   // are a flood,
    FLOOD_MS = 1000,         // which is taken to last so long:
    FLOOD_WAKE_MS = 5        // meanwhile workers are woken so often, if they are idle
};

static void write_one(int fd)
{
    const uint64_t one = 1;
    (void)!write(fd, &one, sizeof one); // full = it is awake already
}

void wake_supervisor(void)
{
    write_one(FD_SUPERVISOR_WAKE);
}

static bool is_idle(const Slot *slot)
{
    return atomic_load(&slot->life) == SLOT_SPAWNED && atomic_load(&slot->state) == SLOT_IDLE &&
           atomic_load(&slot->command) == SLOT_GO;
}

// Was it woken since it became idle?
static bool is_woken(const Reaper *self, const Slot *slot, int index)
{
    return self->woken_mark[index] == atomic_load(&slot->state_serial);
}

static bool serves(const Reaper *self, int pool, const char *queue)
{
    if (pool < 0 || (size_t)pool >= self->config->pool_count) {
        return false;
    }
    if (queue == NULL) {
        return true;
    }
    const StringList *queues = &self->config->pools[pool].queues;
    for (size_t i = 0; i < queues->count; i++) {
        if (str_equal(queues->items[i], queue)) {
            return true;
        }
    }
    return false;
}

int wake_idle_count(Reaper *self)
{
    int idle = 0;
    for (int i = 1; i < scoreboard_slot_count(self->board); i++) {
        idle += is_idle(scoreboard_slot(self->board, i)) ? 1 : 0;
    }
    return idle;
}

uint64_t wake_done_count(const Reaper *self)
{
    uint64_t jobs = 0;
    for (int i = 1; i < scoreboard_slot_count(self->board); i++) {
        jobs += (uint64_t)atomic_load(&scoreboard_slot(self->board, i)->jobs_done);
    }
    return jobs;
}

// One that was woken for earlier work and has not got up yet counts as busy. After WOKEN_PATIENCE_MS it may have missed the call,
// or stand still: it is called again, and another one in its place.
static int wake_pool(Reaper *self, int pool, const char *queue, int count, int64_t now)
{
    int woken = 0;
    for (int i = 1; i < scoreboard_slot_count(self->board) && woken < count; i++) {
        Slot *slot = scoreboard_slot(self->board, i);
        if (slot->pool != pool || !serves(self, pool, queue) || !is_idle(slot)) {
            continue;
        }
        bool is_late = is_woken(self, slot, i);
        if (is_late && now - self->woken_at[i] < WOKEN_PATIENCE_MS) {
            continue;
        }
        self->woken_mark[i] = atomic_load(&slot->state_serial);
        self->woken_at[i] = now;
        write_one(FD_SLOT_WAKE_BASE + i);
        woken += is_late ? 0 : 1;
    }
    return woken;
}

void wake_workers(Reaper *self, const char *queue, int count)
{
    // Raised first: a worker that is just going to sleep sees it and does not.
    atomic_fetch_add(&self->header->work_counter, 1);
    int64_t now = clock_boot_ms();
    for (size_t pool = 0; pool < self->config->pool_count; pool++) {
        (void)wake_pool(self, (int)pool, queue, count, now);
    }
}

void wake_on_call(Reaper *self, const char *queue, int64_t now)
{
    if (now - self->calls_since >= FLOOD_WINDOW_MS) {
        self->calls_since = now;
        self->calls = 0;
    }
    self->calls++;
    if (self->calls >= FLOOD_CALLS && self->flood_until == 0) {
        self->flood_until = now + FLOOD_MS;
        self->flood_wake_at = now + FLOOD_WAKE_MS;
        self->next_scan_at = 0; // where it is announced
    }
    wake_workers(self, queue, 1);
}

bool wake_is_flooded(const Reaper *self)
{
    return self->flood_until != 0;
}

void wake_in_flood(Reaper *self, int64_t now)
{
    if (self->flood_until == 0 || now < self->flood_wake_at) {
        return;
    }
    wake_workers(self, NULL, 1);
    self->flood_wake_at = now + FLOOD_WAKE_MS;
    if (now >= self->flood_until) {
        self->flood_until = 0; // calls will show whether it goes on
        self->next_scan_at = 0;
    }
}

int64_t wake_next_turn(const Reaper *self)
{
    return self->flood_until != 0 ? self->flood_wake_at : INT64_MAX;
}
