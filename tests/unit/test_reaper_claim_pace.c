// SPDX-License-Identifier: MIT
// Claim pace: pauses where jobs come from elsewhere, none where each comes of the one before, and none that nobody needs.
#include "tests/support/unit.h"

#include "reaper/claim_pace.h"

static ClaimPace pace;
static uint64_t jobs;
static uint64_t claims;
static int64_t now;

static int setup(void **state)
{
    (void)state;
    pace = (ClaimPace){0};
    jobs = 1000;
    claims = 500;
    now = 70000;
    assert_false(claim_pace_look(&pace, jobs, claims, now)); // the first window begins
    return 0;
}

// One window at such rates. True when the answer has changed.
static bool pass(int jobs_per_s, int claims_per_s)
{
    assert_false(claim_pace_is_due(&pace, now + CLAIM_PACE_WINDOW_MS - 1));
    now += CLAIM_PACE_WINDOW_MS;
    assert_true(claim_pace_is_due(&pace, now));
    jobs += (uint64_t)jobs_per_s * CLAIM_PACE_WINDOW_MS / 1000;
    claims += (uint64_t)claims_per_s * CLAIM_PACE_WINDOW_MS / 1000;
    return claim_pace_look(&pace, jobs, claims, now);
}

static void test_a_stream_is_paced(void **state)
{
    (void)state;
    assert_true(pass(5000, 700));
    assert_true(pace.is_on);
    for (int i = 0; i < 50; i++) {
        assert_false(pass(i % 2 == 0 ? 6500 : 4500, 200)); // those who enqueue gain, and vary
    }
    assert_true(pace.is_on);
}

// A moment in which the machine did something else, in the first window with pauses and later.
static void test_a_poor_window_says_nothing(void **state)
{
    (void)state;
    assert_true(pass(5000, 700));
    assert_false(pass(1000, 200));
    assert_false(pass(5000, 200));
    assert_true(pace.is_proven);
    assert_false(pass(1000, 200));
    assert_false(pass(4000, 200));
    assert_false(pass(1000, 200));
    assert_true(pass(1000, 200)); // two do: how many come without pauses?
    assert_false(pace.is_on);
    assert_true(pass(5000, 700)); // it was proven, so the next try need not wait
}

static void test_it_ends_with_the_stream(void **state)
{
    (void)state;
    assert_true(pass(5000, 700));
    assert_false(pass(5000, 200));
    assert_true(pass(100, 200));
    assert_false(pace.is_on);
    assert_false(pass(0, 0));
    assert_true(pass(5000, 700)); // the next one need not wait
}

// Slower by and by: still as many as a moment ago, until they are too few.
static void test_a_stream_that_thins_out(void **state)
{
    (void)state;
    assert_true(pass(5000, 700));
    int rate = 5000;
    while (!pass(rate, 200)) {
        rate = rate * 3 / 4;
        assert_true(rate > 100);
    }
    assert_in_range(rate, 100, 1000 / CLAIM_PACE_MS);
}

// A chain: with pauses between claims it gets on more slowly by what they take.
static bool pass_chain(void)
{
    return pace.is_on ? pass(200, 200) : pass(800, 800);
}

static void test_a_chain_is_left_alone(void **state)
{
    (void)state;
    int paced = 0;
    const int windows = 3000; // five minutes
    for (int i = 0; i < windows; i++) {
        (void)pass_chain();
        paced += pace.is_on ? 1 : 0;
        assert_false(pace.is_on && pace.is_proven);
    }
    assert_in_range(paced, 6, windows / 100);
}

static void test_tries_are_doubled_up_to_a_limit(void **state)
{
    (void)state;
    int64_t last = 0;
    int64_t pauses[12];
    for (int tries = 0; tries < 12;) {
        if (pass_chain() && pace.is_on) {
            pauses[tries++] = now - last;
            last = now;
        }
    }
    for (int i = 2; i < 12; i++) {
        assert_true(pauses[i] >= pauses[i - 1]);
        assert_true(pauses[i] <= CLAIM_PACE_HOLD_MAX_MS + 3 * CLAIM_PACE_WINDOW_MS);
    }
    assert_in_range(pauses[1], CLAIM_PACE_HOLD_MS, CLAIM_PACE_HOLD_MS + 3 * CLAIM_PACE_WINDOW_MS);
    assert_true(pauses[11] >= CLAIM_PACE_HOLD_MAX_MS);
}

static void test_what_needs_no_pause(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        assert_false(pass(0, 0));
        assert_false(pass(100, 300));   // half busy: each job is called for
        assert_false(pass(80000, 160)); // a backlog goes by full batches
        assert_false(pass(500, 500));   // too few in a pace
    }
    assert_false(pace.is_on);
}

// A worker's numbers begin anew with its successor.
static void test_numbers_that_go_back(void **state)
{
    (void)state;
    assert_true(pass(5000, 700));
    jobs -= 900;
    now += CLAIM_PACE_WINDOW_MS;
    assert_false(claim_pace_look(&pace, jobs, claims, now));
    assert_true(pace.is_on);
    claims -= 400;
    now += CLAIM_PACE_WINDOW_MS;
    assert_false(claim_pace_look(&pace, jobs, claims, now));
    assert_false(pass(5000, 200));
    assert_true(pace.is_on);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_stream_is_paced, setup),
        cmocka_unit_test_setup(test_a_poor_window_says_nothing, setup),
        cmocka_unit_test_setup(test_it_ends_with_the_stream, setup),
        cmocka_unit_test_setup(test_a_stream_that_thins_out, setup),
        cmocka_unit_test_setup(test_a_chain_is_left_alone, setup),
        cmocka_unit_test_setup(test_tries_are_doubled_up_to_a_limit, setup),
        cmocka_unit_test_setup(test_what_needs_no_pause, setup),
        cmocka_unit_test_setup(test_numbers_that_go_back, setup),
    };
    return cmocka_run_group_tests_name("claim_pace", tests, NULL, NULL);
}
