// SPDX-License-Identifier: MIT
// Instants as ISO 8601 writes them ("2026-01-31T12:00:00Z"), in milliseconds since 1970 UTC.
#ifndef COMMON_BASE_INSTANT_H
#define COMMON_BASE_INSTANT_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/status.h"

enum { INSTANT_TEXT_BYTES = 32 };

// Date, "T" or a space, time with or without seconds and a fraction of them, and a zone: Z, +HH, +HH:MM or +HHMM. Years 1 to 9999.
// STATUS_REFUSED: not such a text; *why says which (static text).
MUST_CHECK Status instant_parse(const char *text, int64_t *unix_ms, const char **why);
// In UTC, with milliseconds. What lies before the year 1 or after 9999 is written as their ends.
void instant_format(int64_t unix_ms, char *out, size_t size);

#endif
