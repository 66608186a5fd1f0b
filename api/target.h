// SPDX-License-Identifier: MIT
// Target: the path and query of a request, taken apart strictly.
#ifndef API_TARGET_H
#define API_TARGET_H

#include <stdbool.h>
#include <stddef.h>

enum { TARGET_BYTES_MAX = 8192, TARGET_SEGMENT_MAX = 12, TARGET_PAIR_MAX = 64 };

typedef struct TargetPair {
    const char *name;
    const char *value;
} TargetPair;

typedef struct Target {
    char *text;                               // what all others point into
    const char *segments[TARGET_SEGMENT_MAX]; // decoded: a %2F in one is part of it
    size_t segment_count;              // "/" has none; one slash at the end counts for nothing
    TargetPair pairs[TARGET_PAIR_MAX]; // in order, names may repeat
    size_t pair_count;
} Target;

// `raw` as in the request line. False: *why says in a few words what is wrong with it, and there is nothing to free. Refused are what
// does not begin with a slash (a whole URL, "*"), bytes that are not printable ASCII, "#", escapes that are none, NUL, texts that are
// not UTF-8, empty segments, "." and "..", and too many of anything.
bool target_parse(Target *target, const char *raw, const char **why);
void target_free(Target *target);

// The index-th value of a name; NULL when there are not so many.
const char *target_query(const Target *target, const char *name, size_t index);
// The first name that is not among `known` (ended by NULL); NULL when there is none.
const char *target_unknown_query(const Target *target, const char *const *known);

#endif
