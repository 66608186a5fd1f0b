// SPDX-License-Identifier: MIT
// Restart policy: pauses, crash loops, and what starts at once.
#include "tests/support/unit.h"

#include <signal.h>

#include "common/base/exit_code.h"
#include "supervisor/restart_policy.h"

enum { EXIT_STATUS_SHIFT = 8, FULL_JITTER = 0 };
static const uint32_t LONGEST = UINT32_MAX;

static Death exited(int code)
{
    return (Death){
        .wait_status = code << EXIT_STATUS_SHIFT, .reached_idle = true, .lived_ms = 5000};
}

static Death killed(int number)
{
    return (Death){.wait_status = number, .reached_idle = true, .lived_ms = 5000};
}

static void test_judges_deaths(void **state)
{
    (void)state;
    Death death = exited(EXIT_CODE_CONFIG);
    assert_int_equal(restart_policy_judge(&death), PROCESS_REFUSED);
    death = exited(EXIT_CODE_RECYCLED);
    assert_int_equal(restart_policy_judge(&death), PROCESS_RECYCLED);
    death = exited(EXIT_CODE_LEASE_LOST);
    assert_int_equal(restart_policy_judge(&death), PROCESS_RECYCLED);
    death = exited(EXIT_CODE_OK);
    assert_int_equal(restart_policy_judge(&death), PROCESS_CRASHED); // a handler called exit(0)
    death.drained = true;
    assert_int_equal(restart_policy_judge(&death), PROCESS_ASKED);
    death = killed(SIGKILL);
    assert_int_equal(restart_policy_judge(&death), PROCESS_CRASHED);
    death.stopped = STOP_TIMEOUT;
    assert_int_equal(restart_policy_judge(&death), PROCESS_ASKED);
    death.stopped = STOP_OPERATOR;
    assert_int_equal(restart_policy_judge(&death), PROCESS_ASKED);
    death.stopped = STOP_STUCK;
    assert_int_equal(restart_policy_judge(&death), PROCESS_CRASHED);
    death.reached_idle = false;
    assert_int_equal(restart_policy_judge(&death), PROCESS_STILLBORN);
}

// What a handler says by exit() is no word of ours.
static void test_exit_codes_of_handlers_are_crashes(void **state)
{
    (void)state;
    static const int codes[] = {EXIT_CODE_CONFIG, EXIT_CODE_RECYCLED, EXIT_CODE_LEASE_LOST};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        Death death = exited(codes[i]);
        death.has_foreign_code = true;
        death.in_handler = true;
        assert_int_equal(restart_policy_judge(&death), PROCESS_CRASHED);
    }
    Death death = exited(EXIT_CODE_CONFIG);
    death.has_foreign_code = true;
    assert_int_equal(restart_policy_judge(&death), PROCESS_CRASHED); // a thread of a plugin's
    death.reached_idle = false;
    assert_int_equal(restart_policy_judge(&death), PROCESS_REFUSED);
    death = exited(EXIT_CODE_RECYCLED);
    death.has_foreign_code = true;
    assert_int_equal(restart_policy_judge(&death), PROCESS_RECYCLED);
}

static void test_pause_doubles_up_to_the_cap(void **state)
{
    (void)state;
    RestartState service = {0};
    Death death = killed(SIGSEGV);
    int64_t now = 1000000;
    int64_t expected = RESTART_BASE_MS;

    for (int i = 0; i < 14; i++) {
        (void)restart_policy_note_death(&service, &death, now, RESTART_CAP_MS, LONGEST);
        int64_t pause = service.next_at - now;
        assert_in_range(pause, expected - 1, expected);
        now = service.next_at;
        expected = expected * 2 < RESTART_CAP_MS ? expected * 2 : RESTART_CAP_MS;
    }
}

static void test_jitter_only_shortens(void **state)
{
    (void)state;
    RestartState service = {0};
    Death death = killed(SIGSEGV);

    (void)restart_policy_note_death(&service, &death, 1000, RESTART_CAP_MS, FULL_JITTER);
    assert_in_range(service.next_at - 1000, RESTART_BASE_MS / 2, RESTART_BASE_MS);
}

static void test_a_wave_of_deaths_is_one_failure(void **state)
{
    (void)state;
    RestartState service = {0};
    Death death = killed(SIGSEGV);

    for (int i = 0; i < 4; i++) {
        (void)restart_policy_note_death(&service, &death, 1000, RESTART_CAP_MS, LONGEST);
    }
    assert_int_equal(service.failures, 1);
    assert_true(service.next_at <= 1000 + RESTART_BASE_MS);
}

static void test_recycled_starts_at_once(void **state)
{
    (void)state;
    RestartState service = {0};
    Death death = exited(EXIT_CODE_RECYCLED);

    for (int i = 0; i < 100; i++) {
        (void)restart_policy_note_death(&service, &death, 1000 + i, RESTART_CAP_MS, LONGEST);
        assert_int_equal(restart_policy_allowed(&service, 1000 + i, 1, 0), 1);
    }
}

