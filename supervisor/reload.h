// SPDX-License-Identifier: MIT
// Reload: checks a changed configuration file and puts it in force without stopping a job.
#ifndef SUPERVISOR_RELOAD_H
#define SUPERVISOR_RELOAD_H

#include "supervisor/supervisor.h"

// Reads the file again. A bad one, or one that needs a restart, is reported line by line and changes
// nothing. A good one goes to the reaper (which is told to start afresh) and to new workers, which
// replace the old ones step by step.
void reload_config(Supervisor *self);

#endif
