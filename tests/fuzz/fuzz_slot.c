// SPDX-License-Identifier: MIT
// A slot of the scoreboard that a worker gone mad has filled: what the supervisor and the reaper read from it.
#include "common/base/clock.h"
#include "common/base/scoreboard.h"
#include "reaper/evidence.h"
#include "reaper/obituary.h"
#include "reaper/rescue.h"
#include "supervisor/watchdog_policy.h"
#include "tests/fuzz/fuzz.h"

enum {
    ENTRIES = 24, // filled from the input
    SHORT_BYTES = 512,
    RESULT_BYTES = 512 // filled from the input, at the start of the results
};

static Slot *slot;

// Only what an input can have touched, as a slot has megabytes.
static void empty_slot(void)
{
    if (slot == NULL) {
        slot = mem_alloc(sizeof *slot);
    }
    memset((void *)slot, 0, offsetof(Slot, batch) + ENTRIES * sizeof(BatchEntry));
    memset(slot->results, 0, RESULT_BYTES);
}

// To copy megabytes tells nothing more, and takes long. What is out of bounds stays so.
static void shorten_text(BatchEntry *entry)
{
    if (entry->text_offset <= SCOREBOARD_RESULT_BYTES &&
        entry->text_length <= SCOREBOARD_RESULT_BYTES - entry->text_offset) {
        entry->text_length %= SHORT_BYTES;
    }
}

// The supervisor's own fields are what they are in life; the rest of the slot is the input's.
static void fill_slot(FuzzInput *input)
{
    empty_slot();
    atomic_store(&slot->generation, 3);
    atomic_store(&slot->stop_cause, fuzz_byte(input) % (STOP_OPERATOR + 1));
    atomic_store(&slot->stop_serial, fuzz_byte(input));
    atomic_store(&slot->kill_serial, fuzz_byte(input));
    slot->exit_status = fuzz_byte(input) | fuzz_byte(input) << 8;
    slot->cpu_us = 5000;
    fuzz_take(input, (char *)slot + offsetof(Slot, state),
              offsetof(Slot, job_type) - offsetof(Slot, state));
    fuzz_take(input, slot->batch, ENTRIES * sizeof(BatchEntry));
    for (int i = 0; i < ENTRIES; i++) {
        shorten_text(&slot->batch[i]);
    }
    uint32_t lengths[2];
    fuzz_take(input, lengths, sizeof lengths);
    atomic_store(&slot->result_bytes, lengths[0]);
    atomic_store(&slot->log_length, lengths[1]);
    fuzz_take(input, slot->results, RESULT_BYTES);
    fuzz_take(input, slot->note, sizeof slot->note);
    fuzz_take(input, slot->job_type, sizeof slot->job_type);
    fuzz_take(input, slot->log_tail, sizeof slot->log_tail);
}

static void read_as_supervisor(const FuzzInput *input)
{
    const SlotSnapshot snapshot = watchdog_policy_read(slot);
    const int64_t now = INT64_C(1) << 40;
    LifeSign sign = {.spawned_at = now - 1000};
    const StopRecord stop = {0};
    watchdog_policy_note_sign(&sign, snapshot.mark, now);
    const WatchVerdict verdict =
        watchdog_policy_look(&snapshot, &stop, &sign, input->size % 7 == 1, now);
    // A job stops at the latest when the longest grace is over, whatever the slot says.
    FUZZ_CHECK(verdict.action != WATCH_SOFT_STOP ||
               (verdict.kill_at > now && verdict.kill_at <= now + WATCHDOG_GRACE_MAX_MS));
}

// A time PostgreSQL takes for an interval, counted from now: not before the machine was started.
static void check_past(const char *number)
{
    const long long us = strtoll(number, NULL, 10);
    FUZZ_CHECK(us >= 0 && us <= clock_boot_us());
}

static void check_text(const char *text)
{
    FUZZ_CHECK(text == NULL || strlen(text) <= SCOREBOARD_RESULT_BYTES);
}

static void read_as_reaper(void)
{
    static Obituary obituary;
    DoneArrays done;
    DbParams params;
    obituary_read(&obituary, slot, false, 1);
    obituary_read(&obituary, slot, slot->exit_status % 5 == 0, INT64_MAX);
    evidence_done_begin(&done);
    for (int i = 0; i < obituary.done_count; i++) {
        evidence_done_add(&done, slot, &slot->batch[obituary.done[i]]);
    }
    db_params_init(&params);
    evidence_done_bind(&done, &params);
    evidence_bind_running(&params, slot, &obituary, "log");
    if (obituary.running >= 0) {
        check_past(params.values[params.count - 1]);
    }
    evidence_done_free(&done);
    FUZZ_CHECK(obituary.running < 0 || obituary.outcome != NULL);
}

static void read_entries(void)
{
    const int count = slot_batch_count(slot);
    FUZZ_CHECK(count >= 0 && count <= SCOREBOARD_BATCH_MAX);
    FUZZ_CHECK(slot_running_index(slot) < count);
    (void)rescue_is_due(slot, INT64_C(1) << 40);
    for (int i = 0; i < count && i < ENTRIES; i++) {
        EntryCopy copy;
        DbParams params;
        entry_copy(&copy, slot, &slot->batch[i]);
        check_text(copy.text);
        evidence_bind_result(&params, &copy.entry, job_outcome_word(copy.entry.outcome), copy.text,
                             copy.entry.delay_ms, NULL);
        check_past(params.values[params.count - 1]);
        check_past(params.values[params.count - 2]);
        (void)entry_move_copied(&slot->batch[i], &copy, ENTRY_RETURNING);
        entry_copy_free(&copy);
    }
    char *log = slot_log_copy(slot);
    FUZZ_CHECK(log == NULL || strlen(log) <= SCOREBOARD_LOG_TAIL_BYTES);
    free(log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FuzzInput input = {data, size};
    fill_slot(&input);
    read_as_supervisor(&input);
    read_as_reaper();
    read_entries();
    return 0;
}
