// SPDX-License-Identifier: MIT
// Curve SVG: see the header.
#include "bench/curve_svg.h"

#include <math.h>
#include <stdio.h>

enum {
    WIDTH = 860,
    HEIGHT = 440,
    LEFT = 84,
    RIGHT = 230, // room for the legend
    TOP = 48,
    BOTTOM = 60,
    TICKS = 6, // wanted; the step is a round number near
    TICK_LENGTH = 5,
    LEGEND_STEP = 22
};

// Dark, apart for most eyes, and apart in grey.
static const char *const colours[CURVE_SERIES_MAX] = {"#1f4e9e", "#c4501b", "#2b7d46", "#7b3f98",
                                                      "#8a6d00", "#0f7f8c", "#a3244d", "#4d4d4d"};

typedef struct Plot {
    double x_least;
    double x_most;
    double y_most;
    double y_step;
    bool is_x_logarithmic;
} Plot;

static double place_x(const Plot *plot, double x)
{
    const double low = plot->is_x_logarithmic ? log10(plot->x_least) : plot->x_least;
    const double high = plot->is_x_logarithmic ? log10(plot->x_most) : plot->x_most;
    const double at = plot->is_x_logarithmic ? log10(x) : x;
    return LEFT + (WIDTH - LEFT - RIGHT) * (high > low ? (at - low) / (high - low) : 0.5);
}

static double place_y(const Plot *plot, double y)
{
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * y / plot->y_most;
}

// 1, 2 or 5 times a power of ten, so that about TICKS of them make `most`.
static double round_step(double most)
{
    const double rough = most / TICKS;
    const double power = pow(10, floor(log10(rough)));
    const double size = rough / power;
    return power * (size <= 1 ? 1 : size <= 2 ? 2 : size <= 5 ? 5 : 10);
}

static Plot measure(const Curve *curve)
{
    Plot plot = {.x_least = INFINITY, .is_x_logarithmic = curve->labels->is_x_logarithmic};
    for (int i = 0; i < curve->count; i++) {
        for (int n = 0; n < curve->series[i].count; n++) {
            const CurvePoint *point = &curve->series[i].points[n];
            plot.x_least = fmin(plot.x_least, point->x);
            plot.x_most = fmax(plot.x_most, point->x);
            for (int k = 0; k < point->count; k++) {
                plot.y_most = fmax(plot.y_most, point->values[k]);
            }
        }
    }
    if (plot.y_most <= 0) {
        plot.y_most = 1;
    }
    if (!plot.is_x_logarithmic) {
        plot.x_least = 0;
    }
    plot.y_step = round_step(plot.y_most);
    plot.y_most = ceil(plot.y_most / plot.y_step) * plot.y_step;
    return plot;
}

static void append_escaped(StrBuf *out, const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        switch (*c) {
        case '<':
            strbuf_append(out, "&lt;");
            break;
        case '&':
            strbuf_append(out, "&amp;");
            break;
        default:
            strbuf_append_char(out, *c);
        }
    }
}

static void add_text(StrBuf *out, double x, double y, const char *attributes, const char *text)
{
    strbuf_printf(out, "<text x=\"%.1f\" y=\"%.1f\" %s>", x, y, attributes);
    append_escaped(out, text);
    strbuf_append(out, "</text>\n");
}

static void add_line(StrBuf *out, double x1, double y1, double x2, double y2, const char *stroke)
{
    strbuf_printf(out, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"/>\n",
                  x1, y1, x2, y2, stroke);
}

// 20000 as "20k", 1500000 as "1.5M".
static void format_short(double value, char out[32])
{
    const bool is_million = value >= 1e6;
    const bool is_thousand = !is_million && value >= 1e3;
    (void)snprintf(out, 32, "%.4g%s",
                   is_million    ? value / 1e6
                   : is_thousand ? value / 1e3
                                 : value,
                   is_million    ? "M"
                   : is_thousand ? "k"
                                 : "");
}

static void add_x_tick(StrBuf *out, const Plot *plot, double x)
{
    char text[32];
    format_short(x, text);
    const double at = place_x(plot, x);
    add_line(out, at, HEIGHT - BOTTOM, at, HEIGHT - BOTTOM + TICK_LENGTH, "#222");
    add_text(out, at, HEIGHT - BOTTOM + 20, "text-anchor=\"middle\"", text);
}

