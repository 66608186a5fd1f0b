// SPDX-License-Identifier: MIT
// Metrics of the scoreboard: see the header.
#include "api/metrics_board.h"

#include <stdlib.h>

#include "common/base/clock.h"

// The runs of one job type, of all slots together.
typedef struct RunSum {
    uint64_t started;
    uint64_t finished[RUN_OUTCOMES];
    HistogramSum duration;
    HistogramSum wait;
} RunSum;

typedef struct ClaimSum {
    uint64_t empty;
    uint64_t failed;
    uint64_t finish_failures;
    uint64_t refused_results;
    uint64_t worker_connects;
    uint64_t worker_connect_failures;
    HistogramSum time;
    HistogramSum jobs;
} ClaimSum;

static void add_run(RunSum *sum, const HandlerCounters *counters)
{
    sum->started += counter_read(&counters->started);
    for (int i = 0; i < RUN_OUTCOMES; i++) {
        sum->finished[i] += counter_read(&counters->finished[i]);
    }
    histogram_sum_add(&sum->duration, &counters->duration);
    histogram_sum_add(&sum->wait, &counters->wait);
}

static void add_claims(ClaimSum *sum, const WorkerCounters *counters)
{
    sum->empty += counter_read(&counters->empty_claims);
    sum->failed += counter_read(&counters->failed_claims);
    sum->finish_failures += counter_read(&counters->finish_failures);
    sum->refused_results += counter_read(&counters->refused_results);
    sum->worker_connects += counter_read(&counters->connects);
    sum->worker_connect_failures += counter_read(&counters->connect_failures);
    histogram_sum_add(&sum->time, &counters->claim_us);
    histogram_sum_add(&sum->jobs, &counters->claim_jobs);
}

// A slot that never had a process is not looked into: its pages would come to be only for that.
static const Slot *used_slot(const Scoreboard *board, int index)
{
    const Slot *slot = scoreboard_read_slot(board, index);
    return slot != NULL && atomic_load(&slot->generation) != 0 ? slot : NULL;
}

static void write_outcomes(MetricsText *text, const char *const *names, const RunSum *runs,
                           int count)
{
    metrics_text_family(text, METRIC_COUNTER, "ganger_runs_started_total",
                        "Runs of handlers that were begun, by job type.");
    for (int i = 0; i < count; i++) {
        metrics_text_count(text, METRIC_LABELS({"job_type", names[i]}), runs[i].started);
    }
    metrics_text_family(text, METRIC_COUNTER, "ganger_runs_finished_total",
                        "Runs of handlers that are over, by job type and what became of them.");
    for (int i = 0; i < count; i++) {
        for (int j = 0; j < RUN_OUTCOMES; j++) {
            metrics_text_count(
                text,
                METRIC_LABELS({"job_type", names[i]}, {"outcome", run_outcome_name((RunOutcome)j)}),
                runs[i].finished[j]);
        }
    }
}

static void write_times(MetricsText *text, const char *const *names, const RunSum *runs, int count)
{
    metrics_text_family(text, METRIC_HISTOGRAM, "ganger_run_duration_seconds",
                        "How long runs took, however they ended.");
    for (int i = 0; i < count; i++) {
        metrics_text_histogram(text, METRIC_LABELS({"job_type", names[i]}), &runs[i].duration,
                               COUNTER_JOB_BOUNDS_US, true);
    }
    metrics_text_family(text, METRIC_HISTOGRAM, "ganger_job_wait_seconds",
                        "From a job's time (run_at, else created_at) to its first start.");
    for (int i = 0; i < count; i++) {
        metrics_text_histogram(text, METRIC_LABELS({"job_type", names[i]}), &runs[i].wait,
                               COUNTER_JOB_BOUNDS_US, true);
    }
}

