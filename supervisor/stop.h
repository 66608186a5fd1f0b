// SPDX-License-Identifier: MIT
// Stop: the one path by which a job or a worker is stopped: asked first, killed later.
#ifndef SUPERVISOR_STOP_H
#define SUPERVISOR_STOP_H

#include "supervisor/supervisor.h"

enum { STOP_KILL_AGAIN_MS = 5000 };

// Looks at every live child and does what its slot calls for.
void stop_watch(Supervisor *self, int64_t now);
// Every worker is to finish the job in hand and leave.
void stop_drain(Supervisor *self, Child *child);
// Every worker's running job is asked to stop, because of a shutdown; each has its own kill_grace for it, but
// `limit_ms` at most.
void stop_soft_all(Supervisor *self, int64_t now, int64_t limit_ms);
// Every worker is killed. A job that is being stopped for another reason keeps that.
void stop_kill_all(Supervisor *self, StopCause cause, int64_t now);
// Tells all workers to start no jobs, or to go on.
void stop_set_quiet(Supervisor *self, bool quiet);

#endif
