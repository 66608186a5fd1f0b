// SPDX-License-Identifier: MIT
// Watchdog policy: see watchdog_policy.h.
#include "supervisor/watchdog_policy.h"

enum { READ_TRIES = 4 };

static WatchVerdict fine_until(int64_t look_at);
static WatchVerdict kill_now(StopCause cause, int64_t serial);
static WatchVerdict limit_state(int64_t since, int64_t limit_ms, int64_t now);
static WatchVerdict look_at_run(const SlotSnapshot *slot, const StopRecord *stop, int64_t now);

SlotSnapshot watchdog_policy_read(Slot *slot)
{
    SlotSnapshot snapshot = {.torn = true};

    for (int i = 0; i < READ_TRIES && snapshot.torn; i++) {
        snapshot.attached = atomic_load(&slot->child_generation) == atomic_load(&slot->generation);
        snapshot.run_serial = atomic_load(&slot->run_serial);
        // An int from another process: a value outside the enum falls through every case below.
        snapshot.state = (SlotState)atomic_load(&slot->state);
        snapshot.spawned_at = atomic_load(&slot->spawned_at);
        snapshot.changed_at = atomic_load(&slot->changed_at);
        snapshot.run_soft_at = atomic_load(&slot->run_soft_at);
        snapshot.run_grace_ms = atomic_load(&slot->run_grace_ms);
        snapshot.cancel_serial = atomic_load(&slot->cancel_serial);
        snapshot.torn = snapshot.run_serial != atomic_load(&slot->run_serial) ||
                        snapshot.state != (SlotState)atomic_load(&slot->state);
    }
    if (!snapshot.attached) {
        snapshot.state = SLOT_STARTING;
    }
    return snapshot;
}

WatchVerdict watchdog_policy_look(const SlotSnapshot *slot, const StopRecord *stop, bool fenced,
                                  int64_t now)
{
    if (fenced) {
        return kill_now(STOP_FENCE, 0);
    }
    if (slot->torn) {
        return fine_until(now + WATCHDOG_TORN_MS);
    }
    switch (slot->state) {
    case SLOT_STARTING:
        return limit_state(slot->spawned_at, WATCHDOG_START_MS, now);
    case SLOT_STOPPING:
        return limit_state(slot->changed_at, WATCHDOG_STOPPING_MS, now);
    case SLOT_RUNNING:
        return look_at_run(slot, stop, now);
    case SLOT_IDLE:
    case SLOT_CLAIMING:
    case SLOT_FINISHING:
        break;
    }
    return fine_until(WATCHDOG_NEVER);
}

static WatchVerdict look_at_run(const SlotSnapshot *slot, const StopRecord *stop, int64_t now)
{
    if (stop->serial != 0 && stop->serial == slot->run_serial) {
        return now >= stop->kill_at ? kill_now(stop->cause, stop->serial)
                                    : fine_until(stop->kill_at);
    }

    bool is_cancelled = slot->cancel_serial != 0 && slot->cancel_serial == slot->run_serial;
    bool is_overdue = slot->run_soft_at > 0 && now >= slot->run_soft_at;
    if (!is_cancelled && !is_overdue) {
        return fine_until(slot->run_soft_at > 0 ? slot->run_soft_at : WATCHDOG_NEVER);
    }

    StopCause cause = is_cancelled ? STOP_CANCEL : STOP_TIMEOUT;
    int64_t grace = slot->run_grace_ms;
    if (grace > WATCHDOG_GRACE_MAX_MS) {
        grace = WATCHDOG_GRACE_MAX_MS;
    }
    // The deadline counts, not the moment it was noticed.
    int64_t kill_at = (is_cancelled ? now : slot->run_soft_at) + grace;
    if (grace <= 0 || now >= kill_at) {
        return kill_now(cause, slot->run_serial);
    }
    return (WatchVerdict){.action = WATCH_SOFT_STOP,
                          .cause = cause,
                          .serial = slot->run_serial,
                          .kill_at = kill_at,
                          .look_at = kill_at};
}

static WatchVerdict limit_state(int64_t since, int64_t limit_ms, int64_t now)
{
    // `since` may be any number: a child may write nonsense into its own slot.
    if (since > now || since < now - limit_ms) {
        return since > now ? fine_until(now + limit_ms) : kill_now(STOP_STUCK, 0);
    }
    return fine_until(since + limit_ms + 1);
}

static WatchVerdict fine_until(int64_t look_at)
{
    return (WatchVerdict){.action = WATCH_FINE, .cause = STOP_NONE, .look_at = look_at};
}

static WatchVerdict kill_now(StopCause cause, int64_t serial)
{
    return (WatchVerdict){.action = WATCH_KILL, .cause = cause, .serial = serial};
}

bool watchdog_policy_makes_progress(const SlotSnapshot *slot, int64_t now)
{
    switch (slot->state) {
    case SLOT_CLAIMING:
    case SLOT_FINISHING:
    case SLOT_STOPPING:
        return slot->changed_at > now - WATCHDOG_STALLED_MS;
    case SLOT_STARTING: // ends by itself or by WATCHDOG_START_MS
    case SLOT_IDLE:
    case SLOT_RUNNING: // has its own deadline
        break;
    }
    return true;
}
