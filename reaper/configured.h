// SPDX-License-Identifier: MIT
// Configured: brings the schedules and queues of the configuration into the database, once for each that was read.
#ifndef REAPER_CONFIGURED_H
#define REAPER_CONFIGURED_H

#include "reaper/reaper.h"

// Applies both sections and logs what that changed; what PostgreSQL refuses is logged with its place in the file, and the node goes
// on. Sets self->next_apply_at: never, or soon when something was held by others.
MUST_CHECK Status configured_apply(Reaper *self, int64_t now);

#endif
