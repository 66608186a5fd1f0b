// SPDX-License-Identifier: MIT
// Metrics of the database: see the header.
#include "api/metrics_database.h"

#include <stdlib.h>

enum { COLUMN_WHAT, COLUMN_NAME, COLUMN_STATE, COLUMN_VALUE, COLUMNS };

// A word of ganger._metrics, and the family it becomes.
typedef struct SampleFamily {
    const char *what;
    MetricType type;
    const char *family;
    const char *name_label;  // NULL: its rows have no name
    const char *state_label; // NULL: no state
    const char *help;
} SampleFamily;

static const SampleFamily FAMILIES[] = {
    {"queue_jobs", METRIC_GAUGE, "ganger_queue_jobs", "queue", "state",
     "Live jobs, by queue and state; pending ones by what they wait for."},
    {"queue_oldest", METRIC_GAUGE, "ganger_queue_oldest_runnable_seconds", "queue", NULL,
     "Since the time of the oldest job that could run now; 0: there is none."},
    {"queue_paused", METRIC_GAUGE, "ganger_queue_paused", "queue", NULL,
     "1 while the queue is paused."},
    {"enqueued", METRIC_COUNTER, "ganger_jobs_enqueued_total", NULL, NULL,
     "Jobs that were ever enqueued, on any node."},
    {"ended", METRIC_COUNTER, "ganger_jobs_ended_total", NULL, "status",
     "Jobs that have ended, on any node; one that was retried ends again."},
    {"nodes", METRIC_GAUGE, "ganger_nodes", NULL, "state",
     "Nodes by name: alive, stopped, or lost and not back yet."},
    {"node_silence", METRIC_GAUGE, "ganger_node_silence_seconds", "node", NULL,
     "Since the last heartbeat of each node that counts as alive."},
    {"workers", METRIC_GAUGE, "ganger_cluster_workers", NULL, "state",
     "Workers of all nodes: alive, and dead ones whose jobs are still to be settled."},
    {"snapshot_xids", METRIC_GAUGE, "ganger_snapshot_age_transactions", NULL, NULL,
     "Transactions begun since the oldest snapshot that keeps dead rows from being removed."},
    {"snapshot_seconds", METRIC_GAUGE, "ganger_snapshot_age_seconds", NULL, NULL,
     "How long that snapshot has been held; 0: there is none, or it is not known."},
    {"late_results", METRIC_GAUGE, "ganger_late_results", NULL, NULL,
     "Results that wait for a job's row which somebody's open transaction holds."},
};

static char *copy_of(const PGresult *result, int row, int column)
{
    return PQgetisnull(result, row, column) ? NULL : mem_strdup(PQgetvalue(result, row, column));
}

static void free_rows(DatabaseSample *self)
{
    for (int i = 0; i < self->count; i++) {
        free(self->rows[i].what);
        free(self->rows[i].name);
        free(self->rows[i].state);
    }
    free(self->rows);
    self->rows = NULL;
    self->count = 0;
}

void metrics_database_take(DatabaseSample *self, const PGresult *result, int64_t now,
                           int64_t took_us)
{
    free_rows(self);
    const int count = PQnfields(result) == COLUMNS ? PQntuples(result) : 0;
    self->rows = mem_alloc(sizeof *self->rows * ((size_t)count + 1));
    for (int i = 0; i < count; i++) {
        self->rows[i] = (SampleRow){
            .what = mem_strdup(PQgetvalue(result, i, COLUMN_WHAT)),
            .name = copy_of(result, i, COLUMN_NAME),
            .state = copy_of(result, i, COLUMN_STATE),
            .value = strtod(PQgetvalue(result, i, COLUMN_VALUE), NULL),
        };
    }
    self->count = count;
    self->taken_at = now;
    self->took_us = took_us;
    self->good++;
    const int64_t by_share = took_us / 1000 * METRICS_SAMPLE_SHARE;
    self->pace_ms = by_share > METRICS_SAMPLE_MS ? by_share : METRICS_SAMPLE_MS;
}

void metrics_database_fail(DatabaseSample *self, bool is_refused)
{
    self->failed++;
    if (!is_refused || self->pace_ms < METRICS_SAMPLE_MS) {
        self->pace_ms = METRICS_SAMPLE_MS;
    } else {
        self->pace_ms =
            2 * self->pace_ms < METRICS_SAMPLE_MAX_MS ? 2 * self->pace_ms : METRICS_SAMPLE_MAX_MS;
    }
}

// The row's labels, as far as its family has them.
static void write_row(MetricsText *text, const SampleFamily *family, const SampleRow *row)
{
    MetricLabel labels[2];
    size_t count = 0;
    if (family->name_label != NULL) {
        labels[count++] = (MetricLabel){family->name_label, row->name != NULL ? row->name : ""};
    }
    if (family->state_label != NULL) {
        labels[count++] = (MetricLabel){family->state_label, row->state != NULL ? row->state : ""};
    }
    metrics_text_number(text, (MetricLabels){.items = labels, .count = count}, row->value);
}

static void write_sample(const DatabaseSample *self, MetricsText *text)
{
    for (size_t i = 0; i < sizeof FAMILIES / sizeof FAMILIES[0]; i++) {
        const SampleFamily *family = &FAMILIES[i];
        metrics_text_family(text, family->type, family->family, family->help);
        for (int j = 0; j < self->count; j++) {
            if (str_equal(self->rows[j].what, family->what)) {
                write_row(text, family, &self->rows[j]);
            }
        }
    }
}

void metrics_database_write(const DatabaseSample *self, MetricsText *text, int64_t now)
{
    metrics_text_family(text, METRIC_COUNTER, "ganger_database_samples_total",
                        "Times the database was asked for its numbers, and whether it told them.");
    metrics_text_count(text, METRIC_LABELS({"result", "ok"}), self->good);
    metrics_text_count(text, METRIC_LABELS({"result", "failed"}), self->failed);
    if (self->taken_at == 0) {
        return;
    }
    metrics_text_family(text, METRIC_GAUGE, "ganger_database_sample_age_seconds",
                        "How old the numbers from the database are.");
    metrics_text_number(text, METRIC_NO_LABELS, (double)(now - self->taken_at) / 1000);
    metrics_text_family(text, METRIC_GAUGE, "ganger_database_sample_seconds",
                        "How long it took to ask for them.");
    metrics_text_number(text, METRIC_NO_LABELS, (double)self->took_us / 1e6);
    if (now - self->taken_at < METRICS_SAMPLE_LIFE_MS) {
        write_sample(self, text);
    }
}

void metrics_database_free(DatabaseSample *self)
{
    free_rows(self);
}
