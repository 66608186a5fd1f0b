// SPDX-License-Identifier: MIT
// Tests of a slot's log tail: what is kept of it, and what dead or mad writers leave in it.
#include "tests/support/board.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/unit.h"

static void test_log_tail(void **state)
{
    (void)state;
    assert_null(slot_log_copy(slot));
    slot_log_append(slot, "one\n", 4);
    slot_log_append(slot, "", 0);
    slot_log_append(slot, "two\n", 4);
    char *text = slot_log_copy(slot);
    assert_string_equal(text, "one\ntwo\n");
    free(text);
    slot_log_clear(slot);
    assert_null(slot_log_copy(slot));
    static char large[20000];
    memset(large, 'a', sizeof large);
    slot_log_append(slot, large, sizeof large);
    slot_log_append(slot, "end\n", 4);
    text = slot_log_copy(slot);
    assert_true(strlen(text) >= 3500);
    assert_string_equal(text + strlen(text) - 5, "aend\n");
    free(text);
}

static void test_log_tail_is_clean_text(void **state)
{
    (void)state;
    slot_log_append(slot, "a\0\xff\xc3\xa4", 5);
    char *text = slot_log_copy(slot);
    assert_string_equal(text, "a??\xc3\xa4");
    free(text);
    slot_log_clear(slot);
    // Whatever the cut hits, no half of a character is left at the front.
    for (int i = 0; i < 3000; i++) {
        slot_log_append(slot, "\xe2\x82\xac", 3);
    }
    text = slot_log_copy(slot);
    assert_memory_equal(text, "\xe2\x82\xac", 3);
    assert_null(strchr(text, '?'));
    free(text);
}

static void test_log_tail_of_a_mad_writer(void **state)
{
    (void)state;
    const unsigned lengths[] = {1, 3584, 3585, 4095, 4096, 4097, 1U << 31, UINT32_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        atomic_store(&slot->log_length, lengths[i]);
        char *text = slot_log_copy(slot);
        assert_true(text == NULL || strlen(text) <= SCOREBOARD_LOG_TAIL_BYTES);
        free(text);
    }
}

static void test_log_counter_does_not_come_round(void **state)
{
    (void)state;
    atomic_store(&slot->log_length, (1U << 31) - 10);
    for (int i = 0; i < 1000; i++) {
        slot_log_append(slot, "0123456789", 10);
    }
    char *text = slot_log_copy(slot);
    assert_int_equal(strlen(text), 3584);
    assert_string_equal(text + 3574, "0123456789");
    free(text);
    assert_true(atomic_load(&slot->log_length) < 1U << 31);
    assert_true(atomic_load(&slot->log_length) > 1U << 30);
}

enum { RECORD_BYTES = 8, WRITER_KILLS = 200, READS_BETWEEN = 40 };

// Writes 0000000, 0000001, ... for ever, in pieces of all lengths.
static _Noreturn void write_records(Slot *own)
{
    static char stream[16384];
    size_t filled = 0;
    size_t piece = 1;
    for (int number = 0;; number = (number + 1) % 10000000) {
        (void)snprintf(stream + filled, sizeof stream - filled, "%07d ", number);
        filled += RECORD_BYTES;
        if (filled >= piece) {
            slot_log_append(own, stream, filled);
            filled = 0;
            piece = (piece * 7 + 13) % 4000;
        }
    }
}

// From the first whole record on, each must be the one before plus one.
static void assert_records_follow(const char *text)
{
    const char *at = strchr(text, ' ');
    if (at == NULL) {
        return;
    }
    at++;
    long previous = -1;
    for (; strlen(at) >= RECORD_BYTES; at += RECORD_BYTES) {
        char record[RECORD_BYTES + 1];
        memcpy(record, at, RECORD_BYTES);
        record[RECORD_BYTES] = '\0';
        char *end = NULL;
        long number = strtol(record, &end, 10);
        assert_int_equal(*end, ' ');
        assert_true(previous < 0 || number == (previous + 1) % 10000000);
        previous = number;
    }
}

static size_t read_and_check(void)
{
    char *text = slot_log_copy(slot);
    size_t length = text != NULL ? strlen(text) : 0;
    if (text != NULL) {
        assert_records_follow(text);
    }
    free(text);
    return length;
}

static void test_log_of_killed_writers(void **state)
{
    (void)state;
    size_t longest = 0;
    for (int i = 0; i < WRITER_KILLS; i++) {
        slot_log_clear(slot);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            (void)prctl(PR_SET_PDEATHSIG, SIGKILL); // a failed test must not leave it running
            Scoreboard *mine = NULL;
            if (scoreboard_attach(&mine, scoreboard_fd(board), 2) != STATUS_OK) {
                _exit(1);
            }
            write_records(scoreboard_slot(mine, 2));
        }
        while (atomic_load(&slot->log_length) < 6000) {
        }
        for (int n = 0; n < READS_BETWEEN + i % 17; n++) {
            (void)read_and_check();
        }
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_true(WIFSIGNALED(wait_for(pid)));
        size_t length = read_and_check();
        assert_true(length >= 3580);
        longest = length > longest ? length : longest;
    }
    assert_int_equal(longest, 3584);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BOARD(test_log_tail),
        WITH_BOARD(test_log_tail_is_clean_text),
        WITH_BOARD(test_log_tail_of_a_mad_writer),
        WITH_BOARD(test_log_counter_does_not_come_round),
        WITH_BOARD(test_log_of_killed_writers),
    };
    return cmocka_run_group_tests_name("log tails of the scoreboard", tests, NULL, NULL);
}
