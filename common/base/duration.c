// SPDX-License-Identifier: MIT
// Durations and sizes: see the header.
#include "common/base/duration.h"

#include <stdbool.h>
#include <stdio.h>

typedef struct Unit {
    const char *name;
    int64_t factor;
} Unit;

// Largest first: the order in which several may follow one another.
static const Unit duration_units[] = {
    {"w", INT64_C(7) * 24 * 60 * 60 * 1000},
    {"d", INT64_C(24) * 60 * 60 * 1000},
    {"h", INT64_C(60) * 60 * 1000},
    {"m", INT64_C(60) * 1000},
    {"s", 1000},
    {"ms", 1},
};

// Binary before decimal of the same length: memory is what sizes are mostly about.
static const Unit size_units[] = {
    {"GiB", INT64_C(1) << 30},
    {"MiB", INT64_C(1) << 20},
    {"KiB", INT64_C(1) << 10},
    {"GB", 1000000000},
    {"MB", 1000000},
    {"kB", 1000},
    {"B", 1},
};

enum {
    DURATION_UNIT_COUNT = sizeof duration_units / sizeof duration_units[0],
    SIZE_UNIT_COUNT = sizeof size_units / sizeof size_units[0],
    TEXT_BYTES_MAX = 128 // longer than any sum of six 19-digit numbers with units
};

static const int64_t DURATION_MAX_MS = INT64_C(36525) * 24 * 60 * 60 * 1000; // 100 years

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Reads digits at *at and moves on; STATUS_REFUSED when there are none or they exceed INT64_MAX.
static Status read_number(const char **at, int64_t *number, const char **why)
{
    const char *p = *at;
    if (!is_digit(*p)) {
        *why = *p == '-' ? "must not be negative" : "must start with a number";
        return STATUS_REFUSED;
    }
    int64_t value = 0;
    while (is_digit(*p)) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, *p - '0', &value)) {
            *why = "is too large";
            return STATUS_REFUSED;
        }
        p++;
    }
    *at = p;
    *number = value;
    return STATUS_OK;
}

// Reads letters at *at and moves on; -1 when they are no unit of the table.
static int read_unit(const char **at, const Unit *units, int count)
{
    size_t length = 0;
    while (is_letter((*at)[length])) {
        length++;
    }
    for (int i = 0; i < count; i++) {
        if (strlen(units[i].name) == length && memcmp(units[i].name, *at, length) == 0) {
            *at += length;
            return i;
        }
    }
    return -1;
}

static const char *unit_problem(char next, bool is_duration)
{
    if (next == '.' || next == ',') {
        return "must be a whole number; use a smaller unit";
    }
    if (next == ' ' || next == '\t') {
        return "must not contain spaces";
    }
    if (next == '\0') {
        return is_duration ? "needs a unit: ms, s, m, h, d or w"
                           : "needs a unit: B, KiB, MiB, GiB, kB, MB or GB";
    }
    return is_duration ? "has an unknown unit; known are ms, s, m, h, d and w"
                       : "has an unknown unit; known are B, KiB, MiB, GiB, kB, MB and GB";
}

Status duration_parse(const char *text, int64_t *ms, const char **why)
{
    if (str_equal(text, "0")) {
        *ms = 0;
        return STATUS_OK;
    }
    int64_t total = 0;
    int previous = -1;
    const char *at = text;
    do {
        int64_t number = 0;
        TRY(read_number(&at, &number, why));
        int unit = read_unit(&at, duration_units, DURATION_UNIT_COUNT);
        if (unit < 0) {
            *why = unit_problem(*at, true);
            return STATUS_REFUSED;
        }
        if (unit <= previous) {
            *why = "must name each unit once, largest first";
            return STATUS_REFUSED;
        }
        previous = unit;
        int64_t part = 0;
        if (__builtin_mul_overflow(number, duration_units[unit].factor, &part) ||
            __builtin_add_overflow(total, part, &total) || total > DURATION_MAX_MS) {
            *why = "must not exceed 100 years";
            return STATUS_REFUSED;
        }
    } while (*at != '\0');
    *ms = total;
    return STATUS_OK;
}

Status size_parse(const char *text, int64_t *bytes, const char **why)
{
    if (str_equal(text, "0")) {
        *bytes = 0;
        return STATUS_OK;
    }
    const char *at = text;
    int64_t number = 0;
    TRY(read_number(&at, &number, why));
    int unit = read_unit(&at, size_units, SIZE_UNIT_COUNT);
    if (unit < 0) {
        *why = unit_problem(*at, false);
        return STATUS_REFUSED;
    }
    if (*at != '\0') {
        *why = "must be one number and one unit";
        return STATUS_REFUSED;
    }
    if (__builtin_mul_overflow(number, size_units[unit].factor, bytes)) {
        *why = "is too large";
        return STATUS_REFUSED;
    }
    return STATUS_OK;
}

// Writes `amount` with exactly the units of `mask`; 0 when they do not sum up or one would be zero.
static size_t format_with_units(int64_t amount, unsigned mask, const Unit *units, int count,
                                char *out, size_t size)
{
    size_t length = 0;
    for (int i = 0; i < count; i++) {
        if ((mask & (1U << i)) == 0) {
            continue;
        }
        int64_t number = amount / units[i].factor;
        if (number == 0) {
            return 0;
        }
        amount %= units[i].factor;
        length += (size_t)snprintf(out + length, size - length, "%lld%s", (long long)number,
                                   units[i].name);
    }
    return amount == 0 ? length : 0;
}

// The shortest of all ways; among equals the one with fewer, then with larger units.
static void format_shortest(int64_t amount, const Unit *units, int count, bool sums, char *best)
{
    size_t best_length = 0;
    int best_parts = 0;
    for (unsigned mask = 1; mask < 1U << count; mask++) {
        int parts = __builtin_popcount(mask);
        if (parts > 1 && !sums) {
            continue;
        }
        char text[TEXT_BYTES_MAX];
        size_t length = format_with_units(amount, mask, units, count, text, sizeof text);
        bool shorter = length < best_length || (length == best_length && parts < best_parts);
        if (length > 0 && (best_length == 0 || shorter)) {
            memcpy(best, text, length + 1);
            best_length = length;
            best_parts = parts;
        }
    }
}

static void format_amount(int64_t amount, const Unit *units, int count, bool sums, const char *zero,
                          char *out, size_t size)
{
    char best[TEXT_BYTES_MAX] = "";
    if (amount > 0) {
        format_shortest(amount, units, count, sums, best);
    }
    (void)snprintf(out, size, "%s", amount > 0 ? best : zero);
}

void duration_format(int64_t ms, char *out, size_t size)
{
    format_amount(ms, duration_units, DURATION_UNIT_COUNT, true, "0s", out, size);
}

void size_format(int64_t bytes, char *out, size_t size)
{
    format_amount(bytes, size_units, SIZE_UNIT_COUNT, false, "0B", out, size);
}
