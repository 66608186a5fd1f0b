// SPDX-License-Identifier: MIT
// The HTTP API among the supervisor's children: started when the configuration wants it, there again at once, replaced by a reload,
// last but one to leave, and never in the way of jobs.
#include "tests/support/gang.h"
#include "tests/support/scale.h"

#include "supervisor/watchdog_policy.h"

static const char WITH_HTTP[] = "pools: {default: {processes: 1}}\nhttp: {}\n";
static const char WITHOUT_HTTP[] = "pools: {default: {processes: 1}}\nhttp:\n";

static bool is_api_ready(Gang *gang)
{
    const Child *api = supervisor_api(gang->supervisor);
    return api->life == CHILD_ALIVE && api->is_ready;
}

static bool is_all_ready(Gang *gang)
{
    return gang_is_ready(gang) && is_api_ready(gang);
}

static bool is_replaced(Gang *gang)
{
    return is_api_ready(gang) && supervisor_api(gang->supervisor)->generation == 2;
}

static bool is_api_gone(Gang *gang)
{
    return gang->supervisor->config_version > 1 &&
           supervisor_api(gang->supervisor)->life == CHILD_NONE;
}

static void hang_up(Gang *gang, const char *yaml)
{
    gang_write_file(gang->config, yaml);
    assert_int_equal(kill(getpid(), SIGHUP), 0);
}

static void test_only_when_wanted(void **state)
{
    (void)state;
    Gang gang;
    gang_begin(&gang, "idle", WITHOUT_HTTP);
    gang_wait(&gang, gang_is_ready, 10000);
    assert_int_equal(supervisor_api(gang.supervisor)->life, CHILD_NONE);
    gang_end(&gang);
}

static void test_ready_is_ready_to_answer(void **state)
{
    (void)state;
    Gang gang;
    gang_begin(&gang, "idle", WITH_HTTP);
    gang_wait(&gang, gang_is_ready, 10000);
    assert_true(is_api_ready(&gang));
    assert_int_equal(supervisor_api(gang.supervisor)->slot, gang.supervisor->shared.slot_count - 1);
    gang_end(&gang);
}

// F59: again and again, and no longer than a second each time.
static void test_there_again_within_a_second(void **state)
{
    (void)state;
    Gang gang;
    gang_begin(&gang, "idle", WITH_HTTP);
    gang_wait(&gang, is_all_ready, 10000);
    for (int i = 0; i < 5; i++) {
        Child *api = supervisor_api(gang.supervisor);
        assert_int_equal(kill(api->pid, SIGKILL), 0);
        int64_t killed_at = clock_boot_ms();
        while (api->life == CHILD_ALIVE && clock_boot_ms() - killed_at < 5000) {
            ev_run(gang.supervisor->loop, EVRUN_ONCE);
            supervisor_step(gang.supervisor);
        }
        gang_wait(&gang, is_api_ready, 5000);
        assert_in_range(clock_boot_ms() - killed_at, 0, 1000 * TEST_SLOWNESS);
    }
    assert_int_equal(gang_child(&gang, 1)->generation, 1);
    assert_int_equal(gang_child(&gang, 0)->generation, 1);
    gang_end(&gang);
}

static void test_reload_renews_it(void **state)
{
    (void)state;
    Gang gang;
    gang_begin(&gang, "idle", WITH_HTTP);
    gang_wait(&gang, is_all_ready, 10000);
    hang_up(&gang, "pools: {default: {processes: 1}}\nhttp: {max_body: 1MiB}\n");
    gang_wait(&gang, is_replaced, 10000);
    assert_int_equal(supervisor_api(gang.supervisor)->config_version, 2);
    assert_int_equal(gang.supervisor->config->http_max_body_bytes, 1 << 20);
    gang_end(&gang);
}

static void test_reload_ends_and_begins_it(void **state)
{
    (void)state;
    Gang gang;
    gang_begin(&gang, "idle", WITH_HTTP);
    gang_wait(&gang, is_all_ready, 10000);
    hang_up(&gang, WITHOUT_HTTP);
    gang_wait(&gang, is_api_gone, 10000);
    hang_up(&gang, WITH_HTTP);
    gang_wait(&gang, is_replaced, 10000);
    gang_end(&gang);
}

