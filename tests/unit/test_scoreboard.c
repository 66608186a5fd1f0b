// SPDX-License-Identifier: MIT
// Tests of the scoreboard: what it costs, who may write where, and what is refused.
#include "tests/support/board.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/proc_tree.h"
#include "tests/support/unit.h"

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
    };
    return cmocka_run_group_tests_name("scoreboard", tests, NULL, NULL);
}
