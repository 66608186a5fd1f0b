// SPDX-License-Identifier: MIT
// Watchdog policy: what a look at one slot calls for. Pure: a snapshot and the clock in, a verdict out.
#ifndef SUPERVISOR_WATCHDOG_POLICY_H
#define SUPERVISOR_WATCHDOG_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/scoreboard.h"

enum {
    WATCHDOG_START_MS = 30 * 1000,               // not ready by then: stuck
    WATCHDOG_STOPPING_MS = 30 * 1000,            // said it was going, and did not
    WATCHDOG_SILENT_MS = 60 * 1000,              // the reaper shows life at least every few seconds
    WATCHDOG_STALLED_MS = 120 * 1000,            // claiming or finishing for so long is no progress
    WATCHDOG_GRACE_MAX_MS = 24 * 60 * 60 * 1000, // a longer grace in a slot is nonsense
    WATCHDOG_TORN_MS = 5 // look again at a slot that changed while it was read
};
#define WATCHDOG_NEVER INT64_MAX

// What the supervisor remembers of a soft stop it began; zero = none.
typedef struct StopRecord {
    int64_t serial; // run it is meant for
    StopCause cause;
    int64_t kill_at; // when patience ends
} StopRecord;

// One consistent reading of a worker's slot.
typedef struct SlotSnapshot {
    bool torn;     // it changed under the reader: only the fields that need no pairing are valid
    bool attached; // child_generation == generation: what follows was written by this child
    SlotState state;
    int64_t spawned_at;
    int64_t changed_at;
    int64_t run_serial;
    int64_t run_soft_at;
    int64_t run_grace_ms;
    int64_t cancel_serial;
} SlotSnapshot;

typedef enum WatchAction { WATCH_FINE, WATCH_SOFT_STOP, WATCH_KILL } WatchAction;

typedef struct WatchVerdict {
    WatchAction action;
    StopCause cause;
    int64_t serial;  // run it is meant for; 0 = the process, whatever it runs
    int64_t kill_at; // WATCH_SOFT_STOP: when to kill
    int64_t look_at; // WATCH_FINE: when to look again, WATCHDOG_NEVER = only when told
} WatchVerdict;

// Reads a slot as one consistent whole, as far as a few tries allow.
SlotSnapshot watchdog_policy_read(Slot *slot);

// `stop` is the soft stop under way. `fenced`: the node's lease is gone.
WatchVerdict watchdog_policy_look(const SlotSnapshot *slot, const StopRecord *stop, bool fenced,
                                  int64_t now);

// False when a worker has been in a state it should have left long ago.
bool watchdog_policy_makes_progress(const SlotSnapshot *slot, int64_t now);

#endif
