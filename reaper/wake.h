// SPDX-License-Identifier: MIT
// Wake: rouses idle workers, as many as there is work for.
#ifndef REAPER_WAKE_H
#define REAPER_WAKE_H

#include "reaper/reaper.h"

// Wakes up to `count` idle workers whose pool serves `queue` (NULL = one of every pool that has an idle worker, at least).
void wake_workers(Reaper *self, const char *queue, int count);

// An enqueuer called: `queue` has work. Calls that come in a flood cost the enqueuers more than they are worth, as PostgreSQL commits
// one notifying transaction at a time: then the node says that it wants none (reaper.c) and wakes its workers by the clock.
void wake_on_call(Reaper *self, const char *queue, int64_t now);

// Is it a flood?
bool wake_is_flooded(const Reaper *self);

// Wakes by the clock while it is; to be called at every turn. wake_next_turn says when next, INT64_MAX: it is none.
void wake_in_flood(Reaper *self, int64_t now);
int64_t wake_next_turn(const Reaper *self);

// Wakes the supervisor's loop: something in the scoreboard is for it.
void wake_supervisor(void);

// How many workers are idle.
int wake_idle_count(Reaper *self);

// How many jobs the workers have ended: another number than before when one had something to do.
uint64_t wake_done_count(const Reaper *self);

#endif
