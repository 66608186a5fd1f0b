// SPDX-License-Identifier: MIT
// Report: measured values beside the raw limit of the same run, as a table and as JSON.
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stdbool.h>

#include "bench/curve.h"
#include "common/base/memory.h"

enum { REPORT_REPEATS_MAX = 20, REPORT_CURVES_MAX = 8 };

typedef enum GoalKind {
    GOAL_NONE,
    GOAL_AT_LEAST, // the figure itself
    GOAL_AT_MOST,
    GOAL_RATIO_AT_LEAST, // figure / raw limit
    GOAL_RATIO_AT_MOST
} GoalKind;

typedef struct Figure {
    const char *scenario;
    const char *name;
    const char *unit;
    GoalKind goal_kind;
    double goal;
    const char *raw; // what the raw limit is; NULL = there is none
} Figure;

typedef struct ReportRow {
    const Figure *figure;
    int count;
    double values[REPORT_REPEATS_MAX];
    double raws[REPORT_REPEATS_MAX];
} ReportRow;

typedef struct Report {
    ReportRow *rows;
    int count;
    int capacity;
    Curve *curves[REPORT_CURVES_MAX];
    int curve_count;
} Report;

// Adds one repetition. `raw` is not looked at when the figure has no raw limit.
void report_add(Report *report, const Figure *figure, double value, double raw);
// The curve of these labels, a new one when there is none yet.
Curve *report_curve(Report *report, const CurveLabels *labels);
// False when a goal with a measured median is missed.
bool report_is_met(const ReportRow *row);
void report_print_table(const Report *report);
// `facts`: the members before "figures", as JSON without braces.
void report_write_json(const Report *report, const char *facts, StrBuf *out);
// Draws the curves beside the JSON: FILE-<scenario>.svg for FILE.json.
void report_write_curves(const Report *report, const char *json_path);
void report_free(Report *report);

#endif
