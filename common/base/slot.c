// SPDX-License-Identifier: MIT
// Slot: helpers over one slot of the scoreboard. The other side may be writing, be dead in the middle
// of it, or have gone mad, so every number is read once and bounded.
#include "common/base/scoreboard.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"
#include "common/base/utf8.h"

enum {
    // The log is written in pieces of at most this size, and a reader takes no byte that the piece
    // under way may be overwriting: so a writer killed in the middle of a piece spoils nothing.
    LOG_PIECE_BYTES = 512,
    LOG_KEPT_BYTES = SCOREBOARD_LOG_TAIL_BYTES - LOG_PIECE_BYTES,
    LOG_READ_ATTEMPTS = 8,
    ENTRY_STATE_MASK = (1 << ENTRY_STATE_BITS) - 1
};

// The count of bytes must not come round to zero, or an old log would look short: above the first
// number it is set back by the second, a multiple of the ring.
static const unsigned LOG_LENGTH_HIGH = 1U << 31;
static const unsigned LOG_LENGTH_STEP_BACK = 1U << 30;

_Static_assert((SCOREBOARD_LOG_TAIL_BYTES & (SCOREBOARD_LOG_TAIL_BYTES - 1)) == 0,
               "the ring must divide the counter's range");
_Static_assert(SCOREBOARD_LOG_TAIL_BYTES % LOG_PIECE_BYTES == 0, "whole pieces");

int slot_batch_count(const Slot *slot)
{
    int count = atomic_load(&slot->batch_count);
    if (count < 0) {
        return 0;
    }
    return count < SCOREBOARD_BATCH_MAX ? count : SCOREBOARD_BATCH_MAX;
}

int slot_running_index(const Slot *slot)
{
    if (atomic_load(&slot->state) != SLOT_RUNNING) {
        return -1;
    }
    int index = atomic_load(&slot->run_index);
    if (index < 0 || index >= slot_batch_count(slot) ||
        entry_state(&slot->batch[index]) != ENTRY_RUNNING) {
        return -1;
    }
    return index;
}

int64_t slot_last_progress_at(const Slot *slot)
{
    int64_t last_at = atomic_load(&slot->batch_started_at);
    const int64_t run_at = atomic_load(&slot->run_started_at);
    last_at = run_at > last_at ? run_at : last_at;
    const int count = slot_batch_count(slot);
    for (int i = 0; i < count; i++) {
        const EntryState state = entry_state(&slot->batch[i]);
        const int64_t ended_us = *(const volatile int64_t *)&slot->batch[i].ended_us;
        if ((state == ENTRY_DONE || state == ENTRY_WRITTEN) && ended_us / 1000 > last_at) {
            last_at = ended_us / 1000;
        }
    }
    return last_at;
}

// Plain fields the other side may change: volatile makes the compiler read them exactly once.
static uint32_t read_once(const uint32_t *field)
{
    return *(const volatile uint32_t *)field;
}

char *slot_entry_text(const Slot *slot, const BatchEntry *entry)
{
    uint32_t offset = read_once(&entry->text_offset);
    uint32_t length = read_once(&entry->text_length);
    if (length == 0 || offset > SCOREBOARD_RESULT_BYTES ||
        length > SCOREBOARD_RESULT_BYTES - offset) {
        return NULL;
    }
    char *text = mem_alloc((size_t)length + 1);
    memcpy(text, slot->results + offset, length);
    utf8_clean(text, length);
    return text;
}

bool slot_store_text(Slot *slot, BatchEntry *entry, const char *text, size_t length)
{
    uint32_t used = atomic_load(&slot->result_bytes);
    if (used > SCOREBOARD_RESULT_BYTES || length > SCOREBOARD_RESULT_BYTES - used) {
        return false;
    }
    if (length > 0) {
        memcpy(slot->results + used, text, length);
    }
    entry->text_offset = used;
    entry->text_length = (uint32_t)length;
    atomic_store(&slot->result_bytes, used + (uint32_t)length);
    return true;
}

void slot_drop_text(Slot *slot, BatchEntry *entry)
{
    if (entry->text_length > 0 &&
        entry->text_offset + entry->text_length == atomic_load(&slot->result_bytes)) {
        atomic_store(&slot->result_bytes, entry->text_offset);
        entry->text_length = 0;
    }
}

static unsigned long long entry_word(const Slot *slot, EntryState state)
{
    return atomic_load(&slot->batch_serial) << ENTRY_STATE_BITS | (unsigned)state;
}

