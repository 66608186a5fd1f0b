// SPDX-License-Identifier: MIT
// The checker of the chaos test: what the database says against what the handlers wrote down.
#ifndef TESTS_CHAOS_CHAOS_H
#define TESTS_CHAOS_CHAOS_H

#include "tests/support/daemon.h"

// Checks every promise over all jobs; prints each violation. Returns their number.
int chaos_check(SystemTest *test, const char *journal_path);

#endif
