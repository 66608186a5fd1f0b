// SPDX-License-Identifier: MIT
// Curve SVG: draws a curve as a picture. The y axis begins at zero, so that flat looks flat and nothing else does.
#ifndef BENCH_CURVE_SVG_H
#define BENCH_CURVE_SVG_H

#include "bench/curve.h"

// A line of medians for each series; with several repetitions each point has a bar from the least to the most.
void curve_svg_draw(const Curve *curve, StrBuf *out);

#endif
