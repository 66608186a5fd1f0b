// SPDX-License-Identifier: MIT
// Session: the reaper's connection: made, prepared, given up.
#ifndef REAPER_SESSION_H
#define REAPER_SESSION_H

#include "reaper/reaper.h"

// Tries once, not more often than REAPER_RECONNECT_MS. Afterwards self->db says whether it worked.
void session_connect(Reaper *self, int64_t now);

// What a new connection needs before anything else: the node's lease first, then schema, settings, LISTEN.
// STATUS_REFUSED or STATUS_FATAL: the schema does not fit, the process ends (logged).
MUST_CHECK Status session_prepare(Reaper *self);

// Closes a connection that was found broken; `why` for the log.
void session_drop(Reaper *self, const char *why);

#endif
