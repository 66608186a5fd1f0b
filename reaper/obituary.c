// SPDX-License-Identifier: MIT
// Obituary: see the header.
#include "reaper/obituary.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "common/base/clock.h"
#include "common/base/duration.h"
#include "common/base/seeded_bug.h"
#include "common/base/utf8.h"

static void say(Obituary *out, const char *outcome, const char *what, const char *detail)
{
    out->outcome = outcome;
    (void)snprintf(out->message, sizeof out->message, "%s%s", what, detail);
    utf8_clean(
        out->message,
        strlen(
            out->message)); // a note may be cut, or be nonsense, and would keep the job from being settled
}

static void say_timeout(Obituary *out, const Slot *slot)
{
    char limit[32];
    const int64_t soft_at = atomic_load(&slot->run_soft_at);
    if (soft_at == 0) { // its handler had returned: the worker died over the writing
        say(out, "timeout", "stopped at its timeout; what it said of it was lost with its worker",
            "");
        return;
    }
    int64_t took_ms = 0; // the slot is the worker's to write: the numbers may be anything
    if (__builtin_sub_overflow(soft_at, (int64_t)atomic_load(&slot->run_started_at), &took_ms)) {
        took_ms = 0;
    }
    duration_format(took_ms, limit, sizeof limit);
    say(out, "timeout", "killed at its timeout of ", limit);
}

// Why the supervisor stopped the run: softly and it died of it, or with SIGKILL.
static void judge_stop(Obituary *out, const Slot *slot)
{
    switch ((StopCause)atomic_load(&slot->stop_cause)) {
    case STOP_TIMEOUT:
        say_timeout(out, slot);
        return;
    case STOP_CANCEL:
        say(out, "cancelled", "stopped because it was cancelled", "");
        return;
    case STOP_SHUTDOWN:
        say(out, "released", "its worker was shut down", "");
        return;
    case STOP_FENCE:
        say(out, "node_lost", "killed because its node could not renew its lease", "");
        return;
    case STOP_STUCK:
        say(out, "crashed", "its worker made no progress and was killed", "");
        return;
    case STOP_OPERATOR:
        say(out, "crashed", "its worker was ended by an operator", "");
        return;
    case STOP_NONE:
        break;
    }
    say(out, "crashed", "killed by the supervisor", "");
}

// The worker's own kernel timer kills without a word: the deadline tells.
static bool is_past_deadline(const Slot *slot)
{
    long long soft_at = atomic_load(&slot->run_soft_at);
    // Not soft_at plus grace: both are the worker's to write, and may be anything.
    return soft_at > 0 && clock_boot_ms() - soft_at >= atomic_load(&slot->run_grace_ms);
}

static void judge_death(Obituary *out, const Slot *slot)
{
    char detail[320];
    char note[SCOREBOARD_NOTE_BYTES];
    memcpy(note, slot->note, sizeof note);
    note[sizeof note - 1] = '\0';
    if (out->signal != 0) {
        const char *name = sigabbrev_np(out->signal);
        (void)snprintf(detail, sizeof detail, "SIG%s%s%s", name != NULL ? name : "?",
                       note[0] != '\0' ? ": " : "", note);
        say(out, "crashed", "its worker was killed by ", detail);
    } else {
        (void)snprintf(detail, sizeof detail, "%d%s%s", out->exit_code, note[0] != '\0' ? ": " : "",
                       note);
        say(out, "crashed", "its worker exited with code ", detail);
    }
}

// Did the supervisor mean this very run, or, before any run, the whole process?
static bool was_stopped(const Obituary *out, const Slot *slot, long long serial)
{
    long long stopped = atomic_load(&slot->stop_serial);
    if (stopped == serial) {
        return true;
    }
    return out->signal == SIGKILL &&
           (atomic_load(&slot->kill_serial) == serial ||
            (stopped == 0 && atomic_load(&slot->stop_cause) != STOP_NONE));
}

static void judge(Obituary *out, const Slot *slot, bool supervisor_gone, int64_t lease_until)
{
    long long serial = atomic_load(&slot->run_serial);
    long long killed = atomic_load(&slot->kill_serial);
    if (supervisor_gone) {
        say(out, "node_lost", "its supervisor died", "");
    } else if (out->signal == SIGKILL && killed != 0 && killed != serial) {
        // The kill was meant for the run before this one.
        say(out, "released", "its worker was killed for another job", "");
    } else if (was_stopped(out, slot, serial)) {
        judge_stop(out, slot);
    } else if (out->signal == SIGKILL && is_past_deadline(slot)) {
        say_timeout(out, slot);
    } else if (out->signal == SIGKILL && lease_until > 0 && clock_boot_ms() >= lease_until) {
        say(out, "node_lost", "killed because its node could not renew its lease", "");
    } else {
        judge_death(out, slot);
    }
}

void obituary_read(Obituary *out, const Slot *slot, bool supervisor_gone, int64_t lease_until)
{
    memset(out, 0, sizeof *out);
    out->running = -1;
    out->exit_code = -1;
    int count = slot_batch_count(slot);
    for (int i = 0; i < count; i++) {
        EntryState state = entry_state(&slot->batch[i]);
        if (SEEDED_BUG("done_forgotten") && state == ENTRY_DONE) {
            continue;
        }
        if (state == ENTRY_DONE || state == ENTRY_WRITING) {
            out->done[out->done_count++] = i;
        } else if (state == ENTRY_RUNNING) {
            out->running = i;
        }
    }
    if (!supervisor_gone && WIFSIGNALED(slot->exit_status)) {
        out->signal = WTERMSIG(slot->exit_status);
    } else if (!supervisor_gone && WIFEXITED(slot->exit_status)) {
        out->exit_code = WEXITSTATUS(slot->exit_status);
    }
    if (out->running >= 0) {
        judge(out, slot, supervisor_gone, lease_until);
    }
}
