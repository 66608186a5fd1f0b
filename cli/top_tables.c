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
    if (ms == TOP_UNKNOWN) {
        table_add_cell(table, NULL);
    } else {
        table_add_integer(table, ms);
    }
}

static bool matches(const TopState *state, const char *a, const char *b, const char *c)
{
    return state->filter[0] == '\0' || strstr(a, state->filter) || strstr(b, state->filter) ||
           strstr(c, state->filter);
}

Table *top_table_queues(const TopState *state, const TopData *data)
{
    static const ColumnSpec columns[] = {
        {"queue", COLUMN_TEXT},      {"status", COLUMN_STATUS},     {"runnable", COLUMN_NUMBER},
        {"pending", COLUMN_NUMBER},  {"processing", COLUMN_NUMBER}, {"waiting", COLUMN_NUMBER},
        {"oldest", COLUMN_DURATION},
    };
    Table *table = table_create();
    TABLE_ADD_COLUMNS(table, columns);
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
    table_add_integer(table, w->pid);
    table_add_cell(table, w->state);
    if (w->job == TOP_UNKNOWN) {
        table_add_cell(table, "");
        table_add_cell(table, w->job_type);
        table_add_cell(table, "");
    } else {
        table_add_integer(table, w->job);
        table_add_cell(table, w->job_type);
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
    static const ColumnSpec columns[] = {
        {"worker", COLUMN_TEXT},  {"pool", COLUMN_TEXT},  {"pid", COLUMN_NUMBER},
        {"state", COLUMN_STATUS}, {"job", COLUMN_NUMBER}, {"job_type", COLUMN_TEXT},
        {"for", COLUMN_DURATION}, {"cpu", COLUMN_NUMBER}, {"memory", COLUMN_NUMBER},
    };
    Table *table = table_create();
    const char *node = NULL;
    TABLE_ADD_COLUMNS(table, columns);
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
    static const ColumnSpec columns[] = {
        {"jobs", COLUMN_NUMBER},   {"retrying", COLUMN_NUMBER}, {"last", COLUMN_AGE},
        {"newest", COLUMN_NUMBER}, {"job_types", COLUMN_TEXT},  {"failed_with", COLUMN_TEXT},
    };
    Table *table = table_create();
    TABLE_ADD_COLUMNS(table, columns);
    for (size_t i = 0; i < data->failure_count; i++) {
        const TopFailure *f = &data->failures[i];
        if (matches(state, f->types, f->message, "")) {
            add_number(table, f->jobs);
            add_number(table, f->retrying);
            add_ms(table, f->last_ms);
            table_add_integer(table, f->job);
            table_add_cell(table, f->types);
            table_add_cell(table, f->message);
        }
    }
    return table;
}
