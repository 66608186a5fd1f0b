// SPDX-License-Identifier: MIT
// Wake: see the header.
#include "reaper/wake.h"

#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/fault_point.h"
#include "common/base/inherited_fd.h"
#include "common/base/log.h"

enum {
    WOKEN_PATIENCE_MS = 100,       // a woken worker that has not moved by then may be woken again
    FLOOD_CALLS = 15,              // so many within
    FLOOD_WINDOW_MS = 100,         // are a flood,
    FLOOD_MS = 1000,               // which is taken to last so long:
    FLOOD_WAKE_MS = CLAIM_PACE_MS, // meanwhile workers are woken so often, if they are idle;
    FLOOD_VAIN_WAKES =
        8,            // after so many without a job half as often, after as many more a quarter:
    FLOOD_SLOWEST = 2 // the calls may be for others
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
    for (int i = 1; i < scoreboard_api_slot(self->board); i++) {
        idle += is_idle(scoreboard_slot(self->board, i)) ? 1 : 0;
    }
    return idle;
}

// A batch is one claim, also an empty one.
static uint64_t claim_count(const Reaper *self)
{
    uint64_t claims = 0;
    for (int i = 1; i < scoreboard_api_slot(self->board); i++) {
        claims += atomic_load(&scoreboard_slot(self->board, i)->batch_serial);
    }
    return claims;
}

uint64_t wake_done_count(const Reaper *self)
{
    uint64_t jobs = 0;
    for (int i = 1; i < scoreboard_api_slot(self->board); i++) {
        jobs += (uint64_t)atomic_load(&scoreboard_slot(self->board, i)->jobs_done);
    }
    return jobs;
}

// Workers of a pool that claim, or will within a pace: nobody need be woken in their place. One that has not moved for long stands
// still.
static int coming_count(const Reaper *self, int pool, int64_t now)
{
    if (!self->pace.is_on) {
        return 0;
    }
    int count = 0;
    for (int i = 1; i < scoreboard_api_slot(self->board); i++) {
        const Slot *slot = scoreboard_slot(self->board, i);
        int state = atomic_load(&slot->state);
        if (slot->pool == pool && atomic_load(&slot->life) == SLOT_SPAWNED &&
            (state == SLOT_COLLECTING || state == SLOT_CLAIMING) &&
            now - atomic_load(&slot->changed_at) < WOKEN_PATIENCE_MS) {
            count++;
        }
    }
    return count;
}

// One that was woken for earlier work and has not got up yet counts as busy. After WOKEN_PATIENCE_MS it may have missed the call,
// or stand still: it is called again, and another one in its place.
static int wake_pool(Reaper *self, int pool, const char *queue, int count, int64_t now)
{
    int woken = coming_count(self, pool, now);
    for (int i = 1; i < scoreboard_api_slot(self->board) && woken < count; i++) {
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
        counter_add(&self->header->reaper.wakes, 1);
        write_one(FD_SLOT_WAKE_BASE + i);
        woken += is_late ? 0 : 1;
    }
    return woken;
}

void wake_workers(Reaper *self, const char *queue, int count)
{
    // Raised first: a worker that is just going to sleep sees it and does not.
    atomic_fetch_add(&self->header->work_counter, 1);
    FAULT_POINT(wake_counted);
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
    return self->flood_until != 0 || self->pace.is_on;
}

// Where workers pause between claims, nobody need be told of a job: one of them comes by.
static void look_at_pace(Reaper *self, int64_t now)
{
    if (!claim_pace_is_due(&self->pace, now) ||
        !claim_pace_look(&self->pace, wake_done_count(self), claim_count(self), now)) {
        return;
    }
    atomic_store(&self->header->claim_pace_ms, self->pace.is_on ? CLAIM_PACE_MS : 0);
    self->flood_wake_at = now + FLOOD_WAKE_MS;
    self->next_scan_at = 0; // where it is announced
    log_debug("claims.pace", "on=%s jobs_per_s=%.0f", self->pace.is_on ? "yes" : "no",
              self->pace.rate * 1000);
}

static uint64_t start_count(const Reaper *self)
{
    uint64_t starts = 0;
    for (int i = 1; i < scoreboard_api_slot(self->board); i++) {
        starts += (uint64_t)atomic_load(&scoreboard_slot(self->board, i)->run_serial);
    }
    return starts;
}

static int64_t next_wake_in_ms(Reaper *self)
{
    uint64_t starts = start_count(self);
    self->flood_in_vain = starts == self->flood_starts ? self->flood_in_vain + 1 : 0;
    self->flood_starts = starts;
    int slower = self->flood_in_vain / FLOOD_VAIN_WAKES;
    return (int64_t)FLOOD_WAKE_MS << (slower > FLOOD_SLOWEST ? FLOOD_SLOWEST : slower);
}

void wake_in_flood(Reaper *self, int64_t now)
{
    look_at_pace(self, now);
    if (!wake_is_flooded(self) || now < self->flood_wake_at) {
        return;
    }
    wake_workers(self, NULL, 1);
    self->flood_wake_at = now + next_wake_in_ms(self);
    if (self->flood_until != 0 && now >= self->flood_until) {
        self->flood_until = 0; // calls will show whether it goes on
        self->next_scan_at = 0;
    }
}

int64_t wake_next_turn(const Reaper *self)
{
    return wake_is_flooded(self) ? self->flood_wake_at : INT64_MAX;
}
