// SPDX-License-Identifier: MIT
// Tests of the scoreboard: who may write where, what is refused, and slots left by dead or mad writers.
#include "common/base/scoreboard.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/proc_tree.h"
#include "tests/support/unit.h"

static Scoreboard *board;
static Slot *slot;

static int setup(void **state)
{
    (void)state;
    if (scoreboard_create(&board, 4) != STATUS_OK) {
        return -1;
    }
    slot = scoreboard_slot(board, 2);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    scoreboard_destroy(board);
    return 0;
}

static int wait_for(pid_t pid)
{
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

// What is refused is also logged; the tests' own output stays readable without that.
static Status attach_quietly(Scoreboard **out, int fd, int index)
{
    int saved = dup(STDERR_FILENO);
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    (void)dup2(nowhere, STDERR_FILENO);
    Status status = scoreboard_attach(out, fd, index);
    (void)dup2(saved, STDERR_FILENO);
    (void)close(saved);
    (void)close(nowhere);
    return status;
}

static void test_create(void **state)
{
    (void)state;
    assert_int_equal(scoreboard_slot_count(board), 4);
    assert_int_equal(scoreboard_header(board)->supervisor_pid, getpid());
    assert_true(scoreboard_header(board)->supervisor_start > 0);
    assert_int_equal(scoreboard_header(board)->supervisor_start, proc_start_time(getpid()));
    assert_true((fcntl(scoreboard_fd(board), F_GETFD) & FD_CLOEXEC) != 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(atomic_load(&scoreboard_slot(board, i)->life), SLOT_FREE);
    }
    assert_null(scoreboard_slot(board, -1));
    assert_null(scoreboard_slot(board, 4));
    assert_int_equal((uintptr_t)slot % (uintptr_t)sysconf(_SC_PAGESIZE), 0);
    assert_int_not_equal(ftruncate(scoreboard_fd(board), 4096), 0);
}

static void test_untouched_slots_cost_nothing(void **state)
{
    (void)state;
    Scoreboard *large = NULL;
    assert_int_equal(scoreboard_create(&large, SCOREBOARD_SLOT_MAX), STATUS_OK);
    struct stat info;
    assert_int_equal(fstat(scoreboard_fd(large), &info), 0);
    assert_true(info.st_size > INT64_C(40) << 20);
    assert_true(info.st_blocks * 512 <= 4 * sysconf(_SC_PAGESIZE));
    Slot *one = scoreboard_slot(large, 300);
    atomic_store(&one->life, SLOT_SPAWNED);
    slot_reset_batch(one);
    slot_log_clear(one);
    assert_int_equal(fstat(scoreboard_fd(large), &info), 0);
    assert_true(info.st_blocks * 512 <= 16 * sysconf(_SC_PAGESIZE));
    scoreboard_destroy(large);
}

// Nor may the code that has it make it writable.
static void check_it_stays_read_only(const void *mapping)
{
    void *way = NULL;
    memcpy(&way, &mapping, sizeof way);
    errno = 0;
    assert_int_equal(mprotect(way, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE), -1);
    assert_int_equal(errno, EACCES);
}

// The HTTP API reads what all do, and cannot write it: the kernel sees to that.
static void test_reader_sees_all_and_writes_its_own(void **state)
{
    (void)state;
    Scoreboard *mine = NULL;
    atomic_store(&slot->jobs_done, 41);
    assert_int_equal(scoreboard_api_slot(board), 3);
    assert_int_equal(scoreboard_attach_reader(&mine, scoreboard_fd(board), 3), STATUS_OK);
    for (int i = 0; i < 3; i++) {
        assert_null(scoreboard_slot(mine, i));
        assert_int_equal(atomic_load(&scoreboard_read_slot(mine, i)->jobs_done),
                         atomic_load(&scoreboard_slot(board, i)->jobs_done));
    }
    assert_null(scoreboard_read_slot(mine, -1));
    assert_null(scoreboard_read_slot(mine, 4));
    atomic_store(&scoreboard_slot(mine, 3)->jobs_done, 7);
    assert_int_equal(atomic_load(&scoreboard_read_slot(mine, 3)->jobs_done), 7);
    // Whoever looks for a way round it finds a mapping that is read-only.
    const Slot *other = scoreboard_read_slot(mine, 2);
    int nothing = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    void *way = NULL;
    memcpy(&way, &other, sizeof way);
    assert_int_equal(read(nothing, way, 1), -1);
    assert_int_equal(errno, EFAULT);
    close(nothing);
    for (int i = 0; i < 4; i++) {
        check_it_stays_read_only(scoreboard_read_slot(mine, i));
    }
    check_it_stays_read_only(scoreboard_header(mine));
    scoreboard_destroy(mine);
}

static void test_worker_sees_its_slot_and_the_header(void **state)
{
    (void)state;
    Scoreboard *mine = NULL;
    atomic_store(&scoreboard_header(board)->work_counter, 7);
    assert_int_equal(scoreboard_attach(&mine, scoreboard_fd(board), 2), STATUS_OK);
    assert_int_equal(atomic_load(&scoreboard_header(mine)->work_counter), 7);
    assert_int_equal(scoreboard_slot_count(mine), 4);
    assert_null(scoreboard_slot(mine, 1));
    assert_null(scoreboard_slot(mine, 3));
    check_it_stays_read_only(scoreboard_header(mine));
    Slot *own = scoreboard_slot(mine, 2);
    assert_non_null(own);
    atomic_store(&own->jobs_done, 55);
    own->results[SCOREBOARD_RESULT_BYTES - 1] = 'z';
    assert_int_equal(atomic_load(&slot->jobs_done), 55);
    assert_int_equal(slot->results[SCOREBOARD_RESULT_BYTES - 1], 'z');
    scoreboard_destroy(mine);
    assert_int_equal(atomic_load(&slot->jobs_done), 55);
}

static void test_worker_cannot_write_the_header(void **state)
{
    (void)state;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        const struct rlimit no_core = {0, 0};
        (void)setrlimit(RLIMIT_CORE, &no_core);
        (void)signal(SIGSEGV, SIG_DFL);
        Scoreboard *mine = NULL;
        if (scoreboard_attach(&mine, scoreboard_fd(board), 2) != STATUS_OK) {
            _exit(1);
        }
        atomic_store(&scoreboard_header(mine)->lease_until, 1);
        _exit(0);
    }
    int status = wait_for(pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
}

static void test_reaper_writes_everywhere(void **state)
{
    (void)state;
    Scoreboard *mine = NULL;
    assert_int_equal(scoreboard_attach(&mine, scoreboard_fd(board), -1), STATUS_OK);
    atomic_store(&scoreboard_header(mine)->node_id, 12);
    atomic_store(&scoreboard_slot(mine, 2)->settled_generation, 3);
    assert_int_equal(atomic_load(&scoreboard_header(board)->node_id), 12);
    assert_int_equal(atomic_load(&slot->settled_generation), 3);
    assert_non_null(scoreboard_slot(mine, 0));
    assert_non_null(scoreboard_slot(mine, 3));
    scoreboard_destroy(mine);
}

static void test_attach_refuses(void **state)
{
    (void)state;
    Scoreboard *mine = NULL;
    assert_int_equal(attach_quietly(&mine, scoreboard_fd(board), 4), STATUS_FATAL);
    assert_int_equal(attach_quietly(&mine, scoreboard_fd(board), -2), STATUS_FATAL);
    assert_int_equal(attach_quietly(&mine, -1, 0), STATUS_FATAL);
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(attach_quietly(&mine, ends[0], 0), STATUS_FATAL);
    (void)close(ends[0]);
    (void)close(ends[1]);
    int unsealed = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(ftruncate(unsealed, 1 << 20), 0);
    assert_int_equal(attach_quietly(&mine, unsealed, 0), STATUS_FATAL);
    const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    assert_int_equal(fcntl(unsealed, F_ADD_SEALS, seals), 0);
    assert_int_equal(attach_quietly(&mine, unsealed, 0), STATUS_FATAL);
    (void)close(unsealed);
    ScoreboardHeader *header = scoreboard_header(board);
    header->version++;
    assert_int_equal(attach_quietly(&mine, scoreboard_fd(board), 0), STATUS_FATAL);
    header->version--;
    header->slot_size += 4096;
    assert_int_equal(attach_quietly(&mine, scoreboard_fd(board), 0), STATUS_FATAL);
    header->slot_size -= 4096;
    header->slot_count++;
    assert_int_equal(attach_quietly(&mine, scoreboard_fd(board), 0), STATUS_FATAL);
    header->slot_count = UINT32_MAX;
    assert_int_equal(attach_quietly(&mine, scoreboard_fd(board), 0), STATUS_FATAL);
    header->slot_count = 4;
    assert_int_equal(attach_quietly(&mine, scoreboard_fd(board), 0), STATUS_OK);
    scoreboard_destroy(mine);
}

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

#define WITH_BOARD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BOARD(test_create),
        cmocka_unit_test(test_untouched_slots_cost_nothing),
        WITH_BOARD(test_worker_sees_its_slot_and_the_header),
        WITH_BOARD(test_reader_sees_all_and_writes_its_own),
        WITH_BOARD(test_worker_cannot_write_the_header),
        WITH_BOARD(test_reaper_writes_everywhere),
        WITH_BOARD(test_attach_refuses),
        WITH_BOARD(test_counts_are_bounded),
        WITH_BOARD(test_texts),
        WITH_BOARD(test_wild_texts_are_not_followed),
        WITH_BOARD(test_reset),
        WITH_BOARD(test_entries_move_once),
        WITH_BOARD(test_a_copy_is_of_one_batch),
        WITH_BOARD(test_a_copy_is_kept_after_the_move),
        WITH_BOARD(test_no_copy_of_two_batches),
        WITH_BOARD(test_open_entries),
        WITH_BOARD(test_log_tail),
        WITH_BOARD(test_log_tail_is_clean_text),
        WITH_BOARD(test_log_tail_of_a_mad_writer),
        WITH_BOARD(test_log_counter_does_not_come_round),
        WITH_BOARD(test_log_of_killed_writers),
    };
    return cmocka_run_group_tests_name("scoreboard", tests, NULL, NULL);
}
