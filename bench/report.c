// SPDX-License-Identifier: MIT
// Report: see the header.
#include "bench/report.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "bench/curve_svg.h"
#include "bench/stats.h"
#include "common/base/log.h"

static ReportRow *find_or_add(Report *report, const Figure *figure)
{
    for (int i = 0; i < report->count; i++) {
        if (report->rows[i].figure == figure) {
            return &report->rows[i];
        }
    }
    if (report->count == report->capacity) {
        report->capacity = report->capacity * 2 + 16;
        report->rows = mem_realloc(report->rows, (size_t)report->capacity * sizeof *report->rows);
    }
    ReportRow *row = &report->rows[report->count++];
    memset(row, 0, sizeof *row);
    row->figure = figure;
    return row;
}

void report_add(Report *report, const Figure *figure, double value, double raw)
{
    ReportRow *row = find_or_add(report, figure);
    if (row->count == REPORT_REPEATS_MAX) {
        panic("%s: more than %d repetitions", figure->name, REPORT_REPEATS_MAX);
    }
    row->values[row->count] = value;
    row->raws[row->count] = figure->raw != NULL ? raw : NAN;
    row->count++;
}

Curve *report_curve(Report *report, const CurveLabels *labels)
{
    for (int i = 0; i < report->curve_count; i++) {
        if (report->curves[i]->labels == labels) {
            return report->curves[i];
        }
    }
    if (report->curve_count == REPORT_CURVES_MAX) {
        panic("more than %d curves", REPORT_CURVES_MAX);
    }
    return report->curves[report->curve_count++] = curve_create(labels);
}

// The median of the ratios, not the ratio of the medians: each ratio is of one moment of a machine whose speed varies.
static double ratio_of(const ReportRow *row)
{
    double ratios[REPORT_REPEATS_MAX];
    for (int i = 0; i < row->count; i++) {
        ratios[i] = row->values[i] / row->raws[i];
    }
    return stats_median(ratios, row->count);
}

bool report_is_met(const ReportRow *row)
{
    switch (row->figure->goal_kind) {
    case GOAL_NONE:
        return true;
    case GOAL_AT_LEAST:
        return stats_median(row->values, row->count) >= row->figure->goal;
    case GOAL_AT_MOST:
        return stats_median(row->values, row->count) <= row->figure->goal;
    case GOAL_RATIO_AT_LEAST:
        return ratio_of(row) >= row->figure->goal;
    case GOAL_RATIO_AT_MOST:
        return ratio_of(row) <= row->figure->goal;
    }
    return false;
}

static const char *const goal_words[] = {[GOAL_NONE] = "",
                                         [GOAL_AT_LEAST] = "at least",
                                         [GOAL_AT_MOST] = "at most",
                                         [GOAL_RATIO_AT_LEAST] = "ratio at least",
                                         [GOAL_RATIO_AT_MOST] = "ratio at most"};

static void format_number(double value, char out[32])
{
    double size = fabs(value);
    int digits = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
    (void)snprintf(out, 32, "%.*f", digits, value);
}

static void print_goal(const ReportRow *row)
{
    char goal[32];
    format_number(row->figure->goal, goal);
    if (row->figure->goal_kind != GOAL_NONE) {
        printf("  %s %s, %s", goal_words[row->figure->goal_kind], goal,
               report_is_met(row) ? "met" : "MISSED");
    }
}

static void print_row(const ReportRow *row)
{
    double sorted[REPORT_REPEATS_MAX];
    memcpy(sorted, row->values, (size_t)row->count * sizeof *sorted);
    stats_sort(sorted, row->count);
    char middle[32];
    char least[32];
    char most[32];
    char raw[32] = "-";
    char ratio[32] = "-";
    format_number(stats_median(sorted, row->count), middle);
    format_number(sorted[0], least);
    format_number(sorted[row->count - 1], most);
    if (row->figure->raw != NULL) {
        format_number(stats_median(row->raws, row->count), raw);
        format_number(ratio_of(row), ratio);
    }
    printf("%-10s %-40s %-7s %8s  %8s .. %-8s %8s %7s", row->figure->scenario, row->figure->name,
           row->figure->unit, middle, least, most, raw, ratio);
    print_goal(row);
    putchar('\n');
}

