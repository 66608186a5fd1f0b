// SPDX-License-Identifier: MIT
// Evidence: see the header.
#include "reaper/evidence.h"

#include <stdlib.h>

#include "common/base/clock.h"

void evidence_done_begin(DoneArrays *done)
{
    db_array_begin(&done->ids, DB_ELEMENT_INT8);
    db_array_begin(&done->leases, DB_ELEMENT_UUID);
    db_array_begin(&done->outcomes, DB_ELEMENT_TEXT);
    db_array_begin(&done->bodies, DB_ELEMENT_TEXT);
    db_array_begin(&done->delays, DB_ELEMENT_INT8);
    db_array_begin(&done->ran_us, DB_ELEMENT_INT8);
    db_array_begin(&done->ago_us, DB_ELEMENT_INT8);
    db_array_begin(&done->cpu_us, DB_ELEMENT_INT8);
    db_array_begin(&done->max_rss, DB_ELEMENT_INT8);
    db_array_begin(&done->logs, DB_ELEMENT_TEXT);
}

char *evidence_log_of(const Slot *slot, const BatchEntry *entry)
{
    int last = atomic_load(&slot->run_index);
    bool is_last = last >= 0 && last < SCOREBOARD_BATCH_MAX && entry == &slot->batch[last];
    return is_last ? slot_log_copy(slot) : NULL;
}

// The times in a slot are the worker's to write. One that has gone mad must not make PostgreSQL refuse an interval, or its jobs
// would never be settled.
static int64_t past(int64_t at, int64_t now)
{
    if (at < 0) {
        return 0;
    }
    return at < now ? at : now;
}

typedef struct EntryTimes {
    int64_t ran_us;
    int64_t ago_us; // since its end
} EntryTimes;

static EntryTimes times_of(const BatchEntry *entry)
{
    const int64_t now_us = clock_boot_us();
    const int64_t ended_us = past(entry->ended_us, now_us);
    return (EntryTimes){.ran_us = ended_us - past(entry->started_us, ended_us),
                        .ago_us = now_us - ended_us};
}

static void add_known(DbArray *array, int64_t value)
{
    if (value >= 0) {
        db_array_add_int8(array, value);
    } else {
        db_array_add_null(array);
    }
}

void evidence_done_add(DoneArrays *done, const Slot *slot, const BatchEntry *entry)
{
    char *text = slot_entry_text(slot, entry);
    char *log = evidence_log_of(slot, entry);
    const EntryTimes times = times_of(entry);
    db_array_add_int8(&done->ids, entry->job_id);
    db_array_add_uuid(&done->leases, entry->lease);
    db_array_add_text(&done->outcomes, job_outcome_word(entry->outcome));
    db_array_add_text(&done->bodies, text);
    add_known(&done->delays, entry->delay_ms);
    db_array_add_int8(&done->ran_us, times.ran_us);
    db_array_add_int8(&done->ago_us, times.ago_us);
    add_known(&done->cpu_us, entry->cpu_us);
    add_known(&done->max_rss, entry->max_rss_bytes);
    db_array_add_text(&done->logs, log);
    free(log);
    free(text);
}

void evidence_done_bind(DoneArrays *done, DbParams *params)
{
    db_param_array(params, &done->ids);
    db_param_array(params, &done->leases);
    db_param_array(params, &done->outcomes);
    db_param_array(params, &done->bodies);
    db_param_array(params, &done->delays);
    db_param_array(params, &done->ran_us);
    db_param_array(params, &done->ago_us);
    db_param_array(params, &done->cpu_us);
    db_param_array(params, &done->max_rss);
    db_param_array(params, &done->logs);
}

void evidence_done_free(DoneArrays *done)
{
    db_array_free(&done->ids);
    db_array_free(&done->leases);
    db_array_free(&done->outcomes);
    db_array_free(&done->bodies);
    db_array_free(&done->delays);
    db_array_free(&done->ran_us);
    db_array_free(&done->ago_us);
    db_array_free(&done->cpu_us);
    db_array_free(&done->max_rss);
    db_array_free(&done->logs);
}

void evidence_bind_running(DbParams *params, const Slot *slot, const Obituary *obituary,
                           const char *log)
{
    if (obituary->running < 0) {
        for (int i = 0; i < 10; i++) {
            db_param_null(params);
        }
        return;
    }
    const BatchEntry *entry = &slot->batch[obituary->running];
    const int64_t cpu_us = slot->cpu_us - past(atomic_load(&slot->run_cpu_us), INT64_MAX);
    const int64_t now = clock_boot_ms();
    db_param_int(params, entry->job_id);
    db_param_binary(params, (const char *)entry->lease, sizeof entry->lease);
    db_param_text(params, obituary->outcome);
    db_param_text(params, obituary->message);
    db_param_int_or_null(params, obituary->exit_code, obituary->exit_code >= 0);
    db_param_int_or_null(params, obituary->signal, obituary->signal > 0);
    db_param_int_or_null(params, cpu_us, cpu_us >= 0 && slot->cpu_us > 0);
    db_param_int_or_null(params, slot->max_rss_bytes, slot->max_rss_bytes > 0);
    db_param_text(params, log);
    db_param_int(params, (now - past(atomic_load(&slot->run_started_at), now)) * 1000);
}

void evidence_bind_result(DbParams *params, const BatchEntry *entry, const char *outcome,
                          const char *text, int64_t delay_ms, const char *log)
{
    const EntryTimes times = times_of(entry);
    db_params_init(params);
    db_param_int(params, entry->job_id);
    db_param_binary(params, (const char *)entry->lease, sizeof entry->lease);
    db_param_text(params, outcome);
    db_param_text(params, text);
    db_param_int_or_null(params, delay_ms, delay_ms >= 0);
    db_param_null(params); // exit code
    db_param_null(params); // signal
    db_param_int_or_null(params, entry->cpu_us, entry->cpu_us >= 0);
    db_param_int_or_null(params, entry->max_rss_bytes, entry->max_rss_bytes >= 0);
    db_param_text(params, log);
    db_param_int(params, times.ran_us);
    db_param_int(params, times.ago_us);
}