// Rows with names, and what the others came to if there was anything.
static void write_runs(MetricsText *text, const Scoreboard *board, const CounterNames *handlers)
{
    const char *names[COUNTER_ROWS];
    RunSum *runs = mem_alloc(sizeof *runs * COUNTER_ROWS);
    const int count = counter_names_count(handlers);
    for (int i = 0; i < scoreboard_api_slot(board); i++) {
        const Slot *slot = used_slot(board, i);
        for (int j = 0; slot != NULL && j < count; j++) {
            add_run(&runs[j], &slot->counters.handlers[j]);
        }
        if (slot != NULL) {
            add_run(&runs[count], &slot->counters.handlers[COUNTER_HANDLERS]);
        }
    }
    for (int i = 0; i < count; i++) {
        names[i] = handlers->names[i];
    }
    names[count] = COUNTER_OTHER;
    const bool has_other =
        runs[count].started > 0 || histogram_sum_count(&runs[count].duration) > 0;
    const int rows = has_other ? count + 1 : count;
    write_outcomes(text, names, runs, rows);
    write_times(text, names, runs, rows);
    free(runs);
}

static void write_claims(MetricsText *text, const ClaimSum *sum)
{
    metrics_text_family(text, METRIC_COUNTER, "ganger_claims_total",
                        "Claims of workers, by what came of them: jobs, nothing, or an error.");
    metrics_text_count(text, METRIC_LABELS({"result", "jobs"}), histogram_sum_count(&sum->jobs));
    metrics_text_count(text, METRIC_LABELS({"result", "empty"}), sum->empty);
    metrics_text_count(text, METRIC_LABELS({"result", "error"}), sum->failed);
    metrics_text_family(text, METRIC_HISTOGRAM, "ganger_claim_seconds",
                        "How long claims took; with them the results before are written.");
    metrics_text_histogram(text, METRIC_NO_LABELS, &sum->time, COUNTER_CLAIM_BOUNDS_US, true);
    metrics_text_family(text, METRIC_HISTOGRAM, "ganger_claim_jobs",
                        "Jobs that came with a claim that got any.");
    metrics_text_histogram(text, METRIC_NO_LABELS, &sum->jobs, COUNTER_BATCH_BOUNDS, false);
    metrics_text_family(text, METRIC_COUNTER, "ganger_result_write_failures_total",
                        "Tries to write a result that failed, and were made again.");
    metrics_text_count(text, METRIC_NO_LABELS, sum->finish_failures);
    metrics_text_family(text, METRIC_COUNTER, "ganger_results_refused_total",
                        "Results that were dropped, as somebody else had the job by then.");
    metrics_text_count(text, METRIC_NO_LABELS, sum->refused_results);
}

static void write_connects(MetricsText *text, const Scoreboard *board, const ClaimSum *sum)
{
    const Slot *reaper = used_slot(board, 0);
    uint64_t connects = reaper != NULL ? counter_read(&reaper->counters.connects) : 0;
    uint64_t failures = reaper != NULL ? counter_read(&reaper->counters.connect_failures) : 0;
    metrics_text_family(text, METRIC_COUNTER, "ganger_database_connects_total",
                        "Connections made to the database, by role.");
    metrics_text_count(text, METRIC_LABELS({"role", "reaper"}), connects);
    metrics_text_count(text, METRIC_LABELS({"role", "worker"}), sum->worker_connects);
    metrics_text_family(text, METRIC_COUNTER, "ganger_database_connect_failures_total",
                        "Tries to connect to the database that failed, by role.");
    metrics_text_count(text, METRIC_LABELS({"role", "reaper"}), failures);
    metrics_text_count(text, METRIC_LABELS({"role", "worker"}), sum->worker_connect_failures);
}

