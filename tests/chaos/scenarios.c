// SPDX-License-Identifier: MIT
// The scenarios: see scenario.h. Each is right without its bug, too: then the checker must find nothing.
#include "tests/chaos/stage.h"

// The end of a dead worker's attempt arrives when the next one runs.
static void play_stale_completion(Stage *stage)
{
    (void)stage_enqueue(stage, NULL);
    StageClaim first = stage_claim(stage, stage_worker(stage));
    stage_line(stage, &first, "begin");
    stage_line(stage, &first, "end");
    stage_settle(stage, first.worker);
    StageClaim second = stage_claim(stage, stage_worker(stage));
    stage_line(stage, &second, "begin");
    stage_complete(stage, &first);
    stage_line(stage, &second, "stop");
    stage_end(stage, &second, "error");
    stage_run_all(stage);
}

// A dead worker is settled when a job that it once held runs elsewhere.
static void play_late_obituary(Stage *stage)
{
    (void)stage_enqueue(stage, NULL);
    StageClaim first = stage_claim(stage, stage_worker(stage));
    stage_line(stage, &first, "begin");
    stage_end(stage, &first, "crashed");
    StageClaim second = stage_claim(stage, stage_worker(stage));
    stage_line(stage, &second, "begin");
    stage_settle(stage, first.worker);
    StageClaim third = stage_claim(stage, stage_worker(stage));
    stage_line(stage, &third, "begin");
    stage_line(stage, &second, "end");
    stage_complete(stage, &second);
    stage_line(stage, &third, "end");
    stage_complete(stage, &third);
}

static void play_group_in_turn(Stage *stage)
{
    test_db_run(stage_conn(stage), "select ganger.set_group_limit('g1', 1)");
    (void)stage_enqueue(stage, ", group_key => 'g1'");
    (void)stage_enqueue(stage, ", group_key => 'g1'");
    stage_maintain(stage);
    stage_run_all(stage);
}

static void play_group_at_once(Stage *stage)
{
    test_db_run(stage_conn(stage), "select ganger.set_group_limit('g1', 1)");
    (void)stage_enqueue(stage, ", group_key => 'g1'");
    (void)stage_enqueue(stage, ", group_key => 'g1'");
    stage_maintain(stage);
    StageClaim first = stage_claim(stage, stage_worker(stage));
    stage_line(stage, &first, "begin");
    StageClaim second = stage_claim(stage, stage_worker(stage));
    stage_line(stage, &second, "begin");
    stage_line(stage, &second, "end");
    stage_line(stage, &first, "end");
    stage_complete(stage, &first);
    stage_complete(stage, &second);
    stage_run_all(stage);
}

static void play_schedule(Stage *stage)
{
    test_db_run(stage_conn(stage),
                "select ganger.create_schedule('every', '* * * * * *', 'journal', '{\"op\": "
                "\"schedule.every\"}', overlap => 'allow', catch_up => 'all')");
    test_db_run(stage_conn(stage), "update ganger.schedule set next_at = next_at - interval '3 s'");
    test_db_run(stage_conn(stage),
                "create schema if not exists chaos; create table chaos.tick (name text, first_at "
                "timestamptz, next_at timestamptz); insert into chaos.tick select name, "
                "next_run_at, null from ganger.schedules");
    stage_maintain(stage);
    stage_maintain(stage);
    test_db_run(stage_conn(stage),
                "begin; select from ganger.schedule for update; update chaos.tick t set next_at = "
                "s.next_run_at from ganger.schedules s; select ganger.pause_schedule('every'); "
                "commit");
    stage_run_all(stage);
}

// The answer to the first telling was lost.
static void play_told_twice(Stage *stage)
{
    (void)stage_enqueue(stage, NULL);
    StageClaim first = stage_claim(stage, stage_worker(stage));
    stage_line(stage, &first, "begin");
    stage_end(stage, &first, "crashed");
    stage_end(stage, &first, "crashed");
    stage_run_all(stage);
}

static void play_crash(Stage *stage)
{
    (void)stage_enqueue(stage, NULL);
    StageClaim first = stage_claim(stage, stage_worker(stage));
    stage_line(stage, &first, "begin");
    stage_end(stage, &first, "crashed");
    stage_run_all(stage);
}

static void play_release(Stage *stage)
{
    (void)stage_enqueue(stage, NULL);
    StageClaim first = stage_claim(stage, stage_worker(stage));
    stage_end(stage, &first, "released");
    stage_run_all(stage);
}

static void play_lost_answer(Stage *stage)
{
    stage_enqueue_twice(stage, "k1");
    stage_run_all(stage);
}

// The worker dies after its result was written, and before it knew.
static void play_crash_after_end(Stage *stage)
{
    (void)stage_enqueue(stage, NULL);
    StageClaim first = stage_claim(stage, stage_worker(stage));
    stage_run(stage, &first);
    stage_end(stage, &first, "crashed");
    stage_run_all(stage);
}

static void play_cancel(Stage *stage)
{
    stage_cancel(stage, stage_enqueue(stage, NULL));
    stage_run_all(stage);
}

static void play_delayed(Stage *stage)
{
    int64_t id = stage_enqueue(stage, ", run_at => clock_timestamp() + interval '1 h'");
    stage_maintain(stage);
    stage_run_all(stage);
    stage_cancel(stage, id);
}

static void play_one_attempt(Stage *stage)
{
    (void)stage_enqueue(stage, ", max_attempts => 1");
    StageClaim first = stage_claim(stage, stage_worker(stage));
    stage_line(stage, &first, "begin");
    stage_end(stage, &first, "error");
    stage_maintain(stage);
    stage_run_all(stage);
}

static void play_two_workers(Stage *stage)
{
    for (int i = 0; i < 2; i++) {
        (void)stage_enqueue(stage, NULL);
        StageClaim claim = stage_claim(stage, stage_worker(stage));
        stage_run(stage, &claim);
    }
}

const Scenario scenarios[] = {
    {"stale_completion", "I6", play_stale_completion},
    {"reaper_without_fence", "I7", play_late_obituary},
    {"lost_wakeup", "I1", play_group_in_turn},
    {"group_limit_not_exact", "I12", play_group_at_once},
    {"double_cron", "I13", play_schedule},
    {"obituary_twice", "I5", play_told_twice},
    {"crash_not_charged", "I5", play_crash},
    {"release_charged", "I5", play_release},
    {"key_ignored", "I2", play_lost_answer},
    {"ended_twice", "I3", play_crash_after_end},
    {"cancelled_runs", "I14", play_cancel},
    {"early_claim", "I11", play_delayed},
    {"attempts_unbounded", "I10", play_one_attempt},
    {"lease_not_random", "I15", play_two_workers},
};
const size_t scenario_count = sizeof scenarios / sizeof scenarios[0];