void report_print_table(const Report *report)
{
    printf("%-10s %-40s %-7s %8s  %20s %8s %7s  goal\n", "scenario", "figure", "unit", "median",
           "least .. most", "raw", "ratio");
    for (int i = 0; i < report->count; i++) {
        print_row(&report->rows[i]);
    }
}

static void add_number(StrBuf *out, double value)
{
    if (isfinite(value)) {
        strbuf_printf(out, "%.9g", value);
    } else {
        strbuf_append(out, "null");
    }
}

static void add_numbers(StrBuf *out, const char *name, const double *values, int count)
{
    strbuf_printf(out, ", \"%s\": [", name);
    for (int i = 0; i < count; i++) {
        strbuf_append(out, i > 0 ? ", " : "");
        add_number(out, values[i]);
    }
    strbuf_append(out, "]");
}

static void add_row(StrBuf *out, const ReportRow *row)
{
    const Figure *figure = row->figure;
    strbuf_append(out, "    {\"scenario\": ");
    strbuf_append_json(out, figure->scenario);
    strbuf_append(out, ", \"figure\": ");
    strbuf_append_json(out, figure->name);
    strbuf_append(out, ", \"unit\": ");
    strbuf_append_json(out, figure->unit);
    strbuf_append(out, ", \"median\": ");
    add_number(out, stats_median(row->values, row->count));
    add_numbers(out, "values", row->values, row->count);
    if (figure->raw != NULL) {
        strbuf_append(out, ", \"raw_limit\": ");
        strbuf_append_json(out, figure->raw);
        add_numbers(out, "raw_values", row->raws, row->count);
        strbuf_append(out, ", \"ratio\": ");
        add_number(out, ratio_of(row));
    }
    if (figure->goal_kind != GOAL_NONE) {
        strbuf_printf(out, ", \"goal\": \"%s %g\", \"met\": %s", goal_words[figure->goal_kind],
                      figure->goal, report_is_met(row) ? "true" : "false");
    }
    strbuf_append(out, "}");
}

void report_write_json(const Report *report, const char *facts, StrBuf *out)
{
    strbuf_printf(out, "{\n  %s,\n  \"figures\": [\n", facts);
    for (int i = 0; i < report->count; i++) {
        add_row(out, &report->rows[i]);
        strbuf_append(out, i + 1 < report->count ? ",\n" : "\n");
    }
    strbuf_append(out, "  ],\n  \"curves\": [\n");
    for (int i = 0; i < report->curve_count; i++) {
        curve_append_json(report->curves[i], out);
        strbuf_append(out, i + 1 < report->curve_count ? ",\n" : "\n");
    }
    strbuf_append(out, "  ]\n}\n");
}

void report_write_curves(const Report *report, const char *json_path)
{
    static const char ending[] = ".json";
    size_t stem = strlen(json_path);
    if (stem >= sizeof ending && str_equal(json_path + stem - (sizeof ending - 1), ending)) {
        stem -= sizeof ending - 1;
    }
    for (int i = 0; i < report->curve_count; i++) {
        char *path =
            mem_printf("%.*s-%s.svg", (int)stem, json_path, report->curves[i]->labels->scenario);
        StrBuf text = {0};
        curve_svg_draw(report->curves[i], &text);
        FILE *file = fopen(path, "we");
        if (file == NULL || fwrite(text.text, 1, text.length, file) != text.length ||
            fclose(file) != 0) {
            bench_fail("%s: %s", path, strerror(errno));
        }
        strbuf_free(&text);
        free(path);
    }
}

void report_free(Report *report)
{
    free(report->rows);
    for (int i = 0; i < report->curve_count; i++) {
        free(report->curves[i]);
    }
    *report = (Report){0};
}
