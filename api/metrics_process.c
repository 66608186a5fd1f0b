// SPDX-License-Identifier: MIT
// Metrics of processes: see the header.
#include "api/metrics_process.h"

#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/proc_stat.h"

enum { MICROS_PER_SECOND = 1000000 };

static double start_time(uint64_t ticks_since_boot)
{
    const int64_t boot_us = clock_wall_us() - clock_boot_us();
    return (double)boot_us / MICROS_PER_SECOND +
           (double)ticks_since_boot / (double)sysconf(_SC_CLK_TCK);
}

static void add_process(RoleFacts *role, pid_t pid)
{
    ProcStat stat;
    role->processes++;
    if (!proc_stat_read(pid, &stat)) {
        return; // it has just ended, or /proc is hidden from us
    }
    const uint64_t resident_bytes = (uint64_t)stat.rss_bytes;
    const double started_at = start_time(stat.start_ticks);
    const int open_fds = proc_count_fds(pid);
    role->cpu_us += (uint64_t)stat.cpu_us;
    role->resident_bytes += resident_bytes;
    if (resident_bytes > role->resident_max_bytes) {
        role->resident_max_bytes = resident_bytes;
    }
    if (started_at > role->started_at) {
        role->started_at = started_at;
    }
    if (open_fds >= 0) { // the supervisor may be root's
        role->open_fds = (role->open_fds < 0 ? 0 : role->open_fds) + open_fds;
    }
}

// Slots by number: the first is the reaper's, the last the HTTP API's.
static Role role_of(const Scoreboard *board, int slot)
{
    return slot == 0 ? ROLE_REAPER : slot == scoreboard_api_slot(board) ? ROLE_API : ROLE_WORKER;
}

static void read_all(ProcessMetrics *self, Scoreboard *board)
{
    const ScoreboardHeader *header = scoreboard_header(board);
    ProcessMetrics now = {.supervisor = {.open_fds = -1}};
    add_process(&now.supervisor, header->supervisor_pid);
    // The dead first: the time of one that dies meanwhile is missed for a moment, and never counted twice.
    for (int role = 0; role < ROLE_COUNT; role++) {
        now.roles[role].open_fds = -1;
        now.roles[role].cpu_us = counter_read(&header->supervisor.dead_cpu_us[role]);
    }
    for (int i = 0; i < scoreboard_slot_count(board); i++) {
        const Slot *slot = scoreboard_read_slot(board, i);
        if (slot != NULL && atomic_load(&slot->life) == SLOT_SPAWNED) {
            add_process(&now.roles[role_of(board, i)], atomic_load(&slot->pid));
        }
    }
    for (int role = 0; role < ROLE_COUNT; role++) {
        if (now.roles[role].cpu_us < self->roles[role].cpu_us) {
            now.roles[role].cpu_us = self->roles[role].cpu_us;
        }
    }
    now.read_at = clock_boot_ms();
    *self = now;
}

static const char *const HELP_CPU =
    "Processor time, with that of processes that have ended and of programs they have run.";

typedef struct Line {
    const char *name;
    const RoleFacts *facts;
} Line;

static void write_lines(MetricsText *text, const Line *lines, int count)
{
    metrics_text_family(text, METRIC_GAUGE, "ganger_processes", "Processes that run now, by role.");
    for (int i = 0; i < count; i++) {
        metrics_text_count(text, METRIC_LABELS({"role", lines[i].name}),
                           (uint64_t)lines[i].facts->processes);
    }
    metrics_text_family(text, METRIC_COUNTER, "ganger_process_cpu_seconds_total", HELP_CPU);
    for (int i = 0; i < count; i++) {
        metrics_text_seconds(text, METRIC_LABELS({"role", lines[i].name}), lines[i].facts->cpu_us);
    }
    metrics_text_family(text, METRIC_GAUGE, "ganger_process_resident_bytes",
                        "Memory in use by all processes of a role.");
    for (int i = 0; i < count; i++) {
        metrics_text_count(text, METRIC_LABELS({"role", lines[i].name}),
                           lines[i].facts->resident_bytes);
    }
    metrics_text_family(text, METRIC_GAUGE, "ganger_process_resident_max_bytes",
                        "Memory in use by the largest process of a role.");
    for (int i = 0; i < count; i++) {
        metrics_text_count(text, METRIC_LABELS({"role", lines[i].name}),
                           lines[i].facts->resident_max_bytes);
    }
    metrics_text_family(text, METRIC_GAUGE, "ganger_process_open_fds",
                        "Open descriptors of all processes of a role that may be looked at.");
    for (int i = 0; i < count; i++) {
        if (lines[i].facts->open_fds >= 0) {
            metrics_text_count(text, METRIC_LABELS({"role", lines[i].name}),
                               (uint64_t)lines[i].facts->open_fds);
        }
    }
    metrics_text_family(text, METRIC_GAUGE, "ganger_process_start_time_seconds",
                        "When the youngest process of a role was started, in seconds since 1970.");
    for (int i = 0; i < count; i++) {
        if (lines[i].facts->processes > 0) {
            metrics_text_number(text, METRIC_LABELS({"role", lines[i].name}),
                                lines[i].facts->started_at);
        }
    }
}

void metrics_process_write(ProcessMetrics *self, MetricsText *text, Scoreboard *board)
{
    if (self->read_at == 0 || clock_boot_ms() - self->read_at >= METRICS_PROCESS_MS) {
        read_all(self, board);
    }
    Line lines[ROLE_COUNT + 1] = {{"supervisor", &self->supervisor}};
    int count = 1;
    for (int role = ROLE_REAPER; role < ROLE_COUNT; role++) { // the private server has no slot
        lines[count++] = (Line){process_role_name((Role)role), &self->roles[role]};
    }
    write_lines(text, lines, count);
}
