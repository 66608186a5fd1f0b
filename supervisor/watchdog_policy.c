// SPDX-License-Identifier: MIT
// Watchdog policy: see watchdog_policy.h.
#include "supervisor/watchdog_policy.h"

enum { READ_TRIES = 4 };

static WatchVerdict fine_until(int64_t look_at);
static WatchVerdict kill_now(StopCause cause, int64_t serial);
static WatchVerdict limit_silence(const LifeSign *sign, int64_t limit_ms, int64_t now);
static WatchVerdict look_at_start(const LifeSign *sign, int64_t now);
static WatchVerdict look_at_unwanted(const SlotSnapshot *slot, int64_t now);
static WatchVerdict look_at_run(const SlotSnapshot *slot, const StopRecord *stop, int64_t now);

static uint64_t mix(uint64_t mark, int64_t value)
{
    return (mark ^ (uint64_t)value) * UINT64_C(0x9e3779b97f4a7c15);
}

// Results that have reached the database: one after the other is written without a change of state.
static int count_written(Slot *slot, int state)
{
    int written = 0;
    int count = state == SLOT_RUNNING || state == SLOT_IDLE ? 0 : slot_batch_count(slot);
    for (int i = 0; i < count; i++) {
        written += entry_state(&slot->batch[i]) == ENTRY_WRITTEN;
    }
    return written;
}

// Of everything a worker at work cannot leave as it is.
static uint64_t mark_of(Slot *slot)
{
    int state = atomic_load(&slot->state);
    uint64_t mark = mix(1, atomic_load(&slot->changed_at));
    mark = mix(mark, state);
    mark = mix(mark, atomic_load(&slot->run_serial));
    mark = mix(mark, atomic_load(&slot->jobs_done));
    return mix(mark, count_written(slot, state));
}

SlotSnapshot watchdog_policy_read(Slot *slot)
{
    SlotSnapshot snapshot = {.torn = true};

    for (int i = 0; i < READ_TRIES && snapshot.torn; i++) {
        snapshot.attached = atomic_load(&slot->child_generation) == atomic_load(&slot->generation);
        snapshot.run_serial = atomic_load(&slot->run_serial);
        // An int from another process: a value outside the enum falls through every case below.
        snapshot.state = (SlotState)atomic_load(&slot->state);
        snapshot.run_soft_at = atomic_load(&slot->run_soft_at);
        snapshot.run_grace_ms = atomic_load(&slot->run_grace_ms);
        snapshot.cancel_serial = atomic_load(&slot->cancel_serial);
        unsigned unwanted = atomic_load(&slot->unwanted_generation);
        snapshot.is_unwanted = unwanted != 0 && unwanted == atomic_load(&slot->generation);
        snapshot.torn = snapshot.run_serial != atomic_load(&slot->run_serial) ||
                        snapshot.state != (SlotState)atomic_load(&slot->state);
    }
    if (!snapshot.attached) {
        snapshot.state = SLOT_STARTING;
    }
    snapshot.mark = snapshot.attached ? mark_of(slot) : 0;
    return snapshot;
}

void watchdog_policy_note_sign(LifeSign *sign, uint64_t mark, int64_t now)
{
    int64_t pause_ms = now - (sign->looked_at > 0 ? sign->looked_at : now);

    // Whoever stopped us for a while may have stopped the child too, and it had no time since.
    sign->silent_ms += pause_ms < WATCHDOG_PAUSE_MAX_MS ? pause_ms : WATCHDOG_PAUSE_MAX_MS;
    sign->looked_at = now;
    if (mark != sign->mark) {
        sign->mark = mark;
        sign->silent_ms = 0;
    }
}

void watchdog_policy_note_unwanted(SlotSnapshot *slot, int64_t *since, int64_t now)
{
    if (!slot->torn) { // else its state may be that of the moment before
        // The first look after the handler counts, not the last one in it: nobody looks while that has its grace.
        bool must_leave = slot->is_unwanted && slot->state != SLOT_RUNNING;
        *since = !must_leave ? 0 : *since == 0 ? now : *since;
    }
    slot->unwanted_since = *since;
}

