// SPDX-License-Identifier: MIT
// Watchdog policy: what a look at one slot calls for. Pure: a snapshot and the clock in, a verdict out.
#ifndef SUPERVISOR_WATCHDOG_POLICY_H
#define SUPERVISOR_WATCHDOG_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/scoreboard.h"

// How long nothing may change in a slot. A worker shows life with each change of state, each result written and
// each try to connect; between two of these lie at most a connect (5 s), two statements (30 s each) and a pause (5 s).
enum {
    WATCHDOG_START_MS = 90 * 1000,          // starting
    WATCHDOG_START_MAX_MS = 10 * 60 * 1000, // starting, whatever life it shows
    WATCHDOG_STOPPING_MS = 90 * 1000,       // said it was going
    WATCHDOG_HUNG_MS = 120 * 1000,          // idle (looks about every 5 s), claiming or finishing
    WATCHDOG_SILENT_MS = 60 * 1000,         // the reaper
    WATCHDOG_API_MS = 20 * 1000,            // the HTTP API
    WATCHDOG_UNWANTED_MS = 10 * 1000,       // asked to leave by an operator, and in no handler
    WATCHDOG_UNKILLABLE_MS =
        120 * 1000, // killed, and still there: we no longer say that all is well
    WATCHDOG_PAUSE_MAX_MS =
        2000, // of more time between two looks we know nothing: we were stopped ourselves
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

// How long a child has shown no life, by the supervisor's own clock: the times in a slot are the child's to write, and
// only that they change is believed. Zero-initialise, with the time of the start.
typedef struct LifeSign {
    int64_t spawned_at;
    int64_t looked_at;
    int64_t silent_ms;
    uint64_t mark; // of the slot's content at the last change
} LifeSign;

// One consistent reading of a worker's slot.
typedef struct SlotSnapshot {
    bool torn;     // it changed under the reader: only the fields that need no pairing are valid
    bool attached; // child_generation == generation: what follows was written by this child
    SlotState state;
    uint64_t mark; // differs whenever the child has shown life since
    int64_t run_serial;
    int64_t run_soft_at;
    int64_t run_grace_ms;
    int64_t cancel_serial;
    bool is_unwanted;       // an operator wants this worker ended
    int64_t unwanted_since; // the supervisor's: when it first saw that, in no handler
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
// Keeps the time of silence; to be called at every look, with the mark of what was read.
void watchdog_policy_note_sign(LifeSign *sign, uint64_t mark, int64_t now);
// Keeps since when an unwanted worker has been in no handler, and so has nothing to do but leave (0: it is not so, or not yet); to be
// called at every look, and goes into the snapshot.
void watchdog_policy_note_unwanted(SlotSnapshot *slot, int64_t *since, int64_t now);

// `stop` is the soft stop under way. `fenced`: the node's lease is gone.
WatchVerdict watchdog_policy_look(const SlotSnapshot *slot, const StopRecord *stop,
                                  const LifeSign *sign, bool fenced, int64_t now);

#endif
