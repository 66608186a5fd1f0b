// SPDX-License-Identifier: MIT
// Spawn: brings the number of processes to what the service table wants.
#ifndef SUPERVISOR_SPAWN_H
#define SUPERVISOR_SPAWN_H

#include "supervisor/supervisor.h"

// Finds the programs of the roles that are wanted; STATUS_REFUSED (logged) when one is missing.
MUST_CHECK Status spawn_find_programs(Supervisor *self);
// The same for the API alone: a changed configuration may want it.
MUST_CHECK Status spawn_find_api(Supervisor *self);
// Starts what is missing and may be started now.
void spawn_missing(Supervisor *self, int64_t now);
// Drains workers that have an older configuration than the running one, or that nobody wants any more:
// one of a pool at a time, and only while its other processes are ready.
void spawn_replace_outdated(Supervisor *self);

#endif
