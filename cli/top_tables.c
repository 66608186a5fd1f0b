// SPDX-License-Identifier: MIT
// Top tables: the rows of the live view's panes.
#include "cli/top_tables.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/text.h"

enum { CELL_BYTES = 64, SEEN_LONG_MS = 10000 };

static void add_number(Table *table, int64_t value)
{
    char shown[CELL_BYTES];
    text_count(value, shown, sizeof shown);
    table_add_cell(table, value == TOP_UNKNOWN ? NULL : shown);
}

static void add_ms(Table *table, int64_t ms)
{
    char *shown = mem_printf("%" PRId64, ms);
    table_add_cell(table, ms == TOP_UNKNOWN ? NULL : shown);
    free(shown);
}

static bool matches(const TopState *state, const char *a, const char *b, const char *c)
{
    return state->filter[0] == '\0' || strstr(a, state->filter) || strstr(b, state->filter) ||
           strstr(c, state->filter);
}

Table *top_table_queues(const TopState *state, const TopData *data)
{
    Table *table = table_create();
    table_add_column(table, "queue", COLUMN_TEXT);
    table_add_column(table, "status", COLUMN_STATUS);
    table_add_column(table, "runnable", COLUMN_NUMBER);
    table_add_column(table, "pending", COLUMN_NUMBER);
    table_add_column(table, "processing", COLUMN_NUMBER);
    table_add_column(table, "waiting", COLUMN_NUMBER);
    table_add_column(table, "oldest", COLUMN_DURATION);
    for (size_t i = 0; i < data->queue_count; i++) {
        const TopQueue *q = &data->queues[i];
        if (matches(state, q->name, "", "")) {
            table_add_cell(table, q->name);
            table_add_cell(table, q->is_paused ? "paused" : "active");
            add_number(table, q->runnable);
            add_number(table, q->pending);
            add_number(table, q->processing);
            add_number(table, q->waiting);
            add_ms(table, q->oldest_wait_ms);
        }
    }
    return table;
}

static void add_node(Table *table, const TopWorker *w)
{
    char age[TEXT_SHORT_BYTES];
    char *seen = NULL;
    text_age(w->seen_ms, age, sizeof age);
    if (w->seen_ms > SEEN_LONG_MS) {
        seen = mem_printf("seen %s", age);
    }
    table_add_cell(table, w->node);
    table_add_cell(table, w->is_leader ? "leader" : "");
    table_add_cell(table, "");
    table_add_cell(table, "alive");
    table_add_cell(table, "");
    table_add_cell(table, seen ? seen : w->worker == TOP_UNKNOWN ? "no workers" : "");
    table_add_cell(table, "");
    table_add_cell(table, "");
    table_add_cell(table, "");
    free(seen);
}

static void add_worker(Table *table, const TopWorker *w)
{
    char shown[CELL_BYTES];
    char *cell = mem_printf("  %" PRId64, w->worker);
    table_add_cell(table, cell);
    free(cell);
    table_add_cell(table, w->pool);
    cell = mem_printf("%" PRId64, w->pid);
    table_add_cell(table, cell);
    free(cell);
    table_add_cell(table, w->state);
    cell = mem_printf("%" PRId64, w->job);
    table_add_cell(table, w->job == TOP_UNKNOWN ? "" : cell);
    free(cell);
    table_add_cell(table, w->job_type);
    if (w->job == TOP_UNKNOWN) {
        table_add_cell(table, "");
    } else {
        add_ms(table, w->since_ms);
    }
    cell = mem_printf("%" PRId64 "%%", w->cpu);
    table_add_cell(table, w->cpu == TOP_UNKNOWN ? "" : cell);
    free(cell);
    text_count(w->rss, shown, sizeof shown);
    table_add_cell(table, w->rss == TOP_UNKNOWN ? "" : shown);
}

// Nodes with their workers below; a node stands there for any of its workers that is shown.
Table *top_table_workers(const TopState *state, const TopData *data)
{
    Table *table = table_create();
    const char *node = NULL;
    table_add_column(table, "worker", COLUMN_TEXT);
    table_add_column(table, "pool", COLUMN_TEXT);
    table_add_column(table, "pid", COLUMN_NUMBER);
    table_add_column(table, "state", COLUMN_STATUS);
    table_add_column(table, "job", COLUMN_NUMBER);
    table_add_column(table, "job_type", COLUMN_TEXT);
    table_add_column(table, "for", COLUMN_DURATION);
    table_add_column(table, "cpu", COLUMN_NUMBER);
    table_add_column(table, "memory", COLUMN_NUMBER);
    for (size_t i = 0; i < data->worker_count; i++) {
        const TopWorker *w = &data->workers[i];
        if (matches(state, w->node, w->pool, w->job_type)) {
            if (!node || !str_equal(node, w->node)) {
                add_node(table, w);
            }
            node = w->node;
            if (w->worker != TOP_UNKNOWN) {
                add_worker(table, w);
            }
        }
    }
    return table;
}

Table *top_table_failures(const TopState *state, const TopData *data)
{
    Table *table = table_create();
    table_add_column(table, "jobs", COLUMN_NUMBER);
    table_add_column(table, "retrying", COLUMN_NUMBER);
    table_add_column(table, "last", COLUMN_AGE);
    table_add_column(table, "newest", COLUMN_NUMBER);
    table_add_column(table, "job_types", COLUMN_TEXT);
    table_add_column(table, "failed_with", COLUMN_TEXT);
    for (size_t i = 0; i < data->failure_count; i++) {
        const TopFailure *f = &data->failures[i];
        if (matches(state, f->types, f->message, "")) {
            char *job = mem_printf("%" PRId64, f->job);
            add_number(table, f->jobs);
            add_number(table, f->retrying);
            add_ms(table, f->last_ms);
            table_add_cell(table, job);
            table_add_cell(table, f->types);
            table_add_cell(table, f->message);
            free(job);
        }
    }
    return table;
}