void slot_reset_batch(Slot *slot)
{
    int used = slot_batch_count(slot);
    // The count goes first: who looks in between sees an empty batch, not half of one.
    atomic_store(&slot->batch_count, 0);
    atomic_fetch_add(&slot->batch_serial, 1);
    for (int i = 0; i < used; i++) {
        atomic_store(&slot->batch[i].state_word, entry_word(slot, ENTRY_NONE));
    }
    // What a copy of the old batch may still be reading changes only after every state has.
    atomic_thread_fence(memory_order_release);
    atomic_store(&slot->result_bytes, 0);
    for (int i = 0; i < used; i++) {
        BatchEntry *entry = &slot->batch[i];
        entry->outcome = OUTCOME_NONE;
        entry->text_offset = 0;
        entry->text_length = 0;
        entry->delay_ms = -1;
        entry->started_us = 0;
        entry->ended_us = 0;
        entry->cpu_us = -1;
        entry->max_rss_bytes = -1;
    }
}

static void ring_write(Slot *slot, unsigned at, const char *text, size_t length)
{
    size_t offset = at % SCOREBOARD_LOG_TAIL_BYTES;
    size_t to_end = SCOREBOARD_LOG_TAIL_BYTES - offset;
    size_t first = length < to_end ? length : to_end;
    memcpy(slot->log_tail + offset, text, first);
    memcpy(slot->log_tail, text + first, length - first);
}

void slot_log_append(Slot *slot, const char *text, size_t length)
{
    // More than the ring holds: only the end can stay.
    if (length > SCOREBOARD_LOG_TAIL_BYTES) {
        text += length - SCOREBOARD_LOG_TAIL_BYTES;
        length = SCOREBOARD_LOG_TAIL_BYTES;
    }
    unsigned total = atomic_load_explicit(&slot->log_length, memory_order_relaxed);
    while (length > 0) {
        size_t piece = length < LOG_PIECE_BYTES ? length : LOG_PIECE_BYTES;
        ring_write(slot, total, text, piece);
        total += (unsigned)piece;
        if (total >= LOG_LENGTH_HIGH) {
            total -= LOG_LENGTH_STEP_BACK;
        }
        atomic_store_explicit(&slot->log_length, total, memory_order_release);
        // No byte of the next piece may be seen before this length.
        atomic_thread_fence(memory_order_release);
        text += piece;
        length -= piece;
    }
}

void slot_log_clear(Slot *slot)
{
    atomic_store(&slot->log_length, 0);
    atomic_thread_fence(memory_order_release);
}

// Copies [from, to) of the endless log out of the ring.
static void ring_read(const Slot *slot, unsigned from, unsigned to, char *out)
{
    size_t length = to - from;
    size_t offset = from % SCOREBOARD_LOG_TAIL_BYTES;
    size_t to_end = SCOREBOARD_LOG_TAIL_BYTES - offset;
    size_t first = length < to_end ? length : to_end;
    memcpy(out, slot->log_tail + offset, first);
    memcpy(out + first, slot->log_tail, length - first);
}

static unsigned oldest_kept(unsigned total)
{
    return total > LOG_KEPT_BYTES ? total - LOG_KEPT_BYTES : 0;
}

// One attempt. False when the writer overtook the copy; else out[*start..*end) is sound.
static bool log_read(const Slot *slot, char *out, size_t *start, size_t *end)
{
    unsigned before = atomic_load_explicit(&slot->log_length, memory_order_acquire);
    unsigned from = oldest_kept(before);
    ring_read(slot, from, before, out);
    atomic_thread_fence(memory_order_acquire);
    unsigned after = atomic_load_explicit(&slot->log_length, memory_order_relaxed);
    // What was written meanwhile took the oldest bytes of the copy with it. A smaller number: cleared.
    if (after < before || oldest_kept(after) > before) {
        return false;
    }
    *start = oldest_kept(after) - from;
    *end = before - from;
    return true;
}

// A cut log begins in the middle of a character at worst.
static size_t skip_continuation(const char *text, size_t start, size_t end)
{
    size_t at = start;
    while (at < end && at < start + 3 && ((unsigned char)text[at] & 0xc0) == 0x80) {
        at++;
    }
    return at;
}