static void write_supervisor(MetricsText *text, const SupervisorCounters *counters)
{
    metrics_text_family(text, METRIC_COUNTER, "ganger_stops_total",
                        "Running jobs that were asked to stop, by cause.");
    for (int i = 0; i < COUNTER_CAUSES; i++) {
        if (i != STOP_NONE && stop_cause_name(i) != NULL) {
            metrics_text_count(text, METRIC_LABELS({"cause", stop_cause_name(i)}),
                               counter_read(&counters->stops[i]));
        }
    }
    metrics_text_family(text, METRIC_COUNTER, "ganger_kills_total",
                        "Processes that were killed, by cause.");
    for (int i = 0; i < COUNTER_CAUSES; i++) {
        if (i != STOP_NONE && stop_cause_name(i) != NULL) {
            metrics_text_count(text, METRIC_LABELS({"cause", stop_cause_name(i)}),
                               counter_read(&counters->kills[i]));
        }
    }
    metrics_text_family(text, METRIC_COUNTER, "ganger_process_starts_total",
                        "Processes that were started, by role.");
    for (int i = 0; i < ROLE_COUNT; i++) {
        metrics_text_count(text, METRIC_LABELS({"role", process_role_name((Role)i)}),
                           counter_read(&counters->starts[i]));
    }
    metrics_text_family(text, METRIC_COUNTER, "ganger_process_ends_total",
                        "Processes that have ended, by role and why.");
    for (int i = 0; i < ROLE_COUNT; i++) {
        for (int j = 0; j < PROCESS_ENDS; j++) {
            metrics_text_count(text,
                               METRIC_LABELS({"role", process_role_name((Role)i)},
                                             {"reason", process_end_name((ProcessEnd)j)}),
                               counter_read(&counters->ends[i][j]));
        }
    }
}

typedef struct Plain { // a counter that is a family of its own
    const char *name;
    const char *help;
    const Counter *counter;
} Plain;

static void write_plain(MetricsText *text, const Plain *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        metrics_text_family(text, METRIC_COUNTER, rows[i].name, rows[i].help);
        metrics_text_count(text, METRIC_NO_LABELS, counter_read(rows[i].counter));
    }
}

static void write_settling(MetricsText *text, const ReaperCounters *counters)
{
    const Plain rows[] = {
        {"ganger_settled_workers_total", "Dead workers whose jobs were settled.",
         &counters->settled_workers},
        {"ganger_rescued_jobs_total",
         "Jobs given back to others, as one before them in their batch ran long.",
         &counters->rescued},
        {"ganger_reclaimed_jobs_total",
         "Jobs taken back by the cluster's duties: their worker or lease was gone.",
         &counters->reclaimed},
        {"ganger_buried_nodes_total", "Other nodes that this one has declared dead.",
         &counters->buried_nodes},
        {"ganger_buried_jobs_total", "Jobs that ran on nodes this one has declared dead.",
         &counters->buried_jobs},
        {"ganger_notifications_total", "Notifications that came from the database.",
         &counters->notifications},
        {"ganger_worker_wakes_total", "Calls of idle workers.", &counters->wakes},
    };
    metrics_text_family(text, METRIC_COUNTER, "ganger_settled_jobs_total",
                        "Jobs of dead workers: result written, charged with its death, returned.");
    metrics_text_count(text, METRIC_LABELS({"how", "result"}),
                       counter_read(&counters->settled_results));
    metrics_text_count(text, METRIC_LABELS({"how", "charged"}),
                       counter_read(&counters->settled_charged));
    metrics_text_count(text, METRIC_LABELS({"how", "returned"}),
                       counter_read(&counters->settled_returned));
    write_plain(text, rows, sizeof rows / sizeof rows[0]);
}