WatchVerdict watchdog_policy_look(const SlotSnapshot *slot, const StopRecord *stop,
                                  const LifeSign *sign, bool fenced, int64_t now)
{
    if (fenced) {
        return kill_now(STOP_FENCE, 0);
    }
    if (slot->torn) {
        return fine_until(now + WATCHDOG_TORN_MS);
    }
    if (slot->is_unwanted && slot->state != SLOT_RUNNING) {
        return look_at_unwanted(slot, now);
    }
    switch (slot->state) {
    case SLOT_STARTING:
        return look_at_start(sign, now);
    case SLOT_STOPPING:
        return limit_silence(sign, WATCHDOG_STOPPING_MS, now);
    case SLOT_RUNNING:
        return look_at_run(slot, stop, now);
    case SLOT_IDLE:
    case SLOT_CLAIMING:
    case SLOT_FINISHING:
    case SLOT_COLLECTING:
        break;
    }
    return limit_silence(sign, WATCHDOG_HUNG_MS, now); // nonsense too is a state nobody stays in
}

static WatchVerdict look_at_run(const SlotSnapshot *slot, const StopRecord *stop, int64_t now)
{
    if (stop->serial != 0 && stop->serial == slot->run_serial) {
        return now >= stop->kill_at ? kill_now(stop->cause, stop->serial)
                                    : fine_until(stop->kill_at);
    }

    bool is_cancelled = slot->cancel_serial != 0 && slot->cancel_serial == slot->run_serial;
    bool is_overdue = slot->run_soft_at > 0 && now >= slot->run_soft_at;
    if (!is_cancelled && !is_overdue && !slot->is_unwanted) {
        return fine_until(slot->run_soft_at > 0 ? slot->run_soft_at : WATCHDOG_NEVER);
    }

    StopCause cause = is_cancelled ? STOP_CANCEL : is_overdue ? STOP_TIMEOUT : STOP_OPERATOR;
    int64_t grace = slot->run_grace_ms;
    if (grace > WATCHDOG_GRACE_MAX_MS) {
        grace = WATCHDOG_GRACE_MAX_MS;
    }
    // The deadline counts, not the moment it was noticed.
    int64_t kill_at = (cause == STOP_TIMEOUT ? slot->run_soft_at : now) + grace;
    if (grace <= 0 || now >= kill_at) {
        return kill_now(cause, slot->run_serial);
    }
    return (WatchVerdict){.action = WATCH_SOFT_STOP,
                          .cause = cause,
                          .serial = slot->run_serial,
                          .kill_at = kill_at,
                          .look_at = kill_at};
}

// It has been told to leave when it has nothing in hand: writing what it has ended, and saying goodbye, take no longer than that.
static WatchVerdict look_at_unwanted(const SlotSnapshot *slot, int64_t now)
{
    int64_t ends_at = slot->unwanted_since + WATCHDOG_UNWANTED_MS;

    return now >= ends_at ? kill_now(STOP_OPERATOR, 0) : fine_until(ends_at);
}

// A database that does not answer keeps a worker starting, and is no fault of its own: it shows life between its tries.
static WatchVerdict look_at_start(const LifeSign *sign, int64_t now)
{
    int64_t ends_at = sign->spawned_at + WATCHDOG_START_MAX_MS;

    if (now >= ends_at) {
        return kill_now(STOP_STUCK, 0);
    }
    WatchVerdict verdict = limit_silence(sign, WATCHDOG_START_MS, now);
    verdict.look_at = verdict.look_at < ends_at ? verdict.look_at : ends_at;
    return verdict;
}

static WatchVerdict limit_silence(const LifeSign *sign, int64_t limit_ms, int64_t now)
{
    return sign->silent_ms >= limit_ms ? kill_now(STOP_STUCK, 0)
                                       : fine_until(now + limit_ms - sign->silent_ms);
}

static WatchVerdict fine_until(int64_t look_at)
{
    return (WatchVerdict){.action = WATCH_FINE, .cause = STOP_NONE, .look_at = look_at};
}

static WatchVerdict kill_now(StopCause cause, int64_t serial)
{
    return (WatchVerdict){.action = WATCH_KILL, .cause = cause, .serial = serial};
}