// FNV-1a with its constants for 64 bits: names are compared by it, and two that collide are both taken for refused.
static uint64_t hash_name(const char *name)
{
    uint64_t hash = 0xcbf29ce484222325U;
    for (; *name != '\0'; name++) {
        hash = (hash ^ (unsigned char)*name) * 0x100000001b3U;
    }
    return hash;
}

void slot_refused_clear(Slot *slot)
{
    atomic_store(&slot->refused_count, 0);
}

void slot_refused_add(Slot *slot, const char *job_type)
{
    unsigned count = atomic_load(&slot->refused_count);
    if (count < SCOREBOARD_REFUSED_MAX) {
        slot->refused[count] = hash_name(job_type);
        atomic_store(&slot->refused_count, count + 1);
    }
}

bool slot_is_refused(const Slot *slot, const char *job_type)
{
    unsigned count = atomic_load(&slot->refused_count);
    uint64_t hash = hash_name(job_type);
    for (unsigned i = 0; i < count && i < SCOREBOARD_REFUSED_MAX; i++) {
        if (slot->refused[i] == hash) {
            return true;
        }
    }
    return false;
}

char *slot_log_copy(const Slot *slot)
{
    char copy[LOG_KEPT_BYTES];
    size_t start = 0;
    size_t end = 0;
    bool sound = false;
    for (int i = 0; i < LOG_READ_ATTEMPTS && !sound; i++) {
        sound = log_read(slot, copy, &start, &end);
    }
    if (!sound) {
        return NULL;
    }
    start = skip_continuation(copy, start, end);
    if (start == end) {
        return NULL;
    }
    char *text = mem_alloc(end - start + 1);
    memcpy(text, copy + start, end - start);
    utf8_clean(text, end - start);
    return text;
}

static EntryState state_of_word(unsigned long long word)
{
    return (EntryState)(word & ENTRY_STATE_MASK);
}

static unsigned long long with_state(unsigned long long word, EntryState state)
{
    return (word & ~(unsigned long long)ENTRY_STATE_MASK) | (unsigned)state;
}

EntryState entry_state(const BatchEntry *entry)
{
    return state_of_word(atomic_load(&entry->state_word));
}

void entry_begin(const Slot *slot, BatchEntry *entry)
{
    atomic_store(&entry->state_word, entry_word(slot, ENTRY_UNSTARTED));
}

void entry_set_state(BatchEntry *entry, EntryState state)
{
    atomic_store(&entry->state_word, with_state(atomic_load(&entry->state_word), state));
}

bool entry_move(BatchEntry *entry, EntryState from, EntryState to)
{
    unsigned long long word = atomic_load(&entry->state_word);
    return state_of_word(word) == from &&
           atomic_compare_exchange_strong(&entry->state_word, &word, with_state(word, to));
}

bool entry_is_open(const BatchEntry *entry)
{
    switch (entry_state(entry)) {
    case ENTRY_UNSTARTED:
    case ENTRY_RUNNING:
    case ENTRY_DONE:
    case ENTRY_WRITING:
    case ENTRY_RETURNING:
        return true;
    case ENTRY_NONE:
    case ENTRY_WRITTEN:
    case ENTRY_RETURNED:
        break;
    }
    return false;
}

void entry_copy(EntryCopy *copy, const Slot *slot, const BatchEntry *entry)
{
    copy->word = atomic_load(&entry->state_word);
    memcpy(&copy->entry, entry, sizeof copy->entry);
    copy->text = slot_entry_text(slot, &copy->entry);
    // The fields were read before whatever comes next looks at the state again.
    atomic_thread_fence(memory_order_acquire);
}

void entry_copy_free(EntryCopy *copy)
{
    free(copy->text);
    copy->text = NULL;
}

EntryState entry_copy_state(const EntryCopy *copy)
{
    return state_of_word(copy->word);
}

bool entry_move_copied(BatchEntry *entry, EntryCopy *copy, EntryState to)
{
    unsigned long long expected = copy->word;
    unsigned long long moved = with_state(copy->word, to);
    if (!atomic_compare_exchange_strong(&entry->state_word, &expected, moved)) {
        return false;
    }
    copy->word = moved;
    return true;
}

const char *job_outcome_word(int outcome)
{
    switch (outcome) {
    case OUTCOME_COMPLETED:
        return "completed";
    case OUTCOME_DISCARD:
        return "discarded";
    case OUTCOME_SNOOZE:
        return "snoozed";
    case OUTCOME_CRASHED:
        return "program_crashed";
    case OUTCOME_WAIT:
        return "waiting";
    default:
        return "error";
    }
}
