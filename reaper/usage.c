// SPDX-License-Identifier: MIT
// Usage: see the header.
#include "reaper/usage.h"

#include "common/base/clock.h"
#include "common/base/proc_stat.h"

enum { THOUSANDTHS = 1000 };

int64_t usage_share(const UsageReading *before, const UsageReading *after)
{
    int64_t took_us = after->at_us - before->at_us;
    if (before->pid == 0 || before->pid != after->pid || took_us <= 0 ||
        after->cpu_us < before->cpu_us) {
        return USAGE_UNKNOWN;
    }
    return (after->cpu_us - before->cpu_us) * THOUSANDTHS / took_us;
}

static void add(UsageReport *report, int64_t id, int pid, UsageReading *before)
{
    ProcStat usage;
    if (!proc_stat_read(pid, &usage)) {
        *before = (UsageReading){0};
        return; // gone just now, or hidden from us: nothing is said of it
    }
    UsageReading now = {.pid = pid, .cpu_us = usage.cpu_us, .at_us = clock_boot_us()};
    db_array_add_int8(&report->ids, id);
    db_array_add_int8(&report->cpu_us, usage.cpu_us);
    db_array_add_int8(&report->shares, usage_share(before, &now));
    db_array_add_int8(&report->rss, usage.rss_bytes);
    *before = now;
}

// 0: a worker that is not registered yet.
static int64_t id_of(const Scoreboard *board, const Slot *slot, int index)
{
    if (index == 0) {
        return USAGE_REAPER;
    }
    return index == scoreboard_api_slot(board) ? USAGE_API : (int64_t)atomic_load(&slot->worker_id);
}

void usage_read(UsageWatch *watch, Scoreboard *board, UsageReport *report)
{
    db_array_begin(&report->ids, DB_ELEMENT_INT8);
    db_array_begin(&report->cpu_us, DB_ELEMENT_INT8);
    db_array_begin(&report->shares, DB_ELEMENT_INT8);
    db_array_begin(&report->rss, DB_ELEMENT_INT8);
    add(report, USAGE_SUPERVISOR, scoreboard_header(board)->supervisor_pid, &watch->supervisor);
    for (int i = 0; i < scoreboard_slot_count(board); i++) {
        Slot *slot = scoreboard_slot(board, i);
        int64_t id = atomic_load(&slot->life) == SLOT_SPAWNED ? id_of(board, slot, i) : 0;
        if (id != 0) {
            add(report, id, atomic_load(&slot->pid), &watch->slots[i]);
        }
    }
}

void usage_report_free(UsageReport *report)
{
    db_array_free(&report->ids);
    db_array_free(&report->cpu_us);
    db_array_free(&report->shares);
    db_array_free(&report->rss);
}
