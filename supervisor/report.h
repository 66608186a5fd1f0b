// SPDX-License-Identifier: MIT
// Report: what the supervisor says of itself: ready, status and watchdog to systemd and to the log.
#ifndef SUPERVISOR_REPORT_H
#define SUPERVISOR_REPORT_H

#include "supervisor/supervisor.h"

// Says what has changed since the last call.
void report_state(Supervisor *self, int64_t now);

#endif
