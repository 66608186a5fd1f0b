// SPDX-License-Identifier: MIT
// Nearest: the known name a mistyped one probably means.
#ifndef COMMON_BASE_NEAREST_H
#define COMMON_BASE_NEAREST_H

#include <stddef.h>

// Number of single-character changes (insert, delete, replace, swap of neighbours) between the two.
// Texts above 64 bytes are not compared: the answer is NEAREST_FAR.
enum { NEAREST_TEXT_MAX = 64, NEAREST_FAR = 1000 };
int nearest_distance(const char *a, const char *b);

// The name closest to `text`, or NULL when none is close enough to be what was meant (at most one
// change per three characters, at least one). The earlier of two equally close names wins.
const char *nearest_name(const char *text, const char *const *names, size_t count);

#endif