static void write_reaper(MetricsText *text, const ReaperCounters *counters)
{
    metrics_text_family(text, METRIC_COUNTER, "ganger_heartbeats_total",
                        "Heartbeats of this node, acknowledged by the database or not.");
    metrics_text_count(text, METRIC_LABELS({"result", "ok"}), counter_read(&counters->heartbeats));
    metrics_text_count(text, METRIC_LABELS({"result", "failed"}),
                       counter_read(&counters->failed_heartbeats));
    write_settling(text, counters);
    metrics_text_family(text, METRIC_COUNTER, "ganger_reaper_duty_seconds_total",
                        "Time the reaper has spent on each of its duties.");
    for (int i = 0; i < REAPER_DUTIES; i++) {
        metrics_text_seconds(text, METRIC_LABELS({"duty", reaper_duty_name((ReaperDuty)i)}),
                             counter_read(&counters->duty_us[i]));
    }
}

static void write_node(MetricsText *text, const ScoreboardHeader *header)
{
    const int64_t now = clock_boot_ms();
    const int64_t heartbeat_at = atomic_load(&header->heartbeat_at);
    const int64_t lease_until = atomic_load(&header->lease_until);
    metrics_text_family(text, METRIC_GAUGE, "ganger_node_registered",
                        "1 while this node is registered and its workers may run.");
    metrics_text_count(text, METRIC_NO_LABELS, atomic_load(&header->node_id) != 0 ? 1 : 0);
    metrics_text_family(text, METRIC_GAUGE, "ganger_node_heartbeat_age_seconds",
                        "Since the last heartbeat the database has acknowledged.");
    metrics_text_number(text, METRIC_NO_LABELS,
                        heartbeat_at > 0 ? (double)(now - heartbeat_at) / 1000 : 0);
    metrics_text_family(text, METRIC_GAUGE, "ganger_node_lease_seconds",
                        "Until this node stops its jobs, unless a heartbeat comes through.");
    metrics_text_number(text, METRIC_NO_LABELS,
                        lease_until > now ? (double)(lease_until - now) / 1000 : 0);
}

static void write_workers(MetricsText *text, const Scoreboard *board, const Config *config)
{
    static const char *const states[] = {
        [SLOT_STARTING] = "starting",   [SLOT_IDLE] = "idle",
        [SLOT_CLAIMING] = "claiming",   [SLOT_RUNNING] = "running",
        [SLOT_FINISHING] = "finishing", [SLOT_COLLECTING] = "collecting",
        [SLOT_STOPPING] = "stopping",
    };
    enum { STATES = sizeof states / sizeof states[0] };
    uint64_t(*counts)[STATES] = mem_alloc(sizeof *counts * (config->pool_count + 1));
    for (int i = 1; i < scoreboard_api_slot(board); i++) {
        const Slot *slot = used_slot(board, i);
        if (slot == NULL || atomic_load(&slot->life) != SLOT_SPAWNED) {
            continue;
        }
        const int state = atomic_load(&slot->state);
        if (slot->pool >= 0 && (size_t)slot->pool < config->pool_count && state >= 0 &&
            state < STATES) {
            counts[slot->pool][state]++;
        }
    }
    metrics_text_family(text, METRIC_GAUGE, "ganger_workers",
                        "Worker processes of this node, by pool and what they do.");
    for (size_t i = 0; i < config->pool_count; i++) {
        for (int j = 0; j < STATES; j++) {
            metrics_text_count(text,
                               METRIC_LABELS({"pool", config->pools[i].name}, {"state", states[j]}),
                               counts[i][j]);
        }
    }
    free(counts);
}

void metrics_board_write(MetricsText *text, Scoreboard *board, const Config *config)
{
    const ScoreboardHeader *header = scoreboard_header(board);
    ClaimSum claims = {.empty = 0};
    for (int i = 1; i < scoreboard_api_slot(board); i++) {
        const Slot *slot = used_slot(board, i);
        if (slot != NULL) {
            add_claims(&claims, &slot->counters);
        }
    }
    write_runs(text, board, &header->handlers);
    write_claims(text, &claims);
    write_connects(text, board, &claims);
    write_supervisor(text, &header->supervisor);
    write_reaper(text, &header->reaper);
    write_node(text, header);
    write_workers(text, board, config);
}
