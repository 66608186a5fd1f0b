// SPDX-License-Identifier: MIT
// Tests of a slot's batch: its counts, its texts, and entries that worker and reaper reach for at the same time.
#include "tests/support/board.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/unit.h"

static void test_counts_are_bounded(void **state)
{
    (void)state;
    const int counts[][2] = {{-1, 0},
                             {INT32_MIN, 0},
                             {0, 0},
                             {SCOREBOARD_BATCH_MAX, SCOREBOARD_BATCH_MAX},
                             {SCOREBOARD_BATCH_MAX + 1, SCOREBOARD_BATCH_MAX},
                             {INT32_MAX, SCOREBOARD_BATCH_MAX}};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        atomic_store(&slot->batch_count, counts[i][0]);
        assert_int_equal(slot_batch_count(slot), counts[i][1]);
    }
    atomic_store(&slot->batch_count, 3);
    atomic_store(&slot->run_index, 1);
    assert_int_equal(slot_running_index(slot), -1);
    atomic_store(&slot->state, SLOT_RUNNING);
    assert_int_equal(slot_running_index(slot), -1);
    entry_set_state(&slot->batch[1], ENTRY_RUNNING);
    assert_int_equal(slot_running_index(slot), 1);
    const int nonsense[] = {-1, 3, 256, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < sizeof nonsense / sizeof nonsense[0]; i++) {
        atomic_store(&slot->run_index, nonsense[i]);
        assert_int_equal(slot_running_index(slot), -1);
    }
}

static void test_texts(void **state)
{
    (void)state;
    BatchEntry *entry = &slot->batch[0];
    BatchEntry *other = &slot->batch[1];
    assert_null(slot_entry_text(slot, entry));
    assert_true(slot_store_text(slot, entry, "hello", 5));
    assert_true(slot_store_text(slot, other, "", 0));
    char *text = slot_entry_text(slot, entry);
    assert_string_equal(text, "hello");
    free(text);
    assert_null(slot_entry_text(slot, other));
    static char large[SCOREBOARD_RESULT_BYTES];
    memset(large, 'y', sizeof large);
    assert_false(slot_store_text(slot, other, large, sizeof large));
    assert_false(slot_store_text(slot, other, large, SIZE_MAX));
    assert_true(slot_store_text(slot, other, large, sizeof large - 5));
    assert_false(slot_store_text(slot, entry, "x", 1));
    text = slot_entry_text(slot, other);
    assert_int_equal(strlen(text), sizeof large - 5);
    free(text);
    text = slot_entry_text(slot, entry);
    assert_string_equal(text, "hello");
    free(text);
    atomic_store(&slot->result_bytes, UINT32_MAX);
    assert_false(slot_store_text(slot, entry, "x", 1));
}

static void test_wild_texts_are_not_followed(void **state)
{
    (void)state;
    BatchEntry *entry = &slot->batch[0];
    const uint32_t wild[][2] = {
        {0, SCOREBOARD_RESULT_BYTES + 1},
        {SCOREBOARD_RESULT_BYTES, 1},
        {UINT32_MAX, 1},
        {1, UINT32_MAX},
        {UINT32_MAX, UINT32_MAX},
        {1, SCOREBOARD_RESULT_BYTES},
    };
    for (size_t i = 0; i < sizeof wild / sizeof wild[0]; i++) {
        entry->text_offset = wild[i][0];
        entry->text_length = wild[i][1];
        assert_null(slot_entry_text(slot, entry));
    }
    memcpy(slot->results, "a\0b\xff", 4);
    entry->text_offset = 0;
    entry->text_length = 4;
    char *text = slot_entry_text(slot, entry);
    assert_string_equal(text, "a?b?");
    free(text);
}

static void test_reset(void **state)
{
    (void)state;
    atomic_store(&slot->batch_count, 2);
    entry_set_state(&slot->batch[1], ENTRY_DONE);
    assert_true(slot_store_text(slot, &slot->batch[1], "out", 3));
    slot_reset_batch(slot);
    assert_int_equal(slot_batch_count(slot), 0);
    assert_int_equal(entry_state(&slot->batch[1]), ENTRY_NONE);
    assert_null(slot_entry_text(slot, &slot->batch[1]));
    assert_int_equal(slot->batch[1].cpu_us, -1);
    assert_true(slot_store_text(slot, &slot->batch[0], "again", 5));
    assert_int_equal(slot->batch[0].text_offset, 0);
}