static bool is_kept(Gang *gang)
{
    return gang->supervisor->is_quiet;
}

// The package may be split: without the program, a file that wants it changes nothing.
static void test_reload_without_the_program(void **state)
{
    (void)state;
    Gang gang;
    gang_begin(&gang, "idle", WITHOUT_HTTP);
    (void)setenv("GANGER_API", "/nowhere/ganger-api", 1);
    gang_wait(&gang, gang_is_ready, 10000);
    hang_up(&gang, WITH_HTTP);
    assert_int_equal(kill(getpid(), SIGTSTP), 0); // a later signal shows that the first was obeyed
    gang_wait(&gang, is_kept, 5000);
    assert_int_equal(gang.supervisor->config_version, 1);
    assert_int_equal(supervisor_api(gang.supervisor)->life, CHILD_NONE);
    gang_end(&gang);
}

static bool is_told_to_leave(Gang *gang)
{
    return supervisor_api(gang->supervisor)->leave_by != 0;
}

// One that does not leave when it is told to is killed, and then replaced.
static void test_a_deaf_one_is_killed(void **state)
{
    (void)state;
    Gang gang;
    gang_begin(&gang, "idle", WITH_HTTP);
    gang_wait(&gang, is_all_ready, 10000);
    Child *api = supervisor_api(gang.supervisor);
    assert_int_equal(kill(api->pid, SIGSTOP), 0);
    hang_up(&gang, "pools: {default: {processes: 1}}\nhttp: {max_body: 1MiB}\n");
    gang_wait(&gang, is_told_to_leave, 5000);
    assert_in_range(api->leave_by - clock_boot_ms(), SUPERVISOR_API_LEAVE_MS / 2,
                    SUPERVISOR_API_LEAVE_MS);
    api->leave_by = clock_boot_ms() + 50;
    gang_wait(&gang, is_replaced, 5000);
    gang_end(&gang);
}

static bool is_found_silent(Gang *gang)
{
    return supervisor_api(gang->supervisor)->sign.silent_ms >= 50;
}

static void test_a_silent_one_is_killed(void **state)
{
    (void)state;
    Gang gang;
    gang_begin(&gang, "idle", WITH_HTTP);
    gang_wait(&gang, is_all_ready, 10000);
    Child *api = supervisor_api(gang.supervisor);
    assert_int_equal(kill(api->pid, SIGSTOP), 0);
    gang_wait(&gang, is_found_silent, 5000);
    assert_true(is_all_ready(&gang)); // for a while that is no reason
    assert_int_equal(api->generation, 1);
    api->sign.silent_ms += WATCHDOG_API_MS;
    gang_wait(&gang, is_replaced, 5000);
    gang_end(&gang);
}

// Jobs run without it: a port that is taken keeps nobody waiting.
static void test_one_that_fails_is_not_waited_for(void **state)
{
    (void)state;
    Gang gang;
    gang_begin(&gang, "idle", WITH_HTTP);
    (void)setenv("FAKE_API", "fail", 1);
    gang_wait(&gang, gang_is_ready, 10000);
    assert_int_equal(gang_count_workers(&gang), 1);
    (void)unsetenv("FAKE_API");
    gang_wait(&gang, is_api_ready, 15000);
    gang_end(&gang);
}

static bool has_idle_worker(Gang *gang)
{
    return gang_child(gang, 1)->life == CHILD_ALIVE && gang_child(gang, 1)->is_ready;
}

static void test_one_that_hangs_is_not_waited_for(void **state)
{
    (void)state;
    Gang gang;
    gang_begin(&gang, "idle", WITH_HTTP);
    (void)setenv("FAKE_API", "deaf", 1);
    gang_wait(&gang, has_idle_worker, 10000);
    supervisor_step(gang.supervisor);
    assert_false(gang_is_ready(&gang));
    supervisor_api(gang.supervisor)->spawned_at -= SUPERVISOR_API_READY_MS;
    gang_wait(&gang, gang_is_ready, 2000);
    assert_false(is_api_ready(&gang));
    gang_end(&gang);
}

