// SPDX-License-Identifier: MIT
// Which job types this node handles: those of its configuration that a pool runs, unless no worker could load them.
#ifndef REAPER_SERVED_H
#define REAPER_SERVED_H

#include "reaper/reaper.h"

// Caller frees *out.
void served_job_types(const Reaper *self, DbArray *out);

#endif