static void add_axes(StrBuf *out, const Curve *curve, const Plot *plot)
{
    const int ticks = (int)lround(plot->y_most / plot->y_step);
    for (int i = 0; i <= ticks; i++) {
        char text[32];
        format_short(i * plot->y_step, text);
        const double at = place_y(plot, i * plot->y_step);
        add_line(out, LEFT, at, WIDTH - RIGHT, at, i == 0 ? "#222" : "#ddd");
        add_text(out, LEFT - 8, at + 4, "text-anchor=\"end\"", text);
    }
    if (plot->is_x_logarithmic) {
        const int last = (int)floor(log10(plot->x_most) + 0.001);
        for (int i = (int)ceil(log10(plot->x_least)); i <= last; i++) {
            add_x_tick(out, plot, pow(10, i));
        }
    } else {
        const double step = round_step(plot->x_most > 0 ? plot->x_most : 1);
        for (int i = 0; i * step <= plot->x_most * 1.001; i++) {
            add_x_tick(out, plot, i * step);
        }
    }
    add_line(out, LEFT, TOP, LEFT, HEIGHT - BOTTOM, "#222");
    add_text(out, LEFT, TOP - 20, "font-size=\"16\" font-weight=\"bold\"", curve->labels->title);
    add_text(out, LEFT + (WIDTH - LEFT - RIGHT) / 2.0, HEIGHT - BOTTOM + 44,
             "text-anchor=\"middle\"", curve->labels->x);
    strbuf_printf(out, "<g transform=\"translate(22 %.1f) rotate(-90)\">",
                  TOP + (HEIGHT - TOP - BOTTOM) / 2.0);
    add_text(out, 0, 0, "text-anchor=\"middle\"", curve->labels->y);
    strbuf_append(out, "</g>\n");
}

static void add_range(StrBuf *out, const Plot *plot, const CurvePoint *point, const char *colour)
{
    double least = point->values[0];
    double most = point->values[0];
    for (int i = 1; i < point->count; i++) {
        least = fmin(least, point->values[i]);
        most = fmax(most, point->values[i]);
    }
    const double at = place_x(plot, point->x);
    add_line(out, at, place_y(plot, least), at, place_y(plot, most), colour);
}

static void add_series(StrBuf *out, const Curve *curve, const Plot *plot, int number)
{
    const CurveSeries *series = &curve->series[number];
    const char *colour = colours[number];
    strbuf_printf(out, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\" points=\"",
                  colour);
    for (int i = 0; i < series->count; i++) {
        strbuf_printf(out, "%s%.1f,%.1f", i > 0 ? " " : "", place_x(plot, series->points[i].x),
                      place_y(plot, curve_middle(&series->points[i])));
    }
    strbuf_append(out, "\"/>\n");
    for (int i = 0; i < series->count; i++) {
        const CurvePoint *point = &series->points[i];
        strbuf_printf(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"2.5\" fill=\"%s\"/>\n",
                      place_x(plot, point->x), place_y(plot, curve_middle(point)), colour);
        if (point->count > 1) {
            add_range(out, plot, point, colour);
        }
    }
    const double y = TOP + 10 + number * LEGEND_STEP;
    strbuf_printf(out, "<rect x=\"%d\" y=\"%.1f\" width=\"18\" height=\"3\" fill=\"%s\"/>\n",
                  WIDTH - RIGHT + 16, y - 5, colour);
    add_text(out, WIDTH - RIGHT + 42, y, "", series->name);
}

void curve_svg_draw(const Curve *curve, StrBuf *out)
{
    const Plot plot = measure(curve);
    strbuf_printf(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 "
        "0 %d %d\" font-family=\"sans-serif\" font-size=\"13\" fill=\"#222\">\n"
        "<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n",
        WIDTH, HEIGHT, WIDTH, HEIGHT, WIDTH, HEIGHT);
    add_axes(out, curve, &plot);
    for (int i = 0; i < curve->count; i++) {
        add_series(out, curve, &plot, i);
    }
    strbuf_append(out, "</svg>\n");
}
