// SPDX-License-Identifier: MIT
// Text: short forms of durations, ages and counts for people, and the width of text on a terminal.
#include "cli/text.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    MS_SECOND = 1000,
    MS_MINUTE = 60 * MS_SECOND,
    MS_HOUR = 60 * MS_MINUTE,
    MS_DAY = 24 * MS_HOUR
};

void text_duration(int64_t ms, char *out, size_t size)
{
    const char *sign = ms < 0 ? "-" : "";
    ms = ms > -INT64_MAX ? ms : -INT64_MAX; // so that it can be negated
    ms = ms < 0 ? -ms : ms;
    if (ms < MS_SECOND) {
        (void)snprintf(out, size, "%s%" PRId64 "ms", sign, ms);
    } else if (ms < MS_MINUTE) {
        // Cut, not rounded: 59.96 s must not read as 60.0s.
        (void)snprintf(out, size, "%s%" PRId64 ".%" PRId64 "s", sign, ms / MS_SECOND,
                       ms % MS_SECOND / 100);
    } else if (ms < MS_HOUR) {
        (void)snprintf(out, size, "%s%" PRId64 "m%02" PRId64 "s", sign, ms / MS_MINUTE,
                       ms % MS_MINUTE / MS_SECOND);
    } else if (ms < MS_DAY) {
        (void)snprintf(out, size, "%s%" PRId64 "h%02" PRId64 "m", sign, ms / MS_HOUR,
                       ms % MS_HOUR / MS_MINUTE);
    } else {
        (void)snprintf(out, size, "%s%" PRId64 "d%02" PRId64 "h", sign, ms / MS_DAY,
                       ms % MS_DAY / MS_HOUR);
    }
}

void text_age(int64_t ms, char *out, size_t size)
{
    static const struct {
        int64_t ms;
        const char *unit;
    } units[] = {{MS_DAY, "d"}, {MS_HOUR, "h"}, {MS_MINUTE, "m"}, {MS_SECOND, "s"}};
    const char *before = ms < 0 ? "in " : "";
    const char *after = ms < 0 ? "" : " ago";
    // What is still to come is rounded up: "in 0s" would read as due.
    ms = ms > -INT64_MAX + MS_SECOND ? ms : -INT64_MAX + MS_SECOND; // so that it can be negated
    int64_t left = ms < 0 ? -ms + MS_SECOND - 1 : ms;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (left >= units[i].ms) {
            (void)snprintf(out, size, "%s%" PRId64 "%s%s", before, left / units[i].ms,
                           units[i].unit, after);
            return;
        }
    }
    (void)snprintf(out, size, "0s ago");
}

void text_count(int64_t count, char *out, size_t size)
{
    if (count < 10000) {
        (void)snprintf(out, size, "%" PRId64, count);
    } else if (count < 1000000) {
        (void)snprintf(out, size, "%" PRId64 ".%" PRId64 "k", count / 1000, count % 1000 / 100);
    } else {
        (void)snprintf(out, size, "%" PRId64 ".%" PRId64 "M", count / 1000000,
                       count % 1000000 / 100000);
    }
}