static bool was_refused(Gang *gang)
{
    return supervisor_api(gang->supervisor)->generation > 2;
}

static void test_its_refusal_ends_no_jobs(void **state)
{
    (void)state;
    Gang gang;
    gang_begin(&gang, "idle", WITH_HTTP);
    (void)setenv("FAKE_API", "refuse", 1);
    gang_wait(&gang, was_refused, 10000);
    assert_int_equal(gang.supervisor->phase, SHUTDOWN_NONE);
    gang_end(&gang);
}

static bool is_draining(Gang *gang)
{
    return gang->supervisor->phase == SHUTDOWN_DRAIN;
}

static bool is_past_settling(Gang *gang)
{
    return gang->supervisor->phase > SHUTDOWN_SETTLE;
}

// It answers as long as jobs run, and the reaper outlives it.
static void test_leaves_after_the_workers(void **state)
{
    (void)state;
    Gang gang;
    gang_begin(&gang, "busy",
               "pools: {default: {processes: 1}}\nhttp: {}\n"
               "supervisor: {kill_grace: 200ms, shutdown_timeout: 2s}\n");
    (void)setenv("FAKE_BUSY_MS", "1000", 1);
    gang_wait(&gang, gang_is_running, 10000);
    gang_wait(&gang, is_all_ready, 10000);
    assert_int_equal(kill(getpid(), SIGTERM), 0);
    gang_wait_unaided(&gang, is_draining, 1000);
    assert_true(is_api_ready(&gang));
    assert_int_equal(supervisor_api(gang.supervisor)->generation, 1);
    assert_int_equal(kill(supervisor_api(gang.supervisor)->pid, SIGKILL),
                     0); // also if it must be started for that
    gang_wait(&gang, is_replaced, 10000);
    assert_true(is_draining(&gang));
    gang_wait(&gang, is_past_settling, 10000);
    assert_int_equal(gang_child(&gang, 0)->life, CHILD_ALIVE);
    assert_int_equal(gang_count_workers(&gang), 0);
    gang_wait(&gang, gang_is_done, 10000);
    assert_int_equal(supervisor_api(gang.supervisor)->life, CHILD_NONE);
    assert_int_equal(supervisor_api(gang.supervisor)->killed, STOP_NONE);
    gang_end(&gang);
}

static bool has_report(Gang *gang)
{
    return gang_count_lines(gang->trace) >= 13;
}

// No way to wake a worker or the reaper; signals are its own business, hang-up included.
static void test_what_it_inherits(void **state)
{
    (void)state;
    Gang gang;
    char text[2048] = "";

    gang_begin(&gang, "idle", WITH_HTTP);
    (void)setenv("FAKE_API", "report", 1);
    gang_wait(&gang, has_report, 10000);
    FILE *file = fopen(gang.trace, "r");
    assert_non_null(file);
    assert_true(fread(text, 1, sizeof text - 1, file) > 0);
    (void)fclose(file);
    assert_string_equal(text, "fd 0\nfd 1\nfd 2\nfd 3\nfd 4\nfd 5\nfd 6\nfd 7\n"
                              "pdeathsig 15\ngroup 1\nterm_blocked 0\nno_new_privs 0\n"
                              "oom_score_adj 400\nend\n");
    gang_end(&gang);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_when_wanted),
        cmocka_unit_test(test_ready_is_ready_to_answer),
        cmocka_unit_test(test_there_again_within_a_second),
        cmocka_unit_test(test_reload_renews_it),
        cmocka_unit_test(test_reload_ends_and_begins_it),
        cmocka_unit_test(test_reload_without_the_program),
        cmocka_unit_test(test_a_deaf_one_is_killed),
        cmocka_unit_test(test_a_silent_one_is_killed),
        cmocka_unit_test(test_one_that_fails_is_not_waited_for),
        cmocka_unit_test(test_one_that_hangs_is_not_waited_for),
        cmocka_unit_test(test_its_refusal_ends_no_jobs),
        cmocka_unit_test(test_leaves_after_the_workers),
        cmocka_unit_test(test_what_it_inherits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
