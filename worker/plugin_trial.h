// SPDX-License-Identifier: MIT
// Tries something dangerous in a child process first, with a time limit.
#ifndef WORKER_PLUGIN_TRIAL_H
#define WORKER_PLUGIN_TRIAL_H

#include <stdint.h>

#include "common/base/memory.h"
#include "common/base/status.h"

// Runs attempt(fd, why) in a forked child that has no open file but fd, stdout and stderr.
// STATUS_REFUSED: the attempt said so, or died, or took longer than limit_ms; `why` has the reason.
// All its processes are gone afterwards.
MUST_CHECK Status plugin_trial(Status (*attempt)(int fd, StrBuf *why), int fd, int64_t limit_ms,
                               StrBuf *why);

#endif
