// SPDX-License-Identifier: MIT
// Metrics of processes: see the header.
#include "api/metrics_process.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"

// Of /proc/PID/stat, as proc(5) numbers them.
enum {
    FIELD_USER_TIME = 14,
    FIELD_SYSTEM_TIME = 15,
    FIELD_CHILDREN_USER_TIME = 16,
    FIELD_CHILDREN_SYSTEM_TIME = 17,
    FIELD_START_TIME = 22,
    FIELD_RESIDENT_PAGES = 24,
    STAT_BYTES = 1024,
    PATH_BYTES = 64,
    MICROS_PER_SECOND = 1000000
};

static bool read_line(pid_t pid, char line[STAT_BYTES])
{
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ssize_t length = read(fd, line, STAT_BYTES - 1);
    (void)close(fd);
    line[length > 0 ? length : 0] = '\0';
    return length > 0;
}

// Ours or those of processes that run as the same user: the supervisor may be root's.
static int64_t count_fds(pid_t pid)
{
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *folder = opendir(path);
    if (folder == NULL) {
        return -1;
    }
    int64_t count = 0;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        count += entry->d_name[0] != '.' ? 1 : 0;
    }
    (void)closedir(folder);
    return count;
}

static uint64_t ticks_to_us(uint64_t ticks)
{
    const uint64_t per_second = (uint64_t)sysconf(_SC_CLK_TCK);
    return ticks * MICROS_PER_SECOND / per_second;
}

static double start_time(uint64_t ticks_since_boot)
{
    const int64_t boot_us = clock_wall_us() - clock_boot_us();
    return ((double)boot_us + (double)ticks_to_us(ticks_since_boot)) / MICROS_PER_SECOND;
}

bool metrics_process_read(pid_t pid, ProcessFacts *out)
{
    char line[STAT_BYTES];
    if (pid <= 0 || !read_line(pid, line)) {
        return false;
    }
    const char *at = strrchr(line, ')'); // its name may hold anything
    if (at == NULL) {
        return false;
    }
    at++;
    *out = (ProcessFacts){.open_fds = -1};
    uint64_t cpu_ticks = 0;
    for (int field = 3; *at != '\0' && field <= FIELD_RESIDENT_PAGES; field++) {
        at += strspn(at, " ");
        const uint64_t value = strtoull(at, NULL, 10);
        if (field >= FIELD_USER_TIME && field <= FIELD_CHILDREN_SYSTEM_TIME) {
            cpu_ticks += value;
        } else if (field == FIELD_START_TIME) {
            out->started_at = start_time(value);
        } else if (field == FIELD_RESIDENT_PAGES) {
            out->resident_bytes = value * (uint64_t)sysconf(_SC_PAGESIZE);
        }
        at += strcspn(at, " ");
    }
    out->cpu_us = ticks_to_us(cpu_ticks);
    out->open_fds = count_fds(pid);
    return true;
}

static void add_process(RoleFacts *role, pid_t pid)
{
    ProcessFacts facts;
    role->processes++;
    if (!metrics_process_read(pid, &facts)) {
        return; // it has just ended, or /proc is hidden from us
    }
    role->cpu_us += facts.cpu_us;
    role->resident_bytes += facts.resident_bytes;
    if (facts.resident_bytes > role->resident_max_bytes) {
        role->resident_max_bytes = facts.resident_bytes;
    }
    if (facts.started_at > role->started_at) {
        role->started_at = facts.started_at;
    }
    if (facts.open_fds >= 0) {
        role->open_fds = (role->open_fds < 0 ? 0 : role->open_fds) + facts.open_fds;
    }
}

// Slots by number: the first is the reaper's, the last the HTTP API's. The roles are numbered as supervisor/service_table.h has them.
static int role_of(const Scoreboard *board, int slot)
{
    enum { REAPER = 1, WORKER = 2, API = 3 };
    return slot == 0 ? REAPER : slot == scoreboard_api_slot(board) ? API : WORKER;
}

static void read_all(ProcessMetrics *self, Scoreboard *board)
{
    const ScoreboardHeader *header = scoreboard_header(board);
    ProcessMetrics now = {.supervisor = {.open_fds = -1}};
    add_process(&now.supervisor, header->supervisor_pid);
    // The dead first: the time of one that dies meanwhile is missed for a moment, and never counted twice.
    for (int role = 0; role < COUNTER_ROLES; role++) {
        now.roles[role].open_fds = -1;
        now.roles[role].cpu_us = counter_read(&header->supervisor.dead_cpu_us[role]);
    }
    for (int i = 0; i < scoreboard_slot_count(board); i++) {
        const Slot *slot = scoreboard_read_slot(board, i);
        if (slot != NULL && atomic_load(&slot->life) == SLOT_SPAWNED) {
            add_process(&now.roles[role_of(board, i)], atomic_load(&slot->pid));
        }
    }
    for (int role = 0; role < COUNTER_ROLES; role++) {
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
    Line lines[COUNTER_ROLES + 1] = {{"supervisor", &self->supervisor}};
    int count = 1;
    for (int role = 1; role < COUNTER_ROLES; role++) { // the private server has no slot
        lines[count++] = (Line){process_role_name(role), &self->roles[role]};
    }
    write_lines(text, lines, count);
}
