// SPDX-License-Identifier: MIT
// Instants: see the header.
#include "common/base/instant.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

static const int64_t INSTANT_FIRST_MS = -62135596800000; // 0001-01-01T00:00:00Z
static const int64_t INSTANT_LAST_MS = 253402300799999;  // 9999-12-31T23:59:59.999Z

enum { MINUTES_MAX = 59, HOURS_MAX = 23, ZONE_HOURS_MAX = 15, FRACTION_DIGITS = 3 };

// Reads exactly `digits` digits of a number within low..high.
static bool read_number(const char **at, int digits, int low, int high, int *out)
{
    int value = 0;
    for (int i = 0; i < digits; i++) {
        if (!isdigit((unsigned char)(*at)[i])) {
            return false;
        }
        value = value * 10 + ((*at)[i] - '0');
    }
    *at += digits;
    *out = value;
    return value >= low && value <= high;
}

static bool read_char(const char **at, char wanted)
{
    if (**at != wanted) {
        return false;
    }
    (*at)++;
    return true;
}

static int days_of(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && is_leap ? 29 : days[month - 1];
}

static bool read_date(const char **at, struct tm *out)
{
    int year = 0;
    int month = 0;
    if (!read_number(at, 4, 1, 9999, &year) || !read_char(at, '-') ||
        !read_number(at, 2, 1, 12, &month) || !read_char(at, '-') ||
        !read_number(at, 2, 1, days_of(year, month), &out->tm_mday)) {
        return false;
    }
    out->tm_year = year - 1900;
    out->tm_mon = month - 1;
    return true;
}

static bool read_time(const char **at, struct tm *out, int *ms)
{
    if (!read_number(at, 2, 0, HOURS_MAX, &out->tm_hour) || !read_char(at, ':') ||
        !read_number(at, 2, 0, MINUTES_MAX, &out->tm_min)) {
        return false;
    }
    if (!read_char(at, ':')) {
        return true;
    }
    if (!read_number(at, 2, 0, MINUTES_MAX, &out->tm_sec)) {
        return false;
    }
    if (!read_char(at, '.')) {
        return true;
    }
    int digits = 0;
    for (; isdigit((unsigned char)**at); (*at)++, digits++) {
        *ms = digits < FRACTION_DIGITS ? *ms * 10 + (**at - '0') : *ms;
    }
    for (int i = digits; i < FRACTION_DIGITS; i++) {
        *ms *= 10;
    }
    return digits > 0;
}

static bool read_zone(const char **at, int *minutes)
{
    int hours = 0;
    int rest = 0;
    if (read_char(at, 'Z')) {
        return true;
    }
    const int sign = **at == '-' ? -1 : 1;
    if (!read_char(at, '+') && !read_char(at, '-')) {
        return false;
    }
    if (!read_number(at, 2, 0, ZONE_HOURS_MAX, &hours)) {
        return false;
    }
    if ((read_char(at, ':') || **at != '\0') && !read_number(at, 2, 0, MINUTES_MAX, &rest)) {
        return false;
    }
    *minutes = sign * (hours * 60 + rest);
    return true;
}

Status instant_parse(const char *text, int64_t *unix_ms, const char **why)
{
    struct tm time = {0};
    int ms = 0;
    int zone_minutes = 0;
    const char *at = text;
    if (!read_date(&at, &time) || !(read_char(&at, 'T') || read_char(&at, ' ')) ||
        !read_time(&at, &time, &ms)) {
        *why = "no date and time";
        return STATUS_REFUSED;
    }
    if (!read_zone(&at, &zone_minutes) || *at != '\0') {
        *why = "it must end in a zone, Z or +01:00";
        return STATUS_REFUSED;
    }
    *unix_ms = ((int64_t)timegm(&time) - (int64_t)zone_minutes * 60) * 1000 + ms;
    return STATUS_OK;
}

void instant_format(int64_t unix_ms, char *out, size_t size)
{
    const int64_t ms = unix_ms < INSTANT_FIRST_MS  ? INSTANT_FIRST_MS
                       : unix_ms > INSTANT_LAST_MS ? INSTANT_LAST_MS
                                                   : unix_ms;
    const int rest = (int)((ms % 1000 + 1000) % 1000);
    const time_t seconds = (time_t)((ms - rest) / 1000);
    struct tm time = {0};
    (void)gmtime_r(&seconds, &time);
    (void)snprintf(out, size, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", time.tm_year + 1900,
                   time.tm_mon + 1, time.tm_mday, time.tm_hour, time.tm_min, time.tm_sec, rest);
}
