// SPDX-License-Identifier: MIT
// Heir: clears this node's name of an earlier holder, before it is registered.
#ifndef REAPER_HEIR_H
#define REAPER_HEIR_H

#include "reaper/reaper.h"

enum {
    HEIR_PATIENCE_MS =
        1500, // behind a pooler, for a dead supervisor's reaper to settle its own workers
    HEIR_LIMIT_MS = 10000 // for whatever is left of a dead supervisor on this machine
};

// This boot of this kernel and this pid namespace: only within both does a pid name a process.
void heir_boot_id(char *out, size_t size);

// One whose supervisor is gone from this very machine is buried as soon as nothing of it is left; one elsewhere is watched for the
// length of its lease, and so is one here whose number a process has that /proc hides: it may be anybody's.
// STATUS_OK: nobody has the name. STATUS_RETRY: not yet, look again. STATUS_REFUSED: it is in use (logged).
MUST_CHECK Status heir_clear_name(Reaper *self, const char *boot_id);

#endif
