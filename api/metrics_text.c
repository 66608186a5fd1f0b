// SPDX-License-Identifier: MIT
// Metrics text: see the header.
#include "api/metrics_text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "common/base/log.h"

enum { MICROS_PER_SECOND = 1000000, NUMBER_BYTES = 48 };

void metrics_text_family(MetricsText *text, MetricType type, const char *name, const char *help)
{
    static const char *const types[] = {
        [METRIC_COUNTER] = "counter",
        [METRIC_GAUGE] = "gauge",
        [METRIC_HISTOGRAM] = "histogram",
    };
    for (size_t i = 0; i < text->family_count; i++) {
        if (str_equal(text->families[i], name)) {
            panic("metric family %s begun twice", name);
        }
    }
    if (text->family_count == METRIC_FAMILIES_MAX) {
        panic("more than %d metric families", METRIC_FAMILIES_MAX);
    }
    text->families[text->family_count++] = name;
    text->family = name;
    strbuf_printf(&text->out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, types[type]);
}

static void append_escaped(StrBuf *out, const char *value)
{
    for (; *value != '\0'; value++) {
        if (*value == '\\') {
            strbuf_append(out, "\\\\");
        } else if (*value == '"') {
            strbuf_append(out, "\\\"");
        } else if (*value == '\n') {
            strbuf_append(out, "\\n");
        } else {
            strbuf_append_char(out, *value);
        }
    }
}

static void append_label(StrBuf *out, bool is_first, const char *name, const char *value)
{
    strbuf_append(out, is_first ? "{" : ",");
    strbuf_append(out, name);
    strbuf_append(out, "=\"");
    append_escaped(out, value);
    strbuf_append_char(out, '"');
}

// `le`: a bucket's bound; NULL: none.
static void append_series(MetricsText *text, const char *suffix, MetricLabels labels,
                          const char *le)
{
    StrBuf *out = &text->out;
    strbuf_append(out, text->family);
    strbuf_append(out, suffix);
    for (size_t i = 0; i < labels.count; i++) {
        append_label(out, i == 0, labels.items[i].name, labels.items[i].value);
    }
    if (le != NULL) {
        append_label(out, labels.count == 0, "le", le);
    }
    if (labels.count > 0 || le != NULL) {
        strbuf_append_char(out, '}');
    }
    strbuf_append_char(out, ' ');
}

// A fraction without zeros at its end: bounds are to be written as people write them.
static void format_seconds(uint64_t micros, char out[NUMBER_BYTES])
{
    int length = snprintf(out, NUMBER_BYTES, "%" PRIu64 ".%06" PRIu64, micros / MICROS_PER_SECOND,
                          micros % MICROS_PER_SECOND);
    while (length > 0 && out[length - 1] == '0') {
        out[--length] = '\0';
    }
    if (length > 0 && out[length - 1] == '.') {
        out[length - 1] = '\0';
    }
}

static void append_amount(StrBuf *out, uint64_t value, bool is_time)
{
    char number[NUMBER_BYTES];
    if (is_time) {
        format_seconds(value, number);
    } else {
        (void)snprintf(number, sizeof number, "%" PRIu64, value);
    }
    strbuf_append(out, number);
    strbuf_append_char(out, '\n');
}

void metrics_text_count(MetricsText *text, MetricLabels labels, uint64_t value)
{
    append_series(text, "", labels, NULL);
    append_amount(&text->out, value, false);
}

void metrics_text_seconds(MetricsText *text, MetricLabels labels, uint64_t micros)
{
    append_series(text, "", labels, NULL);
    append_amount(&text->out, micros, true);
}

void metrics_text_number(MetricsText *text, MetricLabels labels, double value)
{
    append_series(text, "", labels, NULL);
    if (isnan(value) || isinf(value)) {
        strbuf_append(&text->out, isnan(value) ? "NaN\n" : value > 0 ? "+Inf\n" : "-Inf\n");
        return;
    }
    static const double whole_max = 9007199254740992.0; // 2^53: whole numbers below it are exact
    const bool is_whole = fabs(value) < whole_max && value == trunc(value);
    strbuf_printf(&text->out, is_whole ? "%.0f\n" : "%.9g\n", value);
}

void metrics_text_histogram(MetricsText *text, MetricLabels labels, const HistogramSum *histogram,
                            const uint64_t *bounds, bool is_time)
{
    uint64_t below = 0;
    for (int i = 0; i <= COUNTER_BOUNDS; i++) {
        char le[NUMBER_BYTES] = "+Inf";
        if (i < COUNTER_BOUNDS && is_time) {
            format_seconds(bounds[i], le);
        } else if (i < COUNTER_BOUNDS) {
            (void)snprintf(le, sizeof le, "%" PRIu64, bounds[i]);
        }
        below += histogram->buckets[i];
        append_series(text, "_bucket", labels, le);
        append_amount(&text->out, below, false);
    }
    append_series(text, "_sum", labels, NULL);
    append_amount(&text->out, histogram->sum, is_time);
    append_series(text, "_count", labels, NULL);
    append_amount(&text->out, below, false);
}

void metrics_text_free(MetricsText *text)
{
    strbuf_free(&text->out);
    *text = (MetricsText){.family = NULL};
}

void histogram_sum_add(HistogramSum *sum, const Histogram *histogram)
{
    for (int i = 0; i <= COUNTER_BOUNDS; i++) {
        sum->buckets[i] += counter_read(&histogram->buckets[i]);
    }
    sum->sum += counter_read(&histogram->sum);
}

uint64_t histogram_sum_count(const HistogramSum *sum)
{
    uint64_t count = 0;
    for (int i = 0; i <= COUNTER_BOUNDS; i++) {
        count += sum->buckets[i];
    }
    return count;
}