static void test_recycled_at_birth_is_slowed(void **state)
{
    (void)state;
    RestartState service = {0};
    Death death = exited(EXIT_CODE_RECYCLED);

    death.lived_ms = 5;
    (void)restart_policy_note_death(&service, &death, 1000, RESTART_CAP_MS, LONGEST);
    assert_int_equal(restart_policy_allowed(&service, 1000, 1, 0), 1);
    (void)restart_policy_note_death(&service, &death, 1010, RESTART_CAP_MS, LONGEST);
    assert_int_equal(restart_policy_allowed(&service, 1010, 1, 0), 0);
}

static void test_asked_for_deaths_cost_nothing(void **state)
{
    (void)state;
    RestartState service = {0};
    Death death = killed(SIGKILL);

    death.stopped = STOP_TIMEOUT;
    for (int i = 0; i < 100; i++) {
        assert_false(restart_policy_note_death(&service, &death, i, RESTART_CAP_MS, LONGEST));
    }
    assert_int_equal(restart_policy_allowed(&service, 100, 3, 0), 3);
}

static void test_crash_loop_is_degraded_and_probed(void **state)
{
    (void)state;
    RestartState service = {0};
    Death death = killed(SIGSEGV);
    int64_t now = 1000;

    for (int i = 1; i < RESTART_WINDOW_DEATHS; i++) {
        assert_false(restart_policy_note_death(&service, &death, now, RESTART_CAP_MS, LONGEST));
        now = service.next_at;
    }
    assert_true(restart_policy_note_death(&service, &death, now, RESTART_CAP_MS, LONGEST));
    assert_true(service.degraded);
    now = service.next_at;
    assert_int_equal(restart_policy_allowed(&service, now, 8, 0), 1);
    assert_int_equal(restart_policy_allowed(&service, now, 7, 1), 0);
    // Said once.
    assert_false(restart_policy_note_death(&service, &death, now, RESTART_CAP_MS, LONGEST));
    assert_true(restart_policy_note_good(&service));
    assert_int_equal(restart_policy_allowed(&service, now, 8, 0), 8);
}

static void test_slow_deaths_are_no_crash_loop(void **state)
{
    (void)state;
    RestartState service = {0};
    Death death = killed(SIGSEGV);
    int64_t now = 1000;

    for (int i = 0; i < 20; i++) {
        assert_false(restart_policy_note_death(&service, &death, now, RESTART_CAP_MS, LONGEST));
        now += RESTART_WINDOW_MS / 3;
    }
}

static void test_progress_resets(void **state)
{
    (void)state;
    RestartState service = {0};
    Death death = killed(SIGKILL);
    int64_t now = 1000;

    death.progress = true;
    for (int i = 0; i < 1000; i++) {
        assert_false(restart_policy_note_death(&service, &death, now, RESTART_CAP_MS, LONGEST));
        assert_true(service.next_at - now <= RESTART_BASE_MS);
        now += 10;
    }
    death = killed(SIGKILL);
    death.lived_ms = RESTART_GOOD_MS;
    service.failures = 9;
    (void)restart_policy_note_death(&service, &death, now, RESTART_CAP_MS, LONGEST);
    assert_true(service.next_at - now <= RESTART_BASE_MS);
}

// F20: a class of workers that cannot start costs at most 20 forks in five minutes.
static void test_few_forks_in_five_minutes(void **state)
{
    (void)state;
    RestartState service = {0};
    Death death = killed(SIGSEGV);
    int forks = 0;

    death.reached_idle = false;
    death.lived_ms = 2;
    for (int64_t now = 1000; now < 1000 + 5 * 60 * 1000; now += 10) {
        int started = restart_policy_allowed(&service, now, 2, 0);
        forks += started;
        while (started-- > 0) {
            (void)restart_policy_note_death(&service, &death, now + 2, RESTART_CAP_MS, LONGEST / 2);
        }
    }
    assert_in_range(forks, 5, 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_judges_deaths),
        cmocka_unit_test(test_exit_codes_of_handlers_are_crashes),
        cmocka_unit_test(test_pause_doubles_up_to_the_cap),
        cmocka_unit_test(test_jitter_only_shortens),
        cmocka_unit_test(test_a_wave_of_deaths_is_one_failure),
        cmocka_unit_test(test_recycled_starts_at_once),
        cmocka_unit_test(test_recycled_at_birth_is_slowed),
        cmocka_unit_test(test_asked_for_deaths_cost_nothing),
        cmocka_unit_test(test_crash_loop_is_degraded_and_probed),
        cmocka_unit_test(test_slow_deaths_are_no_crash_loop),
        cmocka_unit_test(test_progress_resets),
        cmocka_unit_test(test_few_forks_in_five_minutes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