// Worker and reaper reach for the same entries: each goes to exactly one of them.
static void test_entries_move_once(void **state)
{
    (void)state;
    for (int i = 0; i < SCOREBOARD_BATCH_MAX; i++) {
        entry_set_state(&slot->batch[i], ENTRY_UNSTARTED);
    }
    atomic_store(&slot->jobs_done, 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    const EntryState to = pid == 0 ? ENTRY_RETURNED : ENTRY_RUNNING;
    int won = 0;
    atomic_fetch_add(&slot->jobs_done, 1);
    while (atomic_load(&slot->jobs_done) < 2) {
    }
    for (int i = 0; i < SCOREBOARD_BATCH_MAX; i++) {
        won += entry_move(&slot->batch[i], ENTRY_UNSTARTED, to) ? 1 : 0;
    }
    if (pid == 0) {
        atomic_store(&slot->worker_id, won);
        _exit(0);
    }
    assert_int_equal(wait_for(pid), 0);
    assert_int_equal(won + (int)atomic_load(&slot->worker_id), SCOREBOARD_BATCH_MAX);
    int running = 0;
    for (int i = 0; i < SCOREBOARD_BATCH_MAX; i++) {
        running += entry_state(&slot->batch[i]) == ENTRY_RUNNING ? 1 : 0;
    }
    assert_int_equal(running, won);
    assert_false(entry_move(&slot->batch[0], ENTRY_UNSTARTED, ENTRY_DONE));
}

static void fill_entry(BatchEntry *entry, int64_t job_id, const char *text)
{
    entry->job_id = job_id;
    entry->lease[0] = (uint8_t)job_id;
    entry_begin(slot, entry);
    assert_true(slot_store_text(slot, entry, text, strlen(text)));
}

// The worker goes on to its next batch between the reaper's look and its step: the step must fail, although the entry in
// that place is in the same state again.
static void test_a_copy_is_of_one_batch(void **state)
{
    (void)state;
    BatchEntry *entry = &slot->batch[0];
    slot_reset_batch(slot);
    fill_entry(entry, 7, "old");
    atomic_store(&slot->batch_count, 1);
    EntryCopy copy;
    entry_copy(&copy, slot, entry);
    assert_int_equal(entry_copy_state(&copy), ENTRY_UNSTARTED);
    slot_reset_batch(slot);
    fill_entry(entry, 8, "new");
    assert_int_equal(entry_state(entry), ENTRY_UNSTARTED);
    assert_false(entry_move_copied(entry, &copy, ENTRY_RETURNING));
    assert_int_equal(entry_state(entry), ENTRY_UNSTARTED);
    assert_int_equal(copy.entry.job_id, 7);
    assert_string_equal(copy.text, "old");
    entry_copy_free(&copy);
}

static void test_a_copy_is_kept_after_the_move(void **state)
{
    (void)state;
    BatchEntry *entry = &slot->batch[0];
    slot_reset_batch(slot);
    fill_entry(entry, 7, "result");
    atomic_store(&slot->batch_count, 1);
    entry_set_state(entry, ENTRY_DONE);
    EntryCopy copy;
    entry_copy(&copy, slot, entry);
    assert_true(entry_move_copied(entry, &copy, ENTRY_WRITING));
    assert_true(entry_move_copied(entry, &copy, ENTRY_WRITING)); // another try of the same step
    assert_true(entry_is_open(entry));
    entry_set_state(entry, ENTRY_WRITTEN); // the worker wrote it, too
    slot_reset_batch(slot);
    fill_entry(entry, 8, "next");
    atomic_store(&slot->batch_count, 1);
    entry_set_state(entry, ENTRY_DONE);
    assert_false(entry_move_copied(entry, &copy, ENTRY_WRITTEN));
    assert_int_equal(entry_state(entry), ENTRY_DONE);
    assert_int_equal(copy.entry.job_id, 7);
    assert_string_equal(copy.text, "result");
    entry_copy_free(&copy);
}

// A worker changes batches all the time while another process copies and moves: whatever it moves is what it copied.
static void test_no_copy_of_two_batches(void **state)
{
    (void)state;
    enum { ROUNDS = 20000 };
    BatchEntry *entry = &slot->batch[0];
    slot_reset_batch(slot);
    atomic_store(&slot->jobs_done, 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        for (int i = 1; i <= ROUNDS; i++) {
            slot_reset_batch(slot);
            char text[16];
            (void)snprintf(text, sizeof text, "%d", i);
            fill_entry(entry, i, text);
            atomic_store(&slot->batch_count, 1);
            entry_set_state(entry, ENTRY_DONE);
        }
        atomic_store(&slot->jobs_done, 1);
        _exit(0);
    }
    int moved = 0;
    while (atomic_load(&slot->jobs_done) == 0 || moved == 0) {
        EntryCopy copy;
        entry_copy(&copy, slot, entry);
        if (entry_copy_state(&copy) == ENTRY_DONE &&
            entry_move_copied(entry, &copy, ENTRY_WRITING)) {
            moved++;
            assert_non_null(copy.text);
            assert_int_equal(strtol(copy.text, NULL, 10), copy.entry.job_id);
            assert_int_equal(copy.entry.lease[0], (uint8_t)copy.entry.job_id);
        }
        entry_copy_free(&copy);
    }
    assert_int_equal(wait_for(pid), 0);
}

static void test_open_entries(void **state)
{
    (void)state;
    const bool is_open[] = {
        [ENTRY_NONE] = false,     [ENTRY_UNSTARTED] = true, [ENTRY_RUNNING] = true,
        [ENTRY_DONE] = true,      [ENTRY_WRITING] = true,   [ENTRY_WRITTEN] = false,
        [ENTRY_RETURNING] = true, [ENTRY_RETURNED] = false,
    };
    for (int i = ENTRY_NONE; i <= ENTRY_RETURNED; i++) {
        entry_set_state(&slot->batch[0], (EntryState)i);
        assert_int_equal(entry_is_open(&slot->batch[0]), is_open[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BOARD(test_counts_are_bounded),
        WITH_BOARD(test_texts),
        WITH_BOARD(test_wild_texts_are_not_followed),
        WITH_BOARD(test_reset),
        WITH_BOARD(test_entries_move_once),
        WITH_BOARD(test_a_copy_is_of_one_batch),
        WITH_BOARD(test_a_copy_is_kept_after_the_move),
        WITH_BOARD(test_no_copy_of_two_batches),
        WITH_BOARD(test_open_entries),
    };
    return cmocka_run_group_tests_name("batches of the scoreboard", tests, NULL, NULL);
}
