// SPDX-License-Identifier: MIT
// Seeded bugs: faults put in on purpose, so that the checker of the chaos tests is shown something to find. Compiled in only with
// GANGER_FAULT_POINTS; otherwise the condition is a constant false.
//
// GANGER_SEEDED_BUG=<name> switches one on, for the process and its children. A name that nobody knows ends the process: a test with a
// misspelt bug would prove nothing.
#ifndef COMMON_BASE_SEEDED_BUG_H
#define COMMON_BASE_SEEDED_BUG_H

#include <stdbool.h>

#ifdef GANGER_FAULT_POINTS
bool seeded_bug(const char *name);
void seeded_bug_check(void);
#define SEEDED_BUG(name)   seeded_bug(name)
#define SEEDED_BUG_CHECK() seeded_bug_check() // refuses a name now, not only where one is asked for
#else
#define SEEDED_BUG(name)   false
#define SEEDED_BUG_CHECK() ((void)0)
#endif

#endif
