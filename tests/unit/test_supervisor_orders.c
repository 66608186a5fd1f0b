// SPDX-License-Identifier: MIT
// What the loop does when it is told by signals: drain, end at once, be quiet, reload.
#include "tests/support/gang.h"

static bool are_both_running(Gang *gang)
{
    int running = 0;
    for (int i = 1; i < scoreboard_api_slot(gang->supervisor->shared.board); i++) {
        running += gang_child(gang, i)->life == CHILD_ALIVE &&
                   atomic_load(&gang_slot(gang, i)->state) == SLOT_RUNNING;
    }
    return running == 2;
}

static void test_drain_waits_for_jobs(void **state)
{
    (void)state;
    Gang gang;
    gang_begin(&gang, "busy", TWO_WORKERS);
    (void)setenv("FAKE_BUSY_MS", "300", 1);
    gang_wait(&gang, are_both_running, 10000);
    int64_t asked = clock_boot_ms();
    assert_int_equal(kill(getpid(), SIGTERM), 0);
    gang_wait_unaided(&gang, gang_is_done, 10000);
    assert_in_range(clock_boot_ms() - asked, 300, 1500);
    assert_int_equal(gang.supervisor->exit_code, EXIT_CODE_OK);
    for (int i = 1; i < scoreboard_api_slot(gang.supervisor->shared.board); i++) {
        Slot *slot = gang_slot(&gang, i);
        assert_int_equal(atomic_load(&slot->settled_generation), atomic_load(&slot->generation));
        assert_int_equal(slot->exit_status, 0);
    }
    gang_end(&gang);
}

static bool is_draining(Gang *gang)
{
    return gang->supervisor->phase == SHUTDOWN_DRAIN;
}

static void expect_end_within(int second_signal, int64_t limit_ms)
{
    Gang gang;
    gang_begin(&gang, "busy", TWO_WORKERS);
    (void)setenv("FAKE_BUSY_MS", "60000", 1);
    gang_wait(&gang, are_both_running, 10000);
    assert_int_equal(kill(getpid(), SIGTERM), 0);
    gang_wait_unaided(&gang, is_draining, 1000);
    int64_t asked = clock_boot_ms();
    assert_int_equal(kill(getpid(), second_signal), 0);
    gang_wait_unaided(&gang, gang_is_done, 10000);
    assert_in_range(clock_boot_ms() - asked, 0, limit_ms);
    assert_int_equal(gang.supervisor->exit_code, EXIT_CODE_OK);
    gang_end(&gang);
}

static void test_second_term_is_at_once(void **state)
{
    (void)state;
    expect_end_within(SIGTERM, 1000);
}

static void test_int_after_term_is_at_once(void **state)
{
    (void)state;
    expect_end_within(SIGINT, 1000);
}

static void test_quit_is_at_once(void **state)
{
    (void)state;
    expect_end_within(SIGQUIT, 1000);
}

static void test_unsettled_obituaries_are_waited_for(void **state)
{
    (void)state;
    Gang gang;
    gang_begin(&gang, "idle", TWO_WORKERS);
    (void)setenv("FAKE_NO_SETTLE", "1", 1);
    gang_wait(&gang, has_two_workers, 10000);
    assert_int_equal(kill(getpid(), SIGQUIT), 0);
    int64_t asked = clock_boot_ms();
    gang_wait_unaided(&gang, gang_is_done, 10000);
    assert_in_range(clock_boot_ms() - asked, 2000, 3500);
    gang_end(&gang);
}

static bool is_quiet(Gang *gang)
{
    return atomic_load(&gang_slot(gang, 1)->command) == SLOT_QUIET &&
           atomic_load(&gang_slot(gang, 2)->command) == SLOT_QUIET;
}

static bool is_going(Gang *gang)
{
    return atomic_load(&gang_slot(gang, 1)->command) == SLOT_GO;
}

static void test_quiet_and_resume(void **state)
{
    (void)state;
    Gang gang;
    gang_begin(&gang, "idle", TWO_WORKERS);
    gang_wait(&gang, has_two_workers, 10000);
    assert_int_equal(kill(getpid(), SIGTSTP), 0);
    gang_wait_unaided(&gang, is_quiet, 1000);
    assert_int_equal(kill(getpid(), SIGCONT), 0);
    gang_wait_unaided(&gang, is_going, 1000);
    gang_end(&gang);
}

static bool are_all_replaced(Gang *gang)
{
    int replaced = 0;
    for (int i = 1; i < scoreboard_api_slot(gang->supervisor->shared.board); i++) {
        const Child *child = gang_child(gang, i);
        replaced += child->life == CHILD_ALIVE && child->config_version == 2 && child->is_ready;
    }
    return replaced == 2 && gang_count_workers(gang) == 2 && has_new_reaper(gang);
}

static void test_reload_replaces_everybody(void **state)
{
    (void)state;
    Gang gang;
    gang_begin(&gang, "idle", TWO_WORKERS);
    gang_wait(&gang, has_two_workers, 10000);
    gang_write_file(gang.config, "pools: {default: {processes: 2, max_jobs: 10}}\n");
    assert_int_equal(kill(getpid(), SIGHUP), 0);
    gang_wait(&gang, are_all_replaced, 10000);
    assert_int_equal(gang.supervisor->config->pools[0].max_jobs, 10);
    gang_end(&gang);
}

static bool has_obeyed_reload(Gang *gang)
{
    (void)gang;
    return !gang->supervisor->wishes.reload && gang->supervisor->is_quiet;
}

static void expect_reload_refused(const char *yaml)
{
    Gang gang;
    gang_begin(&gang, "idle", TWO_WORKERS);
    gang_wait(&gang, has_two_workers, 10000);
    gang_write_file(gang.config, yaml);
    assert_int_equal(kill(getpid(), SIGHUP), 0);
    assert_int_equal(kill(getpid(), SIGTSTP), 0); // a later signal shows that the first was obeyed
    gang_wait(&gang, has_obeyed_reload, 5000);
    assert_int_equal(gang.supervisor->config_version, 1);
    assert_int_equal(gang_count_workers(&gang), 2);
    assert_int_equal(gang_child(&gang, 0)->generation, 1);
    gang_end(&gang);
}

static void test_bad_reload_changes_nothing(void **state)
{
    (void)state;
    expect_reload_refused("pools: {default: {proceses: 2}}\n");
}

static void test_empty_reload_changes_nothing(void **state)
{
    (void)state;
    expect_reload_refused("# nothing left\n");
}

static void test_reload_that_needs_a_restart_is_refused(void **state)
{
    (void)state;
    expect_reload_refused("node: {name: somebody-else}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_drain_waits_for_jobs),
        cmocka_unit_test(test_second_term_is_at_once),
        cmocka_unit_test(test_int_after_term_is_at_once),
        cmocka_unit_test(test_quit_is_at_once),
        cmocka_unit_test(test_unsettled_obituaries_are_waited_for),
        cmocka_unit_test(test_quiet_and_resume),
        cmocka_unit_test(test_reload_replaces_everybody),
        cmocka_unit_test(test_bad_reload_changes_nothing),
        cmocka_unit_test(test_empty_reload_changes_nothing),
        cmocka_unit_test(test_reload_that_needs_a_restart_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
