// SPDX-License-Identifier: MIT
// A scoreboard of four slots for each test, and one slot of it.
#ifndef TESTS_SUPPORT_BOARD_H
#define TESTS_SUPPORT_BOARD_H

#include "common/base/scoreboard.h"

#include <sys/wait.h>

#include "tests/support/unit.h"

static Scoreboard *board;
static Slot *slot;

static inline int setup(void **state)
{
    (void)state;
    if (scoreboard_create(&board, 4) != STATUS_OK) {
        return -1;
    }
    slot = scoreboard_slot(board, 2);
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    scoreboard_destroy(board);
    return 0;
}

static inline int wait_for(pid_t pid)
{
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

#define WITH_BOARD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

#endif
