// SPDX-License-Identifier: MIT
// Wake: rouses idle workers, as many as there is work for.
#ifndef REAPER_WAKE_H
#define REAPER_WAKE_H

#include "reaper/reaper.h"

// Wakes up to `count` idle workers whose pool serves `queue` (NULL = one of every pool that has an idle worker, at least).
void wake_workers(Reaper *self, const char *queue, int count);

// Wakes the supervisor's loop: something in the scoreboard is for it.
void wake_supervisor(void);

// How many workers are idle.
int wake_idle_count(Reaper *self);

// How many batches the workers have taken: another number than before when one has taken some.
uint64_t wake_batch_count(const Reaper *self);

#endif
