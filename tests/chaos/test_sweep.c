// SPDX-License-Identifier: MIT
// A part of the sweep that fits into the suite: for each process what changes most, and what no other test strikes at. The whole
// of it is long_sweep.c.
#include "tests/chaos/sweep.h"

#ifdef GANGER_FAULT_POINTS

int main(void)
{
    static const SweepCase cases[] = {
        {"workers are killed",
         {{"worker_ready", "kill", 1},
          {"slot_filling", "kill", 2},
          {"handler_returned", "kill", 3},
          {"finish_answered", "kill", 1},
          {"program_started", "kill", 1}}},
        {"connections are cut",
         {{"pipeline_sent", "drop", 3},
          {"claim_sending", "drop", 3},
          {"finish_batch_answered", "drop", 1},
          {"heartbeat_answered", "drop", 2},
          {"worker_marked_dead", "drop", 1},
          {"tick_answered", "drop", 1}}},
        {"reapers are killed",
         {{"node_registered", "kill", 1},
          {"idle_announced", "kill", 1},
          {"tick_answered", "kill", 1},
          {"rescue_returned", "kill", 1},
          {"backend_ended", "kill", 1},
          {"slot_settled", "kill", 1}}},
        {"supervisors are killed",
         {{"supervisor_after_spawn", "kill", 2},
          {"supervisor_after_wait", "kill", 1},
          {"supervisor_after_kill", "kill", 1},
          {"supervisor_after_reload", "kill", 1},
          {"node_buried", "kill", 1}}},
        {"calls fail",
         {{"spawn", "error", 2},
          {"register_worker", "error", 1},
          {"claim", "error", 3},
          {"finish_entry", "error", 1},
          {"note", "error", 1},
          {"register_node", "error", 1},
          {"heartbeat", "error", 2},
          {"settle", "error", 1},
          {"rescue", "error", 1},
          {"db_open", "error", 1}}},
    };
    return sweep_run(cases, sizeof cases / sizeof cases[0]);
}

#else

#include <stdio.h>

int main(void)
{
    (void)fprintf(stderr, "there are no fault points in this build\n");
    return 77;
}

#endif
