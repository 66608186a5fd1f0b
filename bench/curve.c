// SPDX-License-Identifier: MIT
// Curve: see the header.
#include "bench/curve.h"

#include "bench/stats.h"
#include "common/base/log.h"

Curve *curve_create(const CurveLabels *labels)
{
    Curve *curve = mem_alloc(sizeof *curve);
    curve->labels = labels;
    return curve;
}

static CurveSeries *find_series(Curve *curve, const char *name)
{
    for (int i = 0; i < curve->count; i++) {
        if (str_equal(curve->series[i].name, name)) {
            return &curve->series[i];
        }
    }
    if (curve->count == CURVE_SERIES_MAX) {
        panic("%s: more than %d series", curve->labels->scenario, CURVE_SERIES_MAX);
    }
    CurveSeries *series = &curve->series[curve->count++];
    series->name = name;
    return series;
}

// Repetitions meet at the very same x: it counts jobs.
static CurvePoint *find_point(CurveSeries *series, double x)
{
    for (int i = 0; i < series->count; i++) {
        if (series->points[i].x >= x && series->points[i].x <= x) {
            return &series->points[i];
        }
    }
    if (series->count == CURVE_POINTS_MAX) {
        panic("%s: more than %d points", series->name, CURVE_POINTS_MAX);
    }
    CurvePoint *point = &series->points[series->count++];
    point->x = x;
    return point;
}

void curve_add(Curve *curve, const char *series, double x, double y)
{
    CurvePoint *point = find_point(find_series(curve, series), x);
    if (point->count == CURVE_REPEATS_MAX) {
        panic("%s: more than %d repetitions", series, CURVE_REPEATS_MAX);
    }
    point->values[point->count++] = y;
}

double curve_middle(const CurvePoint *point)
{
    return stats_median(point->values, point->count);
}

static void append_label(StrBuf *out, const char *name, const char *value)
{
    strbuf_printf(out, "\"%s\": ", name);
    strbuf_append_json(out, value);
}

static void append_point(StrBuf *out, const CurvePoint *point)
{
    strbuf_printf(out, "[%.9g", point->x);
    for (int i = 0; i < point->count; i++) {
        strbuf_printf(out, ", %.6g", point->values[i]);
    }
    strbuf_append(out, "]");
}

void curve_append_json(const Curve *curve, StrBuf *out)
{
    const CurveLabels *labels = curve->labels;
    strbuf_append(out, "    {");
    append_label(out, "scenario", labels->scenario);
    strbuf_append(out, ", ");
    append_label(out, "title", labels->title);
    strbuf_append(out, ", ");
    append_label(out, "x", labels->x);
    strbuf_append(out, ", ");
    append_label(out, "y", labels->y);
    strbuf_append(out, ", \"series\": [\n");
    for (int i = 0; i < curve->count; i++) {
        const CurveSeries *series = &curve->series[i];
        strbuf_append(out, "      {");
        append_label(out, "name", series->name);
        strbuf_append(out, ", \"samples\": [");
        for (int n = 0; n < series->count; n++) {
            strbuf_append(out, n > 0 ? ", " : "");
            append_point(out, &series->points[n]);
        }
        strbuf_append(out, i + 1 < curve->count ? "]},\n" : "]}\n");
    }
    strbuf_append(out, "    ]}");
}
