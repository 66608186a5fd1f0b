// SPDX-License-Identifier: MIT
// Scale: how much a test does of what is more of the same, e.g. how long it lets sessions race.
//
// GANGER_TEST_SCALE says it, as a percentage. The suite does a part; under sanitizers a small one, as they see the programs and not the
// server, whose races these are. `scripts/test --long` runs the same tests whole.
//
// Limits of time are wider there: TEST_SLOWNESS says how many times.
#ifndef TESTS_SUPPORT_SCALE_H
#define TESTS_SUPPORT_SCALE_H

#include <stdint.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
enum { TEST_SCALE_DEFAULT = 10, TEST_SLOWNESS = 3 };
#else
enum { TEST_SCALE_DEFAULT = 20, TEST_SLOWNESS = 1 };
#endif

static inline int64_t test_scale_percent(void)
{
    const char *text = getenv("GANGER_TEST_SCALE");
    const long long percent = text != NULL ? strtoll(text, NULL, 10) : 0;
    return percent > 0 ? percent : TEST_SCALE_DEFAULT;
}

// The part of `whole` that is to be done, at least `least`.
static inline int64_t test_scale(int64_t whole, int64_t least)
{
    const int64_t part = whole * test_scale_percent() / 100;
    return part > least ? part : least;
}

#endif
