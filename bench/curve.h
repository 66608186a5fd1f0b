// SPDX-License-Identifier: MIT
// Curve: a figure over something that grows. Its samples stand in the JSON, and curve_svg draws them.
#ifndef BENCH_CURVE_H
#define BENCH_CURVE_H

#include <stdbool.h>

#include "common/base/memory.h"

enum { CURVE_SERIES_MAX = 8, CURVE_POINTS_MAX = 64, CURVE_REPEATS_MAX = 20 };

typedef struct CurveLabels {
    const char *scenario; // also the picture's name
    const char *title;
    const char *x;
    const char *y;
    bool is_x_logarithmic;
} CurveLabels;

typedef struct CurvePoint {
    double x;
    int count; // of values: one a repetition
    double values[CURVE_REPEATS_MAX];
} CurvePoint;

typedef struct CurveSeries {
    const char *name;
    int count;
    CurvePoint points[CURVE_POINTS_MAX];
} CurveSeries;

typedef struct Curve {
    const CurveLabels *labels;
    int count;
    CurveSeries series[CURVE_SERIES_MAX];
} Curve;

// Caller frees. The labels, and the names of series, must outlive it.
Curve *curve_create(const CurveLabels *labels);
// Adds one repetition's value at `x`. The points of a series come in the order of their first.
void curve_add(Curve *curve, const char *series, double x, double y);
// The median of the repetitions at a point.
double curve_middle(const CurvePoint *point);
// Appends the curve as a JSON object.
void curve_append_json(const Curve *curve, StrBuf *out);

#endif
